//! The fields that a value names.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::PathElement;
use super::schema::{ListKind, ListType, MapType, Shape, Type};
use super::set::FieldSet;

/// Every leaf field and list item of `value`: what an apply of it would own.
///
/// Values that do not fit the type are treated as leaves; [`validate`](super::validate) finds them.
pub fn field_set(ty: &Type, value: &Value) -> FieldSet {
    named(ty, value).below
}

/// What a value names: perhaps itself, and what is in it.
#[derive(Default)]
struct Named {
    itself: bool,
    below: FieldSet,
}

impl Named {
    fn leaf() -> Self {
        Self { itself: true, below: FieldSet::new() }
    }

    fn of(below: FieldSet) -> Self {
        Self { itself: false, below }
    }
}

fn named(ty: &Type, value: &Value) -> Named {
    match ty.shape(Some(value)) {
        Shape::Scalar(_) | Shape::AnyList => Named::leaf(),
        Shape::List(list) if list.kind == ListKind::Atomic => Named::leaf(),
        Shape::Map(map) if map.atomic => Named::leaf(),
        Shape::List(list) => Named::of(value.as_array().map(|items| of_list(list, items)).unwrap_or_default()),
        Shape::Map(map) => Named::of(value.as_object().map(|fields| of_map(map, fields)).unwrap_or_default()),
    }
}

fn add(set: &mut FieldSet, element: PathElement, found: Named) {
    if found.itself {
        set.members.insert(element.clone());
    }
    if !found.below.is_empty() {
        set.children.insert(element, found.below);
    }
}

fn of_list(ty: &ListType, items: &[Value]) -> FieldSet {
    let elements: Vec<_> = items.iter().map(|item| ty.element_of(item).ok()).collect();
    let mut seen = BTreeSet::new();
    let duplicates: BTreeSet<_> = elements.iter().flatten().filter(|element| !seen.insert(*element)).cloned().collect();
    let mut set = FieldSet::new();
    for (element, item) in elements.into_iter().zip(items) {
        let Some(element) = element else { continue };
        // Duplicates are owned as one, without what is in them.
        let found = if duplicates.contains(&element) { Named::leaf() } else { named(&ty.item, item) };
        add(&mut set, element, Named { itself: true, ..found });
    }
    set
}

fn of_map(ty: &MapType, fields: &Map<String, Value>) -> FieldSet {
    let mut set = FieldSet::new();
    for (key, value) in fields {
        let mut found = ty.type_of(key).map(|ty| named(ty, value)).unwrap_or_default();
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        found.itself |= empty || !ty.fields.contains_key(key);
        add(&mut set, PathElement::field(key), found);
    }
    set
}
