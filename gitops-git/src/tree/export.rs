use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use crate::tree::entry::{Entry, EntryKind};
use crate::tree::{ReadError, TreeReader, read_blob};

/// How [`TreeReader::export`] writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Take the place of a directory that exists already; otherwise it is an error.
    pub replace: bool,
    /// Write names that differ in nothing but letter case; otherwise they are an
    /// error, since one of them is lost on many systems.
    pub allow_case_collisions: bool,
}

impl ExportOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether an existing directory is replaced.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether names may differ in nothing but letter case.
    #[must_use]
    pub fn allow_case_collisions(mut self, allow: bool) -> Self {
        self.allow_case_collisions = allow;
        self
    }
}

/// Why a tree could not be written to a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The tree could not be read.
    #[error("cannot export {}", path.display())]
    Read {
        /// The directory in the tree.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// The file system refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Two names differ in nothing but letter case.
    #[error("{} and {} are one name on systems that ignore letter case", path.display(), other.display())]
    CaseCollision {
        /// One of them.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A symbolic link leads out of what is exported.
    #[error("the symbolic link {} leads out of the exported directory", path.display())]
    Outside {
        /// The link.
        path: PathBuf,
    },
}

impl TreeReader {
    /// Writes the directory `path` of the tree to `target`, whole or not at all.
    ///
    /// Everything is written to a new directory beside `target` and renamed at
    /// the end. Nothing is ever written through a symbolic link: links come
    /// last, and only those that stay inside. A submodule becomes an empty
    /// directory, as in git.
    ///
    /// # Errors
    ///
    /// When the tree cannot be read, has links that lead out, forbidden names, or
    /// names that differ only in letter case, or the file system refuses.
    pub fn export(&self, path: &Path, target: &Path, options: &ExportOptions) -> Result<(), ExportError> {
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let staging = tempfile::Builder::new().prefix(".gitops-export-").tempdir_in(parent);
        let staging = staging.map_err(|error| write_error(parent, error))?;
        let content = staging.path().join("new");
        fs::create_dir(&content).map_err(|error| write_error(&content, error))?;
        let entries = self.entries_below(path)?;
        if !options.allow_case_collisions {
            refuse_case_collisions(&entries)?;
        }
        self.write_entries(path, &content, &entries)?;
        let published = match options.replace && target.symlink_metadata().is_ok() {
            // What was there goes with the staging directory.
            true => exchange(&content, target),
            // Refuses to replace a directory that is not empty.
            false => fs::rename(&content, target),
        };
        published.map_err(|error| write_error(target, error))
    }

    fn entries_below(&self, path: &Path) -> Result<Vec<(PathBuf, Entry)>, ExportError> {
        let mut entries = Vec::new();
        let walked = self.walk(path, &mut |path, entry| {
            entries.push((path.to_owned(), entry.clone()));
            ControlFlow::Continue(())
        });
        walked.map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
        Ok(entries)
    }

    fn write_entries(&self, root: &Path, target: &Path, entries: &[(PathBuf, Entry)]) -> Result<(), ExportError> {
        let found = self.find(root);
        let reader = found.map_err(|source| ExportError::Read { path: root.to_owned(), source })?.reader;
        let repository = reader.repository();
        let limit = self.limits().max_file_bytes;
        let read = |path: &Path, entry: &Entry| {
            read_blob(&repository, entry.id, path, limit)
                .map_err(|source| ExportError::Read { path: root.join(path), source })
        };
        let (links, others): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, entry)| entry.kind == EntryKind::Symlink);
        for (path, entry) in others {
            let target = target.join(path);
            let written = match entry.kind {
                EntryKind::Directory | EntryKind::Submodule => fs::create_dir(&target),
                kind => write_file(&target, &read(path, entry)?, kind),
            };
            written.map_err(|error| write_error(&target, error))?;
        }
        for (path, entry) in links {
            let content = read(path, entry)?;
            let outside = || ExportError::Outside { path: root.join(path) };
            let link = String::from_utf8(content).map_err(|_| outside())?;
            if !stays_inside(path, Path::new(&link)) {
                return Err(outside());
            }
            let target = target.join(path);
            symlink(&link, &target).map_err(|error| write_error(&target, error))?;
        }
        Ok(())
    }
}

fn refuse_case_collisions(entries: &[(PathBuf, Entry)]) -> Result<(), ExportError> {
    let mut seen = HashMap::new();
    for (path, _) in entries {
        match seen.insert(path.to_string_lossy().to_lowercase(), path) {
            Some(other) if other != path => {
                return Err(ExportError::CaseCollision { path: path.clone(), other: other.clone() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts `new` in the place of `target`, and `target` in that of `new`.
fn exchange(new: &Path, target: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
            exchanged => return Ok(exchanged?),
        }
    }
    let old = new.with_file_name("old");
    fs::rename(target, &old)?;
    // Whatever went wrong, what was there comes back.
    fs::rename(new, target).inspect_err(|_| drop(fs::rename(&old, target)))
}

fn write_file(path: &Path, content: &[u8], kind: EntryKind) -> io::Result<()> {
    let mode = if kind == EntryKind::Executable { 0o755 } else { 0o644 };
    // `create_new` follows no link and overwrites nothing.
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(content)
}

fn write_error(path: &Path, source: io::Error) -> ExportError {
    ExportError::Write { path: path.to_owned(), source }
}

/// Whether a link at `path` with this target never leaves the directory that
/// `path` is relative to, even on the way.
///
/// A chain of links could still climb out step by step where `..` follows
/// another link, so `..` is only allowed at the start of a target, where it
/// counts real directories.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut started = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => started = true,
            Component::ParentDir if !started && depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_climb_out_are_found() {
        for (path, target, inside) in [
            ("a/b/link", "../c", true),
            ("a/b/link", "../../c", true),
            ("a/b/link", "../../../c", false),
            ("link", "..", false),
            ("link", "/etc/passwd", false),
            ("a/link", "b/../../..", false),
            ("a/link", "./b", true),
        ] {
            assert_eq!(stays_inside(Path::new(path), Path::new(target)), inside, "{path} {target}");
        }
    }
}
