//! Makes the commit.

use git2::{Oid, Repository, Signature, Tree};

use crate::commit::edit::TreeEdit;
use crate::commit::error::PushError;
use crate::commit::options::{CommitOptions, Identity};
use crate::id::ObjectId;

pub(crate) type Edit<'a> = dyn FnMut(&mut TreeEdit) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Lets `edit` change the tree, and commits it on `parent`; `None` if nothing changed.
pub(crate) fn commit(
    repository: &Repository,
    mut tree: TreeEdit,
    parent: Option<ObjectId>,
    branch: &str,
    options: &CommitOptions,
    edit: &mut Edit<'_>,
) -> Result<Option<ObjectId>, PushError> {
    edit(&mut tree).map_err(|source| PushError::Edit { branch: branch.to_owned(), source })?;
    let failed = |source: git2::Error| PushError::Commit { branch: branch.to_owned(), source: Box::new(source) };
    let changed = tree.write_tree(repository).map_err(failed)?;
    if changed == tree.base().root() {
        return Ok(None);
    }
    let tree = repository.find_tree(changed.to_git()).map_err(failed)?;
    let payload = payload(repository, &tree, parent, options).map_err(failed)?;
    let id = match &options.signer {
        None => write(repository, &payload).map_err(failed)?,
        Some(signer) => {
            let signature = signer
                .sign(payload.as_bytes())
                .map_err(|source| PushError::Sign { branch: branch.to_owned(), source })?;
            repository.commit_signed(&payload, &signature, None).map_err(failed)?
        }
    };
    Ok(Some(ObjectId::from_git(id)))
}

/// The commit as Git stores it.
fn payload(
    repository: &Repository,
    tree: &Tree<'_>,
    parent: Option<ObjectId>,
    options: &CommitOptions,
) -> Result<String, git2::Error> {
    let author = signature(&options.author)?;
    let committer = signature(options.committer.as_ref().unwrap_or(&options.author))?;
    let parent = parent.map(|id| repository.find_commit(id.to_git())).transpose()?;
    let parents: Vec<_> = parent.iter().collect();
    let message = options.full_message();
    let buffer = repository.commit_create_buffer(&author, &committer, &message, tree, &parents)?;
    // Every part of it was a `String`.
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

fn signature(identity: &Identity) -> Result<Signature<'static>, git2::Error> {
    Signature::now(identity.name(), identity.email())
}

fn write(repository: &Repository, payload: &str) -> Result<Oid, git2::Error> {
    repository.odb()?.write(git2::ObjectType::Commit, payload.as_bytes())
}
