//! Defaults of everything that is no workload.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{default, default_below, given, is_set, items, text};

pub(super) fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if name.is_string() {
        default_below(&mut object["metadata"], "labels", "kubernetes.io/metadata.name", name);
    }
}

/// `stringData` moves into `data`.
pub(super) fn secret(object: &mut Value) {
    default(object, "type", "Opaque");
    let Some(plain) = object.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or(""));
        if object["data"].is_null() {
            object["data"] = json!({});
        }
        object["data"][key] = json!(encoded);
    }
}

pub(super) fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "sessionAffinity", "None");
    default(spec, "type", "ClusterIP");
    if text(spec, "sessionAffinity") == "ClientIP"
        && !is_set(&spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds")
    {
        spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});
    }
    if text(spec, "sessionAffinity") == "None"
        && let Some(map) = spec.as_object_mut()
    {
        map.remove("sessionAffinityConfig");
    }
    for port in items(spec, "ports") {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        if port["targetPort"].is_null() || port["targetPort"] == 0 || port["targetPort"] == "" {
            port["targetPort"] = number;
        }
    }
    let kind = text(spec, "type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
}

pub(super) fn volume_claim(spec: &mut Value) {
    default(spec, "volumeMode", "Filesystem");
}

pub(super) fn volume(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "persistentVolumeReclaimPolicy", "Retain");
    default(spec, "volumeMode", "Filesystem");
    if let Some(host) = given(spec, "hostPath") {
        default(host, "type", "");
    }
}

pub(super) fn autoscaler(object: &mut Value, version: &str) {
    let spec = &mut object["spec"];
    default(spec, "minReplicas", 1);
    if version == "v2" && spec["metrics"].as_array().is_none_or(Vec::is_empty) {
        spec["metrics"] = json!([{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
    }
    if version == "v1" {
        default(spec, "targetCPUUtilizationPercentage", 80);
    }
}

pub(super) fn ingress(object: &mut Value) {
    let legacy = object["apiVersion"] == "extensions/v1beta1";
    for rule in items(&mut object["spec"], "rules") {
        let Some(http) = rule.get_mut("http") else { continue };
        for path in items(http, "paths").filter(|_| legacy) {
            default(path, "pathType", "ImplementationSpecific");
        }
    }
}

pub(super) fn network_policy(object: &mut Value) {
    let spec = &mut object["spec"];
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            for port in items(rule, "ports") {
                default(port, "protocol", "TCP");
            }
        }
    }
    let types = if is_set(spec, "egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    default(spec, "policyTypes", types);
}

pub(super) fn role_binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(role) = given(object, "roleRef")
        && text(role, "apiGroup").is_empty()
    {
        role["apiGroup"] = json!(GROUP);
    }
    for subject in items(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default(subject, "apiGroup", GROUP);
        }
    }
}

pub(super) fn storage_class(object: &mut Value) {
    default(object, "reclaimPolicy", "Delete");
    default(object, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "attachRequired", true);
    default(spec, "podInfoOnMount", false);
    default(spec, "storageCapacity", false);
    default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    default(spec, "volumeLifecycleModes", json!(["Persistent"]));
    default(spec, "requiresRepublish", false);
    default(spec, "seLinuxMount", false);
}

pub(super) fn definition(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "scope", "Namespaced");
    let kind = text(&spec["names"], "kind").to_owned();
    if !kind.is_empty() {
        for (field, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
            if text(&spec["names"], field).is_empty() {
                spec["names"][field] = json!(value);
            }
        }
    }
    default_below(spec, "conversion", "strategy", "None");
    if let Some(service) = spec.pointer_mut("/conversion/webhook/clientConfig/service") {
        default(service, "port", 443);
    }
    let stored: Vec<_> = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    if object["status"]["storedVersions"].as_array().is_none_or(Vec::is_empty) {
        object["status"]["storedVersions"] = Value::Array(stored);
    }
}

pub(super) fn api_service(object: &mut Value) {
    if let Some(service) = given(&mut object["spec"], "service") {
        default(service, "port", 443);
    }
}

pub(super) fn webhooks(object: &mut Value, mutating: bool) {
    for hook in items(object, "webhooks") {
        default(hook, "failurePolicy", "Fail");
        default(hook, "matchPolicy", "Equivalent");
        default(hook, "namespaceSelector", json!({}));
        default(hook, "objectSelector", json!({}));
        default(hook, "timeoutSeconds", 10);
        if mutating {
            default(hook, "reinvocationPolicy", "Never");
        }
        if let Some(service) = hook.get_mut("clientConfig").and_then(|config| given(config, "service")) {
            default(service, "port", 443);
        }
        for rule in items(hook, "rules") {
            default(rule, "scope", "*");
        }
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in items(object, "ports") {
        default(port, "name", "");
        default(port, "protocol", "TCP");
    }
}

pub(super) fn endpoints(object: &mut Value) {
    for subset in items(object, "subsets") {
        for port in items(subset, "ports") {
            default(port, "protocol", "TCP");
        }
    }
}

/// For containers, a maximum is also the default limit, and that the default request.
pub(super) fn limit_range(object: &mut Value) {
    for limit in items(&mut object["spec"], "limits").filter(|limit| limit["type"] == "Container") {
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let given = limit[from].as_object().cloned().unwrap_or_default();
            for (name, quantity) in given {
                default_below(limit, to, &name, quantity);
            }
        }
    }
}
