//! What the cluster holds of the resources we care about, and only of those.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::future::try_join_all;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, ResourceType, Selection};
use crate::id::ResourceId;
pub(crate) use crate::mirror::Mirror;
pub(crate) use crate::object::{Live, Object};

/// From this many resources of one kind in one namespace on, a list is
/// cheaper than as many single reads.
const LIST_FROM: usize = 6;
/// A list that has this many times the objects we want is given up.
const LIST_WASTE: u64 = 20;

/// Reads those of `wanted` that exist.
pub(crate) async fn read(
    cluster: &Cluster,
    wanted: impl IntoIterator<Item = (ResourceId, ResourceType)>,
) -> Result<HashMap<ResourceId, Arc<Live>>, ClusterError> {
    let mut scopes: BTreeMap<Scope, HashSet<ResourceId>> = BTreeMap::new();
    for (id, kind) in wanted {
        scopes.entry(Scope::of(&kind, &id)).or_default().insert(id);
    }
    let parts = scopes.into_iter().map(|(scope, ids)| read_scope(cluster, scope, ids));
    Ok(try_join_all(parts).await?.into_iter().flatten().collect())
}

/// The objects of one kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) kind: ResourceType,
    pub(crate) namespace: Option<String>,
    /// Where the API serves them; says all that the other fields do.
    pub(crate) path: String,
}

impl Scope {
    pub(crate) fn of(kind: &ResourceType, id: &ResourceId) -> Self {
        let namespace = id.namespace.clone().filter(|_| kind.namespaced);
        Self { path: kind.collection(namespace.as_deref()), kind: kind.clone(), namespace }
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.path.cmp(&other.path)
    }
}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) type Objects = HashMap<ResourceId, Arc<Live>>;

async fn read_scope(cluster: &Cluster, scope: Scope, ids: HashSet<ResourceId>) -> Result<Objects, ClusterError> {
    if cluster.options().watch && scope.kind.watchable {
        return cluster.mirror().read(cluster, scope, ids).await;
    }
    if ids.len() < LIST_FROM {
        return get_each(cluster, &scope.kind, ids).await;
    }
    let (mut found, missing, _) = list_scope(cluster, &scope, &ids).await?;
    found.extend(get_each(cluster, &scope.kind, missing).await?);
    Ok(found)
}

pub(crate) async fn get_each(
    cluster: &Cluster,
    kind: &ResourceType,
    ids: HashSet<ResourceId>,
) -> Result<Objects, ClusterError> {
    let reads = ids.into_iter().map(|id| async move {
        let object = cluster.get(kind, &id).await?;
        Ok(object.map(|object| (id, Arc::new(object))))
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Lists a scope and keeps what is wanted; with what it found, those it
/// gave up looking for, and the version of the list.
pub(crate) async fn list_scope(
    cluster: &Cluster,
    scope: &Scope,
    ids: &HashSet<ResourceId>,
) -> Result<(Objects, HashSet<ResourceId>, String), ClusterError> {
    let mut found = Objects::new();
    let mut next: Option<String> = None;
    loop {
        let selection =
            Selection { namespace: scope.namespace.as_deref(), from: next.as_deref(), ..Selection::default() };
        let page = match cluster.list(&scope.kind, selection, |id| ids.contains(id)).await {
            // The continuation has expired: what is missing is read one by one.
            Err(error) if next.is_some() && error.status().is_some_and(|status| status.code == 410) => {
                let missing = ids.iter().filter(|id| !found.contains_key(*id)).cloned().collect();
                return Ok((found, missing, String::new()));
            }
            page => page?,
        };
        found.extend(page.items.into_iter().map(|(id, live)| (id, Arc::new(live))));
        next = page.next;
        let left = ids.len().saturating_sub(found.len()) as u64;
        if next.is_none() || left == 0 {
            return Ok((found, HashSet::new(), page.resource_version));
        }
        if page.remaining.is_some_and(|remaining| remaining > left * LIST_WASTE) {
            let missing = ids.iter().filter(|id| !found.contains_key(*id)).cloned().collect();
            return Ok((found, missing, page.resource_version));
        }
    }
}

pub(crate) fn id_of(kind: &ResourceType, object: &Value) -> ResourceId {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let id = ResourceId::new(kind.group.clone(), kind.kind.clone(), text("/metadata/name"));
    if kind.namespaced { id.in_namespace(text("/metadata/namespace")) } else { id }
}
