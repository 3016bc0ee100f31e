//! The order in which resources are printed (`sortOptions`).

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use crate::kustomization::{LegacySortOptions, SortOptions};
use crate::resource::Resource;
use crate::resource_set::ResourceSet;

/// The kinds that kustomize's legacy order puts first.
const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// The kinds that kustomize's legacy order puts last.
const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

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

/// Brings the resources in the order that `options` asks for; none means legacy.
pub(crate) fn sort(resources: &mut ResourceSet, options: Option<&SortOptions>) -> Result<(), OrderError> {
    let (order, kinds) = options.map_or(("legacy", None), |o| (o.order.as_str(), o.legacy_sort_options.as_ref()));
    match (order, kinds) {
        ("legacy", kinds) => sort_legacy(resources, &ranks(kinds)),
        ("fifo", None) => {}
        ("fifo", Some(_)) => return Err(OrderError::NotLegacy),
        _ => return Err(OrderError::Unknown { order: order.to_owned() }),
    }
    Ok(())
}

/// Where a kind stands: below zero first, above zero last, zero for the others.
fn ranks(options: Option<&LegacySortOptions>) -> HashMap<&str, i64> {
    let (first, last): (Vec<&str>, Vec<&str>) = match options {
        Some(o) => {
            (o.order_first.iter().map(String::as_str).collect(), o.order_last.iter().map(String::as_str).collect())
        }
        None => (FIRST.to_vec(), LAST.to_vec()),
    };
    let before = first.len() as i64;
    let first = first.into_iter().zip(-before..);
    first.chain(last.into_iter().zip(1..)).collect()
}

fn sort_legacy(resources: &mut ResourceSet, ranks: &HashMap<&str, i64>) {
    let resources = resources.as_mut_vec();
    let mut keys: Vec<_> = resources.iter().enumerate().map(|(at, resource)| (Key::new(resource, ranks), at)).collect();
    keys.sort_unstable();
    let order: Vec<_> = keys.into_iter().map(|(_, at)| at).collect();
    let mut taken: Vec<_> = std::mem::take(resources).into_iter().map(Some).collect();
    resources.extend(order.into_iter().filter_map(|at| taken[at].take()));
}

/// What is compared, in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    rank: i64,
    /// Orders core Namespaces against each other and the rest; see [`Key::new`].
    namespace: Reverse<Option<Joined<'a, 3>>>,
    gvk: Joined<'a, 3>,
    id: Joined<'a, 2>,
}

impl<'a> Key<'a> {
    fn new(resource: &'a Resource, ranks: &HashMap<&str, i64>) -> Self {
        let (group, version) = resource.group_version();
        let kind = resource.kind();
        let gvk = Joined { parts: [or(group, "~G"), or(version, "~V"), or(kind, "~K")], by: b'_' };
        let id = Joined { parts: [or(resource.namespace(), "~X"), or(resource.name(), "~N")], by: b'|' };
        let rank = ranks.get(kind).copied().unwrap_or_default();
        // kustomize compares two Namespaces the wrong way round if one of them is of the core
        // group, which puts those first, the highest version before the others. With other
        // kinds between them (rank 0) that is no order at all, so there they are not special.
        let is_special = kind == "Namespace" && group.is_empty() && rank != 0;
        Self { rank, namespace: Reverse(is_special.then_some(gvk)), gvk, id }
    }
}

/// Texts that compare as if they were joined.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Joined<'a, const N: usize> {
    parts: [&'a str; N],
    by: u8,
}

impl<const N: usize> Joined<'_, N> {
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
        let mut set = ResourceSet::default();
        for (api_version, kind, namespace, name) in ids {
            set.as_mut_vec().push(resource(api_version, kind, namespace, name));
        }
        sort(&mut set, options).expect("sorted");
        set.iter().map(|resource| format!("{}/{}", resource.namespace(), resource.name())).collect()
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
        let mut set = ResourceSet::default();
        assert_eq!(sort(&mut set, Some(&options("fifo", Some(kinds)))), Err(OrderError::NotLegacy));
        assert!(matches!(sort(&mut set, Some(&options("", None))), Err(OrderError::Unknown { .. })));
    }
}
