//! SSH against OpenSSH's sshd. Each test says so and passes when it is not installed.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use gitops_git::{
    Credentials, FetchError, HostKeys, PollError, RefFilter, Remote, RemoteError, Revision, SshKey, Timeouts,
};
use support::ssh::SshServer;
use support::{Fixture, cutting_proxy, noise, options, silent};

fn remote(server: &SshServer, fixture: &Fixture) -> Remote {
    Remote::new(server.url(fixture))
        .credentials(Credentials::ssh_key_file(server.key("client")))
        .host_keys(HostKeys::KnownHostsText(server.known_hosts("host")))
}

fn poll_error(remote: &Remote) -> RemoteError {
    match remote.list_refs(&RefFilter::all()).unwrap_err() {
        PollError::Remote { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn poll_fetch_and_push() {
    let fixture = Fixture::new(2);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = remote(&server, &fixture);
    let refs = remote.list_refs(&RefFilter::branch("main")).unwrap();
    assert_eq!(refs.len(), 1);
    let mirror = fixture.mirror(remote);
    mirror.fetch(&Revision::Head).unwrap();
    fixture.hook("post-receive", "sleep 0.2; touch ../ran");
    let pushed = mirror.commit_and_push("main", &options("ssh"), |tree| tree.write("A".as_ref(), "a\n")).unwrap();
    assert_eq!(pushed.commit().unwrap().to_string(), fixture.tip("main"));
    assert!(fixture.dir.path().join("ran").exists(), "the hook ran to its end");
}

#[test]
fn a_key_from_memory_with_a_passphrase() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    // Without its last line feed, as a CI variable would have it.
    let pem = fs::read_to_string(server.key("locked")).unwrap().trim_end().to_owned();
    let with = |passphrase: &str| {
        let key = SshKey::memory(pem.clone()).passphrase(passphrase);
        remote(&server, &fixture).credentials(Credentials::SshKey(key))
    };
    assert_eq!(with("open sesame").list_refs(&RefFilter::all()).unwrap().len(), 2);
    let error = poll_error(&with("close sesame"));
    assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("close sesame"));
}

#[test]
fn a_wrong_key_is_refused() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = remote(&server, &fixture).credentials(Credentials::ssh_key_file(server.key("stranger")));
    let error = poll_error(&remote);
    assert!(matches!(error, RemoteError::Unauthorized { given: true, .. }), "{error:?}");
}

#[test]
fn an_unknown_host_is_refused_with_the_line_that_would_trust_it() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = remote(&server, &fixture);
    for wrong in [String::new(), server.known_hosts("stranger")] {
        let error = poll_error(&remote.clone().host_keys(HostKeys::KnownHostsText(wrong)));
        let RemoteError::HostKey { offered: Some(offered), .. } = &error else { panic!("{error:?}") };
        assert_eq!(offered.fingerprint, server.fingerprint("host"));
        let line = offered.known_hosts_line.clone();
        let remote = remote.clone().host_keys(HostKeys::KnownHostsText(line));
        remote.list_refs(&RefFilter::all()).unwrap();
    }
}

#[test]
fn a_revoked_key_is_refused_and_a_hashed_name_is_found() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = remote(&server, &fixture);
    let line = server.known_hosts("host");
    let revoked = format!("{line}@revoked {line}");
    let error = poll_error(&remote.clone().host_keys(HostKeys::KnownHostsText(revoked)));
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error:?}");
    let file = fixture.dir.path().join("known hosts");
    fs::write(&file, line).unwrap();
    let hashed = std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    remote.host_keys(HostKeys::KnownHosts(vec![file])).list_refs(&RefFilter::all()).unwrap();
}

#[test]
fn pinned_fingerprints_decide() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let pinned = |name: &str| {
        let pin = server.fingerprint(name).parse().unwrap();
        remote(&server, &fixture).host_keys(HostKeys::Pinned(vec![pin]))
    };
    pinned("host").list_refs(&RefFilter::all()).unwrap();
    let error = poll_error(&pinned("stranger"));
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error:?}");
}

#[test]
fn a_new_host_is_accepted_once_and_remembered() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let store = fixture.dir.path().join("store");
    let policy = HostKeys::AcceptNew { store: store.clone() };
    let remote = remote(&server, &fixture).host_keys(policy);
    remote.list_refs(&RefFilter::all()).unwrap();
    assert!(fs::read_to_string(&store).unwrap().contains("ssh-ed25519"));
    remote.list_refs(&RefFilter::all()).unwrap();
    fs::write(&store, server.known_hosts("stranger")).unwrap();
    let error = poll_error(&remote);
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error:?}");
}

#[test]
fn a_missing_repository_is_told_from_a_missing_right() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let remote = remote(&server, &fixture);
    let url = format!("{}x", server.url(&fixture)).parse().unwrap();
    let error = poll_error(&remote.with_url(url));
    assert!(matches!(error, RemoteError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("does not appear to be a git repository"), "{error}");
}

#[test]
fn a_silent_server_is_given_up_and_a_cancellation_is_prompt() {
    let url = format!("ssh://git@127.0.0.1:{}/x", silent()).parse().unwrap();
    let remote = Remote::new(url).host_keys(HostKeys::KnownHostsText(String::new()));
    let start = Instant::now();
    let timeouts = Timeouts::new().stall(Duration::from_millis(500));
    let error = poll_error(&remote.clone().timeouts(timeouts));
    assert!(matches!(error, RemoteError::Timeout { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));

    let cancel = gitops_git::Cancel::new();
    let remote = remote.cancel(cancel.clone());
    let waiting = std::thread::spawn(move || {
        let dir = tempfile::tempdir().unwrap();
        let mirror = gitops_git::Mirror::open(dir.path(), remote, gitops_git::MirrorOptions::new()).unwrap();
        mirror.fetch(&Revision::Head).unwrap_err()
    });
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    cancel.cancel();
    let error = waiting.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let FetchError::Remote { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, RemoteError::Cancelled), "{source:?}");
}

#[test]
fn a_machine_without_ssh_is_told_so() {
    let url = "git@host.example:a/b".parse().unwrap();
    let error = poll_error(&Remote::new(url).ssh_program("no-such-ssh"));
    assert!(matches!(error, RemoteError::Program { .. }), "{error:?}");
}

#[test]
fn a_connection_cut_in_mid_pack_is_an_interruption() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    fixture.commit("main", "NOISE", &noise(300_000));
    let proxy = cutting_proxy(server.port, 50_000);
    let url = server.url(&fixture).to_string().replace(&server.port.to_string(), &proxy.to_string());
    let key = server.known_hosts("host").replace(&server.port.to_string(), &proxy.to_string());
    let remote = Remote::new(url.parse().unwrap())
        .credentials(Credentials::ssh_key_file(server.key("client")))
        .host_keys(HostKeys::KnownHostsText(key));
    let FetchError::Remote { source, .. } = fixture.mirror(remote).fetch(&Revision::Head).unwrap_err() else {
        panic!()
    };
    assert!(matches!(source, RemoteError::Interrupted { .. }), "{source:?}");
}
