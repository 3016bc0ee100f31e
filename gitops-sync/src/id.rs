use std::fmt;

use serde::{Deserialize, Serialize};

/// What makes a resource the same one from one revision to the next.
///
/// The version is not part of it: the same Deployment can be written as
/// `apps/v1` today and as `apps/v2` tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// The API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace; `None` for a cluster-scoped resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ResourceId {
    /// A cluster-scoped resource; see [`in_namespace`](Self::in_namespace) for the others.
    pub fn new(group: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into(), namespace: None, name: name.into() }
    }

    /// The same resource in `namespace`.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Its group and kind.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// `apps/Deployment airflow/web`, `Service airflow/web`, `Namespace airflow`.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// A kind in its API group, whatever the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl GroupKind {
    /// `GroupKind::new("apps", "Deployment")`.
    pub fn new(group: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }

    /// What [`Display`](fmt::Display) has written.
    pub(crate) fn parse(text: &str) -> Self {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        Self::new(group, kind)
    }
}

/// `Deployment.apps`, `Service`: as kubectl and ApplySet annotations write it.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The group and the version in an `apiVersion`: `("apps", "v1")`, `("", "v1")`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_people_write_it() {
        let web = ResourceId::new("apps", "Deployment", "web").in_namespace("airflow");
        assert_eq!(web.to_string(), "apps/Deployment airflow/web");
        assert_eq!(ResourceId::new("", "Namespace", "airflow").to_string(), "Namespace airflow");
        assert_eq!(web.group_kind().to_string(), "Deployment.apps");
        assert_eq!(GroupKind::parse("Deployment.apps"), web.group_kind());
        assert_eq!(GroupKind::parse("Service"), GroupKind::new("", "Service"));
    }
}
