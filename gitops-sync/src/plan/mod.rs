//! Decides what to do, and touches nothing.

mod decide;
mod prune;
mod step;
mod verdict;

use std::collections::{BTreeSet, HashSet};

use futures::future::join;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

pub(crate) use self::decide::{Decision, LAST_APPLIED, Subject, decide, is_earlier, remove_server_fields};
pub(crate) use self::step::basis_of;
pub use self::step::{Action, Basis, Block, Step};
pub(crate) use self::verdict::Verdicts;
use crate::cluster::{Cluster, ClusterError, ResourceType};
use crate::desired::{self, Desired, Problem};
use crate::graph::{self, GraphError, Place};
use crate::hook::{Phase, wave};
use crate::id::ResourceId;
use crate::ignore;
use crate::inventory::{self, Inventory, InventoryError};
use crate::live::{self, Objects};
use crate::manifest::Manifest;
use crate::options::SyncOptions;
use crate::order;

/// What a sync would do, as data.
///
/// It can be shown, compared, written down and carried out later: each step
/// remembers the state of the cluster that it was decided on, and is
/// decided anew if that has changed.
///
/// A plan holds the manifests, and with them the data of Secrets; only what
/// it shows ([`diff`](Self::diff), [`Step::changes`]) is masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// What to do with each resource, in the order of the sync.
    pub steps: Vec<Step>,
    /// What earlier syncs have applied.
    pub(crate) inventory: Inventory,
    /// What of that is gone, or somebody else's by now.
    #[serde(default)]
    pub(crate) released: BTreeSet<ResourceId>,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// An ignore rule cannot be understood, so nobody knows what counts.
    #[error("cannot ignore the jq path {expression:?}: {reason}")]
    IgnoreRule {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The API server does not say which kinds it serves.
    #[error("cannot find out which kinds the cluster serves")]
    Discovery(#[source] ClusterError),
    /// The desired state cannot be right, whatever the cluster holds.
    #[error("the desired state is invalid: {}", list(problems))]
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// The resources cannot be put into an order.
    #[error("the resources cannot be ordered")]
    Order(#[source] GraphError),
    /// The inventory cannot be read, so nobody knows what to prune.
    #[error("cannot tell what earlier syncs have applied")]
    Inventory(#[source] InventoryError),
    /// The live resources cannot be read.
    #[error("cannot read the live resources")]
    Live(#[source] ClusterError),
    /// The server could not say what an apply would change.
    #[error("cannot compare {id} with the cluster")]
    Compare {
        /// The resource.
        id: Box<ResourceId>,
        /// What happened.
        source: ClusterError,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Compares `manifests` with the cluster and decides what to do.
///
/// ```no_run
/// # async fn run(client: kube::Client, manifests: Vec<gitops_sync::Manifest>) -> Result<(), Box<dyn std::error::Error>> {
/// use gitops_sync::{Cluster, SyncOptions, plan};
///
/// let cluster = Cluster::new(client);
/// let plan = plan(&cluster, manifests, &SyncOptions::new("my-tool").namespace("airflow")).await?;
/// print!("{}", plan.diff());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the desired state is invalid as a whole, or the cluster cannot be
/// read. That the server refuses a single resource is not an error: its
/// step is [`Action::Blocked`].
pub async fn plan(cluster: &Cluster, manifests: Vec<Manifest>, options: &SyncOptions) -> Result<Plan, PlanError> {
    if let Some((expression, reason)) = ignore::find_invalid(&options.ignore) {
        return Err(PlanError::IgnoreRule { expression, reason });
    }
    let (desired, inventory) =
        join(desired::resolve(cluster, manifests, options), load_inventory(cluster, options)).await;
    let (desired, inventory) = (desired?, inventory?);
    check_order(&desired)?;
    let former = former_types(cluster, &desired, &inventory).await?;
    let wanted = desired.wanted.iter().map(|wanted| (wanted.manifest.id().clone(), wanted.kind.clone()));
    let live = live::read(cluster, wanted.chain(former.iter().cloned())).await.map_err(PlanError::Live)?;

    let mut steps = prune::steps(&desired, &inventory, &former, &live, options);
    let released = former.into_iter().map(|(id, _)| id).filter(|id| steps.iter().all(|step| step.id != *id)).collect();
    steps.extend(wanted_steps(cluster, desired.wanted, &live, options).await?);
    if steps.iter().any(|step| step.action.is_change()) {
        steps.extend(hook_steps(desired.hooks));
    }
    steps.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| order::compare(&a.id, &b.id)));
    Ok(Plan { steps, inventory, released })
}

async fn load_inventory(cluster: &Cluster, options: &SyncOptions) -> Result<Inventory, PlanError> {
    let Some(owner) = &options.owner else { return Ok(Inventory::default()) };
    inventory::load(cluster, owner, options.adopt_foreign).await.map_err(PlanError::Inventory)
}

/// An order that cannot be is found before the cluster is asked anything more.
fn check_order(desired: &Desired) -> Result<(), PlanError> {
    let place = Place::new(Phase::Sync, 0, "");
    let placed: Vec<_> = desired.wanted.iter().map(|wanted| ((&wanted.manifest).into(), place)).collect();
    graph::dependencies(&placed).map(drop).map_err(PlanError::Order)
}

/// What the inventory lists and nobody wants any more, where the cluster
/// still serves its kind.
async fn former_types(
    cluster: &Cluster,
    desired: &Desired,
    inventory: &Inventory,
) -> Result<Vec<(ResourceId, ResourceType)>, PlanError> {
    let wanted: HashSet<&ResourceId> = desired.wanted.iter().map(|wanted| wanted.manifest.id()).collect();
    let mut former = Vec::new();
    for (id, _) in inventory.iter().filter(|(id, _)| !wanted.contains(id)) {
        let kind = cluster.resource_type(&id.group_kind(), None).await.map_err(PlanError::Discovery)?;
        former.extend(kind.map(|kind| (id.clone(), kind)));
    }
    Ok(former)
}

async fn wanted_steps(
    cluster: &Cluster,
    wanted: Vec<desired::Wanted>,
    live: &Objects,
    options: &SyncOptions,
) -> Result<Vec<Step>, PlanError> {
    let decisions = wanted.into_iter().map(|wanted| async {
        let found = live.get(wanted.manifest.id()).map(|live| live.read());
        match decide(cluster, wanted.subject(), found.as_ref(), options).await {
            Ok(decision) => Ok(Step::wanted(wanted, decision, found.as_ref(), options)),
            Err(source) => Err(PlanError::Compare { id: Box::new(wanted.manifest.id().clone()), source }),
        }
    });
    // No more at a time than there may be requests: each has its object at hand.
    stream::iter(decisions).buffered(cluster.options().concurrency).try_collect().await
}

/// Hooks run in every sync that changes something, and in no other.
fn hook_steps(hooks: Vec<desired::Hook>) -> impl Iterator<Item = Step> {
    hooks.into_iter().flat_map(|hook| {
        let wave = wave(hook.manifest.value());
        let phases: Vec<Phase> = hook.phases.clone();
        phases.into_iter().map(move |phase| Step::hook(&hook, phase, wave)).collect::<Vec<_>>()
    })
}

impl Plan {
    /// Whether there is nothing to do: every step is [`Action::Keep`], or
    /// keeps something that is no longer wanted but asks to be kept.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::Keep || step.block == Some(Block::Kept))
    }

    /// The steps that cannot be done.
    pub fn blocked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action == Action::Blocked)
    }

    /// The steps that the server finds invalid; a plan with one of them is
    /// not carried out at all.
    pub fn invalid(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.block, Some(Block::Invalid { .. })))
    }

    /// A unified diff of every step that changes something, Secrets masked.
    pub fn diff(&self) -> String {
        self.steps.iter().map(Step::diff).collect()
    }
}
