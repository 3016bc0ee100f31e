//! Deleting objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conversion::convert;
use super::failure::Failure;
use super::prepare;
use super::request::ApiRequest;
use super::state::State;
use super::store::key;
use super::write::Write;

pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";

/// Namespaces that stay.
const IMMORTAL: &[&str] = &["default", "kube-public", "kube-system"];

/// How to delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    uid: Option<String>,
    version: Option<String>,
    propagation: Option<String>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// From the body and the query.
    pub(crate) fn read(request: &ApiRequest) -> Result<Self, Failure> {
        let body = if request.body.is_empty() { json!({}) } else { request.object("DeleteOptions")? };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let legacy_orphan = |value: Option<bool>| value.map(|orphan| if orphan { "Orphan" } else { "Background" });
        let orphan =
            body["orphanDependents"].as_bool().or(request.query("orphanDependents").map(|text| text == "true"));
        let in_body = body["dryRun"].as_array().is_some_and(|all| all.iter().any(|value| value == "All"));
        Ok(Self {
            uid: text(&body["preconditions"]["uid"]),
            version: text(&body["preconditions"]["resourceVersion"]),
            propagation: text(&body["propagationPolicy"])
                .or_else(|| request.query("propagationPolicy").map(str::to_owned))
                .or_else(|| legacy_orphan(orphan).map(str::to_owned)),
            dry_run: request.dry_run()? || in_body,
        })
    }
}

impl Write<'_> {
    /// Deletes the object, or marks it while something holds it.
    pub(crate) fn delete(&mut self, options: &DeleteOptions) -> Result<Value, Failure> {
        self.dry_run = options.dry_run;
        let stored = self.stored().ok_or_else(|| Failure::not_found(&self.resource, &self.name))?;
        self.check_delete(options, &stored)?;
        if self.resource.group.is_empty() && self.resource.kind == "Namespace" {
            return self.terminate_namespace(&stored);
        }
        let mut marked = (*stored).clone();
        hold(&mut marked, options.propagation.as_deref());
        let is_definition = self.resource.kind == "CustomResourceDefinition";
        if is_definition {
            return self.terminate_definition(&stored);
        }
        if marked["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty()) {
            return self.mark(&stored, marked);
        }
        let grace = grace_period(&stored);
        if grace > 0 {
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            return self.mark(&stored, marked);
        }
        self.remove();
        Ok(self.deleted(&stored))
    }

    fn check_delete(&self, options: &DeleteOptions, stored: &Value) -> Result<(), Failure> {
        let metadata = &stored["metadata"];
        let differs = |wanted: &Option<String>, field: &str| {
            wanted.as_deref().filter(|wanted| metadata[field] != *wanted).map(str::to_owned)
        };
        if let Some(wanted) = differs(&options.uid, "uid") {
            let found = metadata["uid"].as_str().unwrap_or("");
            let detail = format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({found}). \
                 The object might have been deleted and then recreated"
            );
            return Err(Failure::precondition(&self.resource, &self.name, &detail));
        }
        if let Some(wanted) = differs(&options.version, "resourceVersion") {
            let found = metadata["resourceVersion"].as_str().unwrap_or("");
            let detail = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
                 ({found}). The object might have been modified"
            );
            return Err(Failure::precondition(&self.resource, &self.name, &detail));
        }
        let is_namespace = self.resource.group.is_empty() && self.resource.kind == "Namespace";
        if is_namespace && IMMORTAL.contains(&self.name.as_str()) {
            return Err(Failure::forbidden(&self.resource, &self.name, "this namespace may not be deleted", &[]));
        }
        Ok(())
    }

    /// Stores the mark, if it is new, and answers with the marked object.
    fn mark(&mut self, stored: &Arc<Value>, mut marked: Value) -> Result<Value, Failure> {
        if marked["metadata"]["deletionTimestamp"].is_null() {
            marked["metadata"]["deletionTimestamp"] = json!(self.now);
            if marked["metadata"]["deletionGracePeriodSeconds"].is_null() {
                marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            }
            if let Some(generation) = marked["metadata"]["generation"].as_i64() {
                marked["metadata"]["generation"] = json!(generation + 1);
            }
        }
        self.put_marked(stored, marked)
    }

    fn put_marked(&mut self, stored: &Arc<Value>, marked: Value) -> Result<Value, Failure> {
        if marked == **stored || self.dry_run {
            return Ok(self.state.read(&self.resource, &marked));
        }
        let key = key(&self.namespace, &self.name);
        let stored = self.state.store.put(&State::collection_of(&self.resource), key, marked);
        Ok(self.state.read(&self.resource, &stored))
    }

    /// A namespace goes when its contents have gone.
    fn terminate_namespace(&mut self, stored: &Arc<Value>) -> Result<Value, Failure> {
        let mut marked = (**stored).clone();
        if marked["metadata"]["deletionTimestamp"].is_null() {
            marked["metadata"]["deletionTimestamp"] = json!(self.now);
            marked["status"]["phase"] = json!("Terminating");
        }
        if prepare::is_released(&marked) {
            self.remove();
            return Ok(self.state.read(&self.resource, &marked));
        }
        self.put_marked(stored, marked)
    }

    /// A definition goes when its custom resources have gone.
    fn terminate_definition(&mut self, stored: &Arc<Value>) -> Result<Value, Failure> {
        const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
        let mut marked = (**stored).clone();
        if marked["metadata"]["deletionTimestamp"].is_null() {
            marked["metadata"]["deletionTimestamp"] = json!(self.now);
            let mut finalizers = marked["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(json!(CLEANUP));
            marked["metadata"]["finalizers"] = Value::Array(finalizers);
            let mut conditions = marked["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.push(json!({
                "type": "Terminating", "status": "True", "lastTransitionTime": self.now,
                "reason": "InstanceDeletionPending",
                "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            }));
            marked["status"]["conditions"] = Value::Array(conditions);
        }
        self.put_marked(stored, marked)
    }

    fn remove(&mut self) {
        if !self.dry_run {
            let key = key(&self.namespace, &self.name);
            self.state.store.delete(&State::collection_of(&self.resource), &key);
        }
    }

    /// The answer to a deletion: for some kinds the object, else a status.
    fn deleted(&self, stored: &Value) -> Value {
        const RETURNED: &[&str] = &[
            "Pod",
            "PodTemplate",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ResourceQuota",
            "Service",
            "ServiceAccount",
        ];
        let resource = &self.resource;
        if resource.group.is_empty() && RETURNED.contains(&resource.kind.as_str()) {
            return convert(stored, &resource.api_version());
        }
        let mut details = json!({"name": self.name, "kind": resource.plural, "uid": stored["metadata"]["uid"]});
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
    }
}

/// Propagation is told to the garbage collector by finalizers.
fn hold(object: &mut Value, propagation: Option<&str>) {
    let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let wanted = match propagation {
        Some("Foreground") => Some(FOREGROUND),
        Some("Orphan") => Some(ORPHAN),
        Some(_) => None,
        None => return,
    };
    finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    finalizers.extend(wanted.map(|wanted| json!(wanted)));
    if finalizers.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("finalizers");
        }
    } else {
        object["metadata"]["finalizers"] = Value::Array(finalizers);
    }
}

/// Only pods that run somewhere are given time to end.
fn grace_period(object: &Value) -> i64 {
    let spec = &object["spec"];
    let runs = object["kind"] == "Pod" && object["apiVersion"] == "v1" && spec["nodeName"].is_string();
    let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if runs && !finished { spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30) } else { 0 }
}
