//! The content hash that goes into the name of a generated resource.

use sha2::{Digest, Sha256};

/// kustomize's short form of a SHA-256: ten hexadecimal digits with those
/// that could spell words, or look like others, replaced.
fn short_hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 0xf]);
    hex.map(|nibble| char::from(b"gh2k456789mbcdtf"[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_replaced_as_kubectl_does() {
        assert_eq!(short_hash(b""), "tkbgc44298");
    }
}
