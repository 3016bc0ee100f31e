//! The garbage collector: objects go after their owners.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{delete, objects, write};
use crate::embedded::delete::{FOREGROUND, ORPHAN};
use crate::embedded::resource::Resource;
use crate::embedded::state::State;

/// An object that is there, with how to change it.
type Found = (Arc<Resource>, Arc<Value>);

pub(super) fn collect(state: &mut State) {
    let all = everything(state);
    let owners: BTreeMap<&str, &Arc<Value>> =
        all.iter().filter_map(|(_, object)| Some((object["metadata"]["uid"].as_str()?, object))).collect();
    let mut dependents: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for found in &all {
        for owner in owner_references(&found.1) {
            dependents.entry(owner["uid"].as_str().unwrap_or("")).or_default().push(found);
        }
    }
    for (resource, object) in &all {
        let references = owner_references(object);
        let gone = |owner: &Value| owner["uid"].as_str().is_none_or(|uid| !owners.contains_key(uid));
        let is_orphaned = !references.is_empty() && references.iter().all(gone);
        if is_orphaned && object["metadata"]["deletionTimestamp"].is_null() {
            delete(state, resource, object);
        }
    }
    for (resource, owner) in &all {
        let none = Vec::new();
        let of_owner = dependents.get(owner["metadata"]["uid"].as_str().unwrap_or("")).unwrap_or(&none);
        if has_finalizer(owner, ORPHAN) {
            of_owner.iter().for_each(|(resource, object)| disown(state, resource, object, owner));
            release(state, resource, owner, ORPHAN);
        } else if has_finalizer(owner, FOREGROUND) {
            for (resource, object) in
                of_owner.iter().filter(|(_, object)| object["metadata"]["deletionTimestamp"].is_null())
            {
                delete(state, resource, object);
            }
            if of_owner.is_empty() {
                release(state, resource, owner, FOREGROUND);
            }
        }
    }
}

fn everything(state: &State) -> Vec<Found> {
    let resources = state.resources().filter(|resource| state.storage_version(resource) == resource.api_version());
    resources
        .flat_map(|resource| {
            objects(state, &State::collection_of(resource)).into_iter().map(|object| (resource.clone(), object))
        })
        .collect()
}

fn owner_references(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map_or(&[], Vec::as_slice)
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    let deleted = !object["metadata"]["deletionTimestamp"].is_null();
    deleted && object["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|found| found == finalizer))
}

fn change(state: &mut State, resource: &Arc<Resource>, object: &Arc<Value>, new: &Value) {
    // Both were read under the same lock, so this cannot conflict.
    let _ = write(state, resource, object).change(object, new);
}

fn disown(state: &mut State, resource: &Arc<Resource>, object: &Arc<Value>, owner: &Value) {
    let mut new = (**object).clone();
    let kept: Vec<_> =
        owner_references(object).iter().filter(|found| found["uid"] != owner["metadata"]["uid"]).cloned().collect();
    new["metadata"]["ownerReferences"] = json!(kept);
    change(state, resource, object, &new);
}

fn release(state: &mut State, resource: &Arc<Resource>, owner: &Arc<Value>, finalizer: &str) {
    let mut new = (**owner).clone();
    if let Some(finalizers) = new["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|found| found != finalizer);
    }
    change(state, resource, owner, &new);
}
