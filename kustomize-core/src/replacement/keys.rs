//! Finds keys in a mapping that many replacements write to.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::yaml::{Document, NodeId};

/// A mapping with more entries is worth an index.
const SMALL: usize = 16;

/// The keys of the mapping that was searched last, if it is large. The mapping
/// must only grow, and only by [`Keys::add`], until [`Keys::forget`].
#[derive(Default)]
pub(super) struct Keys {
    map: Option<NodeId>,
    hasher: RandomState,
    /// By the hash of a key its first entry.
    entries: HashMap<u64, (NodeId, NodeId)>,
}

impl Keys {
    /// As [`Document::get`].
    pub(super) fn get(&mut self, doc: &Document, map: NodeId, key: &str) -> Option<NodeId> {
        if self.map != Some(map) {
            if doc.entries(map).nth(SMALL).is_none() {
                return doc.get(map, key);
            }
            self.index(doc, map);
        }
        let (known, value) = *self.entries.get(&self.hasher.hash_one(key))?;
        // Two keys may have the same hash, however unlikely that is.
        if doc.text(known) == key { Some(value) } else { doc.get(map, key) }
    }

    fn index(&mut self, doc: &Document, map: NodeId) {
        self.map = Some(map);
        self.entries.clear();
        for (key, value) in doc.entries(map).filter(|(key, _)| doc.is_scalar(*key)) {
            self.entries.entry(self.hasher.hash_one(doc.text(key))).or_insert((key, value));
        }
    }

    /// Appends an entry to a mapping that has none of this key.
    pub(super) fn add(&mut self, doc: &mut Document, map: NodeId, key: NodeId, value: NodeId) {
        doc.push_entry(map, key, value);
        if self.map == Some(map) {
            self.entries.entry(self.hasher.hash_one(doc.text(key))).or_insert((key, value));
        } else {
            self.forget();
        }
    }

    /// To be called when the document changes in another way, and before another document.
    pub(super) fn forget(&mut self) {
        self.map = None;
    }
}
