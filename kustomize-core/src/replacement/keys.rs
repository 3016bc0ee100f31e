//! Finds keys in mappings that many replacements write to.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::yaml::{Document, NodeId, Scalar};

/// A mapping with more entries is worth an index.
const SMALL: usize = 16;

/// The keys of the large mappings of a document that were searched. They must
/// only grow, and only by [`Keys::add`], until [`Keys::forget`].
#[derive(Default)]
pub(super) struct Keys {
    indexed: Vec<NodeId>,
    hashes: Hashes,
    /// By the mapping and the hash of a key its first entry.
    entries: HashMap<(NodeId, u64), (NodeId, NodeId), BuildHasherDefault<Combine>>,
}

/// Hashes keys for all [`Keys`] that are made with a clone of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashes(RandomState);

/// A key, and its hash if that is known.
#[derive(Debug, Clone)]
pub(super) struct Key<T> {
    text: T,
    hash: Option<u64>,
}

impl<'a> Key<&'a str> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, hash: None }
    }
}

impl Key<Box<str>> {
    /// A key that is worth hashing because it will be looked up many times.
    pub(super) fn hashed(text: &str, hashes: &Hashes) -> Self {
        Self { text: text.into(), hash: Some(hashes.0.hash_one(text)) }
    }
}

impl<T: AsRef<str>> Key<T> {
    pub(super) fn text(&self) -> &str {
        self.text.as_ref()
    }

    fn hash(&self, hashes: &Hashes) -> u64 {
        self.hash.unwrap_or_else(|| hashes.0.hash_one(self.text()))
    }
}

impl Keys {
    pub(super) fn new(hashes: Hashes) -> Self {
        Self { hashes, ..Self::default() }
    }

    /// As [`Document::get`].
    pub(super) fn get(&mut self, doc: &Document, map: NodeId, key: &Key<impl AsRef<str>>) -> Option<NodeId> {
        if !self.indexed.contains(&map) {
            if doc.entries(map).nth(SMALL).is_none() {
                return doc.get(map, key.text());
            }
            self.index(doc, map);
        }
        let (known, value) = *self.entries.get(&(map, key.hash(&self.hashes)))?;
        // Two keys may have the same hash, however unlikely that is.
        if doc.text(known) == key.text() { Some(value) } else { doc.get(map, key.text()) }
    }

    fn index(&mut self, doc: &Document, map: NodeId) {
        self.indexed.push(map);
        for (key, value) in doc.entries(map).filter(|(key, _)| doc.is_scalar(*key)) {
            let hash = Key::new(doc.text(key)).hash(&self.hashes);
            self.entries.entry((map, hash)).or_insert((key, value));
        }
    }

    /// Appends an entry to a mapping that has none of this key.
    pub(super) fn add(&mut self, doc: &mut Document, map: NodeId, key: &Key<impl AsRef<str>>, value: NodeId) {
        let node = doc.new_scalar(Scalar::plain(key.text()));
        doc.push_entry(map, node, value);
        if self.indexed.contains(&map) {
            self.entries.entry((map, key.hash(&self.hashes))).or_insert((node, value));
        }
    }

    /// To be called when the document changes in another way, and before another document.
    pub(super) fn forget(&mut self) {
        if !self.indexed.is_empty() {
            self.indexed.clear();
            self.entries.clear();
        }
    }
}

/// Combines a node with what is a hash already.
#[derive(Default)]
struct Combine(u64);

impl Hasher for Combine {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(32) ^ number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn large_mappings_are_searched_as_small_ones_are() {
        let mut doc = Document::new(Arc::default());
        let (mut keys, maps) = (Keys::default(), [doc.root(), doc.new_mapping(), doc.new_mapping()]);
        for number in 0..100 {
            for (map, count) in maps.into_iter().zip([40, 30, 5]) {
                let name = (number * 7 % count).to_string();
                let key = Key::new(name.as_str());
                let found = keys.get(&doc, map, &key);
                assert_eq!(found, doc.get(map, &name), "{name}");
                if found.is_none() {
                    let value = doc.new_scalar(Scalar::plain("x"));
                    keys.add(&mut doc, map, &key, value);
                }
            }
        }
        assert_eq!(maps.map(|map| doc.len(map)), [40, 30, 5]);
        assert_eq!(keys.indexed, maps[..2]);
    }
}
