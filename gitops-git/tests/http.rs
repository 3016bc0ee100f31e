//! Smart HTTP against `git http-backend`.

mod support;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gitops_git::{
    Cancel, Credentials, FetchError, Mirror, MirrorOptions, PollError, Poller, PushError, PushMode, PushOutcome,
    RefFilter, Remote, RemoteError, Revision,
};
use support::http::{HttpServer, PASSWORD, USER};
use support::{Fixture, options};

fn serve(fixture: &Fixture) -> (HttpServer, Remote) {
    let server = HttpServer::start(fixture.dir.path(), Some(PASSWORD));
    let remote = Remote::new(server.url()).credentials(Credentials::basic(USER, PASSWORD));
    (server, remote)
}

#[test]
fn poll_fetch_read_and_push() {
    let fixture = Fixture::new(3);
    let (server, remote) = serve(&fixture);
    let refs = remote.list_refs(&RefFilter::branch("main")).unwrap();
    assert_eq!(refs.get("refs/heads/main").unwrap().id.to_string(), fixture.tip("main"));

    let mirror = fixture.mirror(remote.clone());
    let commit = mirror.fetch(&Revision::branch("main")).unwrap();
    assert_eq!(commit.id.to_string(), fixture.tip("main"));
    assert_eq!(mirror.tree(commit.id).unwrap().read("VERSION".as_ref()).unwrap(), b"0003");

    let outcome =
        mirror.commit_and_push("main", &options("bump"), |tree| tree.write("VERSION".as_ref(), "4\n")).unwrap();
    let PushOutcome::Pushed { commit, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(commit.to_string(), fixture.tip("main"));
    assert_eq!(fixture.git(&["show", "main:VERSION"]), "4");
    assert_eq!(fixture.git(&["log", "-1", "--format=%an %ae %s", "main"]), "CI ci@example.com bump");
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "4");

    let again = mirror.commit_and_push("main", &options("bump"), |tree| tree.write("VERSION".as_ref(), "4\n")).unwrap();
    assert!(matches!(again, PushOutcome::Unchanged { .. }), "{again:?}");
    server.requests();
    assert_eq!(mirror.fetch(&Revision::Commit(commit)).unwrap().id, commit);
    assert_eq!(mirror.tree(commit).unwrap().read("VERSION".as_ref()).unwrap(), b"4\n");
    assert!(server.requests().is_empty(), "what was pushed need not be fetched");
}

#[test]
fn a_poll_is_one_request_on_one_connection() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    remote.list_refs(&RefFilter::branch("main")).unwrap();
    server.requests();
    remote.resolve(&Revision::branch("main")).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].line.starts_with("POST /app.git/git-upload-pack"), "{requests:?}");
}

#[test]
fn a_fetch_of_nothing_new_is_one_request() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let mirror = fixture.mirror(remote);
    mirror.fetch(&Revision::Head).unwrap();
    server.requests();
    mirror.fetch(&Revision::Head).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_fetch_among_many_refs_is_told_of_those_it_needs() {
    let fixture = Fixture::new(3);
    fixture.many_refs(2_000, "main~1");
    let (server, remote) = serve(&fixture);
    let mirror = fixture.mirror(remote);
    mirror.fetch(&Revision::branch("main")).unwrap();
    let new = fixture.commit("main", "NEW", "new\n");
    assert_eq!(mirror.fetch(&Revision::branch("main")).unwrap().id.to_string(), new);
    let received: usize = server.requests().iter().map(|request| request.answer_bytes).sum();
    assert!(received < 10_000, "{received} bytes for two fetches");
}

#[test]
fn a_commit_is_fetched_by_its_id_alone_if_the_server_lets_us() {
    let fixture = Fixture::new(6);
    let (_server, remote) = serve(&fixture);
    let old = fixture.tip("main~3");
    let Ok(revision) = old.parse::<Revision>();
    for (allowed, commits) in [("true", "1"), ("false", "3")] {
        fixture.config("uploadpack.allowReachableSHA1InWant", allowed);
        let root = fixture.cache(allowed);
        let mirror = Mirror::open(&root, remote.clone(), MirrorOptions::new()).unwrap();
        assert_eq!(mirror.fetch(&revision).unwrap().id.to_string(), old);
        let generation = root.join(std::fs::read_to_string(root.join("current")).unwrap());
        assert_eq!(support::git(&generation, &["rev-list", "--count", &old]), commits, "allowed: {allowed}");
    }
}

#[test]
fn every_kind_of_revision_is_fetched_from_new_servers_and_old() {
    let fixture = Fixture::new(5);
    support::git(&fixture.repository(), &["tag", "-a", "-m", "x", "v1.2.0", "main~1"]);
    support::git(&fixture.repository(), &["branch", "dev", "main~2"]);
    let (server, remote) = serve(&fixture);
    for (only_version_0, name) in [(false, "new"), (true, "old")] {
        server.faults(|faults| faults.only_version_0 = only_version_0);
        let old = fixture.tip("main~3");
        for (number, (text, commit)) in [
            ("", "main"),
            ("dev", "dev"),
            ("refs/heads/dev", "dev"),
            ("v1.2.0", "main~1"),
            ("^1.1", "main~1"),
            (&old[..10], "main~3"),
            (&old, "main~3"),
        ]
        .into_iter()
        .enumerate()
        {
            let Ok(revision) = text.parse::<Revision>();
            let root = fixture.cache(&format!("{name}-{number}"));
            let mirror = Mirror::open(root, remote.clone(), MirrorOptions::new()).unwrap();
            assert_eq!(mirror.fetch(&revision).unwrap().id.to_string(), fixture.tip(commit), "{name} {text}");
        }
        let Ok(missing) = "min".parse::<Revision>();
        let root = fixture.cache(name);
        let error = Mirror::open(root, remote.clone(), MirrorOptions::new()).unwrap().fetch(&missing).unwrap_err();
        assert!(matches!(error, FetchError::Resolve { .. }), "{error:?}");
    }
}

#[test]
fn wrong_credentials_are_sent_once_and_shown_nowhere() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let remote = remote.credentials(Credentials::basic(USER, "wrong-pass"));
    let error = fixture.mirror(remote).fetch(&Revision::Head).unwrap_err();
    let FetchError::Remote { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Unauthorized { given: true, .. }), "{source:?}");
    assert!(source.to_string().contains("wrong credentials"), "{source}");
    let encoded = BASE64.encode(format!("{USER}:wrong-pass"));
    for secret in ["wrong-pass", &encoded] {
        assert!(!format!("{error:?} {source}").contains(secret), "{error:?}");
    }
    assert_eq!(server.requests().len(), 1);

    let error = Remote::new(server.url()).list_refs(&RefFilter::all()).unwrap_err();
    let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Unauthorized { given: false, .. }), "{source:?}");
}

#[test]
fn a_bearer_token_is_a_credential_too() {
    let fixture = Fixture::new(1);
    let (_server, remote) = serve(&fixture);
    let remote = remote.credentials(Credentials::bearer(PASSWORD));
    assert_eq!(remote.list_refs(&RefFilter::all()).unwrap().len(), 2);
}

#[test]
fn a_redirect_is_followed_without_credentials_for_another_host() {
    let fixture = Fixture::new(1);
    let (server, _) = serve(&fixture);
    let front = HttpServer::start(fixture.dir.path(), None);
    let to =
        format!("Location: {}/info/refs?service=git-upload-pack\r\n", server.url().to_string().trim_end_matches('/'));
    front.faults(|faults| faults.answer = Some((302, to, String::new())));
    let remote = Remote::new(front.url()).credentials(Credentials::basic(USER, PASSWORD));
    let error = remote.list_refs(&RefFilter::all()).unwrap_err();
    let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Unauthorized { .. }), "{source:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(!requests[0].headers.contains_key("authorization"), "{requests:?}");
}

#[test]
fn a_redirect_that_is_not_followed_shows_no_token() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    for to in ["https://login.example/?token=abc123", "https://u:abc123@h.example/x", "ftp://h.example/x"] {
        server.faults(|faults| faults.answer = Some((302, format!("Location: {to}\r\n"), String::new())));
        let error = remote.list_refs(&RefFilter::all()).unwrap_err();
        let PollError::Remote { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(source, RemoteError::Redirect { .. }), "{source:?}");
        assert!(!format!("{error:?}").contains("abc123"), "{error:?}");
    }
}

#[test]
fn a_server_that_wants_fewer_requests_is_heard() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let answer = (429, "Retry-After: 77\r\n".to_owned(), String::new());
    server.faults(|faults| faults.answer = Some(answer));
    let error = remote.list_refs(&RefFilter::all()).unwrap_err();
    let PollError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.retry_after(), Some(Duration::from_secs(77)));
    assert!(source.is_transient());
    for (value, wait) in [("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("18446744073709551615", 24 * 60 * 60)] {
        let answer = (503, format!("Retry-After: {value}\r\n"), String::new());
        server.faults(|faults| faults.answer = Some(answer));
        let poller = Poller::new(remote.clone(), RefFilter::all(), Duration::from_millis(1));
        assert!(poller.refs().is_err());
        assert!(poller.next_in() <= Duration::from_secs(wait.max(1)), "{value}");
        assert!(poller.next_in() >= Duration::from_secs(wait / 2), "{value}");
    }
}

#[test]
fn many_users_of_a_poller_make_one_request() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let poller = Poller::new(remote, RefFilter::all(), Duration::from_secs(60));
    poller.refs().unwrap();
    server.requests();
    poller.refresh();
    std::thread::scope(|scope| {
        let users: Vec<_> = (0..8).map(|_| scope.spawn(|| poller.refs().unwrap())).collect();
        let answers: Vec<_> = users.into_iter().map(|user| user.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| std::sync::Arc::ptr_eq(answer, &answers[0])));
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_source_of_credentials_is_asked_once_for_each_operation() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&asked);
    let remote = remote.credential_source(move |url: &gitops_git::RepoUrl| {
        log.lock().unwrap().push(url.to_string());
        match url.path().contains("secret") {
            true => Err("the vault is sealed".into()),
            false => Ok(Some(Credentials::basic(USER, PASSWORD))),
        }
    });
    fixture.mirror(remote.clone()).fetch(&Revision::Head).unwrap();
    assert_eq!(*asked.lock().unwrap(), [server.url().to_string()]);
    let sealed = format!("http://127.0.0.1:{}/secret.git", server.port).parse().unwrap();
    server.requests();
    let error = remote.with_url(sealed).list_refs(&RefFilter::all()).unwrap_err();
    assert!(matches!(&error, PollError::Remote { source: RemoteError::Credentials { .. }, .. }), "{error:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn tokens_are_sent_as_each_forge_wants_them() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    for (credentials, user) in [
        (Credentials::gitlab_job_token("t"), "gitlab-ci-token"),
        (Credentials::gitlab_deploy_token("gitlab+deploy-token-7", "t"), "gitlab+deploy-token-7"),
        (Credentials::gitlab_access_token("t"), "oauth2"),
        (Credentials::github_token("t"), "x-access-token"),
    ] {
        remote.clone().credentials(credentials).list_refs(&RefFilter::all()).unwrap_err();
        let sent = server.requests()[0].headers["authorization"].clone();
        let sent = BASE64.decode(sent.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), format!("{user}:t"));
    }
}

#[test]
fn other_answers_are_told_apart() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let ask = |status: u16, headers: &str, body: &str| {
        let answer = (status, headers.to_owned(), body.to_owned());
        server.faults(|faults| faults.answer = Some(answer));
        match remote.list_refs(&RefFilter::all()).unwrap_err() {
            PollError::Remote { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    let html = "Content-Type: text/html\r\n";
    assert!(matches!(ask(200, html, "<h1>Log in</h1>"), RemoteError::Protocol { .. }));
    assert!(matches!(ask(404, html, "<h1>No</h1>"), RemoteError::NotFound { .. }));
    let forbidden = ask(403, "Content-Type: text/plain\r\n", "your IP is not allowed");
    assert!(matches!(forbidden, RemoteError::Forbidden { .. }));
    assert!(forbidden.to_string().contains("your IP is not allowed"));
    assert!(matches!(ask(500, html, ""), RemoteError::Status { status: 500, .. }));
    let kind = "Content-Type: application/x-git-upload-pack-advertisement\r\n";
    assert!(matches!(ask(200, kind, "zzzz"), RemoteError::Protocol { .. }));
    assert!(matches!(ask(200, kind, "0030ab"), RemoteError::Interrupted { .. }));
}

#[test]
fn a_cancellation_is_prompt() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    server.faults(|faults| faults.stall_after = Some(200));
    let cancel = Cancel::new();
    let mirror = fixture.mirror(remote.clone().cancel(cancel.clone()));
    let fetching = std::thread::spawn(move || mirror.fetch(&Revision::Head).unwrap_err());
    while !server.requests().iter().any(|request| request.line.starts_with("POST")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    cancel.cancel();
    let FetchError::Remote { source, .. } = fetching.join().unwrap() else { panic!() };
    assert!(matches!(source, RemoteError::Cancelled), "{source:?}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // Others with the same settings are not disturbed.
    server.faults(|faults| faults.stall_after = None);
    assert_eq!(remote.list_refs(&RefFilter::all()).unwrap().len(), 2);
}

#[test]
fn a_push_whose_answer_is_lost_is_not_repeated() {
    let fixture = Fixture::new(1);
    let (server, remote) = serve(&fixture);
    let mirror = fixture.mirror(remote);
    server.faults(|faults| faults.swallow_push_answer = true);
    let mut edits = 0;
    let outcome = mirror
        .commit_and_push("main", &options("once"), |tree| {
            edits += 1;
            tree.write("ONCE".as_ref(), format!("{edits}"))
        })
        .unwrap();
    assert_eq!(outcome.commit().unwrap().to_string(), fixture.tip("main"));
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "2");
}

#[test]
fn a_replaced_branch_whose_answer_is_lost_is_not_replaced_again() {
    let fixture = Fixture::new(2);
    fixture.git(&["branch", "bot", "main~1"]);
    let (server, remote) = serve(&fixture);
    server.faults(|faults| faults.swallow_push_answer = true);
    let expected = fixture.tip("bot").parse().unwrap();
    let mode = PushMode::Replace { from: Revision::branch("main"), expected };
    let mut edits = 0;
    let outcome = fixture.mirror(remote).commit_and_push("bot", &options("once").mode(mode), |tree| {
        edits += 1;
        tree.write("ONCE".as_ref(), format!("{edits}"))
    });
    assert_eq!(outcome.unwrap().commit().unwrap().to_string(), fixture.tip("bot"));
    assert_eq!(edits, 1);
}

#[test]
fn the_server_says_why_it_refuses_a_push() {
    let fixture = Fixture::new(1);
    let (_server, remote) = serve(&fixture);
    let mirror = fixture.mirror(remote);
    let push = || mirror.commit_and_push("main", &options("no"), |tree| tree.write("NO".as_ref(), "no\n"));
    fixture.hook("pre-receive", "echo 'Fridays are for reading.' >&2; exit 1");
    let error = push().unwrap_err();
    assert!(matches!(error, PushError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("Fridays are for reading."), "{error}");
    fixture.hook("pre-receive", "echo 'remote: You are not allowed to push to protected branches' >&2; echo 'GitLab: protected branch' >&2; exit 1");
    assert!(matches!(push().unwrap_err(), PushError::Protected { .. }));
    std::fs::remove_file(fixture.repository().join("hooks/pre-receive")).unwrap();
    fixture.config("http.receivepack", "false");
    let error = push().unwrap_err();
    let PushError::Remote { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Forbidden { .. }), "{source:?}");
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "1");
}

#[test]
fn hooks_after_a_push_run_to_their_end() {
    let fixture = Fixture::new(1);
    let (_server, remote) = serve(&fixture);
    fixture.hook("post-receive", "sleep 0.3; echo working; echo \"$GIT_PUSH_OPTION_0\" > ../ran");
    let mirror = fixture.mirror(remote);
    mirror
        .commit_and_push("main", &options("x").push_option("ci.skip"), |tree| tree.write("X".as_ref(), "x\n"))
        .unwrap();
    let ran = std::fs::read_to_string(fixture.dir.path().join("ran")).unwrap();
    assert_eq!(ran, "ci.skip\n");
}
