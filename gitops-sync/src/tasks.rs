//! Turns a plan into the nodes of a schedule.

use std::collections::BTreeMap;

use crate::graph::{self, GraphError, Place, Resource};
use crate::hook::Phase;
use crate::options::SyncOptions;
use crate::order;
use crate::plan::{Action, Plan, Step};
use crate::schedule::{Gate, Node, Schedule};

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// A step of the plan.
    Step(usize),
    /// The inventory is to list what will be there, before it is.
    Widen,
    /// Nothing; others meet there.
    Barrier,
}

/// The nodes of a schedule, and what they stand for.
pub(crate) struct Tasks {
    pub(crate) tasks: Vec<Task>,
    pub(crate) schedule: Schedule,
}

impl Tasks {
    /// Every edge comes from one of four rules: a resource waits for what
    /// it needs; a wave for the health of the one before; a kind for the
    /// attempt at the kinds before it; and deletions for every apply.
    pub(crate) fn of(plan: &Plan, options: &SyncOptions, widens: bool) -> Result<Self, GraphError> {
        let steps = plan.steps.iter().enumerate();
        let (applied, mut placed): (Vec<usize>, Vec<(Resource<'_>, Place)>) =
            steps.filter_map(|(position, step)| Some((position, (resource_of(step)?, place_of(step))))).unzip();
        pull_inventory_namespace(&mut placed, options);
        let dependencies = graph::dependencies(&placed)?;

        let mut build = Build { plan, nodes: Vec::new(), tasks: Vec::new() };
        let nodes: Vec<usize> = applied.iter().map(|step| build.add(Task::Step(*step), Node::default())).collect();
        for (node, needs) in nodes.iter().zip(&dependencies.ready_first) {
            needs.iter().for_each(|need| build.edge(*node, nodes[*need], Gate::Ready));
        }
        build.waves(&nodes, &dependencies.places);
        if widens {
            build.widen(&nodes, &dependencies.places, options);
        }
        let pruned = build.prunes(&nodes, &dependencies.places);
        build.after_prunes(&nodes, &dependencies.places, &pruned);
        build.settle(options);
        let schedule = Schedule::new(build.nodes);
        // The dependencies have no circle, and the places follow them.
        let schedule = schedule.expect("edges only lead from earlier places to later ones");
        Ok(Self { tasks: build.tasks, schedule })
    }
}

fn resource_of(step: &Step) -> Option<Resource<'_>> {
    Some(Resource { id: &step.id, value: step.manifest.as_ref()? })
}

fn place_of(step: &Step) -> Place {
    Place::new(step.phase, step.wave, &step.id.kind)
}

/// The inventory has to be written before anything it lists is; so its
/// namespace comes before everything, too.
fn pull_inventory_namespace(placed: &mut [(Resource<'_>, Place)], options: &SyncOptions) {
    let Some(owner) = &options.owner else { return };
    let Some(first) = placed.iter().map(|(_, place)| *place).filter(|place| place.phase == Phase::Sync).min() else {
        return;
    };
    for (resource, place) in placed {
        if resource.id.is("", "Namespace") && resource.id.name == owner.namespace {
            *place = first.min(*place);
        }
    }
}

struct Build<'a> {
    plan: &'a Plan,
    nodes: Vec<Node>,
    tasks: Vec<Task>,
}

impl Build<'_> {
    fn add(&mut self, task: Task, node: Node) -> usize {
        self.nodes.push(node);
        self.tasks.push(task);
        self.nodes.len() - 1
    }

    fn barrier(&mut self, after: impl IntoIterator<Item = usize>, gate: Gate) -> usize {
        let after = after.into_iter().map(|node| (node, gate)).collect();
        self.add(Task::Barrier, Node { after, is_barrier: true, ..Node::default() })
    }

    fn edge(&mut self, node: usize, before: usize, gate: Gate) {
        self.nodes[node].after.push((before, gate));
    }

    fn step(&self, node: usize) -> Option<&Step> {
        match self.tasks[node] {
            Task::Step(step) => self.plan.steps.get(step),
            _ => None,
        }
    }

    /// Lets each wave wait for the health of the one before.
    fn waves(&mut self, nodes: &[usize], places: &[Place]) {
        let mut waves: BTreeMap<(Phase, i64), BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (node, place) in nodes.iter().zip(places) {
            waves.entry((place.phase, place.wave)).or_default().entry(place.rank).or_default().push(*node);
        }
        let mut before: Vec<usize> = Vec::new();
        for ((phase, _), ranks) in waves {
            if phase == Phase::SyncFail {
                ranks.into_values().flatten().for_each(|node| self.nodes[node].is_on_failure = true);
                continue;
            }
            let members: Vec<usize> = ranks.values().flatten().copied().collect();
            self.ranks(ranks);
            if !before.is_empty() {
                let ready = self.barrier(before, Gate::Ready);
                members.iter().for_each(|node| self.edge(*node, ready, Gate::Ready));
            }
            before = members;
        }
    }

    /// Lets each kind wait until those before it have been tried.
    fn ranks(&mut self, ranks: BTreeMap<usize, Vec<usize>>) {
        let mut before: Option<usize> = None;
        for nodes in ranks.into_values() {
            if let Some(before) = before {
                nodes.iter().for_each(|node| self.edge(*node, before, Gate::Attempted));
            }
            let next = self.barrier(nodes, Gate::Attempted);
            if let Some(before) = before {
                self.edge(next, before, Gate::Attempted);
            }
            before = Some(next);
        }
    }

    fn widen(&mut self, nodes: &[usize], places: &[Place], options: &SyncOptions) {
        let home = options.owner.as_ref().map(|owner| owner.namespace.as_str()).unwrap_or_default();
        let is_home = |build: &Self, node: usize| {
            build.step(node).is_some_and(|step| step.id.is("", "Namespace") && step.id.name == home)
        };
        let needed = self.needed_by(nodes.iter().copied().filter(|node| is_home(self, *node)).collect());
        let widen = self.add(Task::Widen, Node::default());
        for (node, place) in nodes.iter().zip(places) {
            if is_home(self, *node) {
                self.edge(widen, *node, Gate::Done);
            } else if place.phase == Phase::Sync && !needed[*node] {
                self.edge(*node, widen, Gate::Done);
            }
        }
    }

    /// What these nodes wait for: the namespace of the inventory cannot wait
    /// for anything that waits for the inventory.
    fn needed_by(&self, mut open: Vec<usize>) -> Vec<bool> {
        // One more, for the node that is about to be added.
        let mut seen = vec![false; self.nodes.len() + 1];
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(self.nodes[at].after.iter().map(|(before, _)| *before));
            }
        }
        seen
    }

    /// Deletions come after every apply, in the opposite order, and not at
    /// all if one of those has failed.
    fn prunes(&mut self, nodes: &[usize], places: &[Place]) -> Vec<usize> {
        let mut pruned: Vec<usize> =
            (0..self.plan.steps.len()).filter(|step| self.plan.steps[*step].action == Action::Prune).collect();
        if pruned.is_empty() {
            return pruned;
        }
        let key = |step: &Step| (step.wave, order::kind_rank(&step.id.kind));
        pruned.sort_by_key(|step| std::cmp::Reverse(key(&self.plan.steps[*step])));
        let sync = nodes.iter().zip(places).filter(|(_, place)| place.phase <= Phase::Sync);
        let applied = self.barrier(sync.map(|(node, _)| *node).collect::<Vec<_>>(), Gate::Done);
        let mut before: Option<usize> = None;
        let mut all = Vec::new();
        for group in pruned.chunk_by(|a, b| key(&self.plan.steps[*a]) == key(&self.plan.steps[*b])) {
            let mut members = Vec::new();
            for step in group {
                let node = self.add(Task::Step(*step), Node { settles: true, ..Node::default() });
                self.edge(node, applied, Gate::Ready);
                before.into_iter().for_each(|before| self.edge(node, before, Gate::Attempted));
                members.push(node);
            }
            all.extend(&members);
            before = Some(self.barrier(members, Gate::Attempted));
        }
        all
    }

    /// What runs after the sync proper runs after its deletions, too.
    fn after_prunes(&mut self, nodes: &[usize], places: &[Place], pruned: &[usize]) {
        if pruned.is_empty() {
            return;
        }
        let done = self.barrier(pruned.to_vec(), Gate::Attempted);
        for (node, _) in nodes.iter().zip(places).filter(|(_, place)| place.phase == Phase::PostSync) {
            self.edge(*node, done, Gate::Attempted);
        }
    }

    /// Health is waited for where it was asked for, where a later wave
    /// builds on it, and where another resource needs it.
    fn settle(&mut self, options: &SyncOptions) {
        let mut needed = vec![options.wait; self.nodes.len()];
        for node in &self.nodes {
            for (before, gate) in &node.after {
                needed[*before] |= *gate == Gate::Ready;
            }
        }
        for (node, needed) in needed.into_iter().enumerate() {
            let is_hook = self.step(node).is_some_and(|step| step.action == Action::Run);
            let is_step = matches!(self.tasks[node], Task::Step(_));
            self.nodes[node].settles |= is_step && (is_hook || needed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::ResourceType;
    use crate::id::ResourceId;
    use crate::ownership::Owner;

    const KINDS: [&str; 4] = ["Namespace", "ConfigMap", "Deployment", "Ingress"];

    fn step(position: usize, shape: &(usize, i64, u8, Option<usize>)) -> Step {
        let (kind, wave, phase, depends) = shape;
        let kind = KINDS[*kind];
        let mut id = ResourceId::new("", kind, format!("r{position}"));
        if kind != "Namespace" {
            id = id.in_namespace("r0");
        }
        let resource_type = ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: kind.to_lowercase(),
            namespaced: kind != "Namespace",
            watchable: true,
        };
        let action = if *phase == 9 { Action::Prune } else { Action::Create };
        let mut step = Step::bare(id.clone(), resource_type, action);
        step.wave = *wave;
        if action == Action::Prune {
            return step;
        }
        (step.phase, step.action) = match phase {
            0 => (Phase::PreSync, Action::Run),
            1 => (Phase::PostSync, Action::Run),
            2 => (Phase::SyncFail, Action::Run),
            _ => (Phase::Sync, Action::Create),
        };
        let mut manifest =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": id.name, "namespace": id.namespace}});
        if let Some(on) = depends.filter(|on| *on != position) {
            manifest["metadata"]["annotations"]["config.kubernetes.io/depends-on"] =
                Value::from(format!("position {on}"));
        }
        step.manifest = Some(manifest);
        step
    }

    /// Writes the reference to the resource that a dependency means.
    fn link(steps: &mut [Step]) {
        let references: Vec<Option<String>> = steps
            .iter()
            .map(|step| {
                step.manifest.is_some().then(|| match &step.id.namespace {
                    Some(namespace) => format!("/namespaces/{namespace}/{}/{}", step.id.kind, step.id.name),
                    None => format!("/{}/{}", step.id.kind, step.id.name),
                })
            })
            .collect();
        for step in steps {
            let Some(annotation) = step
                .manifest
                .as_mut()
                .and_then(|manifest| manifest.pointer_mut("/metadata/annotations/config.kubernetes.io~1depends-on"))
            else {
                continue;
            };
            let position = annotation.as_str().and_then(|text| text.strip_prefix("position ")?.parse::<usize>().ok());
            *annotation = position.and_then(|position| references.get(position)?.clone()).unwrap_or_default().into();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever waves, phases, kinds and dependencies there are: either
        /// a circle among the dependencies is named, or there is a schedule.
        #[test]
        fn every_plan_has_a_schedule(
            shapes in proptest::collection::vec((0..4usize, -2..3i64, 0..10u8, proptest::option::of(0..8usize)), 1..9),
            widens in any::<bool>(),
        ) {
            let mut steps: Vec<Step> = shapes.iter().enumerate().map(|(position, shape)| step(position, shape)).collect();
            link(&mut steps);
            let plan = Plan { steps, inventory: Default::default(), released: Default::default() };
            let options = SyncOptions::new("us").owner(Owner::inventory("i", "r0"));
            match Tasks::of(&plan, &options, widens) {
                Ok(tasks) => {
                    let count = tasks.tasks.iter().filter(|task| matches!(task, Task::Step(_))).count();
                    prop_assert_eq!(count, plan.steps.len());
                }
                Err(GraphError::Cycle(cycle)) => prop_assert!(cycle.resources.len() > 1),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
