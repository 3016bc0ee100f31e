//! What differs between two values, as sets of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::PathElement;
use super::schema::{ListKind, ListType, MapType, Shape, Type};
use super::set::FieldSet;
use super::value::equal;

/// The difference of two values. No field is in more than one of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Fields only the first value has.
    pub removed: FieldSet,
    /// Fields that both have, with different values.
    pub modified: FieldSet,
    /// Fields only the second value has.
    pub added: FieldSet,
}

impl Comparison {
    /// Whether the values are the same.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Without these fields and all that is below them.
    #[must_use]
    pub(crate) fn without(&self, fields: &FieldSet) -> Self {
        if fields.is_empty() {
            return self.clone();
        }
        Self {
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            added: self.added.recursive_difference(fields),
        }
    }

    fn set(&mut self, change: Change) -> &mut FieldSet {
        match change {
            Change::Removed => &mut self.removed,
            Change::Modified => &mut self.modified,
            Change::Added => &mut self.added,
        }
    }

    fn mark(&mut self, element: &PathElement, change: Change) {
        self.set(change).members.insert(element.clone());
    }

    /// Takes what was found below an element.
    fn add(&mut self, element: &PathElement, found: Difference) {
        if let Some(change) = found.itself {
            self.mark(element, change);
        }
        let Self { removed, modified, added } = found.below;
        for (change, below) in [(Change::Removed, removed), (Change::Modified, modified), (Change::Added, added)] {
            if !below.is_empty() {
                self.set(change).children.entry(element.clone()).or_default().extend(&below);
            }
        }
    }
}

/// What is different in `after`, list items compared by their keys.
pub fn compare(ty: &Type, before: &Value, after: &Value) -> Comparison {
    difference(ty, Some(before), Some(after)).below
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Removed,
    Modified,
    Added,
}

/// What happened to a value: perhaps to itself, and to what is in it.
#[derive(Default)]
struct Difference {
    itself: Option<Change>,
    below: Comparison,
}

impl Difference {
    fn leaf(before: Option<&Value>, after: Option<&Value>) -> Self {
        let itself = match (before, after) {
            (None, _) => Some(Change::Added),
            (_, None) => Some(Change::Removed),
            (Some(before), Some(after)) => (!equal(before, after)).then_some(Change::Modified),
        };
        Self { itself, below: Comparison::default() }
    }

    /// A list or map that is there on one side only is itself a change.
    fn inner(below: Comparison, before: Option<&Value>, after: Option<&Value>) -> Self {
        let itself = match (before, after) {
            (None, _) => Some(Change::Added),
            (_, None) => Some(Change::Removed),
            _ => None,
        };
        Self { itself, below }
    }
}

fn difference(ty: &Type, before: Option<&Value>, after: Option<&Value>) -> Difference {
    // Most of two objects is usually the same, and seeing that is cheap.
    if let (Some(before), Some(after)) = (before, after)
        && equal(before, after)
    {
        return Difference::default();
    }
    let (old, new) = (ty.shape(before), ty.shape(after));
    if after.is_none() {
        return of_shape(old, before, after);
    }
    let found = of_shape(new, before, after);
    if before.is_none() || old == new {
        return found;
    }
    // A free-form value that changed its shape: both are walked.
    let mut all = of_shape(old, before, after);
    all.itself = found.itself.or(all.itself);
    for (change, below) in [
        (Change::Removed, &found.below.removed),
        (Change::Modified, &found.below.modified),
        (Change::Added, &found.below.added),
    ] {
        all.below.set(change).extend(below);
    }
    all
}

fn of_shape(shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) -> Difference {
    match shape {
        Shape::Scalar(_) | Shape::AnyList => Difference::leaf(before, after),
        Shape::List(ty) => {
            let (old, new) = (before.and_then(Value::as_array), after.and_then(Value::as_array));
            if ty.kind == ListKind::Atomic || old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty) {
                return Difference::leaf(before, after);
            }
            let found = of_lists(ty, old.map_or(&[], Vec::as_slice), new.map_or(&[], Vec::as_slice));
            Difference::inner(found, before, after)
        }
        Shape::Map(ty) => {
            let (old, new) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
            if ty.atomic || old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty) {
                return Difference::leaf(before, after);
            }
            Difference::inner(of_maps(ty, old, new), before, after)
        }
    }
}

fn of_maps(ty: &MapType, before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Comparison {
    let none = Map::new();
    let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
    let only_after = after.keys().filter(|key| !before.contains_key(*key));
    let mut found = Comparison::default();
    for key in before.keys().chain(only_after) {
        let ty = ty.type_of(key).map_or(&Type::Any, |ty| ty);
        found.add(&PathElement::field(key), difference(ty, before.get(key), after.get(key)));
    }
    found
}

fn of_lists(ty: &ListType, before: &[Value], after: &[Value]) -> Comparison {
    let (old, new) = (by_element(ty, before), by_element(ty, after));
    let elements: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let none = Vec::new();
    let mut found = Comparison::default();
    for element in elements {
        let (old, new) = (old.get(element).unwrap_or(&none), new.get(element).unwrap_or(&none));
        found.add(element, of_items(ty, old, new));
    }
    found
}

/// Items with the same key; more than one on a side is owned as a whole.
fn of_items(ty: &ListType, old: &[&Value], new: &[&Value]) -> Difference {
    let whole = |change, one| Difference { itself: Some(change), below: one };
    match (old, new) {
        ([] | [_], [] | [_]) => difference(&ty.item, old.first().copied(), new.first().copied()),
        ([_, _, ..], [_, _, ..]) => {
            let same = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| equal(old, new));
            if same { Difference::default() } else { whole(Change::Modified, Comparison::default()) }
        }
        ([_, _, ..], _) => {
            let single = new.first().map(|single| difference(&ty.item, None, Some(single)).below);
            whole(Change::Removed, single.unwrap_or_default())
        }
        _ => {
            let single = old.first().map(|single| difference(&ty.item, Some(single), None).below);
            whole(Change::Added, single.unwrap_or_default())
        }
    }
}

fn by_element<'a>(ty: &ListType, items: &'a [Value]) -> BTreeMap<PathElement, Vec<&'a Value>> {
    let mut found: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(element) = ty.element_of(item) {
            found.entry(element).or_default().push(item);
        }
    }
    found
}
