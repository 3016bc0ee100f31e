//! Rules of `metadata`.

use serde_json::Value;

use super::names;
use crate::embedded::failure::Cause;
use crate::embedded::resource::Resource;

/// A name may take this much room, and all annotations of an object together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(resource: &Resource, object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or("");
    let mut causes = Vec::new();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        let wrong = name_rule(resource)(name);
        causes.extend(wrong.iter().map(|wrong| Cause::invalid("metadata.name", &metadata["name"], wrong)));
    }
    causes.extend(common(metadata));
    causes
}

fn name_rule(resource: &Resource) -> fn(&str) -> Vec<String> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace" | "Service") => names::label,
        ("rbac.authorization.k8s.io" | "flowcontrol.apiserver.k8s.io", _) => names::path_segment,
        _ => names::subdomain,
    }
}

fn common(metadata: &Value) -> Vec<Cause> {
    let mut causes = names::labels(&metadata["labels"], "metadata.labels");
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        let wrong = names::qualified(&key.to_lowercase());
        causes.extend(
            wrong.iter().map(|wrong| Cause::invalid("metadata.annotations", &Value::from(key.as_str()), wrong)),
        );
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        let detail = format!("may not be more than {MAX_ANNOTATIONS} bytes");
        causes.push(Cause::too_long("metadata.annotations", &detail));
    }
    for (index, finalizer) in metadata["finalizers"].as_array().into_iter().flatten().enumerate() {
        let wrong = names::qualified(finalizer.as_str().unwrap_or(""));
        causes.extend(
            wrong.iter().map(|wrong| Cause::invalid(format!("metadata.finalizers[{index}]"), finalizer, wrong)),
        );
    }
    causes.extend(owners(&metadata["ownerReferences"]));
    causes
}

fn owners(references: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut controllers = 0;
    for (index, owner) in references.as_array().into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or("").is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{field}");
                causes.push(Cause::invalid(path, &owner[field], "must not be empty"));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true.";
        causes.push(Cause::invalid("metadata.ownerReferences", references, detail));
    }
    causes
}

pub(super) fn check_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let mut causes = common(new);
    if !old["deletionTimestamp"].is_null() {
        let before: Vec<_> = old["finalizers"].as_array().into_iter().flatten().collect();
        let added: Vec<_> = new["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finalizer| !before.contains(finalizer))
            .map(Value::to_string)
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            // Real servers say it twice, once for each of two rules.
            let cause = Cause::forbidden("metadata.finalizers", &detail);
            causes.extend([cause.clone(), cause]);
        }
    }
    for field in ["uid", "creationTimestamp"] {
        if new[field] != old[field] {
            causes.push(Cause::invalid(format!("metadata.{field}"), &new[field], "field is immutable"));
        }
    }
    causes
}

/// Keys of config maps and secrets become file names.
pub(super) fn check_data_keys(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for part in ["data", "binaryData"] {
        for key in object[part].as_object().into_iter().flat_map(|map| map.keys()) {
            let fits = !key.is_empty()
                && key.len() <= 253
                && !key.starts_with("..")
                && key != "."
                && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !fits {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                              (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                              '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(format!("{part}[{key}]"), &Value::from(key.as_str()), detail));
            }
        }
    }
    causes
}
