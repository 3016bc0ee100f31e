//! How a sync went.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{
    ApplicationStatus, OperationState, ResourceResult, ResourceStatus, Summary, SyncResult, SyncStatus,
};
use crate::diff::FieldChange;
use crate::health::{Health, HealthStatus, aggregate};
use crate::hook::Phase;
use crate::id::ResourceId;
use crate::plan::{Action, Plan, Step};

/// Whether something in the cluster is what the desired state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SyncCode {
    /// It is.
    Synced,
    /// It is not.
    OutOfSync,
    /// Nobody can say.
    Unknown,
}

impl fmt::Display for SyncCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
            Self::Unknown => "Unknown",
        })
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was nothing to do.
    Kept,
    /// It was not tried.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was done, but does not lead to health, or not in time.
    Unhealthy {
        /// What is wrong.
        message: String,
    },
    /// It was tried, and failed.
    Failed {
        /// What went wrong, with all its causes.
        message: String,
    },
}

/// What became of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceReport {
    /// The resource.
    #[serde(flatten)]
    pub id: ResourceId,
    /// Its API version, such as `apps/v1`.
    pub api_version: String,
    /// Whether it is no longer wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_former: bool,
    /// What was to be done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it is now as it should be; `None` for a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncCode>,
    /// Its health, if its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The fields that were changed, Secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// The phase of the sync.
    pub phase: Phase,
    /// The wave in the phase.
    pub wave: i64,
    /// The images that it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// What a sync did, and what the cluster is like after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The revision that was synced, if the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether everything is as it should be.
    pub sync: SyncCode,
    /// The health of the whole: the worst of the parts.
    pub health: HealthStatus,
    /// Each resource, in the order of the sync.
    pub resources: Vec<ResourceReport>,
    /// The images that run, sorted.
    pub images: Vec<String>,
}

impl Report {
    pub(crate) fn new(plan: &Plan, revision: Option<String>, resources: Vec<ResourceReport>) -> Self {
        debug_assert_eq!(plan.steps.len(), resources.len());
        let codes = resources.iter().filter_map(|resource| resource.sync);
        let sync = codes.max().unwrap_or(SyncCode::Synced);
        let counted = resources.iter().filter(|resource| resource.action != Action::Run);
        let health = aggregate(counted.filter_map(|resource| resource.health.as_ref()));
        let images: BTreeSet<&String> = resources.iter().flat_map(|resource| &resource.images).collect();
        Self { revision, sync, health, images: images.into_iter().cloned().collect(), resources }
    }

    /// What the report of a plan would be if nothing were done.
    pub fn of_plan(plan: &Plan, revision: Option<String>) -> Self {
        let reason = |step: &Step| Outcome::Skipped { reason: step.reason() };
        let resources = plan.steps.iter().map(|step| {
            let outcome = if step.action == Action::Keep { Outcome::Kept } else { reason(step) };
            ResourceReport::new(step, outcome, None)
        });
        Self::new(plan, revision, resources.collect())
    }

    /// Whether everything was done that was to be done, and is healthy.
    pub fn succeeded(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The resources with which something went wrong.
    pub fn failed(&self) -> impl Iterator<Item = &ResourceReport> {
        let is_wrong = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Unhealthy { .. });
        self.resources.iter().filter(move |resource| is_wrong(&resource.outcome))
    }

    /// The report as the status of an Argo CD `Application`.
    ///
    /// `started_at` and `finished_at` are times in RFC 3339.
    pub fn application_status(&self, started_at: &str, finished_at: &str) -> ApplicationStatus {
        let revision = self.revision.clone().unwrap_or_default();
        let results = self.resources.iter().filter_map(ResourceReport::result).collect();
        ApplicationStatus {
            sync: SyncStatus { status: self.sync.to_string(), revision: revision.clone(), ..SyncStatus::default() },
            health: Some(Health::new(self.health, "")),
            resources: self.resources.iter().map(ResourceReport::status).collect(),
            operation_state: Some(OperationState {
                phase: if self.succeeded() { "Succeeded" } else { "Failed" }.to_owned(),
                message: self.message(),
                sync_result: Some(SyncResult { revision, resources: results, ..SyncResult::default() }),
                started_at: started_at.to_owned(),
                finished_at: Some(finished_at.to_owned()),
                ..OperationState::default()
            }),
            summary: Some(Summary { images: self.images.clone(), ..Summary::default() }),
            reconciled_at: Some(finished_at.to_owned()),
            ..ApplicationStatus::default()
        }
    }

    fn message(&self) -> String {
        match self.failed().count() {
            0 => "successfully synced".to_owned(),
            failed => format!("one or more resources failed to sync ({failed} of {})", self.resources.len()),
        }
    }
}

impl ResourceReport {
    /// `live` is the newest state seen in the sync.
    pub(crate) fn new(step: &Step, outcome: Outcome, live: Option<(&Value, Option<Health>)>) -> Self {
        let is_missing = step.basis.is_none() && live.is_none() && step.action != Action::Run;
        let (object, health) = match live {
            Some((live, health)) => (Some(live), health),
            None => (step.manifest.as_ref(), step.health.clone()),
        };
        Self {
            id: step.id.clone(),
            api_version: step.api_version(),
            is_former: step.is_former(),
            action: step.action,
            sync: sync_code(step, &outcome),
            health: if is_missing { Some(Health::missing()) } else { health },
            changes: step.changes.clone(),
            phase: step.phase,
            wave: step.wave,
            images: object.filter(|_| !is_missing && !step.is_former()).map(images).unwrap_or_default(),
            outcome,
        }
    }

    fn status(&self) -> ResourceStatus {
        let (_, version) = crate::id::split_api_version(&self.api_version);
        ResourceStatus {
            group: self.id.group.clone(),
            version: version.to_owned(),
            kind: self.id.kind.clone(),
            namespace: self.id.namespace.clone().unwrap_or_default(),
            name: self.id.name.clone(),
            status: self.sync.map(|code| code.to_string()).unwrap_or_default(),
            health: self.health.clone(),
            hook: self.action == Action::Run,
            requires_pruning: self.is_left_over(),
            sync_wave: self.wave,
            ..ResourceStatus::default()
        }
    }

    fn is_left_over(&self) -> bool {
        self.is_former && self.sync == Some(SyncCode::OutOfSync)
    }

    fn result(&self) -> Option<ResourceResult> {
        let (status, message) = match &self.outcome {
            Outcome::Kept => return None,
            Outcome::Done if self.action == Action::Prune => ("Pruned", "pruned".to_owned()),
            Outcome::Done => ("Synced", format!("{} done", self.action)),
            Outcome::Skipped { reason } if self.is_former => ("PruneSkipped", reason.clone()),
            Outcome::Skipped { reason } => ("SyncFailed", reason.clone()),
            Outcome::Unhealthy { message } => ("Synced", message.clone()),
            Outcome::Failed { message } => ("SyncFailed", message.clone()),
        };
        let (_, version) = crate::id::split_api_version(&self.api_version);
        Some(ResourceResult {
            group: self.id.group.clone(),
            version: version.to_owned(),
            kind: self.id.kind.clone(),
            namespace: self.id.namespace.clone().unwrap_or_default(),
            name: self.id.name.clone(),
            status: status.to_owned(),
            message,
            sync_phase: format!("{:?}", self.phase),
            ..ResourceResult::default()
        })
    }
}

/// What was applied is as it should be, even if it is not healthy yet.
fn sync_code(step: &Step, outcome: &Outcome) -> Option<SyncCode> {
    use crate::plan::Block;
    match (step.action, outcome) {
        (Action::Run, _) => None,
        (Action::Prune, Outcome::Unhealthy { .. }) => Some(SyncCode::OutOfSync),
        (Action::Keep, _) | (_, Outcome::Done | Outcome::Kept | Outcome::Unhealthy { .. }) => Some(SyncCode::Synced),
        // What is kept on purpose is no difference.
        (Action::Blocked, _) if step.block == Some(Block::Kept) => Some(SyncCode::Synced),
        _ => Some(SyncCode::OutOfSync),
    }
}

/// The images of every container in an object, wherever its pods are described.
pub(crate) fn images(object: &Value) -> Vec<String> {
    const PODS: [&str; 3] = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let mut images = BTreeSet::new();
    for pod in PODS.iter().filter_map(|pod| object.pointer(pod)) {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let containers = pod.get(list).and_then(Value::as_array);
            images.extend(containers.into_iter().flatten().filter_map(|container| container["image"].as_str()));
        }
    }
    images.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_of_all_containers() {
        let pod = json!({"containers": [{"image": "b"}, {"image": "a"}], "initContainers": [{"image": "c"}]});
        assert_eq!(images(&json!({"spec": {"template": {"spec": pod}}})), ["a", "b", "c"]);
        assert_eq!(images(&json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}})).len(), 3);
        assert_eq!(images(&json!({"data": {}})), Vec::<String>::new());
    }
}
