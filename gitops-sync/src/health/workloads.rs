//! Argo CD's rules for what runs pods; the counts are those that
//! `kubectl rollout status` looks at.

use serde_json::Value;

use super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::{Health, read};
use crate::manifest::annotation;

const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

fn count(live: &Value, pointer: &str) -> i64 {
    read::number(live, pointer).unwrap_or(0)
}

pub(super) fn deployment(live: &Value) -> Health {
    if read::flag(live, "/spec/paused") {
        return Health::new(Suspended, "the rollout is paused");
    }
    if read::is_unobserved(live) {
        return Health::new(Progressing, "the new spec has not been observed yet");
    }
    if read::condition(live, "Progressing").is_some_and(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return Health::new(Degraded, "the rollout exceeded its progress deadline");
    }
    let updated = count(live, "/status/updatedReplicas");
    let total = count(live, "/status/replicas");
    let available = count(live, "/status/availableReplicas");
    match read::number(live, "/spec/replicas") {
        Some(wanted) if updated < wanted => {
            Health::new(Progressing, format!("{updated} of {wanted} new replicas have been updated"))
        }
        _ if total > updated => {
            Health::new(Progressing, format!("{} old replicas are pending termination", total - updated))
        }
        _ if available < updated => {
            Health::new(Progressing, format!("{available} of {updated} updated replicas are available"))
        }
        _ => Health::healthy(),
    }
}

pub(super) fn stateful_set(live: &Value) -> Health {
    if count(live, "/status/observedGeneration") == 0 || read::is_unobserved(live) {
        return Health::new(Progressing, "the new spec has not been observed yet");
    }
    let wanted = read::number(live, "/spec/replicas");
    let ready = count(live, "/status/readyReplicas");
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return Health::new(Progressing, format!("{} pods are not ready yet", wanted - ready));
    }
    let updated = count(live, "/status/updatedReplicas");
    let strategy = live.pointer("/spec/updateStrategy/rollingUpdate").filter(|value| !value.is_null());
    match (read::text(live, "/spec/updateStrategy/type"), strategy) {
        ("RollingUpdate", Some(rolling)) => {
            let to_update = wanted.zip(rolling["partition"].as_i64()).map(|(all, kept)| all - kept);
            match to_update.filter(|to_update| updated < *to_update) {
                Some(to_update) => {
                    Health::new(Progressing, format!("{updated} of {to_update} new pods of the partition are updated"))
                }
                None => Health::new(Healthy, format!("{updated} new pods of the partition are updated")),
            }
        }
        ("OnDelete", _) => Health::new(Healthy, format!("{ready} pods are ready")),
        _ => stateful_revision(live, updated),
    }
}

fn stateful_revision(live: &Value, updated: i64) -> Health {
    let target = read::text(live, "/status/updateRevision");
    if target != read::text(live, "/status/currentRevision") {
        return Health::new(Progressing, format!("{updated} pods are at revision {target}"));
    }
    Health::new(Healthy, format!("{} pods are at revision {target}", count(live, "/status/currentReplicas")))
}

pub(super) fn daemon_set(live: &Value) -> Health {
    if read::is_unobserved(live) {
        return Health::new(Progressing, "the new spec has not been observed yet");
    }
    let wanted = count(live, "/status/desiredNumberScheduled");
    let updated = count(live, "/status/updatedNumberScheduled");
    let available = count(live, "/status/numberAvailable");
    if read::text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return Health::new(Healthy, format!("{updated} of {wanted} pods have been updated"));
    }
    if updated < wanted {
        return Health::new(Progressing, format!("{updated} of {wanted} pods have been updated"));
    }
    if available < wanted {
        return Health::new(Progressing, format!("{available} of {wanted} updated pods are available"));
    }
    Health::healthy()
}

pub(super) fn replica_set(live: &Value) -> Health {
    if read::is_unobserved(live) {
        return Health::new(Progressing, "the new spec has not been observed yet");
    }
    if let Some(failure) = read::condition(live, "ReplicaFailure").filter(|c| c["status"] == "True") {
        return Health::new(Degraded, read::text(failure, "/message"));
    }
    let available = count(live, "/status/availableReplicas");
    match read::number(live, "/spec/replicas").filter(|wanted| available < *wanted) {
        Some(wanted) => Health::new(Progressing, format!("{available} of {wanted} replicas are available")),
        None => Health::healthy(),
    }
}

pub(super) fn job(live: &Value) -> Health {
    // Argo CD looks for the condition, not for its status; only a suspension
    // is told from a resumption by it.
    if let Some(failed) = read::condition(live, "Failed") {
        return Health::new(Degraded, read::text(failed, "/message"));
    }
    if let Some(suspended) = read::condition(live, "Suspended").filter(|c| c["status"] == "True") {
        return Health::new(Suspended, read::text(suspended, "/message"));
    }
    match read::condition(live, "Complete").or_else(|| read::condition(live, "Suspended")) {
        Some(condition) => Health::new(Healthy, read::text(condition, "/message")),
        None => Health::new(Progressing, "the job has not finished yet"),
    }
}

pub(super) fn cron_job(live: &Value) -> Health {
    if read::flag(live, "/spec/suspend") {
        return Health::new(Healthy, "the schedule is suspended");
    }
    if live.get("status").is_none() {
        return Health::new(Progressing, "the controller has not seen it yet");
    }
    let scheduled = read::text(live, "/status/lastScheduleTime");
    let succeeded = read::text(live, "/status/lastSuccessfulTime");
    // The times are RFC 3339 in UTC, so they compare as text.
    let failed = !succeeded.is_empty() && succeeded < scheduled;
    if failed && read::items(live, "/status/active").is_empty() {
        return Health::new(Degraded, "the last job did not succeed");
    }
    Health::healthy()
}

pub(super) fn pod(live: &Value) -> Health {
    let policy = read::text(live, "/spec/restartPolicy");
    let long_running = policy == "Always" || ignores_restart_policy(live);
    if long_running && let Some(message) = cannot_start(live) {
        return Health::new(Degraded, message);
    }
    let message = read::text(live, "/status/message");
    match read::text(live, "/status/phase") {
        "Pending" => Health::new(Progressing, message),
        "Succeeded" => Health::new(Healthy, message),
        "Failed" => Health::new(Degraded, failure(live)),
        "Running" if long_running => running(live, message),
        "Running" if policy == "OnFailure" || policy == "Never" => Health::new(Progressing, message),
        _ => Health::new(Unknown, message),
    }
}

/// The annotation is not for hooks, which are to run to their end.
fn ignores_restart_policy(live: &Value) -> bool {
    let is_hook = matches!(crate::hook::role(live), crate::hook::Role::Hook { .. });
    annotation(live, IGNORE_RESTART_POLICY) == Some("true") && !is_hook
}

fn cannot_start(live: &Value) -> Option<String> {
    let hopeless = |reason: &str| reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff");
    let messages: Vec<_> = read::items(live, "/status/containerStatuses")
        .iter()
        .filter(|container| hopeless(read::text(container, "/state/waiting/reason")))
        .map(|container| read::text(container, "/state/waiting/message"))
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

fn running(live: &Value, message: &str) -> Health {
    if read::condition_is(live, "Ready", "True") {
        return Health::new(Healthy, message);
    }
    let has_died = read::items(live, "/status/containerStatuses")
        .iter()
        .any(|container| container.pointer("/lastState/terminated").is_some_and(|state| !state.is_null()));
    Health::new(if has_died { Degraded } else { Progressing }, message)
}

fn failure(live: &Value) -> String {
    let message = read::text(live, "/status/message");
    if !message.is_empty() {
        return message.to_owned();
    }
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .iter()
        .flat_map(|list| read::items(live, list))
        .find_map(container_failure)
        .unwrap_or_default()
}

fn container_failure(container: &Value) -> Option<String> {
    let terminated = container.pointer("/state/terminated").filter(|state| !state.is_null())?;
    let message = read::text(terminated, "/message");
    if !message.is_empty() {
        return Some(message.to_owned());
    }
    if terminated["reason"] == "OOMKilled" {
        return Some("OOMKilled".to_owned());
    }
    let code = read::number(terminated, "/exitCode").filter(|code| *code != 0)?;
    Some(format!("container {} failed with exit code {code}", container["name"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deployments() {
        let with = |spec: Value, status: Value| {
            let live = json!({"metadata": {"generation": 2}, "spec": spec, "status": status});
            deployment(&live).status
        };
        assert_eq!(with(json!({"paused": true}), json!({})), Suspended);
        assert_eq!(with(json!({}), json!({"observedGeneration": 1})), Progressing);
        let stuck = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]});
        assert_eq!(with(json!({"replicas": 1}), stuck), Degraded);
        assert_eq!(with(json!({"replicas": 2}), json!({"observedGeneration": 2, "updatedReplicas": 1})), Progressing);
        let old_pods = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3, "availableReplicas": 3});
        assert_eq!(with(json!({"replicas": 2}), old_pods), Progressing);
        let starting = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1});
        assert_eq!(with(json!({"replicas": 2}), starting), Progressing);
        let done = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2});
        assert_eq!(with(json!({"replicas": 2}), done), Healthy);
        assert_eq!(with(json!({"replicas": 0}), json!({"observedGeneration": 2})), Healthy);
    }

    #[test]
    fn stateful_sets() {
        let with = |strategy: Value, status: Value| {
            let live = json!({
                "metadata": {"generation": 1},
                "spec": {"replicas": 3, "updateStrategy": strategy}, "status": status,
            });
            stateful_set(&live).status
        };
        assert_eq!(with(json!({}), json!({})), Progressing);
        assert_eq!(with(json!({}), json!({"observedGeneration": 1, "readyReplicas": 2})), Progressing);
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
        let ready = |more: Value| {
            let mut status = json!({"observedGeneration": 1, "readyReplicas": 3});
            status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            status
        };
        assert_eq!(with(rolling.clone(), ready(json!({"updatedReplicas": 1}))), Progressing);
        assert_eq!(with(rolling, ready(json!({"updatedReplicas": 2}))), Healthy);
        assert_eq!(with(json!({"type": "OnDelete"}), ready(json!({"updateRevision": "b"}))), Healthy);
        assert_eq!(with(json!({}), ready(json!({"updateRevision": "b", "currentRevision": "a"}))), Progressing);
        assert_eq!(with(json!({}), ready(json!({"updateRevision": "b", "currentRevision": "b"}))), Healthy);
    }

    #[test]
    fn pods() {
        let with = |policy: &str, status: Value| pod(&json!({"spec": {"restartPolicy": policy}, "status": status}));
        let waiting = json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]});
        assert_eq!(with("Always", waiting.clone()), Health::new(Degraded, "no such image"));
        assert_eq!(with("Never", waiting).status, Progressing);
        let oom = json!({"phase": "Failed", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0}}},
            {"name": "b", "state": {"terminated": {"exitCode": 3}}}]});
        assert_eq!(with("Never", oom).message, "container \"b\" failed with exit code 3");
        let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(with("Always", ready.clone()).status, Healthy);
        assert_eq!(with("OnFailure", ready).status, Progressing);
        let died = json!({"phase": "Running", "containerStatuses": [{"lastState": {"terminated": {"exitCode": 1}}}]});
        assert_eq!(with("Always", died).status, Degraded);
        assert_eq!(with("Always", json!({})).status, Unknown);
    }

    #[test]
    fn jobs_and_their_schedules() {
        let with = |conditions: Value| job(&json!({"status": {"conditions": conditions}})).status;
        assert_eq!(with(json!([])), Progressing);
        assert_eq!(with(json!([{"type": "Complete", "status": "True"}])), Healthy);
        assert_eq!(with(json!([{"type": "Complete"}, {"type": "Failed"}])), Degraded);
        assert_eq!(with(json!([{"type": "Suspended", "status": "True"}])), Suspended);
        assert_eq!(with(json!([{"type": "Suspended", "status": "False"}])), Healthy);

        let with = |status: Value| cron_job(&json!({"spec": {}, "status": status})).status;
        assert_eq!(cron_job(&json!({"spec": {}})).status, Progressing);
        let late = json!({"lastScheduleTime": "2026-01-02T00:00:00Z", "lastSuccessfulTime": "2026-01-01T00:00:00Z"});
        assert_eq!(with(late.clone()), Degraded);
        let mut running = late;
        running["active"] = json!([{"name": "j"}]);
        assert_eq!(with(running), Healthy);
    }

    #[test]
    fn daemon_and_replica_sets() {
        let daemon = |status: Value| daemon_set(&json!({"metadata": {"generation": 1}, "status": status})).status;
        assert_eq!(daemon(json!({})), Progressing);
        let mut status = json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1});
        assert_eq!(daemon(status.clone()), Progressing);
        status["numberAvailable"] = json!(2);
        assert_eq!(daemon(status), Healthy);

        let replicas = |status: Value| {
            replica_set(&json!({"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": status}))
        };
        assert_eq!(replicas(json!({"observedGeneration": 1, "availableReplicas": 2})).status, Healthy);
        let failed = json!({"observedGeneration": 1, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]});
        assert_eq!(replicas(failed), Health::new(Degraded, "quota"));
    }
}
