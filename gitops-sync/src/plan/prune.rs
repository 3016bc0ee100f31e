//! What is no longer wanted, and whether it may go.

use std::collections::HashSet;

use serde_json::Value;

use super::step::{Action, Block, Step, basis_of};
use crate::cluster::ResourceType;
use crate::desired::{Desired, has_sync_option};
use crate::hook::wave;
use crate::id::ResourceId;
use crate::inventory::Inventory;
use crate::live::{Object, Objects};
use crate::manifest::annotation;
use crate::options::SyncOptions;
use crate::ownership::Claim;
use crate::policy::PrunePolicy;

/// A step for each former resource that is still there and still ours.
///
/// Ours is what the inventory lists under the UID that it has today, and
/// bears our mark. Anything else has been given to somebody else, or was
/// created anew by somebody else, and is simply forgotten.
pub(super) fn steps(
    desired: &Desired,
    inventory: &Inventory,
    former: &[(ResourceId, ResourceType)],
    live: &Objects,
    options: &SyncOptions,
) -> Vec<Step> {
    let wanted_uids: HashSet<&str> =
        desired.wanted.iter().filter_map(|wanted| Some(live.get(wanted.manifest.id())?.uid())).collect();
    let mut steps: Vec<Step> = former
        .iter()
        .filter_map(|(id, kind)| Some((id, kind, live.get(id)?.read())))
        .filter(|(id, _, live)| is_ours(id, live, inventory, options) && !wanted_uids.contains(live.uid()))
        .map(|(id, kind, live)| step(id, kind, &live, desired, &options.prune))
        .collect();
    guard_numbers(&mut steps, inventory, desired, &options.prune);
    steps
}

fn is_ours(id: &ResourceId, live: &Object<'_>, inventory: &Inventory, options: &SyncOptions) -> bool {
    let recorded = inventory.uid(id);
    let is_marked = options.owner.as_ref().is_some_and(|owner| owner.claim(id, &live.value) == Claim::Ours);
    is_marked && recorded.is_none_or(|uid| uid == live.uid())
}

fn step(id: &ResourceId, kind: &ResourceType, live: &Object<'_>, desired: &Desired, policy: &PrunePolicy) -> Step {
    let mut step = Step::bare(id.clone(), kind.clone(), Action::Prune);
    step.wave = wave(&live.value);
    step.basis = Some(basis_of(live));
    step.block = block(id, &live.value, desired, policy);
    if step.block.is_some() {
        step.action = Action::Blocked;
    }
    step
}

fn block(id: &ResourceId, live: &Value, desired: &Desired, policy: &PrunePolicy) -> Option<Block> {
    if is_kept(live) {
        return Some(Block::Kept);
    }
    if !policy.enabled {
        return Some(Block::PruneDisabled);
    }
    let holds_wanted = |namespace: &str| {
        desired.wanted.iter().any(|wanted| wanted.manifest.id().namespace.as_deref() == Some(namespace))
    };
    if id.is("", "Namespace") && holds_wanted(&id.name) {
        return Some(Block::NamespaceInUse);
    }
    let is_confirmed = policy.confirmed || annotation(live, "argocd.argoproj.io/deletion-approved").is_some();
    let needs_confirmation = policy.protected.contains(&id.group_kind()) || has_sync_option(live, "Prune=confirm");
    (needs_confirmation && !is_confirmed).then_some(Block::Protected)
}

/// The ways in which Argo CD, Flux, cli-utils and Helm say that a resource
/// outlives its manifest.
fn is_kept(live: &Value) -> bool {
    has_sync_option(live, "Prune=false")
        || annotation(live, "kustomize.toolkit.fluxcd.io/prune")
            .is_some_and(|prune| prune.eq_ignore_ascii_case("disabled"))
        || annotation(live, "client.lifecycle.config.k8s.io/deletion") == Some("detach")
        || annotation(live, "cli-utils.sigs.k8s.io/on-remove") == Some("keep")
        || annotation(live, "helm.sh/resource-policy") == Some("keep")
}

/// Guards against a desired state that is far too small, as after a mistake
/// in a path or a selector.
fn guard_numbers(steps: &mut [Step], inventory: &Inventory, desired: &Desired, policy: &PrunePolicy) {
    let prunes = steps.iter().filter(|step| step.action == Action::Prune).count();
    // A share that is not a number allows nothing.
    let allowed = (inventory.len() as f64 * policy.max_share.clamp(0.0, 1.0)).floor() as usize;
    let is_empty = desired.wanted.iter().all(|wanted| !wanted.is_owned);
    let block = if is_empty && !policy.allow_empty {
        Block::WouldPruneAll
    } else if prunes > allowed {
        Block::TooMany { prunes, allowed }
    } else {
        return;
    };
    for step in steps.iter_mut().filter(|step| step.action == Action::Prune) {
        step.action = Action::Blocked;
        step.block = Some(block.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::id::GroupKind;
    use crate::live::Live;
    use crate::manifest::Manifest;
    use crate::ownership::Owner;

    fn kind(name: &str) -> ResourceType {
        ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            kind: name.to_owned(),
            plural: format!("{}s", name.to_lowercase()),
            namespaced: name != "Namespace",
            watchable: true,
        }
    }

    struct World {
        inventory: Inventory,
        former: Vec<(ResourceId, ResourceType)>,
        live: Objects,
        options: SyncOptions,
    }

    impl World {
        fn new(policy: PrunePolicy) -> Self {
            let options = SyncOptions::new("us").owner(Owner::inventory("app", "a")).prune(policy);
            Self { inventory: Inventory::default(), former: Vec::new(), live: Objects::new(), options }
        }

        /// A former resource of ours, with more annotations.
        fn add(&mut self, kind_name: &str, name: &str, annotations: Value) {
            let kind = kind(kind_name);
            let mut value = json!({"apiVersion": "v1", "kind": kind_name,
                "metadata": {"name": name, "uid": format!("uid-{name}"), "annotations": annotations}});
            if kind.namespaced {
                value["metadata"]["namespace"] = json!("a");
            }
            let mut manifest = Manifest::new(value).unwrap();
            self.options.owner.as_ref().unwrap().mark(&mut manifest);
            let id = manifest.id().clone();
            self.inventory.insert(id.clone(), Some(format!("uid-{name}")));
            self.former.push((id.clone(), kind));
            self.live.insert(id, Arc::new(Live::of_value(manifest.value())));
        }

        fn blocks(&self, desired: &Desired) -> Vec<(String, Option<Block>)> {
            let steps = steps(desired, &self.inventory, &self.former, &self.live, &self.options);
            steps.into_iter().map(|step| (step.id.name, step.block)).collect()
        }
    }

    fn something_wanted() -> Desired {
        let manifest = Manifest::new(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "w", "namespace": "a"}}),
        );
        let wanted = crate::desired::Wanted {
            manifest: manifest.unwrap(),
            kind: kind("ConfigMap"),
            create_only: false,
            recreate: false,
            is_owned: true,
        };
        Desired { wanted: vec![wanted], hooks: Vec::new() }
    }

    #[test]
    fn guards_hold() {
        let mut world = World::new(PrunePolicy::enabled());
        world.add("ConfigMap", "plain", json!({}));
        world.add("ConfigMap", "kept", json!({"argocd.argoproj.io/sync-options": "Prune=false"}));
        world.add("ConfigMap", "confirm", json!({"argocd.argoproj.io/sync-options": "Prune=confirm"}));
        world.add("Namespace", "a", json!({}));
        world.add("Namespace", "b", json!({}));
        let of = |name: &str, block| (name.to_owned(), block);
        assert_eq!(
            world.blocks(&something_wanted()),
            [
                of("plain", None),
                of("kept", Some(Block::Kept)),
                of("confirm", Some(Block::Protected)),
                of("a", Some(Block::NamespaceInUse)),
                of("b", Some(Block::Protected)),
            ]
        );
        world.options.prune = PrunePolicy::enabled().confirmed();
        assert_eq!(world.blocks(&something_wanted())[4].1, None);
        world.options.prune = PrunePolicy::default();
        assert_eq!(world.blocks(&something_wanted())[0].1, Some(Block::PruneDisabled));
    }

    #[test]
    fn never_everything_and_never_too_much() {
        let mut world = World::new(PrunePolicy::enabled());
        world.add("ConfigMap", "x", json!({}));
        world.add("ConfigMap", "y", json!({}));
        assert_eq!(world.blocks(&Desired::default())[0].1, Some(Block::WouldPruneAll));
        world.options.prune = PrunePolicy::enabled().allow_empty();
        assert_eq!(world.blocks(&Desired::default())[0].1, None);
        world.options.prune = PrunePolicy::enabled().max_share(0.5);
        let too_many = Block::TooMany { prunes: 2, allowed: 1 };
        assert_eq!(world.blocks(&something_wanted())[0].1, Some(too_many));
    }

    #[test]
    fn what_is_not_ours_is_forgotten() {
        let mut world = World::new(PrunePolicy::enabled());
        world.add("ConfigMap", "recreated", json!({}));
        world.add("ConfigMap", "given-away", json!({}));
        let id = world.former[0].0.clone();
        world.inventory.insert(id, Some("another-uid".to_owned()));
        let id = world.former[1].0.clone();
        let mut value = world.live[&id].whole();
        value["metadata"]["annotations"] = json!({"config.k8s.io/owning-inventory": "a/other"});
        world.live.insert(id, Arc::new(Live::of_value(&value)));
        assert_eq!(world.blocks(&something_wanted()), []);
        assert_eq!(GroupKind::new("", "ConfigMap"), world.former[0].0.group_kind());
    }
}
