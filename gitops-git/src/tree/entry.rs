use std::fmt;
use std::path::Path;

use git2::Tree;

use crate::id::ObjectId;
use crate::tree::ReadError;

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, without directories.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// The id of its content.
    pub id: ObjectId,
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A regular file that may be executed.
    Executable,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A commit of another repository.
    Submodule,
}

impl EntryKind {
    pub(crate) fn from_mode(mode: i32) -> Self {
        match mode {
            0o040000 => Self::Directory,
            0o120000 => Self::Symlink,
            0o160000 => Self::Submodule,
            mode if mode & 0o111 != 0 => Self::Executable,
            _ => Self::File,
        }
    }

    pub(crate) fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Executable => "executable file",
            Self::Symlink => "symbolic link",
            Self::Directory => "directory",
            Self::Submodule => "submodule",
        })
    }
}

impl Entry {
    /// An error unless this is of the kind `wanted`.
    pub(crate) fn expect_kind(&self, path: &Path, wanted: EntryKind) -> Result<(), ReadError> {
        let fits = self.kind == wanted || (wanted == EntryKind::File && self.kind.is_file());
        match fits {
            true => Ok(()),
            false => Err(ReadError::WrongKind { path: path.to_owned(), found: self.kind, wanted }),
        }
    }
}

/// The entries of a tree, none of them with a name that could do harm.
pub(crate) fn of_tree(tree: &Tree<'_>, dir: &Path) -> Result<Vec<Entry>, ReadError> {
    let entry = |entry: git2::TreeEntry<'_>| {
        let name = entry.name_bytes();
        match std::str::from_utf8(name) {
            Ok(name) if is_safe(name) => Ok(Entry {
                name: name.to_owned(),
                kind: EntryKind::from_mode(entry.filemode()),
                id: ObjectId::from_git(entry.id()),
            }),
            _ => Err(ReadError::UnsafeName { path: dir.to_owned(), name: String::from_utf8_lossy(name).into_owned() }),
        }
    };
    tree.iter().map(entry).collect()
}

/// Whether a file with this name can be written into a directory, on any system,
/// without becoming something else.
///
/// The names of Git's own directory are those that git's `core.protectHFS` and
/// `core.protectNTFS` refuse.
pub(crate) fn is_safe(name: &str) -> bool {
    // Characters that some file systems drop from names.
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String = name.chars().filter(|c| !ignored(c)).collect::<String>().to_lowercase();
    let trimmed = folded.split(':').next().unwrap_or("").trim_end_matches([' ', '.']);
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0', '\\']) && !matches!(trimmed, ".git" | "git~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gits_own_directory_are_refused_in_every_disguise() {
        for name in [".git", ".GIT", ".git.", ".git ", "git~1", ".g\u{200c}it", ".git::$INDEX", "..", "a/b"] {
            assert!(!is_safe(name), "{name:?}");
        }
        for name in [".gitignore", ".github", "git", "..a", "a:b", "ü.yaml", ".gitmodules"] {
            assert!(is_safe(name), "{name:?}");
        }
    }
}
