//! A generation is one bare repository of a mirror. A mirror that has grown or
//! is damaged gets a new one; readers keep the old one until they are done.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Config, Repository, RepositoryOpenFlags};

use crate::mirror::lock::{self, io_error};
use crate::mirror::{MirrorError, replace_file};

/// A generation that cannot be removed while this exists, in any process.
#[derive(Debug)]
pub(crate) struct Pin {
    _file: File,
}

#[derive(Debug, Clone)]
pub(crate) struct Generation {
    path: PathBuf,
    _pin: Arc<Pin>,
}

/// Generations are replaced after many fetches, so once is rare already.
const ROTATIONS: usize = 5;

const CURRENT: &str = "current";
const PREFIX: &str = "generation-";
const PIN: &str = "gitops-readers";

fn current_name(root: &Path) -> Result<Option<String>, MirrorError> {
    match fs::read_to_string(root.join(CURRENT)) {
        Ok(name) => Ok(Some(name.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error("read", &root.join(CURRENT), source)),
    }
}

impl Generation {
    /// The current generation of the mirror at `root`, if it has a sound one.
    pub(crate) fn current(root: &Path) -> Result<Option<Self>, MirrorError> {
        let mut last_error = None;
        for _ in 0..ROTATIONS {
            let Some(name) = current_name(root)? else { return Ok(None) };
            let path = root.join(&name);
            if !name.starts_with(PREFIX) || !path.join("HEAD").is_file() {
                return Ok(None);
            }
            let pinned = Self::pinned(path);
            // Between reading the name and pinning it, another process may have
            // replaced the generation and removed it.
            if current_name(root)?.is_some_and(|current| current == name) {
                return pinned.map(Some);
            }
            last_error = pinned.err();
        }
        last_error.map_or(Ok(None), Err)
    }

    /// A new, empty generation, which becomes the current one with [`Self::publish`].
    pub(crate) fn create(root: &Path) -> Result<Self, MirrorError> {
        let path = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(root)
            .map_err(|source| io_error("create a directory in", root, source))?
            // From here on the sweep removes it, unless it is published.
            .keep();
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).external_template(false).no_reinit(true);
        Repository::init_opts(&path, &options).map_err(|source| MirrorError::library(&path, source))?;
        Self::pinned(path)
    }

    /// Makes this the generation that [`Self::current`] finds.
    pub(crate) fn publish(&self, root: &Path) -> Result<(), MirrorError> {
        let name = self.path.file_name().unwrap_or_default();
        replace_file(&root.join(CURRENT), name.as_encoded_bytes())
    }

    fn pinned(path: PathBuf) -> Result<Self, MirrorError> {
        let pin = path.join(PIN);
        let file = lock::open(&pin)?;
        file.lock_shared().map_err(|source| io_error("lock", &pin, source))?;
        Ok(Self { path, _pin: Arc::new(Pin { _file: file }) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the repository.
    pub(crate) fn repository(&self) -> Result<Repository, git2::Error> {
        // Not `open_bare`: that one does not read the list of shallow commits,
        // and a push from a shallow mirror would then miss their parents.
        let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH;
        let repository = Repository::open_ext(&self.path, flags, None::<&std::ffi::OsStr>)?;
        // What users and systems configure is for repositories that people work in.
        repository.set_config(&Config::open(&self.path.join("config"))?)?;
        Ok(repository)
    }
}

/// Removes what crashed or finished users left: generations that nobody reads,
/// temporary files, and locks of libgit2.
///
/// The caller holds the mirror's lock, so every lock file found is stale.
pub(crate) fn sweep(root: &Path, current: Option<&Generation>) -> Result<(), MirrorError> {
    for path in entries(root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && current.is_none_or(|current| current.path != path) {
            remove_unless_read(&path)?;
        } else if name.starts_with(".tmp") {
            remove_file(&path)?;
        }
    }
    match current {
        Some(current) => sweep_repository(&current.path),
        None => Ok(()),
    }
}

/// Removes temporary packs and stale locks of libgit2 in one repository.
pub(crate) fn sweep_repository(repository: &Path) -> Result<(), MirrorError> {
    for name in ["shallow.lock", "packed-refs.lock", "HEAD.lock", "config.lock"] {
        remove_file(&repository.join(name))?;
    }
    let refs = repository.join("refs").join("gitops");
    for path in entries(&refs)? {
        if path.extension().is_some_and(|extension| extension == "lock") {
            remove_file(&path)?;
        }
    }
    let objects = repository.join("objects");
    for dir in [objects.join("pack"), objects] {
        for path in entries(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // libgit2 names them pack_git2_…, git itself tmp_….
            if name.starts_with("pack_git2_") || name.starts_with("tmp_") {
                remove_file(&path)?;
            }
        }
    }
    sweep_loose(repository)
}

/// Removes half-written loose objects.
fn sweep_loose(repository: &Path) -> Result<(), MirrorError> {
    let objects = repository.join("objects");
    for dir in entries(&objects)? {
        let two_digits = dir.file_name().is_some_and(|name| name.len() == 2);
        if !two_digits {
            continue;
        }
        for path in entries(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("tmp_") || name.contains("_git2_") {
                remove_file(&path)?;
            }
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, MirrorError> {
    let failed = |source| io_error("list", dir, source);
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

fn remove_file(path: &Path) -> Result<(), MirrorError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, error)),
        _ => Ok(()),
    }
}

fn remove_unless_read(generation: &Path) -> Result<(), MirrorError> {
    let pin = generation.join(PIN);
    if pin.is_file() && lock::open(&pin)?.try_lock().is_err() {
        return Ok(());
    }
    match fs::remove_dir_all(generation) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", generation, error)),
        _ => Ok(()),
    }
}
