//! Makes a Kubernetes cluster what a set of manifests says: plans, applies
//! with server-side apply, waits for health, prunes, and reports.
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use gitops_sync::embedded::EmbeddedCluster;
//! use gitops_sync::{Cluster, Manifest, Owner, SyncOptions, plan, sync};
//!
//! let manifests = Manifest::from_yaml("
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: settings}
//! data: {mode: fast}
//! ", Some("settings.yml"))?;
//!
//! // An API server in this process; or Cluster::connect(kube::Config::infer().await?, …)
//! let cluster = Cluster::new(EmbeddedCluster::new().client());
//! let options = SyncOptions::new("my-tool").namespace("default").owner(Owner::inventory("demo", "default"));
//!
//! let report = sync(&cluster, manifests.clone(), &options).await?;
//! assert!(report.succeeded());
//! assert!(plan(&cluster, manifests, &options).await?.is_empty(), "nothing is left to do");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "embedded"))]
//! # fn main() {}
//! ```
//!
//! In the order in which data flows:
//!
//! 1. [`Manifest`]: what one resource should look like. [`Application`]: the
//!    same for a whole, as Argo CD writes it; [`SyncOptions::for_application`]
//!    does what it asks for.
//! 2. [`Cluster`]: a `kube::Client` with limits, retries and a memory.
//! 3. [`plan`] compares the two and gives a [`Plan`]: one [`Step`] a resource,
//!    with an [`Action`], the fields that change, and a readable
//!    [diff](Plan::diff). It writes nothing.
//! 4. [`apply`] carries a plan out, in the order that phases, waves, kinds and
//!    dependencies ask for, and [waits](SyncOptions::wait) for [`Health`].
//!    What happens comes as a stream of [`Event`]s.
//! 5. [`Report`]: what became of each resource, whether all is in sync and
//!    healthy, and which images run; also as an [`ApplicationStatus`].
//!
//! [`sync`] is 3 to 5 in one.
//!
//! # What it relies on
//!
//! Server-side apply only: nothing is recorded in `last-applied-configuration`.
//! What an apply would change is read off the recorded ownership of fields,
//! and where that leaves a doubt, a dry run decides. Only fields that are
//! wanted or were applied before count, so defaults and what others add are
//! no difference. A sync that has nothing to do writes nothing; one on a
//! [watched](ClusterOptions::watch) cluster asks nothing.
//!
//! What may be deleted is what the inventory lists, that bears the mark of its
//! [`Owner`], and still has the recorded UID; see [`PrunePolicy`].
//!
//! # Limitations
//!
//! - An inventory other than an [ApplySet](Owner::apply_set) is one ConfigMap,
//!   which has room for 10,000 to 20,000 resources, by the length of their names.
//! - A dry run does not see what an apply of another resource in the same sync
//!   would change for it.
//! - Argo CD's Lua health checks are not run; custom resources have no health
//!   under [`HealthRules::ArgoCd`], and that of their `Ready` condition under
//!   [`HealthRules::Kstatus`], unless a [`HealthCheck`] tells it.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `cel` | no | [health](HealthExpressions) by CEL expressions, as Flux's `healthCheckExprs` |
//! | `embedded` | no | an API server in the process, for tests and first runs |
//! | `jq` | no | [ignore rules](IgnoreRule::jq_path) by jq path, as Argo CD's applications may have them |

mod application;
mod applyset;
mod cluster;
mod desired;
mod diff;
#[cfg(feature = "embedded")]
pub mod embedded;
mod event;
mod fields;
mod graph;
mod health;
mod hook;
mod id;
mod ignore;
mod inventory;
#[cfg(feature = "jq")]
mod jq;
mod kubernetes_event;
mod live;
mod manifest;
mod mask;
mod mirror;
mod object;
mod options;
mod order;
mod ownership;
mod plan;
mod policy;
mod report;
mod run;
mod schedule;
pub mod structured_merge;
mod sync;
mod tasks;

pub use application::{
    Application, ApplicationError, ApplicationStatus, Automated, Condition, Destination, IgnoreDifferences, Kustomize,
    KustomizePatch, KustomizeReplica, Metadata, NamespaceMetadata, OperationState, OtherFields, ResourceResult,
    ResourceStatus, Source, Spec, Summary, SyncPolicy, SyncResult, SyncStatus,
};
pub use cluster::{Cluster, ClusterError, ClusterOptions, Conflict, ConnectError, Propagation, ResourceType};
pub use desired::Problem;
pub use diff::{FieldChange, colour};
pub use event::{Event, events};
pub use graph::{Cycle, GraphError};
#[cfg(feature = "cel")]
pub use health::{ExpressionError, HealthExpressions};
pub use health::{
    Health, HealthCheck, HealthRules, HealthStatus, Kstatus, KstatusCode, aggregate, argo_health, kstatus,
};
pub use hook::{DeletePolicy, Phase};
pub use id::{GroupKind, ResourceId};
pub use ignore::IgnoreRule;
pub use inventory::InventoryError;
pub use manifest::{Manifest, ManifestError};
pub use options::SyncOptions;
pub use ownership::Owner;
pub use plan::{Action, Basis, Block, Plan, PlanError, Step, plan};
pub use policy::{ConflictPolicy, PrunePolicy};
pub use report::{Outcome, Report, ResourceReport, SyncCode};
pub use run::StepError;
pub use sync::{SyncError, apply, sync};
