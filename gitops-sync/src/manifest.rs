use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::id::{ResourceId, split_api_version};

/// What one resource should look like: a JSON object with `apiVersion`,
/// `kind` and `metadata.name`, and where it was written.
///
/// ```
/// use gitops_sync::Manifest;
///
/// let manifest = Manifest::new(serde_json::json!({
///     "apiVersion": "v1", "kind": "ConfigMap",
///     "metadata": {"name": "settings", "namespace": "airflow"},
///     "data": {"mode": "fast"},
/// }))?;
/// assert_eq!(manifest.id().to_string(), "ConfigMap airflow/settings");
/// # Ok::<(), gitops_sync::ManifestError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    value: Value,
    id: ResourceId,
    version: String,
    origin: Option<String>,
}

/// Why a value is not a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A field that every manifest needs is missing or is not a string.
    #[error("{}the manifest has no {field}", at(.origin))]
    Missing {
        /// The field, such as `metadata.name`.
        field: &'static str,
        /// Where the manifest was written, when known.
        origin: Option<String>,
    },
    /// The value is not an object.
    #[error("{}the manifest is not an object", at(.origin))]
    NotAnObject {
        /// Where the manifest was written, when known.
        origin: Option<String>,
    },
    /// The text is not YAML or JSON.
    #[error("{}cannot parse the manifest", at(.origin))]
    Parse {
        /// Where the manifest was written, when known.
        origin: Option<String>,
        /// What the parser says.
        source: serde_yaml::Error,
    },
}

fn at(origin: &Option<String>) -> String {
    origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default()
}

impl Manifest {
    /// Checks that `value` names a resource, and takes it as it is.
    ///
    /// # Errors
    ///
    /// If it is not an object, or has no `apiVersion`, `kind` or
    /// `metadata.name`. Nothing else is checked: the API server does that.
    pub fn new(value: Value) -> Result<Self, ManifestError> {
        Self::parse(value, None)
    }

    /// Reads every document of a YAML (or JSON) stream; empty documents are
    /// skipped and a `List` is replaced by its items.
    ///
    /// `origin` is used in messages, for instance the path of the file.
    ///
    /// # Errors
    ///
    /// If the text does not parse, or a document is not a manifest.
    pub fn from_yaml(text: &str, origin: Option<&str>) -> Result<Vec<Self>, ManifestError> {
        let mut manifests = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = Value::deserialize(document)
                .map_err(|source| ManifestError::Parse { origin: origin.map(str::to_owned), source })?;
            if !value.is_null() {
                expand(value, origin, &mut manifests)?;
            }
        }
        Ok(manifests)
    }

    /// Says where the manifest was written, such as `deployment.yml:12`.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    fn parse(mut value: Value, origin: Option<&str>) -> Result<Self, ManifestError> {
        let origin = origin.map(str::to_owned);
        name_hook(&mut value);
        if !value.is_object() {
            return Err(ManifestError::NotAnObject { origin });
        }
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let need =
            |pointer, field| text(pointer).ok_or_else(|| ManifestError::Missing { field, origin: origin.clone() });
        let (group, version) = split_api_version(need("/apiVersion", "apiVersion")?);
        let id = ResourceId {
            group: group.to_owned(),
            kind: need("/kind", "kind")?.to_owned(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: need("/metadata/name", "metadata.name")?.to_owned(),
        };
        let version = version.to_owned();
        Ok(Self { value, id, version, origin })
    }

    /// Which resource it describes.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    /// The version of its API, such as `v1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The `apiVersion`, such as `apps/v1`.
    pub fn api_version(&self) -> &str {
        self.value["apiVersion"].as_str().unwrap_or_default()
    }

    /// The manifest as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Where it was written, such as `deployment.yml:12`.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        annotation(&self.value, key)
    }

    /// The manifest as JSON, giving up the rest.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Moves it to `namespace`; `None` for a cluster-scoped kind.
    pub(crate) fn set_namespace(&mut self, namespace: Option<&str>) {
        self.id.namespace = namespace.map(str::to_owned);
        let metadata = self.metadata_mut();
        match namespace {
            Some(namespace) => metadata.insert("namespace".to_owned(), namespace.into()),
            None => metadata.remove("namespace"),
        };
    }

    pub(crate) fn set_label(&mut self, key: &str, value: &str) {
        self.set_metadata("labels", key, value);
    }

    pub(crate) fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_metadata("annotations", key, value);
    }

    fn set_metadata(&mut self, map: &str, key: &str, value: &str) {
        let entry = self.metadata_mut().entry(map).or_insert(Value::Null);
        if !entry.is_object() {
            *entry = Value::Object(Map::new());
        }
        entry[key] = value.into();
    }

    /// Removes what only the server writes, and what asks for nothing.
    ///
    /// Argo CD and Flux do the same: `status` and `creationTimestamp` come
    /// from manifests that were exported from a cluster or written by a
    /// generator, and would be recorded as ours if they were sent.
    pub(crate) fn strip_server_fields(&mut self) {
        if let Some(object) = self.value.as_object_mut() {
            object.remove("status");
        }
        let metadata = self.metadata_mut();
        const SERVER: [&str; 7] = [
            "creationTimestamp",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
        ];
        SERVER.iter().for_each(|field| drop(metadata.remove(*field)));
        for map in ["labels", "annotations"] {
            if metadata.get(map).is_some_and(Value::is_null) {
                metadata.remove(map);
            }
        }
        if self.id.is("", "Secret") {
            encode_string_data(&mut self.value);
        }
        self.complete_ports();
    }

    /// The protocol is a key of the lists of ports, and servers before 1.21
    /// refuse an apply without it. Flux completes it too.
    fn complete_ports(&mut self) {
        let pod = match (self.id.group.as_str(), self.id.kind.as_str()) {
            ("", "Service") => return complete_protocol(self.value.pointer_mut("/spec/ports")),
            ("", "Pod") => "/spec",
            ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
            ("apps" | "batch", _) | ("", "ReplicationController") => "/spec/template/spec",
            _ => return,
        };
        for list in ["containers", "initContainers"] {
            let containers = self.value.pointer_mut(&format!("{pod}/{list}")).and_then(Value::as_array_mut);
            containers.into_iter().flatten().for_each(|container| complete_protocol(container.get_mut("ports")));
        }
    }

    fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.value
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .expect("a manifest has metadata, or it would have no name")
    }
}

/// Gives a hook with `generateName` a name that stays the same as long as
/// the hook does, so that a run finds what an earlier one has left.
///
/// # Deviation
///
/// Argo CD's names differ from sync to sync, and the jobs pile up.
fn name_hook(value: &mut Value) {
    let prefix = value.pointer("/metadata/generateName").and_then(Value::as_str).unwrap_or_default();
    let is_hook = matches!(crate::hook::role(value), crate::hook::Role::Hook { .. });
    if prefix.is_empty() || !is_hook || value.pointer("/metadata/name").is_some() {
        return;
    }
    let digest: [u8; 32] = Sha256::digest(value.to_string()).into();
    let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{prefix}{suffix}");
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("generateName");
        metadata.insert("name".to_owned(), name.into());
    }
}

fn expand(value: Value, origin: Option<&str>, into: &mut Vec<Manifest>) -> Result<(), ManifestError> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && value["items"].is_array();
    if !is_list {
        let mut manifest = Manifest::parse(value, origin)?;
        manifest.origin = origin.map(str::to_owned);
        into.push(manifest);
        return Ok(());
    }
    let Value::Object(mut list) = value else {
        return Ok(());
    };
    let Some(Value::Array(items)) = list.remove("items") else {
        return Ok(());
    };
    items.into_iter().try_for_each(|item| expand(item, origin, into))
}

/// `stringData` is write-only: as long as it is in what we apply, no later
/// comparison with the cluster can come out equal.
fn encode_string_data(secret: &mut Value) {
    let Some(object) = secret.as_object_mut() else {
        return;
    };
    let Some(Value::Object(plain)) = object.remove("stringData") else {
        return;
    };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    for (key, value) in plain {
        if let Some(text) = value.as_str() {
            data[key.as_str()] = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text).into();
        }
    }
}

fn complete_protocol(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    }
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The values of a comma-separated annotation.
pub(crate) fn annotation_list<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    annotation(object, key).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stream_of_documents_and_lists() {
        let text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: w, namespace: a}}\n";
        let manifests = Manifest::from_yaml(text, Some("all.yml")).unwrap();
        let ids: Vec<_> = manifests.iter().map(|manifest| manifest.id().to_string()).collect();
        assert_eq!(ids, ["Namespace a", "apps/Deployment a/w"]);
        assert_eq!(manifests[1].origin(), Some("all.yml"));
    }

    #[test]
    fn says_which_field_is_missing_and_where() {
        let error = Manifest::from_yaml("kind: Pod\nmetadata: {name: a}", Some("pod.yml")).unwrap_err();
        assert_eq!(error.to_string(), "pod.yml: the manifest has no apiVersion");
    }

    #[test]
    fn hooks_may_have_their_name_generated() {
        let hook = |image: &str| {
            Manifest::new(serde_json::json!({
                "apiVersion": "batch/v1", "kind": "Job", "image": image,
                "metadata": {"generateName": "migrate-", "annotations": {"argocd.argoproj.io/hook": "PreSync"}},
            }))
            .unwrap()
        };
        let name = hook("a").id().name.clone();
        assert!(name.starts_with("migrate-") && name.len() == 16, "{name}");
        assert_eq!(hook("a").id().name, name);
        assert_ne!(hook("b").id().name, name);
        let plain = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}});
        assert!(Manifest::new(plain).is_err());
    }

    #[test]
    fn ports_get_their_protocol() {
        let mut pod = Manifest::new(serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"template": {"spec": {"containers": [{"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]}]}}},
        }))
        .unwrap();
        pod.strip_server_fields();
        let ports = pod.value().pointer("/spec/template/spec/containers/0/ports").unwrap();
        assert_eq!((&ports[0]["protocol"], &ports[1]["protocol"]), (&"TCP".into(), &"UDP".into()));
    }

    #[test]
    fn string_data_becomes_data() {
        let mut secret = Manifest::new(serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "creationTimestamp": null},
            "data": {"a": "MQ=="}, "stringData": {"b": "2"}, "status": {},
        }))
        .unwrap();
        secret.strip_server_fields();
        assert_eq!(secret.value()["data"], serde_json::json!({"a": "MQ==", "b": "Mg=="}));
        assert_eq!(secret.value()["metadata"], serde_json::json!({"name": "s"}));
        assert!(secret.value().get("status").is_none());
    }
}
