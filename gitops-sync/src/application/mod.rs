//! Argo CD's `Application`, as far as it says what to sync and how.

mod kustomize;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use kustomize::{Kustomize, KustomizePatch, KustomizeReplica};
pub use status::{
    ApplicationStatus, Condition, OperationState, ResourceResult, ResourceStatus, Summary, SyncResult, SyncStatus,
};

/// Fields that this crate has no use for, kept as they are.
pub type OtherFields = Map<String, Value>;

/// An `argoproj.io/v1alpha1` `Application`.
///
/// ```
/// use gitops_sync::Application;
///
/// let application = Application::from_yaml("
/// apiVersion: argoproj.io/v1alpha1
/// kind: Application
/// metadata: {name: app-test, namespace: argocd}
/// spec:
///   project: default
///   source: {repoURL: 'https://example.com/sync.git', path: overlays/test, targetRevision: dev}
///   destination: {server: 'https://kubernetes.default.svc', namespace: airflow}
///   syncPolicy: {automated: {}}
/// ")?;
/// assert_eq!(application.spec.destination.namespace, "airflow");
/// assert!(!application.spec.sync_policy.prunes());
/// # Ok::<(), gitops_sync::ApplicationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Always `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// Always `Application`.
    pub kind: String,
    /// Its name and namespace.
    pub metadata: Metadata,
    /// What to sync, whereto, and how.
    pub spec: Spec,
    /// What the last sync found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ApplicationStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// Why a text is not an application that can be synced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationError {
    /// It is not YAML, or fields have the wrong type.
    #[error("cannot parse the application")]
    Parse(#[source] serde_yaml::Error),
    /// It is another kind of resource.
    #[error("expected an argoproj.io/v1alpha1 Application, found {kind} of {api_version}")]
    Kind {
        /// The kind found.
        kind: String,
        /// The `apiVersion` found.
        api_version: String,
    },
    /// It has neither `spec.source` nor `spec.sources`.
    #[error("the application {name} has no source")]
    NoSource {
        /// Its name.
        name: String,
    },
}

impl Application {
    /// Reads an application from YAML or JSON.
    ///
    /// # Errors
    ///
    /// If it does not parse, is of another kind, or has no source. Fields
    /// that this crate does not know are kept, not refused.
    pub fn from_yaml(text: &str) -> Result<Self, ApplicationError> {
        // By way of a JSON value: `flatten` and YAML tags do not mix well.
        let value: Value = serde_yaml::from_str(text).map_err(ApplicationError::Parse)?;
        let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (kind, api_version) = (field("kind"), field("apiVersion"));
        if kind != "Application" || api_version != "argoproj.io/v1alpha1" {
            return Err(ApplicationError::Kind { kind, api_version });
        }
        let application: Self =
            serde_json::from_value(value).map_err(|error| ApplicationError::Parse(serde::de::Error::custom(error)))?;
        if application.sources().is_empty() {
            return Err(ApplicationError::NoSource { name: application.metadata.name });
        }
        Ok(application)
    }

    /// Where its manifests come from: `spec.sources` if there are any, else `spec.source`.
    pub fn sources(&self) -> &[Source] {
        if self.spec.sources.is_empty() { self.spec.source.as_slice() } else { &self.spec.sources }
    }

    /// The name in Argo CD's tracking ids: with the namespace in front when
    /// it is not the one the controller lives in.
    pub fn instance_name(&self, controller_namespace: &str) -> String {
        match self.metadata.namespace.as_deref() {
            Some(namespace) if namespace != controller_namespace && !namespace.is_empty() => {
                format!("{namespace}_{}", self.metadata.name)
            }
            _ => self.metadata.name.clone(),
        }
    }
}

/// Its name and namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The namespace, `argocd` as a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// What to sync, whereto, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The Argo CD project.
    #[serde(default)]
    pub project: String,
    /// Where the manifests come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Where they come from, when there is more than one place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The cluster and the namespace they go to.
    #[serde(default)]
    pub destination: Destination,
    /// How to sync.
    #[serde(default)]
    pub sync_policy: SyncPolicy,
    /// Differences that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// One place that manifests come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The repository.
    #[serde(rename = "repoURL", default)]
    pub repo_url: String,
    /// The folder in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A branch, tag or commit; empty means `HEAD`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
    /// Kustomize options, images for instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
    /// Everything else: Helm, plain folders, plugins.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// The cluster and namespace that manifests go to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Destination {
    /// The URL of the API server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The name of the cluster, in place of the URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace of resources that do not say one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// How to sync.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Sync without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// Options such as `CreateNamespace=true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// Labels and annotations of the namespace that `CreateNamespace=true` creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<NamespaceMetadata>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// Labels and annotations of a namespace that nobody has a manifest of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NamespaceMetadata {
    /// Its labels; those that others add stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations; those that others add stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl NamespaceMetadata {
    /// No labels and no annotations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotation(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(name.into(), value.into());
        self
    }
}

impl SyncPolicy {
    /// Whether an option such as `CreateNamespace` is set to `true`.
    pub fn has_option(&self, name: &str) -> bool {
        self.option(name) == Some("true")
    }

    /// The value of an option such as `PrunePropagationPolicy`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let pairs = self.sync_options.iter().filter_map(|option| option.split_once('='));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next_back()
    }

    /// Whether resources that are no longer wanted are deleted.
    pub fn prunes(&self) -> bool {
        self.automated.as_ref().is_some_and(|automated| automated.prune == Some(true))
    }

    /// Whether a change that somebody made in the cluster is undone.
    pub fn self_heals(&self) -> bool {
        self.automated.as_ref().is_some_and(|automated| automated.self_heal == Some(true))
    }

    /// Whether every resource may be pruned at once.
    pub fn allows_empty(&self) -> bool {
        self.automated.as_ref().is_some_and(|automated| automated.allow_empty == Some(true))
    }
}

/// Sync without being asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Automated {
    /// Delete what is no longer wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Undo changes made in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_heal: Option<bool>,
    /// Allow an application without any resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: OtherFields,
}

/// Differences that do not count, in the resources that it selects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreDifferences {
    /// The API group; `*` for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind; `*` for any.
    pub kind: String,
    /// The name; empty for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace; empty for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Fields by JSON pointer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// Fields by jq path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Fields by the manager that owns them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: app, namespace: team, finalizers: [resources-finalizer.argocd.argoproj.io]}
spec:
  project: default
  source: {repoURL: 'git@example.com:a/b.git', path: p, targetRevision: dev, helm: {values: x},
    kustomize: {images: ['a=b:1'], replicas: [{name: web, count: '3'}], version: v5}}
  destination: {server: 'https://kubernetes.default.svc', namespace: airflow}
  syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true, PruneLast=false], retry: {limit: 2},
    managedNamespaceMetadata: {labels: {team: a}}}
operation: {sync: {}}
";

    #[test]
    fn unknown_fields_survive() {
        let application = Application::from_yaml(TEXT).unwrap();
        let back = serde_json::to_value(&application).unwrap();
        let original: Value = serde_yaml::from_str(TEXT).unwrap();
        assert_eq!(back, original);
    }

    #[test]
    fn policies() {
        let application = Application::from_yaml(TEXT).unwrap();
        let policy = &application.spec.sync_policy;
        assert!(policy.prunes() && !policy.self_heals());
        assert!(policy.has_option("CreateNamespace") && !policy.has_option("PruneLast"));
        assert_eq!(application.instance_name("argocd"), "team_app");
        assert_eq!(application.instance_name("team"), "app");
    }

    #[test]
    fn other_kinds_are_refused() {
        let error = Application::from_yaml("apiVersion: v1\nkind: Pod").unwrap_err();
        assert_eq!(error.to_string(), "expected an argoproj.io/v1alpha1 Application, found Pod of v1");
        let error = Application::from_yaml(&TEXT.replace("source:", "sauce:")).unwrap_err();
        assert_eq!(error.to_string(), "the application app has no source");
    }
}
