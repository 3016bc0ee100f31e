use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use git2::{Repository, Tree};

use crate::id::ObjectId;
use crate::tree::entry::EntryKind;
use crate::tree::{Limits, ReadError, find_tree};

/// How many entries of directories a reader remembers; then it begins anew.
const MOST_ENTRIES: usize = 100_000;

/// The directories that a reader went through. libgit2 keeps their objects too,
/// but looks each of them up in the database before it says so.
#[derive(Default)]
pub(crate) struct Trees {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<ObjectId, Arc<Entries>>,
    entries: usize,
}

/// The entries of one directory, by name.
type Entries = HashMap<Box<[u8]>, (ObjectId, EntryKind)>;

impl Trees {
    /// What is called `name` in the directory `id`; `path` is what was asked for.
    pub(crate) fn entry(
        &self,
        repository: &Repository,
        id: ObjectId,
        name: &str,
        path: &Path,
        limits: &Limits,
    ) -> Result<Option<(ObjectId, EntryKind)>, ReadError> {
        let entries = match self.known(id) {
            Some(entries) => entries,
            None => self.remember(id, &find_tree(repository, id, path, limits)?),
        };
        Ok(entries.get(name.as_bytes()).copied())
    }

    fn known(&self, id: ObjectId) -> Option<Arc<Entries>> {
        self.with(|known| known.by_id.get(&id).cloned())
    }

    fn remember(&self, id: ObjectId, tree: &Tree<'_>) -> Arc<Entries> {
        let entry = |entry: git2::TreeEntry<'_>| {
            let kind = EntryKind::from_mode(entry.filemode());
            (entry.name_bytes().into(), (ObjectId::from_git(entry.id()), kind))
        };
        let entries: Arc<Entries> = Arc::new(tree.iter().map(entry).collect());
        self.with(|known| {
            known.entries += entries.len();
            if known.entries > MOST_ENTRIES {
                *known = Known { entries: entries.len(), ..Known::default() };
            }
            known.by_id.insert(id, Arc::clone(&entries));
        });
        entries
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        // A panic elsewhere leaves it as consistent as any other moment.
        f(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
