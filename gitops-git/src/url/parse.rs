//! From text to a URL, and what is refused on the way.

use std::str::FromStr;
use std::sync::Arc;

use crate::secret::Secret;
use crate::url::{Parts, RepoUrl, Scheme, UrlError, percent_decoded};

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

#[cfg(test)]
mod tests {
    use super::*;

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
