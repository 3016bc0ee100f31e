//! `commonAnnotations` and the `AnnotationsTransformer`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::EachResource;
use super::entries::Entries;
use crate::config::{FieldSpecs, TransformerConfig};

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

    pub(crate) fn each(&self) -> impl EachResource + '_ {
        Entries::new(&self.annotations, &self.specs)
    }
}
