//! Argo CD's phases, waves and hooks, as the annotations of a manifest say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::{annotation, annotation_list};

const HOOK: &str = "argocd.argoproj.io/hook";
const HELM_HOOK: &str = "helm.sh/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";
const DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const HELM_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";

/// A part of a sync. Each begins when the one before has ended well, but
/// for [`SyncFail`](Phase::SyncFail), which runs when one has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Hooks that run before anything is applied, such as a database migration.
    PreSync,
    /// The resources themselves, and hooks that run among them.
    Sync,
    /// Hooks that run once everything is applied and healthy.
    PostSync,
    /// Hooks that run when the sync has failed.
    SyncFail,
}

/// When a hook's resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DeletePolicy {
    /// Before it is created anew; the default.
    BeforeHookCreation,
    /// As soon as it has succeeded.
    HookSucceeded,
    /// As soon as it has failed.
    HookFailed,
}

/// What a manifest's annotations say about when it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// An ordinary resource of the Sync phase.
    Resource,
    /// Runs in these phases, and is no part of the desired state otherwise.
    Hook { phases: Vec<Phase>, delete: Vec<DeletePolicy> },
    /// Never applied: `Skip`, or a Helm hook that has no meaning here.
    Skipped,
}

/// Argo CD's annotation wins over Helm's.
pub(crate) fn role(object: &Value) -> Role {
    let argo: Vec<&str> = annotation_list(object, HOOK).collect();
    if !argo.is_empty() {
        return hook(argo.iter().filter_map(|name| argo_phase(name)).collect(), delete_policies(object));
    }
    let helm: Vec<&str> = annotation_list(object, HELM_HOOK).collect();
    if helm.is_empty() {
        return Role::Resource;
    }
    // A CRD that Helm would install first is an ordinary one for everybody else.
    if helm == ["crd-install"] {
        return Role::Resource;
    }
    hook(helm.iter().filter_map(|name| helm_phase(name)).collect(), delete_policies(object))
}

fn hook(mut phases: Vec<Phase>, delete: Vec<DeletePolicy>) -> Role {
    phases.sort();
    phases.dedup();
    if phases.is_empty() { Role::Skipped } else { Role::Hook { phases, delete } }
}

fn argo_phase(name: &str) -> Option<Phase> {
    match name {
        "PreSync" => Some(Phase::PreSync),
        "Sync" => Some(Phase::Sync),
        "PostSync" => Some(Phase::PostSync),
        "SyncFail" => Some(Phase::SyncFail),
        _ => None,
    }
}

fn helm_phase(name: &str) -> Option<Phase> {
    match name {
        "pre-install" | "pre-upgrade" => Some(Phase::PreSync),
        "post-install" | "post-upgrade" => Some(Phase::PostSync),
        _ => None,
    }
}

fn delete_policies(object: &Value) -> Vec<DeletePolicy> {
    let argo = annotation_list(object, DELETE_POLICY).filter_map(|name| match name {
        "BeforeHookCreation" => Some(DeletePolicy::BeforeHookCreation),
        "HookSucceeded" => Some(DeletePolicy::HookSucceeded),
        "HookFailed" => Some(DeletePolicy::HookFailed),
        _ => None,
    });
    let helm = annotation_list(object, HELM_DELETE_POLICY).filter_map(|name| match name {
        "before-hook-creation" => Some(DeletePolicy::BeforeHookCreation),
        "hook-succeeded" => Some(DeletePolicy::HookSucceeded),
        "hook-failed" => Some(DeletePolicy::HookFailed),
        _ => None,
    });
    let mut policies: Vec<_> = argo.collect();
    if policies.is_empty() {
        policies.extend(helm);
    }
    if policies.is_empty() {
        policies.push(DeletePolicy::BeforeHookCreation);
    }
    policies.sort();
    policies.dedup();
    policies
}

/// The sync wave: Argo CD's annotation, else Helm's weight, else 0; what
/// does not parse counts as absent.
pub(crate) fn wave(object: &Value) -> i64 {
    let number = |key| annotation(object, key).and_then(|text| text.trim().parse().ok());
    number(WAVE).or_else(|| number(HELM_WEIGHT)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(pairs: &[(&str, &str)]) -> Value {
        let annotations: serde_json::Map<_, _> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({"metadata": {"annotations": annotations}})
    }

    #[test]
    fn phases_of_hooks() {
        let phases = |pairs: &[(&str, &str)]| match role(&annotated(pairs)) {
            Role::Hook { phases, .. } => phases,
            _ => Vec::new(),
        };
        assert_eq!(phases(&[(HOOK, "PostSync,PreSync")]), [Phase::PreSync, Phase::PostSync]);
        assert_eq!(phases(&[(HELM_HOOK, "pre-install,pre-upgrade")]), [Phase::PreSync]);
        assert_eq!(phases(&[(HOOK, "Sync"), (HELM_HOOK, "pre-install")]), [Phase::Sync]);
        assert_eq!(role(&annotated(&[(HOOK, "Skip")])), Role::Skipped);
        assert_eq!(role(&annotated(&[(HELM_HOOK, "test")])), Role::Skipped);
        assert_eq!(role(&annotated(&[(HELM_HOOK, "crd-install")])), Role::Resource);
        assert_eq!(role(&json!({})), Role::Resource);
    }

    #[test]
    fn waves_fall_back_when_they_do_not_parse() {
        assert_eq!(wave(&annotated(&[(WAVE, "-3"), (HELM_WEIGHT, "7")])), -3);
        assert_eq!(wave(&annotated(&[(WAVE, "first"), (HELM_WEIGHT, "7")])), 7);
        assert_eq!(wave(&json!({})), 0);
    }

    #[test]
    fn deletes_before_creation_unless_told_otherwise() {
        assert_eq!(delete_policies(&json!({})), [DeletePolicy::BeforeHookCreation]);
        let both = annotated(&[(DELETE_POLICY, "HookFailed, HookSucceeded")]);
        assert_eq!(delete_policies(&both), [DeletePolicy::HookSucceeded, DeletePolicy::HookFailed]);
    }
}
