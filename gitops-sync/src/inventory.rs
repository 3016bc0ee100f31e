//! The list of what a sync has applied, kept in the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::applyset;
use crate::cluster::{ApplyMode, Cluster, ClusterError, ResourceType};
use crate::id::{GroupKind, ResourceId};
use crate::live;
use crate::ownership::Owner;

/// The field of the ConfigMap that holds the list.
const FIELD: &str = "resources";

/// What was applied before, or may have been: each resource with its UID,
/// where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub(crate) struct Inventory {
    entries: BTreeMap<ResourceId, Option<String>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    id: ResourceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

impl From<Vec<Entry>> for Inventory {
    fn from(entries: Vec<Entry>) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.id, entry.uid)).collect() }
    }
}

impl From<Inventory> for Vec<Entry> {
    fn from(inventory: Inventory) -> Self {
        inventory.entries.into_iter().map(|(id, uid)| Entry { id, uid }).collect()
    }
}

/// UIDs by kind, namespace and name: what many resources share is written
/// once, because a ConfigMap has room for 1 MiB.
type Grouped = BTreeMap<String, BTreeMap<String, BTreeMap<String, Option<String>>>>;

impl Inventory {
    fn of_text(text: &str) -> serde_json::Result<Self> {
        let mut entries = BTreeMap::new();
        for (kind, namespaces) in serde_json::from_str::<Grouped>(text)? {
            let GroupKind { group, kind } = GroupKind::parse(&kind);
            for (namespace, names) in namespaces {
                let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
                entries.extend(names.into_iter().map(|(name, uid)| {
                    let (group, kind, namespace) = (group.clone(), kind.clone(), namespace.clone());
                    (ResourceId { group, kind, namespace, name }, uid)
                }));
            }
        }
        Ok(Self { entries })
    }

    fn to_text(&self) -> String {
        let mut grouped = Grouped::new();
        for (id, uid) in &self.entries {
            let namespaces = grouped.entry(id.group_kind().to_string()).or_default();
            let names = namespaces.entry(id.namespace.clone().unwrap_or_default()).or_default();
            names.insert(id.name.clone(), uid.clone());
        }
        serde_json::to_string(&grouped).expect("ids and UIDs are plain text")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ResourceId, Option<&str>)> {
        self.entries.iter().map(|(id, uid)| (id, uid.as_deref()))
    }

    /// The UID of a listed resource, where it is known.
    pub(crate) fn uid(&self, id: &ResourceId) -> Option<&str> {
        self.entries.get(id)?.as_deref()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a resource, or its UID now that it is known.
    pub(crate) fn insert(&mut self, id: ResourceId, uid: Option<String>) {
        let known = self.entries.entry(id).or_default();
        if uid.is_some() {
            *known = uid;
        }
    }

    pub(crate) fn remove(&mut self, id: &ResourceId) {
        self.entries.remove(id);
    }

    /// Whether both list the same resources, whatever their UIDs.
    pub(crate) fn lists_the_same(&self, other: &Self) -> bool {
        self.entries.keys().eq(other.entries.keys())
    }
}

/// Why the inventory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// The API server did not let us.
    #[error("cannot read the inventory {id}")]
    Read {
        /// The resource that holds it.
        id: Box<ResourceId>,
        /// What happened.
        source: ClusterError,
    },
    /// It does not parse.
    #[error("the inventory in {id} cannot be understood")]
    Parse {
        /// The resource that holds it.
        id: Box<ResourceId>,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another tool looks after the ApplySet.
    #[error("the ApplySet {id} belongs to {tool}")]
    OtherTool {
        /// Its parent.
        id: Box<ResourceId>,
        /// What its annotation `applyset.kubernetes.io/tooling` says.
        tool: String,
    },
}

/// Reads what earlier syncs have applied; nothing if there were none.
pub(crate) async fn load(cluster: &Cluster, owner: &Owner, adopts: bool) -> Result<Inventory, InventoryError> {
    let id = owner.inventory_id();
    let read = |source| InventoryError::Read { id: Box::new(owner.inventory_id()), source };
    let mut found = live::read(cluster, [(id.clone(), kind_of(owner))]).await.map_err(read)?;
    let Some(live) = found.remove(&id) else { return Ok(Inventory::default()) };
    let object = live.read().value;
    if owner.is_apply_set() {
        return applyset::members(cluster, &id, &object, adopts).await;
    }
    let text = object.pointer(&format!("/data/{FIELD}")).and_then(Value::as_str).unwrap_or("{}");
    Inventory::of_text(text).map_err(|source| InventoryError::Parse { id: Box::new(id), source })
}

/// Writes the list; what it holds is never more than a superset of the
/// truth, and never less.
pub(crate) async fn save(
    cluster: &Cluster,
    owner: &Owner,
    inventory: &Inventory,
    manager: &str,
) -> Result<(), ClusterError> {
    let id = owner.inventory_id();
    let kind = kind_of(owner);
    let (object, manager) = if owner.is_apply_set() {
        (applyset::parent(owner, inventory), format!("{manager}-applyset"))
    } else {
        (config_map(&id, inventory), manager.to_owned())
    };
    let mode = ApplyMode { manager: &manager, force: true, dry_run: false };
    let saved = cluster.apply(&kind, &id, &object, mode).await?;
    let scope = kind.collection(id.namespace.as_deref());
    cluster.mirror().put(&scope, &id, std::sync::Arc::new(saved));
    Ok(())
}

fn config_map(id: &ResourceId, inventory: &Inventory) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": id.name, "namespace": id.namespace,
            "labels": {"app.kubernetes.io/managed-by": "gitops-sync"},
        },
        "data": {FIELD: inventory.to_text()},
    })
}

/// ConfigMaps and Secrets are in every cluster: no need to ask.
fn kind_of(owner: &Owner) -> ResourceType {
    let (kind, plural) = if owner.is_apply_set() { ("Secret", "secrets") } else { ("ConfigMap", "configmaps") };
    ResourceType {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
        watchable: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_written() {
        let mut inventory = Inventory::default();
        inventory.insert(ResourceId::new("apps", "Deployment", "web").in_namespace("a"), Some("u1".to_owned()));
        inventory.insert(ResourceId::new("", "Namespace", "a"), None);
        let map = config_map(&ResourceId::new("", "ConfigMap", "i").in_namespace("a"), &inventory);
        let text = map["data"][FIELD].as_str().unwrap();
        assert_eq!(text, r#"{"Deployment.apps":{"a":{"web":"u1"}},"Namespace":{"":{"a":null}}}"#);
        assert_eq!(Inventory::of_text(text).unwrap(), inventory);
    }

    #[test]
    fn many_resources_fit_into_a_config_map() {
        let mut inventory = Inventory::default();
        for number in 0..12_000 {
            let name = format!("a-name-of-about-thirty-letters-{number}");
            let id = ResourceId::new("apps", "Deployment", name).in_namespace("a-long-namespace");
            inventory.insert(id, Some("01234567-89ab-cdef-0123-456789abcdef".to_owned()));
        }
        assert!(inventory.to_text().len() < 1 << 20);
    }

    #[test]
    fn a_known_uid_is_not_forgotten() {
        let id = ResourceId::new("", "Namespace", "a");
        let mut inventory = Inventory::default();
        inventory.insert(id.clone(), Some("u".to_owned()));
        inventory.insert(id, None);
        assert_eq!(inventory.iter().next().unwrap().1, Some("u"));
    }
}
