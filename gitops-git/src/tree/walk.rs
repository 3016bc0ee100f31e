use std::ops::ControlFlow;
use std::path::Path;

use git2::Repository;

use crate::id::ObjectId;
use crate::tree::entry::{self, Entry, EntryKind};
use crate::tree::{ReadError, TreeReader, find_tree};

impl TreeReader {
    /// Calls `visit` with everything below the directory `path`, a directory
    /// before its contents, until `visit` breaks off.
    ///
    /// The paths given to `visit` are relative to `path`. Symbolic links and
    /// submodules are visited, not entered.
    ///
    /// ```no_run
    /// # fn f(tree: &gitops_git::TreeReader) -> Result<(), gitops_git::ReadError> {
    /// use std::ops::ControlFlow;
    /// tree.walk("deploy".as_ref(), &mut |path, entry| {
    ///     println!("{} {}", entry.id, path.display());
    ///     ControlFlow::Continue(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When `path` is no directory, or something below it is beyond the
    /// [`Limits`](crate::Limits) or has a forbidden name.
    pub fn walk(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Entry) -> ControlFlow<()>) -> Result<(), ReadError> {
        let found = self.find(path)?;
        found.entry.expect_kind(path, EntryKind::Directory)?;
        let repository = found.reader.repository();
        let mut walk = Walk { reader: self, repository: &repository, entries: 0, visit };
        // A break is the visitor's wish, not an error.
        walk.directory(found.entry.id, Path::new(""), 0).map(drop)
    }
}

struct Walk<'a> {
    reader: &'a TreeReader,
    repository: &'a Repository,
    entries: usize,
    visit: &'a mut dyn FnMut(&Path, &Entry) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn directory(&mut self, id: ObjectId, dir: &Path, depth: usize) -> Result<ControlFlow<()>, ReadError> {
        let limits = self.reader.limits();
        let too_large = |limit: usize, unit| ReadError::TooLarge { path: dir.to_owned(), limit: limit as u64, unit };
        if depth > limits.max_depth {
            return Err(too_large(limits.max_depth, "directories"));
        }
        let tree = find_tree(self.repository, id, dir, limits)?;
        self.entries += tree.len();
        if self.entries > limits.max_entries {
            return Err(too_large(limits.max_entries, "entries"));
        }
        for entry in entry::of_tree(&tree, dir)? {
            let path = dir.join(&entry.name);
            if (self.visit)(&path, &entry).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if entry.kind == EntryKind::Directory && self.directory(entry.id, &path, depth + 1)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
