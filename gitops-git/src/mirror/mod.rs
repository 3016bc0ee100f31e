mod fetch;
pub(crate) mod generation;
pub(crate) mod lock;
mod stats;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use fetch::{Commit, FetchError};
pub(crate) use fetch::{Failure, libgit2_url, publish};
pub use stats::MirrorStats;

use crate::id::ObjectId;
use crate::mirror::generation::Generation;
use crate::mirror::lock::{Lock, io_error};
use crate::remote::Remote;
use crate::tree::{Limits, ReadError, TreeReader};

/// A bare copy of a remote repository in a local directory.
///
/// It has no worktree: files are read from Git's object database, and commits
/// are made there. Any number of threads and processes may use one directory at
/// the same time; those that change it take turns, readers are never disturbed.
///
/// A process that is killed at any point leaves a mirror that the next use
/// repairs, or replaces by fetching again. A mirror does not grow without
/// bound: past [`MirrorOptions::max_packs`] the next fetch starts afresh beside
/// it and takes its place.
///
/// ```no_run
/// use gitops_git::{Mirror, MirrorOptions, Remote, Revision};
/// let remote = Remote::new("https://github.com/o/r.git".parse()?);
/// let mirror = Mirror::open("/var/cache/app/mirror", remote, MirrorOptions::new())?;
/// let commit = mirror.fetch(&Revision::branch("main"))?;
/// let readme = mirror.tree(commit.id)?.read("README.md".as_ref())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mirror {
    pub(crate) root: PathBuf,
    pub(crate) remote: Remote,
    pub(crate) options: MirrorOptions,
}

/// How a [`Mirror`] is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MirrorOptions {
    /// How much history to fetch; one commit unless set.
    pub depth: Depth,
    /// How long to wait while another thread or process changes the mirror; 60
    /// seconds unless set.
    pub lock_wait: Duration,
    /// A fetch that receives more bytes than this is given up; 4 GiB unless set.
    pub max_fetch_bytes: u64,
    /// With more packs than this, the next fetch starts afresh; 50 unless set.
    pub max_packs: usize,
    /// Limits for reading trees.
    pub limits: Limits,
}

/// How much history a mirror has.
///
/// It is kept for as long as the mirror exists: a mirror that was opened with
/// another depth before starts afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// All of it.
    Full,
    /// This many commits, counted from each tip.
    Commits(NonZeroU32),
}

/// Why the directory of a mirror cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Someone else has been changing the mirror all the time.
    #[error("{} was locked by another user of the mirror for {waited:?}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// The directory holds the mirror of another repository.
    #[error("{} holds the mirror of another repository", path.display())]
    OtherRepository {
        /// The directory.
        path: PathBuf,
    },
    /// libgit2 cannot use the repository inside.
    #[error("cannot use the repository {}", path.display())]
    Repository {
        /// Its path.
        path: PathBuf,
        /// What libgit2 said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The file that says whose the mirror is.
const IDENTITY: &str = "repository";

impl MirrorError {
    pub(crate) fn library(path: &Path, source: git2::Error) -> Self {
        Self::Repository { path: path.to_owned(), source: Box::new(source) }
    }
}

impl Depth {
    /// The last `commits` commits of each tip; at least one.
    pub fn commits(commits: u32) -> Self {
        Self::Commits(NonZeroU32::new(commits).unwrap_or(NonZeroU32::MIN))
    }
}

impl MirrorOptions {
    /// The defaults: one commit deep.
    pub fn new() -> Self {
        Self {
            depth: Depth::commits(1),
            lock_wait: Duration::from_secs(60),
            max_fetch_bytes: 4 << 30,
            max_packs: 50,
            limits: Limits::new(),
        }
    }

    /// Sets how much history to fetch.
    #[must_use]
    pub fn depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }

    /// Sets how long to wait for other users of the mirror.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Sets how many bytes one fetch may receive.
    #[must_use]
    pub fn max_fetch_bytes(mut self, bytes: u64) -> Self {
        self.max_fetch_bytes = bytes;
        self
    }

    /// Sets how many packs make the next fetch start afresh.
    #[must_use]
    pub fn max_packs(mut self, packs: usize) -> Self {
        self.max_packs = packs;
        self
    }

    /// Sets the limits for reading trees.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Mirror {
    /// Opens the mirror of `remote` in the directory `root`, and creates the
    /// directory if it does not exist. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// When the directory cannot be used, or belongs to another repository.
    /// That someone else is using the mirror is not an error.
    pub fn open(root: impl Into<PathBuf>, remote: Remote, options: MirrorOptions) -> Result<Self, MirrorError> {
        let mirror = Self { root: root.into(), remote, options };
        fs::create_dir_all(&mirror.root).map_err(|source| io_error("create", &mirror.root, source))?;
        let no_wait = lock::acquire(&mirror.lock_path(), Duration::ZERO, &mirror.remote.cancel);
        match no_wait {
            Ok(_lock) => {
                mirror.check_identity()?;
                generation::sweep(&mirror.root, Generation::current(&mirror.root)?.as_ref())?;
            }
            // Whoever has the lock swept when it got it, and will have written
            // the identity by the time we get it.
            Err(MirrorError::Locked { .. }) => drop(mirror.owner()?),
            Err(error) => return Err(error),
        }
        Ok(mirror)
    }

    /// The repository that this is a mirror of.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Reads the files of `commit`, which [`Mirror::fetch`] has fetched.
    ///
    /// # Errors
    ///
    /// When the mirror does not have the commit.
    pub fn tree(&self, commit: ObjectId) -> Result<TreeReader, ReadError> {
        let unknown = || ReadError::NoCommit { commit };
        let generation = Generation::current(&self.root)
            .map_err(|error| ReadError::Mirror { source: Box::new(error) })?
            .ok_or_else(unknown)?;
        TreeReader::open(&generation, commit, &self.options.limits)
    }

    /// Waits for the right to change the mirror.
    pub(crate) fn lock(&self) -> Result<Lock, MirrorError> {
        let lock = lock::acquire(&self.lock_path(), self.options.lock_wait, &self.remote.cancel)?;
        self.check_identity()?;
        Ok(lock)
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The mirror knows whose it is, and how deep.
    fn check_identity(&self) -> Result<(), MirrorError> {
        let depth = match self.options.depth {
            Depth::Full => "full".to_owned(),
            Depth::Commits(commits) => format!("depth {commits}"),
        };
        let identity = format!("{}\n{depth}\n", self.remote.url.key());
        match self.owner()? {
            Some(text) if text == identity => return Ok(()),
            Some(_) => self.forget()?,
            None => {}
        }
        replace_file(&self.root.join(IDENTITY), identity.as_bytes())
    }

    /// What the mirror knows, if anything; an error if it is another repository's.
    fn owner(&self) -> Result<Option<String>, MirrorError> {
        let path = self.root.join(IDENTITY);
        match fs::read_to_string(&path) {
            Ok(text) if text.lines().next() == Some(&self.remote.url.key()) => Ok(Some(text)),
            Ok(_) => Err(MirrorError::OtherRepository { path: self.root.clone() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    /// Makes the next fetch start afresh.
    pub(crate) fn forget(&self) -> Result<(), MirrorError> {
        let current = self.root.join("current");
        match fs::remove_file(&current) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", &current, error)),
            _ => Ok(()),
        }
    }
}

/// Replaces a file at once: whoever reads it finds the old one or the new one,
/// also when we are killed.
fn replace_file(path: &Path, content: &[u8]) -> Result<(), MirrorError> {
    let root = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(root).and_then(|file| {
        fs::write(file.path(), content)?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|source| io_error("replace", path, source))
}
