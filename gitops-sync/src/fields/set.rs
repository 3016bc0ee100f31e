use std::fmt;

use serde_json::{Map, Value};

/// A step from a value to a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Element {
    /// A field of an object.
    Field(String),
    /// The item of a list with these key fields.
    Key(Map<String, Value>),
    /// The item of a set with this value.
    Value(Value),
    /// The item at a place.
    Index(usize),
}

impl Element {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => serde_json::from_str(rest).ok().map(Self::Key),
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    /// The part of `value` that it leads to.
    pub(crate) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Index(index) => value.get(index),
            _ => value.as_array()?.iter().find(|item| self.selects(item)),
        }
    }

    /// Whether an item of a list is the one it means.
    pub(crate) fn selects(&self, item: &Value) -> bool {
        match self {
            Self::Key(keys) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
            Self::Value(value) => item == value,
            _ => false,
        }
    }
}

/// `.name` for a field, `[name="web"]` for an item.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if name.contains(['.', '/', '[']) => write!(f, "[{name:?}]"),
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A set of fields, as `fieldsV1` writes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSet {
    /// Whether the field itself is in the set, and not only parts of it.
    pub(crate) is_member: bool,
    pub(crate) children: Vec<(Element, FieldSet)>,
}

impl FieldSet {
    pub(crate) fn parse(fields: &Value) -> Self {
        let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
            return Self { is_member: true, children: Vec::new() };
        };
        Self {
            is_member: fields.contains_key("."),
            children: fields
                .iter()
                .filter_map(|(name, below)| Some((Element::parse(name)?, Self::parse(below))))
                .collect(),
        }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    pub(crate) fn child(&self, element: &Element) -> Option<&FieldSet> {
        self.children.iter().find(|(found, _)| found == element).map(|(_, below)| below)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&FieldSet> {
        self.children
            .iter()
            .find(|(found, _)| matches!(found, Element::Field(field) if field == name))
            .map(|(_, below)| below)
    }

    /// The fields that are in either set.
    pub(crate) fn union(mut self, other: &FieldSet) -> Self {
        self.is_member |= other.is_member;
        for (element, below) in &other.children {
            match self.children.iter_mut().find(|(found, _)| found == element) {
                Some((_, mine)) => *mine = std::mem::take(mine).union(below),
                None => self.children.push((element.clone(), below.clone())),
            }
        }
        self
    }

    /// The fields that are in this set and not in the other.
    pub(crate) fn minus(&self, other: &FieldSet) -> Self {
        let mut left = Self { is_member: self.is_member && !other.is_member, children: Vec::new() };
        for (element, mine) in &self.children {
            let rest = match other.child(element) {
                None => mine.clone(),
                Some(theirs) => mine.minus(theirs),
            };
            if rest.is_member || !rest.is_leaf() {
                left.children.push((element.clone(), rest));
            }
        }
        left
    }

    /// Whether both have the same fields, in any order.
    pub(crate) fn same(&self, other: &FieldSet) -> bool {
        self.is_member == other.is_member
            && self.children.len() == other.children.len()
            && self.children.iter().all(|(element, mine)| other.child(element).is_some_and(|theirs| mine.same(theirs)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parses_and_finds() {
        let set = FieldSet::parse(&json!({
            "f:spec": {"f:ports": {".": {}, "k:{\"port\":80}": {".": {}, "f:port": {}}}, "f:type": {}},
            "f:finalizers": {"v:\"a\"": {}},
        }));
        let ports = set.field("spec").and_then(|spec| spec.field("ports")).unwrap();
        assert!(ports.is_member);
        let (key, item) = &ports.children[0];
        assert!(item.is_member && key.selects(&json!({"port": 80, "name": "http"})));
        assert_eq!(key.to_string(), "[port=80]");
        assert_eq!(Element::Field("a.b/c".to_owned()).to_string(), "[\"a.b/c\"]");
    }

    #[test]
    fn differences_keep_what_only_one_has() {
        let a = FieldSet::parse(&json!({"f:a": {}, "f:b": {".": {}, "f:c": {}, "f:d": {}}}));
        let b = FieldSet::parse(&json!({"f:a": {}, "f:b": {".": {}, "f:d": {}}}));
        assert!(a.minus(&b).same(&FieldSet::parse(&json!({"f:b": {"f:c": {}}}))));
        assert!(a.minus(&a).is_leaf());
    }

    #[test]
    fn unions_hold_both() {
        let a = FieldSet::parse(&json!({"f:a": {}, "f:b": {"f:c": {}}}));
        let b = FieldSet::parse(&json!({"f:b": {".": {}, "f:d": {}}}));
        let both = a.union(&b);
        let expected = FieldSet::parse(&json!({"f:b": {"f:d": {}, ".": {}, "f:c": {}}, "f:a": {}}));
        assert!(both.same(&expected));
    }
}
