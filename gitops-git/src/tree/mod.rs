mod entry;
mod export;
#[cfg(feature = "kustomize")]
mod file_source;
mod lfs;
mod locate;
mod trees;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Oid, Repository, Tree};

pub use entry::{Entry, EntryKind};
pub use export::{ExportError, ExportOptions};
pub use lfs::LfsPointer;
use locate::Place;
pub(crate) use locate::normal_path;
use trees::Trees;

use crate::id::ObjectId;
use crate::mirror::generation::Generation;

/// The files of one commit, read straight from Git's object database.
///
/// Paths are relative to the root of the tree; a leading `/` means the same.
/// Symbolic links are followed as long as they stay inside the tree.
///
/// Cheap to clone, and any number of readers at any commits can be used at the
/// same time. While one exists, the mirror keeps the objects it needs.
#[derive(Clone)]
pub struct TreeReader {
    inner: Arc<Inner>,
}

struct Inner {
    repository: Arc<Mutex<Repository>>,
    trees: Arc<Trees>,
    generation: Generation,
    submodules: BTreeMap<PathBuf, TreeReader>,
    commit: Option<ObjectId>,
    root: ObjectId,
    limits: Limits,
}

/// How much a reader reads before it suspects an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in one file; 64 MiB unless set.
    pub max_file_bytes: u64,
    /// Entries in one directory, and in all that one walk visits; 500,000 unless set.
    pub max_entries: usize,
    /// Directories below each other; 128 unless set.
    pub max_depth: usize,
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self { max_file_bytes: 64 << 20, max_entries: 500_000, max_depth: 128 }
    }

    /// Sets how many bytes one file may have.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Sets how many entries a directory or a walk may have.
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// Sets how many directories may be below each other.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Why something in a tree could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The mirror does not have this commit.
    #[error("the mirror has no commit {commit}")]
    NoCommit {
        /// The commit.
        commit: ObjectId,
    },
    /// The mirror's directory cannot be used.
    #[error("cannot open the mirror")]
    Mirror {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// What was asked for.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is a {found}, not a {wanted}", path.display())]
    WrongKind {
        /// What was asked for.
        path: PathBuf,
        /// What it is.
        found: EntryKind,
        /// What it should be.
        wanted: EntryKind,
    },
    /// More than the [`Limits`] allow.
    #[error("{} is too large: more than {limit} {unit}", path.display())]
    TooLarge {
        /// What was asked for.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// What is counted: bytes, entries or directories.
        unit: &'static str,
    },
    /// A symbolic link or `..` leads out of the tree.
    #[error("{} leads out of the repository", path.display())]
    Outside {
        /// What was asked for.
        path: PathBuf,
    },
    /// Symbolic links that lead to each other, or too many of them.
    #[error("{} leads through too many symbolic links", path.display())]
    LinkLoop {
        /// What was asked for.
        path: PathBuf,
    },
    /// A name that no honest repository has, such as `..`, `a/b` or `.git`.
    #[error("{} has an entry with the forbidden name {name:?}", path.display())]
    UnsafeName {
        /// The directory.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The object database is damaged or incomplete.
    #[error("cannot read {} from the object database", path.display())]
    Database {
        /// What was asked for.
        path: PathBuf,
        /// What libgit2 said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReadError {
    pub(crate) fn database(path: &Path, source: git2::Error) -> Self {
        Self::Database { path: path.to_owned(), source: Box::new(source) }
    }
}

/// Something in a tree, and the reader of the repository that it is in.
pub(crate) struct Found {
    pub(crate) reader: TreeReader,
    /// From the root of the outermost tree, without symbolic links, `.` and `..`.
    pub(crate) path: PathBuf,
    pub(crate) entry: Entry,
}

impl TreeReader {
    pub(crate) fn open(generation: &Generation, commit: ObjectId, limits: &Limits) -> Result<Self, ReadError> {
        let opened = generation.repository();
        let repository = opened.map_err(|source| ReadError::Mirror { source: Box::new(source) })?;
        let tree = repository.find_commit(commit.to_git()).map(|commit| commit.tree_id());
        let root = ObjectId::from_git(tree.map_err(|_| ReadError::NoCommit { commit })?);
        Ok(Self::at(generation, repository, Some(commit), root, limits))
    }

    /// A reader of a tree that may belong to no commit yet.
    pub(crate) fn at(
        generation: &Generation,
        repository: Repository,
        commit: Option<ObjectId>,
        root: ObjectId,
        limits: &Limits,
    ) -> Self {
        let inner = Inner {
            repository: Arc::new(Mutex::new(repository)),
            trees: Arc::default(),
            generation: generation.clone(),
            submodules: BTreeMap::new(),
            commit,
            root,
            limits: limits.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A reader of another commit that is in the same repository, maybe in memory.
    pub(crate) fn at_commit(&self, commit: ObjectId, root: ObjectId) -> Self {
        let inner = Inner {
            repository: Arc::clone(&self.inner.repository),
            trees: Arc::clone(&self.inner.trees),
            generation: self.inner.generation.clone(),
            submodules: BTreeMap::new(),
            commit: Some(commit),
            root,
            limits: self.inner.limits.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The commit that is being read; `None` for the empty tree of a new branch.
    pub fn commit(&self) -> Option<ObjectId> {
        self.inner.commit
    }

    /// The content of the file at `path`.
    ///
    /// # Errors
    ///
    /// When it does not exist, is no file, is larger than the limit, or is
    /// reached by a link that leaves the tree.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let limit = self.inner.limits.max_file_bytes;
        self.read_limited(path, limit)
    }

    pub(crate) fn read_limited(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let found = self.find(path)?;
        found.entry.expect_kind(path, EntryKind::File)?;
        read_blob(&found.reader.repository(), found.entry.id, path, limit)
    }

    /// The entries of the directory at `path`, sorted by name.
    ///
    /// # Errors
    ///
    /// When it does not exist, is no directory, or has more entries than the
    /// limit or one with a forbidden name.
    pub fn list(&self, path: &Path) -> Result<Vec<Entry>, ReadError> {
        let found = self.find(path)?;
        found.entry.expect_kind(path, EntryKind::Directory)?;
        let repository = found.reader.repository();
        let tree = find_tree(&repository, found.entry.id, path, self.limits())?;
        let mut entries = entry::of_tree(&tree, path)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What is at `path`, symbolic links followed.
    ///
    /// # Errors
    ///
    /// As [`TreeReader::read`].
    pub fn entry(&self, path: &Path) -> Result<Entry, ReadError> {
        Ok(self.find(path)?.entry)
    }

    /// The path of what is at `path`, without symbolic links, `.` and `..`.
    ///
    /// # Errors
    ///
    /// As [`TreeReader::read`].
    pub fn canonical_path(&self, path: &Path) -> Result<PathBuf, ReadError> {
        Ok(self.find(path)?.path)
    }

    /// The id of the file or directory at `path`, or `None` if nothing is there.
    ///
    /// It changes exactly when the content does, of a directory with all that is
    /// below it, so comparing the ids of two commits tells whether a path changed.
    ///
    /// # Errors
    ///
    /// When the object database is damaged, or a link leaves the tree.
    pub fn tree_id(&self, path: &Path) -> Result<Option<ObjectId>, ReadError> {
        match self.entry(path) {
            Ok(entry) => Ok(Some(entry.id)),
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds `path`, in a submodule if it leads there.
    pub(crate) fn find(&self, path: &Path) -> Result<Found, ReadError> {
        let place = locate::locate(&self.repository(), &self.inner.trees, self.root(), path, self.limits())?;
        let (at, rest, here) = match place {
            Place::Here(found) if found.entry.kind != EntryKind::Submodule => {
                return Ok(Found { reader: self.clone(), path: found.path, entry: found.entry });
            }
            Place::Here(found) => (found.path.clone(), PathBuf::new(), Some(found)),
            Place::Submodule { at, rest } => (at, rest, None),
        };
        match (self.inner.submodules.get(&at), here) {
            (Some(submodule), _) => {
                let found = submodule.find(&rest)?;
                // Joining nothing would leave a trailing slash.
                let path = if found.path.as_os_str().is_empty() { at } else { at.join(&found.path) };
                Ok(Found { path, ..found })
            }
            (None, Some(here)) => Ok(Found { reader: self.clone(), path: here.path, entry: here.entry }),
            (None, None) => Err(ReadError::WrongKind {
                path: path.to_owned(),
                found: EntryKind::Submodule,
                wanted: EntryKind::Directory,
            }),
        }
    }

    /// The same tree with the files of submodules in their places.
    pub(crate) fn mount(&self, submodules: BTreeMap<PathBuf, TreeReader>) -> Result<Self, ReadError> {
        let opened = self.inner.generation.repository();
        let repository = opened.map_err(|source| ReadError::Mirror { source: Box::new(source) })?;
        let inner = Inner {
            repository: Arc::new(Mutex::new(repository)),
            trees: Arc::default(),
            generation: self.inner.generation.clone(),
            submodules,
            commit: self.inner.commit,
            root: self.inner.root,
            limits: self.inner.limits.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn root(&self) -> ObjectId {
        self.inner.root
    }

    #[cfg(feature = "kustomize")]
    pub(crate) fn mounted(&self) -> &BTreeMap<PathBuf, TreeReader> {
        &self.inner.submodules
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn repository(&self) -> MutexGuard<'_, Repository> {
        // libgit2 keeps its own state sound; a panic elsewhere does not change that.
        self.inner.repository.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for TreeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeReader")
            .field("commit", &self.inner.commit)
            .field("root", &self.inner.root)
            .finish_non_exhaustive()
    }
}

/// Reads a blob after its size was checked.
pub(crate) fn read_blob(repository: &Repository, id: ObjectId, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::database(path, source);
    let odb = repository.odb().map_err(failed)?;
    let (size, _) = odb.read_header(id.to_git()).map_err(failed)?;
    if size as u64 > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), limit, unit: "bytes" });
    }
    let object = odb.read(id.to_git()).map_err(failed)?;
    match object.kind() {
        ObjectType::Blob => Ok(object.data().to_vec()),
        _ => Err(failed(git2::Error::from_str("a tree entry for a file is no blob"))),
    }
}

/// Loads a tree after its size was checked.
pub(crate) fn find_tree<'r>(
    repository: &'r Repository,
    id: ObjectId,
    path: &Path,
    limits: &Limits,
) -> Result<Tree<'r>, ReadError> {
    let failed = |source| ReadError::database(path, source);
    let too_large = || ReadError::TooLarge { path: path.to_owned(), limit: limits.max_entries as u64, unit: "entries" };
    let oid: Oid = id.to_git();
    let odb = repository.odb().map_err(failed)?;
    let (size, _) = odb.read_header(oid).map_err(failed)?;
    // An entry has at most 28 bytes beside its name, and names of 255 bytes fit
    // into every file system: more than this need not even be parsed.
    if size / 283 > limits.max_entries {
        return Err(too_large());
    }
    let tree = repository.find_tree(oid).map_err(failed)?;
    match tree.len() > limits.max_entries {
        true => Err(too_large()),
        false => Ok(tree),
    }
}
