//! Controllers of what surrounds workloads: addresses, volumes, budgets.

use serde_json::{Value, json};

use super::{Behaviour, with_condition};

/// An address from the block for documentation.
const ADDRESS: &str = "203.0.113.10";

fn with_address(object: &Value, entry: Value) -> Option<Value> {
    let addresses = &object["status"]["loadBalancer"]["ingress"];
    if addresses.as_array().is_some_and(|found| !found.is_empty()) {
        return None;
    }
    let mut status = object["status"].clone();
    status["loadBalancer"] = json!({"ingress": [entry]});
    Some(status)
}

pub(super) fn service(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    if object["spec"]["type"] != "LoadBalancer" || behaviour != Behaviour::Succeed {
        return None;
    }
    with_address(object, json!({"ip": ADDRESS, "ipMode": "VIP"}))
}

pub(super) fn ingress(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    if behaviour != Behaviour::Succeed { None } else { with_address(object, json!({"ip": ADDRESS})) }
}

pub(super) fn volume_claim(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    if object["status"]["phase"] == "Bound" || behaviour != Behaviour::Succeed {
        return None;
    }
    let spec = &object["spec"];
    Some(json!({"phase": "Bound", "accessModes": spec["accessModes"],
                "capacity": {"storage": spec["resources"]["requests"]["storage"]}}))
}

pub(super) fn autoscaler(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let old = &object["status"];
    let condition = |kind: &str, holds: bool, reason: &str| {
        json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": "",
               "lastTransitionTime": now})
    };
    let works = behaviour != Behaviour::Fail;
    let mut status = old.clone();
    let replicas = &object["spec"]["minReplicas"];
    status["currentReplicas"] = replicas.clone();
    status["desiredReplicas"] = replicas.clone();
    let conditions = with_condition(&old["conditions"], condition("AbleToScale", true, "ReadyForNewScale"));
    let reason = if works { "ValidMetricFound" } else { "FailedGetResourceMetric" };
    status["conditions"] = with_condition(&conditions, condition("ScalingActive", works, reason));
    (status != *old).then_some(status)
}

pub(super) fn disruption_budget(object: &Value, _behaviour: Behaviour, now: &str) -> Option<Value> {
    if object["status"]["observedGeneration"] == object["metadata"]["generation"] {
        return None;
    }
    let allowed = json!({"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
                         "lastTransitionTime": now});
    let mut status = object["status"].clone();
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    status["conditions"] = with_condition(&object["status"]["conditions"], allowed);
    for count in ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"] {
        status[count] = json!(1);
    }
    Some(status)
}

pub(super) fn api_service(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let (status, reason) = match behaviour {
        Behaviour::Succeed => ("True", "Passed"),
        _ => ("False", "FailedDiscoveryCheck"),
    };
    let available = json!({"type": "Available", "status": status, "reason": reason, "message": "",
                           "lastTransitionTime": now});
    let conditions = with_condition(&object["status"]["conditions"], available);
    (conditions != object["status"]["conditions"]).then(|| json!({"conditions": conditions}))
}
