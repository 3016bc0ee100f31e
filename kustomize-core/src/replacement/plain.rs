//! What most replacements do: write a text to fields that paths of keys lead to.
//!
//! [`Target::write`](super::Target::write) does that too, and all the rest,
//! but it follows every path for every resource and every replacement.

use foldhash::{HashMap, HashMapExt};

use super::keys::Entries;
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

/// A field by its number, and by its key in the mapping of a number.
#[derive(Debug)]
struct Field {
    number: usize,
    mapping: usize,
    key: Box<str>,
}

/// All fields that are written in a [`Run`](super::Run), and the mappings they are in.
#[derive(Debug, Default)]
pub(super) struct Layout {
    mappings: Vec<Mapping>,
    /// The numbers of mappings by their paths.
    numbers: HashMap<Vec<Box<str>>, usize>,
    /// How many fields there are.
    fields: usize,
}

#[derive(Debug, Default)]
struct Mapping {
    path: Vec<Box<str>>,
    /// The numbers of fields by their keys.
    fields: HashMap<Box<str>, usize>,
}

impl PlainWrite {
    /// `None` if more is asked for than this.
    pub(super) fn new(target: &Target, value: &Value, layout: &mut Layout) -> Option<Self> {
        if !target.options.delimiter.is_empty() {
            return None;
        }
        let text = value.scalar()?.into();
        let fields = target.paths.iter().map(|path| layout.field(path)).collect::<Option<_>>()?;
        Some(Self { text, fields, create: target.options.create })
    }

    /// Writes the text. If that is not enough, it says no, and the target is
    /// to be written as any other; what is written by then does not matter.
    pub(super) fn write(&self, doc: &mut Document, places: &mut Places<'_>) -> bool {
        self.fields.iter().all(|field| self.write_field(doc, field, places).is_some())
    }

    fn write_field(&self, doc: &mut Document, field: &Field, places: &mut Places<'_>) -> Option<()> {
        places.look(doc, field.mapping)?;
        let (mapping, place) = (&mut places.mappings[field.mapping], &mut places.fields[field.number]);
        match place.node.filter(|_| place.version == mapping.version) {
            Some(node) if doc.is_scalar(node) => put_text(doc, node, &self.text),
            None if self.create => {
                let [value, key] = [&self.text, &field.key].map(|text| doc.new_scalar(Scalar::plain(text)));
                mapping.entries.as_mut()?.push(doc, key, value);
                *place = FieldPlace { node: Some(value), version: mapping.version };
            }
            _ => return None,
        }
        (doc.own_size() <= MAX_SIZE).then_some(())
    }

    /// How many nodes and bytes of text it can add to a document.
    pub(super) fn size(&self) -> (usize, usize) {
        let nodes = if self.create { 2 * self.fields.len() } else { 0 };
        let keys = if self.create { self.fields.iter().map(|field| field.key.len()).sum() } else { 0 };
        (nodes, keys + self.text.len() * self.fields.len())
    }
}

impl Layout {
    fn field(&mut self, path: &FieldPath) -> Option<Field> {
        let (last, parents) = path.parts().split_last().filter(|(last, _)| last.is_key())?;
        let parents = parents.iter().map(|part| part.is_key().then(|| part.text.as_str().into()));
        let (mapping, key) = (self.mapping(parents.collect::<Option<_>>()?), Box::<str>::from(last.text.as_str()));
        let next = self.fields;
        let number = *self.mappings[mapping].fields.entry(key.clone()).or_insert(next);
        self.fields += usize::from(number == next);
        Some(Field { number, mapping, key })
    }

    fn mapping(&mut self, path: Vec<Box<str>>) -> usize {
        *self.numbers.entry(path).or_insert_with_key(|path| {
            self.mappings.push(Mapping { path: path.clone(), fields: HashMap::new() });
            self.mappings.len() - 1
        })
    }
}

/// Where the fields are in one document, as far as that is known.
pub(super) struct Places<'a> {
    layout: &'a Layout,
    mappings: Vec<MappingPlace>,
    fields: Vec<FieldPlace>,
    /// Counts the documents.
    document: usize,
    /// Counts the times when all places became uncertain.
    looks: usize,
}

#[derive(Debug, Clone, Default)]
struct MappingPlace {
    entries: Option<Entries>,
    document: usize,
    /// When it was last looked for.
    look: usize,
    /// When it was first seen with these entries.
    version: usize,
}

#[derive(Debug, Clone, Default)]
struct FieldPlace {
    node: Option<NodeId>,
    /// That of its mapping; of another one it means nothing.
    version: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        let mappings = vec![MappingPlace::default(); layout.mappings.len()];
        Self { layout, mappings, fields: vec![FieldPlace::default(); layout.fields], document: 1, looks: 1 }
    }

    /// To be called before another document.
    pub(super) fn forget(&mut self) {
        self.document += 1;
        self.looks += 1;
    }

    /// To be called when something else than a [`PlainWrite`] has written.
    pub(super) fn look_again(&mut self) {
        self.looks += 1;
    }

    /// Finds a mapping and its fields, if they are not known. `None` if there is no such mapping.
    fn look(&mut self, doc: &Document, number: usize) -> Option<()> {
        let (mapping, place) = (&self.layout.mappings[number], &mut self.mappings[number]);
        if place.look == self.looks {
            return Some(());
        }
        let map = mapping.path.iter().try_fold(doc.root(), |node, key| doc.get(node, key));
        let map = map.filter(|node| doc.is_mapping(*node))?;
        let known = place.entries.filter(|entries| place.document == self.document && entries.are_of(doc, map));
        place.version = if known.is_some() { place.version } else { self.looks };
        (place.document, place.look) = (self.document, self.looks);
        let entries = place.entries.insert(known.unwrap_or_else(|| Entries::new(doc, map)));
        while let Some((key, value)) = entries.next(doc) {
            let number = mapping.fields.get(doc.text(key)).filter(|_| doc.is_scalar(key));
            let field = number.map(|number| &mut self.fields[*number]);
            // Of several entries with one key, the first counts.
            if let Some(field) = field.filter(|field| field.version != place.version) {
                *field = FieldPlace { node: Some(value), version: place.version };
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kustomization::{FieldOptions, TargetSelector};

    fn target(path: &str, create: bool) -> Target {
        let options = Some(FieldOptions { create, ..FieldOptions::default() });
        Target::new(&TargetSelector { field_paths: vec![path.into()], options, ..TargetSelector::default() })
    }

    #[test]
    fn texts_are_written_to_paths_of_keys() {
        let mut layout = Layout::default();
        let mut plain = |path, create| PlainWrite::new(&target(path, create), &Value::text("x"), &mut layout);
        let writes = [("a", false), ("b", false), ("b", true), ("c.d", true)].map(|(path, create)| plain(path, create));
        assert!(plain("c.[d=e].f", true).is_none());

        let mut doc = Document::new(Arc::default());
        for text in ["1", "2"] {
            let [key, value] = ["a", text].map(|text| doc.new_scalar(Scalar::plain(text)));
            doc.push_entry(doc.root(), key, value);
        }
        let mut places = Places::new(&layout);
        let mut write = |doc: &mut Document, number: usize| {
            writes[number].as_ref().expect("plain").write(doc, &mut places).then_some(())
        };
        assert_eq!([0, 1, 2, 1, 3].map(|number| write(&mut doc, number).is_some()), [true, false, true, true, false]);
        let entries = doc.entries(doc.root()).map(|(key, value)| (doc.text(key), doc.text(value)));
        assert_eq!(entries.collect::<Vec<_>>(), [("a", "x"), ("a", "2"), ("b", "x")]);
    }
}
