//! A few names that all resources are compared with.

use foldhash::{HashMap, HashMapExt};

/// Which entries of a list want which name.
#[derive(Debug, Clone)]
pub(crate) struct WantedNames<'a> {
    by_name: HashMap<&'a str, Vec<usize>>,
    /// A bit for each length that a wanted name has: most names are told by it.
    lengths: u64,
}

impl<'a> WantedNames<'a> {
    pub(crate) fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let mut wanted = Self { by_name: HashMap::new(), lengths: 0 };
        for (entry, name) in names.enumerate() {
            wanted.by_name.entry(name).or_default().push(entry);
            wanted.lengths |= length_bit(name);
        }
        wanted
    }

    /// The entries that want this name.
    pub(crate) fn entries(&self, name: &str) -> &[usize] {
        if self.lengths & length_bit(name) == 0 {
            return &[];
        }
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_that_wants_a_name_is_found() {
        let wanted = WantedNames::new(["a", "b", "a"].into_iter());
        assert_eq!(wanted.entries("a"), [0, 2]);
        assert_eq!(wanted.entries("b"), [1]);
        assert!(wanted.entries("c").is_empty() && wanted.entries("abc").is_empty());
    }
}
