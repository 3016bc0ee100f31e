//! The resources that are served: the built-in ones and those of CustomResourceDefinitions.

use std::sync::Arc;

use crate::structured_merge::{Type, builtin_type};

use super::custom::CustomVersion;

const TABLE: &str = include_str!("resources.txt");

/// One resource at one version.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) subresources: Vec<String>,
    pub(crate) verbs: &'static [&'static str],
    /// Whether `metadata.generation` counts changes of the specification.
    pub(crate) counts_generation: bool,
    pub(crate) ty: Arc<Type>,
    /// The schema and settings, for a custom resource.
    pub(crate) custom: Option<Arc<CustomVersion>>,
}

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const WITHOUT_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const REVIEW_VERBS: &[&str] = &["create"];
/// The order in which real servers list them for custom resources.
pub(crate) const CUSTOM_VERBS: &[&str] =
    &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

impl Resource {
    /// `apps/v1`, or `v1` for the core group.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `deployments.apps`, as errors name it.
    pub(crate) fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// `Deployment.apps`, as validation errors name it.
    pub(crate) fn qualified_kind(&self) -> String {
        qualified(&self.kind, &self.group)
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|found| found == subresource)
    }

    /// Under which group and name the objects are stored; versions of a kind share it.
    pub(crate) fn storage(&self) -> (&str, &str) {
        match (self.group.as_str(), self.plural.as_str()) {
            ("extensions", "ingresses") => ("networking.k8s.io", "ingresses"),
            ("events.k8s.io", "events") => ("", "events"),
            (group, plural) => (group, plural),
        }
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

pub(crate) fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// The built-in resources in the order of discovery.
pub(crate) fn builtin(legacy: bool) -> Vec<Arc<Resource>> {
    let mut section = ("", "", false);
    let mut resources = Vec::new();
    for line in TABLE.lines() {
        if let Some(rest) = line.strip_prefix('[') {
            let (name, tail) = rest.split_once(']').unwrap_or((rest, ""));
            let (group, version) = split_api_version(name);
            section = (group, version, tail.trim() == "legacy");
        } else if legacy || !section.2 {
            resources.extend(parse(section.0, section.1, line).map(Arc::new));
        }
    }
    resources
}

fn parse(group: &str, version: &str, line: &str) -> Option<Resource> {
    let mut words = line.split(' ');
    let (plural, kind, scope) = (words.next()?, words.next()?, words.next()?);
    let rest: Vec<_> = words.collect();
    let list = |name: &str| -> Vec<String> {
        let found = rest.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.map(|found| found.split(',').map(str::to_owned).collect()).unwrap_or_default()
    };
    let verbs = match (rest.contains(&"nocollection"), rest.contains(&"review")) {
        (true, _) => WITHOUT_COLLECTION,
        (_, true) => REVIEW_VERBS,
        _ => ALL_VERBS,
    };
    let ty = builtin_type(&api_version(group, version), kind).unwrap_or_else(|| Arc::new(Type::Any));
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        namespaced: scope == "N",
        short_names: list("short"),
        categories: list("in"),
        subresources: list("sub"),
        verbs,
        counts_generation: rest.contains(&"gen"),
        ty,
        custom: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_resource_has_a_type() {
        for resource in builtin(true) {
            assert!(!matches!(*resource.ty, Type::Any), "{}", resource.qualified_kind());
        }
    }
}
