//! Which rule of Argo CD applies to which kind.

use serde_json::Value;

use super::{Health, HealthStatus, cluster_kinds as kinds, read, workloads};
use crate::id::split_api_version;

const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

pub(super) fn assess(live: &Value) -> Option<Health> {
    if is_deleted(live) {
        return Some(Health::new(HealthStatus::Progressing, "Pending deletion"));
    }
    let (group, _) = split_api_version(read::text(live, "/apiVersion"));
    let rule: fn(&Value) -> Health = match (group, read::text(live, "/kind")) {
        ("apps", "Deployment") => workloads::deployment,
        ("apps", "StatefulSet") => workloads::stateful_set,
        ("apps", "DaemonSet") => workloads::daemon_set,
        ("apps", "ReplicaSet") => workloads::replica_set,
        ("", "Pod") => workloads::pod,
        ("batch", "Job") => workloads::job,
        ("batch", "CronJob") => workloads::cron_job,
        ("", "Service") => kinds::service,
        ("extensions" | "networking.k8s.io", "Ingress") => kinds::ingress,
        ("", "PersistentVolumeClaim") => kinds::volume_claim,
        ("autoscaling", "HorizontalPodAutoscaler") => kinds::autoscaler,
        ("apiregistration.k8s.io", "APIService") => kinds::api_service,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => kinds::crd,
        ("policy", "PodDisruptionBudget") => kinds::disruption_budget,
        ("argoproj.io", "Workflow") => kinds::workflow,
        _ => return None,
    };
    Some(rule(live))
}

/// A hook that only waits for its finalizer has still run to its end.
fn is_deleted(live: &Value) -> bool {
    let finalizers = read::items(live, "/metadata/finalizers");
    live.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
        && !finalizers.iter().any(|finalizer| finalizer == HOOK_FINALIZER)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deletion_comes_before_every_rule() {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]},
        });
        assert_eq!(assess(&job).unwrap().status, HealthStatus::Progressing);
        job["metadata"]["finalizers"] = json!([HOOK_FINALIZER]);
        assert_eq!(assess(&job).unwrap().status, HealthStatus::Healthy);
    }

    #[test]
    fn kinds_without_a_rule_have_no_health() {
        assert_eq!(assess(&json!({"apiVersion": "v1", "kind": "ConfigMap"})), None);
        assert_eq!(assess(&json!({"apiVersion": "example.com/v1", "kind": "Deployment"})), None);
        assert_eq!(assess(&json!(17)), None);
    }
}
