//! Finds the source and the targets of a replacement.

use foldhash::HashMap;

use super::{ReplacementError, Selection};
use crate::id::ResourceId;
use crate::kustomization::SourceSelector;
use crate::resource::Resource;

/// The ids that every resource has and had, by resource and by name.
#[derive(Debug, Default)]
pub(super) struct Ids {
    of: Vec<Vec<ResourceId>>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Ids {
    pub(super) fn new(resources: &[Resource]) -> Self {
        let mut ids = Self::default();
        for (index, resource) in resources.iter().enumerate() {
            ids.of.push(Vec::new());
            ids.update(index, resource);
        }
        ids
    }

    /// Reads the ids of a resource again, after it changed.
    pub(super) fn update(&mut self, index: usize, resource: &Resource) {
        let all = all_ids(resource);
        for id in &all {
            let same_name = self.by_name.entry(id.name.clone()).or_default();
            if let Err(place) = same_name.binary_search(&index) {
                same_name.insert(place, index);
            }
        }
        self.of[index] = all;
    }

    /// The resources, in order, that can have this name; all of them without one.
    fn candidates(&self, name: Option<&str>) -> impl Iterator<Item = (usize, &[ResourceId])> {
        let named = name.map(|name| self.by_name.get(name).map_or(&[][..], Vec::as_slice));
        let all = if named.is_some() { 0..0 } else { 0..self.of.len() };
        named.unwrap_or_default().iter().copied().chain(all).map(|index| (index, self.of[index].as_slice()))
    }

    /// The one resource that a source selects.
    pub(super) fn source(&self, selector: &SourceSelector) -> Result<usize, ReplacementError> {
        let name = Some(selector.name.as_str()).filter(|name| !name.is_empty());
        let selected = |(_, ids): &(usize, &[ResourceId])| ids.iter().any(|id| selects(selector, id));
        let mut matches = self.candidates(name).filter(selected);
        match (matches.next(), matches.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some((_, first)), Some((_, second))) => Err(ReplacementError::AmbiguousSource {
                selector: describe(selector),
                first: Box::new(first[0].clone()),
                second: Box::new(second[0].clone()),
            }),
            (None, _) => {
                Err(ReplacementError::NoSource { selector: describe(selector), closest: self.closest(selector) })
            }
        }
    }

    /// A resource of the kind with a similar name.
    fn closest(&self, selector: &SourceSelector) -> Option<Box<ResourceId>> {
        let same_kind = || self.of.iter().flatten().filter(|id| id.gvk.kind == selector.kind);
        let name = crate::kustomization::decode::closest(&selector.name, same_kind().map(|id| id.name.as_str()))?;
        same_kind().find(|id| id.name == name).cloned().map(Box::new)
    }

    /// The resources that a target selects, in order.
    pub(super) fn targets(&self, selection: &Selection, resources: &[Resource]) -> Vec<usize> {
        let wanted = |(index, ids): (usize, &[ResourceId])| selection.selects(ids, &resources[index]).then_some(index);
        self.candidates(selection.select.literal_name()).filter_map(wanted).collect()
    }
}

/// The current id, then the previous ones.
fn all_ids(resource: &Resource) -> Vec<ResourceId> {
    std::iter::once(resource.id()).chain(resource.previous_ids()).collect()
}

fn selects(selector: &SourceSelector, id: &ResourceId) -> bool {
    let is = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
    is(&selector.name, &id.name)
        && (selector.namespace.is_empty() || or_default(&selector.namespace) == or_default(&id.namespace))
        && is(&selector.group, &id.gvk.group)
        && is(&selector.version, &id.gvk.version)
        && is(&selector.kind, &id.gvk.kind)
}

/// No namespace and `default` are the same one here, also for cluster-scoped kinds.
fn or_default(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

fn describe(selector: &SourceSelector) -> String {
    let gvk = crate::id::Gvk {
        group: selector.group.clone(),
        version: selector.version.clone(),
        kind: selector.kind.clone(),
    };
    ResourceId { gvk, name: selector.name.clone(), namespace: selector.namespace.clone() }.to_string()
}
