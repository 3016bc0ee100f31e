//! Does one step of a plan.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::cluster::{ApplyMode, Cluster, ClusterError, Conflict, Deleted, Propagation};
use crate::fields::ManagedEntry;
use crate::health::HealthStatus;
use crate::hook::DeletePolicy;
use crate::live::{Live, Scope};
use crate::options::SyncOptions;
use crate::plan::{
    Action, Basis, Block, Decision, LAST_APPLIED, Step, basis_of, decide, is_earlier, remove_server_fields,
};
use crate::policy::ConflictPolicy;

/// How often a step is decided anew because its object keeps changing.
const ATTEMPTS: usize = 5;
const GONE_POLL: Duration = Duration::from_millis(250);

/// Why a step could not be done, or did not lead to health.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The plan says that it cannot be done.
    #[error("{0}")]
    Blocked(Block),
    /// The API server did not do it.
    #[error("the API server did not do it")]
    Cluster(#[source] ClusterError),
    /// Other managers own fields with other values.
    #[error("conflict: {}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Conflict {
        /// Which fields, and who.
        conflicts: Vec<Conflict>,
    },
    /// The resource has changed since the plan was made, and with it what
    /// would have to be done.
    #[error("it has changed since the plan was made: now the step would be to {now} it")]
    Moved {
        /// What a new plan would do.
        now: Action,
    },
    /// The resource changes faster than it can be compared.
    #[error("it keeps changing")]
    Restless,
    /// It was applied, but will not become healthy.
    #[error("{message}")]
    Unhealthy {
        /// Why.
        message: String,
    },
    /// It was applied, but did not become healthy in time, or was deleted,
    /// but is not gone.
    #[error("not ready after {} s: {health} {message}", after.as_secs_f32())]
    Timeout {
        /// How long it was waited for.
        after: Duration,
        /// Its health at the end.
        health: HealthStatus,
        /// Why it was not healthy.
        message: String,
    },
    /// The new object was refused, and the old one was put back.
    #[error("it was deleted but could not be created anew; {}", if *restored { "the old one was put back" } else { "putting the old one back failed, too" })]
    Replace {
        /// Whether the old object is there again.
        restored: bool,
        /// Why the new one was refused.
        source: ClusterError,
    },
    /// The sync was stopped before it was done or ready.
    #[error("the sync was stopped")]
    Stopped,
    /// The inventory could not be written, so nothing it has to list may be
    /// applied.
    #[error("the inventory could not be written")]
    Inventory(#[source] ClusterError),
}

/// What a step has led to.
#[derive(Debug)]
pub(super) enum Performed {
    Applied(Arc<Live>),
    Deleting(Arc<Live>),
    Gone,
}

pub(super) async fn perform(cluster: &Cluster, step: &Step, options: &SyncOptions) -> Result<Performed, StepError> {
    let work = Work { cluster, step, options };
    let done = work.perform().await;
    if let Err(StepError::Cluster(error)) = &done
        && error.is_not_found()
    {
        // What is served where may have changed behind our back.
        cluster.forget_kinds().await;
    }
    let done = done?;
    work.remember(&done).await;
    Ok(done)
}

struct Work<'a> {
    cluster: &'a Cluster,
    step: &'a Step,
    options: &'a SyncOptions,
}

impl Work<'_> {
    async fn perform(&self) -> Result<Performed, StepError> {
        match self.step.action {
            Action::Create => self.create().await.map(Performed::Applied),
            Action::Update => self.update().await.map(Performed::Applied),
            Action::Replace => self.replace().await.map(Performed::Applied),
            Action::Run => self.run_hook().await.map(Performed::Applied),
            Action::Prune => self.prune().await,
            // The schedule does not start these.
            Action::Keep | Action::Blocked => Ok(Performed::Gone),
        }
    }

    fn manifest(&self) -> &Value {
        self.step.manifest.as_ref().unwrap_or(&Value::Null)
    }

    async fn apply(&self, body: &Value, force: bool) -> Result<Arc<Live>, ClusterError> {
        let mode = ApplyMode { manager: &self.options.field_manager, force, dry_run: false };
        self.cluster.apply(&self.step.kind, &self.step.id, body, mode).await.map(Arc::new)
    }

    /// Whether fields of others are taken: the plan has found out which.
    fn forces(&self) -> bool {
        self.options.conflicts != ConflictPolicy::Respect
    }

    async fn create(&self) -> Result<Arc<Live>, StepError> {
        // Somebody may have created it meanwhile, and then owns its fields.
        let force = self.options.conflicts == ConflictPolicy::TakeOver;
        self.apply(self.manifest(), force).await.map_err(failed)
    }

    /// Applies on the condition that the object is still the one that the
    /// step was decided on; if it is not, decides anew.
    async fn update(&self) -> Result<Arc<Live>, StepError> {
        let mut basis = self.step.basis.clone().ok_or(StepError::Moved { now: Action::Create })?;
        for _ in 0..ATTEMPTS {
            let error = match self.update_from(&basis).await {
                Ok(live) => return Ok(live),
                Err(error) => error,
            };
            if !error.is_conflict() || !error.conflicts().is_empty() {
                return Err(failed(error));
            }
            match self.decide_anew().await? {
                (decision, Some(live)) if decision.action == Action::Keep => return Ok(live),
                (decision, Some(live)) if decision.same_effect(self.step.action, &self.step.changes) => {
                    basis = basis_of(&live.read());
                }
                (decision, _) => return Err(StepError::Moved { now: decision.action }),
            }
        }
        Err(StepError::Restless)
    }

    async fn update_from(&self, basis: &Basis) -> Result<Arc<Live>, ClusterError> {
        let mut body = self.manifest().clone();
        body["metadata"]["uid"] = basis.uid.as_str().into();
        body["metadata"]["resourceVersion"] = basis.resource_version.as_str().into();
        if self.step.migrates {
            let migrated = self.migrate(basis).await?;
            body["metadata"]["resourceVersion"] = migrated.into();
        }
        self.apply(&body, self.forces()).await
    }

    async fn decide_anew(&self) -> Result<(Decision, Option<Arc<Live>>), StepError> {
        let step = self.step;
        let live = self.cluster.get(&step.kind, &step.id).await.map_err(StepError::Cluster)?;
        let live = live.map(Arc::new);
        let object = live.as_ref().map(|live| live.read());
        let subject = step.subject().ok_or(StepError::Moved { now: Action::Keep })?;
        let decision =
            decide(self.cluster, subject, object.as_ref(), self.options).await.map_err(StepError::Cluster)?;
        drop(object);
        Ok((decision, live))
    }

    /// Makes the fields that an earlier tool applied ours, and forgets its
    /// record of them, in one patch that holds for this version only.
    async fn migrate(&self, basis: &Basis) -> Result<String, ClusterError> {
        let (kind, id) = (&self.step.kind, &self.step.id);
        let Some(live) = self.cluster.get(kind, id).await? else { return Ok(String::new()) };
        if live.resource_version() != basis.resource_version {
            return Ok(live.resource_version().to_owned());
        }
        let patch = migration(&live, self.options);
        let patched = self.cluster.json_patch(kind, id, &patch, &self.options.field_manager).await?;
        Ok(patched.resource_version().to_owned())
    }

    /// Deletes and creates anew; puts the old one back if that fails.
    async fn replace(&self) -> Result<Arc<Live>, StepError> {
        let step = self.step;
        let old = self.cluster.get(&step.kind, &step.id).await.map_err(StepError::Cluster)?;
        if let Some(old) = &old {
            let uid = old.uid();
            if step.basis.as_ref().is_some_and(|basis| basis.uid != uid) {
                return Err(StepError::Moved { now: Action::Update });
            }
            self.delete_and_wait(uid).await?;
        }
        let source = match self.apply(self.manifest(), self.forces()).await {
            Ok(live) => return Ok(live),
            Err(error) => error,
        };
        let restored = match old {
            Some(old) => {
                let mut old = old.whole();
                remove_server_fields(&mut old);
                self.apply(&old, true).await.is_ok()
            }
            None => false,
        };
        Err(StepError::Replace { restored, source })
    }

    async fn run_hook(&self) -> Result<Arc<Live>, StepError> {
        let step = self.step;
        let found = self.cluster.get(&step.kind, &step.id).await.map_err(StepError::Cluster)?;
        if let Some(found) = found {
            // Without the policy a hook that is still there is run again by
            // an apply, which does what the API lets it do.
            if step.delete.contains(&DeletePolicy::BeforeHookCreation) {
                self.delete_and_wait(found.uid()).await?;
            }
        }
        self.apply(self.manifest(), true).await.map_err(failed)
    }

    async fn delete_and_wait(&self, uid: &str) -> Result<(), StepError> {
        let (kind, id) = (&self.step.kind, &self.step.id);
        let timeout = self.options.timeout_for(&id.group_kind());
        let deadline = Instant::now() + timeout;
        let deleted = self.cluster.delete(kind, id, uid, Propagation::Background).await;
        if matches!(deleted.map_err(StepError::Cluster)?, Deleted::Gone) {
            return Ok(());
        }
        while Instant::now() < deadline {
            let found = self.cluster.get(kind, id).await.map_err(StepError::Cluster)?;
            if found.is_none_or(|found| found.uid() != uid) {
                return Ok(());
            }
            sleep(GONE_POLL).await;
        }
        let message = "it is still being deleted".to_owned();
        Err(StepError::Timeout { after: timeout, health: HealthStatus::Progressing, message })
    }

    /// Deletes the object that the plan has seen, and no other.
    async fn prune(&self) -> Result<Performed, StepError> {
        let step = self.step;
        let Some(basis) = &step.basis else { return Ok(Performed::Gone) };
        let propagation = self.options.prune.propagation;
        match self.cluster.delete(&step.kind, &step.id, &basis.uid, propagation).await {
            Ok(Deleted::Gone) => Ok(Performed::Gone),
            Ok(Deleted::Pending(live)) => Ok(Performed::Deleting(Arc::new(live))),
            // Another object has taken the name: ours is gone.
            Err(error) if error.is_conflict() => Ok(Performed::Gone),
            Err(error) => Err(StepError::Cluster(error)),
        }
    }

    /// What was just learnt saves asking again.
    async fn remember(&self, done: &Performed) {
        let step = self.step;
        if let (Performed::Applied(live), true) = (done, self.cluster.options().watch) {
            self.cluster.mirror().put(&Scope::of(&step.kind, &step.id).path, &step.id, Arc::clone(live));
        }
        if let (Performed::Applied(live), Some(subject), false) = (done, step.subject(), step.action == Action::Run) {
            self.cluster.verdicts().remember_kept(subject, live, self.options);
        }
        let defines_kinds = step.id.is("apiextensions.k8s.io", "CustomResourceDefinition")
            || step.id.is("apiregistration.k8s.io", "APIService");
        if defines_kinds {
            self.cluster.forget_kinds().await;
            self.cluster.verdicts().forget();
        }
    }
}

fn failed(error: ClusterError) -> StepError {
    match error.conflicts() {
        conflicts if conflicts.is_empty() => StepError::Cluster(error),
        conflicts => StepError::Conflict { conflicts },
    }
}

/// As `kubectl apply --server-side` does when it finds what `kubectl apply`
/// has left: one manager in place of the earlier ones, and no annotation.
fn migration(live: &Live, options: &SyncOptions) -> Value {
    let (object, parts) = (live.whole(), live.read());
    let manager = options.field_manager.as_str();
    let is_merged =
        |entry: &ManagedEntry<'_>| is_earlier(entry, options) || (entry.is_apply() && entry.manager == manager);
    let mut fields = json!({});
    parts.managed.iter().filter(|entry| is_merged(entry)).for_each(|entry| merge(&mut fields, entry.fields_value()));
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let pairs = entries.into_iter().flatten().zip(&parts.managed);
    let mut managed: Vec<Value> = pairs.filter(|(_, e)| !is_merged(e)).map(|(raw, _)| raw.clone()).collect();
    let version = object["apiVersion"].clone();
    managed.push(json!({
        "manager": manager, "operation": "Apply", "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields,
    }));
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.resource_version()}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": managed}),
    ];
    if crate::manifest::annotation(&object, LAST_APPLIED).is_some() {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('~', "~0").replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Value::Array(patch)
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        for (name, below) in from {
            merge(into.entry(name).or_insert_with(|| json!({})), below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_moves_fields_and_removes_the_annotation() {
        let object = json!({"apiVersion": "v1", "metadata": {
            "resourceVersion": "7", "annotations": {LAST_APPLIED: "{}"},
            "managedFields": [
                {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}},
                {"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:b": {}}}},
                {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:c": {}}}}]}});
        let patch = migration(&Live::of_value(&object), &SyncOptions::new("us"));
        assert_eq!(patch[0]["value"], "7");
        let managed = patch[1]["value"].as_array().unwrap();
        let names: Vec<_> = managed.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
        assert_eq!(names, ["other", "us"]);
        assert_eq!(managed[1]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:b": {}}}));
        assert_eq!(patch[2]["path"], "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration");
    }
}
