//! Managers: who writes, and how.

use std::fmt;

use super::set::FieldSet;

/// How a manager wrote its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply: fields left out are given up.
    Apply,
    /// By create, update or another patch: fields are only ever added or taken.
    Update,
}

impl Operation {
    /// As `managedFields` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// The identity of a manager: two entries with the same one are merged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// How it writes.
    pub operation: Operation,
    /// The version it wrote, for updates only: an applier is one whatever version it applies.
    pub api_version: Option<String>,
    /// The subresource it wrote through, such as `status`; else empty.
    pub subresource: String,
}

impl Manager {
    /// The manager of an apply.
    pub fn applier(name: impl Into<String>, subresource: impl Into<String>) -> Self {
        Self { name: name.into(), operation: Operation::Apply, api_version: None, subresource: subresource.into() }
    }

    /// The manager of an update at this version.
    pub fn updater(name: impl Into<String>, api_version: impl Into<String>, subresource: impl Into<String>) -> Self {
        let api_version = Some(api_version.into());
        Self { name: name.into(), operation: Operation::Update, api_version, subresource: subresource.into() }
    }
}

/// As conflict messages name a manager: `"kubectl" using apps/v1`.
impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match &self.api_version {
            Some(version) => write!(f, " using {version}"),
            None => Ok(()),
        }
    }
}

/// What a manager manages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerFields {
    /// Its fields.
    pub fields: FieldSet,
    /// The version in which they are named.
    pub api_version: String,
    /// When it last changed something, RFC 3339 with seconds.
    pub time: Option<String>,
}
