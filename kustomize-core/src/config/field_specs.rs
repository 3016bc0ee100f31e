//! Lists of field specs: which fields of which types a transformer touches.

use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt};

use super::builtin::Row;
use super::path_tree::{PathSpec, PathTree};
use super::type_order::compare_types;
use crate::kustomization::FieldSpec;

/// Field specs in order, as kustomize's `FsSlice`.
#[derive(Debug, Default)]
pub(crate) struct FieldSpecs {
    /// What the list is made of when somebody wants it, if it is built in.
    rows: &'static [Row],
    list: OnceLock<Vec<FieldSpec>>,
    index: OnceLock<Index>,
}

/// The list as transformers use it: by kind, paths split once.
#[derive(Debug, Default)]
struct Index {
    /// For each kind that a spec names: its specs and those for every kind, in list order.
    by_kind: HashMap<Box<str>, Trees>,
    any_kind: Trees,
}

/// Some specs of a list. Their trees are made for the first resource that needs
/// them: a build has few of the kinds that there are.
#[derive(Debug, Default)]
struct Trees {
    positions: Vec<usize>,
    trees: OnceLock<Vec<PathTree>>,
}

/// Two specs for the same field disagree on whether to make it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field spec '{path}' of kind '{kind}' says `create: {create}`, another one for the same field says otherwise")]
pub struct FieldSpecConflict {
    /// The path of the field.
    pub path: String,
    /// The kind that the later spec is for; empty for every kind.
    pub kind: String,
    /// What the later spec says.
    pub create: bool,
}

impl FieldSpecs {
    pub(crate) fn new(list: Vec<FieldSpec>) -> Self {
        Self { list: list.into(), ..Self::default() }
    }

    pub(super) fn builtin(rows: &'static [Row]) -> Self {
        Self { rows, ..Self::default() }
    }

    pub(crate) fn as_slice(&self) -> &[FieldSpec] {
        self.list.get_or_init(|| self.rows.iter().map(Row::spec).collect())
    }

    /// The list to be changed, after which nothing that was made of it holds.
    fn change(&mut self) -> &mut Vec<FieldSpec> {
        self.as_slice();
        self.index = OnceLock::new();
        self.list.get_mut().expect("it was made just now")
    }

    pub(super) fn len(&self) -> usize {
        self.list.get().map_or(self.rows.len(), Vec::len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The specs for resources of this kind, in order. One tree holds them
    /// unless there are very many.
    pub(crate) fn trees(&self, kind: &str) -> &[PathTree] {
        let index = self.index.get_or_init(|| Index::new(self.as_slice()));
        index.by_kind.get(kind).unwrap_or(&index.any_kind).get(self.as_slice())
    }

    /// Adds `incoming` to the list.
    ///
    /// A spec whose field the list has already is passed over, and "has" is
    /// asymmetric, as in kustomize: an incoming spec for every kind counts as
    /// present if there is one with the same path for any kind.
    pub(crate) fn merge<'a>(
        &mut self,
        incoming: impl IntoIterator<Item = &'a FieldSpec>,
    ) -> Result<(), FieldSpecConflict> {
        let list = self.change();
        incoming.into_iter().try_for_each(|spec| merge_one(list, spec))
    }

    /// Kustomize's order of field specs: by kind, in the order of installation.
    pub(crate) fn sort(&mut self) {
        self.change().sort_by(|a, b| compare_types((&a.group, &a.version, &a.kind), (&b.group, &b.version, &b.kind)));
    }
}

impl Clone for FieldSpecs {
    fn clone(&self) -> Self {
        Self { rows: self.rows, list: self.list.clone(), index: OnceLock::new() }
    }
}

impl PartialEq for FieldSpecs {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Index {
    fn new(list: &[FieldSpec]) -> Self {
        let mut any_kind = Trees::default();
        let mut by_kind: HashMap<Box<str>, Trees> = HashMap::new();
        for (position, spec) in list.iter().enumerate() {
            if spec.kind.is_empty() {
                by_kind.values_mut().for_each(|specs| specs.positions.push(position));
                any_kind.positions.push(position);
            } else if let Some(specs) = by_kind.get_mut(&*spec.kind) {
                specs.positions.push(position);
            } else {
                let mut positions = any_kind.positions.clone();
                positions.push(position);
                by_kind.insert((*spec.kind).into(), Trees { positions, trees: OnceLock::new() });
            }
        }
        Self { by_kind, any_kind }
    }
}

impl Trees {
    fn get(&self, list: &[FieldSpec]) -> &[PathTree] {
        let spec = |position: &usize| PathSpec::new(&list[*position], *position);
        let tree = |positions: &[usize]| PathTree::new(positions.iter().map(spec).collect());
        self.trees.get_or_init(|| self.positions.chunks(PathTree::MAX).map(tree).collect())
    }
}

/// Whether a part of a type is what a spec asks for; an empty one asks for nothing.
fn selects(wanted: &str, part: &str) -> bool {
    wanted.is_empty() || wanted == part
}

/// See [`FieldSpecs::merge`].
fn merge_one(list: &mut Vec<FieldSpec>, incoming: &FieldSpec) -> Result<(), FieldSpecConflict> {
    let present = list.iter().find(|old| {
        old.path == incoming.path
            && selects(&incoming.group, &old.group)
            && selects(&incoming.version, &old.version)
            && selects(&incoming.kind, &old.kind)
    });
    match present {
        None => list.push(incoming.clone()),
        Some(old) if old.create == incoming.create => {}
        Some(_) => {
            return Err(FieldSpecConflict {
                path: incoming.path.clone().into_owned(),
                kind: incoming.kind.clone().into_owned(),
                create: incoming.create,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::path_tree::bits;
    use super::*;

    fn spec(kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec { kind: kind.to_owned().into(), path: path.to_owned().into(), create, ..FieldSpec::default() }
    }

    #[test]
    fn a_spec_for_every_kind_is_taken_to_be_there_if_one_kind_has_it() {
        let mut specs = FieldSpecs::new(vec![spec("Foo", "metadata/labels", true)]);
        specs.merge(&[spec("", "metadata/labels", true), spec("Bar", "metadata/labels", true)]).expect("no conflict");
        assert_eq!(specs.as_slice(), [spec("Foo", "metadata/labels", true), spec("Bar", "metadata/labels", true)]);
    }

    #[test]
    fn specs_that_disagree_on_creation_conflict() {
        let mut specs = FieldSpecs::new(vec![spec("Foo", "a/b", true)]);
        let conflict = specs.merge(&[spec("", "a/b", false)]).expect_err("create differs");
        assert_eq!(conflict, FieldSpecConflict { path: "a/b".into(), kind: String::new(), create: false });
    }

    #[test]
    fn specs_are_found_by_kind_in_list_order() {
        let specs = FieldSpecs::new(vec![
            spec("", "a", false),
            spec("Foo", "b", false),
            spec("", "c", false),
            spec("Foo", "d", false),
        ]);
        let paths = |kind| {
            let trees = specs.trees(kind).iter();
            let specs = trees.flat_map(|tree| bits(tree.for_version("v1")).map(|bit| tree.spec(bit)));
            specs.map(|spec| spec.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(paths("Bar"), ["a", "c"]);
        assert_eq!(paths("Foo"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn any_number_of_specs_is_found() {
        let specs = FieldSpecs::new((0..150).map(|index| spec("", &index.to_string(), false)).collect());
        let found = specs.trees("Foo").iter().map(|tree| bits(tree.for_version("v1")).count());
        assert_eq!(found.collect::<Vec<_>>(), [64, 64, 22]);
    }
}
