//! The order of a sync as a pure state machine: what happened goes in, what
//! to do next comes out.

/// What has to be true of a node before one that comes after it may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It has been tried, however that went.
    Attempted,
    /// It has been done, whatever became of it afterwards.
    Done,
    /// It has been done, and what waits for it can rely on it.
    Ready,
}

/// One thing to do, or a point where many others meet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) after: Vec<(usize, Gate)>,
    /// It takes time to be ready once it is done.
    pub(crate) settles: bool,
    /// It only brings others together.
    pub(crate) is_barrier: bool,
    /// It is for when something has failed, and comes after everything else.
    pub(crate) is_on_failure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Running,
    /// Done, but not ready yet.
    Settling,
    Ready,
    Failed,
    Skipped,
}

impl State {
    fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Failed | Self::Skipped)
    }

    fn satisfies(self, gate: Gate) -> bool {
        match gate {
            Gate::Attempted => !matches!(self, Self::Waiting | Self::Running),
            Gate::Done => matches!(self, Self::Settling | Self::Ready),
            Gate::Ready => self == Self::Ready,
        }
    }

    /// Whether it never will satisfy the gate.
    fn violates(self, gate: Gate) -> bool {
        gate != Gate::Attempted && matches!(self, Self::Failed | Self::Skipped) && !self.satisfies(gate)
    }
}

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The sync begins.
    Begin,
    /// It has been done.
    Applied(usize),
    /// It is ready.
    Settled(usize),
    /// It could not be done, or will not become ready.
    Failed(usize),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Do it.
    Start(usize),
    /// It will not be done, because of another node if one is named.
    Skip(usize, Option<usize>),
    /// Nothing is left to do.
    Finish { succeeded: bool },
}

/// How far a sync has come.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    nodes: Vec<Node>,
    states: Vec<State>,
    followers: Vec<Vec<(usize, Gate)>>,
    /// How many gates of each node are still shut.
    shut: Vec<usize>,
    /// The first node that failed, for each that is skipped because of it.
    causes: Vec<Option<usize>>,
    left: usize,
    held_back: bool,
    is_finished: bool,
}

impl Schedule {
    /// `None` if nodes wait for one another in a circle.
    pub(crate) fn new(nodes: Vec<Node>) -> Option<Self> {
        let mut followers = vec![Vec::new(); nodes.len()];
        for (position, node) in nodes.iter().enumerate() {
            node.after.iter().for_each(|(before, gate)| followers[*before].push((position, *gate)));
        }
        let schedule = Self {
            states: vec![State::Waiting; nodes.len()],
            shut: nodes.iter().map(|node| node.after.len()).collect(),
            causes: vec![None; nodes.len()],
            left: nodes.iter().filter(|node| !node.is_on_failure).count(),
            held_back: true,
            is_finished: false,
            followers,
            nodes,
        };
        schedule.is_acyclic().then_some(schedule)
    }

    fn is_acyclic(&self) -> bool {
        let mut shut = self.shut.clone();
        let mut open: Vec<usize> = (0..shut.len()).filter(|node| shut[*node] == 0).collect();
        let mut seen = 0;
        while let Some(node) = open.pop() {
            seen += 1;
            for (follower, _) in &self.followers[node] {
                shut[*follower] -= 1;
                if shut[*follower] == 0 {
                    open.push(*follower);
                }
            }
        }
        seen == self.nodes.len()
    }

    pub(crate) fn settles(&self, node: usize) -> bool {
        self.nodes[node].settles
    }

    /// What follows from `event`; one that makes no sense changes nothing.
    #[must_use]
    pub(crate) fn step(mut self, event: Event) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        match event {
            Event::Begin => (0..self.nodes.len()).for_each(|node| self.try_start(node, &mut effects)),
            Event::Applied(node) if self.states[node] == State::Running => {
                let next = if self.nodes[node].settles { State::Settling } else { State::Ready };
                self.enter(node, next, &mut effects);
            }
            Event::Settled(node) if self.states[node] == State::Settling => {
                self.enter(node, State::Ready, &mut effects);
            }
            Event::Failed(node) if matches!(self.states[node], State::Running | State::Settling) => {
                self.enter(node, State::Failed, &mut effects);
            }
            _ => {}
        }
        self.finish(&mut effects);
        (self, effects)
    }

    /// Moves a node on, and everything that follows from it: without
    /// recursion, since a chain can be as long as there are resources.
    fn enter(&mut self, node: usize, state: State, effects: &mut Vec<Effect>) {
        let mut moves = vec![(node, std::mem::replace(&mut self.states[node], state))];
        while let Some((node, old)) = moves.pop() {
            let state = self.states[node];
            if state.is_final() && !self.nodes[node].is_on_failure {
                self.left -= 1;
            }
            for at in 0..self.followers[node].len() {
                let (follower, gate) = self.followers[node][at];
                if state.satisfies(gate) && !old.satisfies(gate) {
                    self.shut[follower] -= 1;
                }
                let violates = state.violates(gate) && !old.satisfies(gate);
                if self.leave(follower, violates.then(|| self.cause_of(node)), effects) {
                    moves.push((follower, State::Waiting));
                }
            }
        }
    }

    /// Moves a node that waits on, if it can be; whether others follow from
    /// that at once.
    fn leave(&mut self, node: usize, violated: Option<usize>, effects: &mut Vec<Effect>) -> bool {
        if self.states[node] != State::Waiting {
            return false;
        }
        let is_barrier = self.nodes[node].is_barrier;
        if violated.is_some() {
            self.causes[node] = violated;
            self.states[node] = State::Skipped;
            if !is_barrier {
                effects.push(Effect::Skip(node, violated));
            }
            return true;
        }
        if self.shut[node] > 0 || (self.nodes[node].is_on_failure && self.held_back) {
            return false;
        }
        self.states[node] = if is_barrier { State::Ready } else { State::Running };
        if !is_barrier {
            effects.push(Effect::Start(node));
        }
        is_barrier
    }

    fn try_start(&mut self, node: usize, effects: &mut Vec<Effect>) {
        if self.leave(node, None, effects) {
            self.states[node] = State::Waiting;
            self.enter(node, State::Ready, effects);
        }
    }

    fn cause_of(&self, node: usize) -> usize {
        self.causes[node].unwrap_or(node)
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        if self.left > 0 || self.is_finished {
            return;
        }
        if self.held_back {
            self.held_back = false;
            self.release(effects);
        }
        if self.states.iter().all(|state| state.is_final()) {
            self.is_finished = true;
            effects.push(Effect::Finish { succeeded: !self.has_failed() });
        }
    }

    /// Everything else has ended: now for what is there for a failure.
    fn release(&mut self, effects: &mut Vec<Effect>) {
        let has_failed = self.has_failed();
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_on_failure || self.states[node] != State::Waiting {
                continue;
            }
            if has_failed {
                self.try_start(node, effects);
            } else {
                effects.push(Effect::Skip(node, None));
                self.states[node] = State::Skipped;
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.states.contains(&State::Failed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(after: &[(usize, Gate)]) -> Node {
        Node { after: after.to_vec(), ..Node::default() }
    }

    fn begin(nodes: Vec<Node>) -> (Schedule, Vec<Effect>) {
        Schedule::new(nodes).unwrap().step(Event::Begin)
    }

    #[test]
    fn a_wave_waits_for_the_health_of_the_one_before() {
        let first = Node { settles: true, ..Node::default() };
        let barrier = Node { is_barrier: true, ..node(&[(0, Gate::Ready)]) };
        let (schedule, effects) = begin(vec![first, barrier, node(&[(1, Gate::Ready)])]);
        assert_eq!(effects, [Effect::Start(0)]);
        let (schedule, effects) = schedule.step(Event::Applied(0));
        assert_eq!(effects, []);
        let (schedule, effects) = schedule.step(Event::Settled(0));
        assert_eq!(effects, [Effect::Start(2)]);
        let (_, effects) = schedule.step(Event::Applied(2));
        assert_eq!(effects, [Effect::Finish { succeeded: true }]);
    }

    #[test]
    fn a_failure_stops_only_what_needs_it() {
        let (schedule, _) = begin(vec![node(&[]), node(&[(0, Gate::Attempted)]), node(&[(0, Gate::Done)])]);
        let (schedule, effects) = schedule.step(Event::Failed(0));
        assert_eq!(effects, [Effect::Start(1), Effect::Skip(2, Some(0))]);
        let (_, effects) = schedule.step(Event::Applied(1));
        assert_eq!(effects, [Effect::Finish { succeeded: false }]);
    }

    #[test]
    fn what_is_for_a_failure_runs_after_one_only() {
        let on_failure = || Node { is_on_failure: true, ..Node::default() };
        let (schedule, effects) = begin(vec![node(&[]), on_failure()]);
        assert_eq!(effects, [Effect::Start(0)]);
        let (_, effects) = schedule.clone().step(Event::Applied(0));
        assert_eq!(effects, [Effect::Skip(1, None), Effect::Finish { succeeded: true }]);
        let (schedule, effects) = schedule.step(Event::Failed(0));
        assert_eq!(effects, [Effect::Start(1)]);
        let (_, effects) = schedule.step(Event::Applied(1));
        assert_eq!(effects, [Effect::Finish { succeeded: false }]);
    }

    #[test]
    fn circles_are_refused() {
        assert!(Schedule::new(vec![node(&[(1, Gate::Done)]), node(&[(0, Gate::Done)])]).is_none());
    }

    fn gate() -> impl Strategy<Value = Gate> {
        prop_oneof![Just(Gate::Attempted), Just(Gate::Done), Just(Gate::Ready)]
    }

    type Raw = (Vec<(prop::sample::Index, Gate)>, bool, u8);

    /// Nodes that come only after earlier ones, so that there is no circle.
    fn nodes() -> impl Strategy<Value = Vec<Node>> {
        let one = (proptest::collection::vec((any::<prop::sample::Index>(), gate()), 0..4), any::<bool>(), 0..5u8);
        proptest::collection::vec(one, 1..12).prop_map(|raw| {
            let build = |(position, (after, settles, kind)): (usize, Raw)| {
                let is_on_failure = kind == 0;
                let mut after: Vec<(usize, Gate)> = match position {
                    0 => Vec::new(),
                    _ => after.into_iter().map(|(index, gate)| (index.index(position), gate)).collect(),
                };
                after.dedup_by_key(|(before, _)| *before);
                Node { after, settles, is_barrier: kind == 1, is_on_failure }
            };
            let mut nodes: Vec<Node> = raw.into_iter().enumerate().map(build).collect();
            // Nothing ordinary waits for what is there for a failure.
            let held: Vec<bool> = nodes.iter().map(|node| node.is_on_failure).collect();
            for node in nodes.iter_mut().filter(|node| !node.is_on_failure) {
                node.after.retain(|(before, _)| !held[*before]);
            }
            nodes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever happens in whatever order: nothing starts before its
        /// gates are open, nothing starts twice, and the sync ends.
        #[test]
        fn every_run_ends_and_respects_every_gate(
            nodes in nodes(),
            choices in proptest::collection::vec((any::<prop::sample::Index>(), 0..4u8), 64),
        ) {
            let (mut schedule, mut effects) = begin(nodes.clone());
            let mut active: Vec<usize> = Vec::new();
            let mut started = vec![0; nodes.len()];
            let mut skipped = vec![0; nodes.len()];
            let mut done: Vec<bool> = nodes.iter().map(|node| node.is_barrier).collect();
            let mut finished = None;
            let mut choices = choices.into_iter().cycle();
            for _ in 0..200 {
                for effect in effects.drain(..) {
                    prop_assert!(finished.is_none(), "nothing comes after the end");
                    match effect {
                        Effect::Start(node) => {
                            started[node] += 1;
                            active.push(node);
                            for (before, gate) in &nodes[node].after {
                                // What was done once stays done, even if it fails later.
                                let was_done = *gate == Gate::Done && done[*before];
                                prop_assert!(was_done || schedule.states[*before].satisfies(*gate));
                            }
                        }
                        Effect::Skip(node, _) => skipped[node] += 1,
                        Effect::Finish { succeeded } => finished = Some(succeeded),
                    }
                }
                if active.is_empty() {
                    break;
                }
                let (index, outcome) = choices.next().unwrap();
                let place = index.index(active.len());
                let node = active[place];
                let event = match (schedule.states[node], outcome) {
                    (_, 0) => Event::Failed(node),
                    (State::Running, _) => Event::Applied(node),
                    _ => Event::Settled(node),
                };
                if matches!(event, Event::Failed(_) | Event::Settled(_)) || !nodes[node].settles {
                    active.swap_remove(place);
                }
                done[node] |= matches!(event, Event::Applied(_));
                (schedule, effects) = schedule.step(event);
            }
            let has_failed = schedule.has_failed();
            prop_assert_eq!(finished, Some(!has_failed));
            for (node, shape) in nodes.iter().enumerate() {
                prop_assert!(schedule.states[node].is_final());
                prop_assert_eq!(started[node] + skipped[node], usize::from(!shape.is_barrier));
                prop_assert!(!shape.is_on_failure || started[node] == 0 || has_failed);
            }
        }
    }
}
