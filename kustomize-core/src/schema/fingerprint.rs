//! A number by which the types of a schema are found; also used by the build
//! script, which sorts the built-in types by it.

/// Tells most types apart by a few words of their names.
pub(crate) fn fingerprint(group: &str, version: &str, kind: &str) -> u64 {
    let (kind, group, version) = (kind.as_bytes(), group.as_bytes(), version.as_bytes());
    let lengths = (kind.len() << 16 ^ group.len() << 8 ^ version.len()) as u64;
    let words = [first_word(kind), last_word(kind), first_word(group), last_word(version)];
    words.into_iter().fold(lengths, |mixed, word| {
        let mixed = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

fn first_word(text: &[u8]) -> u64 {
    text.first_chunk().map_or_else(|| short_word(text), |word| u64::from_le_bytes(*word))
}

fn last_word(text: &[u8]) -> u64 {
    text.last_chunk().map_or_else(|| short_word(text), |word| u64::from_le_bytes(*word))
}

fn short_word(text: &[u8]) -> u64 {
    text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
