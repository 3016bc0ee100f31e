//! The part of `Application.status` that dashboards and scripts read.

use serde::{Deserialize, Serialize};

use super::{Destination, IgnoreDifferences, OtherFields, Source};
use crate::health::Health;

/// What the last comparison and the last sync found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Whether the cluster is what the revision says.
    #[serde(default)]
    pub sync: SyncStatus,
    /// The health of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// One entry a resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// What went wrong outside the resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// The images that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// When it was compared, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// Whether the cluster is what the revision says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// `Synced`, `OutOfSync` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// The commit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// What the cluster was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_to: Option<ComparedTo>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// What the cluster was compared with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedTo {
    /// The source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The destination.
    #[serde(default)]
    pub destination: Destination,
    /// The differences that did not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// One resource of the application.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// The API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The API version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The kind.
    #[serde(default)]
    pub kind: String,
    /// The namespace; empty for a cluster-scoped resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// `Synced`, `OutOfSync` or `Unknown`; empty for hooks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Its health, if its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether it is a hook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hook: bool,
    /// Whether it is no longer wanted and waits to be pruned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requires_pruning: bool,
    /// Whether somebody has to confirm its deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requires_deletion_confirmation: bool,
    /// Its sync wave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sync_wave: i64,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Something wrong with the application itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `ComparisonError`, `SyncError`, `InvalidSpecError` and so on.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What is wrong.
    #[serde(default)]
    pub message: String,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// A sync that runs or has ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// `Running`, `Failed`, `Error` or `Succeeded`.
    #[serde(default)]
    pub phase: String,
    /// How it went, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
    /// When it began, in RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_at: String,
    /// When it ended, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SyncResult {
    /// The commit it applied.
    #[serde(default)]
    pub revision: String,
    /// One entry a resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceResult>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// What a sync did with one resource.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceResult {
    /// The API group.
    #[serde(default)]
    pub group: String,
    /// The API version.
    #[serde(default)]
    pub version: String,
    /// The kind.
    #[serde(default)]
    pub kind: String,
    /// The namespace; empty for a cluster-scoped resource.
    #[serde(default)]
    pub namespace: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// `Synced`, `SyncFailed`, `Pruned` or `PruneSkipped`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `PreSync`, `Sync`, `PostSync` or `SyncFail`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sync_phase: String,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// The images that run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Every image of every container, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}
