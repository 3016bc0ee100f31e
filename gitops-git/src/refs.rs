use crate::id::ObjectId;

/// A ref as the server advertises it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteRef {
    /// Its full name, such as `refs/heads/main`.
    pub name: String,
    /// What it points at; for an annotated tag, the tag object.
    pub id: ObjectId,
    /// What an annotated tag is about in the end.
    pub peeled: Option<ObjectId>,
    /// The ref that this one stands for, as `HEAD` does.
    pub symref_target: Option<String>,
}

impl RemoteRef {
    pub(crate) fn new(name: &str, id: ObjectId) -> Self {
        Self { name: name.to_owned(), id, peeled: None, symref_target: None }
    }

    /// The commit: of an annotated tag, what it is about.
    pub fn commit(&self) -> ObjectId {
        self.peeled.unwrap_or(self.id)
    }
}

/// The refs of a remote repository at one moment, sorted by name.
///
/// Equal snapshots mean that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefSnapshot {
    refs: Vec<RemoteRef>,
}

impl RefSnapshot {
    pub(crate) fn new(mut refs: Vec<RemoteRef>) -> Self {
        refs.sort_by(|a, b| a.name.cmp(&b.name));
        refs.dedup_by(|a, b| a.name == b.name);
        Self { refs }
    }

    /// The ref with the full name `name`.
    pub fn get(&self, name: &str) -> Option<&RemoteRef> {
        let index = self.refs.binary_search_by(|reference| reference.name.as_str().cmp(name)).ok()?;
        self.refs.get(index)
    }

    /// All refs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &RemoteRef> {
        self.refs.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Whether there is none, as in a new repository.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }
}

/// Which refs to ask for.
///
/// ```
/// use gitops_git::RefFilter;
/// let one = RefFilter::branch("main");
/// let releases = RefFilter::prefixes(["refs/tags/v"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RefFilter {
    prefixes: Vec<String>,
}

impl RefFilter {
    /// Every ref.
    pub fn all() -> Self {
        Self::default()
    }

    /// One branch, by its short name.
    pub fn branch(name: &str) -> Self {
        Self::prefixes([format!("refs/heads/{name}")])
    }

    /// Every ref whose name starts with one of `prefixes`.
    pub fn prefixes(prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { prefixes: prefixes.into_iter().map(Into::into).collect() }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.prefixes.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.prefixes
    }

    /// Servers may send more than was asked for, and old ones always do.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}
