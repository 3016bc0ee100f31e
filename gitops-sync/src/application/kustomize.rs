//! What an application changes of the kustomization it renders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OtherFields;

/// What to change of the kustomization of a source before it is rendered,
/// as `kustomize edit` would.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kustomize {
    /// In place of its `namePrefix`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    /// In place of its `nameSuffix`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name_suffix: String,
    /// In place of its `namespace`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Images to override: `[NAME=]NEWNAME[:TAG|@DIGEST]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Replicas to override.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<KustomizeReplica>,
    /// Labels to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: BTreeMap<String, String>,
    /// Let the labels replace those of the kustomization.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force_common_labels: bool,
    /// Leave selectors without the labels.
    #[serde(default, skip_serializing_if = "is_false")]
    pub label_without_selector: bool,
    /// Add the labels to pod templates as well, if selectors go without.
    #[serde(default, skip_serializing_if = "is_false")]
    pub label_include_templates: bool,
    /// Annotations to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: BTreeMap<String, String>,
    /// Let the annotations replace those of the kustomization.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force_common_annotations: bool,
    /// Patches to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<KustomizePatch>,
    /// Components to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Leave out components that are not there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_components: bool,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

// serde wants a reference.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes one")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// How many replicas a workload has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KustomizeReplica {
    /// Its name.
    pub name: String,
    /// A number, or a string with a number.
    pub count: Value,
}

impl KustomizeReplica {
    /// The number; `None` if it is none.
    pub fn number(&self) -> Option<i64> {
        self.count.as_i64().or_else(|| self.count.as_str()?.parse().ok())
    }
}

/// A patch, as a kustomization has it in `patches`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KustomizePatch {
    /// The file that has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The patch itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patch: String,
    /// What it is for: `kind`, `name`, `labelSelector` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<BTreeMap<String, String>>,
    /// `allowNameChange` and `allowKindChange`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, bool>,
}
