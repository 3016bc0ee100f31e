//! Defaults of pods and of what contains them.

use serde_json::{Value, json};

use super::{default, given, has_entries, is_set, items, text};

pub(super) fn pod(object: &mut Value) {
    default(&mut object["spec"], "enableServiceLinks", true);
    let requests_from_limits = &mut object["spec"];
    spec(requests_from_limits);
    for list in ["containers", "initContainers"] {
        for container in items(&mut object["spec"], list) {
            requests(container);
        }
    }
}

/// Limits stand in for requests that are not set, in pods but not in templates.
fn requests(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    for (name, limit) in limits {
        super::default_below(&mut container["resources"], "requests", &name, limit);
    }
}

pub(super) fn template(template: &mut Value) {
    if let Some(found) = given(template, "spec") {
        spec(found);
    }
}

/// A pod's specification.
pub(super) fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", json!({}));
    mirror_service_account(spec);
    let host_network = spec["hostNetwork"] == true;
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for found in items(spec, list) {
            container(found, host_network);
        }
    }
    for found in items(spec, "volumes") {
        volume(found);
    }
}

/// The deprecated name follows the current one.
fn mirror_service_account(spec: &mut Value) {
    let name = match (text(spec, "serviceAccountName"), text(spec, "serviceAccount")) {
        ("", "") => return,
        ("", deprecated) => deprecated.to_owned(),
        (current, _) => current.to_owned(),
    };
    spec["serviceAccountName"] = json!(name);
    spec["serviceAccount"] = json!(name);
}

fn container(container: &mut Value, host_network: bool) {
    let policy = if is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", policy);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    for port in items(container, "ports") {
        default(port, "protocol", "TCP");
        if host_network {
            let number = port["containerPort"].clone();
            default(port, "hostPort", number);
        }
    }
    for variable in items(container, "env") {
        if let Some(source) = given(variable, "valueFrom") {
            field_reference(source);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = given(container, name) {
            probe(found);
        }
    }
    if let Some(lifecycle) = given(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(http) = given(lifecycle, hook).and_then(|hook| given(hook, "httpGet")) {
                http_get(http);
            }
        }
    }
}

/// An image without tag or digest, or with the tag `latest`, is pulled always.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn probe(probe: &mut Value) {
    default(probe, "timeoutSeconds", 1);
    default(probe, "periodSeconds", 10);
    default(probe, "successThreshold", 1);
    default(probe, "failureThreshold", 3);
    if let Some(http) = given(probe, "httpGet") {
        http_get(http);
    }
    if let Some(grpc) = given(probe, "grpc") {
        default(grpc, "service", "");
    }
}

fn http_get(http: &mut Value) {
    default(http, "path", "/");
    default(http, "scheme", "HTTP");
}

fn volume(volume: &mut Value) {
    let sources = volume.as_object().map_or(0, |map| map.len());
    if sources < 2 {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(found) = given(volume, source) {
            default(found, "defaultMode", 420);
        }
    }
    for item in volume.get_mut("downwardAPI").into_iter().flat_map(|found| items(found, "items")) {
        field_reference(item);
    }
    if let Some(host) = given(volume, "hostPath") {
        default(host, "type", "");
    }
    if let Some(iscsi) = given(volume, "iscsi") {
        default(iscsi, "iscsiInterface", "default");
    }
    if let Some(claim) = volume.get_mut("ephemeral").and_then(|found| given(found, "volumeClaimTemplate")) {
        super::settings::volume_claim(&mut claim["spec"]);
    }
    for source in volume.get_mut("projected").into_iter().flat_map(|found| items(found, "sources")) {
        if let Some(token) = given(source, "serviceAccountToken") {
            default(token, "expirationSeconds", 3600);
        }
        for item in source.get_mut("downwardAPI").into_iter().flat_map(|found| items(found, "items")) {
            field_reference(item);
        }
    }
}

fn field_reference(item: &mut Value) {
    if let Some(field) = given(item, "fieldRef") {
        default(field, "apiVersion", "v1");
    }
    if let Some(field) = given(item, "resourceFieldRef") {
        default(field, "divisor", "0");
    }
}

/// Whether a template has labels to copy.
pub(super) fn labels(template: &Value) -> Option<Value> {
    let labels = &template["metadata"]["labels"];
    has_entries(labels).then(|| labels.clone())
}

/// Whether a pod's containers ask for anything, which decides its class of service.
pub(in crate::embedded) fn quality(spec: &Value) -> &'static str {
    let all: Vec<_> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| spec[*list].as_array().into_iter().flatten())
        .map(|container| &container["resources"])
        .collect();
    let asks = |resources: &Value, what: &str| has_entries(&resources[what]);
    if !all.iter().any(|found| asks(found, "requests") || asks(found, "limits")) {
        return "BestEffort";
    }
    let guaranteed = |found: &&Value| {
        ["cpu", "memory"]
            .iter()
            .all(|name| is_set(&found["limits"], name) && found["limits"][name] == found["requests"][name])
    };
    if all.iter().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}
