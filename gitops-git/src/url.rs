use std::fmt;
use std::path::Path;
use std::str::FromStr;
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

    /// The repository that `address` means in the configuration of this one: a
    /// URL, or `./` and `../` followed by a path beside this repository's.
    ///
    /// ```
    /// # use gitops_git::RepoUrl;
    /// let app: RepoUrl = "git@gitlab.com:group/app.git".parse()?;
    /// assert_eq!(app.relative("../lib.git")?.to_string(), "git@gitlab.com:group/lib.git");
    /// # Ok::<(), gitops_git::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `address` is neither, or leads above the server's root.
    pub fn relative(&self, address: &str) -> Result<Self, UrlError> {
        if !address.starts_with("./") && !address.starts_with("../") {
            return address.parse();
        }
        let mut path = self.0.path.trim_end_matches('/');
        let mut rest = address;
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                rest = after;
                let above = UrlError::Path { reason: "it leads above the server's root" };
                path = match path.rsplit_once('/') {
                    Some((parent, _)) => parent,
                    None if !path.is_empty() && self.0.scp_like => "",
                    None => return Err(above),
                };
            } else {
                break;
            }
        }
        let separator = if path.is_empty() && self.0.scp_like { "" } else { "/" };
        let path = format!("{path}{separator}{rest}");
        if path.contains(char::is_control) || rest.split('/').any(|name| name == "..") {
            return Err(UrlError::Path { reason: "it has `..` or a control character inside" });
        }
        let Parts { scheme, scp_like, port, .. } = *self.0;
        let (user, password, host) = (self.0.user.clone(), self.0.password.clone(), self.0.host.clone());
        Self(Arc::new(Parts { scheme, scp_like, user, password, host, port, path })).checked()
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

    /// Whether both name the same repository, whatever their forms.
    ///
    /// Scheme, user, letter case of the host, a trailing `.git` or `/`, and the
    /// forms that GitHub, GitLab and Azure DevOps have for SSH and HTTPS make
    /// no difference. Ports matter only between two URLs of the same scheme:
    /// a server's SSH port says nothing about its HTTPS port.
    ///
    /// # Deviation
    ///
    /// Argo CD lower-cases the path too. Here the letter case of a path counts,
    /// because servers exist on which it does.
    pub fn same_repo(&self, other: &RepoUrl) -> bool {
        let ports = self.0.scheme != other.0.scheme || self.effective_port() == other.effective_port();
        ports && self.identity() == other.identity()
    }

    /// Whether credentials for this URL may be sent to `other`: the same server,
    /// and not in the clear if it was encrypted.
    pub(crate) fn same_server(&self, other: &RepoUrl) -> bool {
        let upgrade = self.0.scheme == Scheme::Http && other.0.scheme == Scheme::Https;
        let same = self.0.scheme == other.0.scheme && self.effective_port() == other.effective_port();
        let default = upgrade && self.effective_port() == Some(80) && other.effective_port() == Some(443);
        self.0.host == other.0.host && (same || default)
    }

    /// A file name for things kept about this repository, such as its mirror.
    ///
    /// The same for all URLs with the same scheme, host, port and path.
    ///
    /// ```
    /// # use gitops_git::RepoUrl;
    /// let a: RepoUrl = "https://a:b@example.com/x.git".parse()?;
    /// let b: RepoUrl = "https://EXAMPLE.com:443/x".parse()?;
    /// assert_eq!(a.key(), b.key());
    /// # Ok::<(), gitops_git::UrlError>(())
    /// ```
    pub fn key(&self) -> String {
        let (host, path) = self.identity();
        let text = format!("{:?} {host} {:?} {path}", self.0.scheme, self.effective_port());
        git2::Oid::hash_object(git2::ObjectType::Blob, text.as_bytes())
            .map(|oid| oid.to_string())
            .expect("hashing memory does not fail")
    }

    fn effective_port(&self) -> Option<u16> {
        // SSH through the port of HTTPS is a way around firewalls, to the same repositories.
        let port = self.0.port.filter(|_| self.0.scheme != Scheme::Ssh || ssh_over_https(&self.0.host).is_none());
        port.or(match self.0.scheme {
            Scheme::Https => Some(443),
            Scheme::Http => Some(80),
            Scheme::Ssh => Some(22),
            Scheme::Git => Some(9418),
            Scheme::File => None,
        })
    }

    /// Host and path with everything taken away that does not tell repositories apart.
    fn identity(&self) -> (String, String) {
        let path = percent_decoded(&self.0.path);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
        let host = ssh_over_https(&self.0.host).unwrap_or(&self.0.host);
        azure_identity(host, path).unwrap_or_else(|| (host.to_owned(), path.to_owned()))
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

/// The host whose repositories are also served over SSH on port 443 under the name `host`.
fn ssh_over_https(host: &str) -> Option<&'static str> {
    match host {
        "ssh.github.com" => Some("github.com"),
        "altssh.gitlab.com" => Some("gitlab.com"),
        "altssh.bitbucket.org" => Some("bitbucket.org"),
        _ => None,
    }
}

/// Azure DevOps has a path of its own for each way in.
fn azure_identity(host: &str, path: &str) -> Option<(String, String)> {
    let azure = |path: String| Some(("dev.azure.com".to_owned(), path));
    if host == "ssh.dev.azure.com" || host == "vs-ssh.visualstudio.com" {
        return azure(path.strip_prefix("v3/")?.to_owned());
    }
    let (project, repository) =
        path.strip_prefix("_git/").map_or_else(|| path.split_once("/_git/"), |it| Some(("", it)))?;
    let project = match host.strip_suffix(".visualstudio.com") {
        Some(organisation) => {
            let project = project.strip_prefix("DefaultCollection").unwrap_or(project).trim_start_matches('/');
            format!("{organisation}/{project}")
        }
        None if host == "dev.azure.com" => project.to_owned(),
        None => return None,
    };
    match project.trim_end_matches('/') {
        // A repository with the name of its project is addressed without it.
        organisation if !organisation.contains('/') => azure(format!("{organisation}/{repository}/{repository}")),
        project => azure(format!("{project}/{repository}")),
    }
}

impl FromStr for RepoUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.chars().any(char::is_control) {
            return Err(UrlError::Path { reason: "it has a control character" });
        }
        if text.starts_with('/') {
            return Self::local(text);
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::from_parts(scheme, rest),
            None => Self::scp_like(text),
        }
    }
}

impl RepoUrl {
    fn local(path: &str) -> Result<Self, UrlError> {
        Ok(Self(Arc::new(Parts {
            scheme: Scheme::File,
            scp_like: false,
            user: None,
            password: None,
            host: String::new(),
            port: None,
            path: path.to_owned(),
        })))
    }

    fn from_parts(scheme: &str, rest: &str) -> Result<Self, UrlError> {
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" | "git+ssh" | "ssh+git" => Scheme::Ssh,
            "git" => Scheme::Git,
            "file" => Scheme::File,
            other => return Err(UrlError::Scheme { scheme: other.chars().take(20).collect() }),
        };
        let split = rest.find('/').ok_or(UrlError::Path { reason: "it is empty" })?;
        let (authority, path) = rest.split_at(split);
        if scheme == Scheme::File {
            return match authority {
                "" | "localhost" => Self::local(&percent_decoded(path)),
                _ => Err(UrlError::Host),
            };
        }
        let (userinfo, address) = match authority.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, authority),
        };
        let (user, password) = userinfo.map_or((None, None), split_userinfo);
        let (host, port) = split_port(address)?;
        let url = Parts {
            scheme,
            scp_like: false,
            user: user.map(|user| percent_decoded(&user)),
            password: password.map(|password| Secret::from(percent_decoded(&password))),
            host: valid_host(host)?,
            port,
            path: path.to_owned(),
        };
        Self(Arc::new(url)).checked()
    }

    fn scp_like(text: &str) -> Result<Self, UrlError> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) if !user.contains([':', '/']) => (Some(user.to_owned()), rest),
            _ => (None, text),
        };
        let (host, path) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once("]:").ok_or(UrlError::Form)?,
            None => rest.split_once(':').ok_or(UrlError::Form)?,
        };
        // `helper::address` is git's way to run another program.
        if host.contains('/') || path.starts_with(':') {
            return Err(UrlError::Form);
        }
        let url = Parts {
            scheme: Scheme::Ssh,
            scp_like: true,
            user,
            password: None,
            host: valid_host(host)?,
            port: None,
            path: path.to_owned(),
        };
        Self(Arc::new(url)).checked()
    }

    /// Refuses what `ssh` or a remote shell could take for an option.
    fn checked(self) -> Result<Self, UrlError> {
        let path = |reason| Err(UrlError::Path { reason });
        if self
            .0
            .user
            .as_ref()
            .is_some_and(|user| user.is_empty() || user.starts_with('-') || user.contains(char::is_whitespace))
        {
            return Err(UrlError::User);
        }
        match self.0.scheme {
            _ if self.0.path.trim_matches('/').is_empty() => path("it is empty"),
            _ if percent_decoded(&self.0.path).contains(char::is_control) => path("it has a control character"),
            // `host:-x` and `ssh://host/-x` alike would reach git as an option.
            Scheme::Ssh if self.server_path().trim_start_matches('/').starts_with('-') => path("it starts with a dash"),
            Scheme::Http | Scheme::Https if self.0.path.contains(['?', '#']) => path("it has a query or a fragment"),
            Scheme::Http | Scheme::Https if !self.0.path.bytes().all(|b| b.is_ascii_graphic()) => {
                path("it has characters that must be percent-encoded")
            }
            _ => Ok(self),
        }
    }
}

fn split_userinfo(userinfo: &str) -> (Option<String>, Option<String>) {
    match userinfo.split_once(':') {
        Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
        None => (Some(userinfo.to_owned()), None),
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or(UrlError::Host)?)),
            }
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    match port {
        None | Some("") => Ok((host, None)),
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(UrlError::Port),
        },
    }
}

fn valid_host(host: &str) -> Result<String, UrlError> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    // A leading dash would be an option to `ssh`.
    if host.is_empty() || host.starts_with('-') || !host.chars().all(known) {
        return Err(UrlError::Host);
    }
    Ok(host.to_ascii_lowercase())
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
    fn forms_of_one_repository_are_the_same() {
        for (a, b) in [
            ("https://github.com/o/r.git", "git@github.com:o/r.git"),
            ("https://github.com/o/r", "ssh://git@GitHub.com:22/o/r.git/"),
            ("https://x:y@gitlab.com/g/sub/r.git", "git@gitlab.com:g/sub/r"),
            ("https://org@dev.azure.com/org/my%20p/_git/r", "git@ssh.dev.azure.com:v3/org/my p/r"),
            ("https://org.visualstudio.com/p/_git/r", "https://dev.azure.com/org/p/_git/r"),
            ("https://org.visualstudio.com/DefaultCollection/p/_git/r", "https://dev.azure.com/org/p/_git/r"),
            ("https://dev.azure.com/org/_git/r", "git@ssh.dev.azure.com:v3/org/r/r"),
            ("https://org.visualstudio.com/_git/r", "org@vs-ssh.visualstudio.com:v3/org/r/r"),
            ("https://org.visualstudio.com/DefaultCollection/_git/r", "https://dev.azure.com/org/r/_git/r"),
            ("ssh://git@ssh.github.com:443/o/r.git", "git@github.com:o/r"),
            ("ssh://git@altssh.gitlab.com:443/g/sub/r", "https://gitlab.com/g/sub/r.git"),
            ("https://gitlab.example.com/g/sub/sub/r", "git@gitlab.example.com:g/sub/sub/r.git"),
            ("/srv/a.git", "file:///srv/a"),
            ("git@[::1]:a/b", "ssh://[::1]/a/b.git"),
        ] {
            assert!(url(a).same_repo(&url(b)), "{a} {b}");
        }
        for (a, b) in [
            ("https://github.com/o/r", "https://github.com/o/R"),
            ("https://h.example/o/r", "https://h.example:8443/o/r"),
            ("https://a.example/o/r", "https://b.example/o/r"),
            ("https://gitlab.com/g/sub/r", "https://gitlab.com/g/r"),
            ("https://dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/q/_git/r"),
        ] {
            assert!(!url(a).same_repo(&url(b)), "{a} {b}");
        }
    }

    #[test]
    fn credentials_are_for_one_server_and_never_in_the_clear() {
        let home = url("https://h.example/a");
        for (other, same) in [
            ("https://h.example:443/b", true),
            ("https://h.example:8443/b", false),
            ("http://h.example/b", false),
            ("https://h.example.evil/b", false),
            ("git@h.example:b", false),
        ] {
            assert_eq!(home.same_server(&url(other)), same, "{other}");
        }
        assert!(url("http://h.example/a").same_server(&home));
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

    #[test]
    fn option_injection_is_refused() {
        for text in [
            "ssh://-oProxyCommand=touch%20x/r",
            "-oProxyCommand=x:r",
            "ssh://-l@host/r",
            "git@host:-upload-pack",
            "ssh://host/-x",
            "ssh://host/%2dx",
            "git://host/a%0ab",
            "git@host:a\nb",
            "https://host/a?token=1",
            "ssh://ho$(id)st/r",
            "ext::sh -c id",
            "relative/path",
            "https://host",
            "https://host:99999/a",
            "file://host/a",
        ] {
            assert!(text.parse::<RepoUrl>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_printing_parses_again(text in "\\PC{0,40}") {
            if let Ok(url) = text.parse::<RepoUrl>()
                && url.0.user.is_none()
                && url.0.scheme != Scheme::File
            {
                proptest::prop_assert!(url.to_string().parse::<RepoUrl>().is_ok());
            }
        }
    }
}
