//! Reading one object or many.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::failure::Failure;
use super::request::{Accept, ApiRequest};
use super::resource::Resource;
use super::selector::{Fields, Labels};
use super::state::State;
use super::table;

/// Which objects of a resource are meant.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// All namespaces when empty.
    pub(crate) namespace: String,
    /// All names when empty.
    name: String,
    pub(crate) labels: Labels,
    pub(crate) fields: Fields,
}

impl Selection {
    pub(crate) fn read(request: &ApiRequest, resource: &Resource, namespace: &str) -> Result<Self, Failure> {
        Ok(Self {
            namespace: namespace.to_owned(),
            name: String::new(),
            labels: Labels::parse(request.query("labelSelector").unwrap_or(""))?,
            fields: Fields::parse(request.query("fieldSelector").unwrap_or(""), &selectable(resource))?,
        })
    }

    /// Only the object of that name; all when it is empty.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        if !self.name.is_empty() && object["metadata"]["name"] != self.name.as_str() {
            return false;
        }
        let here = self.namespace.is_empty() || object["metadata"]["namespace"] == self.namespace.as_str();
        here && self.labels.matches(object) && self.fields.matches(object)
    }

    fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

/// Fields by which objects can be selected.
fn selectable(resource: &Resource) -> Vec<String> {
    let more: &[&str] = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "ReplicationController") | ("apps", "ReplicaSet") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        _ => &[],
    };
    let common = if resource.namespaced { &["metadata.name", "metadata.namespace"][..] } else { &["metadata.name"] };
    common.iter().chain(more).map(|field| (*field).to_owned()).collect()
}

/// One object, in the form that is asked for.
pub(crate) fn shown(accept: Accept, resource: &Resource, object: &Value) -> Value {
    match accept {
        Accept::Metadata => metadata_only(object),
        Accept::Table => table::of(resource, std::slice::from_ref(object), object["metadata"].clone()),
        Accept::Object | Accept::AggregatedDiscovery => object.clone(),
    }
}

/// The metadata of an object.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Where the next page starts.
#[derive(Debug)]
struct Position {
    version: u64,
    after: String,
}

impl Position {
    fn write(&self) -> String {
        let text = json!({"v": "meta.k8s.io/v1", "rv": self.version, "start": self.after}).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    fn read(text: &str) -> Option<Self> {
        let position: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        Some(Self { version: position["rv"].as_u64()?, after: position["start"].as_str()?.to_owned() })
    }
}

/// A list, or a page of it, in the form that is asked for.
pub(crate) fn list(
    state: &State,
    request: &ApiRequest,
    resource: &Resource,
    namespace: &str,
) -> Result<Value, Failure> {
    let selection = Selection::read(request, resource, namespace)?;
    let position = request
        .query("continue")
        .map(|text| Position::read(text).ok_or_else(|| Failure::bad_request("invalid continue token")))
        .transpose()?;
    let version = match &position {
        Some(position) => position.version,
        None => at_version(state, request)?,
    };
    let objects = snapshot(state, resource, version)?;
    let after = position.map(|position| position.after);
    let mut matching = objects
        .iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
        .map(|(key, stored)| (key, state.read(resource, stored)))
        .filter(|(_, object)| selection.matches(object));
    let limit = request.number("limit").filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize);
    let mut last = None;
    let mut items = Vec::new();
    for (key, object) in matching.by_ref().take(limit) {
        last = Some(key.clone());
        items.push(object);
    }
    let left = matching.count();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    // Lists of custom resources always have the field.
    if resource.custom.is_some() && request.accept == Accept::Object {
        metadata["continue"] = json!("");
    }
    if let (Some(after), true) = (last, left > 0) {
        metadata["continue"] = json!(Position { version, after }.write());
        if selection.is_everything() {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    Ok(page(request.accept, resource, items, metadata))
}

/// The version to list at: an exact one when asked, else the newest.
fn at_version(state: &State, request: &ApiRequest) -> Result<u64, Failure> {
    let newest = state.store.version();
    match (request.number("resourceVersion"), request.query("resourceVersionMatch")) {
        (Some(version), Some("Exact")) => Ok(version),
        (Some(version), _) if version > newest => {
            let message = format!("Too large resource version: {version}, current: {newest}");
            Err(Failure { code: 504, reason: "Timeout", message, details: Some(json!({"retryAfterSeconds": 1})) })
        }
        _ => Ok(newest),
    }
}

fn snapshot(state: &State, resource: &Resource, version: u64) -> Result<BTreeMap<String, Arc<Value>>, Failure> {
    let collection = State::collection_of(resource);
    if version < state.store.compacted() {
        return Err(Failure::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter.",
        ));
    }
    Ok(state.store.collection_at(&collection, version))
}

/// Items of a list leave out what the list says for them.
pub(crate) fn page(accept: Accept, resource: &Resource, items: Vec<Value>, metadata: Value) -> Value {
    match accept {
        Accept::Table => table::of(resource, &items, metadata),
        Accept::Metadata => {
            let items: Vec<_> = items.iter().map(metadata_only).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
        }
        Accept::Object | Accept::AggregatedDiscovery => {
            let bare = |mut item: Value| {
                if let (None, Some(map)) = (&resource.custom, item.as_object_mut()) {
                    map.remove("kind");
                    map.remove("apiVersion");
                }
                item
            };
            let items: Vec<_> = items.into_iter().map(bare).collect();
            json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items})
        }
    }
}
