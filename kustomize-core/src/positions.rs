//! Finds what has an id or name without comparing it with all others.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Positions by the hash of an id or name. The ids themselves stay in the resources, so
/// that filling it copies no text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Positions {
    /// By hash, the last entry of that hash.
    last: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    /// A position, and the entry before it with the same hash.
    entries: Vec<(u32, u32)>,
}

/// Before the first entry of a hash.
const NONE: u32 = u32::MAX;

impl Positions {
    pub(crate) fn reserve(&mut self, additional: usize) {
        self.last.reserve(additional);
        self.entries.reserve(additional);
    }

    pub(crate) fn add(&mut self, hash: u64, at: usize) {
        let before = self.last.insert(hash, self.entries.len() as u32);
        self.entries.push((at as u32, before.unwrap_or(NONE)));
    }

    /// Those that were added with this hash, the last one first.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        let mut next = self.last.get(&hash).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let (at, before) = *self.entries.get(next as usize)?;
            next = before;
            Some(at as usize)
        })
    }
}

/// For keys that are hashes already.
#[derive(Debug, Clone, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }
}
