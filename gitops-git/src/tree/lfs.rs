use std::path::Path;

use crate::tree::{ReadError, TreeReader};

/// What Git holds in place of a file that Git LFS stores elsewhere.
///
/// This crate does not fetch such files; it recognises them, so that nobody
/// takes the pointer for the content.
///
/// ```
/// use gitops_git::LfsPointer;
/// let text = "version https://git-lfs.github.com/spec/v1\n\
///             oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n\
///             size 12345\n";
/// assert_eq!(LfsPointer::parse(text.as_bytes()).map(|pointer| pointer.size), Some(12345));
/// assert_eq!(LfsPointer::parse(b"kind: ConfigMap\n"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LfsPointer {
    /// The SHA-256 of the content, as 64 hexadecimal digits.
    pub sha256: String,
    /// The size of the content in bytes.
    pub size: u64,
}

/// Pointers are smaller than this, says the specification of Git LFS.
const MAX_POINTER_BYTES: usize = 1024;

impl LfsPointer {
    /// Reads a pointer, or returns `None` for any other content.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if content.len() >= MAX_POINTER_BYTES {
            return None;
        }
        let text = std::str::from_utf8(content).ok()?;
        let mut lines = text.lines();
        lines.next()?.strip_prefix("version https://git-lfs.github.com/spec/")?;
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let sha256 = value("oid")?.strip_prefix("sha256:")?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        let size = value("size")?.parse().ok()?;
        is_hash.then(|| Self { sha256: sha256.to_owned(), size })
    }
}

impl TreeReader {
    /// The pointer that is at `path` in place of a file in Git LFS, if it is one.
    ///
    /// # Errors
    ///
    /// As [`TreeReader::read`], except that a large file is simply no pointer.
    pub fn lfs_pointer(&self, path: &Path) -> Result<Option<LfsPointer>, ReadError> {
        match self.read_limited(path, MAX_POINTER_BYTES as u64) {
            Ok(content) => Ok(LfsPointer::parse(&content)),
            Err(ReadError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
