//! Where resources come from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::yaml::SourceText;

/// Where a resource came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The file, as the file source knows it.
    pub path: PathBuf,
    /// The 1-based line the manifest starts on; `None` if it does not stand in the file as such.
    pub line: Option<usize>,
}

/// A manifest in a file. Lines are counted when somebody asks for one.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    file: Arc<ManifestFile>,
    /// The byte that the manifest starts at.
    offset: Option<u32>,
}

/// A file that resources were read from.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    path: PathBuf,
    text: Arc<SourceText>,
    line_starts: OnceLock<Vec<u32>>,
}

impl ManifestFile {
    pub(crate) fn new(path: &Path, text: Arc<SourceText>) -> Arc<Self> {
        Arc::new(Self { path: path.to_owned(), text, line_starts: OnceLock::new() })
    }

    /// Whether this is its text.
    pub(crate) fn is_of(&self, text: &Arc<SourceText>) -> bool {
        Arc::ptr_eq(&self.text, text)
    }

    fn line_of(&self, offset: u32) -> usize {
        let starts = self.line_starts.get_or_init(|| {
            let breaks = self.text.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            breaks.map(|(at, _)| at as u32 + 1).collect()
        });
        1 + starts.partition_point(|start| *start <= offset)
    }
}

impl Place {
    pub(crate) fn new(file: &Arc<ManifestFile>, offset: Option<usize>) -> Self {
        Self { file: Arc::clone(file), offset: offset.map(|offset| offset as u32) }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { path: self.file.path.clone(), line: self.offset.map(|offset| self.file.line_of(offset)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let file = ManifestFile::new(Path::new("a.yaml"), Arc::new(SourceText { text: "a\n\nbc\nd".to_owned() }));
        let line = |offset| Place::new(&file, offset).origin().line;
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|offset| line(Some(offset))), [1, 1, 2, 3, 3, 3, 4].map(Some));
        assert_eq!(line(None), None);
    }
}
