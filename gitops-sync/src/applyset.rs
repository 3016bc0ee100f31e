//! ApplySets as kubectl keeps them (KEP-3659).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::{Cluster, ClusterError, Selection};
use crate::id::{GroupKind, ResourceId};
use crate::inventory::{Inventory, InventoryError};
use crate::manifest::{annotation, annotation_list, label};
use crate::ownership::{Mark, Owner};

const ID: &str = "applyset.kubernetes.io/id";
const PART_OF: &str = "applyset.kubernetes.io/part-of";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
const TOOL: &str = "gitops-sync";

/// The id of a set whose parent is a Secret: a hash of what identifies the
/// parent, so that nobody can claim the set of another one.
pub(crate) fn id(name: &str, namespace: &str) -> String {
    let hash = Sha256::digest(format!("{name}.{namespace}.Secret."));
    format!("applyset-{}-v1", BASE64_URL_SAFE_NO_PAD.encode(hash))
}

/// The parent, listing the kinds and namespaces of the members.
pub(crate) fn parent(owner: &Owner, inventory: &Inventory) -> Value {
    let Mark::ApplySet(set) = &owner.mark else { return Value::Null };
    let kinds: BTreeSet<String> = inventory.iter().map(|(id, _)| id.group_kind().to_string()).collect();
    let namespaces: BTreeSet<&str> = inventory
        .iter()
        .filter_map(|(id, _)| id.namespace.as_deref())
        .filter(|namespace| *namespace != owner.namespace)
        .collect();
    let join = |texts: Vec<&str>| texts.join(",");
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": owner.name, "namespace": owner.namespace,
            "labels": {ID: set},
            "annotations": {
                TOOLING: format!("{TOOL}/v{}", env!("CARGO_PKG_VERSION")),
                KINDS: join(kinds.iter().map(String::as_str).collect()),
                NAMESPACES: join(namespaces.into_iter().collect()),
            },
        },
    })
}

/// What belongs to the set of this parent: whatever bears its label, among
/// the kinds and in the namespaces that the parent lists.
///
/// A set that another tool looks after is read only if it is to be adopted.
pub(crate) async fn members(
    cluster: &Cluster,
    parent_id: &ResourceId,
    parent: &Value,
    adopts: bool,
) -> Result<Inventory, InventoryError> {
    let tool = annotation(parent, TOOLING).unwrap_or_default();
    if tool.split('/').next() != Some(TOOL) && !adopts {
        return Err(InventoryError::OtherTool { id: Box::new(parent_id.clone()), tool: tool.to_owned() });
    }
    let set = label(parent, ID).unwrap_or_default();
    let home = parent_id.namespace.as_deref().unwrap_or_default();
    let namespaces: Vec<&str> = std::iter::once(home).chain(annotation_list(parent, NAMESPACES)).collect();
    let kinds = annotation_list(parent, KINDS).map(GroupKind::parse);
    let lists = kinds.map(|kind| list_members(cluster, kind, &namespaces, set));
    let found =
        try_join_all(lists).await.map_err(|source| InventoryError::Read { id: Box::new(parent_id.clone()), source })?;
    let mut inventory = Inventory::default();
    found.into_iter().flatten().for_each(|(id, uid)| inventory.insert(id, Some(uid)));
    Ok(inventory)
}

async fn list_members(
    cluster: &Cluster,
    kind: GroupKind,
    namespaces: &[&str],
    set: &str,
) -> Result<Vec<(ResourceId, String)>, ClusterError> {
    let mut members = Vec::new();
    // A kind that has gone took its objects with it.
    let Some(kind) = cluster.resource_type(&kind, None).await? else { return Ok(members) };
    let selector = format!("{PART_OF}={set}");
    let places: Vec<Option<&str>> =
        if kind.namespaced { namespaces.iter().copied().map(Some).collect() } else { vec![None] };
    for namespace in places {
        let mut next: Option<String> = None;
        loop {
            let (labels, from) = (Some(selector.as_str()), next.as_deref());
            let page =
                cluster.list(&kind, Selection { namespace, labels, from, metadata_only: true }, |_| true).await?;
            members.extend(page.items.into_iter().map(|(id, live)| (id, live.uid().to_owned())));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_labels() {
        let id = id("set", "ns");
        assert!(id.len() <= 63 && id.starts_with("applyset-") && id.ends_with("-v1"), "{id}");
    }

    #[test]
    fn the_parent_lists_kinds_and_other_namespaces() {
        let owner = Owner::apply_set("set", "home");
        let mut inventory = Inventory::default();
        inventory.insert(ResourceId::new("apps", "Deployment", "a").in_namespace("home"), None);
        inventory.insert(ResourceId::new("", "Service", "b").in_namespace("away"), None);
        inventory.insert(ResourceId::new("", "Namespace", "c"), None);
        let parent = parent(&owner, &inventory);
        assert_eq!(annotation(&parent, KINDS), Some("Deployment.apps,Namespace,Service"));
        assert_eq!(annotation(&parent, NAMESPACES), Some("away"));
        assert_eq!(label(&parent, ID), Some(id("set", "home").as_str()));
    }
}
