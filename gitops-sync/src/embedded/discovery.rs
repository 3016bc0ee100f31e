//! What the server says of itself: its version, groups, resources and schemas.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::resource::{CUSTOM_VERBS, Resource, api_version};
use super::state::State;

const CHANGE_VERBS: &[&str] = &["get", "patch", "update"];

/// `/version`.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "", "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none: an embedded API server", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
    })
}

/// `/api`.
pub(crate) fn core_versions(host: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
           "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]})
}

/// Groups with their versions, in the order they are served.
fn groups(state: &State) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in state.resources() {
        match groups.iter_mut().find(|(group, _)| *group == resource.group) {
            Some((_, versions)) if versions.contains(&resource.version.as_str()) => {}
            Some((_, versions)) => versions.push(&resource.version),
            None => groups.push((&resource.group, vec![&resource.version])),
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": api_version(name, version), "version": version});
    let versions: Vec<_> = versions.iter().map(version).collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

/// `/apis`.
pub(crate) fn group_list(state: &State) -> Value {
    let groups: Vec<_> = groups(state)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group(name, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(crate) fn one_group(state: &State, name: &str) -> Option<Value> {
    let groups = groups(state);
    let (name, versions) = groups.iter().find(|(found, _)| *found == name)?;
    let mut group = group(name, versions);
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Some(group)
}

/// `/apis/GROUP/VERSION` and `/api/v1`.
pub(crate) fn resource_list(state: &State, group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for resource in state.resources().filter(|found| found.group == group && found.version == version) {
        resources.push(api_resource(resource));
        resources.extend(resource.subresources.iter().map(|name| api_subresource(resource, name)));
    }
    let mut list =
        json!({"kind": "APIResourceList", "groupVersion": api_version(group, version), "resources": resources});
    if !group.is_empty() {
        list["apiVersion"] = json!("v1");
    }
    list
}

fn api_resource(resource: &Resource) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), json!(resource.plural));
    entry.insert("singularName".into(), json!(resource.singular));
    entry.insert("namespaced".into(), json!(resource.namespaced));
    entry.insert("kind".into(), json!(resource.kind));
    entry.insert("verbs".into(), json!(resource.verbs));
    if !resource.short_names.is_empty() {
        entry.insert("shortNames".into(), json!(resource.short_names));
    }
    if !resource.categories.is_empty() {
        entry.insert("categories".into(), json!(resource.categories));
    }
    if resource.verbs.contains(&"list") {
        entry.insert("storageVersionHash".into(), json!(storage_version_hash(resource)));
    }
    Value::Object(entry)
}

/// Changes when objects are stored at another version, as real servers compute it.
fn storage_version_hash(resource: &Resource) -> String {
    let version = if resource.kind == "HorizontalPodAutoscaler" { "v2" } else { &resource.version };
    let (group, _) = resource.storage();
    let version = if (group, resource.kind.as_str()) == ("networking.k8s.io", "Ingress") { "v1" } else { version };
    let text = format!("{group}/{version}/{}", resource.kind);
    let digest = Sha256::digest(text.as_bytes());
    STANDARD.encode(&digest[..8])
}

/// The kind a subresource speaks, where it is another.
fn foreign_kind(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    match name {
        "scale" => Some(("autoscaling", "v1", "Scale")),
        "eviction" => Some(("policy", "v1", "Eviction")),
        _ => None,
    }
}

fn subresource_verbs(name: &str) -> &'static [&'static str] {
    match name {
        "eviction" => &["create"],
        "finalize" => &["update"],
        _ => CHANGE_VERBS,
    }
}

fn api_subresource(resource: &Resource, name: &str) -> Value {
    let mut entry = json!({
        "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": subresource_verbs(name),
    });
    if let Some((group, version, kind)) = foreign_kind(name) {
        entry["group"] = json!(group);
        entry["version"] = json!(version);
        entry["kind"] = json!(kind);
    }
    entry
}

/// `/api` and `/apis` with all resources in one document.
pub(crate) fn aggregated(state: &State, core: bool) -> Value {
    let items: Vec<_> = groups(state)
        .iter()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, versions)| {
            let versions: Vec<_> = versions.iter().map(|version| aggregated_version(state, name, version)).collect();
            json!({"metadata": {"name": name}, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_version(state: &State, group: &str, version: &str) -> Value {
    let resources: Vec<_> = state
        .resources()
        .filter(|found| found.group == group && found.version == version)
        .map(aggregated_resource)
        .collect();
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn aggregated_resource(resource: &Arc<Resource>) -> Value {
    let own_kind = match resource.custom {
        Some(_) => json!({"group": resource.group, "version": resource.version, "kind": resource.kind}),
        // Built-in groups leave their own group and version out.
        None => json!({"group": "", "version": "", "kind": resource.kind}),
    };
    let mut entry = json!({
        "resource": resource.plural, "responseKind": own_kind,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular, "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let subresource = |name: &String| {
        let kind = foreign_kind(name).map_or_else(
            || own_kind.clone(),
            |(group, version, kind)| json!({"group": group, "version": version, "kind": kind}),
        );
        json!({"subresource": name, "responseKind": kind, "verbs": subresource_verbs(name)})
    };
    if !resource.subresources.is_empty() {
        entry["subresources"] = resource.subresources.iter().map(subresource).collect();
    }
    debug_assert!(resource.custom.is_none() || resource.verbs == CUSTOM_VERBS);
    entry
}
