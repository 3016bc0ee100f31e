//! The same object at another version of its kind.

use serde_json::{Map, Value, json};

/// `object` at `api_version`. Kinds without rules of their own only change their name.
pub(crate) fn convert(object: &Value, api_version: &str) -> Value {
    if object["apiVersion"] == api_version {
        return object.clone();
    }
    let mut object = object.clone();
    let from = object["apiVersion"].as_str().unwrap_or("").to_owned();
    match (from.as_str(), api_version) {
        ("extensions/v1beta1", "networking.k8s.io/v1") => {
            ingress_backends(&mut object, "backend", "defaultBackend", current_backend)
        }
        ("networking.k8s.io/v1", "extensions/v1beta1") => {
            ingress_backends(&mut object, "defaultBackend", "backend", legacy_backend)
        }
        ("autoscaling/v1", "autoscaling/v2") => autoscaler_to_v2(&mut object),
        ("autoscaling/v2", "autoscaling/v1") => autoscaler_to_v1(&mut object),
        ("v1", "events.k8s.io/v1") => rename(&mut object, EVENT_FIELDS, false),
        ("events.k8s.io/v1", "v1") => rename(&mut object, EVENT_FIELDS, true),
        _ => {}
    }
    object["apiVersion"] = json!(api_version);
    object
}

fn ingress_backends(object: &mut Value, from: &str, to: &str, convert: fn(&Value) -> Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(backend) = spec.remove(from) {
        spec.insert(to.to_owned(), convert(&backend));
    }
    for rule in spec.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for path in rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(backend) = path.get_mut("backend") {
                *backend = convert(backend);
            }
        }
    }
}

fn current_backend(legacy: &Value) -> Value {
    let mut backend = Map::new();
    if let Some(name) = legacy.get("serviceName").filter(|name| !name.is_null()) {
        let port = match &legacy["servicePort"] {
            Value::Number(number) => json!({"number": number}),
            Value::String(name) => json!({"name": name}),
            _ => json!({}),
        };
        backend.insert("service".into(), json!({"name": name, "port": port}));
    }
    if let Some(resource) = legacy.get("resource") {
        backend.insert("resource".into(), resource.clone());
    }
    Value::Object(backend)
}

fn legacy_backend(current: &Value) -> Value {
    let mut backend = Map::new();
    if let Some(service) = current.get("service") {
        let port = service["port"].get("name").or(service["port"].get("number")).cloned().unwrap_or(json!(0));
        backend.insert("serviceName".into(), service["name"].clone());
        backend.insert("servicePort".into(), port);
    }
    if let Some(resource) = current.get("resource") {
        backend.insert("resource".into(), resource.clone());
    }
    Value::Object(backend)
}

fn autoscaler_to_v2(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(percentage) = spec.remove("targetCPUUtilizationPercentage").filter(|found| !found.is_null()) {
        let metric = json!({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": percentage}}});
        spec.insert("metrics".into(), json!([metric]));
    }
}

/// Metrics other than the utilisation of CPU have no place in v1.
fn autoscaler_to_v1(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let metrics = spec.remove("metrics").unwrap_or_default();
    let cpu = metrics
        .as_array()
        .into_iter()
        .flatten()
        .map(|metric| &metric["resource"])
        .find(|resource| resource["name"] == "cpu")
        .map(|resource| resource["target"]["averageUtilization"].clone());
    if let Some(percentage) = cpu.filter(|found| !found.is_null()) {
        spec.insert("targetCPUUtilizationPercentage".into(), percentage);
    }
    spec.remove("behavior");
}

/// Names in events.k8s.io/v1 and in v1.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

fn rename(object: &mut Value, fields: &[(&str, &str)], forwards: bool) {
    let Some(map) = object.as_object_mut() else { return };
    for (a, b) in fields {
        let (from, to) = if forwards { (a, b) } else { (b, a) };
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_ingress_comes_back_as_it_was() {
        let legacy = json!({"apiVersion": "extensions/v1beta1", "spec": {"rules": [{"http": {"paths": [
            {"path": "/", "backend": {"serviceName": "web", "servicePort": 80}}]}}]}});
        let current = convert(&legacy, "networking.k8s.io/v1");
        let backend = &current["spec"]["rules"][0]["http"]["paths"][0]["backend"];
        assert_eq!(*backend, json!({"service": {"name": "web", "port": {"number": 80}}}));
        assert_eq!(convert(&current, "extensions/v1beta1"), legacy);
    }
}
