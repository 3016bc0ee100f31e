//! The deploy step of a CI pipeline: sets image tags in a kustomization and pushes.
//!
//!     bump --repo git@gitlab.example.com:inf/sync.git --branch dev \
//!          --path deploy/k8s/overlays/test \
//!          --image app=registry.example.com/inf/app:177839 \
//!          --author 'CI <ci@example.com>' --ssh-key ~/.ssh/deploy --known-hosts known_hosts
//!
//! Needs no worktree and no `kustomize`. When someone else pushes at the same
//! time, the tags are set again on top of what they pushed.
//!
//! Exit status: 0 pushed, or nothing to change; 1 failed; 2 wrong arguments.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gitops_git::{
    CommitOptions, Credentials, FetchError, HostKeys, Identity, Mirror, MirrorOptions, PushError, PushOutcome, Remote,
    RepoUrl, Revision, SshKey, Tls, TreeEdit,
};
use kustomize_core::{ImageChange, edit_all};

const USAGE: &str = "\
Usage: bump --repo URL --branch B --path DIR --image NAME=NEWNAME:TAG [--image …]
            [--message M] [--author 'N <mail>'] [--ssh-key FILE] [--known-hosts FILE]
            [--username U --password-env VAR] [--ca-file FILE] [--cache DIR] [--dry-run]

  --repo URL           https, ssh, git@host:path, git, file, or a local path
  --branch B           the branch to commit to
  --path DIR           the directory of the kustomization in the repository
  --image …            as for `kustomize edit set image`; may be repeated
  --message M          commit message [default: [skip ci]update image tag]
  --author 'N <mail>'  author and committer [default: GIT_AUTHOR_NAME and
                       GIT_AUTHOR_EMAIL, or bump <bump@localhost>]
  --ssh-key FILE       SSH private key; its passphrase, if it has one, is taken
                       from BUMP_SSH_PASSPHRASE
  --known-hosts FILE   SSH servers to trust, and no others
  --username U         user name for HTTPS
  --password-env VAR   environment variable with the password or token
  --ca-file FILE       more certificate authorities for HTTPS, in PEM
  --cache DIR          keep the repository here between runs
  --dry-run            push nothing, and show the lines that would change";

/// The one option without a value.
const DRY_RUN: &str = "--dry-run";

const DEFAULT_MESSAGE: &str = "[skip ci]update image tag";

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("bump: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match bump(&arguments) {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn bump(arguments: &Arguments) -> Result<String, AnyError> {
    let temporary = tempfile::tempdir()?;
    let cache = arguments.cache.as_deref().unwrap_or(temporary.path());
    let mirror = Mirror::open(cache, arguments.remote()?, MirrorOptions::new())?;
    let options = CommitOptions::new(&arguments.message, arguments.author.clone());
    let branch = &arguments.branch;
    if arguments.dry_run {
        return preview(&mirror, arguments, &options);
    }
    let edit = |tree: &mut TreeEdit| set_images(tree, &arguments.path, &arguments.images).map(drop);
    let outcome = mirror.commit_and_push(branch, &options, edit)?;
    Ok(match outcome {
        PushOutcome::Pushed { commit, attempts: 1, .. } => format!("{branch} is at {commit}"),
        PushOutcome::Pushed { commit, attempts, .. } => {
            format!("{branch} is at {commit}, after {attempts} attempts")
        }
        _ => nothing_to_do(branch),
    })
}

fn nothing_to_do(branch: &str) -> String {
    format!("{branch} has these images already")
}

/// The lines that would change.
fn preview(mirror: &Mirror, arguments: &Arguments, options: &CommitOptions) -> Result<String, AnyError> {
    let tip = mirror.fetch(&Revision::branch(&arguments.branch))?;
    let mut changed = Vec::new();
    let draft = mirror.draft(tip.id, options, |tree| {
        changed = set_images(tree, &arguments.path, &arguments.images)?;
        Ok::<_, AnyError>(())
    })?;
    let Some(after) = draft else { return Ok(nothing_to_do(&arguments.branch)) };
    let before = mirror.tree(tip.id)?;
    let mut text = format!("{} would change:", arguments.branch);
    for path in changed {
        let (old, new) = (String::from_utf8(before.read(&path)?)?, String::from_utf8(after.read(&path)?)?);
        text.push_str(&format!("\n{}{}", path.display(), difference(&old, &new)));
    }
    Ok(text)
}

/// What is between the lines that both begin and end with.
fn difference(old: &str, new: &str) -> String {
    let (mut old, mut new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    (old, new) = (old.split_off(same), new.split_off(same));
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let removed = old[..old.len() - same].iter().map(|line| format!("\n- {line}"));
    removed.chain(new[..new.len() - same].iter().map(|line| format!("\n+ {line}"))).collect()
}

/// What is to be true of the files, whatever others have changed meanwhile; the
/// files that were not so.
fn set_images(tree: &mut TreeEdit, dir: &Path, images: &[ImageChange]) -> Result<Vec<PathBuf>, AnyError> {
    let changes = edit_all(tree.base(), [dir], |file| images.iter().try_for_each(|image| file.set_image(image)))?;
    let mut paths = Vec::new();
    for change in changes {
        tree.write(&change.path, change.text)?;
        paths.push(change.path);
    }
    Ok(paths)
}

struct Arguments {
    repo: RepoUrl,
    branch: String,
    path: PathBuf,
    images: Vec<ImageChange>,
    message: String,
    author: Identity,
    ssh_key: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    username: Option<String>,
    password_env: Option<String>,
    ca_file: Option<PathBuf>,
    cache: Option<PathBuf>,
    dry_run: bool,
}

/// The values of one option; those that may not be repeated take the last.
struct Values(Vec<(String, String)>);

impl Values {
    fn last(&self, name: &str) -> Option<String> {
        self.0.iter().rev().find(|(option, _)| option == name).map(|(_, value)| value.clone())
    }

    fn required(&self, name: &str) -> Result<String, String> {
        self.last(name).ok_or_else(|| format!("{name} is missing"))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.last(name).map(PathBuf::from)
    }
}

impl Arguments {
    /// `None` if help was asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        const OPTIONS: &[&str] = &[
            "--repo",
            "--branch",
            "--path",
            "--image",
            "--message",
            "--author",
            "--ssh-key",
            "--known-hosts",
            "--username",
            "--password-env",
            "--ca-file",
            "--cache",
        ];
        let mut values = Vec::new();
        while let Some(argument) = arguments.next() {
            if argument == "--help" || argument == "-h" {
                return Ok(None);
            }
            if argument == DRY_RUN {
                values.push((argument, String::new()));
                continue;
            }
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
                None => (argument.clone(), arguments.next()),
            };
            if !OPTIONS.contains(&option.as_str()) {
                return Err(format!("unknown option {option}"));
            }
            values.push((option.clone(), value.ok_or_else(|| format!("{option} needs a value"))?));
        }
        Self::from_values(&Values(values)).map(Some)
    }

    fn from_values(values: &Values) -> Result<Self, String> {
        let images = values.0.iter().filter(|(option, _)| option == "--image");
        let images: Vec<_> = images
            .map(|(_, image)| ImageChange::parse(image).map_err(|error| chain(&error)))
            .collect::<Result<_, _>>()?;
        if images.is_empty() {
            return Err("--image is missing".to_owned());
        }
        let username = values.last("--username");
        let password_env = values.last("--password-env");
        if username.is_some() != password_env.is_some() {
            return Err("--username and --password-env belong together".to_owned());
        }
        Ok(Self {
            repo: repository(&values.required("--repo")?)?,
            branch: values.required("--branch")?,
            path: values.required("--path")?.into(),
            images,
            message: values.last("--message").unwrap_or_else(|| DEFAULT_MESSAGE.to_owned()),
            author: author(values.last("--author"))?,
            ssh_key: values.path("--ssh-key"),
            known_hosts: values.path("--known-hosts"),
            username,
            password_env,
            ca_file: values.path("--ca-file"),
            cache: values.path("--cache"),
            dry_run: values.last(DRY_RUN).is_some(),
        })
    }

    fn remote(&self) -> Result<Remote, AnyError> {
        let mut remote = Remote::new(self.repo.clone());
        if let Some(file) = &self.known_hosts {
            remote = remote.host_keys(HostKeys::KnownHosts(vec![std::path::absolute(file)?]));
        }
        if let Some(file) = &self.ca_file {
            let pem =
                std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            remote = remote.tls(Tls::with_roots(pem));
        }
        if let Some(file) = &self.ssh_key {
            let mut key = SshKey::file(std::path::absolute(file)?);
            if let Ok(passphrase) = std::env::var("BUMP_SSH_PASSPHRASE") {
                key = key.passphrase(passphrase);
            }
            remote = remote.credentials(Credentials::SshKey(key));
        }
        if let (Some(username), Some(variable)) = (&self.username, &self.password_env) {
            let password =
                std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))?;
            remote = remote.credentials(Credentials::basic(username, password));
        }
        Ok(remote)
    }
}

/// A URL, or the path of a local repository.
fn repository(text: &str) -> Result<RepoUrl, String> {
    let path = Path::new(text);
    if path.is_dir() {
        let absolute = std::path::absolute(path).map_err(|error| format!("--repo: {error}"))?;
        return RepoUrl::from_path(&absolute).map_err(|error| format!("--repo: {error}"));
    }
    text.parse().map_err(|error| format!("--repo: {error}"))
}

fn author(argument: Option<String>) -> Result<Identity, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let identity = match (argument, variable("GIT_AUTHOR_NAME"), variable("GIT_AUTHOR_EMAIL")) {
        (Some(text), ..) => text.parse(),
        (None, Some(name), Some(email)) => Identity::new(&name, &email),
        _ => Identity::new("bump", "bump@localhost"),
    };
    identity.map_err(|error| format!("--author: {error}"))
}

fn report(error: &(dyn Error + 'static)) {
    eprintln!("bump: {}", chain(error));
    let hint = match error.downcast_ref::<PushError>() {
        Some(error) => error.hint(),
        None => error.downcast_ref::<FetchError>().and_then(FetchError::hint),
    };
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
}

/// The error with its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const OVERLAY: &str = "bases:\n- ../../base\n# set by CI\nimages:\n- name: app   # ours\n  newTag: '1'\n";

    fn git(dir: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=dev"])
            .args(arguments)
            .current_dir(dir)
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git prints UTF-8").trim_end().to_owned()
    }

    /// A bare repository `sync.git` whose branch `dev` has one overlay.
    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        git(dir.path(), &["init", "-q", "work"]);
        let work = dir.path().join("work");
        std::fs::create_dir_all(work.join("deploy/test")).expect("a directory");
        std::fs::write(work.join("deploy/test/kustomization.yml"), OVERLAY).expect("a file");
        git(&work, &["add", "."]);
        git(&work, &["commit", "-q", "-m", "start"]);
        git(dir.path(), &["clone", "-q", "--bare", "work", "sync.git"]);
        dir
    }

    fn arguments(words: &[&str]) -> Result<Option<Arguments>, String> {
        Arguments::parse(words.iter().map(|word| (*word).to_owned()))
    }

    fn bump_in(dir: &Path, path: &str, image: &str) -> Result<String, AnyError> {
        bump_with(dir, &["--path", path, "--image", image])
    }

    fn bump_with(dir: &Path, more: &[&str]) -> Result<String, AnyError> {
        let repo = dir.join("sync.git");
        let repo = repo.to_str().expect("a UTF-8 path");
        let words = [&["--repo", repo, "--branch=dev", "--author=CI <ci@example.com>"], more].concat();
        bump(&arguments(&words)?.ok_or("help was asked for")?)
    }

    #[test]
    fn the_tag_is_set_and_nothing_else_changes() {
        let dir = repository();
        let bare = dir.path().join("sync.git");
        bump_in(dir.path(), "deploy/test", "app:177839").expect("a push");
        let file = git(&bare, &["show", "dev:deploy/test/kustomization.yml"]);
        assert_eq!(format!("{file}\n"), OVERLAY.replace("'1'", "'177839'"));
        let commit = git(&bare, &["log", "-1", "--format=%an <%ae> %s", "dev"]);
        assert_eq!(commit, "CI <ci@example.com> [skip ci]update image tag");
        let again = bump_in(dir.path(), "deploy/test", "app:177839").expect("nothing to do");
        assert_eq!(again, "dev has these images already");
        assert_eq!(git(&bare, &["rev-list", "--count", "dev"]), "2");
    }

    #[test]
    fn a_dry_run_shows_the_lines_and_pushes_nothing() {
        let dir = repository();
        let dry = |image| bump_with(dir.path(), &["--dry-run", "--path", "deploy/test", "--image", image]);
        let shown = dry("app:2").expect("a preview");
        assert_eq!(shown, "dev would change:\ndeploy/test/kustomization.yml\n-   newTag: '1'\n+   newTag: '2'");
        assert_eq!(dry("app:1").expect("nothing to do"), "dev has these images already");
        assert_eq!(git(&dir.path().join("sync.git"), &["rev-list", "--count", "dev"]), "1");
    }

    #[test]
    fn a_directory_without_kustomization_is_an_error() {
        let dir = repository();
        let error = bump_in(dir.path(), "deploy", "app:2").expect_err("there is none");
        assert!(chain(error.as_ref()).contains("deploy has no kustomization.yaml"), "{error}");
    }

    #[test]
    fn wrong_arguments_are_told() {
        let complete = ["--repo", "https://h.example/r", "--branch", "b", "--path", "p", "--image", "a:1"];
        assert!(arguments(&complete).is_ok());
        for (more, message) in [
            (&["--username", "u"][..], "belong together"),
            (&["--author", "nobody"], "--author"),
            (&["--frce", "x"], "unknown option --frce"),
            (&["--message"], "--message needs a value"),
        ] {
            let error = arguments(&[&complete, more].concat()).err().unwrap_or_default();
            assert!(error.contains(message), "{error}");
        }
        assert!(arguments(&complete[2..]).is_err_and(|error| error.contains("--repo is missing")));
    }
}
