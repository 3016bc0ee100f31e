//! Removing fields from a value.

use serde_json::{Map, Value};

use super::path::PathElement;
use super::schema::{ListKind, ListType, MapType, Shape, Type};
use super::set::FieldSet;

/// `value` without the fields and list items in `fields`. What becomes empty becomes null.
pub fn remove(ty: &Type, value: &Value, fields: &FieldSet) -> Value {
    match ty.shape(Some(value)) {
        Shape::Scalar(_) => value.clone(),
        Shape::AnyList => Value::Null,
        Shape::List(list) if list.kind == ListKind::Atomic => Value::Null,
        Shape::Map(map) if map.atomic => Value::Null,
        Shape::List(list) => value.as_array().map_or(Value::Null, |items| from_list(list, items, fields)),
        Shape::Map(map) => value.as_object().map_or(Value::Null, |items| from_map(map, items, fields)),
    }
}

fn from_list(ty: &ListType, items: &[Value], fields: &FieldSet) -> Value {
    let kept: Vec<_> = items
        .iter()
        .filter_map(|item| match ty.element_of(item) {
            Ok(element) => keep(&ty.item, item, &element, fields),
            Err(_) => Some(item.clone()),
        })
        .collect();
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}

fn from_map(ty: &MapType, items: &Map<String, Value>, fields: &FieldSet) -> Value {
    let kept: Map<_, _> = items
        .iter()
        .filter_map(|(key, value)| {
            let ty = ty.type_of(key).map_or(&Type::Any, |ty| ty);
            Some((key.clone(), keep(ty, value, &PathElement::field(key), fields)?))
        })
        .collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

fn keep(ty: &Type, value: &Value, element: &PathElement, fields: &FieldSet) -> Option<Value> {
    if fields.members.contains(element) {
        return None;
    }
    Some(match fields.below(element) {
        Some(fields) => remove(ty, value, fields),
        None => value.clone(),
    })
}
