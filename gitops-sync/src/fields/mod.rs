//! What of an object is whose, read from `metadata.managedFields`.

mod applied;
mod project;

pub(crate) use applied::is_applied;
pub(crate) use project::{project, remove_owned};

use serde_json::Value;

use crate::structured_merge::FieldSet;

/// One entry of `metadata.managedFields`, its fields left unparsed: most are
/// never looked at, and as text they take a fraction of the memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManagedEntry {
    pub(crate) manager: Box<str>,
    pub(crate) is_apply: bool,
    pub(crate) subresource: Box<str>,
    pub(crate) api_version: Box<str>,
    fields: Box<str>,
}

impl ManagedEntry {
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

    /// Its fields; none where they cannot be understood, so that nothing is
    /// taken for owned that may not be.
    pub(crate) fn fields(&self) -> FieldSet {
        FieldSet::from_fields_v1(&self.fields_value()).unwrap_or_default()
    }

    /// As the API writes it, for a patch that moves fields between managers.
    pub(crate) fn fields_value(&self) -> Value {
        serde_json::from_str(&self.fields).unwrap_or(Value::Null)
    }
}
