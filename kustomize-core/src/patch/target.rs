//! What a patch is for.

use crate::id::ResourceId;
use crate::kustomization::Selector;
use crate::kustomization::decode::closest;
use std::ops::Range;

use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::selector::{CompiledSelector, SelectorError};

use super::{PatchError, PatchSource};

/// A selector of patch targets.
#[derive(Debug)]
pub(super) struct Target(CompiledSelector);

impl Target {
    pub(super) fn new(selector: &Selector) -> Result<Self, SelectorError> {
        CompiledSelector::new(selector).map(Self)
    }

    /// The positions of the resources it selects: by their original or
    /// present name and namespace, and by their present type.
    pub(super) fn select(&self, resources: &mut ResourceSet, schema: &Schema) -> Vec<usize> {
        if let Some(name) = self.literal_name() {
            let maybe = resources.maybe_named(name, schema);
            return maybe.into_iter().filter(|at| self.selects(&resources.as_slice()[*at], schema)).collect();
        }
        let all = resources.as_slice();
        let select = |part: Range<usize>| part.filter(|at| self.selects(&all[*at], schema)).collect::<Vec<_>>();
        resources.threads().ranges(all.len(), select).concat()
    }

    /// The only name that it selects, if there is only one.
    pub(super) fn literal_name(&self) -> Option<&str> {
        self.0.literal_name()
    }

    pub(super) fn selects(&self, resource: &Resource, schema: &Schema) -> bool {
        let (group, version) = resource.group_version();
        let namespace = resource.effective_namespace(schema);
        let original = resource.history().previous.first();
        let (name, was_in) = original.map_or((resource.name(), namespace), |id| (id.name, id.namespace));
        !is_deleted(resource)
            && self.0.matches_type(group, version, resource.kind())
            && (self.0.matches_namespace(was_in) || self.0.matches_namespace(namespace))
            && (self.0.matches_name(name) || self.0.matches_name(resource.name()))
            && self.0.matches_metadata(resource)
    }
}

/// The position of the one resource that has or had the id of a patch.
pub(super) fn find(
    patch: &Resource,
    source: &PatchSource,
    resources: &mut ResourceSet,
    schema: &Schema,
) -> Result<usize, PatchError> {
    let mut found = resources.with_any_id(patch, schema);
    found.retain(|at| !is_deleted(&resources.as_slice()[*at]));
    let id = || Box::new(patch.id());
    match found[..] {
        [at] => Ok(at),
        [] => {
            let closest = similar(&patch.id(), resources).map(Box::new);
            Err(PatchError::NotFound { patch: source.clone(), id: id(), closest })
        }
        [first, second, ..] => {
            let at = |at: usize| Box::new(resources.as_slice()[at].id());
            Err(PatchError::Ambiguous { patch: source.clone(), id: id(), first: at(first), second: at(second) })
        }
    }
}

fn similar(id: &ResourceId, resources: &ResourceSet) -> Option<ResourceId> {
    let mut of_kind = resources.iter().filter(|resource| resource.kind() == id.gvk.kind);
    let name = closest(&id.name, of_kind.clone().map(Resource::name));
    let similar = name.and_then(|name| of_kind.find(|resource| resource.name() == name));
    similar.or_else(|| resources.iter().find(|resource| resource.name() == id.name)).map(Resource::id)
}

/// Whether a patch deleted the resource. It stays where it is, without
/// content, until the patch has done all its work.
pub(crate) fn is_deleted(resource: &Resource) -> bool {
    let doc = resource.doc();
    doc.is_empty(doc.root())
}
