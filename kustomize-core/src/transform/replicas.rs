//! `replicas` and the `ReplicaCountTransformer`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::field_spec::{Field, Make, find_or_make, set_scalar};
use super::{EachResource, TransformError, WantedNames, failed_at};
use crate::config::{FieldSpecs, bits};
use crate::generate::BoxError;
use crate::id::Gvk;
use crate::kustomization::{FieldSpec, Replica};
use crate::resource::Resource;
use crate::yaml::Tag;

/// Sets how many replicas workloads have.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaCountTransformer {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) specs: Arc<FieldSpecs>,
}

impl ReplicaCountTransformer {
    pub(crate) fn each(&self) -> impl EachResource + '_ {
        let wanted = WantedNames::new(self.replicas.iter().map(|replica| replica.name.as_str()));
        let found = self.replicas.iter().map(|_| AtomicBool::new(false)).collect();
        Replicas { transformer: self, wanted, found, named: Vec::new(), fields: Vec::new() }
    }

    fn is_for(&self, replica: &Replica, resource: &Resource) -> bool {
        let mut specs = self.specs.as_slice().iter();
        specs.any(|spec| has_had_id(resource, &replica.name, [&spec.group, &spec.version, &spec.kind]))
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
            group: spec.group.to_string(),
            version: spec.version.to_string(),
            kind: spec.kind.to_string(),
        };
        TransformError::NoReplicas {
            name: replica.name.clone(),
            kinds: self.specs.as_slice().iter().map(kind).collect(),
        }
    }
}

/// The transformer at work.
#[derive(Clone)]
struct Replicas<'a> {
    transformer: &'a ReplicaCountTransformer,
    wanted: WantedNames<'a>,
    /// For each replica whether there is a resource for it.
    found: Arc<[AtomicBool]>,
    /// The replicas that name the resource at hand.
    named: Vec<usize>,
    fields: Vec<Field>,
}

impl EachResource for Replicas<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        self.named.clear();
        let previous = resource.history().previous.iter().map(|previous| previous.name);
        self.named.extend(previous.chain([resource.name()]).flat_map(|name| self.wanted.entries(name)));
        self.named.sort_unstable();
        self.named.dedup();
        for at in &self.named {
            let replica = &self.transformer.replicas[*at];
            self.found[*at].fetch_or(self.transformer.is_for(replica, resource), Relaxed);
            self.transformer.set(resource, replica, &mut self.fields)?;
        }
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        Some(Box::new(self.clone()))
    }

    fn finish(&self) -> Result<(), BoxError> {
        let missing = self.found.iter().position(|found| !found.load(Relaxed));
        missing.map_or(Ok(()), |at| Err(self.transformer.not_found(&self.transformer.replicas[at]).into()))
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
            || resource.history().previous.iter().any(|previous| had_both(previous.kind, previous.name)))
}
