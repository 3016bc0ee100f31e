//! The paths of several field specs as one tree, so that a resource is walked once for all.

use std::borrow::Cow;

use super::path::{FieldPath, Step};
use crate::id::split_api_version;
use crate::kustomization::FieldSpec;
use crate::short_text::same;

/// A field spec with its path split.
#[derive(Debug)]
pub(crate) struct PathSpec {
    group: Cow<'static, str>,
    version: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) path: FieldPath,
    /// Make the field if it is missing.
    create: bool,
    /// Where it is in the list that it was made from.
    pub(super) position: usize,
}

/// Some of the specs of a tree, a bit for each.
pub(crate) type Specs = u64;

/// The field specs for one kind, at most [`PathTree::MAX`], with their paths joined.
#[derive(Debug, Default)]
pub(crate) struct PathTree {
    specs: Vec<PathSpec>,
    /// Those that make fields.
    create: Specs,
    /// Those for every `apiVersion`.
    any_version: Specs,
    nodes: Vec<TreeNode>,
}

/// A place that paths lead to or through.
#[derive(Debug, Default)]
pub(crate) struct TreeNode {
    /// The specs whose path ends here.
    pub(crate) ends: Specs,
    pub(crate) children: Vec<Child>,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) step: Step,
    /// The specs whose path goes this way.
    pub(crate) specs: Specs,
    pub(crate) node: usize,
}

impl PathSpec {
    pub(super) fn new(spec: &FieldSpec, position: usize) -> Self {
        Self {
            group: spec.group.clone(),
            version: spec.version.clone(),
            kind: spec.kind.clone(),
            path: FieldPath::new(spec.path.clone()),
            create: spec.create,
            position,
        }
    }
}

impl PathTree {
    /// As many specs as there are bits in [`Specs`].
    pub(crate) const MAX: usize = Specs::BITS as usize;

    pub(super) fn new(specs: Vec<PathSpec>) -> Self {
        let mut tree = Self { nodes: vec![TreeNode::default()], ..Self::default() };
        for (index, spec) in specs.iter().enumerate() {
            tree.add(1 << index, spec);
        }
        Self { specs, ..tree }
    }

    fn add(&mut self, bit: Specs, spec: &PathSpec) {
        self.create |= if spec.create { bit } else { 0 };
        self.any_version |= if spec.group.is_empty() && spec.version.is_empty() { bit } else { 0 };
        let mut at = 0;
        for step in spec.path.steps() {
            let known = self.nodes[at].children.iter_mut().find(|child| child.step == *step);
            at = match known {
                Some(child) => {
                    child.specs |= bit;
                    child.node
                }
                None => {
                    let node = self.nodes.len();
                    self.nodes[at].children.push(Child { step: step.clone(), specs: bit, node });
                    self.nodes.push(TreeNode::default());
                    node
                }
            };
        }
        self.nodes[at].ends |= bit;
    }

    /// The specs for this `apiVersion`.
    pub(crate) fn for_version(&self, api_version: &str) -> Specs {
        let all = Specs::MAX.checked_shr(Specs::BITS - self.specs.len() as u32).unwrap_or_default();
        if self.any_version == all {
            return all;
        }
        let (group, version) = split_api_version(api_version);
        let matches = |wanted: &str, part: &str| wanted.is_empty() || same(wanted, part);
        let is_for_it = |bit: &Specs| {
            let spec = self.spec(*bit);
            matches(&spec.group, group) && matches(&spec.version, version)
        };
        bits(all & !self.any_version).filter(is_for_it).fold(self.any_version, |specs, bit| specs | bit)
    }

    pub(crate) fn root(&self) -> &TreeNode {
        &self.nodes[0]
    }

    pub(crate) fn node(&self, child: &Child) -> &TreeNode {
        &self.nodes[child.node]
    }

    /// Those of `specs` that make fields.
    pub(crate) fn making(&self, specs: Specs) -> Specs {
        specs & self.create
    }

    /// The spec of one bit.
    pub(crate) fn spec(&self, bit: Specs) -> &PathSpec {
        &self.specs[bit.trailing_zeros() as usize]
    }
}

/// The bits that are set, lowest first: the specs in list order.
pub(crate) fn bits(mut specs: Specs) -> impl Iterator<Item = Specs> {
    std::iter::from_fn(move || {
        let lowest = specs & specs.wrapping_neg();
        specs ^= lowest;
        (lowest != 0).then_some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_share_their_beginning() {
        let spec = |group: &str, path: &str| {
            let (group, path) = (group.to_owned().into(), path.to_owned().into());
            PathSpec::new(&FieldSpec { group, path, ..FieldSpec::default() }, 0)
        };
        let tree = PathTree::new(vec![spec("", "a/b/c"), spec("apps", "a/b"), spec("", "a/b[]/c")]);
        assert_eq!(tree.nodes.len(), 6);
        let a = &tree.root().children[0];
        assert_eq!((a.specs, tree.node(a).children.len()), (0b111, 2));
        assert_eq!(tree.node(&tree.node(a).children[0]).ends, 0b010);
        assert_eq!((tree.for_version("v1"), tree.for_version("apps/v1")), (0b101, 0b111));
        assert_eq!(bits(0b101).collect::<Vec<_>>(), [0b001, 0b100]);
    }
}
