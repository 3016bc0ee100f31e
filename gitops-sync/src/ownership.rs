//! Whose a resource is, as a mark on the resource says.

use serde_json::Value;

use crate::id::ResourceId;
use crate::manifest::{Manifest, annotation, label};

const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
const INSTANCE: &str = "app.kubernetes.io/instance";
const PART_OF: &str = "applyset.kubernetes.io/part-of";
const FLUX_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
const FLUX_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
const OWNING_INVENTORY: &str = "config.k8s.io/owning-inventory";

/// Who owns resources: the mark that each of them gets, and where the list
/// of them (the inventory) is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub(crate) mark: Mark,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// How resources are marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    TrackingId(String),
    Instance(String),
    ApplySet(String),
    Flux { name: String, namespace: String },
    OwningInventory(String),
}

impl Owner {
    fn new(mark: Mark, namespace: impl Into<String>, name: String) -> Self {
        Self { mark, namespace: namespace.into(), name }
    }

    /// Argo CD's annotation `argocd.argoproj.io/tracking-id`.
    ///
    /// The inventory is a ConfigMap in `namespace`, as it is for every
    /// owner but an ApplySet.
    pub fn tracking_id(application: impl Into<String>, namespace: impl Into<String>) -> Self {
        let application = application.into();
        let name = format!("{}.inventory", application.replace('_', "."));
        Self::new(Mark::TrackingId(application), namespace, name)
    }

    /// Argo CD's older label `app.kubernetes.io/instance`.
    pub fn instance_label(application: impl Into<String>, namespace: impl Into<String>) -> Self {
        let application = application.into();
        let name = format!("{application}.inventory");
        Self::new(Mark::Instance(application.chars().take(63).collect()), namespace, name)
    }

    /// An ApplySet as kubectl keeps it: the label
    /// `applyset.kubernetes.io/part-of`, and a Secret as the parent.
    pub fn apply_set(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let (name, namespace) = (name.into(), namespace.into());
        let id = crate::applyset::id(&name, &namespace);
        Self::new(Mark::ApplySet(id), namespace, name)
    }

    /// Flux's labels `kustomize.toolkit.fluxcd.io/name` and `…/namespace`.
    pub fn flux(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let (name, namespace) = (name.into(), namespace.into());
        let inventory = format!("{name}.inventory");
        Self::new(Mark::Flux { name, namespace: namespace.clone() }, namespace, inventory)
    }

    /// The annotation `config.k8s.io/owning-inventory` of cli-utils.
    pub fn inventory(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let (name, namespace) = (name.into(), namespace.into());
        Self::new(Mark::OwningInventory(format!("{namespace}/{name}")), namespace, format!("{name}.inventory"))
    }

    /// Keeps the inventory under another name.
    #[must_use]
    pub fn inventory_name(mut self, name: impl Into<String>) -> Self {
        if !self.is_apply_set() {
            self.name = name.into();
        }
        self
    }

    pub(crate) fn is_apply_set(&self) -> bool {
        matches!(self.mark, Mark::ApplySet(_))
    }

    /// The resource that holds the inventory.
    pub(crate) fn inventory_id(&self) -> ResourceId {
        let kind = if self.is_apply_set() { "Secret" } else { "ConfigMap" };
        ResourceId::new("", kind, self.name.clone()).in_namespace(self.namespace.clone())
    }

    /// Marks a manifest as this owner's.
    pub(crate) fn mark(&self, manifest: &mut Manifest) {
        match &self.mark {
            Mark::TrackingId(application) => {
                let id = tracking_id(application, manifest.id(), &self.namespace);
                manifest.set_annotation(TRACKING_ID, &id);
            }
            Mark::Instance(application) => manifest.set_label(INSTANCE, application),
            Mark::ApplySet(id) => manifest.set_label(PART_OF, id),
            Mark::Flux { name, namespace } => {
                manifest.set_label(FLUX_NAME, name);
                manifest.set_label(FLUX_NAMESPACE, namespace);
            }
            Mark::OwningInventory(id) => manifest.set_annotation(OWNING_INVENTORY, id),
        }
    }

    /// Whose `live` is, by the kind of mark that this owner uses.
    pub(crate) fn claim(&self, id: &ResourceId, live: &Value) -> Claim {
        let compare = |found: Option<&str>, mine: &str| match found {
            None | Some("") => Claim::Nobody,
            Some(found) if found == mine => Claim::Ours,
            Some(found) => Claim::Other(found.to_owned()),
        };
        match &self.mark {
            Mark::TrackingId(application) => tracked(application, id, annotation(live, TRACKING_ID)),
            Mark::Instance(application) => compare(label(live, INSTANCE), application),
            Mark::ApplySet(set) => compare(label(live, PART_OF), set),
            Mark::Flux { name, namespace } => {
                let found = label(live, FLUX_NAME)
                    .map(|name| format!("{}/{name}", label(live, FLUX_NAMESPACE).unwrap_or_default()));
                compare(found.as_deref(), &format!("{namespace}/{name}"))
            }
            Mark::OwningInventory(inventory) => compare(annotation(live, OWNING_INVENTORY), inventory),
        }
    }
}

/// Whose a live resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    Ours,
    Nobody,
    Other(String),
}

/// `app:group/kind:namespace/name`; cluster-scoped resources get the
/// application's namespace.
fn tracking_id(application: &str, id: &ResourceId, default_namespace: &str) -> String {
    let namespace = id.namespace.as_deref().unwrap_or(default_namespace);
    format!("{application}:{}/{}:{namespace}/{}", id.group, id.kind, id.name)
}

/// A mark that names another resource was copied along with it: it says
/// nothing about this one.
fn tracked(application: &str, id: &ResourceId, mark: Option<&str>) -> Claim {
    let Some((owner, kind, name)) = mark.and_then(|mark| {
        let (owner, rest) = mark.split_once(':')?;
        let (kind, name) = rest.split_once(':')?;
        Some((owner, kind, name))
    }) else {
        return Claim::Nobody;
    };
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let is_self = kind == format!("{}/{}", id.group, id.kind)
        && name == id.name
        && id.namespace.as_deref().is_none_or(|own| own == namespace);
    match (is_self, owner == application) {
        (false, _) => Claim::Nobody,
        (true, true) => Claim::Ours,
        (true, false) => Claim::Other(owner.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        Manifest::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "airflow"},
        }))
        .unwrap()
    }

    #[test]
    fn every_mark_is_recognised_by_its_owner_only() {
        let owners = |name: &str| {
            [
                Owner::tracking_id(name, "ns"),
                Owner::instance_label(name, "ns"),
                Owner::apply_set(name, "ns"),
                Owner::flux(name, "ns"),
                Owner::inventory(name, "ns"),
            ]
        };
        for (mine, other) in owners("mine").iter().zip(owners("other")) {
            let mut marked = manifest();
            assert_eq!(mine.claim(marked.id(), marked.value()), Claim::Nobody);
            mine.mark(&mut marked);
            assert_eq!(mine.claim(marked.id(), marked.value()), Claim::Ours, "{mine:?}");
            assert!(matches!(other.claim(marked.id(), marked.value()), Claim::Other(_)), "{mine:?}");
        }
    }

    #[test]
    fn tracking_ids_are_argo_cds() {
        let mut marked = manifest();
        let owner = Owner::tracking_id("app-test", "airflow");
        owner.mark(&mut marked);
        assert_eq!(marked.annotation(TRACKING_ID), Some("app-test:apps/Deployment:airflow/web"));
    }

    #[test]
    fn a_copied_mark_claims_nothing() {
        let owner = Owner::tracking_id("app", "ns");
        let mut marked = manifest();
        owner.mark(&mut marked);
        let copy = ResourceId::new("apps", "Deployment", "web-copy").in_namespace("airflow");
        assert_eq!(owner.claim(&copy, marked.value()), Claim::Nobody);
    }
}
