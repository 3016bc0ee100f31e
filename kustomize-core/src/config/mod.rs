//! Which fields the transformers touch: built in, and extended by the files
//! that a kustomization lists under `configurations` and `crds`.

mod builtin;
mod crds;
mod field_specs;
mod name_references;
mod path;
mod path_tree;
mod type_order;

use std::sync::{Arc, LazyLock};

pub use field_specs::FieldSpecConflict;
pub(crate) use field_specs::FieldSpecs;
pub(crate) use name_references::{NameReference, NameReferences};
pub(crate) use path::is_in_head;
pub(crate) use path_tree::{Child, PathTree, Specs, TreeNode, bits};
use serde::Deserialize;
pub(crate) use type_order::{FIRST_KINDS, LAST_KINDS};

use crate::id::Gvk;
use crate::kustomization::{DecodeError, FieldSpec, decode};
use crate::yaml::{Document, NodeId};

/// The fields of each transformer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TransformerConfig {
    pub(crate) name_prefix: Arc<FieldSpecs>,
    pub(crate) name_suffix: Arc<FieldSpecs>,
    pub(crate) namespace: Arc<FieldSpecs>,
    pub(crate) common_labels: Arc<FieldSpecs>,
    /// For the entries of `labels`, whatever they include.
    pub(crate) labels: Arc<FieldSpecs>,
    pub(crate) template_labels: Arc<FieldSpecs>,
    pub(crate) common_annotations: Arc<FieldSpecs>,
    pub(crate) name_references: Arc<NameReferences>,
    pub(crate) var_references: Arc<FieldSpecs>,
    pub(crate) images: Arc<FieldSpecs>,
    pub(crate) replicas: Arc<FieldSpecs>,
}

/// Why configurations do not go together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file has a field that is unknown or of the wrong type.
    #[error("cannot read the transformer configuration")]
    Decode {
        /// What is wrong, and where.
        #[source]
        source: DecodeError,
    },
    /// Two configurations contradict each other.
    #[error("cannot merge the field specs of {list}")]
    Conflict {
        /// The list that both extend, as configuration files name it.
        list: &'static str,
        /// The field that they disagree on.
        #[source]
        source: FieldSpecConflict,
    },
    /// A file of `crds` is no map of OpenAPI definitions.
    #[error("cannot read the OpenAPI definition of type '{name}'")]
    Definition {
        /// The name of the type; empty if the file as a whole is at fault.
        name: String,
        /// What is wrong, and where.
        #[source]
        source: DecodeError,
    },
    /// A type of `crds` contains itself.
    #[error("the OpenAPI definition of type '{name}' refers to itself through '{path}'")]
    Recursive {
        /// The name of the type.
        name: String,
        /// The fields that lead back to it.
        path: String,
    },
    /// The types of `crds` refer to each other along too many ways.
    #[error("the OpenAPI definition of type '{name}' leads to more than {fields} fields, or {levels} levels deep")]
    TooLarge {
        /// The name of the type where the limit was reached.
        name: String,
        /// How many fields may be found.
        fields: usize,
        /// How many types may lead to a field.
        levels: usize,
    },
}

/// A file of `configurations` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ConfigFile {
    name_prefix: Vec<FieldSpec>,
    name_suffix: Vec<FieldSpec>,
    namespace: Vec<FieldSpec>,
    common_labels: Vec<FieldSpec>,
    labels: Vec<FieldSpec>,
    template_labels: Vec<FieldSpec>,
    common_annotations: Vec<FieldSpec>,
    name_reference: Vec<NameReferenceRow>,
    var_reference: Vec<FieldSpec>,
    images: Vec<FieldSpec>,
    replicas: Vec<FieldSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct NameReferenceRow {
    group: String,
    version: String,
    kind: String,
    field_specs: Vec<FieldSpec>,
}

static BUILTIN: LazyLock<Arc<TransformerConfig>> = LazyLock::new(|| Arc::new(builtin::config()));
static EMPTY: LazyLock<Arc<TransformerConfig>> = LazyLock::new(Arc::default);

impl TransformerConfig {
    /// The one without a field; made once.
    pub(crate) fn empty() -> Arc<Self> {
        Arc::clone(&EMPTY)
    }

    /// What kustomize has built in; made once.
    pub(crate) fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN)
    }

    /// One file of `configurations`.
    pub(crate) fn from_file(doc: &Document, root: NodeId) -> Result<Self, ConfigError> {
        let file: ConfigFile = decode::strict(doc, root).map_err(|source| ConfigError::Decode { source })?;
        Ok(Self {
            name_prefix: sorted(file.name_prefix),
            name_suffix: sorted(file.name_suffix),
            namespace: sorted(file.namespace),
            common_labels: sorted(file.common_labels),
            labels: sorted(file.labels),
            template_labels: sorted(file.template_labels),
            common_annotations: sorted(file.common_annotations),
            name_references: names(file.name_reference.into_iter().map(NameReference::from).collect()),
            var_references: sorted(file.var_reference),
            images: sorted(file.images),
            replicas: sorted(file.replicas),
        })
    }

    /// What one file of `crds` says by the `x-kubernetes-*` extensions of its properties.
    pub(crate) fn from_crds(doc: &Document, root: NodeId) -> Result<Self, ConfigError> {
        crds::config(doc, root)
    }

    /// This with `other` added.
    ///
    /// Costs nothing for the built-in one. Others are merged even into an
    /// empty one or into themselves, because of what [`FieldSpecs::merge`] passes over.
    pub(crate) fn merged(self: &Arc<Self>, other: &Arc<Self>) -> Result<Arc<Self>, ConfigError> {
        let builtin = Arc::ptr_eq(other, &BUILTIN);
        if Arc::ptr_eq(other, &EMPTY) || other.is_empty() || (builtin && Arc::ptr_eq(self, other)) {
            return Ok(Arc::clone(self));
        }
        if builtin && self.is_empty() {
            return Ok(Arc::clone(other));
        }
        let mut merged = Self::clone(self);
        merged.merge(other)?;
        Ok(Arc::new(merged))
    }

    /// Adds the specs of `other` that are not there yet, and sorts.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), ConfigError> {
        let lists = [
            ("namePrefix", &mut self.name_prefix, &other.name_prefix),
            ("nameSuffix", &mut self.name_suffix, &other.name_suffix),
            ("namespace", &mut self.namespace, &other.namespace),
            ("commonAnnotations", &mut self.common_annotations, &other.common_annotations),
            ("commonLabels", &mut self.common_labels, &other.common_labels),
            ("labels", &mut self.labels, &other.labels),
            ("templateLabels", &mut self.template_labels, &other.template_labels),
            ("varReference", &mut self.var_references, &other.var_references),
            ("images", &mut self.images, &other.images),
            ("replicas", &mut self.replicas, &other.replicas),
        ];
        for (list, to, from) in lists {
            if !from.is_empty() {
                let to = Arc::make_mut(to);
                to.merge(from.as_slice()).map_err(|source| ConfigError::Conflict { list, source })?;
                to.sort();
            }
        }
        if !other.name_references.is_empty() {
            let merged = Arc::make_mut(&mut self.name_references).merge(&other.name_references);
            merged.map_err(|source| ConfigError::Conflict { list: "nameReference", source })?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.lists().iter().all(|list| list.is_empty()) && self.name_references.is_empty()
    }

    fn lists(&self) -> [&Arc<FieldSpecs>; 10] {
        [
            &self.name_prefix,
            &self.name_suffix,
            &self.namespace,
            &self.common_labels,
            &self.labels,
            &self.template_labels,
            &self.common_annotations,
            &self.var_references,
            &self.images,
            &self.replicas,
        ]
    }
}

/// The list of a file.
fn sorted(specs: Vec<FieldSpec>) -> Arc<FieldSpecs> {
    let mut specs = FieldSpecs::new(specs);
    specs.sort();
    Arc::new(specs)
}

fn names(references: Vec<NameReference>) -> Arc<NameReferences> {
    Arc::new(NameReferences::new(references))
}

impl From<NameReferenceRow> for NameReference {
    fn from(row: NameReferenceRow) -> Self {
        let target = Gvk { group: row.group, version: row.version, kind: row.kind };
        Self { target, referrers: FieldSpecs::new(row.field_specs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, path: &str) -> FieldSpec {
        FieldSpec { kind: kind.to_owned().into(), path: path.to_owned().into(), ..FieldSpec::default() }
    }

    #[test]
    fn merging_the_builtin_config_with_itself_changes_nothing() {
        let builtin = TransformerConfig::builtin();
        let mut merged = TransformerConfig::default();
        merged.merge(&builtin).expect("no conflicts");
        assert_eq!(merged, *builtin);
        let fresh = builtin::config();
        merged.merge(&fresh).expect("no conflicts");
        assert_eq!(merged, *builtin);
    }

    #[test]
    fn name_references_of_one_target_are_joined() {
        let reference = |path| NameReference {
            target: Gvk { kind: "Foo".into(), ..Gvk::default() },
            referrers: FieldSpecs::new(vec![spec("Bar", path)]),
        };
        let mut config = TransformerConfig { name_references: names(vec![reference("a")]), ..Default::default() };
        let other = TransformerConfig { name_references: names(vec![reference("b")]), ..Default::default() };
        config.merge(&other).expect("no conflicts");
        assert_eq!(config.name_references.as_slice().len(), 1);
        assert_eq!(config.name_references.as_slice()[0].referrers.as_slice(), [spec("Bar", "a"), spec("Bar", "b")]);
    }

    #[test]
    fn a_conflict_names_the_list() {
        let mut config = (*TransformerConfig::builtin()).clone();
        let specs = Arc::new(FieldSpecs::new(vec![spec("", "metadata/labels")]));
        let other = TransformerConfig { common_labels: specs, ..Default::default() };
        let error = config.merge(&other).expect_err("builtin says create");
        assert_eq!(error.to_string(), "cannot merge the field specs of commonLabels");
    }
}
