//! Random histories of a cluster, checked against what a sync promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gitops_sync::embedded::{Fault, FaultRule};
use gitops_sync::{Action, Cluster, ClusterOptions, Outcome, PrunePolicy, sync};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, annotated, config_map, deployment, namespace, parse, service};

/// What happens to the cluster, or is asked of us.
#[derive(Debug, Clone)]
enum Step {
    /// These resources are wanted from now on, each in a variant.
    Want(BTreeMap<u8, u8>),
    /// Somebody else changes a resource by hand, our fields or others.
    Drift { slot: u8, ours: bool, value: u8 },
    /// Somebody deletes a resource by hand.
    Delete(u8),
    /// Our process is restarted and remembers nothing.
    Restart,
    /// A sync, with faults in a share of the requests if there are any.
    Sync { prunes: bool, faults: Option<u8> },
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..6u8;
    prop_oneof![
        3 => proptest::collection::btree_map(slot.clone(), 0..4u8, 1..6).prop_map(Step::Want),
        2 => (slot.clone(), any::<bool>(), 0..9u8).prop_map(|(slot, ours, value)| Step::Drift { slot, ours, value }),
        1 => slot.prop_map(Step::Delete),
        1 => Just(Step::Restart),
        4 => (any::<bool>(), proptest::option::weighted(0.3, 0..4u8)).prop_map(|(prunes, faults)| Step::Sync { prunes, faults }),
    ]
}

/// Six resources of three kinds; variant 3 says that it must not be pruned.
fn resource(slot: u8, variant: u8) -> Value {
    let name = format!("r{slot}");
    let text = format!("v{variant}");
    let manifest = match slot {
        0..3 => config_map(&name, &text),
        3 => service(&name),
        _ => deployment(&name, i64::from(variant) + 1, &text),
    };
    match variant {
        3 => annotated(manifest, "argocd.argoproj.io/sync-options", "Prune=false"),
        _ => manifest,
    }
}

fn kind(slot: u8) -> &'static str {
    match slot {
        0..3 => "ConfigMap",
        3 => "Service",
        _ => "apps/Deployment",
    }
}

struct Model {
    world: World,
    wanted: BTreeMap<u8, u8>,
    foreign: Value,
    /// What was live with a mark to be kept when it was last seen.
    kept: BTreeSet<u8>,
}

impl Model {
    async fn new() -> Self {
        let mut world = World::new();
        world.create("Namespace", namespace("app")).await;
        let foreign =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": "app"}});
        world.create("ConfigMap", foreign).await;
        let foreign = world.live("ConfigMap", "foreign").await.unwrap();
        world.options.timeout = Duration::from_secs(5);
        Self { world, wanted: BTreeMap::new(), foreign, kept: BTreeSet::new() }
    }

    fn manifests(&self) -> Vec<Value> {
        self.wanted.iter().map(|(slot, variant)| resource(*slot, *variant)).collect()
    }

    async fn exists(&self, slot: u8) -> Option<Value> {
        self.world.live(kind(slot), &format!("r{slot}")).await
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Want(wanted) => self.wanted.clone_from(wanted),
            Step::Drift { slot, ours, value } => self.drift(*slot, *ours, *value).await,
            Step::Delete(slot) => {
                if self.exists(*slot).await.is_some() {
                    let name = format!("r{slot}");
                    self.world.api(kind(*slot)).delete(&name, &Default::default()).await.unwrap();
                }
            }
            Step::Restart => self.restart(Duration::from_secs(5)),
            Step::Sync { prunes, faults: None } => {
                let report = self.sync(*prunes).await?;
                prop_assert!(report, "without faults every sync succeeds");
            }
            Step::Sync { prunes, faults: Some(kind) } => self.faulty_sync(*prunes, *kind).await?,
        }
        Ok(())
    }

    fn restart(&mut self, retry: Duration) {
        let options = ClusterOptions::default().retry_for(retry).request_timeout(Duration::from_millis(150));
        self.world.cluster = Cluster::with_options(self.world.embedded.client(), options);
    }

    async fn drift(&self, slot: u8, ours: bool, value: u8) {
        if self.exists(slot).await.is_none() {
            return;
        }
        let patch = match (ours, slot) {
            (false, _) => json!({"metadata": {"labels": {"theirs": format!("x{value}")}}}),
            (true, 0..3) => json!({"data": {"key": format!("x{value}")}}),
            (true, 3) => json!({"spec": {"selector": {"app": format!("x{value}")}}}),
            (true, _) => json!({"spec": {"replicas": value}}),
        };
        self.world.change(kind(slot), &format!("r{slot}"), "somebody", patch).await;
    }

    async fn faulty_sync(&mut self, prunes: bool, kind: u8) -> Result<(), TestCaseError> {
        // So short that some failures stay.
        self.restart(Duration::from_millis(if kind.is_multiple_of(2) { 60 } else { 3000 }));
        let fault = match kind {
            0 => Fault::Refuse { code: 503 },
            1 => Fault::LoseAnswer { code: 504 },
            2 => Fault::Hang,
            _ => Fault::TooManyRequests { retry_after: 0 },
        };
        let faults = FaultRule::new(fault).share(0.3);
        self.sync_with(prunes, Some(faults)).await?;
        self.restart(Duration::from_secs(5));
        Ok(())
    }

    /// Syncs, and checks what holds after every sync and after a good one.
    async fn sync(&mut self, prunes: bool) -> Result<bool, TestCaseError> {
        self.sync_with(prunes, None).await
    }

    async fn sync_with(&mut self, prunes: bool, faults: Option<FaultRule>) -> Result<bool, TestCaseError> {
        self.world.options.prune = if prunes { PrunePolicy::enabled() } else { PrunePolicy::default() };
        for slot in 0..6 {
            let live = self.exists(slot).await;
            let is_kept =
                live.is_some_and(|live| !live["metadata"]["annotations"]["argocd.argoproj.io/sync-options"].is_null());
            if is_kept {
                self.kept.insert(slot)
            } else {
                self.kept.remove(&slot)
            };
        }
        let before: Vec<bool> = self.existing().await;
        if let Some(faults) = faults {
            self.world.embedded.inject(faults);
        }
        let result = sync(&self.world.cluster, parse(&self.manifests()), &self.world.options).await;
        // What looks at the cluster here has no retries.
        self.world.embedded.heal_all();
        let after = self.existing().await;
        for slot in 0..6u8 {
            let was_deleted = before[usize::from(slot)] && !after[usize::from(slot)];
            let may_go = prunes && !self.wanted.contains_key(&slot) && !self.kept.contains(&slot);
            prop_assert!(!was_deleted || may_go, "r{slot} must not be pruned");
        }
        prop_assert_eq!(&self.world.live("ConfigMap", "foreign").await.unwrap(), &self.foreign);
        let Ok(report) = result else { return Ok(false) };
        if report.succeeded() {
            self.check(prunes, &after).await?;
        }
        Ok(report.succeeded()
            && report.resources.iter().all(|resource| !matches!(resource.outcome, Outcome::Failed { .. })))
    }

    async fn existing(&self) -> Vec<bool> {
        let mut existing = Vec::new();
        for slot in 0..6 {
            existing.push(self.exists(slot).await.is_some());
        }
        existing
    }

    async fn check(&mut self, prunes: bool, after: &[bool]) -> Result<(), TestCaseError> {
        self.restart(Duration::from_secs(5));
        for (slot, variant) in &self.wanted {
            prop_assert!(after[usize::from(*slot)], "r{slot} is wanted");
            let live = self.exists(*slot).await.unwrap();
            let wanted = resource(*slot, *variant);
            let pointer = match slot {
                0..3 => "/data/key",
                3 => "/spec/selector/app",
                _ => "/spec/replicas",
            };
            prop_assert_eq!(live.pointer(pointer), wanted.pointer(pointer));
        }
        let version = self.world.embedded.resource_version();
        let plan = self.world.plan(&self.manifests()).await;
        for step in &plan.steps {
            let is_left = step.is_former() && step.action == Action::Blocked;
            prop_assert!(step.action == Action::Keep || is_left, "{} {}: {}", step.action, step.id, step.reason());
            prop_assert!(
                !is_left || !prunes || self.kept.iter().any(|slot| step.id.name == format!("r{slot}")),
                "{}",
                step.id
            );
        }
        // The status of workloads moves on by itself; only our writes count.
        let writes = self.world.embedded.requests().writes;
        self.world.try_sync(&self.manifests()).await;
        prop_assert_eq!(self.world.embedded.requests().writes, writes, "after version {}", version);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn every_history_ends_in_sync(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in &steps {
                model.take(step).await?;
            }
            model.take(&Step::Sync { prunes: true, faults: None }).await
        })?;
    }
}
