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
    let mut walk = Walk { set: FieldSet::new(), path: Vec::new() };
    walk.value(ty, value);
    walk.set
}

struct Walk {
    set: FieldSet,
    path: Vec<PathElement>,
}

impl Walk {
    fn own(&mut self) {
        self.set.insert(&self.path);
    }

    fn below(&mut self, element: PathElement, f: impl FnOnce(&mut Self)) {
        self.path.push(element);
        f(self);
        self.path.pop();
    }

    fn value(&mut self, ty: &Type, value: &Value) {
        match ty.shape(Some(value)) {
            Shape::Scalar(_) | Shape::AnyList => self.own(),
            Shape::List(list) if list.kind == ListKind::Atomic => self.own(),
            Shape::Map(map) if map.atomic => self.own(),
            Shape::List(list) => self.list(list, value.as_array().map_or(&[], Vec::as_slice)),
            Shape::Map(map) => self.map(map, value.as_object().into_iter().flatten()),
        }
    }

    fn list(&mut self, ty: &ListType, items: &[Value]) {
        let elements: Vec<_> = items.iter().map(|item| (ty.element_of(item).ok(), item)).collect();
        let mut seen = BTreeSet::new();
        let duplicates: BTreeSet<_> =
            elements.iter().filter_map(|(element, _)| element.clone()).filter(|e| !seen.insert(e.clone())).collect();
        for (element, item) in elements {
            let Some(element) = element else { continue };
            let duplicate = duplicates.contains(&element);
            self.below(element, |walk| {
                // Duplicates are owned as one, without what is in them.
                if !duplicate {
                    walk.value(&ty.item, item);
                }
                walk.own();
            });
        }
    }

    fn map<'a>(&mut self, ty: &MapType, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
        for (key, value) in fields {
            let declared = ty.fields.contains_key(key);
            let below = ty.type_of(key);
            self.below(PathElement::field(key), |walk| {
                if let Some(below) = below {
                    walk.value(below, value);
                }
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || !declared {
                    walk.own();
                }
            });
        }
    }
}
