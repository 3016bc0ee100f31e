//! gitops-git side by side with the git command line, against real servers on loopback.
//!
//!     cargo bench --bench git
//!
//! Both take turns, so that a busy machine is as hard on one as on the other;
//! the table has medians. `GITOPS_BENCH_ROUNDS` (9), `GITOPS_BENCH_FILES` (5000),
//! `GITOPS_BENCH_COMMITS` (2000) and `GITOPS_BENCH_REFS` (100000) change the size.

#[path = "../gitops-git/tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gitops_git::{Credentials, Mirror, MirrorOptions, Remote, RepoUrl, Revision, Tls};
use support::http::{HttpServer, PASSWORD, USER};
use support::{Fixture, daemon, git, git_with_input, options};

fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

/// What one job took the git command line and gitops-git, in every round.
struct Case {
    name: String,
    /// How many times faster we mean to be.
    target: f64,
    git: Vec<Duration>,
    ours: Vec<Duration>,
}

fn median(times: &[Duration]) -> f64 {
    let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2] * 1000.0
}

fn time(job: impl FnOnce()) -> Duration {
    let start = Instant::now();
    job();
    start.elapsed()
}

/// Runs both jobs in turns; each gets the number of the round.
fn compare(name: &str, target: f64, git: impl FnMut(usize), ours: impl FnMut(usize)) -> Case {
    compare_after(name, target, |_| (), git, ours)
}

/// The same for jobs that need something to have happened first, which is not measured.
fn compare_after(
    name: &str,
    target: f64,
    before: impl Fn(usize),
    mut git: impl FnMut(usize),
    mut ours: impl FnMut(usize),
) -> Case {
    let mut case = Case { name: name.to_owned(), target, git: Vec::new(), ours: Vec::new() };
    for round in 0..size("GITOPS_BENCH_ROUNDS", 9) {
        before(round);
        case.git.push(time(|| git(round)));
        case.ours.push(time(|| ours(round)));
    }
    eprintln!("{name}: git {:.1} ms, gitops-git {:.1} ms", median(&case.git), median(&case.ours));
    case
}

fn run(dir: &Path, environment: &[(&str, &str)], arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=B", "-c", "user.email=b@example.com", "-c", "gc.auto=0"])
        .args(arguments)
        .current_dir(dir)
        .envs(environment.iter().copied())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// 250 applications with 4 environments each, changed by many commits.
fn history(fixture: &Fixture, files: usize, commits: usize) {
    let path = |number: usize| format!("apps/app{:03}/overlays/env{}/f{}.yml", number / 20, number / 5 % 4, number % 5);
    let mut import = String::new();
    for commit in 0..commits {
        let _ = write!(
            import,
            "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\ndata 1\nx\n",
            1_700_000_000 + commit
        );
        let changed: Vec<usize> = if commit == 0 { (0..files).collect() } else { vec![commit * 37 % files] };
        for number in changed {
            let text = format!("kind: ConfigMap\nmetadata:\n  name: f{number}\ndata:\n  commit: '{commit}'\n");
            let _ = write!(import, "M 100644 inline {}\ndata {}\n{text}\n", path(number), text.len());
        }
        import.push('\n');
    }
    git_with_input(&fixture.repository(), &["fast-import", "--quiet"], import.as_bytes());
    fixture.git(&["repack", "-adq"]);
}

struct Bench {
    fixture: Fixture,
    cases: Vec<Case>,
}

impl Bench {
    fn dir(&self, name: &str) -> PathBuf {
        self.fixture.dir.path().join(name)
    }

    fn mirror(&self, name: &str, remote: &Remote) -> Mirror {
        Mirror::open(self.fixture.cache(name), remote.clone(), MirrorOptions::new()).expect("the mirror opens")
    }

    /// Poll, clone, and fetch over one transport; `url` has the credentials that git needs.
    fn transport(&mut self, name: &str, url: &str, environment: &[(&str, &str)], remote: &Remote) {
        let root = self.fixture.dir.path().to_owned();
        let main = Revision::branch("main");
        remote.resolve(&main).expect("the server answers");
        let poll = compare(
            &format!("poll a branch, {name}"),
            10.0,
            |_| run(&root, environment, &["ls-remote", "--heads", url, "main"]),
            |_| drop(remote.resolve(&main).expect("a poll")),
        );
        let clone = compare(
            &format!("clone at depth 1, {name}"),
            1.0,
            |round| {
                run(&root, environment, &["clone", "-q", "--bare", "--depth=1", url, &format!("clone-{name}-{round}")])
            },
            |round| drop(self.mirror(&format!("clone-{name}-{round}"), remote).fetch(&main).expect("a clone")),
        );
        let clone_dir = self.dir(&format!("clone-{name}-0"));
        let mirror = self.mirror(&format!("clone-{name}-0"), remote);
        let fetch_arguments = ["fetch", "-q", "--depth=1", url, "+refs/heads/main:refs/heads/main"];
        let no_op = compare(
            &format!("fetch when nothing is new, {name}"),
            10.0,
            |_| run(&clone_dir, environment, &fetch_arguments),
            |_| drop(mirror.fetch(&main).expect("a fetch")),
        );
        let commit = |round: usize| {
            self.fixture.commit("main", "apps/app001/overlays/env0/f1.yml", &format!("{name} {round}\n"));
        };
        let one = compare_after(
            &format!("fetch one commit, {name}"),
            1.5,
            commit,
            |_| run(&clone_dir, environment, &fetch_arguments),
            |_| drop(mirror.fetch(&main).expect("a fetch")),
        );
        self.cases.extend([poll, clone, no_op, one]);
    }

    fn local(&mut self) {
        let remote = Remote::new(self.fixture.file_url());
        let mirror = self.mirror("local", &remote);
        let commit = mirror.fetch(&Revision::branch("main")).expect("a fetch");
        let repository = self.fixture.repository();
        let overlay = Path::new("apps/app007/overlays/env1");
        let read = compare(
            "read one overlay, opening included",
            5.0,
            |_| run(&repository, &[], &["archive", "--format=tar", "main", "apps/app007"]),
            |_| {
                let tree = mirror.tree(commit.id).expect("the commit is here");
                for entry in tree.list(overlay).expect("the overlay is there") {
                    tree.read(&overlay.join(entry.name)).expect("the file is there");
                }
            },
        );
        let url = self.fixture.file_url().to_string();
        run(self.fixture.dir.path(), &[], &["clone", "-q", "--depth=1", &url, "worktree"]);
        let worktree = self.dir("worktree");
        let file = "apps/app007/overlays/env1/f1.yml";
        let build = compare(
            "build a commit of one file",
            50.0,
            |round| {
                std::fs::write(worktree.join(file), format!("round: {round}\n")).expect("a file");
                run(&worktree, &[], &["commit", "-qam", "x"]);
            },
            |round| {
                let made = mirror
                    .draft(commit.id, &options("x"), |tree| tree.write(file.as_ref(), format!("round: {round}\n")));
                assert!(made.expect("a commit").is_some());
            },
        );
        self.cases.extend([read, build]);
    }

    fn https(&mut self) {
        let (config, authority) = support::http::private_authority("localhost");
        let server = HttpServer::start_with(self.fixture.dir.path(), Some(PASSWORD), Some(config));
        let remote =
            Remote::new(server.url()).credentials(Credentials::basic(USER, PASSWORD)).tls(Tls::only_roots(&authority));
        let file = self.dir("authority.pem");
        std::fs::write(&file, authority).expect("a file");
        let environment = [("GIT_SSL_CAINFO", file.to_str().expect("a UTF-8 path"))];
        let url = with_credentials(&server.url());
        self.transport("https", &url, &environment, &remote);

        let refs = size("GITOPS_BENCH_REFS", 100_000);
        self.fixture.many_refs(refs, "main");
        let root = self.fixture.dir.path().to_owned();
        let main = Revision::branch("main");
        let poll = compare(
            &format!("poll a branch among {refs} refs, https"),
            1.0,
            |_| run(&root, &environment, &["ls-remote", "--heads", &url, "main"]),
            |_| drop(remote.resolve(&main).expect("a poll")),
        );
        self.cases.push(poll);
    }
}

fn with_credentials(url: &RepoUrl) -> String {
    url.to_string().replacen("://", &format!("://{USER}:{PASSWORD}@"), 1)
}

fn main() {
    let fixture = Fixture::new(0);
    let (files, commits) = (size("GITOPS_BENCH_FILES", 5_000), size("GITOPS_BENCH_COMMITS", 2_000));
    eprintln!("making {commits} commits of {files} files");
    history(&fixture, files, commits);
    eprintln!("{}", git(fixture.dir.path(), &["--version"]));
    let (_daemon, daemon_url) = daemon(&fixture);
    let mut bench = Bench { fixture, cases: Vec::new() };
    bench.transport("git", &daemon_url.to_string(), &[], &Remote::new(daemon_url.clone()));
    bench.local();
    bench.https();
    println!("| job | git, ms | gitops-git, ms | times faster | aim |\n|---|---|---|---|---|");
    for case in &bench.cases {
        let (git, ours) = (median(&case.git), median(&case.ours));
        println!("| {} | {git:.1} | {ours:.1} | {:.1} | {} |", case.name, git / ours, case.target);
    }
}
