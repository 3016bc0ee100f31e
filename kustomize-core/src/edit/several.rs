//! One edit of many kustomization files, as one change.

use std::path::{Path, PathBuf};

use super::{EditError, FileChange, KustomizationFile};
use crate::source::{FileSource, ReadError};

/// Larger kustomization files are refused.
const MAX_FILE: u64 = 16 << 20;

/// Why the kustomization files of several directories could not be edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditAllError {
    /// A directory without a kustomization file.
    #[error("{} has no {}", dir.display(), KustomizationFile::NAMES.join(", "))]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory with more than one of them.
    #[error("{} has more than one kustomization file: {}", dir.display(), names.join(", "))]
    Several {
        /// The directory.
        dir: PathBuf,
        /// Their names.
        names: Vec<&'static str>,
    },
    /// A file could not be read.
    #[error("cannot read the kustomization file of {}", dir.display())]
    Read {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// A file could not be edited.
    #[error("cannot edit {}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
}

/// Edits the kustomization file of each directory; the files that change.
///
/// All or nothing: nothing is written, and an error in one file means no
/// change at all. What to do with the changes is the caller's: write them, or
/// commit them together.
///
/// ```
/// use kustomize_core::{ImageChange, Memory, edit_all};
///
/// let files = Memory::new()
///     .with("test/kustomization.yaml", "images:\n- {name: web, newTag: v1}\n")
///     .with("prod/kustomization.yaml", "images:\n- {name: web, newTag: v2}\n");
/// let change = ImageChange::parse("web:v2")?;
/// let changes = edit_all(&files, ["test", "prod"], |file| file.set_image(&change))?;
/// assert_eq!(changes.len(), 1, "prod has it already");
/// assert_eq!(changes[0].text, "images:\n- {name: web, newTag: v2}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`EditAllError`] for the first directory without exactly one kustomization
/// file, or whose file cannot be read or edited. A file that is as it should
/// be is not an error.
pub fn edit_all(
    files: &dyn FileSource,
    dirs: impl IntoIterator<Item = impl AsRef<Path>>,
    mut edit: impl FnMut(&mut KustomizationFile) -> Result<(), EditError>,
) -> Result<Vec<FileChange>, EditAllError> {
    let mut changes = Vec::new();
    for dir in dirs {
        let (path, bytes) = read(files, dir.as_ref())?;
        let failed = |source| EditAllError::Edit { path: path.clone(), source };
        let before = KustomizationFile::parse(&*bytes).map_err(failed)?;
        let mut file = before.clone();
        edit(&mut file).map_err(failed)?;
        if file != before {
            changes.push(FileChange { path, text: file.text().to_owned() });
        }
    }
    Ok(changes)
}

fn read(files: &dyn FileSource, dir: &Path) -> Result<(PathBuf, Vec<u8>), EditAllError> {
    let mut found = Vec::new();
    for name in KustomizationFile::NAMES {
        match files.read(&dir.join(name), MAX_FILE) {
            Ok(bytes) => found.push((name, bytes)),
            Err(ReadError::NotFound { .. }) => {}
            Err(source) => return Err(EditAllError::Read { dir: dir.to_owned(), source }),
        }
    }
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(EditAllError::Missing { dir: dir.to_owned() }),
        (Some((name, bytes)), true) => Ok((dir.join(name), bytes)),
        (Some((last, _)), false) => {
            let names = found.iter().map(|(name, _)| *name).chain([last]).collect();
            Err(EditAllError::Several { dir: dir.to_owned(), names })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn each_directory_has_to_have_one_kustomization_file() {
        let files = Memory::new().with("a/kustomization.yaml", "").with("a/Kustomization", "").with("b/x", "");
        let edit = |dir: &str| edit_all(&files, [dir], |file| file.set_namespace("x"));
        assert!(matches!(edit("a"), Err(EditAllError::Several { names, .. }) if names.len() == 2));
        assert!(matches!(edit("b"), Err(EditAllError::Missing { .. })));
    }
}
