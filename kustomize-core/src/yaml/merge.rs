//! What becomes of a mapping's keys when all of them are known: merge keys
//! (`<<`) are expanded and duplicates found.

use foldhash::{HashMap, HashMapExt, HashSet};

use super::error::{ParseError, Position};
use super::number;
use super::parse_full::position;
use super::{Document, NodeId, Scalar, Tag};

type Entry = (NodeId, NodeId);

/// Expands the merge key as kustomize's `DeAnchor` does: what the mapping has
/// itself wins, then what comes first in a list of mappings.
pub(crate) fn resolve_v3(
    doc: &mut Document,
    map: NodeId,
    aliased: &HashSet<NodeId>,
    text: &str,
) -> Result<(), ParseError> {
    let (merges, own): (Vec<Entry>, Vec<Entry>) =
        doc.entries(map).partition(|(key, _)| doc.tag(*key) == Tag::Merge && doc.text(*key) == "<<");
    let problem = |node, problem| ParseError::Merge { at: place(doc, node, text), problem };
    let value = match merges[..] {
        [] => return Ok(()),
        [(_, value)] => value,
        [_, (second, _), ..] => return Err(problem(second, "duplicate merge key")),
    };
    let mut entries = Entries::new(doc, own.iter().copied());
    for source in sources(doc, value, aliased).map_err(|(node, wrong)| problem(node, wrong))? {
        doc.entries(source).for_each(|entry| entries.set(doc, entry));
    }
    own.into_iter().for_each(|entry| entries.set(doc, entry));
    let children = entries.children();
    doc.set_children(map, &children);
    Ok(())
}

/// Version 2 reads a mapping from top to bottom, merges included, and what
/// comes later wins. Its keys become strings, as for JSON.
pub(crate) fn resolve_v2(
    doc: &mut Document,
    map: NodeId,
    aliased: &HashSet<NodeId>,
    text: &str,
) -> Result<(), ParseError> {
    let all: Vec<Entry> = doc.entries(map).collect();
    let mut entries = Entries::new(doc, std::iter::empty());
    for (key, value) in all {
        if doc.tag(key) == Tag::Merge {
            let found = sources(doc, value, aliased);
            let found = found.map_err(|(node, problem)| ParseError::Merge { at: place(doc, node, text), problem })?;
            for source in found {
                doc.entries(source).for_each(|entry| entries.set(doc, entry));
            }
            continue;
        }
        make_string(doc, key).map_err(|problem| ParseError::Syntax { at: place(doc, key, text), problem })?;
        entries.set(doc, (key, value));
    }
    let children = entries.children();
    doc.set_children(map, &children);
    Ok(())
}

/// An error if the mapping has a key twice; keys are the same if their text is.
pub(crate) fn reject_duplicates(doc: &Document, map: NodeId, text: &str) -> Result<(), ParseError> {
    match duplicate(doc, map) {
        None => Ok(()),
        Some((first, second)) => Err(ParseError::DuplicateKey {
            at: place(doc, second, text),
            first: place(doc, first, text),
            key: doc.text(second).to_owned(),
        }),
    }
}

/// Whether the mapping has a key twice.
pub(crate) fn has_duplicates(doc: &Document, map: NodeId) -> bool {
    duplicate(doc, map).is_some()
}

/// Mappings up to this size are searched pair by pair, which needs no memory.
const SMALL: usize = 12;

fn duplicate(doc: &Document, map: NodeId) -> Option<(NodeId, NodeId)> {
    if doc.entries(map).nth(1).is_none() || !may_have_duplicates(doc, map) {
        return None;
    }
    let mut keys: HashMap<&str, NodeId> = HashMap::new();
    doc.entries(map).find_map(|(key, _)| keys.insert(doc.text(key), key).map(|first| (first, key)))
}

fn may_have_duplicates(doc: &Document, map: NodeId) -> bool {
    let mut digests = [0; SMALL];
    doc.entries(map).enumerate().any(|(at, (key, _))| {
        let digest = digest(doc.bytes(key));
        let is_known = at == SMALL || digests[..at].contains(&digest);
        if let Some(place) = digests.get_mut(at) {
            *place = digest;
        }
        is_known
    })
}

/// Tells most short texts apart: their length and last bytes.
fn digest(bytes: &[u8]) -> u64 {
    let end = bytes.last_chunk().map_or_else(
        || bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        |word: &[u8; 8]| u64::from_le_bytes(*word),
    );
    end.rotate_left(5) ^ bytes.len() as u64
}

/// The mappings to merge, the one that must win last.
fn sources(doc: &Document, value: NodeId, aliased: &HashSet<NodeId>) -> Result<Vec<NodeId>, (NodeId, &'static str)> {
    const WANTED: &str = "map merge requires map or sequence of maps as the value";
    if doc.is_mapping(value) {
        return Ok(vec![value]);
    }
    if !doc.is_sequence(value) || aliased.contains(&value) {
        return Err((value, WANTED));
    }
    let mut found: Vec<NodeId> = doc.items(value).collect();
    if let Some(other) = found.iter().find(|item| !doc.is_mapping(**item)) {
        return Err((*other, WANTED));
    }
    found.reverse();
    Ok(found)
}

fn make_string(doc: &mut Document, key: NodeId) -> Result<(), &'static str> {
    let text = match doc.tag(key) {
        Tag::Str => return Ok(()),
        Tag::Null => return Err("a mapping key must not be null"),
        // As sigs.k8s.io/yaml does it, in single precision.
        Tag::Float => number::general_f32(doc.text(key).parse().unwrap_or(f64::NAN)),
        _ => doc.text(key).to_owned(),
    };
    doc.set_scalar(key, Scalar::string(&text));
    Ok(())
}

fn place(doc: &Document, node: NodeId, text: &str) -> Position {
    doc.offset(node).map_or_else(Position::default, |offset| position(text, offset))
}

/// Entries in order, each key once unless the mapping itself has it twice.
struct Entries {
    entries: Vec<Entry>,
    by_key: HashMap<String, usize>,
}

impl Entries {
    fn new(doc: &Document, entries: impl Iterator<Item = Entry>) -> Self {
        let entries: Vec<Entry> = entries.collect();
        let mut by_key = HashMap::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            by_key.entry(doc.text(*key).to_owned()).or_insert(at);
        }
        Self { entries, by_key }
    }

    fn set(&mut self, doc: &Document, entry: Entry) {
        match self.by_key.get(doc.text(entry.0)) {
            Some(at) => self.entries[*at] = entry,
            None => {
                self.by_key.insert(doc.text(entry.0).to_owned(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    fn children(self) -> Vec<NodeId> {
        self.entries.into_iter().flat_map(|(key, value)| [key, value]).collect()
    }
}
