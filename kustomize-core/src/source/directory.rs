use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{FileSource, ReadError, Resolved};

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

/// Whether a name is that of an entry: what the way to one like `..` is, is not for short cuts to say.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
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

/// Reads a file that was opened before it was looked at; errors call it `path`.
fn read_open(file: fs::File, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let kind = file.metadata().map_err(|error| io_error(path, error))?;
    check_kind(&kind, path, limit)?;
    read_kind(file, &kind, path, limit)
}

/// Reads a file of this `kind`, which errors call `path`.
fn read_kind(file: fs::File, kind: &fs::Metadata, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
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
        let is_plain = !kind.is_symlink() && is_plain(name);
        if is_plain { Ok(Resolved::new(path, kind.is_dir())) } else { self.resolve(&path) }
    }

    fn read_entry(&self, dir: &Path, name: &str, limit: u64) -> Result<(Resolved, Option<Vec<u8>>), ReadError> {
        if !is_plain(name) {
            return Ok((self.resolve_entry(dir, name)?, None));
        }
        let path = dir.join(name);
        let bytes = match open_itself(&self.within(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(io_error(&path, error)),
            // Why something else cannot be read is told to those who do read it.
            opened => opened.ok().and_then(|file| read_open(file, &path, limit).ok()),
        };
        match bytes {
            Some(bytes) => Ok((Resolved::new(path, false), Some(bytes))),
            None => Ok((self.resolve_entry(dir, name)?, None)),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let real = self.locate(path)?;
        // Asked before opening: opening a FIFO would wait for a writer.
        let kind = fs::metadata(&real).map_err(|error| io_error(path, error))?;
        check_kind(&kind, path, limit)?;
        let file = fs::File::open(real).map_err(|error| io_error(path, error))?;
        read_kind(file, &kind, path, limit)
    }

    fn read_resolved(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        // It may have become a link since, or be gone: the long way knows what to say.
        let Ok(file) = open_itself(&self.within(path)) else { return self.read(path, limit) };
        read_open(file, path, limit)
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
    fn an_entry_comes_with_its_bytes_if_it_is_a_file_that_may_be_read() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).expect("made");
        for (path, text) in [("root/a/file", "inside"), ("root/a/empty", ""), ("root/file", "x"), ("secret", "outside")]
        {
            std::fs::write(temp.path().join(path), text).expect("written");
        }
        let made = std::process::Command::new("mkfifo").arg(root.join("a/fifo")).status().expect("run");
        assert!(made.success());
        for (name, target) in [("link", "file"), ("out", "../../secret"), ("none", "x"), ("loop", "loop")] {
            std::os::unix::fs::symlink(target, root.join("a").join(name)).expect("linked");
        }
        let files = Directory::new(&root).expect("there");
        let entries = [
            "file",
            "empty",
            "b",
            "fifo",
            "link",
            "out",
            "none",
            "loop",
            "missing",
            "..",
            "../file",
            "../../secret",
            "",
        ];
        for (entry, limit) in entries.into_iter().zip(std::iter::repeat(6)).chain([("file", 5)]) {
            let found = files.read_entry("a".as_ref(), entry, limit);
            let (resolved, bytes) =
                found.map_or_else(|error| (Err(error.to_string()), None), |(found, bytes)| (Ok(found), bytes));
            let alone = files.resolve_entry("a".as_ref(), entry).map_err(|error| error.to_string());
            assert_eq!(resolved, alone, "{entry}");
            let expected = match (entry, limit) {
                ("file", 6) => Some(&b"inside"[..]),
                ("empty", _) => Some(&b""[..]),
                _ => None,
            };
            assert_eq!(bytes.as_deref(), expected, "{entry}");
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
