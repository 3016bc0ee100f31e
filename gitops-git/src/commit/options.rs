use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::ObjectId;
use crate::revision::Revision;

/// What a commit says and how it is pushed.
///
/// ```
/// use gitops_git::{CommitOptions, Identity};
/// let bot: Identity = "Deploy bot <bot@example.com>".parse()?;
/// let options = CommitOptions::new("set image tag to 1.4.2", bot)
///     .trailer("Deployed-by", "pipeline 4711");
/// # Ok::<(), gitops_git::IdentityError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The commit message.
    pub message: String,
    /// Who made the change.
    pub author: Identity,
    /// Who commits it; the author unless set.
    pub committer: Option<Identity>,
    /// Lines such as `Change-Id: …` for the end of the message.
    pub trailers: Vec<(String, String)>,
    /// What has to be true of the branch; it has to exist, unless set.
    pub mode: PushMode,
    /// Options for the server, such as GitLab's `ci.skip`.
    pub push_options: Vec<String>,
    /// How often to try when others push at the same time; 100 times unless set.
    pub attempts: u32,
    /// How long to try; 3 minutes unless set.
    pub budget: Duration,
    /// Signs the commit.
    pub signer: Option<Arc<dyn Signer>>,
}

/// What has to be true of a branch for a commit to be pushed to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PushMode {
    /// The branch exists. The commit goes on top of whatever its tip is then.
    #[default]
    FastForward,
    /// The branch is at this commit, and stays there until the push.
    Lease(ObjectId),
    /// The branch does not exist. The commit goes on top of `from`, or is the
    /// first one if the repository is empty.
    Create {
        /// Where the new branch begins.
        from: Revision,
    },
    /// The branch is at `expected`, and is replaced by a commit on top of `from`,
    /// as `git push --force-with-lease=branch:expected` does. If the edit changes
    /// nothing, the branch stays.
    Replace {
        /// Where the branch begins anew.
        from: Revision,
        /// What may be lost, and nothing that came after it.
        expected: ObjectId,
    },
}

/// The name and e-mail address of an author or committer.
///
/// ```
/// use gitops_git::Identity;
/// let identity: Identity = "CI <ci@example.com>".parse()?;
/// assert_eq!(identity.to_string(), "CI <ci@example.com>");
/// # Ok::<(), gitops_git::IdentityError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    email: String,
}

/// A text that does not name a person as `Name <mail>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not of the form: Name <mail>")]
pub struct IdentityError {
    text: String,
}

/// Signs commits.
pub trait Signer: Send + Sync {
    /// The armored signature of `payload`, which is the commit as Git stores it.
    ///
    /// # Errors
    ///
    /// Whatever kept it from signing; the commit is not made.
    fn sign(&self, payload: &[u8]) -> Result<String, Box<dyn Error + Send + Sync>>;
}

impl Identity {
    /// An identity with this name and e-mail address.
    ///
    /// # Errors
    ///
    /// When either is empty, or has `<`, `>` or a control character, which a
    /// commit cannot hold.
    pub fn new(name: &str, email: &str) -> Result<Self, IdentityError> {
        let (name, email) = (name.trim(), email.trim());
        let bad = |text: &str| text.is_empty() || text.contains(|c: char| "<>".contains(c) || c.is_control());
        if bad(name) || bad(email) {
            return Err(IdentityError { text: format!("{name} <{email}>") });
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let parts = text.trim().strip_suffix('>').and_then(|text| text.split_once('<'));
        let (name, email) = parts.ok_or_else(|| IdentityError { text: text.to_owned() })?;
        Self::new(name, email)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl CommitOptions {
    /// A commit with this message by this author.
    pub fn new(message: impl Into<String>, author: Identity) -> Self {
        Self {
            message: message.into(),
            author,
            committer: None,
            trailers: Vec::new(),
            mode: PushMode::default(),
            push_options: Vec::new(),
            attempts: 100,
            budget: Duration::from_secs(180),
            signer: None,
        }
    }

    /// Sets who commits.
    #[must_use]
    pub fn committer(mut self, committer: Identity) -> Self {
        self.committer = Some(committer);
        self
    }

    /// Adds a line `key: value` to the end of the message.
    #[must_use]
    pub fn trailer(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.trailers.push((key.into(), value.into()));
        self
    }

    /// Sets what has to be true of the branch.
    #[must_use]
    pub fn mode(mut self, mode: PushMode) -> Self {
        self.mode = mode;
        self
    }

    /// Adds an option for the server.
    #[must_use]
    pub fn push_option(mut self, option: impl Into<String>) -> Self {
        self.push_options.push(option.into());
        self
    }

    /// Sets how often to try.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets how long to try.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Lets `signer` sign the commit.
    #[must_use]
    pub fn signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// The message with its trailers, ending in one line feed.
    pub(crate) fn full_message(&self) -> String {
        let mut message = format!("{}\n", self.message.trim_end());
        if !self.trailers.is_empty() {
            message.push('\n');
        }
        for (key, value) in &self.trailers {
            // A trailer is one line; more would be read as text of the message.
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            message.push_str(&format!("{}: {value}\n", key.trim()));
        }
        message
    }
}

impl fmt::Debug for CommitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitOptions")
            .field("message", &self.message)
            .field("author", &self.author)
            .field("mode", &self.mode)
            .field("signed", &self.signer.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_break_a_commit_are_refused() {
        for text in ["", "CI", "<a@b>", "CI <>", "C\nI <a@b>", "C<I <a@b>"] {
            assert!(text.parse::<Identity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn trailers_stand_in_a_paragraph_of_their_own() {
        let ci = Identity::new("CI", "ci@example.com").unwrap();
        let options = CommitOptions::new("set image\n\n", ci).trailer("Build", "1\n2");
        assert_eq!(options.full_message(), "set image\n\nBuild: 1 2\n");
    }
}
