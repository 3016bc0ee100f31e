//! The four kinds of patches.

use serde_json::{Value, json};

use crate::structured_merge::{
    ApplyError, ApplyRequest, Conflict, FieldSet, ManagedFields, Manager, fields_of_last_applied, validate,
};

use super::failure::{Cause, Failure};
use super::normalise::shorten_numbers;
use super::request::ApiRequest;
use super::strategic;
use super::write::{Write, without_managed};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

impl Write<'_> {
    /// Patches an object. The answer says whether it was created.
    pub(crate) fn patch(&mut self, request: &ApiRequest) -> Result<(Value, bool), Failure> {
        match request.content_type.as_str() {
            APPLY_PATCH => self.apply(request),
            STRATEGIC_MERGE_PATCH if self.resource.custom.is_some() => Err(Failure::unsupported_media_type(
                &format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     {JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}"
                ),
                None,
            )),
            JSON_PATCH | MERGE_PATCH | STRATEGIC_MERGE_PATCH => {
                let stored = self.stored().ok_or_else(|| Failure::not_found(&self.resource, &self.name))?;
                let live = self.state.read(&self.resource, &stored);
                let patched = self.patched(request, &live)?;
                Ok((self.change(&stored, &patched)?, false))
            }
            _ => Err(Failure::unsupported_media_type("415: Unsupported Media Type", Some(json!({})))),
        }
    }

    /// `live` with the patch of the request, not yet brought into form.
    pub(crate) fn patched(&self, request: &ApiRequest, live: &Value) -> Result<Value, Failure> {
        let patch: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        match request.content_type.as_str() {
            MERGE_PATCH => Ok(strategic::merge_patch(live, &patch)),
            STRATEGIC_MERGE_PATCH => strategic::apply(&self.resource.ty, live, &patch),
            _ => {
                let patch: json_patch::Patch = serde_json::from_value(patch)
                    .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
                let mut patched = live.clone();
                json_patch::patch(&mut patched, &patch).map_err(|_| Failure::unprocessable())?;
                Ok(patched)
            }
        }
    }

    /// Server-side apply.
    fn apply(&mut self, request: &ApiRequest) -> Result<(Value, bool), Failure> {
        if request.query("fieldManager").is_none() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", vec![cause]));
        }
        let config = self.config(request)?;
        let stored = self.stored();
        let live = match &stored {
            Some(stored) => self.state.read(&self.resource, stored),
            None => self.empty(),
        };
        let (merged, managed) = self.merge(&live, &config, request.flag("force"))?;
        let mut new = match merged {
            Some(mut merged) => {
                self.complete(&mut merged)?;
                if self.manager == "kubectl" {
                    follow_last_applied(&mut merged, &config);
                }
                merged
            }
            None => live.clone(),
        };
        managed.write(&mut new);
        match &stored {
            Some(stored) => Ok((self.update(stored, &live, new)?, false)),
            None => {
                new["metadata"]["name"] = json!(self.name);
                Ok((self.insert(new)?, true))
            }
        }
    }

    /// What is applied: of the right kind, with the right name, fitting its type.
    fn config(&self, request: &ApiRequest) -> Result<Value, Failure> {
        let mut config = request.yaml()?;
        shorten_numbers(&mut config);
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let (api_version, kind) = (text(&config["apiVersion"]), text(&config["kind"]));
        let described = {
            let (group, version) = super::resource::split_api_version(&api_version);
            format!("{group}/{version}, Kind={kind}")
        };
        if api_version != self.resource.api_version() || kind != self.resource.kind {
            return Err(Failure::bad_request(format!("invalid object type: {described}")));
        }
        self.check_identity(&config)?;
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let wrong: Vec<_> = validate(&self.resource.ty, &config, false).iter().map(ToString::to_string).collect();
        let wrong = match wrong.as_slice() {
            [] => return Ok(config),
            [single] => single.clone(),
            many => format!("errors:\n  {}", many.join("\n  ")),
        };
        let (namespace, name) = (text(&config["metadata"]["namespace"]), text(&config["metadata"]["name"]));
        Err(Failure::internal(format!(
            "failed to create typed patch object ({namespace}/{name}; {described}): {wrong}"
        )))
    }

    fn merge(&self, live: &Value, config: &Value, force: bool) -> Result<(Option<Value>, ManagedFields), Failure> {
        let mut managed = ManagedFields::read(live)
            .map_err(|error| Failure::internal(format!("failed to decode managed fields: {error}")))?;
        let versions = self.state.versions_of(&self.resource, &self.subresource);
        let manager = Manager::applier(self.manager.clone(), self.subresource.clone());
        let (live, api_version) = (without_managed(live), self.resource.api_version());
        let mut request =
            ApplyRequest { live: &live, config, manager: &manager, api_version: &api_version, force, now: &self.now };
        let mut result = managed.apply(&request, &versions);
        // kubectl may take over what its client-side apply set.
        if let (Err(ApplyError::Conflicts { conflicts }), "kubectl") = (&result, self.manager.as_str())
            && let Some(own) = fields_of_last_applied(&self.resource.ty, &live)
        {
            let left = not_in(conflicts, &own);
            if left.is_empty() {
                request.force = true;
                result = managed.apply(&request, &versions);
            } else {
                result = Err(ApplyError::Conflicts { conflicts: left });
            }
        }
        match result {
            Ok(merged) => Ok((merged, managed)),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Reads the replicas through the scale subresource.
    pub(crate) fn scale(&self, live: &Value) -> Result<Value, Failure> {
        let paths = self.scale_paths();
        let at = |path: &str| path.split('.').filter(|step| !step.is_empty()).fold(live, |value, step| &value[step]);
        let metadata = &live["metadata"];
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
                         "resourceVersion": metadata["resourceVersion"],
                         "creationTimestamp": metadata["creationTimestamp"]},
            "spec": {}, "status": {"replicas": at(&paths.status).as_i64().unwrap_or(0)},
        });
        if let Some(replicas) = at(&paths.spec).as_i64().filter(|replicas| *replicas != 0) {
            scale["spec"]["replicas"] = json!(replicas);
        }
        let selector = paths.selector.as_deref().map(|path| selector_text(at(path))).unwrap_or_default();
        if !selector.is_empty() {
            scale["status"]["selector"] = json!(selector);
        }
        Ok(scale)
    }

    /// Changes the replicas through the scale subresource.
    pub(crate) fn change_scale(&mut self, request: &ApiRequest) -> Result<Value, Failure> {
        let stored = self.stored().ok_or_else(|| Failure::not_found(&self.resource, &self.name))?;
        let live = self.state.read(&self.resource, &stored);
        let scale = self.scale(&live)?;
        let scale = match request.content_type.as_str() {
            JSON_PATCH | MERGE_PATCH | STRATEGIC_MERGE_PATCH if request.method == http::Method::PATCH => {
                self.patched(request, &scale)?
            }
            APPLY_PATCH => request.yaml()?,
            _ => request.object("Scale")?,
        };
        let path = self.scale_paths().spec;
        let mut new = live.clone();
        let steps: Vec<_> = path.split('.').filter(|step| !step.is_empty()).collect();
        *steps.iter().fold(&mut new, |value, step| &mut value[*step]) =
            json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
        let version = scale["metadata"]["resourceVersion"].clone();
        if version.is_string() {
            new["metadata"]["resourceVersion"] = version;
        }
        let changed = self.change(&stored, &new)?;
        self.scale(&changed)
    }

    fn scale_paths(&self) -> ScalePaths {
        let custom = self.resource.custom.as_ref().and_then(|custom| custom.scale.as_ref());
        let path = |name: &str| custom.and_then(|scale| scale[name].as_str()).map(str::to_owned);
        ScalePaths {
            spec: path("specReplicasPath").unwrap_or_else(|| ".spec.replicas".into()),
            status: path("statusReplicasPath").unwrap_or_else(|| ".status.replicas".into()),
            selector: if custom.is_some() { path("labelSelectorPath") } else { Some(".spec.selector".into()) },
        }
    }
}

struct ScalePaths {
    spec: String,
    status: String,
    selector: Option<String>,
}

/// A selector as the query parameter writes it.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object();
    let labels = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    labels.collect::<Vec<_>>().join(",")
}

fn not_in(conflicts: &[Conflict], own: &FieldSet) -> Vec<Conflict> {
    conflicts.iter().filter(|conflict| !own.contains(&conflict.path.0)).cloned().collect()
}

fn refusal(error: &ApplyError) -> Failure {
    match error {
        ApplyError::Conflicts { conflicts } => {
            let cause = |conflict: &Conflict| Cause {
                field: conflict.path.to_string(),
                reason: "FieldManagerConflict",
                message: format!("conflict with {}", conflict.manager),
            };
            Failure::apply_conflict(error.to_string(), conflicts.iter().map(cause).collect())
        }
        ApplyError::Merge { source } => Failure::internal(format!("failed to merge config: {source}")),
        other => Failure::internal(other.to_string()),
    }
}

/// The annotation of client-side apply follows kubectl's server-side apply, where it is.
fn follow_last_applied(merged: &mut Value, config: &Value) {
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let Some(annotation) = merged["metadata"]["annotations"].get(LAST_APPLIED) else { return };
    if annotation.as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    merged["metadata"]["annotations"][LAST_APPLIED] = json!(format!("{config}\n"));
}
