//! Where a build reads files: a directory, memory, or a Git tree.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use memory::Memory;
use sha2::{Digest, Sha256};

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

/// A directory of the file system, and nothing outside it.
///
/// ```
/// use kustomize_core::{Directory, FileSource};
/// # let temp = tempfile::tempdir()?;
/// # std::fs::write(temp.path().join("a.yaml"), "a: 1\n")?;
/// # let path = temp.path();
/// let files = Directory::new(path)?;
/// assert_eq!(&*files.read("a.yaml".as_ref(), 1 << 20)?, b"a: 1\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The directory at `root`; `/` for the whole file system.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it cannot be resolved.
    pub fn new(root: impl AsRef<Path>) -> Result<Self, ReadError> {
        let root = root.as_ref();
        let root = root.canonicalize().map_err(|error| io_error(root, error))?;
        Ok(Self { root })
    }

    /// Where `path` is, links not followed.
    fn within<'a>(&self, path: &'a Path) -> Cow<'a, Path> {
        if self.is_everything() && path.is_absolute() {
            return path.into();
        }
        self.root.join(path.strip_prefix("/").unwrap_or(path)).into()
    }

    fn is_everything(&self) -> bool {
        self.root.as_os_str() == "/"
    }

    /// The real path of `path`, inside the root.
    fn locate(&self, path: &Path) -> Result<PathBuf, ReadError> {
        let real = self.within(path).canonicalize().map_err(|error| io_error(path, error))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(ReadError::Outside { path: path.to_owned() }) }
    }
}

/// Opens a file without following a link, and without waiting if it is a FIFO.
#[cfg(unix)]
fn open_itself(real: &Path) -> io::Result<fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::open(real, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_itself(_: &Path) -> io::Result<fs::File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether something of this `kind`, which errors call `path`, may be read.
fn check_kind(kind: &fs::Metadata, path: &Path, limit: u64) -> Result<(), ReadError> {
    if !kind.is_file() {
        return Err(ReadError::WrongKind { path: path.to_owned(), wanted: "regular file" });
    }
    if kind.len() > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(())
}

/// Reads a file of this `kind`, which errors call `path`.
fn read_open(file: fs::File, kind: &fs::Metadata, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    use std::io::Read;
    // As long as it was said to be, and no attempt to read on; those of /proc and the like do not say.
    let length = if kind.len() > 0 { kind.len() } else { limit.saturating_add(1) };
    let mut bytes = Vec::with_capacity(kind.len() as usize);
    file.take(length).read_to_end(&mut bytes).map_err(|error| io_error(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn io_error(path: &Path, error: io::Error) -> ReadError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::NotFound { path },
        _ => ReadError::Io { path, source: error.into() },
    }
}

impl FileSource for Directory {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        let real = self.locate(path)?;
        let inside = real.strip_prefix(&self.root).unwrap_or(&real);
        let resolved = if self.is_everything() { Path::new("/").join(inside) } else { inside.to_owned() };
        Ok(Resolved::new(resolved, real.is_dir()))
    }

    fn resolve_entry(&self, dir: &Path, name: &str) -> Result<Resolved, ReadError> {
        let path = dir.join(name);
        let kind = fs::symlink_metadata(self.within(&path)).map_err(|error| io_error(&path, error))?;
        // What the way to a name like `..` is, is not for this short cut to say.
        let is_plain = !kind.is_symlink() && !matches!(name, "" | "." | "..") && !name.contains('/');
        if is_plain { Ok(Resolved::new(path, kind.is_dir())) } else { self.resolve(&path) }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let real = self.locate(path)?;
        // Asked before opening: opening a FIFO would wait for a writer.
        let kind = fs::metadata(&real).map_err(|error| io_error(path, error))?;
        check_kind(&kind, path, limit)?;
        let file = fs::File::open(real).map_err(|error| io_error(path, error))?;
        read_open(file, &kind, path, limit)
    }

    fn read_resolved(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        // It may have become a link since, or be gone: the long way knows what to say.
        let Ok(file) = open_itself(&self.within(path)) else { return self.read(path, limit) };
        let kind = file.metadata().map_err(|error| io_error(path, error))?;
        check_kind(&kind, path, limit)?;
        read_open(file, &kind, path, limit)
    }

    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        self.locate(path).ok()
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        let real = self.locate(dir)?;
        if !real.is_dir() {
            return Err(ReadError::WrongKind { path: dir.to_owned(), wanted: "directory" });
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&real).map_err(|error| io_error(dir, error))? {
            let entry = entry.map_err(|error| io_error(dir, error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_an_entry_leads_where_the_long_one_does() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).expect("made");
        std::fs::write(root.join("a/b/file"), "inside").expect("written");
        std::fs::write(temp.path().join("secret"), "outside").expect("written");
        let links =
            [("dir", "b"), ("link", "b/file"), ("out", "../../secret"), ("up", ".."), ("loop", "loop"), ("none", "x")];
        for (name, target) in links {
            std::os::unix::fs::symlink(target, root.join("a").join(name)).expect("linked");
        }
        let files = Directory::new(&root).expect("there");
        let entries = ["b", "dir", "link", "out", "up", "loop", "none", "missing", ".", "..", "b/file", "b/../b", ""];
        for entry in entries {
            let path = Path::new("a").join(entry);
            let (long, short) = (files.resolve(&path), files.resolve_entry("a".as_ref(), entry));
            assert_eq!(short.as_ref().ok(), long.as_ref().ok(), "{entry}");
            assert_eq!(short.map_err(|error| error.to_string()).err(), long.map_err(|error| error.to_string()).err());
            let read = files.read_resolved(&path, 10).map_err(|error| error.to_string());
            assert_eq!(read, files.read(&path, 10).map_err(|error| error.to_string()), "{entry}");
        }
    }

    #[test]
    fn a_directory_is_not_left() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let inside = temp.path().join("inside");
        fs::create_dir(&inside).expect("created");
        fs::write(temp.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", inside.join("link")).expect("linked");
        let files = Directory::new(&inside).expect("opened");
        for path in ["../secret", "link"] {
            assert!(matches!(files.read(Path::new(path), 10), Err(ReadError::Outside { .. })), "{path}");
        }
    }
}
