//! `commonAnnotations` and the `AnnotationsTransformer`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TransformError;
use super::entries::Entries;
use crate::config::{FieldSpecs, TransformerConfig};
use crate::resource_set::ResourceSet;

/// Adds annotations to the fields of its field specs.
#[derive(Debug, Clone)]
pub(crate) struct AnnotationsTransformer {
    annotations: BTreeMap<String, String>,
    specs: Arc<FieldSpecs>,
}

impl AnnotationsTransformer {
    pub(crate) fn new(annotations: BTreeMap<String, String>, specs: Arc<FieldSpecs>) -> Self {
        Self { annotations, specs }
    }

    /// `commonAnnotations`.
    pub(crate) fn common(annotations: &BTreeMap<String, String>, config: &TransformerConfig) -> Self {
        Self::new(annotations.clone(), Arc::clone(&config.common_annotations))
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet) -> Result<(), TransformError> {
        Entries::new(&self.annotations, &self.specs).add_to(resources)
    }
}
