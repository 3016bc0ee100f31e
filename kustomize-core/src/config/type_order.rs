//! The order of types in lists of field specs, and the kinds that kustomize's legacy order
//! of resources begins and ends with, too. The build script includes this file.

use std::cmp::Ordering;

/// The kinds that come first.
pub(crate) const FIRST_KINDS: [&str; 22] = [
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

/// The kinds that come last.
pub(crate) const LAST_KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Orders (group, version, kind) as kustomize's `Gvk.IsLessThan` does.
pub(crate) fn compare_types(a: (&str, &str, &str), b: (&str, &str, &str)) -> Ordering {
    let rank = |kind: &str| match FIRST_KINDS.iter().position(|first| *first == kind) {
        Some(position) => position,
        None => 100 + LAST_KINDS.iter().position(|last| *last == kind).map_or(0, |position| 1 + position),
    };
    fn or<'a>(text: &'a str, missing: &'a str) -> &'a str {
        if text.is_empty() { missing } else { text }
    }
    fn text<'a>((group, version, kind): (&'a str, &'a str, &'a str)) -> impl Iterator<Item = u8> + 'a {
        [or(group, "~G"), "_", or(version, "~V"), "_", or(kind, "~K")].into_iter().flat_map(str::bytes)
    }
    rank(a.2).cmp(&rank(b.2)).then_with(|| text(a).cmp(text(b)))
}
