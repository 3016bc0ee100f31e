//! A Kubernetes API server in this process, for tests and first runs.
//!
//! [`EmbeddedCluster`] keeps its objects in memory and behaves as kube-apiserver 1.36 does to a
//! client: server-side apply with field ownership and conflicts, dry runs, defaults, validation,
//! generations, watches that resume, custom resources with their schemas, finalizers and
//! preconditions. Nothing is installed, started or downloaded, and a test takes milliseconds.
//! It is for anyone who uses [`kube`], not only for this crate.
//!
//! # Quick start
//!
//! ```
//! use gitops_sync::embedded::EmbeddedCluster;
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::api::{Api, Patch, PatchParams};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = EmbeddedCluster::new();
//! let config_maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "default");
//! let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap",
//!                     "metadata": {"name": "settings"}, "data": {"colour": "blue"}});
//! let apply = PatchParams::apply("my-tool");
//! let applied = config_maps.patch("settings", &apply, &Patch::Apply(&wanted)).await?;
//! assert_eq!(applied.data.unwrap()["colour"], "blue");
//! # Ok(())
//! # }
//! ```
//!
//! # What it is made of
//!
//! - [`EmbeddedCluster::client`] is a `kube::Client` without a network; any number of them share
//!   the cluster. [`EmbeddedCluster::serve`] adds a loopback port for kubectl and other programs.
//! - Alone, it is an API server and nothing else, as in envtest: a Deployment never gets ready.
//!   [`EmbeddedCluster::start_controllers`] adds controllers that write the status a healthy
//!   cluster would write, in steps; [`Controllers::script`] makes workloads stall or fail.
//!   They also collect garbage and empty namespaces.
//! - [`EmbeddedCluster::inject`] makes requests fail, hang, come late or lose their answers, and
//!   watches drop; [`EmbeddedCluster::compact`] makes versions too old to resume from.
//! - [`EmbeddedCluster::requests`] and [`EmbeddedCluster::resource_version`] say how much was
//!   asked and whether anything was written.
//!
//! Time is the real one: timeouts of watches and the steps of controllers run on the caller's
//! tokio runtime.
//!
//! # Deviation
//!
//! The same contract tests pass on it and on a real kube-apiserver. It differs where tests rarely
//! look, and knowingly:
//!
//! - Nobody is authenticated, and everything is allowed. Admission is the check that namespaces
//!   exist; webhooks, quotas and CEL rules (of schemas and of admission policies) are stored but
//!   not evaluated.
//! - Validation of built-in kinds covers names, labels, selectors, containers, ports and immutable
//!   fields; real servers know many more rules.
//! - Answers are always JSON; requests may be in protobuf, but not in CBOR.
//! - No OpenAPI v2, which kubectl needed before 1.27; v3 has no descriptions.
//! - No logs, exec, attach, port-forward or proxies; no node ever runs a pod.
//! - No dynamic resource allocation (`resource.k8s.io`), no alpha or beta versions but, on
//!   request, [`EmbeddedOptions::legacy_apis`].
//! - Custom resources with several versions are converted by renaming; conversion webhooks are
//!   not called.

mod background;
mod columns;
mod controllers;
mod conversion;
mod custom;
mod defaults;
mod delete;
mod discovery;
mod failure;
mod faults;
mod http;
mod normalise;
mod openapi;
mod patch;
mod prepare;
mod protobuf;
mod quantity;
mod read;
mod request;
mod requests;
mod resource;
#[cfg(test)]
mod robustness;
mod selector;
mod server;
mod service;
mod state;
mod store;
mod strategic;
mod table;
mod validation;
mod watch;
mod write;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub use controllers::{Behaviour, ControllerOptions, Controllers};
pub use faults::{Fault, FaultId, FaultRule};
pub use http::Listener;
pub use requests::RequestCounts;
use server::Server;
use state::State;

/// An API server in this process. Clones share it.
#[derive(Debug, Clone)]
pub struct EmbeddedCluster {
    server: Arc<Server>,
}

/// What an embedded cluster serves and keeps.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EmbeddedOptions {
    /// Whether `extensions/v1beta1` Ingresses are served, as servers up to 1.21 did. Default: no.
    pub legacy_apis: bool,
    /// How many changes are remembered for watches that resume. Default: 10,000.
    pub history: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { legacy_apis: false, history: 10_000 }
    }
}

impl EmbeddedOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `extensions/v1beta1` Ingresses as well.
    #[must_use]
    pub fn legacy_apis(mut self, serve: bool) -> Self {
        self.legacy_apis = serve;
        self
    }

    /// Remembers that many changes.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }
}

impl Default for EmbeddedCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl EmbeddedCluster {
    /// An empty cluster: the namespaces that every cluster has, and nothing else.
    pub fn new() -> Self {
        Self::with_options(&EmbeddedOptions::new())
    }

    /// An empty cluster with these options.
    pub fn with_options(options: &EmbeddedOptions) -> Self {
        let state = State::new(options.legacy_apis, options.history);
        Self { server: Arc::new(Server::new(state)) }
    }

    /// A client that talks to the cluster without a network.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: `kube::Client` runs a task of its own.
    pub fn client(&self) -> kube::Client {
        let server = self.server.clone();
        let service = tower::service_fn(move |request| service::serve(server.clone(), request));
        kube::Client::new(service, "default")
    }

    /// Serves the cluster over HTTP, without encryption or authentication, until the returned
    /// listener is dropped. Port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::bind(self.server.clone(), address).await
    }

    /// Starts controllers, which run until the returned value is dropped: workloads become healthy
    /// step by step, jobs finish, namespaces and owners take what belongs to them along.
    ///
    /// Without controllers the cluster is what a bare API server is: a Deployment never gets
    /// ready, and a namespace that is deleted keeps terminating.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: the controllers are a task of it.
    pub fn start_controllers(&self, options: &ControllerOptions) -> Controllers {
        Controllers::start(self.server.clone(), options)
    }

    /// Makes requests fail, hang or lose their answers from now on.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        self.server.faults.inject(rule)
    }

    /// Takes a rule of [`inject`](Self::inject) back.
    pub fn heal(&self, rule: FaultId) {
        self.server.faults.heal(rule);
    }

    /// Takes all rules of [`inject`](Self::inject) back.
    pub fn heal_all(&self) {
        self.server.faults.heal_all();
    }

    /// How many requests there were so far, by kind.
    pub fn requests(&self) -> RequestCounts {
        self.server.requests().counts()
    }

    /// The version of the last change: as long as it stays, nothing was written.
    pub fn resource_version(&self) -> u64 {
        self.server.state().store.version()
    }

    /// Forgets all history: watches that resume from an older version and pages of older lists
    /// are answered with 410 from now on, as after a compaction of etcd.
    pub fn compact(&self) {
        self.server.state().store.compact();
    }
}
