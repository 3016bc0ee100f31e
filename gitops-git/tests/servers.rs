//! Every kind of server, and all that can go well or wrong with each.
//!
//! One that is not installed is left out, with a word on standard error.

mod support;

use std::time::{Duration, Instant};

use gitops_git::{
    Credentials, FetchError, HostKeys, Mirror, MirrorOptions, PollError, Proxy as HttpProxy, PushError, RefFilter,
    Remote, RemoteError, RepoUrl, Revision, Timeouts, Tls,
};
use support::http::{HttpServer, PASSWORD, USER, private_authority};
use support::{Fault, Fixture, Proxy, daemon, noise, options};

/// A running server, and how it is reached through a port that leads to it.
struct Kind {
    name: &'static str,
    port: u16,
    remote: Box<dyn Fn(u16) -> Remote>,
    /// Credentials that it refuses, if it asks for any.
    stranger: Option<Credentials>,
    /// The settings of somebody who knows another server under this name, if it proves who it is.
    #[allow(clippy::type_complexity, reason = "used once")]
    impostor: Option<Box<dyn Fn(Remote) -> Remote>>,
    _server: Option<support::Server>,
}

fn url(text: String) -> RepoUrl {
    text.parse().unwrap()
}

fn kinds(fixture: &Fixture) -> Vec<Kind> {
    [Some(git_daemon(fixture)), Some(http(fixture)), Some(https(fixture)), sshd(fixture)]
        .into_iter()
        .flatten()
        .collect()
}

fn git_daemon(fixture: &Fixture) -> Kind {
    let (server, address) = daemon(fixture);
    Kind {
        name: "git daemon",
        port: address.port().unwrap(),
        remote: Box::new(|port| Remote::new(url(format!("git://127.0.0.1:{port}/app.git")))),
        stranger: None,
        impostor: None,
        _server: Some(server),
    }
}

fn http(fixture: &Fixture) -> Kind {
    let server = HttpServer::start(fixture.dir.path(), Some(PASSWORD));
    let good = Credentials::basic(USER, PASSWORD);
    let at = |port| Remote::new(url(format!("http://127.0.0.1:{port}/app.git"))).proxy(HttpProxy::None);
    Kind {
        name: "http",
        port: server.port,
        remote: Box::new(move |port| at(port).credentials(good.clone())),
        stranger: Some(Credentials::basic(USER, "wrong-pass")),
        impostor: None,
        _server: None,
    }
}

fn https(fixture: &Fixture) -> Kind {
    let (config, authority) = private_authority("localhost");
    let (_, other) = private_authority("localhost");
    let server = HttpServer::start_with(fixture.dir.path(), Some(PASSWORD), Some(config));
    let tls = Tls::only_roots(authority);
    let at = |port| Remote::new(url(format!("https://localhost:{port}/app.git"))).proxy(HttpProxy::None);
    Kind {
        name: "https",
        port: server.port,
        remote: Box::new(move |port| at(port).tls(tls.clone()).credentials(Credentials::bearer(PASSWORD))),
        stranger: Some(Credentials::bearer("wrong-token")),
        impostor: Some(Box::new(move |remote| remote.tls(Tls::only_roots(&other)))),
        _server: None,
    }
}

fn sshd(fixture: &Fixture) -> Option<Kind> {
    let server = support::ssh::start(fixture)?;
    let address = |port: u16| server.url_at(port, fixture).to_string();
    let (pattern, key) = (address(1), server.key("client"));
    let lines = |name: &str| server.known_hosts_at(1, name);
    let (host, other) = (lines("host"), lines("stranger"));
    let at = |lines: &str, port: u16| HostKeys::KnownHostsText(lines.replace("]:1 ", &format!("]:{port} ")));
    let remote = move |port: u16| {
        Remote::new(url(pattern.replace(":1/", &format!(":{port}/"))))
            .credentials(Credentials::ssh_key_file(&key))
            .host_keys(at(&host, port))
    };
    Some(Kind {
        name: "sshd",
        port: server.port,
        remote: Box::new(remote),
        stranger: Some(Credentials::ssh_key_file(server.key("stranger"))),
        impostor: Some(Box::new(move |remote| {
            let port = remote.url().port().unwrap();
            remote.host_keys(at(&other, port))
        })),
        _server: Some(server.server),
    })
}

fn mirror(fixture: &Fixture, name: &str, remote: Remote) -> Mirror {
    Mirror::open(fixture.cache(name), remote, MirrorOptions::new()).unwrap()
}

fn poll_error(remote: &Remote) -> RemoteError {
    match remote.list_refs(&RefFilter::all()).unwrap_err() {
        PollError::Remote { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

fn fetch_error(mirror: &Mirror) -> RemoteError {
    match mirror.fetch(&Revision::Head).unwrap_err() {
        FetchError::Remote { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

fn push(mirror: &Mirror, text: &str) -> Result<gitops_git::PushOutcome, PushError> {
    mirror.commit_and_push("main", &options(text), |tree| tree.write("PUSHED".as_ref(), text))
}

fn push_error(mirror: &Mirror) -> RemoteError {
    match push(mirror, "refused").unwrap_err() {
        PushError::Remote { source, .. } => source,
        PushError::Fetch { source, .. } => match *source {
            FetchError::Remote { source, .. } => source,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn poll_clone_fetch_and_push() {
    let fixture = Fixture::new(5);
    fixture.hook("post-receive", "sleep 0.2; touch ../ran");
    for kind in kinds(&fixture) {
        let remote = (kind.remote)(kind.port);
        let refs = remote.list_refs(&RefFilter::branch("main")).unwrap();
        assert_eq!(refs.len(), 1, "{}", kind.name);
        let mirror = mirror(&fixture, kind.name, remote);
        assert_eq!(mirror.fetch(&Revision::Head).unwrap().id.to_string(), fixture.tip("main"), "{}", kind.name);
        let new = fixture.commit("main", "NEW", kind.name);
        assert_eq!(mirror.fetch(&Revision::branch("main")).unwrap().id.to_string(), new, "{}", kind.name);
        let pushed = push(&mirror, kind.name).unwrap();
        assert_eq!(pushed.commit().unwrap().to_string(), fixture.tip("main"), "{}", kind.name);
        assert_eq!(fixture.tip("main~1"), new, "{}", kind.name);
        let ran = fixture.dir.path().join("ran");
        assert!(ran.exists(), "{}: the hook ran to its end", kind.name);
        std::fs::remove_file(ran).unwrap();
    }
}

#[test]
fn wrong_credentials() {
    let fixture = Fixture::new(1);
    for kind in kinds(&fixture) {
        let Some(stranger) = &kind.stranger else { continue };
        let remote = (kind.remote)(kind.port).credentials(stranger.clone());
        let mirror = mirror(&fixture, kind.name, remote.clone());
        for error in [poll_error(&remote), fetch_error(&mirror), push_error(&mirror)] {
            assert!(matches!(error, RemoteError::Unauthorized { given: true, .. }), "{} {error:?}", kind.name);
            assert!(!format!("{error:?} {error}").contains("wrong-"), "{} {error:?}", kind.name);
        }
    }
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "1");
}

#[test]
fn a_server_that_is_not_the_one_we_know() {
    let fixture = Fixture::new(1);
    for kind in kinds(&fixture) {
        let Some(impostor) = &kind.impostor else { continue };
        let remote = impostor((kind.remote)(kind.port));
        let mirror = mirror(&fixture, kind.name, remote.clone());
        for error in [poll_error(&remote), fetch_error(&mirror), push_error(&mirror)] {
            let refused = matches!(error, RemoteError::HostKey { .. } | RemoteError::Certificate { .. });
            assert!(refused, "{} {error:?}", kind.name);
        }
    }
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "1");
}

#[test]
fn a_connection_that_is_cut_in_mid_pack() {
    let fixture = Fixture::new(1);
    fixture.commit("main", "NOISE", &noise(300_000));
    for kind in kinds(&fixture) {
        let proxy = Proxy::to(kind.port);
        let mirror = mirror(&fixture, kind.name, (kind.remote)(proxy.port));
        proxy.fault(Fault::Cut(50_000));
        let error = fetch_error(&mirror);
        assert!(matches!(error, RemoteError::Interrupted { .. }), "{} {error:?}", kind.name);
        proxy.fault(Fault::None);
        assert_eq!(mirror.fetch(&Revision::Head).unwrap().id.to_string(), fixture.tip("main"), "{}", kind.name);
    }
}

#[test]
fn a_server_that_stalls_in_mid_pack() {
    let fixture = Fixture::new(1);
    fixture.commit("main", "NOISE", &noise(300_000));
    let stall = Timeouts::new().stall(Duration::from_millis(500));
    let total = Timeouts::new().total(Duration::from_millis(1_000));
    for kind in kinds(&fixture) {
        let proxy = Proxy::to(kind.port);
        proxy.fault(Fault::Stall(50_000));
        for timeouts in [&stall, &total] {
            let remote = (kind.remote)(proxy.port).timeouts(timeouts.clone());
            let mirror = mirror(&fixture, kind.name, remote);
            let start = Instant::now();
            let error = fetch_error(&mirror);
            assert!(matches!(error, RemoteError::Timeout { .. }), "{} {error:?}", kind.name);
            assert!(start.elapsed() < Duration::from_secs(10), "{} {:?}", kind.name, start.elapsed());
        }
    }
}

#[test]
fn a_push_whose_connection_is_cut() {
    let fixture = Fixture::new(1);
    let content = noise(300_000);
    for kind in kinds(&fixture) {
        let proxy = Proxy::to(kind.port);
        let mirror = mirror(&fixture, kind.name, (kind.remote)(proxy.port));
        let before = fixture.tip("main");
        let push = || {
            mirror.commit_and_push("main", &options("big").attempts(2), |tree| {
                tree.write("NOISE".as_ref(), format!("{}{content}", kind.name))
            })
        };
        proxy.fault(Fault::CutUpload(100_000));
        let error = push().unwrap_err();
        let PushError::Remote { source, .. } = &error else { panic!("{} {error:?}", kind.name) };
        assert!(source.is_transient(), "{} {error:?}", kind.name);
        assert_eq!(fixture.tip("main"), before, "{}", kind.name);
        proxy.fault(Fault::None);
        push().unwrap();
        assert_eq!(fixture.tip("main~1"), before, "{}", kind.name);
    }
}
