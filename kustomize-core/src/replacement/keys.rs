//! Finds keys in a mapping that many replacements write to.

use std::hash::BuildHasher;

use foldhash::HashMap;
use foldhash::fast::RandomState;

use crate::yaml::{Document, NodeId};

/// A mapping with more entries is worth an index.
const SMALL: usize = 16;

/// The keys of the mapping that was searched last, if it is large.
#[derive(Default)]
pub(super) struct Keys {
    read: Option<Entries>,
    hasher: RandomState,
    /// By the hash of a key its first entry.
    entries: HashMap<u64, (NodeId, NodeId)>,
}

impl Keys {
    /// As [`Document::get`].
    pub(super) fn get(&mut self, doc: &Document, map: NodeId, key: &str) -> Option<NodeId> {
        let Some(read) = self.read.as_mut().filter(|read| read.are_of(doc, map)) else {
            return self.get_in_other(doc, map, key);
        };
        while let Some((key, value)) = read.next(doc) {
            if doc.is_scalar(key) {
                self.entries.entry(self.hasher.hash_one(doc.text(key))).or_insert((key, value));
            }
        }
        let (known, value) = *self.entries.get(&self.hasher.hash_one(key))?;
        // Two keys may have the same hash, however unlikely that is.
        if doc.text(known) == key { Some(value) } else { doc.get(map, key) }
    }

    fn get_in_other(&mut self, doc: &Document, map: NodeId, key: &str) -> Option<NodeId> {
        if doc.entries(map).nth(SMALL).is_none() {
            return doc.get(map, key);
        }
        self.entries.clear();
        self.read = Some(Entries::new(doc, map));
        self.get(doc, map, key)
    }

    /// To be called before another document.
    pub(super) fn forget(&mut self) {
        self.read = None;
    }
}

/// The entries of a mapping, each given once, those that are added later too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    map: NodeId,
    first: Option<NodeId>,
    /// The last value that was given.
    last: Option<NodeId>,
}

impl Entries {
    pub(super) fn new(doc: &Document, map: NodeId) -> Self {
        Self { map, first: doc.first_child(map), last: None }
    }

    /// Whether it is this mapping, and has the entries it had, or more.
    /// Replacements add entries at the end or replace them all by new ones.
    pub(super) fn are_of(&self, doc: &Document, map: NodeId) -> bool {
        self.map == map && self.first.is_some() && self.first == doc.first_child(map)
    }

    pub(super) fn next(&mut self, doc: &Document) -> Option<(NodeId, NodeId)> {
        let key = match self.last {
            Some(last) => doc.next_sibling(last)?,
            None => self.first?,
        };
        let value = doc.next_sibling(key)?;
        self.last = Some(value);
        Some((key, value))
    }

    /// Adds an entry, when all others were given, which need not be given again.
    pub(super) fn push(&mut self, doc: &mut Document, key: NodeId, value: NodeId) {
        doc.push_entry(self.map, key, value);
        self.first.get_or_insert(key);
        self.last = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::Scalar;

    #[test]
    fn large_mappings_are_searched_as_small_ones_are() {
        let mut doc = Document::new(Arc::default());
        let (mut keys, maps) = (Keys::default(), [doc.root(), doc.new_mapping()]);
        for number in 0..100 {
            let count = if number < 50 { 40 } else { 5 };
            for map in maps {
                let key = (number * 7 % count).to_string();
                assert_eq!(keys.get(&doc, map, &key), doc.get(map, &key), "{key}");
                doc.set_value(map, &key, Scalar::plain("x"));
            }
            if number == 80 {
                let other = doc.new_mapping();
                doc.replace(maps[0], other);
            }
        }
        assert_eq!(maps.map(|map| doc.len(map)), [5, 40]);
    }

    #[test]
    fn entries_are_given_once() {
        let mut doc = Document::new(Arc::default());
        let map = doc.root();
        let mut entries = Entries::new(&doc, map);
        assert_eq!(entries.next(&doc), None);
        let [key, value] = ["a", "b"].map(|text| doc.new_scalar(Scalar::plain(text)));
        entries.push(&mut doc, key, value);
        assert_eq!((entries.next(&doc), entries.are_of(&doc, map)), (None, true));
        doc.set_value(map, "c", Scalar::plain("d"));
        assert_eq!(entries.next(&doc).map(|(key, _)| doc.text(key)), Some("c"));
        assert_eq!(entries.next(&doc), None);
        let other = doc.new_mapping();
        doc.replace(map, other);
        assert!(!entries.are_of(&doc, map));
    }
}
