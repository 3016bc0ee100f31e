//! Strategic merge patches.

use serde_json::{Map, Value, json};

use crate::structured_merge::{Field, PatchStrategy, Type};

use super::failure::Failure;

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";
const ORDER_PREFIX: &str = "$setElementOrder/";

/// `object` with a strategic merge patch applied.
pub(crate) fn apply(ty: &Type, object: &Value, patch: &Value) -> Result<Value, Failure> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(Failure::bad_request("the patch is no object"));
    };
    merge_maps(ty, object, patch).map(Value::Object)
}

fn merge_maps(
    ty: &Type,
    object: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            let mut replaced = patch.clone();
            replaced.remove(DIRECTIVE);
            return Ok(replaced);
        }
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => return Err(Failure::bad_request(format!("unknown patch directive {other:?}"))),
    }
    let mut out = object.clone();
    if let Some(retained) = patch.get(RETAIN).and_then(Value::as_array) {
        out.retain(|key, _| retained.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE_PREFIX) {
            delete_values(out.get_mut(field), value);
        } else if !key.starts_with('$') {
            merge_field(ty, &mut out, key, value)?;
        }
    }
    for (key, order) in patch {
        if let Some(field) = key.strip_prefix(ORDER_PREFIX) {
            set_order(strategy(ty, field), out.get_mut(field), order);
        }
    }
    Ok(out)
}

fn field<'a>(ty: &'a Type, name: &str) -> Option<&'a Field> {
    match ty {
        Type::Map(map) => map.fields.get(name),
        _ => None,
    }
}

fn strategy<'a>(ty: &'a Type, name: &str) -> Option<&'a PatchStrategy> {
    field(ty, name)?.patch.as_ref()
}

fn merge_field(ty: &Type, out: &mut Map<String, Value>, key: &str, value: &Value) -> Result<(), Failure> {
    let any = Type::Any;
    let below = match ty {
        Type::Map(map) => map.type_of(key).map_or(&any, |ty| ty),
        _ => &any,
    };
    let merged = match (value, out.get(key)) {
        (Value::Null, _) => {
            out.remove(key);
            return Ok(());
        }
        (Value::Object(patch), current) => {
            let none = Map::new();
            let current = current.and_then(Value::as_object).unwrap_or(&none);
            Value::Object(merge_maps(below, current, patch)?)
        }
        (Value::Array(patch), current) => {
            let current = current.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            Value::Array(merge_lists(below, strategy(ty, key), current, patch)?)
        }
        (scalar, _) => scalar.clone(),
    };
    out.insert(key.to_owned(), merged);
    Ok(())
}

fn merge_lists(
    ty: &Type,
    strategy: Option<&PatchStrategy>,
    current: &[Value],
    patch: &[Value],
) -> Result<Vec<Value>, Failure> {
    match strategy {
        Some(PatchStrategy::Set) => {
            let mut out = current.to_vec();
            out.extend(patch.iter().filter(|value| !current.contains(value)).cloned());
            Ok(out)
        }
        Some(PatchStrategy::Key(key)) => merge_items(ty, key, current, patch),
        _ => Ok(patch.to_vec()),
    }
}

fn merge_items(ty: &Type, key: &str, current: &[Value], patch: &[Value]) -> Result<Vec<Value>, Failure> {
    let any = Type::Any;
    let item_type = match ty {
        Type::List(list) => &*list.item,
        _ => &any,
    };
    let replaces = patch.iter().any(|item| item[DIRECTIVE] == "replace" && item.get(key).is_none());
    let mut out = if replaces { Vec::new() } else { current.to_vec() };
    for item in patch {
        let Some(id) = item.get(key) else {
            if item.get(DIRECTIVE).is_some() {
                continue;
            }
            let message = format!("map: {item} does not contain declared merge key: {key}");
            return Err(Failure::internal(message));
        };
        if item[DIRECTIVE] == "delete" {
            out.retain(|found| found.get(key) != Some(id));
            continue;
        }
        let existing = out.iter_mut().find(|found| found.get(key) == Some(id));
        match (existing, item) {
            (Some(Value::Object(found)), Value::Object(item)) => *found = merge_maps(item_type, found, item)?,
            _ => out.push(without_directives(item)),
        }
    }
    Ok(out)
}

fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !key.starts_with('$'));
            Value::Object(kept.map(|(key, value)| (key.clone(), without_directives(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_directives).collect(),
        other => other.clone(),
    }
}

fn delete_values(list: Option<&mut Value>, values: &Value) {
    if let (Some(Value::Array(list)), Some(values)) = (list, values.as_array()) {
        list.retain(|item| !values.contains(item));
    }
}

/// Items named in `order` come in that order; others keep their place among themselves, after.
fn set_order(strategy: Option<&PatchStrategy>, list: Option<&mut Value>, order: &Value) {
    let (Some(Value::Array(list)), Some(order)) = (list, order.as_array()) else { return };
    let id = |item: &Value| match strategy {
        Some(PatchStrategy::Key(key)) => item[key].clone(),
        _ => item.clone(),
    };
    let order: Vec<_> = order.iter().map(id).collect();
    let rank = |item: &Value| order.iter().position(|known| *known == id(item));
    let mut ranked: Vec<_> = list.iter().filter(|item| rank(item).is_some()).cloned().collect();
    ranked.sort_by_key(|item| rank(item));
    let mut ranked = ranked.into_iter();
    // What the order does not name stays where it is.
    for item in list.iter_mut().filter(|item| rank(item).is_some()) {
        if let Some(next) = ranked.next() {
            *item = next;
        }
    }
}

/// `object` with an RFC 7386 merge patch applied.
pub(crate) fn merge_patch(object: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut out = object.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        if value.is_null() {
            out.remove(key);
        } else {
            let merged = merge_patch(out.get(key).unwrap_or(&json!(null)), value);
            out.insert(key.clone(), merged);
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured_merge::builtin_type;

    #[test]
    fn lists_merge_by_key_and_obey_directives() {
        let ty = builtin_type("v1", "Pod").unwrap();
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}, {"name": "c"}]}});
        let patched = apply(&ty, &pod, &patch).unwrap();
        assert_eq!(
            patched,
            json!({"spec": {"containers": [{"name": "c"}, {"name": "a", "image": "2", "args": ["x"]}]}})
        );
    }

    #[test]
    fn values_are_deleted_from_sets() {
        let ty = builtin_type("v1", "ConfigMap").unwrap();
        let object = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}});
        assert_eq!(apply(&ty, &object, &patch).unwrap(), json!({"metadata": {"finalizers": ["b", "c"]}}));
    }
}
