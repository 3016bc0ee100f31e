//! Argo CD's rules for services, storage, scaling and the API itself.

use serde_json::Value;

use super::HealthStatus::{Degraded, Healthy, Progressing, Unknown};
use super::{Health, read};
use crate::manifest::annotation;

const V1_CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

pub(super) fn service(live: &Value) -> Health {
    if read::text(live, "/spec/type") == "LoadBalancer" { ingress(live) } else { Health::healthy() }
}

pub(super) fn ingress(live: &Value) -> Health {
    if read::items(live, "/status/loadBalancer/ingress").is_empty() {
        return Health::new(Progressing, "no load balancer address yet");
    }
    Health::healthy()
}

pub(super) fn volume_claim(live: &Value) -> Health {
    match read::text(live, "/status/phase") {
        "Lost" => Health::new(Degraded, "the volume is lost"),
        "Pending" => Health::new(Progressing, "not bound to a volume yet"),
        "Bound" => Health::healthy(),
        _ => Health::new(Unknown, ""),
    }
}

pub(super) fn autoscaler(live: &Value) -> Health {
    let parsed;
    let conditions = if read::text(live, "/apiVersion") == "autoscaling/v1" {
        // v1 has no conditions; the server puts those of v2 into an annotation.
        let text = annotation(live, V1_CONDITIONS).unwrap_or("[]");
        match serde_json::from_str::<Vec<Value>>(text) {
            Ok(list) => parsed = list,
            Err(_) => {
                return Health::new(Unknown, format!("the annotation {V1_CONDITIONS} does not parse"));
            }
        }
        parsed.as_slice()
    } else {
        read::items(live, "/status/conditions")
    };
    let message = |condition: &Value| read::text(condition, "/message").to_owned();
    if let Some(condition) = conditions.iter().find(|condition| cannot_scale(condition)) {
        return Health::new(Degraded, message(condition));
    }
    match conditions.iter().find(|condition| can_scale(condition)) {
        Some(condition) => Health::new(Healthy, message(condition)),
        None => Health::new(Progressing, "waiting to scale"),
    }
}

fn cannot_scale(condition: &Value) -> bool {
    matches!(
        (read::text(condition, "/type"), read::text(condition, "/reason")),
        ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
            | (
                "ScalingActive",
                "FailedGetResourceMetric"
                    | "FailedGetObjectMetric"
                    | "FailedGetPodsMetric"
                    | "FailedGetExternalMetric"
                    | "FailedComputeMetricsReplicas"
                    | "InvalidSelector"
            )
    )
}

fn can_scale(condition: &Value) -> bool {
    matches!(read::text(condition, "/type"), "AbleToScale" | "ScalingLimited") && condition["status"] == "True"
}

pub(super) fn api_service(live: &Value) -> Health {
    let Some(available) = read::condition(live, "Available") else {
        return Health::new(Progressing, "waiting to be processed");
    };
    let message = format!("{}: {}", read::text(available, "/reason"), read::text(available, "/message"));
    Health::new(if available["status"] == "True" { Healthy } else { Progressing }, message)
}

pub(super) fn crd(live: &Value) -> Health {
    let conditions = read::items(live, "/status/conditions");
    if conditions.is_empty() {
        return Health::new(Progressing, "no conditions yet");
    }
    let found = |kind: &str, status: &str| {
        read::condition(live, kind).filter(|c| c["status"] == status).map(|c| read::text(c, "/message").to_owned())
    };
    if let Some(message) = found("Terminating", "True") {
        return Health::new(Progressing, format!("the definition is terminating: {message}"));
    }
    if let Some(message) = found("NamesAccepted", "False") {
        return Health::new(Degraded, format!("the names are not accepted: {message}"));
    }
    if let Some(message) = found("NonStructuralSchema", "True") {
        return Health::new(Degraded, format!("the schema is not structural: {message}"));
    }
    match read::condition(live, "Established") {
        Some(established) if established["status"] == "True" => Health::healthy(),
        Some(established) if established["reason"] == "Installing" => {
            Health::new(Progressing, "the definition is being installed")
        }
        _ => Health::new(Degraded, "the definition is not established"),
    }
}

pub(super) fn disruption_budget(live: &Value) -> Health {
    let conditions = read::items(live, "/status/conditions");
    // Too few pods is what a budget is there for, not a failure of its own.
    let failed = |c: &&Value| c["status"] == "False" && c["reason"] != "InsufficientPods";
    if let Some(condition) = conditions.iter().find(failed) {
        return Health::new(Degraded, read::text(condition, "/reason"));
    }
    match conditions.last() {
        Some(condition) => Health::new(Healthy, read::text(condition, "/reason")),
        None => Health::new(Progressing, "waiting for status"),
    }
}

pub(super) fn workflow(live: &Value) -> Health {
    let message = read::text(live, "/status/message");
    let status = match read::text(live, "/status/phase") {
        "" | "Pending" | "Running" => Progressing,
        "Succeeded" => Healthy,
        "Failed" | "Error" => Degraded,
        _ => Unknown,
    };
    Health::new(status, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_and_volumes() {
        let balanced = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}});
        assert_eq!(ingress(&json!({"status": balanced})).status, Healthy);
        assert_eq!(ingress(&json!({"status": {"loadBalancer": {}}})).status, Progressing);
        assert_eq!(service(&json!({"spec": {"type": "ClusterIP"}})).status, Healthy);
        assert_eq!(service(&json!({"spec": {"type": "LoadBalancer"}})).status, Progressing);
        assert_eq!(service(&json!({"spec": {"type": "LoadBalancer"}, "status": balanced})).status, Healthy);
        assert_eq!(volume_claim(&json!({"status": {"phase": "Lost"}})).status, Degraded);
        assert_eq!(volume_claim(&json!({})).status, Unknown);
    }

    #[test]
    fn autoscalers_of_both_versions() {
        let failed = json!([{"type": "AbleToScale", "status": "True"}, {"type": "ScalingActive", "reason": "InvalidSelector", "message": "m"}]);
        let v2 = |conditions: Value| {
            autoscaler(&json!({"apiVersion": "autoscaling/v2", "status": {"conditions": conditions}}))
        };
        assert_eq!(v2(failed.clone()), Health::new(Degraded, "m"));
        assert_eq!(v2(json!([{"type": "AbleToScale", "status": "True"}])).status, Healthy);
        assert_eq!(v2(json!([])).status, Progressing);
        let v1 = |text: String| {
            autoscaler(&json!({"apiVersion": "autoscaling/v1", "metadata": {"annotations": {V1_CONDITIONS: text}}}))
        };
        assert_eq!(v1(failed.to_string()).status, Degraded);
        assert_eq!(v1("{".to_owned()).status, Unknown);
    }

    #[test]
    fn definitions() {
        let with = |conditions: Value| crd(&json!({"status": {"conditions": conditions}})).status;
        assert_eq!(crd(&json!({})).status, Progressing);
        assert_eq!(with(json!([{"type": "NamesAccepted", "status": "True"}])), Degraded);
        assert_eq!(with(json!([{"type": "Established", "status": "False", "reason": "Installing"}])), Progressing);
        assert_eq!(with(json!([{"type": "Established", "status": "True"}])), Healthy);
        assert_eq!(
            with(json!([{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "False"}])),
            Degraded
        );
    }

    #[test]
    fn budgets_may_lack_pods() {
        let with = |conditions: Value| disruption_budget(&json!({"status": {"conditions": conditions}})).status;
        assert_eq!(with(json!([])), Progressing);
        assert_eq!(with(json!([{"status": "False", "reason": "InsufficientPods"}])), Healthy);
        assert_eq!(with(json!([{"status": "False", "reason": "SyncFailed"}])), Degraded);
    }
}
