//! Several writers on one branch.
//!
//! `GITOPS_GIT_RACE=50` makes each of the four writers push 50 commits; one or two by default.
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it")]

mod support;

use std::time::Instant;

use gitops_git::{Credentials, HostKeys, Mirror, MirrorOptions, PushOutcome, Remote};
use support::http::{HttpServer, PASSWORD, USER};
use support::{Fixture, options};

const WRITERS: usize = 4;

fn commits_each(default: usize) -> usize {
    std::env::var("GITOPS_GIT_RACE").map_or(default, |number| number.parse().expect("GITOPS_GIT_RACE is a number"))
}

/// Every commit of every writer arrives, and nobody is left behind.
fn race(fixture: &Fixture, remote: &Remote, transport: &str, commits: usize) {
    let start = Instant::now();
    let attempts: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(fixture, remote, writer, commits))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let count: usize = fixture.git(&["rev-list", "--count", "main"]).parse().unwrap();
    assert_eq!(count, 1 + WRITERS * commits);
    let files = fixture.git(&["ls-tree", "-r", "--name-only", "main", "race/"]);
    assert_eq!(files.lines().count(), WRITERS * commits);
    let total: u32 = attempts.iter().flatten().sum();
    let worst = attempts.iter().flatten().max().unwrap();
    println!(
        "{transport}: {} commits in {:?}, {total} attempts, {worst} at most for one commit",
        WRITERS * commits,
        start.elapsed()
    );
}

fn write(fixture: &Fixture, remote: &Remote, writer: usize, commits: usize) -> Vec<u32> {
    let root = fixture.cache(&format!("writer-{writer}"));
    let mirror = Mirror::open(root, remote.clone(), MirrorOptions::new()).unwrap();
    let push = |number: usize| {
        let path = format!("race/{writer}-{number}");
        let outcome = mirror.commit_and_push("main", &options(&path), |tree| tree.write(path.as_ref(), "x"));
        match outcome.unwrap() {
            PushOutcome::Pushed { attempts, .. } => attempts,
            other => panic!("{other:?}"),
        }
    };
    (0..commits).map(push).collect()
}

#[test]
fn over_http() {
    let fixture = Fixture::new(1);
    let server = HttpServer::start(fixture.dir.path(), Some(PASSWORD));
    let remote = Remote::new(server.url()).credentials(Credentials::basic(USER, PASSWORD));
    race(&fixture, &remote, "http", commits_each(2));
}

#[test]
fn over_ssh() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = Remote::new(server.url(&fixture))
        .credentials(Credentials::ssh_key_file(server.key("client")))
        .host_keys(HostKeys::KnownHostsText(server.known_hosts("host")));
    race(&fixture, &remote, "ssh", commits_each(1));
}

#[test]
fn in_one_mirror() {
    let fixture = Fixture::new(1);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mirror = &mirror;
            scope.spawn(move || {
                let path = format!("writer-{writer}");
                mirror.commit_and_push("main", &options(&path), |tree| tree.write(path.as_ref(), "x")).unwrap();
            });
        }
    });
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "5");
}
