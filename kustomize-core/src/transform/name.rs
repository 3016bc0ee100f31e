//! `namePrefix`, `nameSuffix`, and the transformers of these names.

use std::sync::Arc;

use super::field_spec::{Field, Make, find_or_make, set_scalar};
use super::{EachResource, TransformError, failed_at};
use crate::config::{FieldSpecs, PathTree, Specs, bits};
use crate::generate::BoxError;
use crate::history::Affixes;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::yaml::{Document, NodeId, Tag};

/// Puts a text in front of names.
#[derive(Debug, Clone)]
pub(crate) struct PrefixTransformer {
    pub(crate) prefix: String,
    pub(crate) specs: Arc<FieldSpecs>,
}

/// Puts a text after names.
#[derive(Debug, Clone)]
pub(crate) struct SuffixTransformer {
    pub(crate) suffix: String,
    pub(crate) specs: Arc<FieldSpecs>,
}

impl PrefixTransformer {
    pub(crate) fn each<'a>(&'a self, schema: &'a Schema) -> impl EachResource + 'a {
        Affix::new(&self.prefix, false, &self.specs, schema)
    }
}

impl SuffixTransformer {
    pub(crate) fn each<'a>(&'a self, schema: &'a Schema) -> impl EachResource + 'a {
        Affix::new(&self.suffix, true, &self.specs, schema)
    }
}

/// A prefix or a suffix being added.
#[derive(Clone)]
struct Affix<'a> {
    text: &'a str,
    /// As the history keeps it: kustomize joins and splits it at commas.
    parts: Vec<Arc<str>>,
    /// What the last resource had, and what it got.
    last: (Affixes, Affixes),
    suffix: bool,
    specs: &'a FieldSpecs,
    schema: &'a Schema,
    fields: Vec<Field>,
    buffer: String,
}

impl<'a> Affix<'a> {
    fn new(text: &'a str, suffix: bool, specs: &'a FieldSpecs, schema: &'a Schema) -> Self {
        let parts = if text.is_empty() { Vec::new() } else { text.split(',').map(Arc::from).collect() };
        let last = (Affixes::default(), Affixes::default().with(&parts));
        Self { text, parts, last, suffix, specs, schema, fields: Vec::new(), buffer: String::new() }
    }

    fn add_to(&mut self, resource: &mut Resource, tree: &PathTree, bit: Specs) -> Result<(), TransformError> {
        let spec = tree.spec(bit);
        if spec.path.as_str() == "metadata/name" && !self.text.is_empty() {
            self.record(resource);
        }
        // Its original kind matches, and its current one has to as well.
        if !spec.kind.is_empty() && *spec.kind != *resource.kind() {
            return Ok(());
        }
        let doc = resource.doc_mut();
        let mut fields = std::mem::take(&mut self.fields);
        let done = find_or_make(doc, tree, bit, Make::Scalar(Tag::Str), &mut fields).and_then(|()| {
            fields.iter().try_for_each(|(_, field)| self.set(doc, *field).map_err(|error| (bit, error)))
        });
        self.fields = fields;
        done.map_err(|failed| failed_at(resource, tree, failed))
    }

    fn record(&mut self, resource: &mut Resource) {
        resource.store_previous_id(resource.is_cluster_scoped(self.schema));
        let history = resource.history_mut();
        let affixes = if self.suffix { &mut history.suffixes } else { &mut history.prefixes };
        if !affixes.is_shared_with(&self.last.0) {
            self.last = (affixes.clone(), affixes.with(&self.parts));
        }
        *affixes = self.last.1.clone();
    }

    fn set(&mut self, doc: &mut Document, field: NodeId) -> Result<(), super::FieldError> {
        let old = doc.text(field);
        let (before, after) = if self.suffix { (old, self.text) } else { (self.text, old) };
        self.buffer.clear();
        self.buffer.push_str(before);
        self.buffer.push_str(after);
        // Without a tag, as kustomize has it: `1` after `0` is the number 10.
        set_scalar(doc, field, Tag::Implicit, &self.buffer)
    }
}

impl EachResource for Affix<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        let specs = self.specs;
        let kind = resource.original_kind();
        if is_never_renamed(resource, kind) {
            return Ok(());
        }
        for tree in specs.trees(kind) {
            let matching = tree.for_version(resource.api_version());
            bits(matching).try_for_each(|spec| self.add_to(resource, tree, spec))?;
        }
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        Some(Box::new(self.clone()))
    }
}

/// Types whose names are fixed by what they are.
fn is_never_renamed(resource: &Resource, original_kind: &str) -> bool {
    match original_kind {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => resource.group_version().0 == "apiregistration.k8s.io",
        _ => false,
    }
}
