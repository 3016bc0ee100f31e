use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which SSH servers to trust.
///
/// Every policy refuses a server that it does not know, without asking anyone;
/// [`HostKeys::InsecureAcceptAny`] is the only one that does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostKeys {
    /// As the user's `ssh` is configured, which is the default.
    #[default]
    SshConfig,
    /// These `known_hosts` files and no others, hashed and revoked entries included.
    KnownHosts(Vec<PathBuf>),
    /// Lines as in a `known_hosts` file.
    KnownHostsText(String),
    /// Servers whose key has one of these fingerprints. Needs OpenSSH 8.5 or newer.
    Pinned(Vec<Fingerprint>),
    /// Trust a server the first time and remember it in the file `store`; a
    /// changed key is refused.
    AcceptNew {
        /// The `known_hosts` file to read and to add to.
        store: PathBuf,
    },
    /// Trust whoever answers. Anyone on the way can then read and change what is sent.
    InsecureAcceptAny,
}

/// A fingerprint of a host key as `ssh-keygen -l` prints it: `SHA256:…`.
///
/// ```
/// use gitops_git::Fingerprint;
/// let github: Fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU".parse()?;
/// # Ok::<(), gitops_git::FingerprintError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// A text that is no SHA-256 fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a fingerprint like SHA256: and 43 characters of base64")]
pub struct FingerprintError {
    text: String,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        match text.strip_prefix("SHA256:") {
            Some(digest) if digest.len() == 43 && digest.chars().all(base64) => Ok(Self(text.to_owned())),
            _ => Err(FingerprintError { text: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that an SSH server offered and that was not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedKey {
    /// The type of the key, such as `ssh-ed25519`.
    pub kind: String,
    /// Its fingerprint, to compare with what the server's owner says.
    pub fingerprint: String,
    /// The line for a `known_hosts` file that would trust it.
    pub known_hosts_line: String,
}
