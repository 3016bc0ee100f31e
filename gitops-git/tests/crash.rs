//! Processes that are killed while they fetch, commit and push.
//!
//! `GITOPS_GIT_CRASHES=200` kills 200 of them; a few by default.
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitops_git::{Mirror, MirrorOptions, Remote, RepoUrl, Revision};
use support::{Fixture, options};

const CHILD: &str = "GITOPS_GIT_CRASH_CHILD";

fn open(server: &Path, cache: &Path) -> Mirror {
    let remote = Remote::new(RepoUrl::from_path(server).unwrap());
    Mirror::open(cache, remote, MirrorOptions::new().max_packs(8)).unwrap()
}

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = PathBuf::from(dir);
    let mut acknowledged = fs::OpenOptions::new().append(true).create(true).open(dir.join("acknowledged")).unwrap();
    let mirror = open(&dir.join("app.git"), &dir.join("cache"));
    for number in 0.. {
        mirror.fetch(&Revision::branch("noise")).unwrap();
        let text = format!("{} {number}", std::process::id());
        let outcome =
            mirror.commit_and_push("main", &options(&text), |tree| tree.write("LAST".as_ref(), text.as_str())).unwrap();
        writeln!(acknowledged, "{}", outcome.commit().unwrap()).unwrap();
    }
}

/// Files that only a process at work may have.
fn temporary_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            temporary_files(&entry.path(), found);
        } else if name.starts_with("pack_git2_") || name.starts_with("tmp_") || name.ends_with(".lock") {
            found.push(entry.path());
        }
    }
}

fn spawn(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What does not get smaller on the way.
fn noise(seed: u32) -> String {
    (0..5_000u64).map(|n| format!("{:x}", (n + u64::from(seed)).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect()
}

#[test]
fn a_killed_process_loses_nothing_and_leaves_nothing() {
    let crashes: u32 = std::env::var("GITOPS_GIT_CRASHES").map_or(8, |n| n.parse().expect("a number"));
    let fixture = Fixture::new(1);
    fixture.git(&["branch", "noise", "main"]);
    let dir = fixture.dir.path();
    let start = Instant::now();
    let mut child = spawn(dir);
    while fs::read_to_string(dir.join("acknowledged")).unwrap_or_default().is_empty() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // The longest that any of the following lives, whatever else the machine does.
    let longest = start.elapsed() * 3;
    child.kill().unwrap();
    child.wait().unwrap();
    for crash in 0..crashes {
        fixture.commit("noise", "NOISE", &noise(crash));
        let mut child = spawn(dir);
        std::thread::sleep(longest.mul_f64(fastrand::f64()));
        child.kill().unwrap();
        child.wait().unwrap();

        let mirror = open(&fixture.repository(), &dir.join("cache"));
        let mut left = Vec::new();
        temporary_files(&dir.join("cache"), &mut left);
        assert!(left.is_empty(), "{left:?}");
        let Ok(commit) = mirror.fetch(&Revision::branch("main")).map_err(|error| panic!("{error:?}"));
        mirror.tree(commit.id).unwrap().read("VERSION".as_ref()).unwrap();
    }
    let acknowledged = fs::read_to_string(dir.join("acknowledged")).unwrap_or_default();
    let history = fixture.git(&["rev-list", "main"]);
    let history: std::collections::BTreeSet<&str> = history.lines().collect();
    for commit in acknowledged.lines() {
        assert!(history.contains(commit), "{commit} was acknowledged and is not there");
    }
    println!("{crashes} crashes, {} acknowledged commits, all there", acknowledged.lines().count());
    let generations = fs::read_dir(dir.join("cache")).unwrap().flatten();
    let generations = generations.filter(|entry| entry.path().is_dir()).count();
    assert_eq!(generations, 1, "old generations are removed");
}
