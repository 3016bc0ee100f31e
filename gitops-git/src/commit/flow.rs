use std::error::Error;

use crate::commit::base::{Base, Setback, moved};
use crate::commit::draft;
use crate::commit::edit::TreeEdit;
use crate::commit::error::PushError;
use crate::commit::object::{self, Edit};
use crate::commit::options::{CommitOptions, PushMode};
use crate::commit::push::{self, Sent, is_protection};
use crate::commit::race::{Again, Race};
use crate::id::ObjectId;
use crate::mirror::{Mirror, MirrorError, publish};
use crate::remote_error::RemoteError;
use crate::transport::session::Session;
use crate::tree::TreeReader;

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushOutcome {
    /// The branch is at the new commit.
    #[non_exhaustive]
    Pushed {
        /// The new commit.
        commit: ObjectId,
        /// How many attempts it took; more than one if others pushed at the same time.
        attempts: u32,
    },
    /// The edit changed nothing, so there is no commit.
    #[non_exhaustive]
    Unchanged {
        /// The tip of the branch; `None` if it is new.
        commit: Option<ObjectId>,
    },
}

impl PushOutcome {
    /// The commit at which the branch is now.
    pub fn commit(&self) -> Option<ObjectId> {
        match self {
            Self::Pushed { commit, .. } => Some(*commit),
            Self::Unchanged { commit } => *commit,
        }
    }
}

impl Mirror {
    /// Commits what `edit` does to the tip of `branch`, and pushes it.
    ///
    /// Nothing is merged: when someone else pushes first, `edit` is run again on
    /// the new tip. So it should say what the files have to be, rather than
    /// repeat what was decided before, and it may be called several times. It
    /// runs while this process has the mirror to itself.
    ///
    /// If a connection breaks after the commit was sent, the branch is looked at
    /// before anything is sent again.
    ///
    /// ```no_run
    /// # use gitops_git::{CommitOptions, Mirror, MirrorOptions, Remote};
    /// # let remote = Remote::new("https://github.com/o/r.git".parse()?);
    /// # let mirror = Mirror::open("/var/cache/app/mirror", remote, MirrorOptions::new())?;
    /// let options = CommitOptions::new("release 1.4.2", "CI <ci@example.com>".parse()?);
    /// let outcome = mirror.commit_and_push("main", &options, |tree| {
    ///     tree.write("VERSION".as_ref(), "1.4.2\n")
    /// })?;
    /// println!("main is at {:?}", outcome.commit());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the branch is not as [`CommitOptions::mode`] wants it, `edit` fails,
    /// the server refuses the commit, or time and attempts are used up. That
    /// `edit` changes nothing is not an error.
    pub fn commit_and_push<E>(
        &self,
        branch: &str,
        options: &CommitOptions,
        mut edit: impl FnMut(&mut TreeEdit) -> Result<(), E>,
    ) -> Result<PushOutcome, PushError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        check_branch(branch)?;
        check_push_options(options)?;
        let mut edit = |tree: &mut TreeEdit| edit(tree).map_err(Into::into);
        let mut race = Race::start();
        loop {
            match self.attempt(branch, options, &mut edit, &mut race) {
                Ok(outcome) => return Ok(outcome),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Again(again)) => {
                    race.pause(branch, options, &self.remote.cancel, *again)?;
                }
            }
        }
    }

    /// Makes the commit that [`Mirror::commit_and_push`] would make on `parent`, in
    /// memory: to see its files before anything is pushed.
    ///
    /// `None` if `edit` changes nothing. Nothing of it is kept: the commit that is
    /// pushed later is another one, with a date of its own.
    ///
    /// # Errors
    ///
    /// When the mirror does not have `parent`, or `edit` fails.
    pub fn draft<E>(
        &self,
        parent: ObjectId,
        options: &CommitOptions,
        mut edit: impl FnMut(&mut TreeEdit) -> Result<(), E>,
    ) -> Result<Option<TreeReader>, PushError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let branch = parent.to_string();
        let parent_tree = self.tree(parent);
        let tree = parent_tree.map_err(|source| PushError::Commit { branch: branch.clone(), source: source.into() })?;
        let mut edit = |tree: &mut TreeEdit| edit(tree).map_err(Into::into);
        object::commit(TreeEdit::new(tree), Some(parent), &branch, options, &mut edit)
    }

    fn attempt(
        &self,
        branch: &str,
        options: &CommitOptions,
        edit: &mut Edit<'_>,
        race: &mut Race,
    ) -> Result<PushOutcome, Setback> {
        let mirror = |source| PushError::Mirror { branch: branch.to_owned(), source };
        let _lock = self.lock().map_err(mirror)?;
        let base = self.base(branch, &options.mode, race)?;
        if let Some(commit) = base.tip.filter(|tip| race.unanswered.contains(tip)) {
            return Ok(PushOutcome::Pushed { commit, attempts: race.attempts() });
        }
        let failed = |source| mirror(MirrorError::library(base.generation.path(), source));
        let tree = self.tree_of(&base).map_err(failed)?;
        let before = tree.base().clone();
        let Some(draft) = object::commit(tree, base.tip, branch, options, edit)? else {
            return Ok(PushOutcome::Unchanged { commit: base.tip });
        };
        let remote = |source| self.push_error(branch, source);
        let session = Session::start(&self.remote).map_err(remote)?;
        let (commit, sent) = push::push(&session, &draft, branch, &base, options).map_err(remote)?;
        self.judge(branch, options, race, commit, sent)?;
        // It is on the server now, whatever becomes of the copy here: what is not
        // kept, the next fetch brings.
        let _ = keep(&base, &before, &draft, commit);
        Ok(PushOutcome::Pushed { commit, attempts: race.attempts() })
    }

    /// What the fate of a commit means for the attempt.
    fn judge(
        &self,
        branch: &str,
        options: &CommitOptions,
        race: &mut Race,
        commit: ObjectId,
        sent: Sent,
    ) -> Result<(), Setback> {
        let lost = |server| Setback::Again(Box::new(Again { otherwise: None, server, not_before: None }));
        let name = branch.to_owned();
        match (sent, &options.mode) {
            (Sent::Landed, _) => Ok(()),
            (Sent::Moved { found }, PushMode::Lease(expected) | PushMode::Replace { expected, .. }) => {
                Err(moved(branch, *expected, found).into())
            }
            (Sent::Moved { .. }, PushMode::Create { .. }) => Err(PushError::Exists { branch: name }.into()),
            (Sent::Moved { .. }, _) => Err(lost(String::new())),
            // No race: the server wants no branch to be replaced.
            (Sent::TooLate { server }, PushMode::Replace { .. }) if server.contains("non-fast-forward") => {
                Err(PushError::Rejected { branch: name, reason: server, server: String::new() }.into())
            }
            (Sent::TooLate { server }, _) => Err(lost(server)),
            (Sent::Declined { reason, server }, _) if is_protection(&reason, &server) => {
                Err(PushError::Protected { branch: name, reason, server }.into())
            }
            (Sent::Declined { reason, server }, _) => Err(PushError::Rejected { branch: name, reason, server }.into()),
            (Sent::Unknown(error), _) => {
                race.unanswered.push(commit);
                let not_before = error.retry_after();
                let otherwise = Some(self.push_error(branch, error));
                Err(Setback::Again(Box::new(Again { otherwise, server: String::new(), not_before })))
            }
        }
    }

    fn push_error(&self, branch: &str, source: RemoteError) -> PushError {
        PushError::Remote { branch: branch.to_owned(), url: self.remote.url.clone(), source }
    }
}

/// Keeps a commit that was pushed, so that it need not be fetched.
fn keep(base: &Base, before: &TreeReader, draft: &TreeReader, commit: ObjectId) -> Result<(), git2::Error> {
    let repository = base.generation.repository()?;
    draft::store(draft, before, &repository)?;
    publish(&repository, commit)
}

fn check_branch(branch: &str) -> Result<(), PushError> {
    let full = format!("refs/heads/{branch}");
    // git refuses to create a branch with a leading dash, since it reads as an option.
    if branch.starts_with('-') || !git2::Reference::is_valid_name(&full) {
        return Err(PushError::InvalidBranch { branch: branch.to_owned() });
    }
    Ok(())
}

/// One line each, as git has it; libgit2 would send any number of them as one.
fn check_push_options(options: &CommitOptions) -> Result<(), PushError> {
    match options.push_options.iter().find(|option| option.contains(['\n', '\0'])) {
        Some(option) => Err(PushError::InvalidPushOption { option: option.clone() }),
        None => Ok(()),
    }
}
