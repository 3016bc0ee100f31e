//! The total order in which resources are listed, planned and applied.

use std::cmp::Ordering;

use crate::id::ResourceId;

/// Argo CD's order of kinds: what others need comes first.
///
/// Only the kind counts, whatever the group, as in Argo CD: a Knative
/// `Service` goes with the core one.
const KINDS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// The place of a kind in Argo CD's order; kinds it does not list come last.
pub(crate) fn kind_rank(kind: &str) -> usize {
    KINDS.iter().position(|listed| *listed == kind).unwrap_or(KINDS.len())
}

/// Kind, then namespace, name and group, so that no two resources are equal.
///
/// # Deviation
///
/// Argo CD stops at the name and sorts unstably, so there the order of two
/// resources with one name can change from sync to sync.
pub(crate) fn compare(a: &ResourceId, b: &ResourceId) -> Ordering {
    let key = |id: &'_ ResourceId| kind_rank(&id.kind);
    key(a).cmp(&key(b)).then_with(|| a.kind.cmp(&b.kind)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_before_those_who_need_them() {
        let id = |kind: &str, name: &str| ResourceId::new("", kind, name);
        let mut ids = [
            id("Widget", "w"),
            id("Ingress", "i"),
            id("Deployment", "d"),
            id("CustomResourceDefinition", "c"),
            id("ConfigMap", "b"),
            id("ConfigMap", "a"),
            id("Namespace", "n"),
        ];
        ids.sort_by(compare);
        let names: String = ids.iter().map(|id| id.name.as_str()).collect();
        assert_eq!(names, "nabcdiw");
    }
}
