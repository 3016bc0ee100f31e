//! Writing an edited file so that no reader ever sees half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::KustomizationFile;

/// Why a file could not be written. The old one is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The path leads out of the folder in which it may be.
    #[error("{} leads out of {}", path.display(), root.display())]
    Outside {
        /// What was to be written.
        path: PathBuf,
        /// Where it has to be.
        root: PathBuf,
    },
    /// The file system failed.
    #[error("cannot write {}", path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

impl KustomizationFile {
    /// Writes the text to `path`: to a new file beside it, which then takes
    /// its place with its mode and, where that is allowed, its owner.
    ///
    /// A symbolic link is followed, and its target replaced, if the target is
    /// below `root`.
    ///
    /// # Errors
    ///
    /// [`SaveError`]; the old file is then untouched.
    pub fn save(&self, path: &Path, root: &Path) -> Result<(), SaveError> {
        let failed = |source| SaveError::Io { path: path.to_owned(), source };
        let target = path.canonicalize().or_else(|error| new_file(path, error)).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        if !target.starts_with(&root) {
            return Err(SaveError::Outside { path: path.to_owned(), root });
        }
        replace(&target, self.text().as_bytes()).map_err(failed)
    }
}

/// A file that is not there yet belongs where its folder really is.
fn new_file(path: &Path, error: io::Error) -> io::Result<PathBuf> {
    match (error.kind(), path.file_name()) {
        (io::ErrorKind::NotFound, Some(name)) if path.symlink_metadata().is_err() => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(folder.canonicalize()?.join(name))
        }
        _ => Err(error),
    }
}

fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let (staging, mut file) = create_beside(target)?;
    let written = file.write_all(bytes).and_then(|()| keep_owner(target, &file)).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&staging, target));
    if renamed.is_err() {
        // What failed is what the caller hears of, not the clearing up.
        let _ = fs::remove_file(&staging);
    }
    renamed
}

/// A new file in the same folder, so that the rename stays within one file system.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    for attempt in 0..100 {
        let staging = target.with_file_name(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&staging) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (staging, file)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

fn keep_owner(target: &Path, file: &File) -> io::Result<()> {
    let Ok(old) = fs::metadata(target) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            // Only root may give files away; a file of our own is better than none.
            let _ = fchown(file, Some(old.uid()), Some(old.gid()));
        }
    }
    file.set_permissions(old.permissions())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_mode_stays_and_links_are_followed_inside_the_root_only() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let (root, file) = (temp.path().join("root"), temp.path().join("root/kustomization.yaml"));
        fs::create_dir(&root).expect("created");
        fs::write(&file, "namePrefix: a-\n").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        symlink("kustomization.yaml", root.join("inside")).expect("linked");
        fs::write(temp.path().join("secret"), "x").expect("written");
        symlink("../secret", root.join("outside")).expect("linked");

        let mut edited = KustomizationFile::parse(fs::read(&file).expect("read")).expect("parses");
        edited.set_name_prefix("b-").expect("edited");
        edited.save(&root.join("inside"), &root).expect("saved");
        assert_eq!(fs::read_to_string(&file).expect("read"), "namePrefix: b-\n");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
        assert!(root.join("inside").is_symlink());
        assert!(matches!(edited.save(&root.join("outside"), &root), Err(SaveError::Outside { .. })));
        assert_eq!(fs::read_dir(&root).expect("listed").count(), 3, "no staging file stays");
    }
}
