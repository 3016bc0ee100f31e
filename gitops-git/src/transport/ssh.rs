//! SSH through the user's `ssh` program, which brings its configuration, jump
//! hosts, agents and hardware keys with it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::credentials::{Credentials, KeyMaterial, SshKey};
use crate::host_keys::{HostKeys, OfferedKey};
use crate::remote_error::{Phase, RemoteError};
use crate::transport::process::{Process, Verdict};
use crate::transport::session::{Session, refusal};
use crate::transport::{Service, Version};

/// Prints the lines that trust a pinned key, and notes what the server offered.
///
/// OpenSSH runs it as a `KnownHostsCommand` with host, key type, key and
/// fingerprint; while it only asks for the order of key types, they are `NONE`.
const HOST_KEY_SCRIPT: &str = r#"[ "$3" = NONE ] && exit 0
printf '%s %s %s %s\n' "$1" "$2" "$3" "$4" >>"$0.offered"
[ -f "$0.pinned" ] && grep -qxF -- "$4" "$0.pinned" && printf '%s %s %s\n' "$1" "$2" "$3"
exit 0
"#;

/// Answers `ssh` when it asks for the passphrase, and nothing else.
const PASSPHRASE_SCRIPT: &str = "#!/bin/sh
case \"$1\" in *assphrase*) exec cat \"$0.answer\" ;; esac
exit 1
";

/// Opens `ssh [user@]host <service> '<path>'`.
pub(crate) fn open(session: &Arc<Session>, service: Service, version: Version) -> Result<Process, RemoteError> {
    let files = tempfile::Builder::new().prefix("gitops-git-ssh").tempdir();
    let files = files.map_err(|source| settings(format!("no temporary directory: {source}")))?;
    let command = command(session, service, version, files.path())?;
    Process::start(session, command, (service, version), verdict(session, files))
}

fn command(session: &Session, service: Service, version: Version, files: &Path) -> Result<Command, RemoteError> {
    let remote = &session.remote;
    let url = &remote.url;
    let mut command = Command::new(&remote.ssh_program);
    let seconds = remote.timeouts.connect.as_secs().max(1);
    command.args(["-T", "-o", &format!("ConnectTimeout={seconds}")]);
    if version == Version::V2 {
        command.args(["-o", "SendEnv=GIT_PROTOCOL"]);
    }
    host_key_options(&mut command, &remote.host_keys, files)?;
    match &session.credentials {
        Some(Credentials::SshKey(key)) => key_options(&mut command, key, files)?,
        _ => {
            command.args(["-o", "BatchMode=yes"]);
        }
    }
    if let Some(port) = url.port() {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = url.user() {
        command.args(["-l", user]);
    }
    // RepoUrl refuses hosts and users that start with a dash; `--` is for a
    // second lock on the same door.
    command.args(["--", url.host()]);
    command.arg(format!("{} {}", service.name(), quoted(&url.server_path())));
    Ok(command)
}

/// Quotes for the remote shell, as git does.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

fn host_key_options(command: &mut Command, policy: &HostKeys, files: &Path) -> Result<(), RemoteError> {
    let script = files.join("host-key");
    write_private(&script, HOST_KEY_SCRIPT)?;
    let known = files.join("known_hosts");
    let (strict, lists): (&str, Vec<&Path>) = match policy {
        // Whatever the user configured, a KnownHostsCommand included, stays.
        HostKeys::SshConfig => return Ok(()),
        HostKeys::KnownHosts(files) => ("yes", files.iter().map(AsRef::as_ref).collect()),
        HostKeys::KnownHostsText(text) => {
            write_private(&known, text)?;
            ("yes", vec![&known])
        }
        HostKeys::Pinned(fingerprints) => {
            let lines: String = fingerprints.iter().map(|pin| format!("{pin}\n")).collect();
            write_private(&files.join("host-key.pinned"), &lines)?;
            ("yes", vec![Path::new("/dev/null")])
        }
        HostKeys::AcceptNew { store } => ("accept-new", vec![store]),
        HostKeys::InsecureAcceptAny => ("no", vec![Path::new("/dev/null")]),
    };
    let lists = lists.into_iter().map(option_path).collect::<Result<Vec<_>, _>>()?;
    option(command, &format!("StrictHostKeyChecking={strict}"));
    option(command, &format!("UserKnownHostsFile={}", lists.join(" ")));
    option(command, "GlobalKnownHostsFile=/dev/null");
    // Older OpenSSH does not know the next one, and need not.
    option(command, "IgnoreUnknown=KnownHostsCommand");
    let script = option_path(&script)?;
    option(command, &format!("KnownHostsCommand=/bin/sh {script} %H %t %K %f"));
    Ok(())
}

fn key_options(command: &mut Command, key: &SshKey, files: &Path) -> Result<(), RemoteError> {
    let path = match &key.material {
        KeyMaterial::File(path) => path.clone(),
        KeyMaterial::Memory(pem) => {
            let path = files.join("key");
            // `ssh` refuses a key without its last line feed, which copies lose.
            write_private(&path, &format!("{}\n", pem.expose().trim_end()))?;
            path
        }
    };
    // Only this key: a server ends the connection after a few wrong ones.
    option(command, "IdentitiesOnly=yes");
    option(command, "IdentityAgent=none");
    option(command, "PreferredAuthentications=publickey");
    command.arg("-i").arg(path);
    let Some(passphrase) = &key.passphrase else {
        option(command, "BatchMode=yes");
        return Ok(());
    };
    option(command, "BatchMode=no");
    option(command, "NumberOfPasswordPrompts=1");
    let askpass = files.join("askpass");
    write_private(&files.join("askpass.answer"), &format!("{}\n", passphrase.expose()))?;
    write_file(&askpass, PASSPHRASE_SCRIPT, 0o700)?;
    command.env("SSH_ASKPASS", &askpass).env("SSH_ASKPASS_REQUIRE", "force");
    Ok(())
}

fn option(command: &mut Command, text: &str) {
    command.args([OsString::from("-o"), OsString::from(text)]);
}

/// A path inside the value of an option, where blanks and `%` mean something.
fn option_path(path: &Path) -> Result<String, RemoteError> {
    match path.to_str() {
        Some(text) if !text.contains(['"', '\\']) && !text.contains(char::is_control) => {
            Ok(format!("\"{}\"", text.replace('%', "%%")))
        }
        _ => Err(settings(format!("ssh cannot be given the path {}", path.display()))),
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), RemoteError> {
    write_file(path, text, 0o600)
}

fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), RemoteError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = created.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source: io::Error| settings(format!("{}: {source}", path.display())))
}

fn settings(reason: String) -> RemoteError {
    RemoteError::Settings { reason }
}

/// Sorts the failures of `ssh` by its words; its exit status is 255 for all.
///
/// It owns the temporary files, since `ssh` needs them until it ends.
fn verdict(session: &Session, files: TempDir) -> Verdict {
    let host = session.remote.url.host().to_owned();
    let connect = session.remote.timeouts.connect;
    Box::new(move |words| {
        let server = words.to_owned();
        let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
        if says(&["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
            let offered = offered_key(files.path()).map(Box::new);
            return RemoteError::HostKey { host, offered, server };
        }
        if says(&["Connection timed out", "Operation timed out"]) {
            return RemoteError::Timeout { phase: Phase::Connect, after: connect };
        }
        let unreachable = ["Could not resolve", "Connection refused", "No route to host"];
        if says(&unreachable) || says(&["Network is unreachable"]) {
            return RemoteError::Connect { address: host, source: server.into() };
        }
        if says(&["Bad owner", "Load key", "invalid format", "incorrect passphrase"]) {
            return RemoteError::Unauthorized { given: true, server };
        }
        if says(&["Connection closed", "Connection reset", "closed by remote host", "Broken pipe"]) {
            return RemoteError::Interrupted { server, source: None };
        }
        refusal(server)
    })
}

fn offered_key(files: &Path) -> Option<OfferedKey> {
    let seen = fs::read_to_string(files.join("host-key.offered")).ok()?;
    let words: Vec<&str> = seen.lines().last()?.split(' ').collect();
    let [host, kind, key, fingerprint] = words[..] else { return None };
    Some(OfferedKey {
        kind: kind.to_owned(),
        fingerprint: fingerprint.to_owned(),
        known_hosts_line: format!("{host} {kind} {key}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Remote;

    fn arguments(remote: Remote) -> String {
        let files = tempfile::tempdir().unwrap();
        let session = Session::start(&remote).unwrap();
        let command = command(&session, Service::UploadPack, Version::V0, files.path()).unwrap();
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn path_and_host_come_after_the_options() {
        let remote = Remote::new("ssh://git@h.example:2222/srv/it's.git".parse().unwrap());
        let arguments = arguments(remote);
        assert!(arguments.ends_with(r"-p 2222 -l git -- h.example git-upload-pack '/srv/it'\''s.git'"), "{arguments}");
    }

    #[test]
    fn every_policy_but_the_named_one_checks() {
        let remote = || Remote::new("git@h.example:a/b".parse().unwrap());
        let store = "/keys/known hosts".into();
        let strict = arguments(remote().host_keys(HostKeys::KnownHosts(vec![store])));
        assert!(strict.contains("StrictHostKeyChecking=yes"), "{strict}");
        assert!(strict.contains("UserKnownHostsFile=\"/keys/known hosts\""), "{strict}");
        let new = arguments(remote().host_keys(HostKeys::AcceptNew { store: "/k".into() }));
        assert!(new.contains("StrictHostKeyChecking=accept-new"), "{new}");
        let any = arguments(remote().host_keys(HostKeys::InsecureAcceptAny));
        assert!(any.contains("StrictHostKeyChecking=no"), "{any}");
    }
}
