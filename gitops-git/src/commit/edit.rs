use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository};

use crate::id::ObjectId;
use crate::tree::{EntryKind, ReadError, TreeReader, normal_path};

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
    Write(Vec<u8>),
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
    pub fn base(&self) -> &TreeReader {
        &self.base
    }

    /// The content of the file at `path`, with the changes made so far.
    ///
    /// # Errors
    ///
    /// As [`TreeReader::read`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        match self.real_path(path).ok().and_then(|real| self.changes.get(&real)) {
            Some(Change::Write(content)) => Ok(content.clone()),
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
        let real = self.real_path(path)?;
        self.expect_file_or_nothing(&real)?;
        self.changes.insert(real, Change::Write(content.into()));
        Ok(())
    }

    /// Removes a file; directories that become empty go with it.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn remove(&mut self, path: &Path) -> Result<(), EditError> {
        let read = self.read(path);
        read.map_err(|source| EditError::Read { path: path.to_owned(), source })?;
        let real = self.real_path(path)?;
        match self.base.entry(&real) {
            Ok(_) => self.changes.insert(real, Change::Remove),
            // Written by this edit only, so nothing is left of it.
            Err(_) => self.changes.remove(&real),
        };
        Ok(())
    }

    fn expect_file_or_nothing(&self, real: &Path) -> Result<(), EditError> {
        match self.base.entry(real) {
            Err(ReadError::NotFound { .. }) => Ok(()),
            Ok(entry) if entry.kind.is_file() => Ok(()),
            Ok(entry) => Err(EditError::NotAFile { path: real.to_owned(), found: entry.kind }),
            Err(source) => Err(EditError::Read { path: real.to_owned(), source }),
        }
    }

    /// The path without symbolic links, as far as it exists.
    fn real_path(&self, path: &Path) -> Result<PathBuf, EditError> {
        let invalid = || EditError::InvalidPath { path: path.to_owned() };
        let normal = normal_path(path).ok_or_else(invalid)?;
        for existing in normal.ancestors() {
            match self.base.canonical_path(existing) {
                Ok(real) => {
                    let rest = normal.strip_prefix(existing).map_err(|_| invalid())?;
                    // Joining nothing would leave a trailing slash.
                    return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
                }
                Err(ReadError::NotFound { .. }) => {}
                Err(source) => return Err(EditError::Read { path: path.to_owned(), source }),
            }
        }
        Err(invalid())
    }

    /// Writes the changed tree and returns its id.
    pub(crate) fn write_tree(&self, repository: &Repository) -> Result<ObjectId, git2::Error> {
        let base = repository.find_tree(self.base.root().to_git())?;
        if self.changes.is_empty() {
            return Ok(self.base.root());
        }
        let mut update = TreeUpdateBuilder::new();
        for (path, change) in &self.changes {
            match change {
                Change::Remove => update.remove(path.as_path()),
                Change::Write(content) => {
                    let mode = match self.base.entry(path).map(|entry| entry.kind) {
                        Ok(EntryKind::Executable) => FileMode::BlobExecutable,
                        _ => FileMode::Blob,
                    };
                    update.upsert(path.as_path(), repository.blob(content)?, mode)
                }
            };
        }
        update.create_updated(repository, &base).map(ObjectId::from_git)
    }
}
