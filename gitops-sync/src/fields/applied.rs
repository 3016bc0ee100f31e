//! Whether an apply would change nothing, decided without asking.

use serde_json::{Map, Value};

use super::ManagedEntry;
use crate::structured_merge::{FieldSet, PathElement, equal};

/// Whether applying `wanted` again as `manager` can change nothing.
///
/// `true` is certain: the manager's set of fields is exactly the one that
/// `wanted` has, and every one of them has the wanted value. `false` means
/// that only the server can tell, because it writes values its own way
/// (`1000m` as `1`), fills in defaults below an atomic field, and so on.
pub(crate) fn is_applied(wanted: &Value, live: &Value, managed: &[ManagedEntry<'_>], manager: &str) -> bool {
    let mut ours = managed.iter().filter(|entry| entry.is_apply() && entry.manager == manager);
    let (Some(entry), None) = (ours.next(), ours.next()) else { return false };
    // Under another version of the API the fields may have other names.
    let version = wanted["apiVersion"].as_str();
    if version != Some(entry.api_version.as_ref())
        || live["apiVersion"].as_str() != version
        || !entry.subresource.is_empty()
    {
        return false;
    }
    let set = entry.fields();
    let root = set.get(&PathElement::field("metadata"));
    let (Some(wanted), Some(live_root)) = (wanted.as_object(), live.as_object()) else { return false };
    let is_metadata_applied = match (metadata_of(wanted), root) {
        (None, None) => true,
        (Some(wanted), Some(set)) => live_root.get("metadata").is_some_and(|live| object(&wanted, live, set)),
        _ => false,
    };
    let others = |name: &&String| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
    let count = wanted.keys().filter(others).count();
    let expected = set.elements().count() - usize::from(root.is_some());
    is_metadata_applied
        && count == expected
        && wanted.iter().filter(|(name, _)| others(name)).all(|(name, wanted)| {
            let (Some(below), Some(live)) = (set.get(&PathElement::field(name)), live_root.get(name)) else {
                return false;
            };
            matches(wanted, live, below)
        })
}

/// The metadata that can be owned: a name and a namespace cannot.
fn metadata_of(wanted: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut metadata = wanted.get("metadata")?.as_object()?.clone();
    metadata.remove("name");
    metadata.remove("namespace");
    (!metadata.is_empty()).then_some(metadata)
}

fn matches(wanted: &Value, live: &Value, set: &FieldSet) -> bool {
    if set.is_empty() {
        return equal(wanted, live);
    }
    match (wanted, live) {
        (Value::Object(wanted), live) => object(wanted, live, set),
        (Value::Array(wanted), Value::Array(live)) => list(wanted, live, set),
        _ => false,
    }
}

fn object(wanted: &Map<String, Value>, live: &Value, set: &FieldSet) -> bool {
    wanted.len() == set.elements().count()
        && wanted.iter().all(|(name, wanted)| {
            let (Some(below), Some(live)) = (set.get(&PathElement::field(name)), live.get(name)) else { return false };
            matches(wanted, live, below)
        })
}

/// Each wanted item must be one that we own, in the live order.
fn list(wanted: &[Value], live: &[Value], set: &FieldSet) -> bool {
    let mut owned: Vec<(&PathElement, &FieldSet)> = set.elements().collect();
    if wanted.len() != owned.len() {
        return false;
    }
    let mut next = 0;
    wanted.iter().all(|item| {
        let Some(place) = owned_item(item, &owned) else { return false };
        let (element, below) = owned.swap_remove(place);
        let Some(place) = live.iter().position(|item| element.selects(item)).filter(|place| *place >= next) else {
            return false;
        };
        next = place + 1;
        matches!(element, PathElement::Value(_)) || matches(item, &live[place], below)
    })
}

/// The owned item that a wanted one is: the one with its keys, or the only
/// one with those of its keys that it says, since others have defaults.
fn owned_item(wanted: &Value, owned: &[(&PathElement, &FieldSet)]) -> Option<usize> {
    if let Some(place) = owned.iter().position(|(element, _)| element.selects(wanted)) {
        return Some(place);
    }
    let mut candidates = owned.iter().enumerate().filter(|(_, (element, _))| agrees(element, wanted));
    let (place, _) = candidates.next()?;
    candidates.next().is_none().then_some(place)
}

fn agrees(element: &PathElement, wanted: &Value) -> bool {
    let PathElement::Key(keys) = element else { return false };
    keys.iter().all(|(key, value)| wanted.get(key).is_none_or(|wanted| equal(wanted, value)))
        && keys.iter().any(|(key, _)| wanted.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What applied it last owns these fields.
    fn is_applied_by(manager: &str, wanted: &Value, live: &Value, fields: &Value) -> bool {
        let entry = json!({"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}).to_string();
        is_applied(wanted, live, &[serde_json::from_str(&entry).unwrap()], manager)
    }

    fn service(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "labels": {"a": "b"}}, "spec": spec})
    }

    fn owned_service() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:selector": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
        })
    }

    #[test]
    fn defaults_and_foreign_fields_do_not_matter() {
        let wanted = service(json!({"selector": {"app": "web"}, "ports": [{"port": 80}]}));
        let mut live = service(json!({
            "selector": {"app": "web"}, "clusterIP": "10.0.0.1",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        }));
        live["metadata"]["labels"]["foreign"] = json!("x");
        assert!(is_applied_by("us", &wanted, &live, &owned_service()));
        assert!(!is_applied_by("them", &wanted, &live, &owned_service()));
        live["spec"]["selector"]["app"] = json!("other");
        assert!(!is_applied_by("us", &wanted, &live, &owned_service()));
    }

    #[test]
    fn a_field_more_or_less_is_for_the_server() {
        let live = service(json!({"selector": {"app": "web"}, "type": "ClusterIP",
            "ports": [{"port": 80, "protocol": "TCP"}]}));
        let more = service(json!({"selector": {"app": "web"}, "ports": [{"port": 80}], "type": "ClusterIP"}));
        assert!(!is_applied_by("us", &more, &live, &owned_service()));
        let less = service(json!({"selector": {"app": "web"}}));
        assert!(!is_applied_by("us", &less, &live, &owned_service()));
        let mut relabelled = service(json!({"selector": {"app": "web"}, "ports": [{"port": 80}]}));
        relabelled["metadata"].as_object_mut().unwrap().remove("labels");
        assert!(!is_applied_by("us", &relabelled, &live, &owned_service()));
    }

    #[test]
    fn another_order_is_for_the_server() {
        let set =
            json!({"f:spec": {"f:list": {"k:{\"n\":1}": {".": {}, "f:n": {}}, "k:{\"n\":2}": {".": {}, "f:n": {}}}}});
        let object =
            |list: Value| json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "k"}, "spec": {"list": list}});
        let live = object(json!([{"n": 1}, {"n": 7}, {"n": 2}]));
        assert!(is_applied_by("us", &object(json!([{"n": 1}, {"n": 2}])), &live, &set));
        assert!(!is_applied_by("us", &object(json!([{"n": 2}, {"n": 1}])), &live, &set));
    }

    #[test]
    fn ambiguous_keys_are_for_the_server() {
        let set = json!({"f:spec": {"f:ports": {
            "k:{\"port\":53,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
            "k:{\"port\":53,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}, "f:protocol": {}}}}});
        let object = |ports: Value| json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "k"}, "spec": {"ports": ports}});
        let live = object(json!([{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]));
        // The exact one goes first, then only one is left for the other.
        assert!(!is_applied_by("us", &object(json!([{"port": 53}, {"port": 53, "protocol": "UDP"}])), &live, &set));
        assert!(!is_applied_by("us", &object(json!([{"port": 53}, {"port": 53}])), &live, &set));
    }
}
