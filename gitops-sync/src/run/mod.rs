//! Carries out a plan: the state machine says what, the cluster answers.

mod perform;
mod settle;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

pub use self::perform::StepError;
use self::perform::{Performed, perform};
use self::settle::{Pending, Verdict};
use crate::cluster::Cluster;
use crate::event::Event;
use crate::hook::DeletePolicy;
use crate::inventory::{self, Inventory};
use crate::live::{Live, Mirror, Scope};
use crate::options::SyncOptions;
use crate::plan::{Action, Plan, Step};
use crate::report::{Outcome, ResourceReport};
use crate::schedule::{self, Effect, Schedule};
use crate::tasks::{Task, Tasks};

/// How often to ask about what no watch tells about.
const POLL: Duration = Duration::from_secs(1);
/// For each request that may go at a time, so many steps are begun: some of them only wait.
const STEPS_PER_REQUEST: usize = 4;
/// Changes often come in swarms; looking once for all of them is enough.
const SWARM: Duration = Duration::from_millis(20);

/// What became of each step, and the inventory as far as it was written.
pub(crate) struct Ran {
    pub(crate) resources: Vec<ResourceReport>,
    /// For each step that left an object behind, its UID.
    pub(crate) uids: Vec<Option<String>>,
    /// For each step, whether its object is known to be gone.
    pub(crate) gone: Vec<bool>,
}

/// Does what the plan says; each step has an outcome of its own.
pub(crate) async fn run(
    cluster: &Cluster,
    plan: &Plan,
    tasks: Tasks,
    wider: Option<&Inventory>,
    options: &SyncOptions,
) -> Ran {
    let mirror = if cluster.options().watch { cluster.mirror().clone() } else { Mirror::default() };
    let count = plan.steps.len();
    let mut run = Run {
        cluster,
        plan,
        options,
        wider,
        mirror,
        tasks: tasks.tasks,
        flying: FuturesUnordered::new(),
        queue: VecDeque::new(),
        performing: 0,
        pending: BTreeMap::new(),
        outcomes: vec![None; count],
        lives: vec![None; count],
        gone: vec![false; count],
        inventory_error: String::new(),
        is_finished: false,
        is_stopped: false,
    };
    let mut stopped = std::pin::pin!(options.stopped());
    let mut schedule = run.step(tasks.schedule, schedule::Event::Begin);
    let mut changes = run.mirror.changes();
    let mut next_poll = Instant::now() + POLL;
    while !run.is_finished || !run.flying.is_empty() {
        let waits = !run.pending.is_empty();
        let events = tokio::select! {
            Some(landed) = run.flying.next() => run.land(landed),
            Ok(()) = changes.changed(), if waits => {
                sleep(SWARM).await;
                changes.mark_unchanged();
                run.look()
            }
            () = &mut stopped, if !run.is_stopped => run.stop(),
            () = sleep_until(next_poll), if waits => {
                next_poll = Instant::now() + POLL;
                run.poll()
            }
            // Nothing flies and nothing is waited for: there is no more to come.
            else => break,
        };
        for event in events {
            schedule = run.step(schedule, event);
        }
    }
    run.finish()
}

/// What comes back from the cluster.
enum Landed {
    Performed { node: usize, result: Result<Performed, StepError> },
    Widened { node: usize, result: Result<(), StepError> },
    Polled { node: usize, result: Result<Option<Arc<Live>>, crate::ClusterError> },
    Cleaned,
}

struct Run<'a> {
    cluster: &'a Cluster,
    plan: &'a Plan,
    options: &'a SyncOptions,
    wider: Option<&'a Inventory>,
    mirror: Mirror,
    tasks: Vec<Task>,
    flying: FuturesUnordered<BoxFuture<'a, Landed>>,
    /// What may be begun as soon as others are done, by node.
    queue: VecDeque<usize>,
    /// How many steps are under way.
    performing: usize,
    /// What is done but not ready, by node.
    pending: BTreeMap<usize, Pending>,
    outcomes: Vec<Option<Outcome>>,
    lives: Vec<Option<Arc<Live>>>,
    gone: Vec<bool>,
    /// Why the inventory could not be written, if it could not.
    inventory_error: String,
    is_finished: bool,
    /// Nothing new is begun any more.
    is_stopped: bool,
}

impl<'a> Run<'a> {
    fn step(&mut self, mut schedule: Schedule, event: schedule::Event) -> Schedule {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let (next, effects) = schedule.step(event);
            schedule = next;
            for effect in effects {
                events.extend(self.carry_out(effect, &schedule));
            }
        }
        schedule
    }

    fn of_node(&self, node: usize) -> Option<(usize, &'a Step)> {
        match self.tasks[node] {
            Task::Step(position) => self.plan.steps.get(position).map(|step| (position, step)),
            _ => None,
        }
    }

    /// Begins what is to be done; what is over at once is an event.
    fn carry_out(&mut self, effect: Effect, schedule: &Schedule) -> Vec<schedule::Event> {
        match effect {
            Effect::Start(node) => return self.start(node, schedule),
            Effect::Skip(node, cause) => self.skip(node, cause),
            Effect::Finish { .. } => self.is_finished = true,
        }
        Vec::new()
    }

    fn start(&mut self, node: usize, schedule: &Schedule) -> Vec<schedule::Event> {
        let Some((position, step)) = self.of_node(node) else {
            self.widen(node);
            return Vec::new();
        };
        match (step.action, &step.block) {
            (Action::Keep, _) => self.keep(node, position, step, schedule.settles(node)),
            (Action::Blocked, Some(block)) => vec![self.fail(node, &StepError::Blocked(block.clone()))],
            _ if self.is_stopped => vec![self.fail(node, &StepError::Stopped)],
            _ => {
                self.queue.push_back(node);
                self.fly();
                Vec::new()
            }
        }
    }

    /// Begins as much of what is queued as may go at a time.
    fn fly(&mut self) {
        while self.performing < self.cluster.options().concurrency * STEPS_PER_REQUEST {
            let Some((node, (_, step))) = self.queue.pop_front().and_then(|node| Some((node, self.of_node(node)?)))
            else {
                return;
            };
            self.performing += 1;
            let (id, action, phase) = (step.id.clone(), step.action, step.phase);
            self.options.tell(|| Event::Started { id, action, phase });
            let (cluster, options) = (self.cluster, self.options);
            let work = async move { Landed::Performed { node, result: perform(cluster, step, options).await } };
            let span = tracing::debug_span!("step", resource = %step.id, action = %step.action);
            self.flying.push(Box::pin(work.instrument(span)));
        }
    }

    /// What is as it should be may still be on its way to health.
    fn keep(&mut self, node: usize, position: usize, step: &'a Step, settles: bool) -> Vec<schedule::Event> {
        self.outcomes[position] = Some(Outcome::Kept);
        let mut events = vec![schedule::Event::Applied(node)];
        if settles {
            match settle::judge_health(step.health.as_ref(), false) {
                Verdict::Ready => events.push(schedule::Event::Settled(node)),
                Verdict::Waiting => drop(self.pending.insert(node, Pending::new(step, None, self.options))),
                Verdict::Failed(message) => events.push(self.fail(node, &StepError::Unhealthy { message })),
            }
        }
        events
    }

    /// Begins nothing more and waits for nothing more; what is under way is
    /// brought to its end.
    fn stop(&mut self) -> Vec<schedule::Event> {
        self.is_stopped = true;
        let waiting: Vec<usize> = std::mem::take(&mut self.pending).into_keys().chain(self.queue.drain(..)).collect();
        waiting.into_iter().map(|node| self.fail(node, &StepError::Stopped)).collect()
    }

    fn widen(&mut self, node: usize) {
        let (cluster, options, wider) = (self.cluster, self.options, self.wider);
        self.flying.push(Box::pin(async move {
            let saved = match (wider, &options.owner) {
                (Some(wider), Some(owner)) => inventory::save(cluster, owner, wider, &options.field_manager).await,
                _ => Ok(()),
            };
            Landed::Widened { node, result: saved.map_err(StepError::Inventory) }
        }));
    }

    fn skip(&mut self, node: usize, cause: Option<usize>) {
        let Some((position, step)) = self.of_node(node) else { return };
        let reason = match cause.map(|cause| self.of_node(cause)) {
            Some(Some((_, other))) => format!("{} did not succeed", other.id),
            // Nothing may be applied that the inventory does not list.
            Some(None) => return self.fail_for_inventory(position, step),
            None => "nothing has failed".to_owned(),
        };
        self.options.tell(|| Event::Skipped { id: step.id.clone(), reason: reason.clone() });
        self.outcomes[position] = Some(Outcome::Skipped { reason });
    }

    fn fail_for_inventory(&mut self, position: usize, step: &Step) {
        let message = self.inventory_error.clone();
        self.options.tell(|| Event::Failed { id: step.id.clone(), message: message.clone() });
        self.outcomes[position] = Some(Outcome::Failed { message });
    }

    fn fail(&mut self, node: usize, error: &StepError) -> schedule::Event {
        if let Some((position, step)) = self.of_node(node) {
            let message = chain(error);
            self.options.tell(|| Event::Failed { id: step.id.clone(), message: message.clone() });
            let was_done =
                matches!(error, StepError::Unhealthy { .. } | StepError::Timeout { .. } | StepError::Stopped)
                    && matches!(self.outcomes[position], Some(Outcome::Done | Outcome::Kept));
            let outcome = if was_done { Outcome::Unhealthy { message } } else { Outcome::Failed { message } };
            self.outcomes[position] = Some(outcome);
        }
        schedule::Event::Failed(node)
    }

    fn land(&mut self, landed: Landed) -> Vec<schedule::Event> {
        match landed {
            Landed::Performed { node, result } => {
                self.performing -= 1;
                self.fly();
                match result {
                    Ok(done) => self.performed(node, done),
                    Err(error) => vec![self.fail(node, &error)],
                }
            }
            Landed::Widened { node, result: Ok(()) } => vec![schedule::Event::Applied(node)],
            Landed::Widened { node, result: Err(error) } => {
                self.inventory_error = chain(&error);
                if let Some(owner) = &self.options.owner {
                    self.options.tell(|| Event::Failed { id: owner.inventory_id(), message: chain(&error) });
                }
                vec![schedule::Event::Failed(node)]
            }
            Landed::Polled { node, result: Ok(found) } => {
                self.pending.remove(&node).map(|pending| self.judge(node, pending, found)).unwrap_or_default()
            }
            // The next poll may do better, until time is up.
            Landed::Polled { node, result: Err(_) } => {
                if let Some(pending) = self.pending.get_mut(&node) {
                    pending.is_asked = false;
                }
                Vec::new()
            }
            Landed::Cleaned => Vec::new(),
        }
    }

    fn performed(&mut self, node: usize, done: Performed) -> Vec<schedule::Event> {
        let Some((position, step)) = self.of_node(node) else { return Vec::new() };
        self.options.tell(|| Event::Applied { id: step.id.clone(), action: step.action });
        self.outcomes[position] = Some(Outcome::Done);
        let mut events = vec![schedule::Event::Applied(node)];
        match done {
            Performed::Applied(live) => {
                self.lives[position] = Some(Arc::clone(&live));
                let pending = Pending::new(step, Some(&live), self.options);
                events.extend(self.judge(node, pending, Some(live)));
            }
            Performed::Deleting(live) => {
                let pending = Pending::new(step, Some(&live), self.options);
                events.extend(self.judge(node, pending, Some(live)));
            }
            Performed::Gone => events.extend(self.settled(node)),
        }
        events
    }

    /// Looks at what is pending where a watch tells.
    fn look(&mut self) -> Vec<schedule::Event> {
        let mut events = Vec::new();
        for (node, pending) in std::mem::take(&mut self.pending) {
            match self.mirror.look(&pending.scope.path, &pending.id) {
                Some(found) => events.extend(self.judge(node, pending, found)),
                None => drop(self.pending.insert(node, pending)),
            }
        }
        events
    }

    /// Asks about what no watch tells, and ends what takes too long.
    fn poll(&mut self) -> Vec<schedule::Event> {
        let mut events = self.look();
        let now = Instant::now();
        let late: Vec<usize> = self.pending.iter().filter(|(_, p)| p.deadline <= now).map(|(node, _)| *node).collect();
        for node in late {
            let Some(pending) = self.pending.remove(&node) else { continue };
            events.push(self.fail(node, &pending.timed_out()));
        }
        for (node, pending) in &mut self.pending {
            if !pending.is_asked && self.mirror.look(&pending.scope.path, &pending.id).is_none() {
                pending.is_asked = true;
                let (node, cluster) = (*node, self.cluster);
                let (kind, id) = (pending.scope.kind.clone(), pending.id.clone());
                self.flying.push(Box::pin(async move {
                    let found = cluster.get(&kind, &id).await;
                    Landed::Polled { node, result: found.map(|found| found.map(Arc::new)) }
                }));
            }
        }
        events
    }

    /// What the newest state of a pending resource means.
    fn judge(&mut self, node: usize, mut pending: Pending, found: Option<Arc<Live>>) -> Vec<schedule::Event> {
        pending.is_asked = false;
        let Some((position, step)) = self.of_node(node) else { return Vec::new() };
        let (verdict, health) = pending.judge(found.as_deref(), self.options);
        if let (Some(live), false) = (&found, step.is_former()) {
            self.lives[position] = Some(Arc::clone(live));
        }
        match verdict {
            Verdict::Ready => self.settled(node),
            Verdict::Failed(message) => {
                self.clean_up(step, DeletePolicy::HookFailed, position);
                vec![self.fail(node, &StepError::Unhealthy { message })]
            }
            Verdict::Waiting if self.is_stopped => vec![self.fail(node, &StepError::Stopped)],
            Verdict::Waiting => {
                if health.is_some() && health != pending.last {
                    pending.last = health;
                    let health = pending.last.clone().unwrap_or_else(crate::Health::missing);
                    self.options.tell(|| Event::Waiting { id: step.id.clone(), health });
                }
                if let Some(live) = found {
                    self.mirror.follow_from(self.cluster.client(), pending.scope.clone(), &pending.id, live);
                }
                self.pending.insert(node, pending);
                Vec::new()
            }
        }
    }

    fn settled(&mut self, node: usize) -> Vec<schedule::Event> {
        if let Some((position, step)) = self.of_node(node) {
            if step.is_former() {
                self.gone[position] = true;
                self.mirror.remove(&Scope::of(&step.kind, &step.id).path, &step.id);
            }
            self.options.tell(|| Event::Ready { id: step.id.clone() });
            self.clean_up(step, DeletePolicy::HookSucceeded, position);
        }
        vec![schedule::Event::Settled(node)]
    }

    fn clean_up(&mut self, step: &'a Step, policy: DeletePolicy, position: usize) {
        let Some(live) = self.lives[position].clone().filter(|_| step.delete.contains(&policy)) else { return };
        let cluster = self.cluster;
        self.flying.push(Box::pin(async move {
            // The hook has done its work; a leftover is deleted before its next run.
            let _ = cluster.delete(&step.kind, &step.id, live.uid(), crate::cluster::Propagation::Background).await;
            Landed::Cleaned
        }));
    }

    fn finish(self) -> Ran {
        let rows = self.plan.steps.iter().zip(self.outcomes).zip(&self.lives);
        let resources = rows.map(|((step, outcome), live)| {
            let outcome = outcome.unwrap_or_else(|| Outcome::Skipped { reason: step.reason() });
            let live = live.as_ref().map(|live| live.read().value);
            let live = live.as_ref().map(|live| (live, self.options.assess(live)));
            ResourceReport::new(step, outcome, live)
        });
        let resources = resources.collect();
        let uids = self.lives.iter().map(|live| live.as_ref().map(|live| live.uid().to_owned())).collect();
        Ran { resources, uids, gone: self.gone }
    }
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text
}
