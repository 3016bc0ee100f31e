//! Who owns which field, read from `metadata.managedFields`.

mod applied;
mod project;
mod set;

pub(crate) use applied::is_applied;
pub(crate) use project::{project, remove_owned};
pub(crate) use set::{Element, FieldSet};

use serde_json::Value;

/// One entry of `metadata.managedFields`, its fields left unparsed: most are
/// never looked at, and as text they take a fraction of the memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManagedFields {
    pub(crate) manager: Box<str>,
    pub(crate) is_apply: bool,
    pub(crate) subresource: Box<str>,
    pub(crate) api_version: Box<str>,
    fields: Box<str>,
}

impl ManagedFields {
    pub(crate) fn read(entry: &Value) -> Self {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().into();
        Self {
            manager: text("manager"),
            is_apply: entry["operation"] == "Apply",
            subresource: text("subresource"),
            api_version: text("apiVersion"),
            fields: entry.get("fieldsV1").map(Value::to_string).unwrap_or_default().into(),
        }
    }

    pub(crate) fn fields(&self) -> FieldSet {
        serde_json::from_str(&self.fields).map(|fields: Value| FieldSet::parse(&fields)).unwrap_or_default()
    }

    /// As the API writes it, for a patch that moves fields between managers.
    pub(crate) fn fields_value(&self) -> Value {
        serde_json::from_str(&self.fields).unwrap_or(Value::Null)
    }
}

/// Whether two values mean the same: `1` and `1.0` do.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
