//! `replicas` and the `ReplicaCountTransformer`.

use std::sync::Arc;

use super::field_spec::{Field, Make, find_or_make, set_scalar};
use super::{TransformError, WantedNames, failed_at};
use crate::config::{FieldSpecs, bits};
use crate::id::Gvk;
use crate::kustomization::{FieldSpec, Replica};
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::yaml::Tag;

/// Sets how many replicas workloads have.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaCountTransformer {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) specs: Arc<FieldSpecs>,
}

impl ReplicaCountTransformer {
    pub(crate) fn apply(&self, resources: &mut ResourceSet) -> Result<(), TransformError> {
        if self.replicas.is_empty() {
            return Ok(());
        }
        let named = self.resources_by_replica(resources);
        let mut fields = Vec::new();
        for (replica, targets) in self.replicas.iter().zip(named) {
            let mut found = false;
            for target in targets {
                let resource = &mut resources.as_mut_vec()[target];
                found |= self
                    .specs
                    .as_slice()
                    .iter()
                    .any(|spec| has_had_id(resource, &replica.name, [&spec.group, &spec.version, &spec.kind]));
                self.set(resource, replica, &mut fields)?;
            }
            if !found {
                return Err(self.not_found(replica));
            }
        }
        Ok(())
    }

    /// For each replica the resources that have or had its name.
    fn resources_by_replica(&self, resources: &ResourceSet) -> Vec<Vec<usize>> {
        let wanted = WantedNames::new(self.replicas.iter().map(|replica| replica.name.as_str()));
        let mut found = vec![Vec::new(); self.replicas.len()];
        for (index, resource) in resources.iter().enumerate() {
            let previous = resource.history.previous.iter().map(|previous| &*previous.name);
            for replica in previous.chain([resource.name()]).flat_map(|name| wanted.entries(name)) {
                if found[*replica].last() != Some(&index) {
                    found[*replica].push(index);
                }
            }
        }
        found
    }

    fn set(&self, resource: &mut Resource, replica: &Replica, fields: &mut Vec<Field>) -> Result<(), TransformError> {
        let count = replica.count.to_string();
        for tree in self.specs.trees(resource.kind()) {
            for bit in bits(tree.for_version(resource.api_version())) {
                if !has_had_id(resource, &replica.name, ["", "", &tree.spec(bit).kind]) {
                    continue;
                }
                let doc = resource.doc_mut();
                let done = find_or_make(doc, tree, bit, Make::Scalar(Tag::Int), fields).and_then(|()| {
                    let mut fields = fields.iter();
                    fields.try_for_each(|(_, field)| {
                        set_scalar(doc, *field, Tag::Int, &count).map_err(|error| (bit, error))
                    })
                });
                done.map_err(|failed| failed_at(resource, tree, failed))?;
            }
        }
        Ok(())
    }

    fn not_found(&self, replica: &Replica) -> TransformError {
        let kind = |spec: &FieldSpec| Gvk {
            group: spec.group.clone(),
            version: spec.version.clone(),
            kind: spec.kind.clone(),
        };
        TransformError::NoReplicas {
            name: replica.name.clone(),
            kinds: self.specs.as_slice().iter().map(kind).collect(),
        }
    }
}

/// Whether the resource has or had this name while it was of the given type.
fn has_had_id(resource: &Resource, name: &str, wanted: [&str; 3]) -> bool {
    let (group, version) = resource.group_version();
    let matches = |wanted: &str, part: &str| wanted.is_empty() || wanted == part;
    let had_both = |kind: &str, had: &str| had == name && matches(wanted[2], kind);
    matches(wanted[0], group)
        && matches(wanted[1], version)
        && (had_both(resource.kind(), resource.name())
            || resource.history.previous.iter().any(|previous| had_both(&previous.kind, &previous.name)))
}
