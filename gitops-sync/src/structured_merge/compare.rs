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
        Self {
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            added: self.added.recursive_difference(fields),
        }
    }
}

/// What is different in `after`, list items compared by their keys.
pub fn compare(ty: &Type, before: &Value, after: &Value) -> Comparison {
    let mut walk = Walk { found: Comparison::default(), path: Vec::new() };
    walk.value(ty, Some(before), Some(after));
    walk.found
}

struct Walk {
    found: Comparison,
    path: Vec<PathElement>,
}

impl Walk {
    fn value(&mut self, ty: &Type, before: Option<&Value>, after: Option<&Value>) {
        let (old, new) = (ty.shape(before), ty.shape(after));
        let leaf = if after.is_none() {
            self.shape(old, before, after)
        } else if before.is_none() || old == new {
            self.shape(new, before, after)
        } else {
            // A free-form value that changed its shape: both are walked.
            self.shape(old, before, after);
            self.shape(new, before, after)
        };
        if !leaf {
            match (before, after) {
                (None, _) => self.found.added.insert(&self.path),
                (_, None) => self.found.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    /// Returns whether the value was compared as a leaf.
    fn shape(&mut self, shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) -> bool {
        match shape {
            Shape::Scalar(_) | Shape::AnyList => self.leaf(before, after),
            Shape::List(ty) => {
                let (old, new) = (before.and_then(Value::as_array), after.and_then(Value::as_array));
                if ty.kind == ListKind::Atomic || old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty) {
                    return self.leaf(before, after);
                }
                self.list(ty, old.map_or(&[], Vec::as_slice), new.map_or(&[], Vec::as_slice));
                false
            }
            Shape::Map(ty) => {
                let (old, new) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
                if ty.atomic || old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty) {
                    return self.leaf(before, after);
                }
                self.map(ty, old, new);
                false
            }
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) -> bool {
        match (before, after) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(before), Some(after)) if !equal(before, after) => self.found.modified.insert(&self.path),
            _ => {}
        }
        true
    }

    fn below(&mut self, element: &PathElement, f: impl FnOnce(&mut Self)) {
        self.path.push(element.clone());
        f(self);
        self.path.pop();
    }

    fn map(&mut self, ty: &MapType, before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) {
        let none = Map::new();
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let ty = ty.type_of(key).map_or(&Type::Any, |ty| ty);
            self.below(&PathElement::field(key), |walk| walk.value(ty, before.get(key), after.get(key)));
        }
    }

    fn list(&mut self, ty: &ListType, before: &[Value], after: &[Value]) {
        let (old, new) = (by_element(ty, before), by_element(ty, after));
        let elements: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for element in elements {
            let none = Vec::new();
            let (old, new) = (old.get(element).unwrap_or(&none), new.get(element).unwrap_or(&none));
            self.below(element, |walk| walk.items(ty, old, new));
        }
    }

    /// Items with the same key; more than one on a side is owned as a whole.
    fn items(&mut self, ty: &ListType, old: &[&Value], new: &[&Value]) {
        match (old, new) {
            ([] | [_], [] | [_]) => self.value(&ty.item, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                if old.len() != new.len() || !old.iter().zip(new).all(|(old, new)| equal(old, new)) {
                    self.found.modified.insert(&self.path);
                }
            }
            ([_, _, ..], _) => {
                if let [single] = new {
                    self.value(&ty.item, None, Some(single));
                }
                self.found.removed.insert(&self.path);
            }
            _ => {
                if let [single] = old {
                    self.value(&ty.item, Some(single), None);
                }
                self.found.added.insert(&self.path);
            }
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
