//! The only way to a cluster: `kube::Client`, with limits, retries and a
//! memory of what kinds there are.

mod connect;
mod discovery;
mod error;
mod limit;
mod page;
mod request;
mod schema;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, RwLock, Semaphore};

pub use connect::ConnectError;
pub use discovery::ResourceType;
pub use error::{ClusterError, Conflict};

use self::discovery::Kinds;
use self::limit::Limiter;
pub(crate) use self::page::Selection;
pub use self::request::Propagation;
pub(crate) use self::request::{ApplyMode, Deleted};
use self::schema::Schemas;
use crate::id::{GroupKind, ResourceId};
use crate::live::Mirror;
use crate::plan::Verdicts;

/// From this many versions of groups on, asking for all there are takes fewer requests.
const MOST_VERSIONS: usize = 8;

/// How hard a cluster may be pressed, and how long to try.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// Requests at a time, watches not counted; 16 by default.
    pub concurrency: usize,
    /// Requests a second; no limit by default, because the API server says
    /// itself when it has had enough (429), and is obeyed.
    pub queries_per_second: Option<f64>,
    /// How many requests may go at once before `queries_per_second` slows
    /// them down; 100 by default.
    pub burst: u32,
    /// How long one attempt may take; 30 s by default.
    pub request_timeout: Duration,
    /// How long to repeat a request that fails for reasons that may pass
    /// (429, 5xx, a lost connection); 30 s by default.
    pub retry_for: Duration,
    /// Keep watching what was read, so that the next plan knows what has
    /// changed without asking; off by default. Holds one connection for
    /// each kind and namespace until the cluster is dropped.
    pub watch: bool,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            queries_per_second: None,
            burst: 100,
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(30),
            watch: false,
        }
    }
}

impl ClusterOptions {
    /// Sets how many requests go at a time.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Limits the requests a second.
    #[must_use]
    pub fn queries_per_second(mut self, queries: f64) -> Self {
        self.queries_per_second = Some(queries);
        self
    }

    /// Sets how many requests may go before the limit per second counts.
    #[must_use]
    pub fn burst(mut self, requests: u32) -> Self {
        self.burst = requests;
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets how long to repeat a request that fails for a passing reason.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Keeps watching what was read.
    #[must_use]
    pub fn watch(mut self) -> Self {
        self.watch = true;
        self
    }
}

/// A cluster and what is known about it; cheap to clone.
///
/// Use one value for as long as possible: it remembers the kinds that the
/// cluster serves and the verdict on every resource, so that a later plan
/// asks only about what has changed.
///
/// [`connect`](Self::connect) makes the client, too. Of another one, the own
/// retries ([`kube::Config::default_retry`]) should be off: they know no deadline.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    options: ClusterOptions,
    permits: Semaphore,
    limiter: Limiter,
    kinds: RwLock<Option<Arc<Kinds>>>,
    discovering: Mutex<()>,
    schemas: Schemas,
    verdicts: Verdicts,
    mirror: Mirror,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster behind `client`, with default limits.
    pub fn new(client: kube::Client) -> Self {
        Self::with_options(client, ClusterOptions::default())
    }

    /// The cluster behind `client`.
    pub fn with_options(client: kube::Client, options: ClusterOptions) -> Self {
        let inner = Inner {
            client,
            permits: Semaphore::new(options.concurrency.max(1)),
            limiter: Limiter::new(options.queries_per_second, options.burst),
            options,
            kinds: RwLock::new(None),
            discovering: Mutex::new(()),
            schemas: Schemas::default(),
            verdicts: Verdicts::default(),
            mirror: Mirror::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the cluster serves under a group and kind, in its preferred
    /// version or in `version`; `None` if nothing.
    ///
    /// Asks the cluster the first time, and again when a kind is not known.
    ///
    /// # Errors
    ///
    /// If the API server cannot be asked. A kind that doesn't exist is not an error.
    pub async fn resource_type(
        &self,
        kind: &GroupKind,
        version: Option<&str>,
    ) -> Result<Option<ResourceType>, ClusterError> {
        if let Some(found) = self.known_type(kind, version).await {
            return Ok(Some(found));
        }
        let (known, fresh) = self.kinds(&kind.group).await?;
        if let Some(found) = known.find(kind, version) {
            return Ok(Some(found.clone()));
        }
        if fresh {
            return Ok(None);
        }
        self.forget_kinds().await;
        let (known, _) = self.kinds(&kind.group).await?;
        Ok(known.find(kind, version).cloned())
    }

    /// What kinds there are, those of `group` for certain, and whether that
    /// was asked just now.
    async fn kinds(&self, group: &str) -> Result<(Arc<Kinds>, bool), ClusterError> {
        if let Some(kinds) = self.known_kinds(group).await {
            return Ok((kinds, false));
        }
        let _one_at_a_time = self.inner.discovering.lock().await;
        if let Some(kinds) = self.known_kinds(group).await {
            return Ok((kinds, true));
        }
        let known = self.inner.kinds.read().await.clone();
        let mut kinds = match known {
            Some(kinds) if kinds.is_overview() => Kinds::clone(&kinds),
            _ => discovery::discover(self).await?,
        };
        discovery::read_group(self, &mut kinds, group).await?;
        let kinds = Arc::new(kinds);
        *self.inner.kinds.write().await = Some(Arc::clone(&kinds));
        Ok((kinds, true))
    }

    async fn known_kinds(&self, group: &str) -> Option<Arc<Kinds>> {
        self.inner.kinds.read().await.clone().filter(|kinds| kinds.has_all_of(group))
    }

    async fn known_type(&self, kind: &GroupKind, version: Option<&str>) -> Option<ResourceType> {
        self.inner.kinds.read().await.as_ref()?.find(kind, version).cloned()
    }

    /// Asks for these versions of groups, and for nothing else, if nothing is
    /// known yet: of most clusters a sync needs a small part.
    pub(crate) async fn prepare(&self, versions: &BTreeSet<(&str, &str)>) -> Result<(), ClusterError> {
        let _one_at_a_time = self.inner.discovering.lock().await;
        if self.inner.kinds.read().await.is_some() || versions.len() > MOST_VERSIONS {
            return Ok(());
        }
        let kinds = discovery::read_versions(self, versions).await?;
        *self.inner.kinds.write().await = Some(Arc::new(kinds));
        Ok(())
    }

    /// Forgets what kinds there are: a definition was applied or deleted.
    pub(crate) async fn forget_kinds(&self) {
        *self.inner.kinds.write().await = None;
        self.inner.schemas.forget().await;
    }

    pub(crate) fn verdicts(&self) -> &Verdicts {
        &self.inner.verdicts
    }

    pub(crate) fn mirror(&self) -> &Mirror {
        &self.inner.mirror
    }

    pub(crate) fn options(&self) -> &ClusterOptions {
        &self.inner.options
    }

    pub(crate) fn client(&self) -> &kube::Client {
        &self.inner.client
    }
}

/// The path of a resource in the API.
pub(crate) fn path_of(kind: &ResourceType, id: &ResourceId) -> String {
    format!("{}/{}", kind.collection(id.namespace.as_deref()), id.name)
}

/// A live object's `metadata.resourceVersion`.
pub(crate) fn resource_version(object: &Value) -> &str {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}
