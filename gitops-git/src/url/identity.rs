//! Which URLs mean the same.

use crate::url::{RepoUrl, Scheme, percent_decoded};

impl RepoUrl {
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
}
