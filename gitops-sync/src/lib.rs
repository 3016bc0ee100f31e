//! Plan, apply, wait and prune Kubernetes resources with server-side apply.

#![allow(dead_code)] // until the engine that uses these parts is in

mod application;
mod graph;
mod health;
mod hook;
mod id;
mod manifest;
mod order;

pub use application::{
    Application, ApplicationError, ApplicationStatus, Automated, Condition, Destination, IgnoreDifferences, Kustomize,
    Metadata, OperationState, OtherFields, ResourceResult, ResourceStatus, Source, Spec, Summary, SyncPolicy,
    SyncResult, SyncStatus,
};
pub use graph::{Cycle, GraphError};
pub use health::{Health, HealthRules, HealthStatus, Kstatus, KstatusCode, aggregate, argo_health, kstatus};
pub use hook::{DeletePolicy, Phase};
pub use id::{GroupKind, ResourceId};
pub use manifest::{Manifest, ManifestError};
