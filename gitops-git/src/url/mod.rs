mod identity;
mod parse;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::secret::Secret;

/// Where a repository is.
///
/// All of Git's forms are understood:
///
/// | form | example |
/// |---|---|
/// | HTTP(S) | `https://gitlab.example.com/group/sub/app.git` |
/// | SSH | `ssh://git@example.com:2222/srv/app.git` |
/// | scp-like | `git@example.com:group/app.git` |
/// | Git daemon | `git://example.com/app.git` |
/// | local | `file:///srv/app.git`, `/srv/app.git` |
///
/// `Display` and `Debug` never show a user or password that an HTTP URL
/// carries, since either may be a token.
///
/// ```
/// use gitops_git::RepoUrl;
/// let https: RepoUrl = "https://ci:s3cret@gitlab.com/group/app.git".parse()?;
/// let scp: RepoUrl = "git@gitlab.com:group/app".parse()?;
/// assert!(https.same_repo(&scp));
/// assert_eq!(https.to_string(), "https://***@gitlab.com/group/app.git");
/// # Ok::<(), gitops_git::UrlError>(())
/// ```
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RepoUrl(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    /// Written as `host:path`; its path is then relative to the login directory.
    scp_like: bool,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://`, and the scp-like form.
    Ssh,
    /// `git://`, the Git daemon: neither encrypted nor authenticated.
    Git,
    /// `file://`, and an absolute path.
    File,
}

/// Why a text is not the URL of a repository.
///
/// The text itself is never repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// A scheme other than those of [`Scheme`].
    #[error("repository URL has the scheme {scheme:?}; known are https, http, ssh, git and file")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// Neither a URL, nor `host:path`, nor an absolute path.
    #[error("repository URL is neither scheme://host/path, nor host:path, nor an absolute path")]
    Form,
    /// No host, or one with characters that no host name has.
    #[error("repository URL has no valid host name")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("repository URL has an invalid port")]
    Port,
    /// No path, or one that could be mistaken for an option or a command.
    #[error("repository URL has an invalid path: {reason}")]
    Path {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A user name that could be mistaken for an option.
    #[error("repository URL has an invalid user name")]
    User,
}

impl RepoUrl {
    /// The URL of the local repository at `path`, which has to be absolute.
    ///
    /// # Errors
    ///
    /// When `path` is relative or not UTF-8.
    pub fn from_path(path: &Path) -> Result<Self, UrlError> {
        path.to_str().filter(|path| path.starts_with('/')).ok_or(UrlError::Form)?.parse()
    }

    /// How the repository is reached.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host name in lower case; empty for [`Scheme::File`].
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The port, when the URL names one.
    pub fn port(&self) -> Option<u16> {
        self.0.port
    }

    /// The user name, when the URL names one.
    pub fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// The path on the server, as written.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The path as the program on the server gets it.
    pub(crate) fn server_path(&self) -> String {
        if self.0.scp_like {
            return self.0.path.clone();
        }
        let path = percent_decoded(&self.0.path);
        // As git does: `ssh://host/~user/x` names a home directory.
        match path.strip_prefix('/') {
            Some(home) if home.starts_with('~') && self.0.scheme == Scheme::Ssh => home.to_owned(),
            _ => path,
        }
    }

    /// The password an HTTP URL carries.
    pub(crate) fn password(&self) -> Option<&Secret> {
        self.0.password.as_ref()
    }

    /// The authority as in `host:port`, with brackets around an IPv6 address.
    pub(crate) fn authority(&self) -> String {
        let host = match self.0.host.contains(':') {
            true => format!("[{}]", self.0.host),
            false => self.0.host.clone(),
        };
        match self.0.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match (&self.0.user, self.0.scheme) {
            (None, _) => String::new(),
            (Some(_), Scheme::Http | Scheme::Https) => "***@".to_owned(),
            (Some(user), _) => format!("{user}@"),
        };
        if self.0.scp_like {
            return write!(f, "{user}{}:{}", self.authority(), self.0.path);
        }
        let scheme = match self.0.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Ssh => "ssh",
            Scheme::Git => "git",
            Scheme::File => "file",
        };
        write!(f, "{scheme}://{user}{}{}", self.authority(), self.0.path)
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RepoUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_secret_is_never_shown() {
        for text in ["https://ghp_abc@github.com/o/r", "https://u:ghp_abc@github.com/o/r"] {
            let shown = format!("{} {:?}", url(text), url(text));
            assert!(!shown.contains("ghp_abc"), "{shown}");
        }
        assert_eq!(url("git@h.example:a/b.git").to_string(), "git@h.example:a/b.git");
        let error = "hxxp://u:ghp_abc@github.com/o/r".parse::<RepoUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("ghp_abc"));
    }
}
