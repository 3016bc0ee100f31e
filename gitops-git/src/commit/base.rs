//! What an attempt to push builds on.

use crate::commit::edit::TreeEdit;
use crate::commit::error::PushError;
use crate::commit::options::PushMode;
use crate::commit::race::{Again, Race};
use crate::id::ObjectId;
use crate::mirror::generation::Generation;
use crate::mirror::{Failure, Mirror, MirrorError};
use crate::revision::{ResolveError, Revision};
use crate::tree::TreeReader;

/// Why an attempt did not succeed.
pub(crate) enum Setback {
    /// Trying again will not help.
    Final(PushError),
    Again(Box<Again>),
}

impl From<PushError> for Setback {
    fn from(error: PushError) -> Self {
        Self::Final(error)
    }
}

/// What an attempt builds on.
pub(crate) struct Base {
    pub(crate) generation: Generation,
    pub(crate) tip: Option<ObjectId>,
    /// Where the branch has to be when we push; `None`: nowhere.
    pub(crate) expected: Option<ObjectId>,
}

impl Mirror {
    /// Fetches what the commit is to be made on.
    pub(crate) fn base(&self, branch: &str, mode: &PushMode, race: &Race) -> Result<Base, Setback> {
        match mode {
            PushMode::Create { from } => self.base_elsewhere(branch, mode, (from, None), race),
            PushMode::Replace { from, expected } => self.base_elsewhere(branch, mode, (from, Some(*expected)), race),
            PushMode::FastForward | PushMode::Lease(_) => {
                let revision = Revision::branch(branch);
                let (generation, commit) = self
                    .fetch_locked(&revision)
                    .map_err(|failure| self.fetch_setback(branch, mode, &revision, failure))?;
                let tip = Some(commit.id);
                match mode {
                    PushMode::Lease(lease) if commit.id != *lease && !race.unanswered.contains(&commit.id) => {
                        Err(moved(branch, *lease, tip).into())
                    }
                    _ => Ok(Base { generation, tip, expected: tip }),
                }
            }
        }
    }

    /// The base of a branch that begins at `from`, whatever it is before that.
    fn base_elsewhere(
        &self,
        branch: &str,
        mode: &PushMode,
        (from, expected): (&Revision, Option<ObjectId>),
        race: &Race,
    ) -> Result<Base, Setback> {
        if !race.unanswered.is_empty()
            && let Ok((generation, commit)) = self.fetch_locked(&Revision::branch(branch))
        {
            let tip = Some(commit.id);
            match expected {
                _ if race.unanswered.contains(&commit.id) => return Ok(Base { generation, tip, expected }),
                Some(expected) if expected == commit.id => {}
                Some(expected) => return Err(moved(branch, expected, tip).into()),
                None => return Err(PushError::Exists { branch: branch.to_owned() }.into()),
            }
        }
        match self.fetch_locked(from) {
            Ok((generation, commit)) => Ok(Base { generation, tip: Some(commit.id), expected }),
            Err(Failure::Resolve(ResolveError::Empty)) if expected.is_none() => {
                let mirror = |source| PushError::Mirror { branch: branch.to_owned(), source };
                let generation = self.any_generation().map_err(mirror)?;
                Ok(Base { generation, tip: None, expected })
            }
            Err(failure) => Err(self.fetch_setback(branch, mode, from, failure)),
        }
    }

    pub(crate) fn any_generation(&self) -> Result<Generation, MirrorError> {
        if let Some(current) = Generation::current(&self.root)? {
            return Ok(current);
        }
        let fresh = Generation::create(&self.root)?;
        fresh.publish(&self.root)?;
        Ok(fresh)
    }

    fn fetch_setback(&self, branch: &str, mode: &PushMode, revision: &Revision, failure: Failure) -> Setback {
        let url = &self.remote.url;
        match (&failure, mode) {
            (Failure::Resolve(_), PushMode::Lease(expected)) => moved(branch, *expected, None).into(),
            (Failure::Resolve(_), PushMode::FastForward) => {
                PushError::NoBranch { branch: branch.to_owned(), url: url.clone() }.into()
            }
            (Failure::Remote(error), _) if error.is_transient() => {
                let not_before = error.retry_after();
                let source = Box::new(failure.into_fetch_error(revision, url));
                let otherwise = Some(PushError::Fetch { branch: branch.to_owned(), source });
                Setback::Again(Box::new(Again { otherwise, server: String::new(), not_before }))
            }
            _ => {
                let source = Box::new(failure.into_fetch_error(revision, url));
                PushError::Fetch { branch: branch.to_owned(), source }.into()
            }
        }
    }

    pub(crate) fn tree_of(&self, base: &Base) -> Result<TreeEdit, git2::Error> {
        let repository = base.generation.repository()?;
        let root = match base.tip {
            Some(tip) => repository.find_commit(tip.to_git())?.tree_id(),
            None => repository.treebuilder(None)?.write()?,
        };
        let (root, limits) = (ObjectId::from_git(root), &self.options.limits);
        Ok(TreeEdit::new(TreeReader::at(&base.generation, repository, base.tip, root, limits)))
    }
}

pub(crate) fn moved(branch: &str, expected: ObjectId, found: Option<ObjectId>) -> PushError {
    PushError::Moved { branch: branch.to_owned(), expected, found }
}
