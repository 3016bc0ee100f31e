//! Makes a cluster what an Argo CD application says, once.
//!
//!     sync application.yaml --kubeconfig ~/.kube/config --dry-run
//!     sync application.yaml --embedded
//!
//! Fetches the application's source, renders it, plans, applies with
//! server-side apply, waits for health, and reports. With `--embedded` it
//! does so on an API server in this process, which is empty at first and
//! gone afterwards: a rehearsal.
//!
//! Exit status: 0 in sync, or synced; with --dry-run 1 when there are
//! differences; 2 when nothing could be done; 3 when resources failed.

mod overridden;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use gitops_git::{Credentials, HostKeys, Mirror, MirrorOptions, Remote, RepoUrl, Revision, SshKey, TreeReader};
use gitops_sync::embedded::{ControllerOptions, Controllers, EmbeddedCluster, EmbeddedOptions};
use gitops_sync::{
    Action, Application, Cluster, ClusterOptions, Event, Manifest, Outcome, Plan, Report, Source, SyncOptions, apply,
    colour, events, plan,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kustomize_core::{BuildOptions, FileSource};

use self::overridden::Overridden;

const USAGE: &str = "\
Usage: sync APPLICATION.yaml [--embedded | --kubeconfig FILE [--context C]]
            [--dry-run] [--timeout 5m] [-o text|json]
            [--ssh-key FILE] [--known-hosts FILE] [--username U --password-env VAR]

  --embedded           an API server in this process, empty at first
  --kubeconfig FILE    the cluster [default: as kubectl finds it]
  --context C          the context in that file [default: its current one]
  --dry-run            only show what would be done
  --timeout T          how long each resource may take to become healthy
  -o text|json         how to report [default: text]
  --ssh-key FILE       SSH private key for the repository
  --known-hosts FILE   SSH servers to trust, and no others
  --username U         user name for HTTPS
  --password-env VAR   environment variable with the password or token";

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("sync: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("the system lets us start threads");
    match runtime.block_on(run(arguments)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("sync: {}", chain(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<u8, AnyError> {
    let text = std::fs::read_to_string(&arguments.application)
        .map_err(|error| format!("cannot read {}: {error}", arguments.application.display()))?;
    let application = Application::from_yaml(&text)?;
    let (cluster, _controllers) = arguments.cluster().await?;
    let (manifests, revision) = fetch_and_render(&arguments, &application).await?;
    let mut options = SyncOptions::for_application(&application).revision(revision).timeout(arguments.timeout);
    // Nobody else creates namespaces in a cluster that has just begun.
    options.create_namespace |= arguments.embedded;

    let plan = plan(&cluster, manifests, &options).await?;
    if arguments.dry_run {
        return arguments.show_plan(&plan, &options);
    }
    let (sender, mut stream) = events();
    let progress = tokio::spawn(async move {
        while let Some(event) = stream.next().await {
            show_event(&event);
        }
    });
    let report = apply(&cluster, &plan, &options.events(sender)).await?;
    progress.await?;
    arguments.show_report(&application, &report)?;
    Ok(if report.succeeded() { 0 } else { 3 })
}

/// Git and the renderer block, so they stay off the runtime's own threads.
async fn fetch_and_render(
    arguments: &Arguments,
    application: &Application,
) -> Result<(Vec<Manifest>, String), AnyError> {
    let sources = application.sources().to_vec();
    let arguments = arguments.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut manifests = Vec::new();
        let mut revisions = Vec::new();
        for source in &sources {
            let (more, revision) = render(&arguments, source)?;
            manifests.extend(more);
            revisions.push(revision);
        }
        Ok((manifests, revisions.join(",")))
    });
    work.await?
}

fn render(arguments: &Arguments, source: &Source) -> Result<(Vec<Manifest>, String), AnyError> {
    let revision: Revision = match source.target_revision.as_str() {
        "" | "HEAD" => Revision::Head,
        name => name.parse().map_err(|error| format!("targetRevision {name}: {error}"))?,
    };
    let cache = tempfile::tempdir()?;
    let mirror = Mirror::open(cache.path(), arguments.remote(&source.repo_url)?, MirrorOptions::new())?;
    let commit = mirror.fetch(&revision)?;
    let tree = mirror.tree(commit.id)?;
    let path = if source.path.is_empty() { Path::new(".") } else { Path::new(&source.path) };
    let manifests = match &source.kustomize {
        Some(changes) => kustomize(&Overridden::new(&tree, path, changes)?, path)?,
        None if has_kustomization(&tree, path) => kustomize(&tree, path)?,
        None => directory(&tree, path)?,
    };
    Ok((manifests, commit.id.to_string()))
}

fn has_kustomization(tree: &TreeReader, path: &Path) -> bool {
    let names = kustomize_core::KustomizationFile::NAMES;
    names.iter().any(|name| tree.entry(&path.join(name)).is_ok())
}

fn kustomize(files: &impl FileSource, path: &Path) -> Result<Vec<Manifest>, AnyError> {
    let built = kustomize_core::build(files, path, &BuildOptions::new())?;
    for warning in &built.warnings {
        eprintln!("{warning}");
    }
    let mut manifests = Vec::new();
    for resource in built.resources.iter() {
        let manifest = Manifest::new(serde_json::Value::try_from(resource)?)?;
        manifests.push(match resource.origin() {
            Some(origin) => {
                let line = origin.line.map(|line| format!(":{line}")).unwrap_or_default();
                manifest.with_origin(format!("{}{line}", origin.path.display()))
            }
            None => manifest,
        });
    }
    Ok(manifests)
}

/// Without a kustomization, every manifest in the folder counts, as in Argo CD.
fn directory(tree: &TreeReader, path: &Path) -> Result<Vec<Manifest>, AnyError> {
    let mut manifests = Vec::new();
    for entry in tree.list(path)? {
        let file = path.join(&entry.name);
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            let text =
                String::from_utf8(tree.read(&file)?).map_err(|_| format!("{} is not a text file", file.display()))?;
            manifests.extend(Manifest::from_yaml(&text, file.to_str())?);
        }
    }
    Ok(manifests)
}

fn show_event(event: &Event) {
    let line = match event {
        Event::Started { id, action, phase } => format!("{action:<8} {id} ({phase:?})"),
        Event::Waiting { id, health } => format!("waiting  {id}: {} {}", health.status, health.message),
        Event::Ready { id } => format!("ready    {id}"),
        Event::Failed { id, message } => format!("failed   {id}: {message}"),
        Event::Skipped { id, reason } => format!("skipped  {id}: {reason}"),
        _ => return,
    };
    eprintln!("# {line}");
}

#[derive(Clone)]
struct Arguments {
    application: PathBuf,
    embedded: bool,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    dry_run: bool,
    timeout: Duration,
    json: bool,
    ssh_key: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    username: Option<String>,
    password_env: Option<String>,
}

impl Arguments {
    /// `None` if help was asked for.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut found = Self {
            application: PathBuf::new(),
            embedded: false,
            kubeconfig: None,
            context: None,
            dry_run: false,
            timeout: Duration::from_secs(300),
            json: false,
            ssh_key: None,
            known_hosts: None,
            username: None,
            password_env: None,
        };
        while let Some(word) = words.next() {
            let (option, mut inline) = match word.split_once('=') {
                Some((option, value)) if option.starts_with('-') => (option.to_owned(), Some(value.to_owned())),
                _ => (word, None),
            };
            let mut value = || inline.take().or_else(|| words.next()).ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "-h" | "--help" => return Ok(None),
                "--embedded" => found.embedded = true,
                "--dry-run" => found.dry_run = true,
                "--kubeconfig" => found.kubeconfig = Some(value()?.into()),
                "--context" => found.context = Some(value()?),
                "--timeout" => found.timeout = parse_duration(&value()?)?,
                "-o" | "--output" => found.json = parse_output(&value()?)?,
                "--ssh-key" => found.ssh_key = Some(value()?.into()),
                "--known-hosts" => found.known_hosts = Some(value()?.into()),
                "--username" => found.username = Some(value()?),
                "--password-env" => found.password_env = Some(value()?),
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                path if found.application.as_os_str().is_empty() => found.application = path.into(),
                extra => return Err(format!("unexpected argument {extra}")),
            }
        }
        found.check().map(Some)
    }

    fn check(self) -> Result<Self, String> {
        if self.application.as_os_str().is_empty() {
            return Err("APPLICATION.yaml is missing".to_owned());
        }
        if self.embedded && (self.kubeconfig.is_some() || self.context.is_some()) {
            return Err("--embedded goes without --kubeconfig and --context".to_owned());
        }
        if self.username.is_some() != self.password_env.is_some() {
            return Err("--username and --password-env belong together".to_owned());
        }
        Ok(self)
    }

    /// The cluster, and for an embedded one what lets its workloads progress.
    async fn cluster(&self) -> Result<(Cluster, Option<Controllers>), AnyError> {
        if self.embedded {
            let embedded = EmbeddedCluster::with_options(&EmbeddedOptions::new().legacy_apis(true));
            let controllers = embedded.start_controllers(&ControllerOptions::new());
            return Ok((Cluster::new(embedded.client()), Some(controllers)));
        }
        let context = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(file) => kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &context).await?,
            None if self.context.is_some() => kube::Config::from_kubeconfig(&context).await?,
            None => kube::Config::infer().await?,
        };
        Ok((Cluster::connect(config, ClusterOptions::default())?, None))
    }

    fn remote(&self, url: &str) -> Result<Remote, AnyError> {
        let local = Path::new(url);
        let url: RepoUrl = if local.is_dir() {
            RepoUrl::from_path(&std::path::absolute(local)?)?
        } else {
            url.parse().map_err(|error| format!("repoURL {url}: {error}"))?
        };
        let mut remote = Remote::new(url);
        if let Some(file) = &self.known_hosts {
            remote = remote.host_keys(HostKeys::KnownHosts(vec![std::path::absolute(file)?]));
        }
        if let Some(file) = &self.ssh_key {
            remote = remote.credentials(Credentials::SshKey(SshKey::file(std::path::absolute(file)?)));
        }
        if let (Some(username), Some(variable)) = (&self.username, &self.password_env) {
            let password =
                std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))?;
            remote = remote.credentials(Credentials::basic(username, password));
        }
        Ok(remote)
    }

    /// Prints the plan; 1 if there is something to do, 2 if that is invalid.
    fn show_plan(&self, plan: &Plan, options: &SyncOptions) -> Result<u8, AnyError> {
        let report = Report::of_plan(plan, options.revision.clone());
        let mut out = std::io::stdout().lock();
        if self.json {
            let diff = serde_json::json!({"report": report, "diff": plan.diff()});
            writeln!(out, "{}", serde_json::to_string_pretty(&diff)?)?;
        } else {
            let diff = plan.diff();
            write!(out, "{}", if out.is_terminal() { colour(&diff) } else { diff })?;
            for step in plan.steps.iter().filter(|step| step.action != Action::Keep) {
                writeln!(out, "{:<8} {}: {}", step.action, step.id, step.reason())?;
            }
            writeln!(out, "{} at {}", report.sync, report.revision.as_deref().unwrap_or("?"))?;
        }
        Ok(match (plan.invalid().next(), plan.is_empty()) {
            (Some(_), _) => 2,
            (None, false) => 1,
            (None, true) => 0,
        })
    }

    fn show_report(&self, application: &Application, report: &Report) -> Result<(), AnyError> {
        let mut out = std::io::stdout().lock();
        if self.json {
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(report)?)?);
        }
        writeln!(out, "Application: {}", application.metadata.name)?;
        writeln!(out, "Revision:    {}", report.revision.as_deref().unwrap_or("?"))?;
        writeln!(out, "Sync:        {}", report.sync)?;
        writeln!(out, "Health:      {}", report.health)?;
        for image in &report.images {
            writeln!(out, "Image:       {image}")?;
        }
        for resource in &report.resources {
            let health = resource.health.as_ref().map(|health| health.status.to_string()).unwrap_or_default();
            let outcome = match &resource.outcome {
                Outcome::Done => format!("{} done", resource.action),
                Outcome::Kept => "unchanged".to_owned(),
                Outcome::Skipped { reason } => format!("skipped: {reason}"),
                Outcome::Unhealthy { message } | Outcome::Failed { message } => format!("failed: {message}"),
                _ => String::new(),
            };
            let sync = resource.sync.map(|sync| sync.to_string()).unwrap_or_default();
            writeln!(out, "  {:<44} {sync:<10} {health:<12} {outcome}", resource.id.to_string())?;
        }
        Ok(())
    }
}

fn parse_output(text: &str) -> Result<bool, String> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        other => Err(format!("-o must be text or json, not {other}")),
    }
}

/// `90s`, `5m`, `1h30m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("--timeout {text}: expected something like 90s, 5m or 1h30m");
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest[digits..].chars().next() {
            Some('h') => 3600,
            Some('m') => 60,
            Some('s') => 1,
            _ => return Err(wrong()),
        };
        total += number.checked_mul(unit).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if total == 0 { Err(wrong()) } else { Ok(Duration::from_secs(total)) }
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
