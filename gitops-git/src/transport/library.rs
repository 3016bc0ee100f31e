//! libgit2's own HTTPS and SSH, for machines that have no `ssh` program.
//!
//! What they are told goes through callbacks, since their settings are those of
//! the whole process.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD};
use git2::cert::{Cert, CertHostkey};
use git2::{CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode, ProxyOptions, RemoteCallbacks};

use crate::credentials::{Credentials, KeyMaterial};
use crate::host_keys::{HostKeys, OfferedKey};
use crate::refs::RefSnapshot;
use crate::remote::{Proxy, Remote};
use crate::remote_error::RemoteError;
use crate::transport::http;
use crate::transport::session::{Session, refusal};
use crate::url::{RepoUrl, Scheme};

/// Refuses what libgit2 could not keep.
pub(crate) fn check(remote: &Remote, credentials: Option<&Credentials>) -> Result<(), RemoteError> {
    let settings = |reason: &str| Err(RemoteError::Settings { reason: reason.to_owned() });
    match remote.url.scheme() {
        Scheme::Https if !cfg!(feature = "libgit2-https") => settings("gitops-git was built without libgit2-https"),
        Scheme::Ssh if !cfg!(feature = "libgit2-ssh") => settings("gitops-git was built without libgit2-ssh"),
        Scheme::Ssh if matches!(remote.host_keys, HostKeys::AcceptNew { .. }) => {
            settings("libgit2's own SSH cannot remember a new host")
        }
        Scheme::Https if remote.tls.extra_roots.is_some() || remote.tls.client_identity.is_some() => {
            settings("libgit2's own HTTPS trusts the system's authorities, and has no client certificates")
        }
        Scheme::Http | Scheme::Https if matches!(credentials, Some(Credentials::Bearer(_))) => {
            settings("libgit2's own HTTPS has no bearer tokens")
        }
        _ => Ok(()),
    }
}

/// The URL without what only the callbacks need to know.
pub(crate) fn url(remote: &RepoUrl) -> String {
    match remote.scheme() {
        Scheme::Http | Scheme::Https => http::base_of(remote),
        _ => remote.to_string(),
    }
}

/// The refs of a repository, all of them: this speaks protocol version 0.
pub(crate) fn list(session: &Session) -> Result<RefSnapshot, RemoteError> {
    let explain = |error| session.explain(error);
    let mut remote = git2::Remote::create_detached(url(&session.remote.url)).map_err(explain)?;
    let mut callbacks = RemoteCallbacks::new();
    answer(&mut callbacks, session);
    let connected = remote.connect_auth(git2::Direction::Fetch, Some(callbacks), Some(proxy(&session.remote.proxy)));
    let connection = connected.map_err(explain)?;
    let refs = crate::poll::from_libgit2(connection.list().map_err(explain)?);
    Ok(RefSnapshot::new(refs))
}

pub(crate) fn proxy<'a>(proxy: &Proxy) -> ProxyOptions<'a> {
    let mut options = ProxyOptions::new();
    match proxy {
        Proxy::Environment => drop(options.auto()),
        Proxy::None => {}
        // git2 panics on a NUL, which no URL has.
        Proxy::Url(url) => drop(options.url(&url.expose().replace('\0', ""))),
    }
    options
}

/// Lets `callbacks` answer for the session's credentials and trust.
pub(crate) fn answer<'a>(callbacks: &mut RemoteCallbacks<'a>, session: &'a Session) {
    let mut asked = false;
    callbacks.credentials(move |url, user, kinds| {
        let user = user.or(session.remote.url.user()).unwrap_or("git");
        if kinds.contains(CredentialType::USERNAME) {
            return Cred::username(user);
        }
        // libgit2 asks again until it is told to stop.
        let first = !std::mem::replace(&mut asked, true);
        let for_this_server = url.parse().is_ok_and(|url| session.remote.url.same_server(&url));
        match credential(session.credentials.as_ref(), user, kinds) {
            Some(credential) if first && for_this_server => credential,
            _ => {
                let (given, server) = (session.credentials.is_some() && !first, String::new());
                session.fail(RemoteError::Unauthorized { given, server });
                Err(git2::Error::from_str("no other credentials"))
            }
        }
    });
    callbacks.certificate_check(move |certificate, _| trust(session, certificate));
}

fn credential(
    credentials: Option<&Credentials>,
    user: &str,
    kinds: CredentialType,
) -> Option<Result<Cred, git2::Error>> {
    match credentials {
        Some(Credentials::Basic { username, password }) if kinds.contains(CredentialType::USER_PASS_PLAINTEXT) => {
            Some(Cred::userpass_plaintext(username, password.expose()))
        }
        Some(Credentials::SshKey(key)) if kinds.contains(CredentialType::SSH_KEY) => {
            let passphrase = key.passphrase.as_ref().map(|passphrase| passphrase.expose());
            Some(match &key.material {
                KeyMaterial::File(path) => Cred::ssh_key(user, None, path, passphrase),
                KeyMaterial::Memory(pem) => {
                    let pem = format!("{}\n", pem.expose().trim_end());
                    Cred::ssh_key_from_memory(user, None, &pem, passphrase)
                }
            })
        }
        None if kinds.contains(CredentialType::SSH_KEY) => Some(Cred::ssh_key_from_agent(user)),
        _ => None,
    }
}

fn trust(session: &Session, certificate: &Cert<'_>) -> Result<CertificateCheckStatus, git2::Error> {
    // What OpenSSL thinks of a TLS server's certificate counts.
    let Some(key) = certificate.as_hostkey() else { return Ok(CertificateCheckStatus::CertificatePassthrough) };
    let offered = offered(&session.remote.url, key);
    let trusted = match (&session.remote.host_keys, &offered) {
        (HostKeys::InsecureAcceptAny, _) => true,
        (HostKeys::Pinned(pins), Some(key)) => pins.iter().any(|pin| pin.to_string() == key.fingerprint),
        (HostKeys::KnownHostsText(lines), Some(key)) => is_listed(lines, key),
        (HostKeys::KnownHosts(files), Some(key)) => is_listed(&read_all(files), key),
        // The user's known_hosts file, which libgit2 has looked at.
        (HostKeys::SshConfig, _) => {
            session.note_host_key(offered);
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        }
        _ => false,
    };
    session.note_host_key(offered);
    match trusted {
        true => Ok(CertificateCheckStatus::CertificateOk),
        false => {
            session.fail(untrusted(session));
            Err(git2::Error::from_str("the key of the host is not trusted"))
        }
    }
}

fn untrusted(session: &Session) -> RemoteError {
    let host = session.remote.url.host().to_owned();
    RemoteError::HostKey { host, offered: session.host_key().map(Box::new), server: String::new() }
}

fn offered(url: &RepoUrl, key: &CertHostkey<'_>) -> Option<OfferedKey> {
    let (kind, digest) = (key.hostkey_type()?.name(), key.hash_sha256()?);
    let host = match url.port() {
        None | Some(22) => url.host().to_owned(),
        Some(port) => format!("[{}]:{port}", url.host()),
    };
    Some(OfferedKey {
        kind: kind.to_owned(),
        fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)),
        known_hosts_line: format!("{host} {kind} {}", BASE64.encode(key.hostkey()?)),
    })
}

/// A file that cannot be read lists nobody.
fn read_all(files: &[PathBuf]) -> String {
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).map(|text| text + "\n").collect()
}

/// Whether a line of a `known_hosts` file names the host and has the key, and
/// none revokes the key. Hashed names and patterns match nothing.
fn is_listed(lines: &str, offered: &OfferedKey) -> bool {
    let Some((host, key)) = offered.known_hosts_line.split_once(' ') else { return false };
    let mut listed = false;
    for line in lines.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["@revoked", _, kind, text, ..] if key == format!("{kind} {text}") => return false,
            [names, kind, text, ..] if !names.starts_with(['@', '#']) => {
                listed |= key == format!("{kind} {text}") && names.split(',').any(|name| name == host);
            }
            _ => {}
        }
    }
    listed
}

/// What an error of these transports means.
pub(crate) fn explain(session: &Session, error: git2::Error) -> RemoteError {
    let words = session.clean(error.message());
    let is_ssh = session.remote.url.scheme() == Scheme::Ssh;
    let given = session.credentials.is_some();
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => RemoteError::Unauthorized { given, server: words },
        // A key that cannot be read is one that the server is not offered.
        _ if words.contains("failed to authenticate SSH session") => RemoteError::Unauthorized { given, server: words },
        (ErrorCode::Certificate, _) if is_ssh => untrusted(session),
        (ErrorCode::Certificate, _) => RemoteError::Certificate { source: Box::new(error) },
        (_, ErrorClass::Ssl) if words.contains("certificate") => RemoteError::Certificate { source: Box::new(error) },
        (_, ErrorClass::Http) => match words.rsplit(' ').next().and_then(|status| status.parse().ok()) {
            Some(401) => RemoteError::Unauthorized { given, server: words },
            Some(403) => RemoteError::Forbidden { server: words },
            Some(404) => RemoteError::NotFound { server: words },
            Some(status @ (429 | 503)) => RemoteError::Throttled { status, retry_after: None },
            Some(status) => RemoteError::Status { status, server: words },
            None => RemoteError::Refused { server: words },
        },
        (_, ErrorClass::Net | ErrorClass::Os) if words.contains("failed to") => {
            RemoteError::Connect { address: session.remote.url.authority(), source: Box::new(error) }
        }
        (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl) => {
            RemoteError::Interrupted { server: session.words(), source: Some(Box::new(error)) }
        }
        (_, ErrorClass::Ssh) if words.contains("could not read data") || words.contains("transport") => {
            RemoteError::Interrupted { server: words, source: None }
        }
        (_, ErrorClass::Ssh) => refusal(words),
        _ => RemoteError::library(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_to_name_the_host_and_the_key() {
        let offered = OfferedKey {
            kind: "ssh-ed25519".to_owned(),
            fingerprint: String::new(),
            known_hosts_line: "[h.example]:2222 ssh-ed25519 AAAA".to_owned(),
        };
        for (lines, listed) in [
            ("a.example,[h.example]:2222 ssh-ed25519 AAAA comment", true),
            ("# note\n\n[h.example]:2222 ssh-ed25519 BBBB\n[h.example]:2222 ssh-ed25519 AAAA", true),
            ("h.example ssh-ed25519 AAAA", false),
            ("[h.example]:2222 ssh-rsa AAAA", false),
            ("[h.example]:2222 ssh-ed25519 AAAA\n@revoked * ssh-ed25519 AAAA", false),
            ("@cert-authority [h.example]:2222 ssh-ed25519 AAAA", false),
            ("", false),
        ] {
            assert_eq!(is_listed(lines, &offered), listed, "{lines}");
        }
    }
}
