//! What the server itself writes into an object before it is stored.

use serde_json::{Value, json};

use super::defaults::{pod, workload};
use super::resource::Resource;
use super::state::State;

/// Completes a new object.
pub(super) fn create(state: &mut State, resource: &Resource, object: &mut Value) {
    if resource.counts_generation {
        object["metadata"]["generation"] = json!(1);
    }
    if resource.custom.is_some() {
        if resource.has("status") {
            remove(object, "status");
        }
        return;
    }
    if resource.has("status") && resource.kind != "CustomResourceDefinition" {
        reset_status(resource, object);
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({"phase": "Active"});
        }
        ("", "Pod") => {
            object["status"] = json!({"phase": "Pending", "qosClass": pod::quality(&object["spec"])});
            for (field, value) in [("priority", json!(0)), ("preemptionPolicy", json!("PreemptLowerPriority"))] {
                if object["spec"][field].is_null() {
                    object["spec"][field] = value;
                }
            }
            tolerate_lost_nodes(object);
        }
        ("", "PersistentVolumeClaim" | "PersistentVolume") => object["status"] = json!({"phase": "Pending"}),
        ("", "Service") => allocate_address(state, object),
        ("batch", "Job") => workload::select_by_uid(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            object["status"]["acceptedNames"] = json!({"kind": "", "plural": ""});
            object["status"]["conditions"] = Value::Null;
        }
        _ => {}
    }
}

/// A pod stays for a while on a node that is lost, as an admission plugin of every cluster wants.
fn tolerate_lost_nodes(pod: &mut Value) {
    let mut tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |found: &Value| {
            let here = found["key"] == key || found["key"].as_str().is_none_or(str::is_empty);
            here && matches!(found["effect"].as_str(), Some("NoExecute" | "") | None)
        };
        if !tolerations.iter().any(tolerated) {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    pod["spec"]["tolerations"] = Value::Array(tolerations);
}

/// Nobody creates a status; an empty one has the form of its kind.
fn reset_status(resource: &Resource, object: &mut Value) {
    let bare = super::normalise::normalised(&resource.ty, &json!({}));
    match bare.get("status") {
        Some(status) => object["status"] = status.clone(),
        None => remove(object, "status"),
    }
}

fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}

fn allocate_address(state: &mut State, object: &mut Value) {
    let spec = &mut object["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    let given = spec["clusterIP"].as_str().unwrap_or("").to_owned();
    let address = match (given.as_str(), spec["clusterIPs"][0].as_str()) {
        ("", Some(first)) => first.to_owned(),
        ("", None) => state.new_address(),
        (address, _) => address.to_owned(),
    };
    spec["clusterIP"] = json!(address);
    spec["clusterIPs"] = json!([address]);
    if address != "None" || spec["selector"].is_object() {
        if spec["ipFamilies"].is_null() {
            spec["ipFamilies"] = json!(["IPv4"]);
        }
        if spec["ipFamilyPolicy"].is_null() {
            spec["ipFamilyPolicy"] = json!("SingleStack");
        }
    }
    let exposed = matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"));
    for (index, port) in spec["ports"].as_array_mut().into_iter().flatten().enumerate() {
        if exposed && port["nodePort"].as_u64().unwrap_or(0) == 0 {
            // From the range for node ports, apart for each address and port of a service.
            let last: usize = address.rsplit('.').next().and_then(|part| part.parse().ok()).unwrap_or(0);
            port["nodePort"] = json!(30000 + (last * 10 + index) % 2768);
        }
    }
}

/// Fields of `metadata` that no client changes.
pub(super) fn keep_system_metadata(live: &Value, new: &mut Value) {
    const FIELDS: &[&str] = &[
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ];
    let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in FIELDS {
        match live["metadata"].get(*field) {
            Some(value) => metadata.insert((*field).to_owned(), value.clone()),
            None => metadata.remove(*field),
        };
    }
    metadata.remove("selfLink");
}

/// Undoes what the request may not change and counts the generation.
pub(super) fn update(resource: &Resource, subresource: &str, live: &Value, new: &mut Value) {
    match subresource {
        "" if resource.has("status") => restore(live, new, "status"),
        // A status request changes the status and little else.
        "status" | "approval" => keep_all_but_status(resource, live, new),
        _ => {}
    }
    if (resource.group.as_str(), resource.kind.as_str()) == ("", "Service") && subresource.is_empty() {
        keep_address(live, new);
    }
    if resource.counts_generation
        && subresource != "status"
        && specification(resource, live) != specification(resource, new)
    {
        let generation = live["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = json!(generation + 1);
    }
}

fn restore(live: &Value, new: &mut Value, field: &str) {
    match live.get(field) {
        Some(value) => new[field] = value.clone(),
        None => remove(new, field),
    }
}

fn keep_all_but_status(resource: &Resource, live: &Value, new: &mut Value) {
    let fields: Vec<String> = [live, &*new]
        .iter()
        .flat_map(|object| object.as_object().into_iter().flat_map(|map| map.keys()))
        .cloned()
        .collect();
    for field in fields.iter().filter(|field| !matches!(field.as_str(), "metadata" | "status")) {
        restore(live, new, field);
    }
    let managed = new["metadata"].get("managedFields").cloned();
    if resource.custom.is_some() {
        let given_version = new["metadata"]["resourceVersion"].clone();
        restore(live, new, "metadata");
        new["metadata"]["resourceVersion"] = given_version;
        match managed {
            Some(managed) => new["metadata"]["managedFields"] = managed,
            None => remove(&mut new["metadata"], "managedFields"),
        }
    } else if resource.group == "apps" {
        match live["metadata"].get("labels") {
            Some(labels) => new["metadata"]["labels"] = labels.clone(),
            None => remove(&mut new["metadata"], "labels"),
        }
    }
}

/// An address once given stays, unless the client asks for another, which validation refuses.
fn keep_address(live: &Value, new: &mut Value) {
    let old = &live["spec"];
    let spec = &mut new["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    let unset = |value: &Value| value.as_str().is_none_or(str::is_empty);
    if unset(&spec["clusterIP"]) && spec["clusterIPs"].as_array().is_none_or(Vec::is_empty) {
        spec["clusterIP"] = old["clusterIP"].clone();
        spec["clusterIPs"] = old["clusterIPs"].clone();
    } else if spec["clusterIP"] != old["clusterIP"] && spec["clusterIPs"] == old["clusterIPs"] {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    for field in ["ipFamilies", "ipFamilyPolicy"] {
        if spec[field].is_null() {
            spec[field] = old[field].clone();
        }
    }
    let olds = old["ports"].as_array().cloned().unwrap_or_default();
    let exposed = matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"));
    for port in spec["ports"].as_array_mut().into_iter().flatten().filter(|_| exposed) {
        let before = olds.iter().find(|old| old["port"] == port["port"] && old["protocol"] == port["protocol"]);
        if let (true, Some(before)) = (port["nodePort"].is_null(), before) {
            port["nodePort"] = before["nodePort"].clone();
        }
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if spec[field].is_null() {
            remove(spec, field);
        }
    }
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        if port["nodePort"].is_null() {
            remove(port, "nodePort");
        }
    }
}

/// The part of an object whose changes its generation counts.
fn specification(resource: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("metadata");
        if resource.has("status") {
            map.remove("status");
        }
    }
    object
}

/// Whether an object that is being deleted has nothing left that holds it.
pub(super) fn is_released(object: &Value) -> bool {
    let holds = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    let metadata = &object["metadata"];
    let namespace_holds =
        object["kind"] == "Namespace" && object["apiVersion"] == "v1" && holds(&object["spec"]["finalizers"]);
    let grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    !metadata["deletionTimestamp"].is_null() && grace == 0 && !holds(&metadata["finalizers"]) && !namespace_holds
}
