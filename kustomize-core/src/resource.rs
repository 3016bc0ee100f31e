//! One resource of a build: its manifest and what the build knows of it.

use std::sync::{Arc, OnceLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ahead;
use crate::history::{History, PreviousId};
use crate::id::{Gvk, ResourceId};
use crate::origin::{Origin, Place};
use crate::schema::{BuiltinType, Schema, Scope};
use crate::yaml::{self, Document, EmitError, NodeId, Scalar};

/// A Kubernetes resource.
///
/// Opaque: read it through [`Resource::id`] or convert it to a
/// [`serde_json::Value`]. Cloning is cheap; the manifest is shared until one
/// of the two changes.
#[derive(Debug, Clone)]
pub struct Resource {
    content: Arc<Content>,
}

/// All in one place, so that copying and dropping a resource is cheap.
#[derive(Debug)]
struct Content {
    doc: Document,
    history: History,
    /// Where it was read, if it came from a file.
    place: Option<Place>,
    /// The manifest as it is printed, kept for builds that share the resource.
    printed: OnceLock<Box<str>>,
}

/// About how many bytes a node takes when it is printed.
const PRINTED_NODE: usize = 14;

/// A resource is copied to be changed.
impl Clone for Content {
    fn clone(&self) -> Self {
        let (doc, history, place) = (self.doc.clone(), self.history.clone(), self.place.clone());
        Self { doc, history, place, printed: OnceLock::new() }
    }
}

/// The namespace of a namespaced resource that names none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";
/// What kustomize calls the namespace of a cluster-scoped resource.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// The namespace that a resource with this `metadata.namespace` is in.
pub(crate) fn effective_namespace(namespace: &str, cluster_scoped: bool) -> &str {
    match namespace {
        _ if cluster_scoped => NO_NAMESPACE,
        "" => DEFAULT_NAMESPACE,
        namespace => namespace,
    }
}

impl Resource {
    pub(crate) fn new(doc: Document) -> Self {
        Self::made(doc, History::default(), None)
    }

    pub(crate) fn with_history(doc: Document, history: History) -> Self {
        Self::made(doc, history, None)
    }

    /// One that was read from a file.
    pub(crate) fn at(place: Place, doc: Document) -> Self {
        Self::made(doc, History::default(), Some(place))
    }

    fn made(doc: Document, history: History, place: Option<Place>) -> Self {
        Self { content: Arc::new(Content { doc, history, place, printed: OnceLock::new() }) }
    }

    pub(crate) fn doc(&self) -> &Document {
        &self.content.doc
    }

    /// The manifest for writing; copied first if another resource shares it.
    pub(crate) fn doc_mut(&mut self) -> &mut Document {
        let content = Arc::make_mut(&mut self.content);
        content.printed.take();
        &mut content.doc
    }

    /// What the build knows of it, for writing.
    pub(crate) fn history_mut(&mut self) -> &mut History {
        &mut Arc::make_mut(&mut self.content).history
    }

    /// What the build knows of it besides the manifest.
    pub(crate) fn history(&self) -> &History {
        &self.content.history
    }

    /// Tells apart resources that share no manifest, as long as they live.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.content).addr()
    }

    /// Asks for what it has in one place, see [`ahead`].
    pub(crate) fn fetch(&self) {
        let Content { doc, history, place, printed } = &*self.content;
        doc.fetch();
        ahead::fetch_line(history);
        ahead::fetch_line(&history.previous);
        ahead::fetch_line(place);
        ahead::fetch_line(printed);
    }

    /// Asks for the rest, once that is there.
    pub(crate) fn fetch_rest(&self) {
        self.doc().fetch_content();
        self.history().previous.fetch();
    }

    /// About how much memory it takes, with its printed text but without the file's.
    pub(crate) fn bytes(&self) -> usize {
        let doc = self.doc();
        let history = self.history().previous.bytes();
        size_of::<Content>() + doc.own_size() + doc.node_count() * PRINTED_NODE + history
    }

    /// The manifest as kustomize prints it: YAML with sorted keys, without comments.
    ///
    /// # Errors
    ///
    /// What YAML can say and JSON cannot: infinite numbers, keys that are not strings.
    pub fn to_yaml(&self) -> Result<String, EmitError> {
        let mut out = Vec::new();
        self.write_yaml(&mut out, &mut yaml::Open::default())?;
        Ok(yaml::printed_text(out))
    }

    pub(crate) fn write_yaml(&self, out: &mut Vec<u8>, open: &mut yaml::Open) -> Result<(), EmitError> {
        match self.content.printed.get() {
            Some(printed) => out.extend_from_slice(printed.as_bytes()),
            None => yaml::emit_in(open, self.doc(), self.doc().root(), out)?,
        }
        Ok(())
    }

    /// As [`Resource::to_yaml`], and remembers it.
    pub(crate) fn kept_yaml(&self) -> Result<&str, EmitError> {
        if let Some(printed) = self.content.printed.get() {
            return Ok(printed);
        }
        let printed = self.to_yaml()?;
        Ok(self.content.printed.get_or_init(|| printed.into()))
    }

    /// How long its text is with a separator; about so long if it is not remembered.
    pub(crate) fn yaml_len(&self) -> usize {
        let about = || self.doc().node_count() * PRINTED_NODE + self.doc().verbatim_len();
        self.content.printed.get().map_or_else(about, |text| text.len() + 4)
    }

    /// Its type, name and namespace as they are now.
    pub fn id(&self) -> ResourceId {
        ResourceId { gvk: self.gvk(), name: self.name().to_owned(), namespace: self.namespace().to_owned() }
    }

    /// The id that the first file or generator gave it.
    pub fn original_id(&self) -> ResourceId {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    /// The ids it had before, oldest first.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = ResourceId> + '_ {
        self.history().previous.iter().map(|previous| ResourceId {
            gvk: Gvk::new(self.api_version(), previous.kind),
            name: previous.name.to_owned(),
            namespace: previous.namespace.to_owned(),
        })
    }

    /// The kind that the first file or generator gave it.
    pub(crate) fn original_kind(&self) -> &str {
        self.history().previous.first().map_or_else(|| self.kind(), |previous| previous.kind)
    }

    /// Keeps the id it has now, before a step that may change it.
    pub(crate) fn store_previous_id(&mut self, cluster_scoped: bool) {
        let Content { doc, history, .. } = Arc::make_mut(&mut self.content);
        let namespace = effective_namespace(doc.namespace(), cluster_scoped);
        history.previous.push(PreviousId { kind: doc.resource_kind(), name: doc.name(), namespace });
    }

    /// The namespace that it is in as kustomize compares ids: never empty.
    pub(crate) fn effective_namespace(&self, schema: &Schema) -> &str {
        effective_namespace(self.namespace(), self.is_cluster_scoped(schema))
    }

    /// Whether resources of its type are known to have no namespace.
    pub(crate) fn is_cluster_scoped(&self, schema: &Schema) -> bool {
        let custom = || {
            let (group, version) = self.group_version();
            schema.custom_scope(group, version, self.kind())
        };
        self.doc().builtin_type().and_then(BuiltinType::scope).or_else(custom) == Some(Scope::Cluster)
    }

    /// Its type.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// Group and version without copying them.
    pub(crate) fn group_version(&self) -> (&str, &str) {
        self.doc().group_version()
    }

    /// The `apiVersion`; empty if it has none.
    pub fn api_version(&self) -> &str {
        self.doc().api_version()
    }

    /// The `kind`; empty if it has none.
    pub fn kind(&self) -> &str {
        self.doc().resource_kind()
    }

    /// `metadata.name`; empty if it has none.
    pub fn name(&self) -> &str {
        self.doc().name()
    }

    /// `metadata.namespace`; empty if it has none.
    pub fn namespace(&self) -> &str {
        self.doc().namespace()
    }

    /// Where it was read, if it came from a file.
    pub fn origin(&self) -> Option<Origin> {
        self.place().map(Place::origin)
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.content.place.as_ref()
    }

    pub(crate) fn set_place(&mut self, place: Option<Place>) {
        Arc::make_mut(&mut self.content).place = place;
    }

    pub(crate) fn metadata(&self) -> Option<NodeId> {
        self.doc().metadata()
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        let doc = self.doc_mut();
        match doc.name_field() {
            Some(field) => doc.set_scalar(field, Scalar::string(name)),
            None => self.set_metadata_text("name", name),
        }
    }

    pub(crate) fn set_metadata_text(&mut self, key: &str, text: &str) {
        let doc = self.doc_mut();
        let metadata = match doc.get(doc.root(), "metadata") {
            Some(metadata) if doc.is_mapping(metadata) => metadata,
            _ => {
                let metadata = doc.new_mapping();
                doc.set(doc.root(), "metadata", metadata);
                // `set` may have replaced a null in place, so ask for the node that is there now.
                doc.get(doc.root(), "metadata").unwrap_or(metadata)
            }
        };
        doc.set_value(metadata, key, Scalar::string(text));
    }

    /// The text of a label or annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.doc().get(self.metadata()?, "annotations")?;
        self.doc().get_text(annotations, key)
    }
}

/// The manifest with numbers as kustomize prints them: integers up to 64 bits
/// exactly, other numbers as 64-bit floats.
impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        yaml::SerdeValue::root(self.doc()).serialize(serializer)
    }
}

/// Any mapping is taken; nothing is checked.
impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut doc = Document::sourceless();
        let root = yaml::from_serde(deserializer, &mut doc, yaml::Numbers::Exact)?;
        if !doc.is_mapping(root) {
            return Err(D::Error::custom("a resource must be a mapping"));
        }
        doc.set_root(root);
        Ok(Self::new(doc))
    }
}

impl TryFrom<&Resource> for serde_json::Value {
    type Error = serde_json::Error;

    /// # Errors
    ///
    /// As [`Resource::to_yaml`].
    fn try_from(resource: &Resource) -> Result<Self, Self::Error> {
        serde_json::to_value(resource)
    }
}

impl TryFrom<serde_json::Value> for Resource {
    type Error = serde_json::Error;

    /// # Errors
    ///
    /// If the value is not an object.
    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        serde_json::from_value(value)
    }
}

impl TryFrom<&Resource> for serde_yaml::Value {
    type Error = serde_yaml::Error;

    /// # Errors
    ///
    /// As [`Resource::to_yaml`].
    fn try_from(resource: &Resource) -> Result<Self, Self::Error> {
        yaml::SerdeValue::root(resource.doc()).to_yaml_value()
    }
}

impl TryFrom<serde_yaml::Value> for Resource {
    type Error = serde_yaml::Error;

    /// # Errors
    ///
    /// If the value is not a mapping, or one in it has a key that is not a string.
    fn try_from(value: serde_yaml::Value) -> Result<Self, Self::Error> {
        serde_yaml::from_value(value)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A resource that has an id and nothing else.
    pub(crate) fn resource(api_version: &str, kind: &str, namespace: &str, name: &str) -> Resource {
        let mut resource = Resource::new(Document::sourceless());
        let doc = resource.doc_mut();
        doc.set_value(doc.root(), "apiVersion", Scalar::string(api_version));
        doc.set_value(doc.root(), "kind", Scalar::string(kind));
        resource.set_name(name);
        if !namespace.is_empty() {
            resource.set_metadata_text("namespace", namespace);
        }
        resource
    }

    #[test]
    fn a_resource_survives_json_and_yaml_values_exactly() {
        let text = "apiVersion: v1\ndata:\n  a: \"1\"\n  b: |\n    x\n    y\nkind: C\nnumbers:\n- 9007199254740993\n- 18446744073709551615\n- 1.5\n- -3\n- null\n- true\n";
        let value: serde_yaml::Value = serde_yaml::from_str(text).expect("valid YAML");
        let resource = Resource::try_from(value).expect("a mapping");
        let json = serde_json::Value::try_from(&resource).expect("printable");
        assert_eq!(json["numbers"][0], 9_007_199_254_740_993_i64);
        let resource = Resource::try_from(json).expect("an object");
        let yaml = serde_yaml::Value::try_from(&resource).expect("printable");
        assert_eq!(Resource::try_from(yaml).expect("a mapping").to_yaml().as_deref(), Ok(text));
    }

    #[test]
    fn only_a_mapping_is_a_resource() {
        let error = serde_json::from_str::<Resource>("[]").expect_err("a list");
        assert!(error.to_string().starts_with("a resource must be a mapping"), "{error}");
    }
}
