//! libgit2's own transports, where the features for them are on.
#![cfg_attr(
    not(all(feature = "libgit2-https", feature = "libgit2-ssh")),
    allow(dead_code, unused_imports, reason = "the tests of a feature use them")
)]

mod support;

use std::process::Command;

use gitops_git::{
    Credentials, FetchError, HostKeys, PollError, RefFilter, Remote, RemoteError, Revision, SshKey, Tls, Transport,
};
use support::http::{HttpServer, PASSWORD, USER, private_authority};
use support::{Fault, Fixture, Proxy, noise, options};

fn poll_error(remote: &Remote) -> RemoteError {
    match remote.list_refs(&RefFilter::all()).unwrap_err() {
        PollError::Remote { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

fn round_trip(fixture: &Fixture, remote: &Remote) {
    assert_eq!(remote.list_refs(&RefFilter::branch("main")).unwrap().len(), 1);
    let mirror = fixture.mirror(remote.clone());
    mirror.fetch(&Revision::Head).unwrap();
    let new = fixture.commit("main", "NEW", "new\n");
    assert_eq!(mirror.fetch(&Revision::branch("main")).unwrap().id.to_string(), new);
    let pushed = mirror.commit_and_push("main", &options("x"), |tree| tree.write("A".as_ref(), "a\n")).unwrap();
    assert_eq!(pushed.commit().unwrap().to_string(), fixture.tip("main"));
    assert_eq!(fixture.tip("main~1"), new);
}

#[test]
fn what_it_cannot_do_is_an_error() {
    let remote = |url: &str| Remote::new(url.parse().unwrap()).transport(Transport::Libgit2);
    for remote in [
        remote("git@h.example:a").host_keys(HostKeys::AcceptNew { store: "/k".into() }),
        remote("https://h.example/a").tls(Tls::with_roots("pem")),
        remote("https://h.example/a").credentials(Credentials::bearer("token")),
    ] {
        let error = poll_error(&remote);
        assert!(matches!(error, RemoteError::Settings { .. }), "{error:?}");
    }
    if !cfg!(feature = "libgit2-ssh") {
        assert!(matches!(poll_error(&remote("git@h.example:a")), RemoteError::Settings { .. }));
    }
    if !cfg!(feature = "libgit2-https") {
        assert!(matches!(poll_error(&remote("https://h.example/a")), RemoteError::Settings { .. }));
    }
}

#[test]
fn over_http() {
    let fixture = Fixture::new(3);
    let server = HttpServer::start(fixture.dir.path(), Some(PASSWORD));
    let remote = Remote::new(server.url()).transport(Transport::Libgit2);
    round_trip(&fixture, &remote.clone().credentials(Credentials::basic(USER, PASSWORD)));
    server.requests();
    let error = poll_error(&remote.clone().credentials(Credentials::basic(USER, "wrong-pass")));
    assert!(matches!(error, RemoteError::Unauthorized { given: true, .. }), "{error:?}");
    let asked = server.requests().iter().filter(|request| request.headers.contains_key("authorization")).count();
    assert_eq!(asked, 1, "wrong credentials are sent once");
    let error = poll_error(&remote);
    assert!(matches!(error, RemoteError::Unauthorized { given: false, .. }), "{error:?}");
    let missing = format!("{}x", server.url()).parse().unwrap();
    let error = poll_error(&Remote::new(missing).transport(Transport::Libgit2));
    assert!(matches!(error, RemoteError::Unauthorized { .. } | RemoteError::NotFound { .. }), "{error:?}");
}

#[cfg(feature = "libgit2-https")]
mod https {
    use super::*;

    const CHILD: &str = "GITOPS_GIT_LIBRARY_CHILD";

    /// Not a test of its own: what the process does that trusts the authority.
    #[test]
    fn child() {
        let Ok(port) = std::env::var(CHILD) else { return };
        let remote = Remote::new(format!("https://localhost:{port}/app.git").parse().unwrap())
            .transport(Transport::Libgit2)
            .credentials(Credentials::basic(USER, PASSWORD));
        assert_eq!(remote.list_refs(&RefFilter::branch("main")).unwrap().len(), 1);
        let dir = tempfile::tempdir().unwrap();
        let mirror = gitops_git::Mirror::open(dir.path(), remote, gitops_git::MirrorOptions::new()).unwrap();
        mirror.commit_and_push("main", &options("x"), |tree| tree.write("A".as_ref(), "a\n")).unwrap();
    }

    #[test]
    fn the_systems_authorities_are_trusted() {
        let fixture = Fixture::new(1);
        let (config, authority) = private_authority("localhost");
        let server = HttpServer::start_with(fixture.dir.path(), Some(PASSWORD), Some(config));
        let remote = Remote::new(server.url()).transport(Transport::Libgit2);
        let error = poll_error(&remote.credentials(Credentials::basic(USER, PASSWORD)));
        assert!(matches!(error, RemoteError::Certificate { .. }), "{error:?}");
        assert!(server.requests().is_empty());
        let file = fixture.dir.path().join("authority.pem");
        std::fs::write(&file, authority).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "https::child"])
            .env(CHILD, server.port.to_string())
            .env("SSL_CERT_FILE", file)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(fixture.git(&["show", "main:A"]), "a");
    }
}

#[cfg(feature = "libgit2-ssh")]
mod ssh {
    use super::*;

    #[test]
    fn poll_fetch_and_push_without_an_ssh_program() {
        let fixture = Fixture::new(2);
        let Some(server) = support::ssh::start(&fixture) else { return };
        let remote = Remote::new(server.url(&fixture)).transport(Transport::Libgit2).ssh_program("no-such-ssh");
        let pem = |name: &str| std::fs::read_to_string(server.key(name)).unwrap();
        let pin = HostKeys::Pinned(vec![server.fingerprint("host").parse().unwrap()]);
        let trusting = remote.host_keys(pin).credentials(Credentials::SshKey(SshKey::memory(pem("client").trim_end())));
        round_trip(&fixture, &trusting);
        let locked = |passphrase: &str| Credentials::SshKey(SshKey::memory(pem("locked")).passphrase(passphrase));
        trusting.clone().credentials(locked("open sesame")).list_refs(&RefFilter::all()).unwrap();
        let error = poll_error(&trusting.clone().credentials(locked("close sesame")));
        assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
        let stranger = Credentials::ssh_key_file(server.key("stranger"));
        let error = poll_error(&trusting.clone().credentials(stranger));
        assert!(matches!(error, RemoteError::Unauthorized { given: true, .. }), "{error:?}");
        let missing = format!("{}x", server.url(&fixture)).parse().unwrap();
        let error = poll_error(&trusting.with_url(missing));
        assert!(matches!(error, RemoteError::NotFound { .. }), "{error:?}");
    }

    #[test]
    fn an_unknown_host_is_refused_with_the_line_that_would_trust_it() {
        let fixture = Fixture::new(1);
        let Some(server) = support::ssh::start(&fixture) else { return };
        let remote = Remote::new(server.url(&fixture))
            .transport(Transport::Libgit2)
            .credentials(Credentials::ssh_key_file(server.key("client")));
        let line = server.known_hosts("host");
        let stranger = HostKeys::Pinned(vec![server.fingerprint("stranger").parse().unwrap()]);
        let revoked = HostKeys::KnownHostsText(format!("{line}@revoked * {}", line.split_once(' ').unwrap().1));
        let wrong = HostKeys::KnownHostsText(server.known_hosts("stranger"));
        for policy in [stranger, revoked, wrong, HostKeys::SshConfig] {
            let error = poll_error(&remote.clone().host_keys(policy));
            let RemoteError::HostKey { offered: Some(offered), .. } = &error else { panic!("{error:?}") };
            assert_eq!(offered.fingerprint, server.fingerprint("host"));
            let trusting = remote.clone().host_keys(HostKeys::KnownHostsText(offered.known_hosts_line.clone()));
            assert_eq!(trusting.list_refs(&RefFilter::all()).unwrap().len(), 2);
        }
    }

    #[test]
    fn a_connection_cut_in_mid_pack_is_an_interruption() {
        let fixture = Fixture::new(1);
        let Some(server) = support::ssh::start(&fixture) else { return };
        fixture.commit("main", "NOISE", &noise(300_000));
        let proxy = Proxy::to(server.port);
        proxy.fault(Fault::Cut(50_000));
        let remote = Remote::new(server.url_at(proxy.port, &fixture))
            .transport(Transport::Libgit2)
            .credentials(Credentials::ssh_key_file(server.key("client")))
            .host_keys(HostKeys::InsecureAcceptAny);
        let error = fixture.mirror(remote).fetch(&Revision::Head).unwrap_err();
        let FetchError::Remote { source, .. } = error else { panic!("{error:?}") };
        assert!(source.is_transient(), "{source:?}");
    }
}
