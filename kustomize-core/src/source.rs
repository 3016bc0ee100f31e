//! Where a build reads files: a directory, memory, or a Git tree.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use directory::Directory;
pub use memory::Memory;
use sha2::{Digest, Sha256};

mod directory;
mod memory;

/// The only way in which a build reads files.
///
/// Paths are `/`-separated; relative ones start at the source's root. The
/// methods that take a path follow symbolic links.
pub trait FileSource: Send + Sync {
    /// The path without symbolic links, `.` and `..`, and what is there.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if nothing is there, or a link leaves the source.
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError>;

    /// The bytes of a regular file.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it is missing, not a regular file, or larger than
    /// `limit` bytes; nothing is read beyond the limit.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError>;

    /// As [`resolve`](Self::resolve), for an entry of a directory whose path
    /// `resolve` gave: a source need not look at the way there again.
    ///
    /// # Errors
    ///
    /// As `resolve`.
    fn resolve_entry(&self, dir: &Path, name: &str) -> Result<Resolved, ReadError> {
        self.resolve(&dir.join(name))
    }

    /// As [`read`](Self::read), for a path that [`resolve`](Self::resolve) gave.
    ///
    /// # Errors
    ///
    /// As `read`.
    fn read_resolved(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.read(path, limit)
    }

    /// As [`resolve_entry`](Self::resolve_entry), for what is thought to be a file that is read next.
    ///
    /// If it is one, a source that has to open it anyway may give its bytes
    /// with the answer, those that [`read_resolved`](Self::read_resolved) would give.
    ///
    /// # Errors
    ///
    /// As `resolve`; a file that is found and cannot be read is none.
    fn read_entry(&self, dir: &Path, name: &str, limit: u64) -> Result<(Resolved, Option<Vec<u8>>), ReadError> {
        let _ = limit;
        Ok((self.resolve_entry(dir, name)?, None))
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it is missing or not a directory.
    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError>;

    /// Where a program finds the path, if the source is in the file system.
    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }

    /// An id that changes whenever the content of the file or, for a source
    /// that can tell, of anything below the directory does. `None` if it
    /// cannot be had without reading.
    ///
    /// Among all sources that one [`Renderer`](crate::Renderer) is used with,
    /// two ids may be the same only if the contents are, so an id should be a
    /// digest and not a number. That of a directory stands for the names and
    /// contents of all that is in and below it, and for symbolic links there as
    /// they are written, whatever they lead to.
    fn content_id(&self, path: &Path) -> Option<ContentId> {
        let _ = path;
        None
    }
}

/// What [`FileSource::resolve`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The path without symbolic links, `.` and `..`.
    pub path: PathBuf,
    /// Whether it is a directory; otherwise it is a file.
    pub is_dir: bool,
}

impl Resolved {
    /// A file or directory at `path`.
    pub fn new(path: impl Into<PathBuf>, is_dir: bool) -> Self {
        Self { path: path.into(), is_dir }
    }
}

/// Names a file's or tree's content, such as a Git object id.
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(Arc<str>);

impl ContentId {
    /// Two ids are equal exactly when the contents are.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id of bytes that have no other.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(bytes))
    }

    pub(crate) fn of_digest(digest: &[u8]) -> Self {
        let hex = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let text: String = digest.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 0xf)]).collect();
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a file or directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// What was asked for.
        path: PathBuf,
    },
    /// A directory where a file is wanted, or the other way round, or neither of them.
    #[error("{} is not a {wanted}", path.display())]
    WrongKind {
        /// What was asked for.
        path: PathBuf,
        /// `regular file` or `directory`.
        wanted: &'static str,
    },
    /// The file is larger than the caller allows.
    #[error("{} is larger than the limit of {limit} bytes", path.display())]
    TooLarge {
        /// What was asked for.
        path: PathBuf,
        /// In bytes.
        limit: u64,
    },
    /// A symbolic link or `..` that leads out of the source.
    #[error("{} leads out of the files that may be read", path.display())]
    Outside {
        /// What was asked for.
        path: PathBuf,
    },
    /// The source failed.
    #[error("cannot read {}", path.display())]
    Io {
        /// What was asked for.
        path: PathBuf,
        /// What the source says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The path without `.` and `..`, and without a leading `/`; `..` at the root stays there.
pub(crate) fn lexically_normal(path: &Path) -> PathBuf {
    if is_normal(path.as_os_str().as_encoded_bytes()) {
        return path.to_owned();
    }
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    normal
}

/// Whether a path is written as [`lexically_normal`] writes it.
pub(crate) fn is_normal(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..");
    path.is_empty() || (cfg!(unix) && path.split(|byte| *byte == b'/').all(is_name))
}
