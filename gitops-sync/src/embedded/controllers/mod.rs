//! Controllers: what makes a cluster more than a store of objects.
//!
//! None of them runs a container. They write the status that a healthy cluster would write, in
//! steps, so that clients see progress; tests tell them where to stall or to fail.

mod batch;
mod garbage;
mod namespace;
mod network;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::delete::DeleteOptions;
use super::resource::Resource;
use super::server::Server;
use super::state::State;
use super::store::Collection;
use super::write::Write;

/// The field manager of what controllers write.
const MANAGER: &str = "kube-controller-manager";

/// What becomes of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Behaviour {
    /// It becomes healthy, step by step.
    #[default]
    Succeed,
    /// It starts and never gets on.
    Stall,
    /// It fails: a Deployment exceeds its deadline, a Job its retries, a Pod ends with an error.
    Fail,
}

/// How controllers work.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ControllerOptions {
    /// The time between two steps of progress. Default: 20 ms.
    pub step: Duration,
    /// What becomes of workloads that have no script of their own. Default: they succeed.
    pub behaviour: Behaviour,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self { step: Duration::from_millis(20), behaviour: Behaviour::Succeed }
    }
}

impl ControllerOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes that long for each step.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.step = step;
        self
    }

    /// What becomes of workloads that have no script of their own.
    #[must_use]
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }
}

/// Running controllers; dropping it stops them.
#[derive(Debug)]
#[must_use = "dropping it stops the controllers"]
pub struct Controllers {
    task: JoinHandle<()>,
    script: Arc<Script>,
    server: Arc<Server>,
}

impl Controllers {
    pub(crate) fn start(server: Arc<Server>, options: &ControllerOptions) -> Self {
        let script = Arc::new(Script { default: options.behaviour, of: Mutex::default(), edition: AtomicU64::new(0) });
        let task = tokio::spawn(run(server.clone(), script.clone(), options.step));
        Self { task, script, server }
    }

    /// Scripts one workload, by kind and name in any namespace. It may be changed at any time.
    pub fn script(&self, kind: &str, name: &str, behaviour: Behaviour) {
        self.script.set(kind, name, behaviour);
        self.server.state().store.wake();
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What becomes of which workload.
#[derive(Debug)]
struct Script {
    default: Behaviour,
    of: Mutex<BTreeMap<(String, String), Behaviour>>,
    /// Counts its changes.
    edition: AtomicU64,
}

impl Script {
    fn set(&self, kind: &str, name: &str, behaviour: Behaviour) {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((kind.to_owned(), name.to_owned()), behaviour);
        self.edition.fetch_add(1, Ordering::Relaxed);
    }

    fn edition(&self) -> u64 {
        self.edition.load(Ordering::Relaxed)
    }

    fn of(&self, object: &Value) -> Behaviour {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(text(&object["kind"]), text(&object["metadata"]["name"]))).copied().unwrap_or(self.default)
    }
}

/// Takes a step after every change, until a step changes nothing.
async fn run(server: Arc<Server>, script: Arc<Script>, step: Duration) {
    let mut changed = server.state().store.subscribe();
    let mut seen = Seen::default();
    loop {
        changed.mark_unchanged();
        let progress = {
            let mut state = server.state();
            let work = seen.take(&state, &script);
            let before = state.store.version();
            reconcile(&mut state, &script, &work);
            state.store.version() != before
        };
        if progress {
            tokio::time::sleep(step).await;
        } else if changed.changed().await.is_err() {
            return;
        }
    }
}

/// Up to where changes were looked at.
#[derive(Debug, Default)]
struct Seen {
    version: u64,
    script: u64,
}

/// What there is to look at.
#[derive(Debug)]
enum Work {
    Everything,
    /// These objects; and whether owners or namespaces may have gone.
    Some {
        changed: BTreeSet<(Collection, String)>,
        removals: bool,
    },
}

impl Seen {
    /// What changed since the last time; everything, when that is not known.
    fn take(&mut self, state: &State, script: &Script) -> Work {
        let edition = script.edition();
        let known = self.version >= state.store.compacted() && self.script == edition;
        let since = std::mem::replace(&mut self.version, state.store.version());
        self.script = edition;
        if !known || since == 0 {
            return Work::Everything;
        }
        let mut removals = false;
        let mut changed = BTreeSet::new();
        for change in state.store.all_since(since) {
            let metadata = &change.after["metadata"];
            removals |=
                change.deleted || !metadata["deletionTimestamp"].is_null() || metadata["ownerReferences"].is_array();
            changed.insert((change.collection.clone(), change.key.clone()));
        }
        Work::Some { changed, removals }
    }
}

impl Work {
    fn includes(&self, collection: &Collection, key: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Some { changed, .. } => changed.contains(&(collection.clone(), key.to_owned())),
        }
    }
}

/// The next status of an object, where a controller has something to say.
type Controller = fn(&Value, Behaviour, &str) -> Option<Value>;

fn controller(group: &str, kind: &str) -> Option<Controller> {
    Some(match (group, kind) {
        ("apps", "Deployment") => workload::deployment,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set,
        ("", "Pod") => workload::pod,
        ("batch", "Job") => batch::job,
        ("", "Service") => network::service,
        ("networking.k8s.io", "Ingress") => network::ingress,
        ("", "PersistentVolumeClaim") => network::volume_claim,
        ("autoscaling", "HorizontalPodAutoscaler") => network::autoscaler,
        ("policy", "PodDisruptionBudget") => network::disruption_budget,
        ("apiregistration.k8s.io", "APIService") => network::api_service,
        _ => return None,
    })
}

fn reconcile(state: &mut State, script: &Script, work: &Work) {
    let resources: Vec<Arc<Resource>> = state.resources().cloned().collect();
    for resource in &resources {
        // Another version of something that was seen before.
        if state.storage_version(resource) != resource.api_version() {
            continue;
        }
        if let Some(controller) = controller(&resource.group, &resource.kind) {
            progress(state, resource, controller, script, work);
        }
    }
    batch::expire(state);
    if !matches!(work, Work::Some { removals: false, .. }) {
        garbage::collect(state);
        namespace::empty(state);
    }
}

/// Lets a controller take one step with each object that changed.
fn progress(state: &mut State, resource: &Arc<Resource>, controller: Controller, script: &Script, work: &Work) {
    let collection = State::collection_of(resource);
    let objects: Vec<_> = state
        .store
        .collection(&collection)
        .filter(|(key, object)| work.includes(&collection, key) && object["metadata"]["deletionTimestamp"].is_null())
        .map(|(_, object)| object.clone())
        .collect();
    for object in objects {
        let now = super::state::now();
        if let Some(status) = controller(&object, script.of(&object), &now) {
            write_status(state, resource, &object, status);
        }
    }
}

fn objects(state: &State, collection: &Collection) -> Vec<Arc<Value>> {
    state.store.collection(collection).map(|(_, object)| object.clone()).collect()
}

/// A write to an object that was just found.
fn write<'a>(state: &'a mut State, resource: &Arc<Resource>, object: &Value) -> Write<'a> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
    Write::new(state, resource.clone(), &text("namespace"), &text("name"), MANAGER)
}

fn write_status(state: &mut State, resource: &Arc<Resource>, object: &Arc<Value>, status: Value) {
    let mut new = (**object).clone();
    new["status"] = status;
    let mut write = write(state, resource, object);
    write.subresource = "status".to_owned();
    // The state is locked, so nobody can have changed the object in between.
    let _ = write.change(object, &new);
}

fn delete(state: &mut State, resource: &Arc<Resource>, object: &Value) {
    // As above; an object that something holds stays marked.
    let _ = write(state, resource, object).delete(&DeleteOptions::default());
}

/// Conditions with this one set; its time changes only with its status.
fn with_condition(conditions: &Value, condition: Value) -> Value {
    let mut conditions = conditions.as_array().cloned().unwrap_or_default();
    match conditions.iter_mut().find(|found| found["type"] == condition["type"]) {
        Some(found) if found["status"] == condition["status"] && found["reason"] == condition["reason"] => {}
        Some(found) => *found = condition,
        None => conditions.push(condition),
    }
    Value::Array(conditions)
}
