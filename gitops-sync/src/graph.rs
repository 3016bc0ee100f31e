//! Which resource has to wait for which.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;

use crate::hook::Phase;
use crate::id::{GroupKind, ResourceId};
use crate::manifest::{Manifest, annotation};
use crate::order;

/// Resources it depends on, as cli-utils writes them:
/// `group/namespaces/namespace/kind/name`, comma-separated.
const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";

/// Resources that wait for one another, so that none can go first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The resources, each waiting for the next and the last for the first.
    pub resources: Vec<ResourceId>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for resource in &self.resources {
            write!(f, "{resource} -> ")?;
        }
        match self.resources.first() {
            Some(first) => write!(f, "{first}"),
            None => Ok(()),
        }
    }
}

/// Why the order of a set of manifests cannot be worked out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Resources wait for one another.
    #[error("the resources depend on one another: {0}")]
    Cycle(Cycle),
    /// A `depends-on` annotation cannot be read.
    #[error("{id}: cannot read the dependency {reference:?} in its annotation config.kubernetes.io/depends-on")]
    Reference {
        /// The resource with the annotation.
        id: Box<ResourceId>,
        /// What the annotation says.
        reference: String,
    },
    /// A resource depends on one that nobody applies.
    #[error("{id} depends on {missing}, which is not among the resources to apply")]
    Missing {
        /// The resource with the annotation.
        id: Box<ResourceId>,
        /// The one it names.
        missing: Box<ResourceId>,
    },
}

/// A resource, as far as its order goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) id: &'a ResourceId,
    pub(crate) value: &'a Value,
}

impl<'a> From<&'a Manifest> for Resource<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        Self { id: manifest.id(), value: manifest.value() }
    }
}

/// The edges that resources themselves ask for; barriers for waves and
/// kinds are added by the schedule.
pub(crate) struct Dependencies {
    /// For each manifest, the indices of those that must be ready first.
    pub(crate) ready_first: Vec<Vec<usize>>,
    /// The place of each manifest, pulled forward for what others need.
    pub(crate) places: Vec<Place>,
}

/// When a manifest has its turn: the phase, the wave, the rank of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) phase: Phase,
    pub(crate) wave: i64,
    pub(crate) rank: usize,
}

impl Place {
    pub(crate) fn new(phase: Phase, wave: i64, kind: &str) -> Self {
        Self { phase, wave, rank: order::kind_rank(kind) }
    }

    /// The same place, or one as early as `other`; a kind that comes early
    /// stays early there.
    fn not_after(self, other: Self) -> Self {
        if (self.phase, self.wave) < (other.phase, other.wave) {
            return self;
        }
        Self { rank: self.rank.min(other.rank), ..other }
    }
}

/// Finds what each manifest waits for: its namespace, the definition of its
/// kind, and what its `depends-on` annotation names.
///
/// As in Argo CD, a namespace or a definition that others need is pulled to
/// the earliest place of those; here that holds for every dependency.
pub(crate) fn dependencies(placed: &[(Resource<'_>, Place)]) -> Result<Dependencies, GraphError> {
    let (resources, mut places): (Vec<Resource<'_>>, Vec<Place>) = placed.iter().copied().unzip();
    let index = Index::of(&resources);
    let mut ready_first = Vec::with_capacity(resources.len());
    for (position, resource) in resources.iter().enumerate() {
        let mut needs = index.implied(*resource);
        needs.extend(index.asked_for(*resource)?);
        needs.retain(|need| *need != position);
        needs.sort_unstable();
        needs.dedup();
        ready_first.push(needs);
    }
    let order = topological(&ready_first).map_err(|cycle| {
        let resources = cycle.into_iter().map(|position| resources[position].id.clone()).collect();
        GraphError::Cycle(Cycle { resources })
    })?;
    for position in order.into_iter().rev() {
        for need in &ready_first[position] {
            places[*need] = places[*need].not_after(places[position]);
        }
    }
    Ok(Dependencies { ready_first, places })
}

struct Index<'a> {
    by_id: HashMap<&'a ResourceId, usize>,
    namespaces: HashMap<&'a str, usize>,
    definitions: HashMap<GroupKind, usize>,
}

impl<'a> Index<'a> {
    fn of(resources: &[Resource<'a>]) -> Self {
        let mut index = Self { by_id: HashMap::new(), namespaces: HashMap::new(), definitions: HashMap::new() };
        for (position, resource) in resources.iter().enumerate() {
            let id = resource.id;
            index.by_id.insert(id, position);
            if id.is("", "Namespace") {
                index.namespaces.insert(&id.name, position);
            }
            if let Some(defined) = defined_kind(*resource) {
                index.definitions.insert(defined, position);
            }
        }
        index
    }

    fn implied(&self, resource: Resource<'_>) -> Vec<usize> {
        let id = resource.id;
        let namespace = id.namespace.as_deref().and_then(|namespace| self.namespaces.get(namespace));
        let definition = self.definitions.get(&id.group_kind());
        namespace.into_iter().chain(definition).copied().collect()
    }

    fn asked_for(&self, resource: Resource<'_>) -> Result<Vec<usize>, GraphError> {
        let references = annotation(resource.value, DEPENDS_ON).unwrap_or_default();
        let references = references.split(',').map(str::trim).filter(|reference| !reference.is_empty());
        references.map(|reference| self.find(resource.id, reference)).collect()
    }

    fn find(&self, id: &ResourceId, reference: &str) -> Result<usize, GraphError> {
        let id = Box::new(id.clone());
        let Some(wanted) = parse_reference(reference) else {
            return Err(GraphError::Reference { id, reference: reference.to_owned() });
        };
        let position = self.by_id.get(&wanted).copied();
        position.ok_or_else(|| GraphError::Missing { id, missing: Box::new(wanted) })
    }
}

/// The kind that a CustomResourceDefinition defines.
pub(crate) fn defined_kind(resource: Resource<'_>) -> Option<GroupKind> {
    if !resource.id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let spec = resource.value.get("spec")?;
    let text = |pointer| spec.pointer(pointer).and_then(Value::as_str);
    Some(GroupKind::new(text("/group")?, text("/names/kind")?))
}

/// `group/namespaces/NS/kind/name`, or `group/kind/name` for cluster-scoped
/// resources; the core group is empty or `core`.
fn parse_reference(reference: &str) -> Option<ResourceId> {
    let parts: Vec<&str> = reference.split('/').collect();
    let group = |group: &str| {
        if group == "core" { String::new() } else { group.to_owned() }
    };
    match parts[..] {
        [g, kind, name] if !kind.is_empty() && !name.is_empty() => Some(ResourceId::new(group(g), kind, name)),
        [g, "namespaces", namespace, kind, name] if !namespace.is_empty() && !kind.is_empty() && !name.is_empty() => {
            Some(ResourceId::new(group(g), kind, name).in_namespace(namespace))
        }
        _ => None,
    }
}

/// The positions in an order in which each comes after what it needs, or a cycle.
fn topological(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (position, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|need| needed_by.entry(*need).or_default().push(position));
    }
    let mut order: Vec<usize> = (0..needs.len()).filter(|position| waiting[*position] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for dependent in needed_by.get(&order[next]).into_iter().flatten() {
            waiting[*dependent] -= 1;
            if waiting[*dependent] == 0 {
                order.push(*dependent);
            }
        }
        next += 1;
    }
    if order.len() == needs.len() { Ok(order) } else { Err(cycle(needs, &waiting)) }
}

/// Walks from one that still waits to what it waits for, until it comes round.
fn cycle(needs: &[Vec<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut at = waiting.iter().position(|count| *count > 0);
    while let Some(position) = at {
        if let Some(start) = path.iter().position(|seen| *seen == position) {
            return path.split_off(start);
        }
        path.push(position);
        at = needs[position].iter().copied().find(|need| waiting[*need] > 0);
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::hook::wave;

    fn dependencies(manifests: &[&Manifest]) -> Result<Dependencies, GraphError> {
        let placed = |manifest: &&Manifest| Place::new(Phase::Sync, wave(manifest.value()), &manifest.id().kind);
        let placed: Vec<_> = manifests.iter().map(|manifest| (Resource::from(*manifest), placed(manifest))).collect();
        super::dependencies(&placed)
    }

    fn manifest(kind: &str, namespace: Option<&str>, name: &str, annotations: serde_json::Value) -> Manifest {
        let mut value =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "annotations": annotations}});
        if let Some(namespace) = namespace {
            value["metadata"]["namespace"] = namespace.into();
        }
        Manifest::new(value).unwrap()
    }

    #[test]
    fn namespaces_and_definitions_come_first() {
        let crd = Manifest::new(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "names": {"kind": "Widget"}},
        }))
        .unwrap();
        let widget = Manifest::new(json!({
            "apiVersion": "example.com/v1", "kind": "Widget",
            "metadata": {"name": "w", "namespace": "a", "annotations": {"argocd.argoproj.io/sync-wave": "-2"}},
        }))
        .unwrap();
        let namespace = manifest("Namespace", None, "a", json!({}));
        let found = dependencies(&[&widget, &crd, &namespace]).unwrap();
        assert_eq!(found.ready_first, [vec![1, 2], vec![], vec![]]);
        assert!(found.places.iter().all(|place| place.wave == -2));
        assert!(found.places[2].rank < found.places[1].rank);
    }

    #[test]
    fn depends_on_is_read_and_checked() {
        let depends = |on: &str| json!({DEPENDS_ON: on});
        let a = manifest("ConfigMap", Some("n"), "a", depends("/namespaces/n/ConfigMap/b"));
        let b = manifest("ConfigMap", Some("n"), "b", json!({}));
        assert_eq!(dependencies(&[&a, &b]).unwrap().ready_first, [vec![1], vec![]]);

        let error = dependencies(&[&a]).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ConfigMap n/a depends on ConfigMap n/b, which is not among the resources to apply"
        );
        let bad = manifest("ConfigMap", Some("n"), "a", depends("b"));
        assert!(matches!(dependencies(&[&bad]), Err(GraphError::Reference { .. })));

        let b = manifest("ConfigMap", Some("n"), "b", depends("core/namespaces/n/ConfigMap/a"));
        let error = dependencies(&[&a, &b]).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the resources depend on one another: ConfigMap n/a -> ConfigMap n/b -> ConfigMap n/a"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_order_respects_every_edge_or_a_cycle_is_one(
            edges in proptest::collection::vec((0usize..8, 0usize..8), 0..16)
        ) {
            let mut needs = vec![Vec::new(); 8];
            for (from, to) in edges.into_iter().filter(|(from, to)| from != to) {
                if !needs[from].contains(&to) {
                    needs[from].push(to);
                }
            }
            match topological(&needs) {
                Ok(order) => for (place, position) in order.iter().enumerate() {
                    prop_assert!(needs[*position].iter().all(|need| order[..place].contains(need)));
                },
                Err(cycle) => for (place, position) in cycle.iter().enumerate() {
                    let next = cycle[(place + 1) % cycle.len()];
                    prop_assert!(needs[*position].contains(&next));
                },
            }
        }
    }
}
