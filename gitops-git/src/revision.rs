use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::id::ObjectId;
use crate::refs::{RefFilter, RefSnapshot, RemoteRef};
use crate::version_range::VersionRange;

/// What to look at in a repository, as Argo CD's `targetRevision` says it.
///
/// Parsing never fails; the first line that fits decides:
///
/// | text | means |
/// |---|---|
/// | nothing, `HEAD` | the default branch |
/// | 40 hexadecimal digits | that commit |
/// | a version range such as `^1.4`, `1.x`, `>=1 <3` | the highest tag in it |
/// | `PREFIX` and a range, such as `web/v^1` | the highest tag with that prefix in it |
/// | anything else | a full ref, a branch, a tag, or the start of a commit id |
///
/// A version such as `v1.2.3` or `1.2` is a name, not a range. A name is
/// compared with full refs first, then with branches, then with tags, so a
/// branch hides a tag of the same name. A range that no tag meets is tried as a
/// name. Annotated tags stand for the commit they are about.
///
/// # Deviation
///
/// Argo CD reports the id of an annotated tag's own object as the revision;
/// here it is the commit ([`Resolved::tag_object`] has the other). Argo CD takes
/// seven hexadecimal digits for a commit without looking; here they have to be
/// the start of exactly one. A prefix before a range is ours.
///
/// ```
/// use gitops_git::Revision;
/// assert_eq!("".parse(), Ok(Revision::Head));
/// assert_eq!("dev".parse(), Ok(Revision::Name("dev".into())));
/// assert!(matches!("^1.4".parse(), Ok(Revision::Range(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// The default branch.
    Head,
    /// One commit.
    Commit(ObjectId),
    /// The highest tag in a range of versions.
    Range(VersionRange),
    /// A full ref, a branch, a tag, or the start of a commit id.
    Name(String),
}

/// The commit that a [`Revision`] meant at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The commit.
    pub commit: ObjectId,
    /// The full name of the ref it was found by.
    pub ref_name: Option<String>,
    /// The object of the annotated tag it was found by.
    pub tag_object: Option<ObjectId>,
}

/// Why a revision means no commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No ref and no commit fits.
    #[error("there is no branch, tag or commit {revision:?}")]
    NoSuchRevision {
        /// What was asked for.
        revision: String,
        /// Branches and tags with similar names.
        candidates: Vec<String>,
    },
    /// The repository has no commit yet.
    #[error("the repository is empty")]
    Empty,
    /// Several commits begin with these digits.
    #[error("more than one commit begins with {revision}")]
    Ambiguous {
        /// What was asked for.
        revision: String,
    },
}

impl ResolveError {
    /// What the user may have meant.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchRevision { candidates, .. } if !candidates.is_empty() => {
                Some(format!("similar names: {}", candidates.join(", ")))
            }
            _ => None,
        }
    }
}

impl Resolved {
    pub(crate) fn commit(commit: ObjectId) -> Self {
        Self { commit, ref_name: None, tag_object: None }
    }

    fn by(reference: &RemoteRef) -> Self {
        Self {
            commit: reference.commit(),
            ref_name: Some(reference.name.clone()),
            tag_object: reference.peeled.map(|_| reference.id),
        }
    }
}

impl Revision {
    /// The branch `name`, whatever tags there are.
    pub fn branch(name: &str) -> Self {
        Self::Name(format!("refs/heads/{name}"))
    }

    /// The tag `name`, whatever branches there are.
    pub fn tag(name: &str) -> Self {
        Self::Name(format!("refs/tags/{name}"))
    }

    /// The refs that can decide what this revision means.
    pub fn filter(&self) -> RefFilter {
        match self {
            Self::Head | Self::Commit(_) => RefFilter::prefixes(["HEAD"]),
            Self::Range(range) => {
                let tags = format!("refs/tags/{}", range.tag_prefix());
                // The range's text can also be the name of a branch.
                RefFilter::prefixes([tags, format!("refs/heads/{range}")])
            }
            // The start of a commit id can be that of any branch's tip.
            Self::Name(name) if is_abbreviated(name) => RefFilter::all(),
            Self::Name(name) => RefFilter::prefixes(full_names(name)),
        }
    }

    /// Decides with the refs of a repository, and without asking it.
    ///
    /// # Errors
    ///
    /// When no ref fits. An abbreviated commit id is only compared with the tips
    /// of refs.
    pub fn resolve(&self, refs: &RefSnapshot) -> Result<Resolved, ResolveError> {
        let found = match self {
            Self::Commit(commit) => return Ok(Resolved::commit(*commit)),
            Self::Head => refs.get("HEAD"),
            Self::Range(range) => range.highest(refs).or_else(|| by_name(refs, &range.to_string())),
            Self::Name(name) => match by_name(refs, name) {
                None if is_abbreviated(name) => return by_tip(refs, name),
                found => found,
            },
        };
        match found {
            Some(reference) => Ok(Resolved::by(reference)),
            None if refs.is_empty() && *self == Self::Head => Err(ResolveError::Empty),
            None => Err(no_such_revision(refs, &self.to_string())),
        }
    }
}

fn full_names(name: &str) -> Vec<String> {
    let mut names = vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    if name.starts_with("refs/") {
        names.insert(0, name.to_owned());
    } else if name.starts_with("heads/") || name.starts_with("tags/") {
        names.insert(0, format!("refs/{name}"));
    }
    names
}

fn by_name<'a>(refs: &'a RefSnapshot, name: &str) -> Option<&'a RemoteRef> {
    full_names(name).iter().find_map(|name| refs.get(name))
}

/// Seven digits are as few as Argo CD takes for the start of a commit id.
pub(crate) fn is_abbreviated(name: &str) -> bool {
    (7..40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn by_tip(refs: &RefSnapshot, digits: &str) -> Result<Resolved, ResolveError> {
    let digits = digits.to_ascii_lowercase();
    let mut commits: Vec<_> =
        refs.iter().map(RemoteRef::commit).filter(|commit| commit.to_string().starts_with(&digits)).collect();
    commits.sort_unstable();
    commits.dedup();
    match commits[..] {
        [commit] => Ok(Resolved::commit(commit)),
        [] => Err(no_such_revision(refs, &digits)),
        _ => Err(ResolveError::Ambiguous { revision: digits }),
    }
}

fn no_such_revision(refs: &RefSnapshot, revision: &str) -> ResolveError {
    let lower = revision.to_lowercase();
    let short = |name: &str| name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/")).map(str::to_owned);
    let similar = |name: &String| {
        let name = name.to_lowercase();
        name.contains(&lower) || lower.contains(&name)
    };
    let names = refs.iter().filter_map(|reference| short(&reference.name));
    let candidates = names.filter(similar).take(5).collect();
    ResolveError::NoSuchRevision { revision: revision.to_owned(), candidates }
}

impl FromStr for Revision {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        Ok(match text {
            "" | "HEAD" => Self::Head,
            _ => match (text.parse(), VersionRange::parse(text)) {
                (Ok(commit), _) => Self::Commit(commit),
                (_, Some(range)) => Self::Range(range),
                _ => Self::Name(text.to_owned()),
            },
        })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("HEAD"),
            Self::Commit(commit) => commit.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn snapshot() -> RefSnapshot {
        let mut annotated = RemoteRef::new("refs/tags/v1.5.0", id('a'));
        annotated.peeled = Some(id('5'));
        RefSnapshot::new(vec![
            RemoteRef::new("HEAD", id('1')),
            RemoteRef::new("refs/heads/main", id('1')),
            RemoteRef::new("refs/heads/v9", id('2')),
            RemoteRef::new("refs/tags/v9", id('3')),
            RemoteRef::new("refs/tags/v1.4.0", id('4')),
            RemoteRef::new("refs/tags/v2.0.0-rc.1", id('6')),
            RemoteRef::new("refs/tags/web/v1.1.0", id('7')),
            annotated,
        ])
    }

    fn resolved(text: &str) -> Result<ObjectId, ResolveError> {
        let Ok(revision) = text.parse::<Revision>();
        revision.resolve(&snapshot()).map(|resolved| resolved.commit)
    }

    #[test]
    fn argo_cds_order_decides() {
        for (text, digit) in [
            ("", '1'),
            ("HEAD", '1'),
            ("main", '1'),
            ("refs/heads/main", '1'),
            ("v9", '2'),
            ("refs/tags/v9", '3'),
            ("tags/v9", '3'),
            ("v1.4.0", '4'),
            ("v1.5.0", '5'),
            ("^1.4", '5'),
            ("1.x", '5'),
            ("*", '3'),
            (">=2.0.0-0 <3.0.0-0", '6'),
            ("web/v^1", '7'),
            ("4444444", '4'),
            (&"f".repeat(40), 'f'),
        ] {
            assert_eq!(resolved(text), Ok(id(digit)), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_with_candidates() {
        let Err(ResolveError::NoSuchRevision { candidates, .. }) = resolved("mai") else { panic!("mai is no ref") };
        assert_eq!(candidates, ["main"]);
        assert!(resolved("^3").is_err());
        assert!(resolved("0123456").is_err());
        assert_eq!(Revision::Head.resolve(&RefSnapshot::default()), Err(ResolveError::Empty));
    }

    #[test]
    fn the_filter_lets_through_what_decides() {
        for text in ["", "main", "v9", "^1.4", "web/v^1", "refs/tags/v9", "4444444"] {
            let Ok(revision) = text.parse::<Revision>();
            let filter = revision.filter();
            let refs = snapshot().iter().filter(|r| filter.matches(&r.name)).cloned().collect();
            let narrow = revision.resolve(&RefSnapshot::new(refs));
            assert_eq!(narrow, revision.resolve(&snapshot()), "{text}");
        }
    }
}
