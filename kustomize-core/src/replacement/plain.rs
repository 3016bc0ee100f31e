//! What most replacements do: write a text to fields that paths of keys lead to.
//!
//! [`Target::write`](super::Target::write) does that too, and all the rest,
//! but it follows every path for every resource and every replacement.

use std::collections::HashMap;

use super::keys::{Hashes, Key, Keys};
use super::path::FieldPath;
use super::value::{Value, put_text};
use super::{MAX_SIZE, Target};
use crate::yaml::{Document, NodeId, Scalar};

/// A text and the fields that it is written to.
#[derive(Debug)]
pub(super) struct PlainWrite {
    text: Box<str>,
    fields: Vec<Field>,
    /// Whether fields that are not there are made.
    create: bool,
}

/// The number of its mapping's path, and its key.
#[derive(Debug)]
struct Field {
    mapping: usize,
    key: Key<Box<str>>,
}

/// The paths of mappings in which fields are written.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    paths: Vec<Vec<Box<str>>>,
    numbers: HashMap<Vec<Box<str>>, usize>,
}

/// Where these mappings are in one document, as far as that is known. They
/// must stay there until [`Places::forget`].
pub(super) struct Places<'a> {
    mappings: &'a Mappings,
    nodes: Vec<Option<NodeId>>,
}

impl PlainWrite {
    /// `None` if more is asked for than this.
    pub(super) fn new(target: &Target, value: &Value, mappings: &mut Mappings, hashes: &Hashes) -> Option<Self> {
        if !target.options.delimiter.is_empty() {
            return None;
        }
        let text = value.scalar()?.into();
        let fields = target.paths.iter().map(|path| Field::new(path, mappings, hashes)).collect::<Option<_>>()?;
        Some(Self { text, fields, create: target.options.create })
    }

    /// Writes the text. If that is not enough, it says no, and the target is
    /// to be written as any other; what is written by then does not matter.
    pub(super) fn write(&self, doc: &mut Document, places: &mut Places<'_>, keys: &mut Keys) -> bool {
        self.fields.iter().all(|field| self.write_field(doc, field, places, keys).is_some())
    }

    fn write_field(&self, doc: &mut Document, field: &Field, places: &mut Places<'_>, keys: &mut Keys) -> Option<()> {
        let map = places.find(doc, field.mapping)?;
        match keys.get(doc, map, &field.key) {
            Some(node) if doc.is_scalar(node) => put_text(doc, node, &self.text),
            None if self.create => {
                let value = doc.new_scalar(Scalar::plain(&self.text));
                keys.add(doc, map, &field.key, value);
            }
            _ => return None,
        }
        (doc.own_size() <= MAX_SIZE).then_some(())
    }

    /// How many nodes and bytes of text it can add to a document.
    pub(super) fn size(&self) -> (usize, usize) {
        let nodes = if self.create { 2 * self.fields.len() } else { 0 };
        let keys = if self.create { self.fields.iter().map(|field| field.key.text().len()).sum() } else { 0 };
        (nodes, keys + self.text.len() * self.fields.len())
    }
}

impl Field {
    fn new(path: &FieldPath, mappings: &mut Mappings, hashes: &Hashes) -> Option<Self> {
        let (last, parents) = path.parts().split_last().filter(|(last, _)| last.is_key())?;
        let parents = parents.iter().map(|part| part.is_key().then(|| part.text.as_str().into()));
        Some(Self { mapping: mappings.number(parents.collect::<Option<_>>()?), key: Key::hashed(&last.text, hashes) })
    }
}

impl Mappings {
    fn number(&mut self, path: Vec<Box<str>>) -> usize {
        *self.numbers.entry(path).or_insert_with_key(|path| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}

impl<'a> Places<'a> {
    pub(super) fn new(mappings: &'a Mappings) -> Self {
        Self { mappings, nodes: vec![None; mappings.paths.len()] }
    }

    fn find(&mut self, doc: &Document, mapping: usize) -> Option<NodeId> {
        let place = &mut self.nodes[mapping];
        if place.is_none() {
            let path = &self.mappings.paths[mapping];
            let found = path.iter().try_fold(doc.root(), |node, key| doc.get(node, key));
            *place = found.filter(|node| doc.is_mapping(*node));
        }
        *place
    }

    /// To be called when something else than a [`PlainWrite`] has written, and before another document.
    pub(super) fn forget(&mut self) {
        self.nodes.fill(None);
    }
}
