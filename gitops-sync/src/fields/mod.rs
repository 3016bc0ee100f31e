//! What of an object is whose, read from `metadata.managedFields`.

mod applied;
mod project;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use applied::is_applied;
pub(crate) use project::{project, remove_owned};

use crate::structured_merge::FieldSet;

/// One entry of `metadata.managedFields`, its fields left unparsed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedEntry<'a> {
    #[serde(borrow, default)]
    pub(crate) manager: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) subresource: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    fields_v1: Option<&'a RawValue>,
}

impl ManagedEntry<'_> {
    pub(crate) fn is_apply(&self) -> bool {
        self.operation == "Apply"
    }

    /// Its fields; none where they cannot be understood, so that nothing is
    /// taken for owned that may not be.
    pub(crate) fn fields(&self) -> FieldSet {
        self.fields_v1.and_then(|fields| serde_json::from_str(fields.get()).ok()).unwrap_or_default()
    }

    /// As the API writes it, for a patch that moves fields between managers.
    pub(crate) fn fields_value(&self) -> Value {
        self.fields_v1.and_then(|fields| serde_json::from_str(fields.get()).ok()).unwrap_or_default()
    }
}
