//! `fieldsV1`, the wire form of a field set.

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::FieldSet;

/// Why `fieldsV1` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{key:?} is no path element of fieldsV1")]
#[non_exhaustive]
pub struct FieldsError {
    /// What stands where `f:`, `k:`, `v:` or `i:` is expected.
    pub key: String,
}

impl FieldSet {
    /// The set as `fieldsV1` writes it.
    pub fn to_fields_v1(&self) -> Value {
        let mut map = Map::new();
        for element in &self.members {
            map.insert(write_element(element), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let mut below = child.to_fields_v1();
            if let (true, Value::Object(below)) = (self.members.contains(element), &mut below) {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(write_element(element), below);
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`.
    ///
    /// # Errors
    ///
    /// When a key is none of `.`, `f:…`, `k:…`, `v:…` and `i:…`. Values that are no maps count as empty.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsError> {
        let mut set = Self::new();
        for (key, below) in fields.as_object().into_iter().flatten() {
            if key == "." {
                continue;
            }
            let element = read_element(key).ok_or_else(|| FieldsError { key: key.clone() })?;
            let child = Self::from_fields_v1(below)?;
            let leaf = below.as_object().is_none_or(Map::is_empty);
            if leaf || below.get(".").is_some() {
                set.members.insert(element.clone());
            }
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Ok(set)
    }
}

fn write_element(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(keys) => {
            let keys: Vec<_> = keys.iter().map(|(k, v)| format!("{}:{v}", Value::from(k.as_str()))).collect();
            format!("k:{{{}}}", keys.join(","))
        }
        PathElement::Value(value) => format!("v:{value}"),
        PathElement::Index(index) => format!("i:{index}"),
    }
}

fn read_element(key: &str) -> Option<PathElement> {
    let (kind, rest) = key.split_once(':')?;
    match kind {
        "f" => Some(PathElement::field(rest)),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
            let mut keys: Vec<_> = keys.into_iter().collect();
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            Some(PathElement::Key(keys))
        }
        "v" => serde_json::from_str(rest).ok().map(PathElement::Value),
        "i" => rest.parse().ok().map(PathElement::Index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_wire_form_round_trips() {
        let fields =
            json!({"f:a": {".": {}, "k:{\"p\":80,\"q\":\"T\"}": {".": {}, "f:p": {}}}, "f:s": {"v:\"x\"": {}}});
        let set = FieldSet::from_fields_v1(&fields).unwrap();
        assert_eq!(set.to_fields_v1(), fields);
        assert_eq!(set.paths().len(), 4);
    }

    #[test]
    fn a_stray_key_is_an_error() {
        assert!(FieldSet::from_fields_v1(&json!({"x:a": {}})).is_err());
    }
}
