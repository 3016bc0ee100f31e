//! What an API server does by itself: serving what definitions say, and cleaning up after them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::structured_merge::{ManagedFields, Manager};

use super::custom;
use super::delete::DeleteOptions;
use super::prepare;
use super::resource::Resource;
use super::state::{State, collection, now};
use super::store::key;
use super::write::{Write, without_managed};

const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Brings the server in line with its definitions after a request to `resource`.
pub(crate) fn settle(state: &mut State, resource: &Resource) {
    if resource.custom.is_none() && resource.kind != "CustomResourceDefinition" {
        return;
    }
    let definitions = collection("apiextensions.k8s.io", "customresourcedefinitions");
    let all: Vec<Arc<Value>> = state.store.collection(&definitions).map(|(_, object)| object.clone()).collect();
    for definition in &all {
        if !definition["metadata"]["deletionTimestamp"].is_null() {
            clean_up(state, definition);
        } else if !custom::has_condition(definition, "Established") || names_changed(definition) {
            establish(state, definition);
        }
    }
    state.load_definitions();
}

fn names_changed(definition: &Value) -> bool {
    definition["status"]["acceptedNames"] != definition["spec"]["names"]
}

fn definition_resource(state: &State) -> Option<Arc<Resource>> {
    state.resource("apiextensions.k8s.io", "v1", "customresourcedefinitions").cloned()
}

/// Accepts the names of a definition and serves it.
fn establish(state: &mut State, definition: &Arc<Value>) {
    let Some(resource) = definition_resource(state) else { return };
    let mut new = (**definition).clone();
    let now = now();
    new["status"] = custom::established(definition, &now);
    let mut managed = ManagedFields::read(definition).unwrap_or_default();
    let manager = Manager::updater("kube-apiserver", resource.api_version(), "status");
    let versions = state.versions_of(&resource, "status");
    managed.update(&without_managed(definition), &without_managed(&new), &manager, &now, &versions);
    managed.write(&mut new);
    let name = definition["metadata"]["name"].as_str().unwrap_or("");
    state.store.put(&State::collection_of(&resource), key("", name), new);
}

/// Deletes the custom resources of a definition that is going, then lets it go.
fn clean_up(state: &mut State, definition: &Arc<Value>) {
    for resource in custom::resources(definition) {
        let found: Vec<_> =
            state.store.collection(&State::collection_of(&resource)).map(|(key, _)| key.clone()).collect();
        for key in found {
            let (namespace, name) = key.split_once('/').unwrap_or(("", &key));
            let mut write = Write::new(state, resource.clone(), namespace, name, "kube-apiserver");
            // It was found just now; what holds it is waited for.
            let _ = write.delete(&DeleteOptions::default());
        }
    }
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let objects = collection(&text(&spec["group"]), &text(&spec["names"]["plural"]));
    if state.store.collection(&objects).next().is_some() {
        return;
    }
    let Some(resource) = definition_resource(state) else { return };
    let mut new = (**definition).clone();
    let mut finalizers = new["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != CLEANUP);
    new["metadata"]["finalizers"] = json!(finalizers);
    let key = key("", &text(&definition["metadata"]["name"]));
    if prepare::is_released(&new) {
        state.store.delete(&State::collection_of(&resource), &key);
    } else if new != **definition {
        state.store.put(&State::collection_of(&resource), key, new);
    }
}
