use tracing::Instrument as _;

use crate::cluster::Cluster;
use crate::event::Event;
use crate::graph::GraphError;
use crate::inventory::{self, Inventory};
use crate::kubernetes_event;
use crate::manifest::Manifest;
use crate::options::SyncOptions;
use crate::plan::{Action, Plan, PlanError, Step, plan};
use crate::report::Report;
use crate::run::{self, Ran};
use crate::tasks::Tasks;

/// Why a sync was not begun, or not brought to its end.
///
/// What went wrong with single resources is in the [`Report`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// No plan could be made; nothing was written.
    #[error("cannot plan the sync")]
    Plan(#[source] PlanError),
    /// The server finds resources invalid; nothing was written.
    #[error("the desired state is invalid: {}", messages.join("; "))]
    Invalid {
        /// Each of them, and what the server says.
        messages: Vec<String>,
    },
    /// The resources cannot be put into an order; nothing was written.
    #[error("the resources cannot be ordered")]
    Order(#[source] GraphError),
    /// Everything else was done, but the inventory could not be written at
    /// the end. It still lists everything that was applied.
    #[error("cannot write the inventory")]
    Inventory {
        /// What was done.
        report: Box<Report>,
        /// What happened.
        source: crate::ClusterError,
    },
}

/// Makes the cluster what `manifests` say: plans, applies, waits, prunes,
/// and reports.
///
/// Nothing is written if the plan cannot be made as a whole. Once it is
/// carried out, a resource that fails stops only what needs it, and is
/// reported. [`SyncOptions::stop_when`] stops it at a safe point; dropping the
/// future stops it wherever it is. The next sync finishes the work.
///
/// # Errors
///
/// If nothing could be done at all. That single resources failed is not an
/// error: see [`Report::succeeded`].
pub async fn sync(cluster: &Cluster, manifests: Vec<Manifest>, options: &SyncOptions) -> Result<Report, SyncError> {
    let span = tracing::info_span!("sync", revision = options.revision);
    async {
        let plan = plan(cluster, manifests, options).await.map_err(SyncError::Plan)?;
        apply(cluster, &plan, options).await
    }
    .instrument(span)
    .await
}

/// Carries out a plan.
///
/// A step whose resource has changed since the plan was made is decided
/// anew, and refused if something else would have to be done now.
///
/// # Errors
///
/// As [`sync`].
pub async fn apply(cluster: &Cluster, plan: &Plan, options: &SyncOptions) -> Result<Report, SyncError> {
    refuse_invalid(plan)?;
    options.tell(|| Event::Planned { actions: plan.steps.iter().map(|step| (step.id.clone(), step.action)).collect() });
    let wider = plan.inventory_before(options);
    let tasks = Tasks::of(plan, options, wider.is_some()).map_err(SyncError::Order)?;
    let ran = run::run(cluster, plan, tasks, wider.as_ref(), options).await;

    let after = plan.inventory_after(options, &ran);
    let report = Report::new(plan, options.revision.clone(), ran.resources);
    options.tell(|| Event::Finished { succeeded: report.succeeded() });
    kubernetes_event::record(cluster, plan, &report, options).await;
    if let (Some(owner), Some(after)) = (&options.owner, after.filter(|after| Some(after) != wider.as_ref())) {
        let saved = inventory::save(cluster, owner, &after, &options.field_manager).await;
        saved.map_err(|source| SyncError::Inventory { report: Box::new(report.clone()), source })?;
    }
    Ok(report)
}

fn refuse_invalid(plan: &Plan) -> Result<(), SyncError> {
    let at = |step: &Step| step.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
    let messages: Vec<String> =
        plan.invalid().map(|step| format!("{}{}: {}", at(step), step.id, step.reason())).collect();
    if messages.is_empty() { Ok(()) } else { Err(SyncError::Invalid { messages }) }
}

impl Plan {
    /// The inventory that has to be written before anything is applied:
    /// what it lists already, and everything that will be there. `None` if
    /// it lists all of that.
    fn inventory_before(&self, options: &SyncOptions) -> Option<Inventory> {
        options.owner.as_ref()?;
        let mut wider = self.inventory.clone();
        self.owned().for_each(|step| wider.insert(step.id.clone(), step.basis.as_ref().map(|basis| basis.uid.clone())));
        (!wider.lists_the_same(&self.inventory)).then_some(wider)
    }

    /// The inventory without what is known to be gone. `None` if nothing
    /// has changed.
    fn inventory_after(&self, options: &SyncOptions, ran: &Ran) -> Option<Inventory> {
        options.owner.as_ref()?;
        let mut after = self.inventory.clone();
        self.released.iter().for_each(|id| after.remove(id));
        for (position, step) in self.steps.iter().enumerate() {
            if step.is_former() {
                if ran.gone[position] {
                    after.remove(&step.id);
                }
            } else if step.is_owned && step.action != Action::Run {
                let known = step.basis.as_ref().map(|basis| basis.uid.clone());
                after.insert(step.id.clone(), ran.uids[position].clone().or(known));
            }
        }
        (after != self.inventory).then_some(after)
    }

    fn owned(&self) -> impl Iterator<Item = &Step> {
        let is_resource = |step: &&Step| !step.is_former() && step.is_owned && step.action != Action::Run;
        self.steps.iter().filter(is_resource)
    }
}
