use std::error::Error;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::secret::Secret;
use crate::url::RepoUrl;

/// How to prove who we are to a Git server.
///
/// ```
/// use gitops_git::Credentials;
/// let ci = Credentials::gitlab_job_token("token from CI_JOB_TOKEN");
/// let bot = Credentials::ssh_key_file("/etc/deploy/id_ed25519");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// HTTP basic authentication.
    Basic {
        /// User name.
        username: String,
        /// Password or token.
        password: Secret,
    },
    /// An HTTP `Authorization: Bearer` token.
    Bearer(Secret),
    /// An SSH private key; only this key is offered.
    ///
    /// Without it, `ssh` uses its own configuration and agent.
    SshKey(SshKey),
}

/// A private key for SSH.
#[derive(Debug, Clone)]
pub struct SshKey {
    pub(crate) material: KeyMaterial,
    pub(crate) passphrase: Option<Secret>,
}

#[derive(Debug, Clone)]
pub(crate) enum KeyMaterial {
    File(PathBuf),
    Memory(Secret),
}

impl SshKey {
    /// The key in the file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { material: KeyMaterial::File(path.into()), passphrase: None }
    }

    /// The key with the text `pem`, as `ssh-keygen` writes it.
    ///
    /// `ssh` reads keys from files only, so the text is written to a file that
    /// its owner alone can read, for as long as one connection lasts.
    pub fn memory(pem: impl Into<Secret>) -> Self {
        Self { material: KeyMaterial::Memory(pem.into()), passphrase: None }
    }

    /// The passphrase that the key is encrypted with.
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<Secret>) -> Self {
        self.passphrase = Some(passphrase.into());
        self
    }
}

impl Credentials {
    /// HTTP basic authentication.
    pub fn basic(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }

    /// An HTTP bearer token.
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Self::Bearer(token.into())
    }

    /// A GitLab deploy token, which has a user name of its own.
    pub fn gitlab_deploy_token(username: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self::basic(username, token)
    }

    /// The token of a running GitLab CI job (`CI_JOB_TOKEN`).
    pub fn gitlab_job_token(token: impl Into<Secret>) -> Self {
        Self::basic("gitlab-ci-token", token)
    }

    /// A personal, project or group access token of GitLab.
    pub fn gitlab_access_token(token: impl Into<Secret>) -> Self {
        Self::basic("oauth2", token)
    }

    /// A GitHub token: personal, of an app's installation, or `GITHUB_TOKEN`.
    pub fn github_token(token: impl Into<Secret>) -> Self {
        Self::basic("x-access-token", token)
    }

    /// An SSH key in a file without passphrase; see [`SshKey`] for more.
    pub fn ssh_key_file(path: impl Into<PathBuf>) -> Self {
        Self::SshKey(SshKey::file(path))
    }

    /// The texts that must not appear in a message.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Basic { username, password } => vec![password.clone(), basic(username, password)],
            Self::Bearer(token) => vec![token.clone()],
            Self::SshKey(key) => key.passphrase.iter().cloned().collect(),
        }
    }
}

/// User name and password as they are sent, in which anyone can read them.
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    BASE64.encode(format!("{username}:{}", password.expose())).into()
}

/// Where credentials come from, for programs that have more than one.
///
/// It is asked once per connection, with the URL that is about to be opened,
/// so a token that expires can be renewed and a submodule on another host gets
/// credentials of its own or none. Closures implement it:
///
/// ```
/// use gitops_git::{Credentials, Remote, RepoUrl};
/// let url: RepoUrl = "https://gitlab.example.com/group/app.git".parse()?;
/// let remote = Remote::new(url).credential_source(|url: &RepoUrl| {
///     Ok((url.host() == "gitlab.example.com").then(|| Credentials::gitlab_job_token("t")))
/// });
/// # Ok::<(), gitops_git::UrlError>(())
/// ```
pub trait CredentialSource: Send + Sync {
    /// The credentials for `url`, or `None` to connect without.
    ///
    /// # Errors
    ///
    /// Whatever kept the source from answering; the connection is not made.
    fn credentials(&self, url: &RepoUrl) -> Result<Option<Credentials>, Box<dyn Error + Send + Sync>>;
}

impl<F> CredentialSource for F
where
    F: Fn(&RepoUrl) -> Result<Option<Credentials>, Box<dyn Error + Send + Sync>> + Send + Sync,
{
    fn credentials(&self, url: &RepoUrl) -> Result<Option<Credentials>, Box<dyn Error + Send + Sync>> {
        self(url)
    }
}

/// Credentials that are given to one server only.
pub(crate) struct ForServer {
    /// A repository on it.
    pub(crate) url: RepoUrl,
    pub(crate) credentials: Credentials,
}

impl CredentialSource for ForServer {
    fn credentials(&self, url: &RepoUrl) -> Result<Option<Credentials>, Box<dyn Error + Send + Sync>> {
        Ok(self.url.same_server(url).then(|| self.credentials.clone()))
    }
}
