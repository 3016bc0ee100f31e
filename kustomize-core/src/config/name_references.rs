//! Which fields hold the names of which resources.

use std::sync::OnceLock;

use super::field_specs::{FieldSpecConflict, FieldSpecs};
use super::path_tree::PathSpec;
use super::type_order::compare_types;
use crate::id::Gvk;

/// The fields that hold names, by the type that is named, as kustomize's `nbrSlice`.
#[derive(Debug, Default)]
pub(crate) struct NameReferences {
    list: Vec<NameReference>,
    index: OnceLock<Index>,
}

/// The fields that hold the name of a resource of some type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NameReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: FieldSpecs,
}

/// The referrers of all targets in one list.
#[derive(Debug)]
struct Index {
    referrers: FieldSpecs,
    /// For each of them, the index of its target.
    targets: Vec<usize>,
}

impl NameReferences {
    pub(super) fn new(list: Vec<NameReference>) -> Self {
        let mut references = Self { list, index: OnceLock::new() };
        references.sort();
        references
    }

    /// From a list that is sorted, and the referrers of all of it.
    pub(super) fn builtin(list: Vec<NameReference>, referrers: FieldSpecs) -> Self {
        let index = Index { referrers, targets: targets(&list) };
        Self { list, index: index.into() }
    }

    #[cfg(test)]
    pub(super) fn as_slice(&self) -> &[NameReference] {
        &self.list
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The fields of all targets, in the order in which they are updated.
    pub(crate) fn referrers(&self) -> &FieldSpecs {
        &self.index().referrers
    }

    /// The type that a field of [`referrers`](Self::referrers) names.
    pub(crate) fn target(&self, referrer: &PathSpec) -> &Gvk {
        &self.list[self.index().targets[referrer.position]].target
    }

    /// Whether resources of this kind can be referred to.
    pub(crate) fn has_target(&self, kind: &str) -> bool {
        self.list.iter().any(|reference| reference.target.kind.is_empty() || reference.target.kind == kind)
    }

    /// Adds what is not there yet.
    pub(super) fn merge(&mut self, incoming: &Self) -> Result<(), FieldSpecConflict> {
        self.index = OnceLock::new();
        for reference in &incoming.list {
            let mut found = false;
            for old in self.list.iter_mut().filter(|old| old.target == reference.target) {
                found = true;
                old.referrers.merge(reference.referrers.as_slice())?;
            }
            if !found {
                self.list.push(reference.clone());
            }
        }
        self.sort();
        Ok(())
    }

    /// By target. As kustomize does, leaves the fields of one target as they are.
    fn sort(&mut self) {
        self.list.sort_by(|a, b| {
            let (a, b) = (&a.target, &b.target);
            compare_types((&a.group, &a.version, &a.kind), (&b.group, &b.version, &b.kind))
        });
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let referrers = self.list.iter().flat_map(|reference| reference.referrers.as_slice()).cloned().collect();
            Index { referrers: FieldSpecs::new(referrers), targets: targets(&self.list) }
        })
    }
}

/// For each referrer, the index of its target.
fn targets(list: &[NameReference]) -> Vec<usize> {
    let count = |reference: &NameReference| reference.referrers.len();
    list.iter().enumerate().flat_map(|(target, reference)| std::iter::repeat_n(target, count(reference))).collect()
}

impl Clone for NameReferences {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), index: OnceLock::new() }
    }
}

impl PartialEq for NameReferences {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}
