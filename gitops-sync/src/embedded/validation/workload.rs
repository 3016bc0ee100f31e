//! Rules of pods and of what makes them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{at, names};
use crate::embedded::failure::Cause;
use crate::embedded::selector;

const RESTARTS: &[&str] = &["Always"];

/// Deployments and their like: a selector that fits the template.
pub(super) fn check(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    let replicas = spec["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        causes.push(Cause::invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0"));
    }
    let selector = &spec["selector"];
    let empty =
        selector.as_object().is_some_and(|map| map.values().all(|v| v.as_object().is_none_or(|m| m.is_empty())));
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if empty && selector["matchExpressions"].as_array().is_none_or(Vec::is_empty) {
        let kind = object["kind"].as_str().unwrap_or("").to_lowercase();
        causes.push(Cause::invalid("spec.selector", selector, &format!("empty selector is invalid for {kind}")));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !selector::matches_label_selector(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
    }
    causes.extend(check_template(&spec["template"], "spec.template", RESTARTS));
    causes
}

pub(super) fn check_template(template: &Value, path: &str, restarts: &[&str]) -> Vec<Cause> {
    let mut causes = names::labels(&template["metadata"]["labels"], &format!("{path}.metadata.labels"));
    causes.extend(check_pod_spec(&template["spec"], &format!("{path}.spec")));
    let restart = &template["spec"]["restartPolicy"];
    if restart.as_str().is_some_and(|policy| !restarts.contains(&policy)) {
        let supported: Vec<_> = restarts.iter().map(|policy| (*policy).to_owned()).collect();
        causes.push(Cause::unsupported(format!("{path}.spec.restartPolicy"), restart, &supported));
    }
    causes
}

pub(super) fn check_cron_job(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    if spec["schedule"].as_str().unwrap_or("").is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    }
    let template = &spec["jobTemplate"]["spec"]["template"];
    causes.extend(check_template(template, "spec.jobTemplate.spec.template", super::JOB_RESTARTS));
    causes
}

pub(super) fn check_pod_spec(spec: &Value, path: &str) -> Vec<Cause> {
    let volumes: BTreeSet<_> =
        spec["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str()).collect();
    let mut causes = Vec::new();
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let at = format!("{path}.{list}[{index}]");
            causes.extend(check_container(container, &at, &volumes));
            let name = container["name"].as_str().unwrap_or("");
            if !name.is_empty() && !seen.insert(name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &container["name"]));
            }
        }
    }
    causes
}

fn check_container(container: &Value, path: &str, volumes: &BTreeSet<&str>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = container["name"].as_str().unwrap_or("");
    if name.is_empty() {
        causes.push(Cause::required(format!("{path}.name"), ""));
    } else {
        let wrong = names::label(name);
        causes.extend(wrong.iter().map(|wrong| Cause::invalid(format!("{path}.name"), &container["name"], wrong)));
    }
    if container["image"].as_str().unwrap_or("").is_empty() {
        causes.push(Cause::required(format!("{path}.image"), ""));
    }
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        let number = port["containerPort"].as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let path = format!("{path}.ports[{index}].containerPort");
            causes.push(Cause::invalid(path, &port["containerPort"], "must be between 1 and 65535, inclusive"));
        }
    }
    for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
        if variable["name"].as_str().unwrap_or("").is_empty() {
            causes.push(Cause::required(format!("{path}.env[{index}].name"), ""));
        }
    }
    for (index, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
        let name = mount["name"].as_str().unwrap_or("");
        if !volumes.contains(name) {
            causes.push(Cause {
                field: format!("{path}.volumeMounts[{index}].name"),
                reason: "FieldValueNotFound",
                message: format!("Not found: {name:?}"),
            });
        }
    }
    causes
}

/// Of a running pod little more than its images may change.
pub(super) fn check_pod_update(new: &Value, old: &Value) -> Vec<Cause> {
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container["image"] = json!("");
            }
        }
        for free in
            ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates", "nodeName"]
        {
            spec[free] = Value::Null;
        }
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    let detail = "pod updates may not change fields other than `spec.containers[*].image`,\
                  `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                  existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                  previously negative)";
    vec![Cause::forbidden("spec", detail)]
}

pub(super) fn check_stateful_set_update(new: &Value, old: &Value) -> Vec<Cause> {
    const FREE: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Value| {
        let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
        spec.retain(|field, _| !FREE.contains(&field.as_str()));
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                  'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                  'minReadySeconds' are forbidden";
    vec![Cause::forbidden("spec", detail)]
}

pub(super) fn check_claim_update(new: &Value, old: &Value) -> Vec<Cause> {
    let fixed = |object: &Value| {
        let mut spec = at(object, "spec").clone();
        for free in ["resources", "volumeAttributesClassName", "volumeName"] {
            spec[free] = Value::Null;
        }
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    let detail =
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    vec![Cause::forbidden("spec", detail)]
}
