//! Merging what is applied into what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::PathElement;
use super::schema::{ListKind, ListType, MapType, Shape, Type};

/// Why two values cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
#[non_exhaustive]
pub struct MergeError {
    /// The list.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// `applied` merged into `live`: every field of either, with the value of `applied` where both
/// have it. Nothing is removed. Items of list maps and sets keep the order of `live`, unless
/// `applied` orders them otherwise.
///
/// # Errors
///
/// When items of a list map or set cannot be told apart.
pub fn merge(ty: &Type, live: &Value, applied: &Value) -> Result<Value, MergeError> {
    let merged = value(ty, Some(live), Some(applied), &mut String::new())?;
    Ok(merged.unwrap_or(Value::Null))
}

type Merged = Result<Option<Value>, MergeError>;

fn value(ty: &Type, live: Option<&Value>, applied: Option<&Value>, path: &mut String) -> Merged {
    let shape = ty.shape(applied.or(live));
    match shape {
        Shape::Scalar(_) | Shape::AnyList => Ok(applied.or(live).cloned()),
        Shape::List(list) => {
            let (before, new) = (live.and_then(Value::as_array), applied.and_then(Value::as_array));
            let empty = before.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty);
            if list.kind == ListKind::Atomic || empty {
                return Ok(applied.or(live).cloned());
            }
            let none = Vec::new();
            merge_list(list, before.unwrap_or(&none), new.unwrap_or(&none), path)
        }
        Shape::Map(map) => {
            let (before, new) = (live.and_then(Value::as_object), applied.and_then(Value::as_object));
            let empty = before.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty);
            if map.atomic || empty {
                return Ok(applied.or(live).cloned());
            }
            merge_map(map, before, new, path)
        }
    }
}

fn below(path: &mut String, element: &PathElement, f: impl FnOnce(&mut String) -> Merged) -> Merged {
    let length = path.len();
    path.push_str(&element.to_string());
    let result = f(path);
    path.truncate(length);
    result
}

fn merge_map(
    ty: &MapType,
    live: Option<&Map<String, Value>>,
    applied: Option<&Map<String, Value>>,
    path: &mut String,
) -> Merged {
    let none = Map::new();
    let (live, applied) = (live.unwrap_or(&none), applied.unwrap_or(&none));
    let keys: BTreeSet<_> = live.keys().chain(applied.keys()).collect();
    let mut out = Map::new();
    for key in keys {
        let (before, new) = (live.get(key), applied.get(key));
        let merged = match ty.type_of(key) {
            Some(ty) => below(path, &PathElement::field(key), |path| value(ty, before, new, path))?,
            None => new.or(before).cloned(),
        };
        if let Some(merged) = merged {
            out.insert(key.clone(), merged);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// A list with its items by path element.
struct Indexed<'a> {
    order: Vec<PathElement>,
    /// Duplicates have no value: they merge with nothing.
    items: BTreeMap<PathElement, Option<&'a Value>>,
}

impl<'a> Indexed<'a> {
    fn new(ty: &ListType, list: &'a [Value], duplicates_allowed: bool, path: &str) -> Result<Self, MergeError> {
        let mut indexed = Self { order: Vec::new(), items: BTreeMap::new() };
        for (position, item) in list.iter().enumerate() {
            let fail = |message| MergeError { path: path.to_owned(), message };
            let element = ty.element_of(item).map_err(|message| fail(format!("element {position}: {message}")))?;
            let duplicate = indexed.items.contains_key(&element);
            if duplicate && !duplicates_allowed {
                return Err(fail(format!("duplicate entries for key {element}")));
            }
            indexed.items.insert(element.clone(), (!duplicate).then_some(item));
            indexed.order.push(element);
        }
        Ok(indexed)
    }

    fn has(&self, element: &PathElement) -> bool {
        self.items.contains_key(element)
    }

    fn get(&self, element: &PathElement) -> Option<&'a Value> {
        self.items.get(element).copied().flatten()
    }
}

/// Walks both lists in step. Items only one of them has keep their place; items that both have
/// come in the order of `applied`.
fn merge_list(ty: &ListType, live: &[Value], applied: &[Value], path: &mut String) -> Merged {
    let new = Indexed::new(ty, applied, false, path)?;
    let before = Indexed::new(ty, live, true, path)?;
    let mut shared = new.order.iter().filter(|element| before.has(element));
    let mut next_shared = shared.next();
    let mut merged = BTreeSet::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < before.order.len() || r < new.order.len() {
        if let (Some(old), Some(added)) = (before.order.get(l), new.order.get(r)) {
            if old == added {
                merged.insert(old);
                out.extend(item(ty, old, before.get(old), new.get(old), path)?);
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            // A shared item, but not the one whose turn it is.
            if new.has(old) && next_shared.is_some_and(|next| next != old) {
                l += 1;
                continue;
            }
        }
        if let Some(old) = before.order.get(l) {
            if !new.has(old) {
                out.extend(item(ty, old, live.get(l), None, path)?);
                l += 1;
                continue;
            } else if merged.contains(old) {
                l += 1;
            }
        }
        if let Some(added) = new.order.get(r) {
            merged.insert(added);
            out.extend(item(ty, added, before.get(added), new.get(added), path)?);
            r += 1;
            if next_shared == Some(added) {
                next_shared = shared.next();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

fn item(
    ty: &ListType,
    element: &PathElement,
    live: Option<&Value>,
    applied: Option<&Value>,
    path: &mut String,
) -> Merged {
    below(path, element, |path| value(&ty.item, live, applied, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured_merge::builtin_type;
    use serde_json::json;

    fn finalizers(live: &[&str], applied: &[&str]) -> Value {
        let ty = builtin_type("v1", "ConfigMap").unwrap();
        let object = |list: &[&str]| json!({"metadata": {"finalizers": list}});
        merge(&ty, &object(live), &object(applied)).unwrap()["metadata"]["finalizers"].clone()
    }

    #[test]
    fn the_order_of_what_is_applied_wins_among_shared_items() {
        assert_eq!(finalizers(&["a", "b", "c"], &["c", "a"]), json!(["b", "c", "a"]));
        assert_eq!(finalizers(&["a", "b"], &["c"]), json!(["a", "b", "c"]));
        assert_eq!(finalizers(&["a"], &["b", "a"]), json!(["b", "a"]));
    }

    #[test]
    fn emptied_maps_stay_what_was_given() {
        let ty = builtin_type("v1", "ConfigMap").unwrap();
        assert_eq!(merge(&ty, &json!({"data": null}), &json!({"data": {}})).unwrap(), json!({"data": {}}));
    }
}
