use serde_json::{Map, Value};

use crate::structured_merge::{FieldSet, PathElement};

/// What of `value` is in `set`; the keys of list items stay, to tell them apart.
pub(crate) fn project(value: &Value, set: &FieldSet) -> Value {
    if set.is_empty() {
        return value.clone();
    }
    match value {
        Value::Object(fields) => Value::Object(
            set.elements()
                .filter_map(|(element, below)| match element {
                    PathElement::Field(name) => Some((name.clone(), project(fields.get(name)?, below))),
                    _ => None,
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().filter_map(|item| project_item(item, set)).collect()),
        _ => value.clone(),
    }
}

fn project_item(item: &Value, set: &FieldSet) -> Option<Value> {
    let (element, below) = set.elements().find(|(element, _)| element.selects(item))?;
    let mut projected = project(item, below);
    if let (PathElement::Key(keys), Some(fields)) = (element, projected.as_object_mut()) {
        for (key, value) in keys {
            fields.entry(key.as_str()).or_insert_with(|| value.clone());
        }
    }
    Some(projected)
}

/// Takes out of `value` what is in `set`; what becomes empty by that goes too.
pub(crate) fn remove_owned(value: &mut Value, set: &FieldSet) {
    for (element, below) in set.elements() {
        let emptied = match element {
            PathElement::Field(name) => {
                let Some(part) = value.get_mut(name) else { continue };
                is_removed(part, below)
            }
            _ => {
                let Some(items) = value.as_array_mut() else { continue };
                let Some(item) = items.iter_mut().find(|item| element.selects(item)) else { continue };
                is_removed_item(item, element, below)
            }
        };
        if emptied {
            remove(value, element);
        }
    }
}

fn is_removed(part: &mut Value, set: &FieldSet) -> bool {
    if set.is_empty() {
        return true;
    }
    remove_owned(part, set);
    is_empty(part)
}

/// An item of which only the keys are left says nothing any more.
fn is_removed_item(item: &mut Value, element: &PathElement, set: &FieldSet) -> bool {
    if set.is_empty() {
        return true;
    }
    let PathElement::Key(keys) = element else { return true };
    let kept: Map<String, Value> = keys.iter().cloned().collect();
    remove_owned(item, set);
    if let Some(fields) = item.as_object_mut() {
        let left = fields.keys().any(|field| !kept.contains_key(field));
        fields.extend(kept);
        return !left;
    }
    true
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn remove(value: &mut Value, element: &PathElement) {
    match (element, value) {
        (PathElement::Field(name), Value::Object(fields)) => drop(fields.remove(name)),
        (_, Value::Array(items)) => items.retain(|item| !element.selects(item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set_of(fields: Value) -> FieldSet {
        FieldSet::from_fields_v1(&fields).unwrap()
    }

    #[test]
    fn projects_owned_fields_only() {
        let set = set_of(json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}}}));
        let live = json!({"spec": {"replicas": 1, "containers": [{"name": "sidecar", "image": "s"}, {"name": "web", "image": "w", "tty": true}]}});
        assert_eq!(project(&live, &set), json!({"spec": {"containers": [{"name": "web", "image": "w"}]}}));
    }

    #[test]
    fn removes_owned_fields_and_what_they_leave_empty() {
        let set = set_of(json!({"f:spec": {
            "f:replicas": {}, "f:strategy": {"f:type": {}},
            "f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}}}));
        let mut value = json!({"spec": {"replicas": 1, "strategy": {"type": "x"},
            "containers": [{"name": "web", "image": "w", "tty": true}]}});
        remove_owned(&mut value, &set);
        assert_eq!(value, json!({"spec": {"containers": [{"name": "web", "tty": true}]}}));
    }
}
