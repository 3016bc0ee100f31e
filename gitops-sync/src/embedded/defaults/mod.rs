//! The values that the API server gives to fields that were left out.

pub(super) mod pod;
mod settings;
pub(super) mod workload;

use serde_json::{Map, Value, json};

/// Sets defaults in an object of a built-in kind. Doing it twice changes nothing.
pub(super) fn set(api_version: &str, kind: &str, object: &mut Value) {
    let (group, version) = super::resource::split_api_version(api_version);
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("batch", "CronJob") => workload::cron_job(object),
        ("", "ReplicationController") => workload::replication_controller(object),
        ("", "Pod") => pod::pod(object),
        ("", "PodTemplate") => pod::template(&mut object["template"]),
        ("", "Namespace") => settings::namespace(object),
        ("", "Secret") => settings::secret(object),
        ("", "Service") => settings::service(object),
        ("", "PersistentVolumeClaim") => settings::volume_claim(&mut object["spec"]),
        ("", "PersistentVolume") => settings::volume(object),
        ("", "Endpoints") => settings::endpoints(object),
        ("", "LimitRange") => settings::limit_range(object),
        ("autoscaling", "HorizontalPodAutoscaler") => settings::autoscaler(object, version),
        ("networking.k8s.io" | "extensions", "Ingress") => settings::ingress(object),
        ("networking.k8s.io", "NetworkPolicy") => settings::network_policy(object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => settings::role_binding(object),
        ("storage.k8s.io", "StorageClass") => settings::storage_class(object),
        ("storage.k8s.io", "CSIDriver") => settings::csi_driver(object),
        ("scheduling.k8s.io", "PriorityClass") => default(object, "preemptionPolicy", "PreemptLowerPriority"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => settings::definition(object),
        ("apiregistration.k8s.io", "APIService") => settings::api_service(object),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => settings::webhooks(object, false),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => settings::webhooks(object, true),
        ("discovery.k8s.io", "EndpointSlice") => settings::endpoint_slice(object),
        _ => {}
    }
}

/// Sets a field of a map unless it is there. Anything but a map is left alone.
fn default(object: &mut Value, field: &str, value: impl Into<Value>) {
    let Value::Object(map) = object else { return };
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value.into());
    }
}

/// The same below a map that is made if need be.
fn default_below(object: &mut Value, parent: &str, field: &str, value: impl Into<Value>) {
    let Value::Object(map) = object else { return };
    let below = map.entry(parent).or_insert_with(|| json!({}));
    if below.is_null() {
        *below = json!({});
    }
    default(below, field, value);
}

/// A field that is there.
fn given<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    object.get_mut(field).filter(|value| !value.is_null())
}

fn items<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or("")
}

fn is_set(object: &Value, field: &str) -> bool {
    object.get(field).is_some_and(|value| !value.is_null())
}

/// Labels of the template become labels and selector of workloads that have none.
fn has_entries(value: &Value) -> bool {
    value.as_object().is_some_and(|map: &Map<String, Value>| !map.is_empty())
}
