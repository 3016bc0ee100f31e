//! What a build remembers of a resource besides its manifest.

use std::sync::Arc;

use crate::ahead;
use crate::short_text::push_str;

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

/// Ids, oldest first, in one piece of memory: nearly every resource of an overlay has some.
///
/// Each is three lengths, of kind, name and namespace, and then their texts. A length is
/// the number of a character, which for short texts is a byte, so that all is text.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreviousIds(String);

/// Stands for the text that the id before has; all lengths are one more than the text's.
const SAME: u32 = 0;

/// More than this is said by several characters.
const LONG: u32 = 0xD7FF;

impl PreviousIds {
    pub(crate) fn push(&mut self, id: PreviousId<'_>) {
        if self.0.is_empty() {
            // One renaming is usually followed by another.
            self.0.reserve(16 + 2 * (id.kind.len() + id.name.len() + id.namespace.len()));
        }
        let last = self.iter().last();
        let is_new = match last.map(PreviousId::parts) {
            Some(last) => std::array::from_fn(|part| id.parts()[part] != last[part]),
            None => [true; 3],
        };
        let parts = || id.parts().into_iter().zip(is_new);
        parts().for_each(|(text, is_new)| self.push_length(if is_new { text.len() as u32 + 1 } else { SAME }));
        parts().filter(|(_, is_new)| *is_new).for_each(|(text, _)| push_str(&mut self.0, text));
    }

    fn push_length(&mut self, mut length: u32) {
        while length >= LONG {
            self.0.extend(char::from_u32(LONG));
            length -= LONG;
        }
        self.0.extend(char::from_u32(length));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PreviousId<'_>> + Clone {
        let (mut rest, mut last) = (&*self.0, PreviousId { kind: "", name: "", namespace: "" });
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let [kind, name, namespace] = take_lengths(&mut rest);
            let mut take = |length: u32, last| match length {
                SAME => last,
                _ => take_text(&mut rest, length as usize - 1),
            };
            let (kind, name) = (take(kind, last.kind), take(name, last.name));
            last = PreviousId { kind, name, namespace: take(namespace, last.namespace) };
            Some(last)
        })
    }

    pub(crate) fn first(&self) -> Option<PreviousId<'_>> {
        self.iter().next()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks for their memory, see [`ahead`].
    pub(crate) fn fetch(&self) {
        ahead::fetch(self.0.as_bytes());
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity()
    }
}

impl<'a> PreviousId<'a> {
    fn parts(self) -> [&'a str; 3] {
        [self.kind, self.name, self.namespace]
    }
}

fn take_lengths(rest: &mut &str) -> [u32; 3] {
    if let Some(lengths) = rest.as_bytes().first_chunk::<3>().filter(|lengths| lengths.is_ascii()) {
        *rest = &rest[3..];
        return lengths.map(u32::from);
    }
    std::array::from_fn(|_| take_length(rest))
}

fn take_length(rest: &mut &str) -> u32 {
    let mut length = 0;
    loop {
        let mut chars = rest.chars();
        let part = chars.next().map_or(0, u32::from);
        *rest = chars.as_str();
        length += part;
        if part != LONG {
            return length;
        }
    }
}

fn take_text<'a>(rest: &mut &'a str, length: usize) -> &'a str {
    let (text, after) = rest.split_at(length);
    *rest = after;
    text
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
        let long = [0xD7FD, 0xD7FE, 0xD7FF, 0x20000].map(|length| "ä".repeat(length / 2) + "b");
        let pushed = pushed.into_iter().chain(long.iter().map(|name| id("Pod", name, "x"))).collect::<Vec<_>>();
        let mut ids = PreviousIds::default();
        assert!(ids.is_empty() && ids.first().is_none());
        pushed.iter().for_each(|id| ids.push(*id));
        assert_eq!(ids.iter().collect::<Vec<_>>(), pushed);
        assert_eq!(ids.first(), Some(pushed[0]));
    }
}
