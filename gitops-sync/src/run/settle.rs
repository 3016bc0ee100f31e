//! When something that was done can be relied on.

use serde_json::Value;
use tokio::time::{Duration, Instant};

use super::perform::StepError;
use crate::health::{Health, HealthStatus};
use crate::id::ResourceId;
use crate::live::{Live, Object, Scope};
use crate::options::SyncOptions;
use crate::plan::{Action, Step};
use crate::structured_merge::builtin_type;

/// A resource that was applied and is not healthy yet, or was deleted and is
/// not gone yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: ResourceId,
    pub(super) scope: Scope,
    pub(super) deadline: Instant,
    pub(super) last: Option<Health>,
    /// A request about it is under way.
    pub(super) is_asked: bool,
    timeout: Duration,
    uid: String,
    /// The generation that was applied; an older state says nothing.
    generation: i64,
    /// The version that was applied, and until when its status may be one
    /// that the controller has yet to look at.
    unsettled: Option<(String, Instant)>,
    is_builtin: bool,
    is_hook: bool,
    wants_gone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ready,
    Waiting,
    Failed(String),
}

impl Pending {
    pub(super) fn new(step: &Step, live: Option<&Live>, options: &SyncOptions) -> Self {
        let timeout = options.timeout_for(&step.id.group_kind());
        let basis = step.basis.as_ref().map(|basis| basis.uid.clone()).unwrap_or_default();
        Self {
            id: step.id.clone(),
            scope: Scope::of(&step.kind, &step.id),
            deadline: Instant::now() + timeout,
            last: None,
            is_asked: false,
            timeout,
            uid: live.map_or(basis, |live| live.uid().to_owned()),
            generation: live.map_or(0, |live| generation(&live.read())),
            unsettled: live.map(|live| (live.resource_version().to_owned(), Instant::now() + options.settle)),
            is_builtin: builtin_type(&step.api_version(), &step.id.kind).is_some(),
            is_hook: step.action == Action::Run,
            wants_gone: step.is_former(),
        }
    }

    /// What a state that was seen means, and the health it shows.
    pub(super) fn judge(&self, found: Option<&Live>, options: &SyncOptions) -> (Verdict, Option<Health>) {
        let same = found.filter(|live| live.uid() == self.uid);
        if self.wants_gone {
            let waits = same.map(|_| Health::new(HealthStatus::Progressing, "it is being deleted"));
            let verdict = if same.is_some() { Verdict::Waiting } else { Verdict::Ready };
            return (verdict, waits);
        }
        let Some(live) = same else {
            return (Verdict::Failed("it was deleted while it was waited for".to_owned()), None);
        };
        let live = &live.read();
        if generation(live) < self.generation {
            return (Verdict::Waiting, None);
        }
        let health = options.assess(&live.value);
        if health.is_some() && !self.is_settled(live) {
            let waits = Health::new(HealthStatus::Progressing, "its controller may not have seen it yet");
            return (Verdict::Waiting, Some(waits));
        }
        (judge_health(health.as_ref(), self.is_hook), health)
    }

    /// Whether its status is about what was applied, as far as anybody can
    /// tell: it says so, somebody has changed it since, or enough time has passed.
    fn is_settled(&self, live: &Object<'_>) -> bool {
        let Some((version, until)) = &self.unsettled else { return true };
        self.is_builtin
            || says_generation(&live.value)
            || live.resource_version() != version
            || Instant::now() >= *until
    }

    pub(super) fn timed_out(&self) -> StepError {
        let last = self.last.as_ref();
        StepError::Timeout {
            after: self.timeout,
            health: last.map_or(HealthStatus::Unknown, |health| health.status),
            message: last.map(|health| health.message.clone()).unwrap_or_default(),
        }
    }
}

/// Whether the status, or a condition in it, says which generation it is about.
fn says_generation(live: &Value) -> bool {
    let has = |value: &Value| value.get("observedGeneration").is_some();
    let status = &live["status"];
    has(status) || status["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(has))
}

fn generation(live: &Object<'_>) -> i64 {
    live.value.pointer("/metadata/generation").and_then(serde_json::Value::as_i64).unwrap_or(0)
}

/// As Argo CD sees it: a kind without health is ready, and a hook whose
/// state nobody knows has failed.
///
/// # Deviation
///
/// A resource that is suspended is ready: it waits for a person, and no
/// sync can wait as long. Argo CD lets the wave wait.
pub(super) fn judge_health(health: Option<&Health>, is_hook: bool) -> Verdict {
    let Some(health) = health else { return Verdict::Ready };
    let failed = || Verdict::Failed(format!("it is {}: {}", health.status, health.message));
    match health.status {
        HealthStatus::Healthy => Verdict::Ready,
        HealthStatus::Suspended if !is_hook => Verdict::Ready,
        HealthStatus::Degraded => failed(),
        HealthStatus::Unknown if is_hook => failed(),
        _ => Verdict::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::ResourceType;

    fn step(action: Action) -> Step {
        let kind = ResourceType {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            plural: "deployments".to_owned(),
            namespaced: true,
            watchable: true,
        };
        let mut step = Step::bare(ResourceId::new("apps", "Deployment", "web").in_namespace("a"), kind, action);
        step.manifest = (action != Action::Prune).then(|| json!({}));
        step
    }

    fn live(uid: &str, generation: i64, observed: i64) -> Live {
        Live::of_value(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"uid": uid, "generation": generation},
            "spec": {"replicas": 0}, "status": {"observedGeneration": observed},
        }))
    }

    #[tokio::test]
    async fn an_old_state_says_nothing() {
        let options = SyncOptions::new("us");
        let pending = Pending::new(&step(Action::Update), Some(&live("u", 2, 1)), &options);
        let judge = |found: Option<&Live>| pending.judge(found, &options).0;
        assert_eq!(judge(Some(&live("u", 1, 1))), Verdict::Waiting);
        assert_eq!(judge(Some(&live("u", 2, 1))), Verdict::Waiting);
        assert_eq!(judge(Some(&live("u", 2, 2))), Verdict::Ready);
        assert!(matches!(judge(Some(&live("other", 2, 2))), Verdict::Failed(_)));
        assert!(matches!(judge(None), Verdict::Failed(_)));
    }

    #[tokio::test]
    async fn gone_is_gone_even_if_another_has_the_name() {
        let options = SyncOptions::new("us");
        let pending = Pending::new(&step(Action::Prune), Some(&live("u", 1, 1)), &options);
        let judge = |found: Option<&Live>| pending.judge(found, &options).0;
        assert_eq!(judge(Some(&live("u", 1, 1))), Verdict::Waiting);
        assert_eq!(judge(Some(&live("other", 1, 1))), Verdict::Ready);
        assert_eq!(judge(None), Verdict::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_without_a_generation_has_to_settle() {
        let options = SyncOptions::new("us").health(crate::HealthRules::Kstatus).settle(Duration::from_secs(2));
        let mut step = step(Action::Update);
        (step.kind.group, step.kind.kind) = ("example.com".to_owned(), "Widget".to_owned());
        step.id = ResourceId::new("example.com", "Widget", "w").in_namespace("a");
        let live = |version: &str, condition: Value| {
            Live::of_value(&json!({"apiVersion": "example.com/v1", "kind": "Widget",
                "metadata": {"uid": "u", "generation": 2, "resourceVersion": version}, "status": {"conditions": [condition]}}))
        };
        let ready = json!({"type": "Ready", "status": "True"});
        let pending = Pending::new(&step, Some(&live("7", ready.clone())), &options);
        let judge = |live: &Live| pending.judge(Some(live), &options).0;
        assert_eq!(judge(&live("7", ready.clone())), Verdict::Waiting);
        assert_eq!(judge(&live("8", ready.clone())), Verdict::Ready, "its controller has written something");
        assert_eq!(
            judge(&live("7", json!({"type": "Ready", "status": "True", "observedGeneration": 2}))),
            Verdict::Ready
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(judge(&live("7", ready)), Verdict::Ready, "enough time has passed");
    }

    #[test]
    fn hooks_are_judged_more_strictly() {
        let judge = |status, is_hook| judge_health(Some(&Health::new(status, "")), is_hook);
        assert_eq!(judge(HealthStatus::Suspended, false), Verdict::Ready);
        assert_eq!(judge(HealthStatus::Suspended, true), Verdict::Waiting);
        assert_eq!(judge(HealthStatus::Unknown, false), Verdict::Waiting);
        assert!(matches!(judge(HealthStatus::Unknown, true), Verdict::Failed(_)));
        assert_eq!(judge_health(None, true), Verdict::Ready);
    }
}
