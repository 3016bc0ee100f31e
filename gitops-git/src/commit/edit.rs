use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository};

use crate::id::ObjectId;
use crate::tree::{Entry, EntryKind, ReadError, TreeReader, normal_path};

/// The files of a branch's tip, to be changed by a commit.
///
/// It is given to the closure of
/// [`Mirror::commit_and_push`](crate::Mirror::commit_and_push). What is read
/// shows what was written before.
#[derive(Debug)]
pub struct TreeEdit {
    base: TreeReader,
    /// Real paths, so that writing through a symbolic link changes its target.
    changes: BTreeMap<PathBuf, Change>,
}

#[derive(Debug)]
enum Change {
    Write { content: Vec<u8>, executable: bool },
    Remove,
}

/// Why a file could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The path is empty, has a `..`, or a name that Git refuses.
    #[error("{} is not a path for a file in a repository", path.display())]
    InvalidPath {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no file is there.
    #[error("cannot write {}, which is a {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: EntryKind,
    },
    /// One of the two would have to be a file and a directory.
    #[error("cannot write both {} and {}", path.display(), other.display())]
    BelowAFile {
        /// The path.
        path: PathBuf,
        /// The file that is above or below it.
        other: PathBuf,
    },
    /// The tree could not be read.
    #[error("cannot change {}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
}

impl TreeEdit {
    pub(crate) fn new(base: TreeReader) -> Self {
        Self { base, changes: BTreeMap::new() }
    }

    /// The tree as it was before the first change.
    ///
    /// A clone that is kept for longer than the edit has to wait while the commit
    /// is pushed.
    pub fn base(&self) -> &TreeReader {
        &self.base
    }

    /// The content of the file at `path`, with the changes made so far.
    ///
    /// # Errors
    ///
    /// As [`TreeReader::read`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        if self.changes.is_empty() {
            return self.base.read(path);
        }
        match self.resolve(path).ok().and_then(|place| self.changes.get(&place.path)) {
            Some(Change::Write { content, .. }) => Ok(content.clone()),
            Some(Change::Remove) => Err(ReadError::NotFound { path: path.to_owned() }),
            None => self.base.read(path),
        }
    }

    /// Writes a file, new or in place of one; its executable bit is kept.
    ///
    /// # Errors
    ///
    /// When the path cannot be that of a file.
    pub fn write(&mut self, path: &Path, content: impl Into<Vec<u8>>) -> Result<(), EditError> {
        let Place { path, entry, file_above } = self.resolve(path)?;
        let executable = match entry.map(|entry| entry.kind) {
            None | Some(EntryKind::File) => false,
            Some(EntryKind::Executable) => true,
            Some(found) => return Err(EditError::NotAFile { path, found }),
        };
        let removed = |file: &PathBuf| matches!(self.changes.get(file), Some(Change::Remove));
        let in_the_way = file_above.filter(|file| !removed(file));
        if let Some(other) = in_the_way.or_else(|| self.written_above_or_below(&path)) {
            return Err(EditError::BelowAFile { other, path });
        }
        self.changes.insert(path, Change::Write { content: content.into(), executable });
        Ok(())
    }

    /// Removes a file; directories that become empty go with it.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn remove(&mut self, path: &Path) -> Result<(), EditError> {
        let place = self.resolve(path)?;
        let failed = |source| Err(EditError::Read { path: path.to_owned(), source });
        match (self.changes.get(&place.path), place.entry) {
            // Written by this edit only, so nothing is left of it.
            (Some(Change::Write { .. }), None) => drop(self.changes.remove(&place.path)),
            (None, None) | (Some(Change::Remove), _) => return failed(ReadError::NotFound { path: path.to_owned() }),
            (_, Some(entry)) => match entry.expect_kind(path, EntryKind::File) {
                Ok(()) => drop(self.changes.insert(place.path, Change::Remove)),
                Err(source) => return failed(source),
            },
        }
        Ok(())
    }

    /// A file of this edit that `path` would be below, or the other way round.
    fn written_above_or_below(&self, path: &Path) -> Option<PathBuf> {
        let related = |other: &Path| other != path && (other.starts_with(path) || path.starts_with(other));
        let written = |change: &Change| matches!(change, Change::Write { .. });
        let other = self.changes.iter().find(|(other, change)| written(change) && related(other));
        other.map(|(other, _)| other.clone())
    }

    /// The path without symbolic links, as far as it exists, and what is there.
    fn resolve(&self, path: &Path) -> Result<Place, EditError> {
        let invalid = || EditError::InvalidPath { path: path.to_owned() };
        let normal = normal_path(path).ok_or_else(invalid)?;
        for existing in normal.ancestors() {
            match self.base.find(existing) {
                Ok(found) => {
                    let rest = normal.strip_prefix(existing).map_err(|_| invalid())?;
                    // Joining nothing would leave a trailing slash.
                    return Ok(match rest.as_os_str().is_empty() {
                        true => Place { path: found.path, entry: Some(found.entry), file_above: None },
                        false => Place {
                            path: found.path.join(rest),
                            file_above: found.entry.kind.is_file().then_some(found.path),
                            entry: None,
                        },
                    });
                }
                Err(ReadError::NotFound { .. }) => {}
                Err(source) => return Err(EditError::Read { path: path.to_owned(), source }),
            }
        }
        Err(invalid())
    }

    /// Writes the changed tree and returns its id.
    pub(crate) fn write_tree(&self, repository: &Repository) -> Result<ObjectId, git2::Error> {
        let root = self.base.root();
        if self.changes.is_empty() {
            return Ok(root);
        }
        let base = repository.find_tree(root.to_git())?;
        let mut update = TreeUpdateBuilder::new();
        for (path, change) in &self.changes {
            match change {
                Change::Remove => update.remove(path.as_path()),
                Change::Write { content, executable } => {
                    let mode = if *executable { FileMode::BlobExecutable } else { FileMode::Blob };
                    update.upsert(path.as_path(), repository.blob(content)?, mode)
                }
            };
        }
        update.create_updated(repository, &base).map(ObjectId::from_git)
    }
}

/// Where a path leads before the edit.
struct Place {
    path: PathBuf,
    entry: Option<Entry>,
    /// Why nothing can be there.
    file_above: Option<PathBuf>,
}
