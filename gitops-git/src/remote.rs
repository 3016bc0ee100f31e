use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::credentials::{CredentialSource, Credentials, ForServer};
use crate::host_keys::HostKeys;
use crate::url::{RepoUrl, Scheme};

/// A repository on a server, and how to talk to it.
///
/// Cheap to clone; clones share connections that are kept alive.
///
/// ```
/// use gitops_git::{Credentials, Remote, Timeouts};
/// use std::time::Duration;
/// let remote = Remote::new("https://gitlab.example.com/group/app.git".parse()?)
///     .credentials(Credentials::gitlab_deploy_token("bot", "token"))
///     .timeouts(Timeouts::new().total(Duration::from_secs(120)));
/// # Ok::<(), gitops_git::UrlError>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    pub(crate) url: RepoUrl,
    pub(crate) source: Option<Arc<dyn CredentialSource>>,
    pub(crate) host_keys: HostKeys,
    pub(crate) tls: Tls,
    pub(crate) proxy: Proxy,
    pub(crate) timeouts: Timeouts,
    pub(crate) cancel: Cancel,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) ssh_program: PathBuf,
    pub(crate) transport: Transport,
    pub(crate) clients: HttpClients,
    /// Whether the server is known to speak protocol version 2.
    pub(crate) speaks_v2: Arc<AtomicBool>,
}

/// The HTTP clients of a remote, made when they are needed. A redirect can lead
/// from the one without TLS to the other.
#[derive(Clone, Default)]
pub(crate) struct HttpClients {
    pub(crate) plain: Arc<OnceLock<ureq::Agent>>,
    pub(crate) tls: Arc<OnceLock<ureq::Agent>>,
}

pub(crate) type ProgressCallback = Arc<dyn Fn(Progress) + Send + Sync>;

impl Remote {
    /// The repository at `url`, with the defaults of every setting.
    pub fn new(url: RepoUrl) -> Self {
        Self {
            url,
            source: None,
            host_keys: HostKeys::default(),
            tls: Tls::default(),
            proxy: Proxy::default(),
            timeouts: Timeouts::new(),
            cancel: Cancel::new(),
            progress: None,
            ssh_program: PathBuf::from("ssh"),
            transport: Transport::default(),
            clients: HttpClients::default(),
            speaks_v2: Arc::default(),
        }
    }

    /// Where the repository is.
    pub fn url(&self) -> &RepoUrl {
        &self.url
    }

    /// Credentials for the URL's server: its scheme, host and port. No other
    /// server gets them, and none gets them in the clear that should not.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.source = Some(Arc::new(ForServer { url: self.url.clone(), credentials }));
        self
    }

    /// Asks `source` for credentials, once for each connection.
    #[must_use]
    pub fn credential_source(mut self, source: impl CredentialSource + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Which SSH servers to trust.
    #[must_use]
    pub fn host_keys(mut self, host_keys: HostKeys) -> Self {
        self.host_keys = host_keys;
        self
    }

    /// Which HTTPS servers to trust.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self.clients = HttpClients::default();
        self
    }

    /// The proxy for HTTP and HTTPS.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self.clients = HttpClients::default();
        self
    }

    /// How long to wait.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Lets `cancel` end what this remote does.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        // It closes the connections of its own remotes only.
        self.clients = HttpClients::default();
        self
    }

    /// Calls `callback` while objects are received.
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// The program to run for SSH instead of `ssh`. It has to take OpenSSH's options.
    #[must_use]
    pub fn ssh_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.ssh_program = program.into();
        self
    }

    /// What carries HTTPS and SSH.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Whether libgit2's own transports are to be used, which there are for network URLs only.
    pub(crate) fn uses_library(&self) -> bool {
        self.transport == Transport::Libgit2 && !matches!(self.url.scheme(), Scheme::File | Scheme::Git)
    }

    /// The same settings for another repository, as for a submodule.
    ///
    /// Credentials given with [`Remote::credentials`] stay with the server they
    /// were given for.
    #[must_use]
    pub fn with_url(&self, url: RepoUrl) -> Self {
        let speaks_v2 = Arc::default();
        Self { url, speaks_v2, ..self.clone() }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url)
            .field("has_credentials", &self.source.is_some())
            .field("host_keys", &self.host_keys)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// What carries HTTPS and SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transport {
    /// rustls, and the user's `ssh` program.
    #[default]
    Own,
    /// OpenSSL and libssh2 as libgit2 uses them, for machines that have no `ssh`
    /// program. Needs the features `libgit2-https` and `libgit2-ssh`; without
    /// them, using a URL of theirs is an error.
    ///
    /// They know less. There are no deadlines, and [`Cancel`] takes effect when
    /// data comes; a fetch makes two connections, and each poll is told of all
    /// refs. The configuration of `ssh`, jump hosts and hardware keys are not
    /// there; `known_hosts` is read without hashed names and patterns, except
    /// the user's own file, and a new host cannot be remembered. HTTPS trusts
    /// the system's authorities only, has no bearer tokens and no client
    /// certificates, and sets variables like `SSL_CERT_FILE` for the process
    /// when it is first used. What such a setting asks for is an error, and
    /// never left out in silence.
    Libgit2,
}

/// Which HTTPS servers to trust, and how to identify to them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Tls {
    /// More certificate authorities, in PEM, beside the system's.
    pub extra_roots: Option<String>,
    /// Trust [`Tls::extra_roots`] only, not the system's store.
    pub only_extra_roots: bool,
    /// Certificate chain and private key, in PEM, for servers that ask for them.
    pub client_identity: Option<crate::Secret>,
}

impl Tls {
    /// Trusts the system's certificate authorities, and those in `pem`.
    pub fn with_roots(pem: impl Into<String>) -> Self {
        Self { extra_roots: Some(pem.into()), ..Self::default() }
    }

    /// Trusts the certificate authorities in `pem` and no others.
    pub fn only_roots(pem: impl Into<String>) -> Self {
        Self { extra_roots: Some(pem.into()), only_extra_roots: true, ..Self::default() }
    }

    /// Identifies with a certificate: `pem` holds the chain and the private key.
    #[must_use]
    pub fn client_identity(mut self, pem: impl Into<crate::Secret>) -> Self {
        self.client_identity = Some(pem.into());
        self
    }
}

/// The proxy for HTTP and HTTPS connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// Connect directly.
    None,
    /// This one, such as `http://user:password@proxy.example.com:3128`.
    Url(crate::Secret),
}

/// Deadlines, on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For making a connection; 15 seconds unless set.
    pub connect: Duration,
    /// For the next byte to come or go; 60 seconds unless set.
    pub stall: Duration,
    /// For one operation (a poll, a fetch, one attempt to push) as a whole; 10
    /// minutes unless set.
    pub total: Duration,
}

impl Timeouts {
    /// The defaults.
    pub fn new() -> Self {
        Self { connect: Duration::from_secs(15), stall: Duration::from_secs(60), total: Duration::from_secs(600) }
    }

    /// Sets the deadline for making a connection.
    #[must_use]
    pub fn connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Sets the deadline for the next byte.
    #[must_use]
    pub fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Sets the deadline for one operation.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}

/// How far a fetch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Objects received.
    pub objects: usize,
    /// Objects that the server announced.
    pub total_objects: usize,
    /// Bytes received.
    pub bytes: usize,
}

impl Progress {
    pub(crate) fn of(stats: &git2::Progress<'_>) -> Self {
        Self { objects: stats.received_objects(), total_objects: stats.total_objects(), bytes: stats.received_bytes() }
    }
}
