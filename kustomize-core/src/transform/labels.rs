//! `labels`, `commonLabels` and the `LabelTransformer`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::TransformError;
use super::entries::Entries;
use crate::config::{FieldSpecConflict, FieldSpecs, TransformerConfig};
use crate::kustomization::{FieldSpec, Label};
use crate::resource_set::ResourceSet;

/// Adds labels to the fields of its field specs.
#[derive(Debug, Clone)]
pub(crate) struct LabelTransformer {
    labels: BTreeMap<String, String>,
    specs: Arc<FieldSpecs>,
}

static METADATA_LABELS: LazyLock<Arc<FieldSpecs>> =
    LazyLock::new(|| Arc::new(FieldSpecs::new(vec![metadata_labels()])));

fn metadata_labels() -> FieldSpec {
    FieldSpec { path: "metadata/labels".into(), create: true, ..FieldSpec::default() }
}

impl LabelTransformer {
    pub(crate) fn new(labels: BTreeMap<String, String>, specs: Arc<FieldSpecs>) -> Self {
        Self { labels, specs }
    }

    /// `commonLabels`.
    pub(crate) fn common(labels: &BTreeMap<String, String>, config: &TransformerConfig) -> Self {
        Self::new(labels.clone(), Arc::clone(&config.common_labels))
    }

    /// An entry of `labels`.
    pub(crate) fn of_entry(label: &Label, config: &TransformerConfig) -> Result<Self, TransformError> {
        let specs = entry_specs(label, config).map_err(|source| TransformError::LabelFields { source })?;
        Ok(Self::new(label.pairs.clone(), specs))
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet) -> Result<(), TransformError> {
        Entries::new(&self.labels, &self.specs).add_to(resources)
    }
}

/// The fields of an entry: its own, those that configurations add for every
/// entry, and what it includes.
fn entry_specs(label: &Label, config: &TransformerConfig) -> Result<Arc<FieldSpecs>, FieldSpecConflict> {
    if let Some(specs) = builtin_specs(label, config) {
        return Ok(specs);
    }
    let mut specs = FieldSpecs::new(label.fields.clone());
    specs.merge(config.labels.as_slice())?;
    if label.include_selectors {
        specs.merge(config.common_labels.as_slice())?;
    } else {
        if label.include_templates {
            specs.merge(config.template_labels.as_slice())?;
        }
        specs.merge(&[metadata_labels()])?;
    }
    Ok(Arc::new(specs))
}

/// A list that is there already, for an entry without fields of its own.
fn builtin_specs(label: &Label, config: &TransformerConfig) -> Option<Arc<FieldSpecs>> {
    if !label.fields.is_empty() || !config.labels.is_empty() {
        return None;
    }
    let builtin = TransformerConfig::builtin();
    let (list, builtin) = match (label.include_selectors, label.include_templates) {
        (true, _) => (&config.common_labels, &builtin.common_labels),
        (false, true) => (&config.template_labels, &builtin.template_labels),
        (false, false) => return Some(Arc::clone(&METADATA_LABELS)),
    };
    Arc::ptr_eq(list, builtin).then(|| Arc::clone(list))
}
