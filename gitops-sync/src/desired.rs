//! What is wanted, checked and completed: scopes, namespaces, marks.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::{Value, json};

use crate::cluster::{Cluster, ResourceType};
use crate::graph::defined_kind;
use crate::hook::{DeletePolicy, Phase, Role, role};
use crate::id::{GroupKind, ResourceId};
use crate::manifest::{Manifest, annotation, annotation_list};
use crate::options::SyncOptions;
use crate::plan::{PlanError, Subject};

const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// A resource that should be in the cluster.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) manifest: Manifest,
    pub(crate) kind: ResourceType,
    /// Left alone once it exists.
    pub(crate) create_only: bool,
    /// Deleted and created anew when a field cannot be changed.
    pub(crate) recreate: bool,
    /// Recorded in the inventory, and pruned when it is no longer wanted.
    pub(crate) is_owned: bool,
}

impl Wanted {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            id: self.manifest.id(),
            kind: &self.kind,
            manifest: self.manifest.value(),
            create_only: self.create_only,
            recreate: self.recreate,
            is_owned: self.is_owned,
        }
    }
}

/// A resource that is run, not kept.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) manifest: Manifest,
    pub(crate) kind: ResourceType,
    pub(crate) phases: Vec<Phase>,
    pub(crate) delete: Vec<DeletePolicy>,
}

#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) hooks: Vec<Hook>,
}

/// What is wrong with the desired state itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The cluster does not serve the kind, and no definition of it is wanted.
    UnknownKind {
        /// The resource.
        id: ResourceId,
        /// Its `apiVersion`.
        api_version: String,
        /// Where it was written.
        origin: Option<String>,
        /// A version of the kind that the cluster serves.
        served: Option<String>,
    },
    /// A resource of a namespaced kind says no namespace, and there is no default.
    NoNamespace {
        /// The resource.
        id: ResourceId,
        /// Where it was written.
        origin: Option<String>,
    },
    /// The same resource is wanted twice.
    Duplicate {
        /// The resource.
        id: ResourceId,
        /// Where it was written, each time.
        origins: Vec<String>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = |origin: &Option<String>| origin.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        match self {
            Self::UnknownKind { id, api_version, origin: at, served } => {
                write!(f, "{}{id}: the cluster has no kind {} in {api_version}", origin(at), id.kind)?;
                served.as_ref().map_or(Ok(()), |served| write!(f, " (but in {served})"))
            }
            Self::NoNamespace { id, origin: at } => write!(f, "{}{id}: no namespace given", origin(at)),
            Self::Duplicate { id, origins } => {
                write!(f, "{id} is wanted more than once")?;
                if origins.is_empty() { Ok(()) } else { write!(f, ": {}", origins.join(", ")) }
            }
        }
    }
}

/// Completes manifests and checks that the set makes sense as a whole.
pub(crate) async fn resolve(
    cluster: &Cluster,
    mut manifests: Vec<Manifest>,
    options: &SyncOptions,
) -> Result<Desired, PlanError> {
    let created_namespace = missing_namespace(&manifests, options);
    manifests.extend(created_namespace.clone());
    let kinds = find_kinds(cluster, &manifests).await?;
    let mut problems = Vec::new();
    let mut desired = Desired::default();
    for mut manifest in manifests {
        let key = (manifest.id().group_kind(), manifest.version().to_owned());
        let Some(Found::Served(kind)) = kinds.get(&key) else {
            problems.push(unknown(manifest, kinds.get(&key)));
            continue;
        };
        if let Err(problem) = place(&mut manifest, kind, options) {
            problems.push(*problem);
            continue;
        }
        manifest.strip_server_fields();
        let is_owned = created_namespace.as_ref().is_none_or(|created| created.id() != manifest.id());
        desired.add(manifest, kind.clone(), is_owned, options);
    }
    problems.extend(desired.duplicates());
    if problems.is_empty() { Ok(desired) } else { Err(PlanError::Invalid { problems }) }
}

impl Desired {
    fn add(&mut self, mut manifest: Manifest, kind: ResourceType, is_owned: bool, options: &SyncOptions) {
        match role(manifest.value()) {
            Role::Skipped => {}
            Role::Hook { phases, delete } => self.hooks.push(Hook { manifest, kind, phases, delete }),
            Role::Resource => {
                if let Some(owner) = options.owner.as_ref().filter(|_| is_owned) {
                    owner.mark(&mut manifest);
                }
                let is_left_alone = !is_owned && options.namespace_metadata.is_none();
                let create_only = is_left_alone || is_create_only(manifest.value());
                let recreate = has_sync_option(manifest.value(), "Force=true")
                    || options.recreate.contains(&manifest.id().group_kind());
                self.wanted.push(Wanted { manifest, kind, create_only, recreate, is_owned });
            }
        }
    }

    fn duplicates(&self) -> Vec<Problem> {
        let mut seen: HashMap<&ResourceId, Vec<&Manifest>> = HashMap::new();
        let hooks = self.hooks.iter().map(|hook| &hook.manifest);
        for manifest in self.wanted.iter().map(|wanted| &wanted.manifest).chain(hooks) {
            seen.entry(manifest.id()).or_default().push(manifest);
        }
        let mut problems: Vec<_> = seen
            .into_iter()
            .filter(|(_, found)| found.len() > 1)
            .map(|(id, found)| Problem::Duplicate {
                id: id.clone(),
                origins: found.iter().filter_map(|manifest| manifest.origin().map(str::to_owned)).collect(),
            })
            .collect();
        problems.sort_by_key(ToString::to_string);
        problems
    }
}

/// The default namespace, if it is to be created and nobody wants it yet.
fn missing_namespace(manifests: &[Manifest], options: &SyncOptions) -> Option<Manifest> {
    let name = options.namespace.as_deref().filter(|_| options.create_namespace)?;
    let is_wanted = manifests.iter().any(|manifest| manifest.id().is("", "Namespace") && manifest.id().name == name);
    let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut manifest = Manifest::new(value).expect("it has all that a manifest needs");
    if let Some(metadata) = &options.namespace_metadata {
        metadata.labels.iter().for_each(|(name, value)| manifest.set_label(name, value));
        metadata.annotations.iter().for_each(|(name, value)| manifest.set_annotation(name, value));
    }
    (!is_wanted).then_some(manifest)
}

enum Found {
    Served(ResourceType),
    /// Not in this version, but in another.
    Other(String),
}

type Kinds = HashMap<(GroupKind, String), Found>;

async fn find_kinds(cluster: &Cluster, manifests: &[Manifest]) -> Result<Kinds, PlanError> {
    let wanted: BTreeSet<(GroupKind, String)> =
        manifests.iter().map(|manifest| (manifest.id().group_kind(), manifest.version().to_owned())).collect();
    let defined: HashMap<GroupKind, &Manifest> =
        manifests.iter().filter_map(|manifest| Some((defined_kind(manifest.into())?, manifest))).collect();
    let versions = wanted.iter().map(|(kind, version)| (kind.group.as_str(), version.as_str())).collect();
    cluster.prepare(&versions).await.map_err(PlanError::Discovery)?;
    let mut kinds = Kinds::new();
    for (kind, version) in wanted {
        // What the wanted definition says is what will be there.
        if let Some(found) = defined.get(&kind).and_then(|crd| type_defined_by(crd, &kind, &version)) {
            kinds.insert((kind, version), Found::Served(found));
            continue;
        }
        let ask = |version| async move { cluster.resource_type(version, None).await };
        match cluster.resource_type(&kind, Some(&version)).await.map_err(PlanError::Discovery)? {
            Some(found) => drop(kinds.insert((kind, version), Found::Served(found))),
            None => {
                if let Some(other) = ask(&kind).await.map_err(PlanError::Discovery)? {
                    kinds.insert((kind, version), Found::Other(other.api_version()));
                }
            }
        }
    }
    Ok(kinds)
}

fn type_defined_by(crd: &Manifest, kind: &GroupKind, version: &str) -> Option<ResourceType> {
    let spec = crd.value().get("spec")?;
    let is_served = |found: &Value| found["name"] == version && found["served"] != false;
    let listed = spec.get("versions").and_then(Value::as_array);
    let is_served = listed.map_or(spec["version"] == version, |versions| versions.iter().any(is_served));
    let plural = spec.pointer("/names/plural").and_then(Value::as_str).filter(|_| is_served)?;
    Some(ResourceType {
        group: kind.group.clone(),
        version: version.to_owned(),
        kind: kind.kind.clone(),
        plural: plural.to_owned(),
        namespaced: spec["scope"] != "Cluster",
        watchable: true,
    })
}

fn unknown(manifest: Manifest, found: Option<&Found>) -> Problem {
    let served = match found {
        Some(Found::Other(version)) => Some(version.clone()),
        _ => None,
    };
    Problem::UnknownKind {
        id: manifest.id().clone(),
        api_version: manifest.api_version().to_owned(),
        origin: manifest.origin().map(str::to_owned),
        served,
    }
}

/// As Argo CD does: cluster-scoped resources lose their namespace, others
/// get the default if they have none.
fn place(manifest: &mut Manifest, kind: &ResourceType, options: &SyncOptions) -> Result<(), Box<Problem>> {
    if !kind.namespaced {
        manifest.set_namespace(None);
    } else if manifest.id().namespace.is_none() {
        let Some(namespace) = options.namespace.as_deref() else {
            let origin = manifest.origin().map(str::to_owned);
            return Err(Box::new(Problem::NoNamespace { id: manifest.id().clone(), origin }));
        };
        manifest.set_namespace(Some(namespace));
    }
    Ok(())
}

pub(crate) fn has_sync_option(object: &Value, option: &str) -> bool {
    annotation_list(object, SYNC_OPTIONS).any(|found| found == option)
}

/// Flux's `ssa: IfNotPresent` and cli-utils' `mutation: ignore`.
fn is_create_only(object: &Value) -> bool {
    annotation(object, "kustomize.toolkit.fluxcd.io/ssa").is_some_and(|ssa| ssa.eq_ignore_ascii_case("IfNotPresent"))
        || annotation(object, "client.lifecycle.config.k8s.io/mutation") == Some("ignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_says_how_its_kind_is_served() {
        let crd = Manifest::new(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
        }))
        .unwrap();
        let kind = GroupKind::new("example.com", "Widget");
        let found = type_defined_by(&crd, &kind, "v1").unwrap();
        assert_eq!((found.plural.as_str(), found.namespaced), ("widgets", false));
        assert_eq!(type_defined_by(&crd, &kind, "v0"), None);
        assert_eq!(type_defined_by(&crd, &kind, "v2"), None);
    }

    #[test]
    fn problems_name_resource_and_file() {
        let id = ResourceId::new("extensions", "Ingress", "airflow").in_namespace("a");
        let problem = Problem::UnknownKind {
            id,
            api_version: "extensions/v1beta1".to_owned(),
            origin: Some("ingress.yml:1".to_owned()),
            served: Some("networking.k8s.io/v1".to_owned()),
        };
        assert_eq!(
            problem.to_string(),
            "ingress.yml:1: extensions/Ingress a/airflow: the cluster has no kind Ingress in extensions/v1beta1 (but in networking.k8s.io/v1)"
        );
    }
}
