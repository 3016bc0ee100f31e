//! A set of fields.

use std::collections::{BTreeMap, BTreeSet};

use super::path::{Path, PathElement};
use super::schema::Type;

static NOTHING: FieldSet = FieldSet::new();

/// A set of fields of one object, as a tree.
///
/// Owning a field says nothing about its parents: those are members only if they are named
/// themselves (`"."` on the wire).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub(crate) members: BTreeSet<PathElement>,
    pub(crate) children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { members: BTreeSet::new(), children: BTreeMap::new() }
    }

    /// A set of these paths of plain fields.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&Path::of_fields(path.iter().copied()).0);
        }
        set
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Adds one field. The root itself cannot be a member.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the field is a member.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.contains(rest)),
        }
    }

    /// The members below one element, without it.
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        self.children.get(element).filter(|child| !child.is_empty())
    }

    /// What the set has below one element, which is nothing if it has the element as a whole;
    /// `None` if it has neither.
    pub(crate) fn get(&self, element: &PathElement) -> Option<&FieldSet> {
        self.children.get(element).or_else(|| self.members.contains(element).then_some(&NOTHING))
    }

    /// The elements at the top, each with what the set has below it, which is nothing if it has
    /// the element as a whole.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&PathElement, &FieldSet)> {
        let whole = self.members.iter().filter(|element| !self.children.contains_key(*element));
        whole.map(|element| (element, &NOTHING)).chain(&self.children)
    }

    /// Fields in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.extend(other);
        result
    }

    /// Adds every field of the other set.
    pub fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().extend(child);
        }
    }

    /// Fields in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.combine_children(|element, child| {
                Some(other.children.get(element).map_or_else(Self::new, |other| child.intersection(other)))
            }),
        }
    }

    /// Fields of this set that are not in the other. Removing a parent keeps its children.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.combine_children(|element, child| {
                Some(other.children.get(element).map_or_else(|| child.clone(), |other| child.difference(other)))
            }),
        }
    }

    /// Fields of this set that neither are in the other nor have a parent there.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.combine_children(|element, child| {
                if other.members.contains(element) {
                    return None;
                }
                Some(
                    other
                        .children
                        .get(element)
                        .map_or_else(|| child.clone(), |other| child.recursive_difference(other)),
                )
            }),
        }
    }

    /// Fields of this set that are not in the other, and have nothing of the other below them:
    /// what is left to take away when the other is to stay.
    #[must_use]
    pub(crate) fn beyond(&self, kept: &Self) -> Self {
        Self {
            members: self.members.iter().filter(|element| kept.get(element).is_none()).cloned().collect(),
            children: self.combine_children(|element, child| {
                Some(kept.children.get(element).map_or_else(|| child.clone(), |kept| child.beyond(kept)))
            }),
        }
    }

    fn combine_children(&self, f: impl Fn(&PathElement, &FieldSet) -> Option<FieldSet>) -> BTreeMap<PathElement, Self> {
        self.children
            .iter()
            .filter_map(|(element, child)| Some((element.clone(), f(element, child)?)))
            .filter(|(_, child)| !child.is_empty())
            .collect()
    }

    /// Every member, parents before children.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, paths: &mut Vec<Path>) {
        for element in &self.members {
            prefix.push(element.clone());
            paths.push(Path(prefix.clone()));
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// With every declared field that has members below it made a member too.
    ///
    /// Free-form map keys and list items are left as they are: an empty struct is the same as
    /// none, an empty list item is not.
    #[must_use]
    pub(crate) fn with_declared_parents(&self, ty: Option<&Type>) -> Self {
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (element, child) in &self.children {
            let (declared, below) = match (element, ty) {
                (PathElement::Field(name), Some(ty)) => (ty.declares(name), ty.field_type(name)),
                (PathElement::Key(_), Some(ty)) => (false, ty.item_type()),
                _ => (false, None),
            };
            if declared {
                members.insert(element.clone());
            }
            children.insert(element.clone(), child.with_declared_parents(below.as_deref()));
        }
        Self { members, children }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&[&str]]) -> FieldSet {
        FieldSet::of_fields(paths)
    }

    #[test]
    fn a_difference_keeps_children_of_removed_parents() {
        let all = set(&[&["a"], &["a", "b"], &["c"]]);
        assert_eq!(all.difference(&set(&[&["a"]])), set(&[&["a", "b"], &["c"]]));
        assert_eq!(all.recursive_difference(&set(&[&["a"]])), set(&[&["c"]]));
    }

    #[test]
    fn what_is_beyond_a_set_leaves_the_parents_of_what_is_in_it() {
        let all = set(&[&["labels"], &["labels", "a"], &["labels", "b"], &["c"]]);
        assert_eq!(all.beyond(&set(&[&["labels", "a"]])), set(&[&["labels", "b"], &["c"]]));
        assert_eq!(all.beyond(&set(&[])), all);
    }

    #[test]
    fn elements_are_whole_or_have_parts() {
        let all = set(&[&["a"], &["b", "c"], &["d"], &["d", "e"]]);
        let parts: Vec<_> = all.elements().map(|(element, below)| (element.to_string(), below.is_empty())).collect();
        assert_eq!(parts, [(".a".to_owned(), true), (".b".to_owned(), false), (".d".to_owned(), false)]);
        assert_eq!(all.get(&PathElement::field("x")), None);
    }

    #[test]
    fn an_intersection_needs_the_same_depth() {
        let common = set(&[&["a", "b"], &["c"]]).intersection(&set(&[&["a"], &["c"]]));
        assert_eq!(common, set(&[&["c"]]));
    }
}
