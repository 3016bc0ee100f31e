//! The order in which resources are printed (`sortOptions`).

use std::cmp::{Ordering, Reverse};

use foldhash::HashMap;

use crate::config::{FIRST_KINDS, LAST_KINDS};
use crate::id::split_api_version;
use crate::kustomization::{LegacySortOptions, SortOptions};
use crate::resource::Resource;
use crate::schema::{BuiltinType, fingerprint};
use crate::short_text::same;

/// What is wrong with `sortOptions`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The order is neither `legacy` nor `fifo`.
    #[error("sortOptions.order must be legacy or fifo, not {order:?}")]
    Unknown {
        /// What it is.
        order: String,
    },
    /// Kinds are given for an order that does not look at them.
    #[error("sortOptions.legacySortOptions is set, but the order is fifo")]
    NotLegacy,
}

/// Sorts resources in kustomize's legacy order. It looks at each of them once;
/// of those that are alike at the start of their names, once more in the end.
pub(crate) struct LegacyOrder<'a> {
    ranks: HashMap<&'a str, i64>,
    types: Vec<Type>,
    /// Types by their fingerprint.
    by_fingerprint: HashMap<u64, usize>,
    /// Indexes of the types that Kubernetes has.
    builtin: Vec<(BuiltinType, usize)>,
    keys: Vec<(usize, Start)>,
}

/// The type of some resources.
struct Type {
    kind: Box<str>,
    api_version: Box<str>,
    rank: i64,
}

/// The first bytes of namespace and name, as far as they go.
type Start = [u8; 32];

/// What most resources are told apart by.
pub(crate) struct Key {
    /// Its type, if Kubernetes has it.
    builtin: Option<BuiltinType>,
    start: Start,
}

impl Key {
    pub(crate) fn of(resource: &Resource) -> Self {
        Self { builtin: resource.doc().builtin_type(), start: id(resource).start() }
    }
}

impl<'a> LegacyOrder<'a> {
    /// The order that `options` asks for, none meaning legacy; nothing if
    /// resources are to stay in the order in which they were found.
    ///
    /// # Errors
    ///
    /// [`OrderError`] if there is no such order.
    pub(crate) fn new(options: Option<&'a SortOptions>) -> Result<Option<Self>, OrderError> {
        let (order, kinds) = options.map_or(("legacy", None), |o| (o.order.as_str(), o.legacy_sort_options.as_ref()));
        match (order, kinds) {
            ("legacy", kinds) => {
                let (types, by_fingerprint, builtin, keys) = Default::default();
                Ok(Some(Self { ranks: ranks(kinds), types, by_fingerprint, builtin, keys }))
            }
            ("fifo", None) => Ok(None),
            ("fifo", Some(_)) => Err(OrderError::NotLegacy),
            _ => Err(OrderError::Unknown { order: order.to_owned() }),
        }
    }

    /// Takes note of the next resource.
    pub(crate) fn add(&mut self, resource: &Resource) {
        self.add_key(Key::of(resource), resource);
    }

    /// As [`add`](Self::add) for a resource with this key, which most often need not be looked at.
    pub(crate) fn add_key(&mut self, key: Key, resource: &Resource) {
        let known = key.builtin.and_then(|builtin| self.builtin.iter().find(|(of, _)| *of == builtin));
        let of = match known {
            Some((_, known)) => *known,
            None => {
                let of = self.type_of(resource);
                self.builtin.extend(key.builtin.map(|builtin| (builtin, of)));
                of
            }
        };
        self.keys.push((of, key.start));
    }

    fn type_of(&mut self, resource: &Resource) -> usize {
        let (api_version, kind) = (resource.api_version(), resource.kind());
        let known = self.by_fingerprint.entry(fingerprint("", api_version, kind)).or_insert(self.types.len());
        let is_it = |of: &Type| same(&*of.kind, kind) && same(&*of.api_version, api_version);
        if self.types.get(*known).is_some_and(is_it) {
            return *known;
        }
        // Two types may have the same fingerprint, however unlikely that is.
        self.types.iter().position(is_it).unwrap_or_else(|| {
            let rank = self.ranks.get(kind).copied().unwrap_or_default();
            self.types.push(Type { kind: kind.into(), api_version: api_version.into(), rank });
            self.types.len() - 1
        })
    }

    /// Sorts the resources, which are those that were added.
    pub(crate) fn sort(&self, resources: &mut Vec<Resource>) {
        let places = self.places();
        let mut order: Vec<usize> = (0..resources.len()).collect();
        order.sort_unstable_by(|one, other| {
            let (a, b) = (&self.keys[*one], &self.keys[*other]);
            let start = places[a.0].cmp(&places[b.0]).then_with(|| a.1.cmp(&b.1));
            start.then_with(|| id(&resources[*one]).cmp(&id(&resources[*other]))).then(one.cmp(other))
        });
        let mut taken: Vec<_> = std::mem::take(resources).into_iter().map(Some).collect();
        resources.extend(order.into_iter().filter_map(|at| taken[at].take()));
    }

    /// For each type its place among them; types that count as one share it.
    fn places(&self) -> Vec<usize> {
        let keys: Vec<_> = self.types.iter().map(Type::key).collect();
        let mut distinct = keys.clone();
        distinct.sort_unstable();
        distinct.dedup();
        keys.iter().map(|key| distinct.partition_point(|other| other < key)).collect()
    }
}

impl Type {
    fn key(&self) -> (i64, Reverse<Option<Joined<'_, 3>>>, Joined<'_, 3>) {
        let (group, version) = split_api_version(&self.api_version);
        let gvk = Joined { parts: [or(group, "~G"), or(version, "~V"), or(&self.kind, "~K")], by: b'_' };
        // kustomize compares two Namespaces the wrong way round if one of them is of the core
        // group, which puts those first, the highest version before the others. With other
        // kinds between them (rank 0) that is no order at all, so there they are not special.
        let is_special = &*self.kind == "Namespace" && group.is_empty() && self.rank != 0;
        (self.rank, Reverse(is_special.then_some(gvk)), gvk)
    }
}

fn id(resource: &Resource) -> Joined<'_, 2> {
    Joined { parts: [or(resource.namespace(), "~X"), or(resource.name(), "~N")], by: b'|' }
}

/// Where a kind stands: below zero first, above zero last, zero for the others.
fn ranks(options: Option<&LegacySortOptions>) -> HashMap<&str, i64> {
    let (first, last): (Vec<&str>, Vec<&str>) = match options {
        Some(o) => {
            (o.order_first.iter().map(String::as_str).collect(), o.order_last.iter().map(String::as_str).collect())
        }
        None => (FIRST_KINDS.to_vec(), LAST_KINDS.to_vec()),
    };
    let before = first.len() as i64;
    let first = first.into_iter().zip(-before..);
    first.chain(last.into_iter().zip(1..)).collect()
}

/// Texts that compare as if they were joined.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Joined<'a, const N: usize> {
    parts: [&'a str; N],
    by: u8,
}

impl<const N: usize> Joined<'_, N> {
    /// The first bytes, with zeros if there are not so many.
    fn start(&self) -> Start {
        let (mut start, mut at) = ([0; 32], 0);
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 && at < start.len() {
                start[at] = self.by;
                at += 1;
            }
            let room = (start.len() - at).min(part.len());
            start[at..at + room].copy_from_slice(&part.as_bytes()[..room]);
            at += room;
        }
        start
    }

    fn bytes_from(&self, part: usize) -> impl Iterator<Item = u8> {
        let between = move |at| (at > part).then_some(self.by);
        (part..N).flat_map(move |at| between(at).into_iter().chain(self.parts[at].bytes()))
    }
}

impl<const N: usize> Ord for Joined<'_, N> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (0..N).find(|at| self.parts[*at] != other.parts[*at]) {
            None => Ordering::Equal,
            Some(at) if at + 1 == N => self.parts[at].cmp(other.parts[at]),
            Some(at) => self.bytes_from(at).cmp(other.bytes_from(at)),
        }
    }
}

impl<const N: usize> PartialOrd for Joined<'_, N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tests::resource;

    fn sorted(ids: &[(&str, &str, &str, &str)], options: Option<&SortOptions>) -> Vec<String> {
        let all = ids.iter().map(|(api_version, kind, namespace, name)| resource(api_version, kind, namespace, name));
        let mut all: Vec<_> = all.collect();
        if let Some(mut order) = LegacyOrder::new(options).expect("an order") {
            all.iter().for_each(|resource| order.add(resource));
            order.sort(&mut all);
        }
        all.iter().map(|resource| format!("{}/{}", resource.namespace(), resource.name())).collect()
    }

    #[test]
    fn kinds_come_by_rank_then_by_type_then_by_id() {
        let ids = [
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "last"),
            ("example.com/v1", "Any", "", "other"),
            ("apps/v1", "Deployment", "b", "x"),
            ("apps/v1", "Deployment", "", "none"),
            ("apps/v1", "Deployment", "a", "y"),
            ("v1", "Namespace", "", "first"),
            // `.` sorts before the `_` that joins group and version.
            ("apps.x/v1", "Deployment", "", "dotted"),
        ];
        assert_eq!(sorted(&ids, None), ["/first", "/dotted", "a/y", "b/x", "/none", "/other", "/last"]);
    }

    #[test]
    fn namespaces_of_the_core_group_come_first() {
        let ids =
            [("a/v1", "Namespace", "", "other"), ("v1", "Namespace", "", "core"), ("v2", "Namespace", "", "newer")];
        assert_eq!(sorted(&ids, None), ["/newer", "/core", "/other"]);
    }

    #[test]
    fn options_must_fit_the_order() {
        let options = |order: &str, kinds| SortOptions { order: order.to_owned(), legacy_sort_options: kinds };
        let kinds = LegacySortOptions { order_first: vec!["Pod".to_owned()], order_last: vec!["ConfigMap".to_owned()] };
        let ids = [("v1", "ConfigMap", "", "c"), ("v1", "Secret", "", "s"), ("v1", "Pod", "", "p")];
        assert_eq!(sorted(&ids, Some(&options("legacy", Some(kinds.clone())))), ["/p", "/s", "/c"]);
        assert_eq!(sorted(&ids, Some(&options("fifo", None))), ["/c", "/s", "/p"]);
        let error = |options: &SortOptions| LegacyOrder::new(Some(options)).err();
        assert_eq!(error(&options("fifo", Some(kinds))), Some(OrderError::NotLegacy));
        assert!(matches!(error(&options("", None)), Some(OrderError::Unknown { .. })));
    }

    #[test]
    fn names_that_begin_alike_are_compared_to_their_end() {
        let long = "a-name-of-more-than-thirty-two-bytes";
        let (one, two, dotted) = (format!("{long}-1"), format!("{long}-2"), format!("{long}.x"));
        let ids =
            [("v1", "Pod", "", &*two), ("v1", "Pod", "", &*one), ("v1", "Pod", "", long), ("v1", "Pod", "", &*dotted)];
        assert_eq!(sorted(&ids, None), [long, &one, &two, &dotted].map(|name| format!("/{name}")));
    }
}
