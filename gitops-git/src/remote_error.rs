use std::error::Error;
use std::time::Duration;

use crate::host_keys::OfferedKey;

/// Why a conversation with a Git server failed.
///
/// It is the source of the errors of polling, fetching and pushing; those say
/// which repository it was. Where the server gave words of its own, they are in
/// the field `server`, on one line, without secrets and control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No credentials, or wrong ones.
    #[error("the server did not accept {} {}", offered(*.given), words(server))]
    Unauthorized {
        /// Whether any credentials were sent.
        given: bool,
        /// What the server said.
        server: String,
    },
    /// The credentials are good, but not for this.
    #[error("the server denies the right to do this {}", words(server))]
    Forbidden {
        /// What the server said.
        server: String,
    },
    /// The SSH server's key is not trusted.
    #[error("the key of SSH host {host} is not trusted{}", key(offered.as_deref()))]
    HostKey {
        /// Host name as in the URL.
        host: String,
        /// What it offered, where `ssh` can tell.
        offered: Option<Box<OfferedKey>>,
        /// What `ssh` said.
        server: String,
    },
    /// The TLS server's certificate is not trusted.
    #[error("the certificate of the server is not trusted")]
    Certificate {
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no repository here, or none that these credentials may see.
    #[error("the server has no such repository, or hides it from these credentials {}", words(server))]
    NotFound {
        /// What the server said.
        server: String,
    },
    /// A deadline passed; see [`Timeouts`](crate::Timeouts).
    #[error("the server was too slow: {phase} took more than {after:?}")]
    Timeout {
        /// What took too long.
        phase: Phase,
        /// The deadline.
        after: Duration,
    },
    /// The server asks for fewer requests.
    #[error("the server asks to slow down (HTTP {status})")]
    Throttled {
        /// 429 or 503.
        status: u16,
        /// How long to wait, when the server says so.
        retry_after: Option<Duration>,
    },
    /// No connection could be made.
    #[error("cannot connect to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke before the end.
    #[error("the connection broke {}", words(server))]
    Interrupted {
        /// What the server said before.
        server: String,
        /// What the operating system said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// An HTTP status that Git servers do not use.
    #[error("the server answered with HTTP {status} {}", words(server))]
    Status {
        /// The status.
        status: u16,
        /// The start of the answer.
        server: String,
    },
    /// The server refused in words of its own.
    #[error("the server refused {}", words(server))]
    Refused {
        /// What it said.
        server: String,
    },
    /// The answer is not what a Git server sends.
    #[error("the answer is not Git's protocol: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// The server sends us elsewhere, in a way that is not followed.
    #[error("the server redirects to {to}, which is not followed")]
    Redirect {
        /// Where to.
        to: String,
    },
    /// A program that this URL needs does not run.
    #[error("cannot run {program}")]
    Program {
        /// Its name or path.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The source of credentials failed.
    #[error("cannot obtain credentials for host {host}")]
    Credentials {
        /// The host they are for.
        host: String,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A setting of the [`Remote`](crate::Remote) cannot be used.
    #[error("the connection's settings cannot be used: {reason}")]
    Settings {
        /// Which, and why.
        reason: String,
    },
    /// More data than the limit allows.
    #[error("the server sent more than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// [`Cancel`](crate::Cancel) was used.
    #[error("cancelled")]
    Cancelled,
    /// libgit2 failed for another reason.
    #[error("the Git library reported an error")]
    Library {
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a deadline was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Making the connection.
    Connect,
    /// Waiting for the next byte.
    Stall,
    /// The whole operation.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Stall => "the next byte",
            Self::Total => "the whole operation",
        })
    }
}

impl RemoteError {
    /// Whether the same attempt may succeed later without anyone's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Throttled { .. } | Self::Interrupted { .. } => true,
            Self::Connect { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::HostKey { offered: Some(key), .. } => {
                Some(format!("after checking the fingerprint, add this line to known_hosts: {}", key.known_hosts_line))
            }
            Self::NotFound { .. } => {
                Some("servers answer so for a private repository without valid credentials".into())
            }
            Self::Unauthorized { given: false, .. } => Some("no credentials were given for this host".into()),
            _ => None,
        }
    }

    pub(crate) fn library(source: git2::Error) -> Self {
        Self::Library { source: Box::new(source) }
    }
}

fn offered(given: bool) -> &'static str {
    match given {
        true => "the credentials",
        false => "a connection without credentials",
    }
}

fn words(server: &str) -> String {
    match server {
        "" => "without saying why".to_owned(),
        words => format!("and said: {words}"),
    }
}

fn key(offered: Option<&OfferedKey>) -> String {
    offered.map_or_else(String::new, |key| format!(": it offers {} with fingerprint {}", key.kind, key.fingerprint))
}
