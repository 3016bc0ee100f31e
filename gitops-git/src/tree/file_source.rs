use std::fmt::Write;
use std::path::Path;

use kustomize_core::{ContentId, FileSource, ReadError as FileError, Resolved};

use crate::tree::{EntryKind, ReadError, TreeReader};

/// A build reads straight from the commit. The content id of a file is the id
/// of its blob, that of a directory the id of its tree; if there are files of
/// submodules in it, these count too.
impl FileSource for TreeReader {
    fn resolve(&self, path: &Path) -> Result<Resolved, FileError> {
        let found = self.find(path).map_err(|error| file_error(path, error))?;
        Ok(Resolved::new(found.path, found.entry.kind == EntryKind::Directory))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let limit = limit.min(self.limits().max_file_bytes);
        self.read_limited(path, limit).map_err(|error| file_error(path, error))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, FileError> {
        let entries = TreeReader::list(self, dir).map_err(|error| file_error(dir, error))?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    fn content_id(&self, path: &Path) -> Option<ContentId> {
        let found = self.find(path).ok()?;
        let mut id = found.entry.id.to_string();
        if found.entry.kind == EntryKind::Directory {
            // A tree names the commits of submodules, whether their files are there or not.
            for (at, submodule) in self.mounted().iter().filter(|(at, _)| at.starts_with(&found.path)) {
                write!(id, " {}={}", submodule.content_id(Path::new(""))?.as_str(), at.display()).ok()?;
            }
        }
        Some(ContentId::new(id))
    }
}

fn file_error(path: &Path, error: ReadError) -> FileError {
    let path = path.to_owned();
    match error {
        ReadError::NotFound { .. } => FileError::NotFound { path },
        ReadError::WrongKind { wanted: EntryKind::Directory, .. } => FileError::WrongKind { path, wanted: "directory" },
        ReadError::WrongKind { .. } => FileError::WrongKind { path, wanted: "regular file" },
        ReadError::TooLarge { limit, unit: "bytes", .. } => FileError::TooLarge { path, limit },
        ReadError::Outside { .. } => FileError::Outside { path },
        other => FileError::Io { path, source: Box::new(other) },
    }
}
