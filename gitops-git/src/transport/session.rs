use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::credentials::Credentials;
use crate::host_keys::OfferedKey;
use crate::protocol::narrow::Keep;
use crate::refs::RefFilter;
use crate::remote::Remote;
use crate::remote_error::{Phase, RemoteError};
use crate::secret::{Secret, clean};
use crate::transport::{Duplex, Service, Version, daemon, library, process, ssh};
use crate::url::Scheme;

/// One operation on one remote repository.
pub(crate) struct Session {
    pub(crate) remote: Remote,
    pub(crate) credentials: Option<Credentials>,
    started: Instant,
    /// The refs that matter to a push.
    keep: OnceLock<Keep>,
    /// The refs that matter to a fetch.
    wanted: OnceLock<RefFilter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failure: Option<RemoteError>,
    failed: bool,
    /// Where HTTP requests go, once a redirect was followed.
    http_base: Option<String>,
    /// What the server said through the progress channel.
    words: String,
    /// The key that the SSH server offered to libgit2.
    host_key: Option<OfferedKey>,
}

impl Session {
    /// Asks for credentials and starts the clock.
    pub(crate) fn start(remote: &Remote) -> Result<Arc<Self>, RemoteError> {
        if remote.cancel.is_cancelled() {
            return Err(RemoteError::Cancelled);
        }
        let credentials = match &remote.source {
            Some(source) => source
                .credentials(&remote.url)
                .map_err(|source| RemoteError::Credentials { host: remote.url.host().to_owned(), source })?,
            None => None,
        };
        let credentials = credentials.or_else(|| embedded(remote));
        if remote.uses_library() {
            library::check(remote, credentials.as_ref())?;
        }
        Ok(Arc::new(Self {
            remote: remote.clone(),
            credentials,
            started: Instant::now(),
            keep: OnceLock::new(),
            wanted: OnceLock::new(),
            state: Mutex::default(),
        }))
    }

    /// Lets libgit2 see only these refs when it pushes.
    pub(crate) fn keep_refs(&self, keep: Keep) {
        // A session pushes once.
        let _ = self.keep.set(keep);
    }

    pub(crate) fn kept_refs(&self) -> Option<&Keep> {
        self.keep.get()
    }

    /// Lets libgit2 see only these refs when it fetches, if the server can list
    /// them alone.
    pub(crate) fn want_refs(&self, filter: RefFilter) {
        // A session fetches once.
        let _ = self.wanted.set(filter);
    }

    pub(crate) fn wanted_refs(&self) -> Option<&RefFilter> {
        self.wanted.get()
    }

    /// Opens a conversation over anything but HTTP, whose requests stand alone.
    pub(crate) fn open(self: &Arc<Self>, service: Service, version: Version) -> Result<Box<dyn Duplex>, RemoteError> {
        Ok(match self.remote.url.scheme() {
            Scheme::Git => Box::new(daemon::open(self, service, version)?),
            Scheme::Ssh => Box::new(ssh::open(self, service, version)?),
            Scheme::File => Box::new(process::open_local(self, service, version)?),
            Scheme::Http | Scheme::Https => {
                return Err(RemoteError::Protocol { reason: "HTTP has no stream".into() });
            }
        })
    }

    /// Whether each request stands alone, as over HTTP.
    pub(crate) fn is_stateless(&self) -> bool {
        matches!(self.remote.url.scheme(), Scheme::Http | Scheme::Https)
    }

    /// How much of the total deadline is left.
    ///
    /// # Errors
    ///
    /// When nothing is left, or the operation was cancelled.
    pub(crate) fn remaining(&self) -> Result<Duration, RemoteError> {
        if self.remote.cancel.is_cancelled() {
            return Err(RemoteError::Cancelled);
        }
        let total = self.remote.timeouts.total;
        match total.checked_sub(self.started.elapsed()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(RemoteError::Timeout { phase: Phase::Total, after: total }),
        }
    }

    /// Remembers why the conversation ended; the first reason counts.
    pub(crate) fn fail(&self, error: RemoteError) -> io::Error {
        let mut state = self.state();
        state.failed = true;
        state.failure.get_or_insert(error);
        // libgit2 gets this text. git2 aborts the process on one with a NUL,
        // so a server's words must never be in it.
        io::Error::other("the transport failed")
    }

    /// Forgets a failure that has a way around it.
    pub(crate) fn start_over(&self) {
        let mut state = self.state();
        (state.failed, state.failure) = (false, None);
    }

    /// Whether a transport gave up.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Why the conversation ended, if a transport knows.
    pub(crate) fn failure(&self) -> Option<RemoteError> {
        self.state().failure.take()
    }

    /// What an error of libgit2 means here.
    pub(crate) fn explain(&self, error: git2::Error) -> RemoteError {
        let failure = self.failure();
        match failure {
            Some(failure) => failure,
            None if self.remote.cancel.is_cancelled() => RemoteError::Cancelled,
            None if self.remote.uses_library() => library::explain(self, error),
            None => match error.message().strip_prefix("remote error: ") {
                Some(words) => refusal(self.clean(words)),
                None if error.class() == git2::ErrorClass::Net => {
                    RemoteError::Interrupted { server: self.words(), source: Some(Box::new(error)) }
                }
                None => RemoteError::library(error),
            },
        }
    }

    /// What a failure to read Git's protocol means here.
    pub(crate) fn explain_io(&self, error: io::Error) -> RemoteError {
        if let Some(failure) = self.failure() {
            return failure;
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied => refusal(self.clean(&error.to_string())),
            io::ErrorKind::InvalidData => RemoteError::Protocol { reason: self.clean(&error.to_string()) },
            _ => RemoteError::Interrupted { server: self.words(), source: Some(Box::new(error)) },
        }
    }

    pub(crate) fn http_base(&self) -> Option<String> {
        self.state().http_base.clone()
    }

    pub(crate) fn set_http_base(&self, base: String) {
        self.state().http_base = Some(base);
    }

    /// Keeps what the server says beside the protocol, for error messages.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        let mut state = self.state();
        // Counting objects can fill any memory; a refusal is short.
        if state.words.len() < 16_384 {
            state.words.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    /// Keeps the key that the server offered, for error messages.
    pub(crate) fn note_host_key(&self, key: Option<OfferedKey>) {
        self.state().host_key = key;
    }

    pub(crate) fn host_key(&self) -> Option<OfferedKey> {
        self.state().host_key.clone()
    }

    pub(crate) fn words(&self) -> String {
        let words = self.state().words.clone();
        self.clean(&words)
    }

    pub(crate) fn clean(&self, text: &str) -> String {
        let secrets: Vec<Secret> = self.credentials.iter().flat_map(Credentials::secrets).collect();
        clean(text, &secrets)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credentials that the URL itself carries.
fn embedded(remote: &Remote) -> Option<Credentials> {
    match remote.url.scheme() {
        Scheme::Http | Scheme::Https => {
            let user = remote.url.user()?;
            let password = remote.url.password().cloned().unwrap_or_else(|| Secret::from(""));
            Some(Credentials::basic(user, password))
        }
        _ => None,
    }
}

/// Sorts a server's refusal by its words; Git has no codes for them.
pub(crate) fn refusal(server: String) -> RemoteError {
    let lower = server.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if says(&["permission denied (", "authentication failed", "too many authentication failures"]) {
        RemoteError::Unauthorized { given: true, server }
    } else if says(&[
        "not found",
        "does not exist",
        "not appear to be a git repository",
        "could not be found",
        "no such",
        "access denied or repository not exported",
    ]) {
        RemoteError::NotFound { server }
    } else if says(&[
        "denied",
        "not allowed",
        "forbidden",
        "read only",
        "read-only",
        "not authorized",
        "not enabled",
        "not exported",
        "unauthorized",
        "you need the git",
        "not have write access",
    ]) {
        RemoteError::Forbidden { server }
    } else if server.is_empty() || says(&["hung up unexpectedly", "not our ref"]) {
        // Of the last one: a branch moved while we were asking, or two machines of
        // a forge do not agree yet. All of them pass.
        RemoteError::Interrupted { server, source: None }
    } else {
        RemoteError::Refused { server }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_the_words_of_the_forges() {
        type Kind = fn(&RemoteError) -> bool;
        let unauthorized: Kind = |error| matches!(error, RemoteError::Unauthorized { .. });
        let not_found: Kind = |error| matches!(error, RemoteError::NotFound { .. });
        let forbidden: Kind = |error| matches!(error, RemoteError::Forbidden { .. });
        let interrupted: Kind = |error| matches!(error, RemoteError::Interrupted { .. });
        let refused: Kind = |error| matches!(error, RemoteError::Refused { .. });
        for (words, is_it) in [
            ("git@github.com: Permission denied (publickey).", unauthorized),
            ("ERROR: Repository not found.", not_found),
            (
                "ERROR: The project you were looking for could not be found or you don't have permission to view it.",
                not_found,
            ),
            ("fatal: '/srv/x.git' does not appear to be a git repository", not_found),
            ("ERROR: Permission to o/r.git denied to deploy key", forbidden),
            ("ERROR: You are not allowed to push code to this project.", forbidden),
            ("ERROR: This deploy key does not have write access to this project.", forbidden),
            ("remote: TF401027: You need the Git 'GenericContribute' permission", forbidden),
            ("Forgejo: Unauthorized", forbidden),
            ("service not enabled: '/app.git'", forbidden),
            ("upload-pack: not our ref 4b825dc642cb6eb9a060e54bf8d69288fbee4904", interrupted),
            ("ERROR: The server is taking a nap", refused),
        ] {
            let error = refusal(words.to_owned());
            assert!(is_it(&error), "{words}: {error:?}");
        }
    }
}
