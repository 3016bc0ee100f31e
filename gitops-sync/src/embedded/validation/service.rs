//! Rules of services.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::embedded::failure::Cause;

pub(super) fn check(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    let external = spec["type"] == "ExternalName";
    let headless = spec["clusterIP"] == "None";
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && !external && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = port["name"].as_str().unwrap_or("");
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{path}.name"), ""));
        } else if !name.is_empty() && !names.insert(name) {
            causes.push(Cause::duplicate(format!("{path}.name"), &port["name"]));
        }
        let number = port["port"].as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("{path}.port"), &port["port"], detail));
        }
        if !numbers.insert((number, port["protocol"].as_str().unwrap_or("TCP"))) {
            causes.push(Cause::duplicate(path, port));
        }
    }
    if external && spec["externalName"].as_str().unwrap_or("").is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    }
    causes
}

pub(super) fn check_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (after, before) = (&new["spec"]["clusterIPs"], &old["spec"]["clusterIPs"]);
    let released = new["spec"]["type"] == "ExternalName" || old["spec"]["type"] == "ExternalName";
    if before.as_array().is_none_or(Vec::is_empty) || released || after.get(0) == before.get(0) {
        return Vec::new();
    }
    vec![Cause::invalid("spec.clusterIPs[0]", after, "may not change once set")]
}
