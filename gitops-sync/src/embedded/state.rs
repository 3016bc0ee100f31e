//! Everything the server knows.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::structured_merge::{FieldSet, Type, Versions};

use super::conversion::convert;
use super::custom;
use super::normalise::normalised;
use super::resource::{self, Resource};
use super::store::{Collection, Store, key};

/// Objects, what resources there are, and what is handed out.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    builtin: Vec<Arc<Resource>>,
    custom: Vec<Arc<Resource>>,
    addresses: u32,
    names: u64,
}

/// Namespaces that are always there.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

impl State {
    pub(crate) fn new(legacy: bool, log_limit: usize) -> Self {
        let mut state = Self {
            store: Store::new(log_limit),
            builtin: resource::builtin(legacy),
            custom: Vec::new(),
            addresses: 0,
            names: 0,
        };
        for name in NAMESPACES {
            state.add_namespace(name);
        }
        state
    }

    fn add_namespace(&mut self, name: &str) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "uid": self.new_uid(), "creationTimestamp": now(),
                         "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        self.store.put(&collection("", "namespaces"), key("", name), namespace);
    }

    /// All resources, built-in ones first.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.builtin.iter().chain(&self.custom)
    }

    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources().find(|found| found.group == group && found.version == version && found.plural == plural)
    }

    /// Whether any resource of that group and version is served.
    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        self.resources().any(|found| found.group == group && found.version == version)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&Arc<Value>> {
        self.store.get(&collection("", "namespaces"), &key("", name))
    }

    /// Where objects of a resource are stored.
    pub(crate) fn collection_of(resource: &Resource) -> Collection {
        let (group, plural) = resource.storage();
        collection(group, plural)
    }

    /// The version at which objects of a resource are stored.
    pub(crate) fn storage_version(&self, resource: &Resource) -> String {
        let (group, plural) = resource.storage();
        let same = self.resources().filter(|found| found.group == group && found.plural == plural);
        let mut versions = same.map(|found| (found.custom.as_ref().is_some_and(|custom| custom.stored), found));
        let first = versions.next();
        let stored = versions.find(|(stored, _)| *stored);
        match (first, stored) {
            (Some((false, _)), Some((true, found))) => found.api_version(),
            (Some((_, found)), _) => found.api_version(),
            (None, _) => resource.api_version(),
        }
    }

    /// An object as it is stored, at the version of `resource`.
    pub(crate) fn read(&self, resource: &Resource, stored: &Value) -> Value {
        convert(stored, &resource.api_version())
    }

    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&Self::collection_of(resource), &key(namespace, name)).cloned()
    }

    /// Serves what the stored definitions say.
    pub(crate) fn load_definitions(&mut self) {
        let definitions = collection("apiextensions.k8s.io", "customresourcedefinitions");
        let served = self.store.collection(&definitions).filter(|(_, definition)| {
            custom::has_condition(definition, "Established") && definition["metadata"]["deletionTimestamp"].is_null()
        });
        self.custom = served.flat_map(|(_, definition)| custom::resources(definition)).collect();
    }

    /// A random identifier in the form of a UUID.
    pub(crate) fn new_uid(&mut self) -> String {
        let (high, low) = (self.random(), self.random());
        let hex = format!("{high:016x}{low:016x}");
        // Version 4, variant 1.
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// A name that starts with `prefix`.
    pub(crate) fn new_name(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number = self.random();
        let mut name = prefix.to_owned();
        for _ in 0..5 {
            name.push(char::from(LETTERS[(number % LETTERS.len() as u64) as usize]));
            number /= LETTERS.len() as u64;
        }
        name
    }

    /// Not for secrets: unpredictable enough to tell objects apart.
    fn random(&mut self) -> u64 {
        self.names += 1;
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(self.names);
        hasher.finish()
    }

    /// The next cluster address.
    pub(crate) fn new_address(&mut self) -> String {
        self.addresses += 1;
        let [_, _, high, low] = (self.addresses + 9).to_be_bytes();
        format!("10.96.{high}.{low}")
    }

    /// The versions of a kind, for requests through `subresource`.
    pub(crate) fn versions_of<'a>(&'a self, resource: &'a Resource, subresource: &'a str) -> KindVersions<'a> {
        KindVersions { state: self, resource, subresource }
    }
}

pub(crate) fn collection(group: &str, plural: &str) -> Collection {
    (group.to_owned(), plural.to_owned())
}

/// Now, as objects write times.
pub(crate) fn now() -> String {
    let seconds = Timestamp::now().as_second();
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The versions of one kind.
pub(crate) struct KindVersions<'a> {
    state: &'a State,
    resource: &'a Resource,
    subresource: &'a str,
}

impl KindVersions<'_> {
    fn at(&self, api_version: &str) -> Option<&Arc<Resource>> {
        let (group, version) = resource::split_api_version(api_version);
        let found = self.state.resource(group, version, &self.resource.plural)?;
        (found.storage() == self.resource.storage()).then_some(found)
    }
}

impl Versions for KindVersions<'_> {
    fn type_at(&self, api_version: &str) -> Option<Arc<Type>> {
        Some(self.at(api_version)?.ty.clone())
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        self.at(api_version)?;
        Some(convert(object, api_version))
    }

    fn ignored(&self, api_version: &str) -> FieldSet {
        let Some(resource) = self.at(api_version) else { return FieldSet::new() };
        match (self.subresource, resource.custom.is_some()) {
            ("", _) if resource.has("status") => FieldSet::of_fields(&[&["status"]]),
            ("status", true) => FieldSet::of_fields(&[&["spec"], &["metadata"]]),
            ("status", false) if resource.group == "apps" => FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]]),
            ("status" | "approval", false) => FieldSet::of_fields(&[&["spec"]]),
            _ => FieldSet::new(),
        }
    }

    fn empty(&self, api_version: &str) -> Value {
        let bare = json!({"apiVersion": api_version, "kind": self.resource.kind, "metadata": {}});
        match self.at(api_version) {
            Some(resource) if resource.custom.is_none() => normalised(&resource.ty, &bare),
            _ => bare,
        }
    }
}
