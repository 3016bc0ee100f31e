//! A commit in memory: nothing is written before the server has it, so an
//! attempt that loses a race leaves nothing behind.

use git2::{ObjectType, Odb, Oid, Repository, Tree};

use crate::tree::TreeReader;

/// Comes before libgit2's own places for objects, which have small numbers.
const FIRST: i32 = 1_000;

/// From now on, what is written to `odb` stays in memory.
pub(crate) fn keep_in_memory(odb: &Odb<'_>) -> Result<(), git2::Error> {
    odb.add_new_mempack_backend(FIRST).map(drop)
}

/// Writes the commit of `draft`, and what its parent `base` lacks, to `repository`.
pub(crate) fn store(draft: &TreeReader, base: &TreeReader, repository: &Repository) -> Result<(), git2::Error> {
    let memory = draft.repository();
    let (from, to) = (memory.odb()?, repository.odb()?);
    let old = memory.find_tree(base.root().to_git()).ok();
    let new = memory.find_tree(draft.root().to_git())?;
    let mut ids = new_objects(&memory, old.as_ref(), &new)?;
    ids.extend(draft.commit().map(|commit| commit.to_git()));
    for id in ids {
        let object = from.read(id)?;
        to.write(object.kind(), object.data())?;
    }
    Ok(())
}

/// The objects of `new` that are not at the same place in `old`.
fn new_objects(repository: &Repository, old: Option<&Tree<'_>>, new: &Tree<'_>) -> Result<Vec<Oid>, git2::Error> {
    let mut ids = vec![new.id()];
    for entry in new {
        let before = old.and_then(|old| old.get_name_bytes(entry.name_bytes())).map(|before| before.id());
        match entry.kind() {
            _ if before == Some(entry.id()) => {}
            Some(ObjectType::Tree) => {
                let before = before.and_then(|before| repository.find_tree(before).ok());
                ids.extend(new_objects(repository, before.as_ref(), &repository.find_tree(entry.id())?)?);
            }
            Some(ObjectType::Blob) => ids.push(entry.id()),
            // A submodule's commit is in another repository.
            _ => {}
        }
    }
    Ok(ids)
}
