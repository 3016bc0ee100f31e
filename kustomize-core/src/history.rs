//! What a build remembers of a resource besides its manifest.

use std::sync::Arc;

/// What kustomize keeps in `internal.config.kubernetes.io/*` annotations while
/// it builds; here beside the manifest, so that it need not be parsed or stripped.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Ids before each renaming, oldest first.
    pub(crate) previous: PreviousIds,
    /// Name prefixes and suffixes that were added, oldest first.
    pub(crate) prefixes: Affixes,
    pub(crate) suffixes: Affixes,
    /// The variables that take a field of this resource.
    pub(crate) referring_vars: Vec<String>,
    /// Of a generator: whether its content hash goes into the name.
    pub(crate) needs_hash: bool,
    /// Of a generator: what to do when the resource exists already.
    pub(crate) behavior: Behavior,
    /// Of a patch: whether it may change the name or kind of its target.
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) helm_generated: bool,
}

/// Prefixes or suffixes. All resources of an overlay got the same ones, and share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Affixes(Option<Arc<[Arc<str>]>>);

impl Affixes {
    pub(crate) fn as_slice(&self) -> &[Arc<str>] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn with(&self, added: &[Arc<str>]) -> Self {
        [self.as_slice(), added].concat().into_iter().collect()
    }

    /// Whether both are the same list in memory.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl FromIterator<Arc<str>> for Affixes {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(affixes: I) -> Self {
        Self(Some(affixes.into_iter().collect()))
    }
}

/// An id that a resource had. Kustomize remembers no group and version: it
/// completes such an id with the ones that the resource has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousId<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    /// The effective one: never empty.
    pub(crate) namespace: &'a str,
}

/// Ids, oldest first. Their texts are kept together: nearly every resource of
/// an overlay has some.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreviousIds {
    texts: String,
    ids: Vec<[Span; 3]>,
}

/// From where to where a text is in [`PreviousIds::texts`].
type Span = (u32, u32);

impl PreviousIds {
    pub(crate) fn push(&mut self, id: PreviousId<'_>) {
        if self.ids.is_empty() {
            // One renaming is usually followed by another.
            self.texts.reserve(2 * (id.kind.len() + id.name.len() + id.namespace.len()));
            self.ids.reserve(4);
        }
        let last = self.ids.last().copied().unwrap_or_default();
        let [kind, name, namespace] = last;
        let spans = [(id.kind, kind), (id.name, name), (id.namespace, namespace)].map(|(text, last)| {
            // What stays as it is is kept once.
            if *self.text(last) == *text {
                return last;
            }
            let start = self.texts.len() as u32;
            self.texts.push_str(text);
            (start, self.texts.len() as u32)
        });
        self.ids.push(spans);
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = PreviousId<'_>> + Clone {
        self.ids.iter().map(|[kind, name, namespace]| PreviousId {
            kind: self.text(*kind),
            name: self.text(*name),
            namespace: self.text(*namespace),
        })
    }

    pub(crate) fn first(&self) -> Option<PreviousId<'_>> {
        self.iter().next()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.capacity() + size_of_val(&self.ids[..])
    }

    fn text(&self, (start, end): Span) -> &str {
        &self.texts[start as usize..end as usize]
    }
}

/// What a generated resource does to one of the same id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    /// As a generator's `behavior` names it; anything else is unspecified, as in kustomize.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    /// Its name; none if it is unspecified.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_shared_until_something_is_added() {
        let none = Affixes::default();
        let one = none.with(&["a".into()]);
        assert!(one.is_shared_with(&one.clone()) && none.is_shared_with(&Affixes::default()));
        assert!(!one.is_shared_with(&none) && !one.is_shared_with(&none.with(&["a".into()])));
        assert_eq!(one.with(&["b".into()]).as_slice().join(""), "ab");
    }

    #[test]
    fn ids_come_back_as_they_were_pushed() {
        let id = |kind, name, namespace| PreviousId { kind, name, namespace };
        let pushed =
            [id("Pod", "a", "default"), id("Pod", "p-a", "default"), id("", "", "x"), id("Pod", "a", "default")];
        let mut ids = PreviousIds::default();
        assert!(ids.is_empty() && ids.first().is_none());
        pushed.into_iter().for_each(|id| ids.push(id));
        assert_eq!(ids.iter().collect::<Vec<_>>(), pushed);
        assert_eq!(ids.first(), Some(pushed[0]));
    }
}
