//! Which kinds a cluster serves, and where.

use std::collections::{BTreeSet, HashMap};

use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::Ask;
use super::{Cluster, ClusterError};
use crate::id::{GroupKind, split_api_version};

/// Newest first: 1.30 serves v2, 1.26 v2beta1, and older servers the legacy list.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A kind as a cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourceType {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name in URLs, such as `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it can be watched.
    pub watchable: bool,
}

impl ResourceType {
    /// The group and version as manifests write them: `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of its objects, in one namespace or in all.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let api = self.api_version();
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/{api}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{api}/{}", self.plural),
        }
    }
}

/// The kinds of a cluster, each with its versions in order of preference.
#[derive(Debug, Clone, Default)]
pub(super) struct Kinds {
    types: HashMap<GroupKind, Vec<ResourceType>>,
    /// Groups that are known by name only, with the paths that say more: a
    /// server without aggregated discovery has one for each group version,
    /// and most of them nobody ever asks about.
    unread: HashMap<String, Vec<String>>,
    /// Whether all groups are there, read or unread, and not only some versions.
    is_overview: bool,
}

impl Kinds {
    pub(super) fn find(&self, kind: &GroupKind, version: Option<&str>) -> Option<&ResourceType> {
        let versions = self.types.get(kind)?;
        match version {
            Some(version) => versions.iter().find(|found| found.version == version),
            None => versions.first(),
        }
    }

    pub(super) fn is_overview(&self) -> bool {
        self.is_overview
    }

    pub(super) fn has_all_of(&self, group: &str) -> bool {
        self.is_overview && !self.unread.contains_key(group)
    }

    fn add(&mut self, found: ResourceType) {
        let kind = GroupKind::new(found.group.clone(), found.kind.clone());
        let versions = self.types.entry(kind).or_default();
        if versions.iter().all(|known| known.version != found.version) {
            versions.push(found);
        }
    }
}

pub(super) async fn discover(cluster: &Cluster) -> Result<Kinds, ClusterError> {
    let ask = |path: &str| {
        let mut ask = Ask::get("ask which kinds the cluster serves", path);
        ask.accept = AGGREGATED;
        cluster.ask::<Value>(ask)
    };
    let (core, groups) = try_join(ask("/api"), ask("/apis")).await?;
    let mut kinds = Kinds { is_overview: true, ..Kinds::default() };
    for (root, answer) in [("/api", &core), ("/apis", &groups)] {
        if answer["kind"] == "APIGroupDiscoveryList" {
            read_aggregated(answer, &mut kinds);
        } else {
            note_legacy(root, answer, &mut kinds);
        }
    }
    Ok(kinds)
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object[field].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

fn verbs_have(resource: &Value, verb: &str) -> bool {
    list(resource, "verbs").iter().any(|found| found == verb)
}

fn read_aggregated(answer: &Value, kinds: &mut Kinds) {
    for group in list(answer, "items") {
        for version in list(group, "versions") {
            for resource in list(version, "resources") {
                let kind = text(&resource["responseKind"], "kind");
                if !kind.is_empty() {
                    kinds.add(ResourceType {
                        group: text(&group["metadata"], "name").to_owned(),
                        version: text(version, "version").to_owned(),
                        kind: kind.to_owned(),
                        plural: text(resource, "resource").to_owned(),
                        namespaced: resource["scope"] == "Namespaced",
                        watchable: verbs_have(resource, "watch"),
                    });
                }
            }
        }
    }
}

/// Before 1.26 each group version has a list of its own.
fn note_legacy(root: &str, answer: &Value, kinds: &mut Kinds) {
    let core: Vec<String> = list(answer, "versions").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !core.is_empty() {
        kinds.unread.insert(String::new(), core.iter().map(|version| format!("{root}/{version}")).collect());
    }
    for group in list(answer, "groups") {
        let paths = group_versions(group).iter().map(|version| format!("{root}/{version}")).collect();
        kinds.unread.insert(text(group, "name").to_owned(), paths);
    }
}

/// Reads what a group has that is known by name only.
///
/// An aggregated API that is down makes only its own group an error.
pub(super) async fn read_group(cluster: &Cluster, kinds: &mut Kinds, group: &str) -> Result<(), ClusterError> {
    let paths = kinds.unread.get(group).cloned().unwrap_or_default();
    for answer in read_lists(cluster, paths).await? {
        add_legacy(&answer, kinds);
    }
    kinds.unread.remove(group);
    Ok(())
}

/// Reads these versions of groups and nothing else.
pub(super) async fn read_versions(cluster: &Cluster, versions: &BTreeSet<(&str, &str)>) -> Result<Kinds, ClusterError> {
    let path = |(group, version): &(&str, &str)| match *group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    let mut kinds = Kinds::default();
    for answer in read_lists(cluster, versions.iter().map(path)).await? {
        add_legacy(&answer, &mut kinds);
    }
    Ok(kinds)
}

/// The lists of kinds at these paths; nothing where there is none.
async fn read_lists(cluster: &Cluster, paths: impl IntoIterator<Item = String>) -> Result<Vec<Value>, ClusterError> {
    let asked = paths.into_iter().map(|path| async move {
        match cluster.ask(Ask::get(format!("ask which kinds {path} has"), path)).await {
            Err(error) if error.is_not_found() => Ok(Value::Null),
            answer => answer,
        }
    });
    try_join_all(asked).await
}

fn add_legacy(answer: &Value, kinds: &mut Kinds) {
    let (group, version) = split_api_version(text(answer, "groupVersion"));
    for resource in list(answer, "resources").iter().filter(|resource| !text(resource, "name").contains('/')) {
        kinds.add(ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(resource, "kind").to_owned(),
            plural: text(resource, "name").to_owned(),
            namespaced: resource["namespaced"] == true,
            watchable: verbs_have(resource, "watch"),
        });
    }
}

/// The preferred version first.
fn group_versions(group: &Value) -> Vec<String> {
    let preferred = text(&group["preferredVersion"], "groupVersion").to_owned();
    let mut versions: Vec<String> =
        list(group, "versions").iter().map(|version| text(version, "groupVersion").to_owned()).collect();
    versions.sort_by_key(|version| *version != preferred);
    versions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_aggregated_discovery() {
        let answer = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "resources": [
                    {"resource": "deployments", "scope": "Namespaced", "verbs": ["get", "watch"],
                     "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
                    {"resource": "odd", "scope": "Cluster", "verbs": []}]},
                {"version": "v1beta1", "resources": [
                    {"resource": "deployments", "scope": "Namespaced", "responseKind": {"kind": "Deployment"}}]}]}]});
        let mut kinds = Kinds::default();
        read_aggregated(&answer, &mut kinds);
        let kind = GroupKind::new("apps", "Deployment");
        let found = kinds.find(&kind, None).unwrap();
        assert!(found.watchable);
        assert_eq!(found.collection(Some("a")), "/apis/apps/v1/namespaces/a/deployments");
        assert_eq!(found.collection(None), "/apis/apps/v1/deployments");
        assert_eq!(kinds.find(&kind, Some("v1beta1")).unwrap().version, "v1beta1");
        assert!(kinds.find(&kind, Some("v2")).is_none());
    }

    #[test]
    fn legacy_groups_are_noted_and_read_when_asked_for() {
        let mut kinds = Kinds { is_overview: true, ..Kinds::default() };
        note_legacy("/api", &json!({"kind": "APIVersions", "versions": ["v1"]}), &mut kinds);
        let groups =
            json!({"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}]});
        note_legacy("/apis", &groups, &mut kinds);
        assert!(!kinds.has_all_of("") && !kinds.has_all_of("apps") && kinds.has_all_of("batch"));
        assert_eq!(
            (&kinds.unread[""][0], &kinds.unread["apps"][0]),
            (&"/api/v1".to_owned(), &"/apis/apps/v1".to_owned())
        );
    }

    #[test]
    fn the_preferred_version_comes_first() {
        let group = json!({"versions": [{"groupVersion": "a/v2"}, {"groupVersion": "a/v1"}], "preferredVersion": {"groupVersion": "a/v1"}});
        assert_eq!(group_versions(&group), ["a/v1", "a/v2"]);
    }
}
