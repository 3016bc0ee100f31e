//! What Kubernetes' OpenAPI schema says about merging: which lists a patch
//! merges and by what key, and which kinds have no namespace.

mod fingerprint;
mod openapi;
mod table;

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

pub(crate) use fingerprint::fingerprint;
pub use openapi::SchemaError;
pub(crate) use table::Scope;
use table::{KUBERNETES, NodeIndex, Table, Type};

/// The API that patches are merged by.
///
/// The built-in one is that of Kubernetes 1.21.2, the one kustomize 5.8.1
/// has. It is compiled into the program and costs nothing to make.
#[derive(Debug, Clone)]
pub struct Schema {
    /// What `openapi.path` of a kustomization names.
    custom: Option<Arc<Table>>,
}

impl Default for Schema {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Schema {
    /// The only version that [`Schema::version`] knows.
    pub const BUILTIN_VERSION: &'static str = "v1.21.2";

    /// The schema of Kubernetes 1.21.2.
    pub fn builtin() -> Self {
        Self { custom: None }
    }

    /// The built-in schema that `openapi.version` of a kustomization names.
    ///
    /// # Errors
    ///
    /// [`SchemaError::UnknownVersion`] if it is not [`Schema::BUILTIN_VERSION`].
    pub fn version(version: &str) -> Result<Self, SchemaError> {
        if version == Self::BUILTIN_VERSION {
            return Ok(Self::builtin());
        }
        Err(SchemaError::UnknownVersion { version: version.to_owned() })
    }

    /// A schema from an OpenAPI v2 document in JSON or YAML, as `openapi.path`
    /// of a kustomization names one.
    ///
    /// Merge keys of the built-in schema do not apply to it, but the scopes of
    /// the built-in kinds do, as with kustomize.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Parse`] if it is neither JSON nor YAML, and
    /// [`SchemaError::Invalid`] if part of it is not what OpenAPI wants there.
    /// A reference to a definition that does not exist is no error: its field
    /// is merged as if the schema did not mention it.
    pub fn custom(text: &str) -> Result<Self, SchemaError> {
        Ok(Self { custom: Some(Arc::new(openapi::read(text, None)?)) })
    }

    /// As [`Schema::custom`], but on top of the built-in schema, whose
    /// definitions it may refer to.
    ///
    /// # Errors
    ///
    /// As [`Schema::custom`].
    pub fn custom_over_builtin(text: &str) -> Result<Self, SchemaError> {
        Ok(Self { custom: Some(Arc::new(openapi::read(text, Some(&KUBERNETES))?)) })
    }

    /// Whether resources of this type are known to have no namespace.
    ///
    /// Kinds that no schema knows, so most custom resources, count as namespaced.
    pub fn is_cluster_scoped(&self, group: &str, version: &str, kind: &str) -> bool {
        let builtin = BuiltinType::find(group, version, kind).and_then(BuiltinType::scope);
        let scope = builtin.or_else(|| self.custom_scope(group, version, kind));
        scope == Some(Scope::Cluster)
    }

    /// What a custom schema says of a type that the built-in one does not know.
    pub(crate) fn custom_scope(&self, group: &str, version: &str, kind: &str) -> Option<Scope> {
        self.custom.as_deref()?.find(group, version, kind)?.scope
    }

    /// The schema of a type, if it is known.
    pub(crate) fn for_gvk(&self, group: &str, version: &str, kind: &str) -> Option<SchemaNode<'_>> {
        let table = self.custom.as_deref().unwrap_or(&KUBERNETES);
        Some(SchemaNode { table, index: table.find(group, version, kind)?.schema? })
    }
}

/// A type that the built-in schema has: one more than its index, so that it and none take two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BuiltinType(NonZeroU16);

impl BuiltinType {
    pub(crate) fn find(group: &str, version: &str, kind: &str) -> Option<Self> {
        let index = u16::try_from(KUBERNETES.position(group, version, kind)?).ok()?;
        index.checked_add(1).and_then(NonZeroU16::new).map(Self)
    }

    fn row(self) -> &'static Type {
        &KUBERNETES.types[usize::from(self.0.get() - 1)]
    }

    pub(crate) fn group(self) -> &'static str {
        KUBERNETES.name(self.row().group)
    }

    pub(crate) fn version(self) -> &'static str {
        KUBERNETES.name(self.row().version)
    }

    pub(crate) fn kind(self) -> &'static str {
        KUBERNETES.name(self.row().kind)
    }

    /// Whether resources of the type have a namespace; `None` if Kubernetes 1.21.2 does not serve it itself.
    pub(crate) fn scope(self) -> Option<Scope> {
        self.row().scope
    }
}

/// The schema of one value of a resource.
#[derive(Clone, Copy)]
pub(crate) struct SchemaNode<'a> {
    table: &'a Table,
    index: NodeIndex,
}

impl<'a> SchemaNode<'a> {
    /// The schema of a field, or of the value under a key of a map.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        let index = self.table.field(self.table.node(self.index), name)?;
        Some(Self { index, ..self })
    }

    /// The schema of a list's items.
    pub(crate) fn items(self) -> Option<Self> {
        let index = self.table.node(self.index).items?;
        Some(Self { index, ..self })
    }

    /// For a list whose items a patch merges: the fields that tell items
    /// apart, none if the items are plain values. `None` if a patch replaces
    /// the list.
    pub(crate) fn merge_keys(self) -> Option<Vec<&'a str>> {
        self.table.merge_keys(self.table.node(self.index))
    }
}

impl fmt::Debug for SchemaNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaNode").field("index", &self.index).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(schema: &Schema, api: (&str, &str, &str), path: &str) -> Option<String> {
        let mut node = schema.for_gvk(api.0, api.1, api.2)?;
        for part in path.split('.') {
            node = if part == "[]" { node.items()? } else { node.field(part)? };
        }
        node.merge_keys().map(|keys| keys.join(","))
    }

    #[test]
    fn builtin_lists_have_the_merge_keys_of_kubernetes() {
        let schema = Schema::builtin();
        let deployment = ("apps", "v1", "Deployment");
        for (path, expected) in [
            ("spec.template.spec.containers", Some("name")),
            ("spec.template.spec.containers.[].ports", Some("containerPort,protocol")),
            ("spec.template.spec.containers.[].args", None),
            ("spec.template.spec.tolerations", None),
            ("metadata.finalizers", Some("")),
            ("status.conditions", Some("type")),
        ] {
            assert_eq!(keys(&schema, deployment, path).as_deref(), expected, "{path}");
        }
        assert_eq!(keys(&schema, ("", "v1", "Service"), "spec.ports").as_deref(), Some("port,protocol"));
    }

    #[test]
    fn schemas_may_contain_themselves() {
        let schema = Schema::builtin();
        let crd = schema.for_gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition").expect("built in");
        let props =
            ["spec", "versions"].iter().try_fold(crd, |node, name| node.field(name)).and_then(SchemaNode::items);
        let props = props.and_then(|version| version.field("schema")?.field("openAPIV3Schema")).expect("known");
        let deeper = ["properties", "any", "properties", "any"].iter().try_fold(props, |node, name| node.field(name));
        assert_eq!(deeper.map(|node| node.index), Some(props.index));
    }

    #[test]
    fn only_known_kinds_are_cluster_scoped() {
        let schema = Schema::builtin();
        assert!(schema.is_cluster_scoped("", "v1", "Namespace"));
        assert!(schema.is_cluster_scoped("rbac.authorization.k8s.io", "v1", "ClusterRole"));
        for (group, version, kind) in
            [("apps", "v1", "Deployment"), ("", "v1", "ClusterRole"), ("example.com", "v1", "Namespace")]
        {
            assert!(!schema.is_cluster_scoped(group, version, kind), "{kind}");
        }
    }

    #[test]
    fn a_custom_schema_replaces_merge_keys_and_adds_scopes() {
        let schema = Schema::custom(
            r##"
            definitions:
              example.Widget:
                properties:
                  spec: {$ref: "#/definitions/example.Spec"}
                  broken: {$ref: "#/definitions/nowhere"}
                x-kubernetes-group-version-kind: [{group: example.com, version: v1, kind: Widget}]
              example.Spec:
                properties:
                  parts:
                    type: array
                    items: {$ref: "#/definitions/example.Spec/properties/part"}
                    x-kubernetes-patch-strategy: merge,retainKeys
                    x-kubernetes-patch-merge-key: name
                  part: {type: object, properties: {tags: {type: array, items: {type: string}}}}
                  whole: {type: array, items: {type: string}, x-kubernetes-patch-merge-key: name}
                additionalProperties: {$ref: "#/definitions/example.Spec"}
            paths:
              /apis/example.com/v1/widgets/{name}:
                get:
                  x-kubernetes-group-version-kind: {group: example.com, version: v1, kind: Widget}
            "##,
        )
        .expect("valid");
        let widget = ("example.com", "v1", "Widget");
        assert_eq!(keys(&schema, widget, "spec.parts").as_deref(), Some("name"));
        assert_eq!(keys(&schema, widget, "spec.other.parts").as_deref(), Some("name"));
        assert_eq!(keys(&schema, widget, "spec.whole"), None);
        let spec = schema.for_gvk("example.com", "v1", "Widget").and_then(|widget| widget.field("spec"));
        assert!(spec.and_then(|spec| spec.field("parts")?.items()?.field("tags")?.items()).is_some());
        assert!(schema.for_gvk("example.com", "v1", "Widget").and_then(|widget| widget.field("broken")).is_none());
        assert!(schema.is_cluster_scoped("example.com", "v1", "Widget"));
        assert!(schema.is_cluster_scoped("", "v1", "Namespace"));
        assert!(schema.for_gvk("apps", "v1", "Deployment").is_none());
    }

    #[test]
    fn a_custom_schema_can_build_on_the_builtin_one() {
        let text = r##"{"definitions": {"a.W": {
            "properties": {"pod": {"$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"}},
            "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "W"}]}}}"##;
        let schema = Schema::custom_over_builtin(text).expect("valid");
        assert_eq!(keys(&schema, ("a", "v1", "W"), "pod.containers").as_deref(), Some("name"));
        assert_eq!(keys(&schema, ("", "v1", "Pod"), "spec.containers").as_deref(), Some("name"));
        let alone = Schema::custom(text).expect("valid");
        assert_eq!(keys(&alone, ("a", "v1", "W"), "pod.containers"), None);
    }

    #[test]
    fn a_document_that_is_no_schema_is_refused() {
        for text in ["[]", "definitions: 3", "definitions: {a: {properties: [x]}}"] {
            assert!(matches!(Schema::custom(text), Err(SchemaError::Invalid { .. })), "{text}");
        }
        assert!(matches!(Schema::custom("{"), Err(SchemaError::Parse { .. })));
        assert!(Schema::version("v1.20.4").is_err());
    }
}
