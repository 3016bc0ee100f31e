//! What the API server refuses in an object that can be read.

pub(super) mod custom;
mod metadata;
mod names;
mod service;
mod workload;

use serde_json::Value;

use super::failure::{Cause, Failure};
use super::resource::Resource;

/// Refuses an invalid new object.
pub(super) fn created(resource: &Resource, object: &Value) -> Result<(), Failure> {
    let mut causes = metadata::check(resource, object);
    causes.extend(content(resource, object));
    refuse(resource, object, causes)
}

/// Refuses an invalid change. A status has no rules of its own.
pub(super) fn updated(resource: &Resource, subresource: &str, new: &Value, old: &Value) -> Result<(), Failure> {
    let mut causes = metadata::check_update(new, old);
    if subresource.is_empty() || resource.custom.is_some() {
        causes.extend(content(resource, new));
    }
    if subresource.is_empty() {
        causes.extend(immutable(resource, new, old));
    }
    refuse(resource, new, causes)
}

fn refuse(resource: &Resource, object: &Value, causes: Vec<Cause>) -> Result<(), Failure> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(resource, object["metadata"]["name"].as_str().unwrap_or(""), causes))
}

fn content(resource: &Resource, object: &Value) -> Vec<Cause> {
    if let Some(custom) = &resource.custom {
        return custom::check(&custom.schema, object);
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => workload::check(object),
        ("batch", "Job") => workload::check_template(&object["spec"]["template"], "spec.template", JOB_RESTARTS),
        ("batch", "CronJob") => workload::check_cron_job(object),
        ("", "Pod") => workload::check_pod_spec(&object["spec"], "spec"),
        ("", "Service") => service::check(object),
        ("", "ConfigMap" | "Secret") => metadata::check_data_keys(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom::check_definition(object),
        _ => Vec::new(),
    }
}

const JOB_RESTARTS: &[&str] = &["OnFailure", "Never"];

/// Fields that cannot change once they are set.
fn immutable(resource: &Resource, new: &Value, old: &Value) -> Vec<Cause> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => changed(new, old, &["spec.selector"]),
        ("apps", "StatefulSet") => workload::check_stateful_set_update(new, old),
        ("batch", "Job") => {
            changed(new, old, &["spec.completions", "spec.selector", "spec.template", "spec.completionMode"])
        }
        ("", "Pod") => workload::check_pod_update(new, old),
        ("", "Service") => service::check_update(new, old),
        ("", "ConfigMap" | "Secret") => frozen(new, old),
        ("", "PersistentVolumeClaim") => workload::check_claim_update(new, old),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            let causes = changed(new, old, &["roleRef"]);
            let reworded = |cause: Cause| Cause {
                message: cause.message.replace("field is immutable", "cannot change roleRef"),
                ..cause
            };
            causes.into_iter().map(reworded).collect()
        }
        ("storage.k8s.io", "StorageClass") => {
            let mut causes = forbidden(new, old, "parameters", "updates to parameters are forbidden.");
            causes.extend(forbidden(new, old, "provisioner", "updates to provisioner are forbidden."));
            causes.extend(forbidden(new, old, "reclaimPolicy", "updates to reclaimPolicy are forbidden."));
            causes.extend(changed(new, old, &["volumeBindingMode"]));
            causes
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            changed(new, old, &["spec.scope", "spec.group", "spec.names.kind", "spec.names.plural"])
        }
        _ => Vec::new(),
    }
}

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(object, |value, step| &value[step])
}

fn changed(new: &Value, old: &Value, paths: &[&str]) -> Vec<Cause> {
    paths
        .iter()
        .filter(|path| at(new, path) != at(old, path))
        .map(|path| Cause::invalid(*path, at(new, path), "field is immutable"))
        .collect()
}

fn forbidden(new: &Value, old: &Value, path: &str, detail: &str) -> Vec<Cause> {
    if at(new, path) == at(old, path) { Vec::new() } else { vec![Cause::forbidden(path, detail)] }
}

/// Config maps and secrets can be made immutable for good.
fn frozen(new: &Value, old: &Value) -> Vec<Cause> {
    if old["immutable"] != true {
        let path = "type";
        return if at(new, path) == at(old, path) { Vec::new() } else { changed(new, old, &[path]) };
    }
    let detail = "field is immutable when `immutable` is set";
    ["immutable", "data", "binaryData"].iter().flat_map(|field| forbidden(new, old, field, detail)).collect()
}
