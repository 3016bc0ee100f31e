//! Makes the commit.

use git2::{ObjectType, Repository, Signature, Tree};

use crate::commit::draft;
use crate::commit::edit::TreeEdit;
use crate::commit::error::PushError;
use crate::commit::options::{CommitOptions, Identity};
use crate::id::ObjectId;
use crate::tree::TreeReader;

pub(crate) type Edit<'a> = dyn FnMut(&mut TreeEdit) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Lets `edit` change the tree, and commits it on `parent`, in memory; `None` if
/// nothing changed.
pub(crate) fn commit(
    mut tree: TreeEdit,
    parent: Option<ObjectId>,
    branch: &str,
    options: &CommitOptions,
    edit: &mut Edit<'_>,
) -> Result<Option<TreeReader>, PushError> {
    edit(&mut tree).map_err(|source| PushError::Edit { branch: branch.to_owned(), source })?;
    let failed = |source: git2::Error| PushError::Commit { branch: branch.to_owned(), source: Box::new(source) };
    let (root, payload) = write_tree(&tree, parent, options).map_err(failed)?;
    if root == tree.base().root() {
        return Ok(None);
    }
    let signature = options.signer.as_ref().map(|signer| signer.sign(payload.as_bytes())).transpose();
    let signature = signature.map_err(|source| PushError::Sign { branch: branch.to_owned(), source })?;
    let repository = tree.base().repository();
    let id = match signature {
        None => repository.odb().and_then(|odb| odb.write(ObjectType::Commit, payload.as_bytes())),
        Some(signature) => repository.commit_signed(&payload, &signature, None),
    };
    let id = ObjectId::from_git(id.map_err(failed)?);
    Ok(Some(tree.base().at_commit(id, root)))
}

/// The id of the changed tree, and the text of a commit of it.
fn write_tree(
    tree: &TreeEdit,
    parent: Option<ObjectId>,
    options: &CommitOptions,
) -> Result<(ObjectId, String), git2::Error> {
    let repository = tree.base().repository();
    draft::keep_in_memory(&repository.odb()?)?;
    let root = tree.write_tree(&repository)?;
    let changed = repository.find_tree(root.to_git())?;
    Ok((root, payload(&repository, &changed, parent, options)?))
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
