//! SSH against OpenSSH's sshd. Each test says so and passes when it is not installed.

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gitops_git::{
    Credentials, FetchError, HostKeys, PollError, RefFilter, Remote, RemoteError, Revision, SshKey, Timeouts,
};
use support::ssh::SshServer;
use support::{Fixture, silent};

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
    let hashed = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    remote.host_keys(HostKeys::KnownHosts(vec![file])).list_refs(&RefFilter::all()).unwrap();
}

#[test]
fn one_known_key_of_several_is_enough() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    for name in ["host", "ecdsa"] {
        let known = HostKeys::KnownHostsText(server.known_hosts(name));
        remote(&server, &fixture).host_keys(known).list_refs(&RefFilter::all()).unwrap();
    }
}

/// A program that is `ssh` with something before its arguments.
fn wrapper(fixture: &Fixture, command: &str) -> std::path::PathBuf {
    let path = fixture.dir.path().join("ssh-wrapper");
    fs::write(&path, format!("#!/bin/sh\n{command} \"$@\"\n")).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_agent_has_the_key() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let socket = fixture.dir.path().join("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    let _agent = support::Server(agent);
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let program = wrapper(&fixture, &format!("SSH_AUTH_SOCK='{}' exec ssh", socket.display()));
    let remote = Remote::new(server.url(&fixture))
        .host_keys(HostKeys::KnownHostsText(server.known_hosts("host")))
        .ssh_program(program);
    assert!(matches!(poll_error(&remote), RemoteError::Unauthorized { .. }));
    let added = Command::new("ssh-add").arg("-q").arg(server.key("client")).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.unwrap().success());
    assert_eq!(remote.list_refs(&RefFilter::all()).unwrap().len(), 2);
}

#[test]
fn the_users_configuration_counts() {
    let fixture = Fixture::new(1);
    let Some(server) = support::ssh::start(&fixture) else { return };
    let config = fixture.dir.path().join("ssh-config");
    let known = fixture.dir.path().join("known");
    fs::write(&known, server.known_hosts("host")).unwrap();
    let text = format!(
        "Host forge\nHostName 127.0.0.1\nPort {}\nUser {}\nIdentityFile {}\nUserKnownHostsFile {}\n",
        server.port,
        server.user,
        server.key("client").display(),
        known.display()
    );
    fs::write(&config, text).unwrap();
    let program = wrapper(&fixture, &format!("exec ssh -F '{}'", config.display()));
    let url = format!("forge:{}", fixture.repository().display()).parse().unwrap();
    let refs = Remote::new(url).ssh_program(program).list_refs(&RefFilter::all()).unwrap();
    assert_eq!(refs.len(), 2);
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
