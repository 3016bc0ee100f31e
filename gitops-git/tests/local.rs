//! The Git daemon and local repositories.

mod support;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use gitops_git::{
    Depth, EditError, FetchError, Mirror, MirrorOptions, PollError, PushError, PushMode, RefFilter, Remote,
    RemoteError, ResolveError, Revision, Timeouts,
};
use support::{Fixture, daemon, noise, options, silent};

#[test]
fn depth_is_kept() {
    let fixture = Fixture::new(9);
    let remote = Remote::new(fixture.file_url());
    let count = |name: &str, depth| {
        let options = MirrorOptions::new().depth(depth);
        let mirror = Mirror::open(fixture.cache(name), remote.clone(), options).unwrap();
        let commit = mirror.fetch(&Revision::Head).unwrap().id.to_string();
        let generation = std::fs::read_to_string(fixture.cache(name).join("current")).unwrap();
        support::git(&fixture.cache(name).join(generation), &["rev-list", "--count", &commit])
    };
    assert_eq!(count("shallow", Depth::Commits(NonZeroU32::MIN)), "1");
    assert_eq!(count("three", Depth::commits(3)), "3");
    assert_eq!(count("full", Depth::Full), "9");
    assert_eq!(count("full", Depth::commits(2)), "2");
}

#[test]
fn commits_are_found_by_id_even_when_no_branch_is_there() {
    let fixture = Fixture::new(9);
    for (name, allowed) in [("no", "false"), ("yes", "true")] {
        fixture.config("uploadpack.allowReachableSHA1InWant", allowed);
        let old = fixture.tip("main~4");
        let open = |kind: &str| {
            let root = fixture.cache(&format!("{name}-{kind}"));
            Mirror::open(root, Remote::new(fixture.file_url()), MirrorOptions::new()).unwrap()
        };
        let mirror = open("full");
        mirror.fetch(&Revision::Head).unwrap();
        let Ok(revision) = old.parse::<Revision>();
        assert_eq!(mirror.fetch(&revision).unwrap().id.to_string(), old);
        assert_eq!(mirror.tree(old.parse().unwrap()).unwrap().read("VERSION".as_ref()).unwrap(), b"0005");
        let Ok(short) = old[..9].parse::<Revision>();
        assert_eq!(open("short").fetch(&short).unwrap().id.to_string(), old);
    }
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let Ok(unknown) = "12345678".repeat(5).parse::<Revision>();
    let error = mirror.fetch(&unknown).unwrap_err();
    assert!(matches!(error, FetchError::Resolve { source: ResolveError::NoSuchRevision { .. }, .. }), "{error:?}");
}

#[test]
fn annotated_tags_are_peeled_and_ranges_find_them() {
    let fixture = Fixture::new(4);
    support::git(&fixture.repository(), &["tag", "-a", "-m", "x", "v1.2.0", "main~1"]);
    support::git(&fixture.repository(), &["tag", "v1.1.0", "main~2"]);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    for text in ["v1.2.0", "^1.0"] {
        let Ok(revision) = text.parse::<Revision>();
        let commit = mirror.fetch(&revision).unwrap();
        assert_eq!(commit.id.to_string(), fixture.tip("main~1"), "{text}");
        assert_eq!(commit.tag_object.unwrap().to_string(), fixture.tip("v1.2.0"));
        assert_eq!(commit.ref_name.as_deref(), Some("refs/tags/v1.2.0"));
    }
}

#[test]
fn push_modes_hold_what_they_promise() {
    let fixture = Fixture::new(2);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let old = fixture.tip("main~1").parse().unwrap();
    let push = |branch: &str, mode: PushMode, text: &str| {
        mirror.commit_and_push(branch, &options("m").mode(mode), |tree| tree.write("M".as_ref(), text))
    };
    let error = push("main", PushMode::Lease(old), "1").unwrap_err();
    assert!(matches!(error, PushError::Moved { found: Some(_), .. }), "{error:?}");
    let tip = fixture.tip("main").parse().unwrap();
    push("main", PushMode::Lease(tip), "1").unwrap();
    let create = || PushMode::Create { from: Revision::branch("main") };
    let error = push("main", create(), "2").unwrap_err();
    assert!(matches!(error, PushError::Exists { .. }), "{error:?}");
    push("feature/new", create(), "2").unwrap();
    assert_eq!(fixture.tip("feature/new~1"), fixture.tip("main"));
    let error = push("missing", PushMode::FastForward, "3").unwrap_err();
    assert!(matches!(error, PushError::NoBranch { .. }), "{error:?}");
    for name in ["", "-x", "a..b", "a b", "x.lock", "a\nb"] {
        let error = push(name, PushMode::FastForward, "3").unwrap_err();
        assert!(matches!(error, PushError::InvalidBranch { .. }), "{name:?} {error:?}");
    }
}

#[test]
fn a_branch_is_replaced_only_if_it_is_where_it_should_be() {
    let fixture = Fixture::new(3);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    fixture.git(&["branch", "bot", "main~2"]);
    let old = fixture.commit("bot", "BOT", "old\n").parse().unwrap();
    let replace = |expected| {
        let mode = PushMode::Replace { from: Revision::branch("main"), expected };
        mirror.commit_and_push("bot", &options("m").mode(mode), |tree| tree.write("BOT".as_ref(), "new\n"))
    };
    let error = replace(fixture.tip("main").parse().unwrap()).unwrap_err();
    assert!(matches!(error, PushError::Moved { found: Some(found), .. } if found == old), "{error:?}");
    fixture.config("receive.denyNonFastForwards", "true");
    let error = replace(old).unwrap_err();
    assert!(matches!(error, PushError::Rejected { .. }), "{error:?}");
    assert_eq!(fixture.tip("bot"), old.to_string());
    fixture.config("receive.denyNonFastForwards", "false");
    let pushed = replace(old).unwrap();
    assert_eq!(pushed.commit().unwrap().to_string(), fixture.tip("bot"));
    assert_eq!(fixture.tip("bot~1"), fixture.tip("main"));
    let error = replace(old).unwrap_err();
    assert!(matches!(error, PushError::Moved { .. }), "{error:?}");
}

#[test]
fn a_push_option_is_one_line() {
    let fixture = Fixture::new(1);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    for option in ["a\nb", "a\0b"] {
        let wrong = options("x").push_option(option);
        let refused = mirror.commit_and_push("main", &wrong, |tree| tree.write("X".as_ref(), "x"));
        assert!(matches!(refused, Err(PushError::InvalidPushOption { .. })), "{refused:?}");
    }
}

#[test]
fn the_first_commit_of_an_empty_repository() {
    let fixture = Fixture::new(0);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let error = mirror.fetch(&Revision::Head).unwrap_err();
    assert!(matches!(error, FetchError::Resolve { source: ResolveError::Empty, .. }), "{error:?}");
    let first = options("first").mode(PushMode::Create { from: Revision::Head });
    mirror.commit_and_push("main", &first, |tree| tree.write("a/b".as_ref(), "1")).unwrap();
    assert_eq!(fixture.git(&["show", "main:a/b"]), "1");
}

#[test]
fn a_draft_shows_the_files_and_leaves_nothing() {
    let fixture = Fixture::new(1);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let tip = mirror.fetch(&Revision::Head).unwrap().id;
    let before = mirror.stats().unwrap();
    let draft = mirror.draft(tip, &options("x"), |tree| tree.write("new/file".as_ref(), "1")).unwrap().unwrap();
    assert_eq!(draft.read("new/file".as_ref()).unwrap(), b"1");
    assert_eq!(draft.read("VERSION".as_ref()).unwrap(), b"0001");
    assert!(mirror.tree(draft.commit().unwrap()).is_err());
    assert_eq!(mirror.stats().unwrap(), before);
    assert_eq!(fixture.tip("main"), tip.to_string());
    let same = mirror.draft(tip, &options("x"), |tree| tree.write("VERSION".as_ref(), "0001")).unwrap();
    assert!(same.is_none());
    let unknown = "1".repeat(40).parse().unwrap();
    let refused = mirror.draft(unknown, &options("x"), |tree| tree.write("VERSION".as_ref(), "2"));
    assert!(matches!(refused, Err(PushError::Commit { .. })), "{refused:?}");
}

#[test]
fn an_edit_sees_its_own_changes_and_keeps_modes() {
    let fixture = Fixture::new(1);
    let described = options("x").trailer("Job", "17").committer("Bot <bot@example.com>".parse().unwrap());
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    mirror
        .commit_and_push("main", &described, |tree| {
            tree.write("deploy/run.sh".as_ref(), "false\n").unwrap();
            tree.write("new/file".as_ref(), "1").unwrap();
            assert_eq!(tree.read("new/file".as_ref()).unwrap(), b"1");
            tree.remove("new/file".as_ref()).unwrap();
            tree.remove("deploy/web.yml".as_ref()).unwrap();
            assert!(tree.read("deploy/web.yml".as_ref()).is_err());
            assert!(tree.write("../up".as_ref(), "1").is_err());
            assert!(tree.write(".git/config".as_ref(), "1").is_err());
            assert!(tree.write("deploy".as_ref(), "1").is_err());
            assert!(tree.remove("deploy".as_ref()).is_err());
            assert!(tree.remove("deploy/web.yml".as_ref()).is_err(), "it is removed already");
            tree.write("a/b".as_ref(), "1").unwrap();
            for path in ["a", "a/b/c"] {
                let refused = tree.write(path.as_ref(), "1");
                assert!(matches!(refused, Err(EditError::BelowAFile { .. })), "{refused:?}");
            }
            tree.remove("a/b".as_ref()).unwrap();
            Ok::<(), std::io::Error>(())
        })
        .unwrap();
    let files = fixture.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"]);
    assert_eq!(files, "100644 VERSION\n100755 deploy/run.sh");
    assert_eq!(fixture.git(&["log", "-1", "--format=%(trailers:key=Job,valueonly)", "main"]).trim(), "17");
    let people = fixture.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>", "main"]);
    assert_eq!(people, "CI <ci@example.com> Bot <bot@example.com>");
    let below = mirror.commit_and_push("main", &options("x"), |tree| tree.write("VERSION/x".as_ref(), "1"));
    assert!(matches!(below, Err(PushError::Edit { .. })), "{below:?}");
    let failed = mirror.commit_and_push("main", &options("x"), |_| Err("no such image"));
    assert!(matches!(failed, Err(PushError::Edit { .. })), "{failed:?}");
}

#[test]
fn a_generation_is_replaced_under_a_reader() {
    let fixture = Fixture::new(1);
    let options = MirrorOptions::new().max_packs(2);
    let mirror = Mirror::open(fixture.cache("m"), Remote::new(fixture.file_url()), options).unwrap();
    let first = mirror.fetch(&Revision::Head).unwrap();
    let reader = mirror.tree(first.id).unwrap();
    let generation = || std::fs::read_to_string(fixture.cache("m").join("current")).unwrap();
    let old = generation();
    for number in 0..6 {
        fixture.commit("main", "N", &number.to_string());
        mirror.fetch(&Revision::Head).unwrap();
        assert!(mirror.stats().unwrap().packs <= 3);
    }
    assert_ne!(generation(), old);
    assert_eq!(reader.read("VERSION".as_ref()).unwrap(), b"0001");
    drop(reader);
    let start = Instant::now();
    // A program that another test is just starting may still hold the reader's file.
    while fixture.cache("m").join(&old).exists() {
        mirror.fetch(&Revision::Head).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_damaged_mirror_is_replaced() {
    let fixture = Fixture::new(3);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    mirror.fetch(&Revision::Head).unwrap();
    let current =
        fixture.cache("mirror").join(std::fs::read_to_string(fixture.cache("mirror").join("current")).unwrap());
    std::fs::write(current.join("shallow.lock"), "").unwrap();
    std::fs::write(current.join("objects/pack/pack_git2_0123"), "half a pack").unwrap();
    let new = fixture.commit("main", "N", "1");
    assert_eq!(mirror.fetch(&Revision::Head).unwrap().id.to_string(), new);
    assert!(!current.join("objects/pack/pack_git2_0123").exists());
    for entry in std::fs::read_dir(current.join("objects/pack")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(mirror.fetch(&Revision::Head).unwrap().id.to_string(), new);
    std::fs::remove_file(fixture.cache("mirror").join("current")).unwrap();
    assert_eq!(mirror.fetch(&Revision::Head).unwrap().id.to_string(), new);
}

/// Not a test of its own: a process whose user has a configuration.
#[test]
fn child_of_a_user() {
    let Ok(server) = std::env::var("GITOPS_GIT_SERVER") else { return };
    let cache = tempfile::tempdir().unwrap();
    let remote = Remote::new(gitops_git::RepoUrl::from_path(server.as_ref()).unwrap());
    let mirror = Mirror::open(cache.path(), remote, MirrorOptions::new()).unwrap();
    mirror.commit_and_push("main", &options("x"), |tree| tree.write("X".as_ref(), "x")).unwrap();
}

#[test]
fn the_users_configuration_of_git_changes_nothing() {
    let fixture = Fixture::new(1);
    let home = tempfile::tempdir().unwrap();
    let config = "[url \"git://nowhere.invalid/\"]\n\tinsteadOf = gitops-\n";
    std::fs::write(home.path().join(".gitconfig"), config).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_a_user"])
        .env("HOME", home.path())
        .env("GITOPS_GIT_SERVER", fixture.repository())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(fixture.git(&["show", "main:X"]), "x");
}

#[test]
fn a_fetch_reports_how_far_it_is() {
    let fixture = Fixture::new(3);
    let last = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = std::sync::Arc::clone(&last);
    let remote = Remote::new(fixture.file_url()).progress(move |progress| *seen.lock().unwrap() = Some(progress));
    fixture.mirror(remote).fetch(&Revision::Head).unwrap();
    let progress = last.lock().unwrap().unwrap();
    assert_eq!(progress.objects, progress.total_objects);
    assert!(progress.objects > 3 && progress.bytes > 100, "{progress:?}");
}

#[test]
fn a_file_in_lfs_is_told_from_its_content() {
    let fixture = Fixture::new(1);
    let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
    fixture.commit("main", "logo.png", &pointer);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let tree = mirror.tree(mirror.fetch(&Revision::Head).unwrap().id).unwrap();
    let found = tree.lfs_pointer("logo.png".as_ref()).unwrap().unwrap();
    assert_eq!((found.sha256.as_str(), found.size), (oid, 12345));
    assert_eq!(tree.lfs_pointer("VERSION".as_ref()).unwrap(), None);
}

#[test]
fn a_mirror_belongs_to_one_repository() {
    let fixture = Fixture::new(1);
    fixture.mirror(Remote::new(fixture.file_url()));
    let other = Remote::new("https://h.example/other".parse().unwrap());
    let error = Mirror::open(fixture.cache("mirror"), other, MirrorOptions::new()).unwrap_err();
    assert!(matches!(error, gitops_git::MirrorError::OtherRepository { .. }), "{error:?}");
}

#[test]
fn a_fetch_larger_than_the_limit_is_given_up() {
    let fixture = Fixture::new(1);
    fixture.commit("main", "NOISE", &noise(300_000));
    let options = MirrorOptions::new().max_fetch_bytes(10_000);
    let mirror = Mirror::open(fixture.cache("m"), Remote::new(fixture.file_url()), options).unwrap();
    let FetchError::Remote { source, .. } = mirror.fetch(&Revision::Head).unwrap_err() else { panic!() };
    assert!(matches!(source, RemoteError::TooLarge { limit: 10_000 }), "{source:?}");
}

#[test]
fn deadlines_hold_on_every_stream() {
    let url = format!("git://127.0.0.1:{}/x", silent()).parse().unwrap();
    let remote = Remote::new(url);
    for timeouts in
        [Timeouts::new().stall(Duration::from_millis(300)), Timeouts::new().total(Duration::from_millis(300))]
    {
        let start = Instant::now();
        let error = remote.clone().timeouts(timeouts).list_refs(&RefFilter::all()).unwrap_err();
        let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(source, RemoteError::Timeout { .. }), "{source:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
    }
    let closed = format!("git://127.0.0.1:{}/x", support::free_port()).parse().unwrap();
    let error = Remote::new(closed).list_refs(&RefFilter::all()).unwrap_err();
    let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Connect { .. }), "{source:?}");
}

#[test]
fn a_missing_repository_is_told() {
    let fixture = Fixture::new(1);
    let missing = fixture.dir.path().join("none.git");
    let local = Remote::new(gitops_git::RepoUrl::from_path(&missing).unwrap());
    let (_server, url) = daemon(&fixture);
    let daemon = local.with_url(url.to_string().replace("app", "none").parse().unwrap());
    for remote in [local, daemon] {
        let error = remote.list_refs(&RefFilter::all()).unwrap_err();
        let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(source, RemoteError::NotFound { .. }), "{source:?}");
    }
}

#[test]
fn a_push_among_many_refs_sends_what_is_new() {
    let fixture = Fixture::new(3);
    let tip = fixture.tip("main");
    fixture.many_refs(3_000, "main~1");
    let (_server, url) = daemon(&fixture);
    let mirror = fixture.mirror(Remote::new(url));
    mirror.commit_and_push("main", &options("x"), |tree| tree.write("X".as_ref(), "x")).unwrap();
    assert_eq!(fixture.tip("main~1"), tip);
    let create = options("y").mode(PushMode::Create { from: Revision::branch("main") });
    mirror.commit_and_push("new", &create, |tree| tree.write("Y".as_ref(), "y")).unwrap();
    assert_eq!(fixture.git(&["show", "new:X"]), "x");
}
