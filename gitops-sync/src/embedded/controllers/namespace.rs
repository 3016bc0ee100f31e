//! Namespaces that go take their contents with them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{delete, objects, write};
use crate::embedded::resource::Resource;
use crate::embedded::state::{State, collection};

pub(super) fn empty(state: &mut State) {
    let Some(namespaces) = state.resource("", "v1", "namespaces").cloned() else { return };
    for namespace in objects(state, &collection("", "namespaces")) {
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let contents = contents(state, &namespace["metadata"]["name"]);
        if contents.is_empty() {
            finalize(state, &namespaces, &namespace);
        }
        for (resource, object) in &contents {
            if object["metadata"]["deletionTimestamp"].is_null() {
                delete(state, resource, object);
            }
        }
    }
}

fn contents(state: &State, namespace: &Value) -> Vec<(Arc<Resource>, Arc<Value>)> {
    let resources = state
        .resources()
        .filter(|resource| resource.namespaced && state.storage_version(resource) == resource.api_version());
    resources
        .flat_map(|resource| {
            objects(state, &State::collection_of(resource)).into_iter().map(|object| (resource.clone(), object))
        })
        .filter(|(_, object)| object["metadata"]["namespace"] == *namespace)
        .collect()
}

fn finalize(state: &mut State, resource: &Arc<Resource>, namespace: &Arc<Value>) {
    let mut new = (**namespace).clone();
    new["spec"]["finalizers"] = json!([]);
    // It was read under the same lock; what else holds it is waited for.
    let _ = write(state, resource, namespace).update(namespace, &namespace.clone(), new);
}
