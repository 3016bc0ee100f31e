//! The rules of kstatus, which Flux and cli-utils use.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Health, HealthStatus, read};
use crate::id::split_api_version;

/// What kstatus says about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KstatusCode {
    /// The cluster has not caught up with the spec yet.
    InProgress,
    /// It cannot get there without help.
    Failed,
    /// It is what its spec asks for.
    Current,
    /// It is being deleted.
    Terminating,
}

/// The status of one resource by kstatus, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kstatus {
    /// The status.
    pub code: KstatusCode,
    /// Why, in words; may be empty.
    pub message: String,
}

use KstatusCode::{Current, Failed, InProgress, Terminating};

fn is(code: KstatusCode, message: impl Into<String>) -> Kstatus {
    Kstatus { code, message: message.into() }
}

impl From<Kstatus> for Health {
    fn from(status: Kstatus) -> Self {
        let code = match status.code {
            InProgress | Terminating => HealthStatus::Progressing,
            Failed => HealthStatus::Degraded,
            Current => HealthStatus::Healthy,
        };
        Self::new(code, status.message)
    }
}

pub(super) fn assess(live: &Value) -> Kstatus {
    if let Some(status) = generic(live) {
        return status;
    }
    let (group, _) = split_api_version(read::text(live, "/apiVersion"));
    match (group, read::text(live, "/kind")) {
        ("apps", "Deployment") => deployment(live),
        ("apps", "StatefulSet") => stateful_set(live),
        ("apps", "DaemonSet") => daemon_set(live),
        ("apps", "ReplicaSet") => replica_set(live),
        ("", "Pod") => pod(live),
        ("", "PersistentVolumeClaim") => phase(live, "Bound"),
        ("", "Service") => service(live),
        ("batch", "Job") => job(live),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(live),
        ("policy", "PodDisruptionBudget") | ("" | "batch", "Secret" | "ConfigMap" | "CronJob") => is(Current, ""),
        _ => ready_condition(live),
    }
}

/// What holds for every kind, before its own rule.
fn generic(live: &Value) -> Option<Kstatus> {
    if live.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Some(is(Terminating, "the resource is being deleted"));
    }
    let observed = read::number(live, "/status/observedGeneration");
    let generation = read::number(live, "/metadata/generation");
    if observed.is_some() && observed != generation {
        return Some(is(InProgress, "the new spec has not been observed yet"));
    }
    let message =
        |kind| read::condition(live, kind).filter(|c| c["status"] == "True").map(|c| read::text(c, "/message"));
    if let Some(message) = message("Reconciling") {
        return Some(is(InProgress, message));
    }
    message("Stalled").map(|message| is(Failed, message))
}

fn ready_condition(live: &Value) -> Kstatus {
    match read::condition(live, "Ready") {
        Some(ready) if ready["status"] != "True" => is(InProgress, read::text(ready, "/message")),
        _ => is(Current, ""),
    }
}

fn count(live: &Value, pointer: &str) -> i64 {
    read::number(live, pointer).unwrap_or(0)
}

/// The first of `steps` that is not done yet.
fn unfinished(steps: &[(&str, i64, i64)]) -> Option<Kstatus> {
    let (what, have, want) = steps.iter().find(|(_, have, want)| have < want)?;
    Some(is(InProgress, format!("{what}: {have}/{want}")))
}

fn deployment(live: &Value) -> Kstatus {
    let progressing = read::condition(live, "Progressing");
    if progressing.is_some_and(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return is(Failed, "the rollout exceeded its progress deadline");
    }
    let wanted = read::number(live, "/spec/replicas").unwrap_or(1);
    let (total, updated) = (count(live, "/status/replicas"), count(live, "/status/updatedReplicas"));
    let steps = [
        ("replicas", total, wanted),
        ("updated", updated, wanted),
        ("old replicas gone", updated, total),
        ("available", count(live, "/status/availableReplicas"), updated),
        ("ready", count(live, "/status/readyReplicas"), wanted),
    ];
    if let Some(status) = unfinished(&steps) {
        return status;
    }
    // Without a deadline the controller does not report progress.
    let has_deadline = read::number(live, "/spec/progressDeadlineSeconds").is_some();
    if has_deadline && progressing.is_none_or(|c| c["reason"] != "NewReplicaSetAvailable") {
        return is(InProgress, "the new replica set is not available");
    }
    if !read::condition_is(live, "Available", "True") {
        return is(InProgress, "the deployment is not available");
    }
    is(Current, "")
}

fn stateful_set(live: &Value) -> Kstatus {
    if read::text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return is(Current, "pods are replaced when they are deleted");
    }
    let wanted = read::number(live, "/spec/replicas").unwrap_or(1);
    let updated = count(live, "/status/updatedReplicas");
    let steps = [
        ("replicas", count(live, "/status/replicas"), wanted),
        ("ready", count(live, "/status/readyReplicas"), wanted),
        ("surplus replicas gone", wanted, count(live, "/status/replicas")),
    ];
    if let Some(status) = unfinished(&steps) {
        return status;
    }
    if let Some(partition) =
        read::number(live, "/spec/updateStrategy/rollingUpdate/partition").filter(|kept| *kept != 0)
    {
        return unfinished(&[("updated", updated, wanted - partition)]).unwrap_or_else(|| is(Current, ""));
    }
    if read::text(live, "/status/currentRevision") != read::text(live, "/status/updateRevision") {
        return is(InProgress, "the new revision is not current yet");
    }
    unfinished(&[("current", count(live, "/status/currentReplicas"), wanted)]).unwrap_or_else(|| is(Current, ""))
}

fn daemon_set(live: &Value) -> Kstatus {
    if read::number(live, "/status/observedGeneration").is_none() {
        return is(InProgress, "the new spec has not been observed yet");
    }
    let Some(wanted) = read::number(live, "/status/desiredNumberScheduled") else {
        return is(InProgress, "the number of pods is not known yet");
    };
    let steps = [
        ("scheduled", count(live, "/status/currentNumberScheduled"), wanted),
        ("updated", count(live, "/status/updatedNumberScheduled"), wanted),
        ("available", count(live, "/status/numberAvailable"), wanted),
        ("ready", count(live, "/status/numberReady"), wanted),
    ];
    unfinished(&steps).unwrap_or_else(|| is(Current, ""))
}

fn replica_set(live: &Value) -> Kstatus {
    if read::condition_is(live, "ReplicaFailure", "True") {
        return is(InProgress, "replicas cannot be created");
    }
    let wanted = read::number(live, "/spec/replicas").unwrap_or(1);
    let steps = [
        ("labelled", count(live, "/status/fullyLabeledReplicas"), wanted),
        ("available", count(live, "/status/availableReplicas"), wanted),
        ("ready", count(live, "/status/readyReplicas"), wanted),
        ("surplus replicas gone", wanted, count(live, "/status/replicas")),
    ];
    unfinished(&steps).unwrap_or_else(|| is(Current, ""))
}

fn pod(live: &Value) -> Kstatus {
    match read::text(live, "/status/phase") {
        "Succeeded" => is(Current, "the pod has completed"),
        "Failed" => is(Current, "the pod has completed, but not successfully"),
        "Running" if read::condition_is(live, "Ready", "True") => is(Current, ""),
        "Running" if is_crash_looping(live) => is(Failed, "a container crashes again and again"),
        "Running" => is(InProgress, "the pod is not ready"),
        // # Deviation: kstatus fails a pod that could not be scheduled for
        // 15 s; a pure function has no clock, so here the timeout decides.
        "Pending" => is(InProgress, "the pod is pending"),
        _ => is(InProgress, "the pod has no known phase"),
    }
}

fn is_crash_looping(live: &Value) -> bool {
    read::items(live, "/status/containerStatuses")
        .iter()
        .any(|container| read::text(container, "/state/waiting/reason") == "CrashLoopBackOff")
}

fn phase(live: &Value, wanted: &str) -> Kstatus {
    let phase = read::text(live, "/status/phase");
    if phase == wanted { is(Current, "") } else { is(InProgress, format!("the phase is {phase:?}")) }
}

fn service(live: &Value) -> Kstatus {
    let waits = read::text(live, "/spec/type") == "LoadBalancer" && read::text(live, "/spec/clusterIP").is_empty();
    if waits { is(InProgress, "no cluster address yet") } else { is(Current, "") }
}

/// # Deviation
///
/// To kstatus a job is current as soon as it has started. Flux overrides
/// that, and so do we: a job is current when it has completed.
fn job(live: &Value) -> Kstatus {
    if let Some(failed) = read::condition(live, "Failed").filter(|c| c["status"] == "True") {
        return is(Failed, read::text(failed, "/message"));
    }
    if read::condition_is(live, "Complete", "True") || read::condition_is(live, "Suspended", "True") {
        return is(Current, "");
    }
    is(InProgress, "the job has not completed")
}

fn crd(live: &Value) -> Kstatus {
    if let Some(refused) = read::condition(live, "NamesAccepted").filter(|c| c["status"] == "False") {
        return is(Failed, read::text(refused, "/message"));
    }
    match read::condition(live, "Established") {
        Some(established) if established["status"] == "True" => is(Current, ""),
        Some(established) if established["status"] == "False" && established["reason"] != "Installing" => {
            is(Failed, read::text(established, "/message"))
        }
        _ => is(InProgress, "the definition is being installed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn generic_rules_come_first() {
        let code = |live: Value| assess(&live).code;
        assert_eq!(code(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})), Terminating);
        assert_eq!(code(json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}})), InProgress);
        let condition =
            |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status}]}});
        assert_eq!(code(condition("Stalled", "True")), Failed);
        assert_eq!(code(condition("Reconciling", "True")), InProgress);
        assert_eq!(code(condition("Ready", "False")), InProgress);
        assert_eq!(code(condition("Ready", "True")), Current);
        assert_eq!(code(json!({})), Current);
    }

    #[test]
    fn a_deployment_must_be_available() {
        let mut live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1},
            "spec": {"replicas": 1, "progressDeadlineSeconds": 600},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1,
                "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]},
        });
        assert_eq!(assess(&live).code, InProgress);
        live["status"]["conditions"].as_array_mut().unwrap().push(json!({"type": "Available", "status": "True"}));
        assert_eq!(assess(&live).code, Current);
    }

    #[test]
    fn a_job_is_current_once_it_has_completed() {
        let job = |conditions: Value| {
            assess(&json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": conditions}})).code
        };
        assert_eq!(job(json!([])), InProgress);
        assert_eq!(job(json!([{"type": "Complete", "status": "True"}])), Current);
        assert_eq!(job(json!([{"type": "Failed", "status": "True"}])), Failed);
    }
}
