use std::error::Error;
use std::time::Duration;

use crate::id::ObjectId;
use crate::mirror::{FetchError, MirrorError};
use crate::remote_error::RemoteError;
use crate::url::RepoUrl;

/// Why a change did not arrive on a branch.
///
/// Where the server gave words of its own, they are in the field `server`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The tip of the branch could not be fetched.
    #[error("cannot fetch the tip of branch {branch}")]
    Fetch {
        /// The branch.
        branch: String,
        /// Why not.
        source: Box<FetchError>,
    },
    /// The conversation with the server failed.
    #[error("cannot push to branch {branch} of {url}")]
    Remote {
        /// The branch.
        branch: String,
        /// The repository.
        url: RepoUrl,
        /// Why not.
        source: RemoteError,
    },
    /// The mirror's directory cannot be used.
    #[error("cannot use the mirror to commit to branch {branch}")]
    Mirror {
        /// The branch.
        branch: String,
        /// Why not.
        source: MirrorError,
    },
    /// The name cannot be that of a branch.
    #[error("{branch:?} cannot be the name of a branch")]
    InvalidBranch {
        /// The name.
        branch: String,
    },
    /// An option for the server has a line feed or a NUL.
    #[error("{option:?} cannot be a push option")]
    InvalidPushOption {
        /// The option.
        option: String,
    },
    /// The branch does not exist, as [`PushMode`](crate::PushMode) asks for.
    #[error("{url} has no branch {branch}")]
    NoBranch {
        /// The branch.
        branch: String,
        /// The repository.
        url: RepoUrl,
    },
    /// The branch exists, but should be created.
    #[error("branch {branch} exists already")]
    Exists {
        /// The branch.
        branch: String,
    },
    /// The branch is not where it should be.
    #[error("branch {branch} is not at commit {expected}")]
    Moved {
        /// The branch.
        branch: String,
        /// Where it should be.
        expected: ObjectId,
        /// Where it is, if it exists.
        found: Option<ObjectId>,
    },
    /// The closure that edits the tree failed.
    #[error("cannot make the change for branch {branch}")]
    Edit {
        /// The branch.
        branch: String,
        /// What the closure said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The commit could not be made.
    #[error("cannot make the commit for branch {branch}")]
    Commit {
        /// The branch.
        branch: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The commit could not be signed.
    #[error("cannot sign the commit for branch {branch}")]
    Sign {
        /// The branch.
        branch: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server protects the branch from these credentials.
    #[error("branch {branch} is protected: {reason}{}", said(server))]
    Protected {
        /// The branch.
        branch: String,
        /// The server's status for the branch.
        reason: String,
        /// What else the server said.
        server: String,
    },
    /// The server, or a hook on it, does not take this commit.
    #[error("the server rejected the commit for branch {branch}: {reason}{}", said(server))]
    Rejected {
        /// The branch.
        branch: String,
        /// The server's status for the branch.
        reason: String,
        /// What else the server said.
        server: String,
    },
    /// Others were faster every time.
    #[error("gave up pushing to branch {branch} after {attempts} attempts in {elapsed:?}")]
    RaceLost {
        /// The branch.
        branch: String,
        /// How often it was tried.
        attempts: u32,
        /// How long.
        elapsed: Duration,
        /// What the server said to the last attempt.
        server: String,
    },
}

fn said(server: &str) -> String {
    match server {
        "" => String::new(),
        words => format!(" ({words})"),
    }
}

impl PushError {
    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch { source, .. } => source.hint(),
            Self::Remote { source: RemoteError::Forbidden { .. }, .. } => {
                Some("the credentials may read the repository, but not write to it".into())
            }
            Self::Remote { source, .. } => source.hint(),
            Self::Protected { .. } => Some("allow the user to push to it, or push to another branch and merge".into()),
            _ => None,
        }
    }
}
