//! Adds entries to map fields: what labels and annotations have in common.

use std::collections::BTreeMap;

use super::field_spec::{Field, FieldError, Make, find_or_make, push_entry, require_kind, style_of_new};
use super::{EachResource, failed_at};
use crate::config::FieldSpecs;
use crate::generate::BoxError;
use crate::resource::Resource;
use crate::yaml::{Document, Kind, NodeId, Scalar, Style, Tag};

/// Entries to add to every field of `specs`.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a> {
    entries: Vec<Entry<'a>>,
    specs: &'a FieldSpecs,
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Entry<'a> {
    key: &'a str,
    text: &'a str,
    style: Style,
    /// The first value that was added to the resource at hand.
    added: Option<NodeId>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(pairs: &'a BTreeMap<String, String>, specs: &'a FieldSpecs) -> Self {
        let entry = |(key, text): (&'a String, &'a String)| Entry { key, text, style: style_of_new(text), added: None };
        Self { entries: pairs.iter().map(entry).collect(), specs, fields: Vec::new() }
    }
}

impl EachResource for Entries<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        self.entries.iter_mut().for_each(|entry| entry.added = None);
        for tree in self.specs.trees(resource.kind()) {
            let specs = tree.for_version(resource.api_version());
            if specs == 0 {
                continue;
            }
            let doc = resource.doc_mut();
            let done = find_or_make(doc, tree, specs, Make::Mapping, &mut self.fields).and_then(|()| {
                let mut fields = self.fields.iter();
                fields.try_for_each(|(spec, field)| {
                    set_all(doc, *field, &mut self.entries).map_err(|error| (*spec, error))
                })
            });
            done.map_err(|failed| failed_at(resource, tree, failed))?;
        }
        Ok(())
    }

    /// A value takes over the style of the one in whose place it was put last.
    /// That shows only in texts that quotes or lines make a string of.
    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        let is_plain = |entry: &Entry<'_>| entry.style == Style::Plain && !entry.text.contains(['\n', '\t']);
        if self.entries.iter().all(is_plain) { Some(Box::new(self.clone())) } else { None }
    }
}

fn set_all(doc: &mut Document, field: NodeId, entries: &mut [Entry<'_>]) -> Result<(), FieldError> {
    if doc.is_null(field) {
        // Kustomize adds to the null, which prints as null all the same.
        return Ok(());
    }
    require_kind(doc, field, Kind::Mapping)?;
    entries.iter_mut().try_for_each(|entry| entry.set(doc, field))
}

impl Entry<'_> {
    fn set(&mut self, doc: &mut Document, map: NodeId) -> Result<(), FieldError> {
        if self.key.is_empty() {
            return Err(FieldError::EmptyKey);
        }
        if let Some(old) = doc.get(map, self.key) {
            let style = doc.style(old);
            doc.set_scalar(old, Scalar { tag: Tag::Str, style, text: self.text });
            if let Some(added) = self.added {
                doc.set_style(added, style);
            }
            self.style = style;
            return Ok(());
        }
        let value = match self.added {
            Some(added) => doc.new_link(added),
            None => doc.new_scalar(Scalar { tag: Tag::Str, style: self.style, text: self.text }),
        };
        self.added.get_or_insert(value);
        push_entry(doc, map, self.key, value);
        Ok(())
    }
}
