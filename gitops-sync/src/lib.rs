//! Plan, apply, wait and prune Kubernetes resources with server-side apply.

#![allow(dead_code, unused_imports)] // until the engine that uses these parts is in

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
mod live;
mod manifest;
mod mask;
mod mirror;
mod options;
mod order;
mod ownership;
mod plan;
mod report;
mod run;
mod schedule;
pub mod structured_merge;
mod sync;
mod tasks;

pub use application::{
    Application, ApplicationError, ApplicationStatus, Automated, Condition, Destination, IgnoreDifferences, Kustomize,
    Metadata, OperationState, OtherFields, ResourceResult, ResourceStatus, Source, Spec, Summary, SyncPolicy,
    SyncResult, SyncStatus,
};
pub use cluster::{Cluster, ClusterError, ClusterOptions, Conflict, ResourceType};
pub use desired::Problem;
pub use diff::{FieldChange, colour};
pub use event::{Event, events};
pub use graph::{Cycle, GraphError};
pub use health::{Health, HealthRules, HealthStatus, Kstatus, KstatusCode, aggregate, argo_health, kstatus};
pub use hook::{DeletePolicy, Phase};
pub use id::{GroupKind, ResourceId};
pub use ignore::IgnoreRule;
pub use inventory::InventoryError;
pub use manifest::{Manifest, ManifestError};
pub use options::{ConflictPolicy, PrunePolicy, SyncOptions};
pub use ownership::Owner;
pub use plan::{Action, Basis, Block, Plan, PlanError, Step, plan};
pub use report::{Outcome, Report, ResourceReport, SyncCode};
pub use run::StepError;
pub use sync::{SyncError, apply, sync};
