//! `fieldsV1`, the wire form of a field set.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
        Self::deserialize(fields).map_err(|error| FieldsError { key: error.to_string() })
    }
}

/// As `fieldsV1` writes it.
impl<'de> Deserialize<'de> for FieldSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Node::deserialize(deserializer)?.set)
    }
}

/// A field of `fieldsV1`: what is below it, and whether it is a member itself.
struct Node {
    set: FieldSet,
    is_member: bool,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

const LEAF: Node = Node { set: FieldSet::new(), is_member: true };

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut node = Node { set: FieldSet::new(), is_member: false };
        let mut is_empty = true;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            is_empty = false;
            if key == "." {
                node.is_member = true;
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let element = read_element(&key).ok_or_else(|| A::Error::custom(&key))?;
            let below: Node = map.next_value()?;
            if below.is_member {
                node.set.members.insert(element.clone());
            }
            if !below.set.is_empty() {
                node.set.children.insert(element, below.set);
            }
        }
        node.is_member |= is_empty;
        Ok(node)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(LEAF)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(LEAF)
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
        assert_eq!(serde_json::from_str::<FieldSet>(&fields.to_string()).unwrap(), set);
    }

    #[test]
    fn a_stray_key_is_an_error() {
        let error = FieldSet::from_fields_v1(&json!({"f:b": {"x:a": {}}})).unwrap_err();
        assert_eq!(error.key, "x:a");
    }

    #[test]
    fn what_is_no_map_counts_as_empty() {
        let set =
            FieldSet::from_fields_v1(&json!({"f:a": null, "f:b": 7, "f:c": [1], "f:d": "x", "f:e": true})).unwrap();
        assert_eq!(set, FieldSet::of_fields(&[&["a"], &["b"], &["c"], &["d"], &["e"]]));
        assert!(FieldSet::from_fields_v1(&json!(null)).unwrap().is_empty());
    }
}
