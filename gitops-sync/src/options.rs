use std::time::Duration;

use futures::FutureExt;
use futures::channel::mpsc::UnboundedSender;
use futures::future::{BoxFuture, Shared};
use serde_json::Value;

use crate::application::{Application, NamespaceMetadata};
use crate::cluster::Propagation;
use crate::event::Event;
use crate::health::{Health, HealthCheck, HealthRules};
use crate::id::GroupKind;
use crate::ignore::IgnoreRule;
use crate::ownership::Owner;
use crate::policy::{ConflictPolicy, PrunePolicy};

/// How to plan and to sync.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncOptions {
    /// The name under which the API server records our fields.
    pub field_manager: String,
    /// The namespace of resources that do not say one.
    pub namespace: Option<String>,
    /// Create that namespace if nobody else does.
    pub create_namespace: bool,
    /// Labels and annotations that it gets, and keeps; without them it is
    /// left as it is once it exists.
    pub namespace_metadata: Option<NamespaceMetadata>,
    /// Whose resources these are; without it nothing is recorded and
    /// nothing pruned.
    pub owner: Option<Owner>,
    /// Take over resources that are marked as somebody else's.
    pub adopt_foreign: bool,
    /// What to do about fields of other managers.
    pub conflicts: ConflictPolicy,
    /// Kinds that may be deleted and created anew when a field cannot be changed.
    pub recreate: Vec<GroupKind>,
    /// What may be pruned.
    pub prune: PrunePolicy,
    /// Differences that do not count.
    pub ignore: Vec<IgnoreRule>,
    /// Let the server check resources that do not exist yet as well, at the
    /// price of one more request for each.
    pub check_creates: bool,
    /// Field managers whose fields become ours: what earlier tools applied
    /// from the same manifests.
    pub migrate_from: Vec<String>,
    /// What is healthy.
    pub health: HealthRules,
    /// What is healthy for single kinds, in place of the rules.
    pub health_checks: Vec<HealthCheck>,
    /// Wait until everything is healthy; on by default.
    pub wait: bool,
    /// How long one resource may take to become healthy, or to be gone.
    pub timeout: Duration,
    /// Longer or shorter timeouts for some kinds.
    pub kind_timeouts: Vec<(GroupKind, Duration)>,
    /// How long to distrust the status of a custom resource that was just
    /// applied, unless it says which generation it is about or changes
    /// meanwhile; 2 s by default.
    pub settle: Duration,
    /// The revision that the manifests come from, for the report.
    pub revision: Option<String>,
    /// Write Kubernetes Events about what a sync did; off by default.
    pub record_events: bool,
    /// Where to send what happens, as it happens.
    pub events: Option<UnboundedSender<Event>>,
    stop: Option<Shared<BoxFuture<'static, ()>>>,
}

impl SyncOptions {
    /// The defaults, for a field manager.
    pub fn new(field_manager: impl Into<String>) -> Self {
        Self {
            field_manager: field_manager.into(),
            namespace: None,
            create_namespace: false,
            namespace_metadata: None,
            owner: None,
            adopt_foreign: false,
            conflicts: ConflictPolicy::default(),
            recreate: Vec::new(),
            prune: PrunePolicy::default(),
            ignore: Vec::new(),
            check_creates: false,
            migrate_from: ["kubectl-client-side-apply", "before-first-apply"].map(str::to_owned).to_vec(),
            health: HealthRules::default(),
            health_checks: Vec::new(),
            wait: true,
            timeout: Duration::from_secs(300),
            kind_timeouts: Vec::new(),
            settle: Duration::from_secs(2),
            revision: None,
            record_events: false,
            events: None,
            stop: None,
        }
    }

    /// What an Argo CD application asks for.
    ///
    /// As Argo CD does, this takes over fields of other managers, and marks
    /// resources with a tracking id. The inventory is kept in the namespace
    /// of the destination.
    ///
    /// # Deviation
    ///
    /// - `ignoreDifferences` holds for the sync as well, as with Argo CD's
    ///   option `RespectIgnoreDifferences=true`.
    /// - A resource that is marked as another application's is left alone, as
    ///   with the option `FailOnSharedResource=true`.
    /// - What is no longer wanted is deleted after everything else, as with
    ///   the option `PruneLast=true`; namespaces, volumes and definitions only
    ///   when [confirmed](PrunePolicy::confirmed).
    pub fn for_application(application: &Application) -> Self {
        let spec = &application.spec;
        let policy = &spec.sync_policy;
        let name = &application.metadata.name;
        let mut options = Self::new("gitops-sync").conflicts(ConflictPolicy::TakeOver);
        let namespace = Some(spec.destination.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        if let Some(namespace) = namespace {
            options = options.namespace(namespace);
        }
        let owner = Owner::tracking_id(application.instance_name("argocd"), namespace.unwrap_or("default"));
        options = options.owner(owner.inventory_name(format!("{name}.inventory")));
        options.create_namespace = policy.has_option("CreateNamespace");
        options.namespace_metadata.clone_from(&policy.managed_namespace_metadata);
        options.prune.enabled = policy.prunes();
        options.prune.allow_empty = policy.allows_empty();
        options.prune.propagation = match policy.option("PrunePropagationPolicy") {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            // Argo CD's default.
            _ => Propagation::Foreground,
        };
        options.ignore = spec.ignore_differences.iter().map(IgnoreRule::from).collect();
        options
    }

    /// Sets the namespace of resources that do not say one.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Creates the default namespace if nobody else does.
    #[must_use]
    pub fn create_namespace(mut self) -> Self {
        self.create_namespace = true;
        self
    }

    /// Keeps these labels and annotations on a namespace that it creates.
    #[must_use]
    pub fn namespace_metadata(mut self, metadata: NamespaceMetadata) -> Self {
        self.namespace_metadata = Some(metadata);
        self
    }

    /// Says whose resources these are.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Takes over resources that are marked as somebody else's.
    #[must_use]
    pub fn adopt_foreign(mut self) -> Self {
        self.adopt_foreign = true;
        self
    }

    /// Says what to do about fields of other managers.
    #[must_use]
    pub fn conflicts(mut self, policy: ConflictPolicy) -> Self {
        self.conflicts = policy;
        self
    }

    /// Lets resources of these kinds be deleted and created anew when a
    /// field cannot be changed.
    #[must_use]
    pub fn recreate(mut self, kinds: impl IntoIterator<Item = GroupKind>) -> Self {
        self.recreate.extend(kinds);
        self
    }

    /// Says what may be pruned.
    #[must_use]
    pub fn prune(mut self, policy: PrunePolicy) -> Self {
        self.prune = policy;
        self
    }

    /// Adds differences that do not count.
    #[must_use]
    pub fn ignore(mut self, rules: impl IntoIterator<Item = IgnoreRule>) -> Self {
        self.ignore.extend(rules);
        self
    }

    /// Lets the server check resources that do not exist yet as well.
    #[must_use]
    pub fn check_creates(mut self) -> Self {
        self.check_creates = true;
        self
    }

    /// Replaces the managers whose fields become ours.
    #[must_use]
    pub fn migrate_from(mut self, managers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.migrate_from = managers.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the rules for health.
    #[must_use]
    pub fn health(mut self, rules: HealthRules) -> Self {
        self.health = rules;
        self
    }

    /// Tells the health of one kind in another way than by the rules.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.health_checks.push(check);
        self
    }

    /// Sets how long to distrust a status that may be an old one.
    #[must_use]
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Does not wait for health, but where something else depends on it.
    #[must_use]
    pub fn no_wait(mut self) -> Self {
        self.wait = false;
        self
    }

    /// Sets how long one resource may take to become healthy.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long resources of one kind may take.
    #[must_use]
    pub fn kind_timeout(mut self, kind: GroupKind, timeout: Duration) -> Self {
        self.kind_timeouts.push((kind, timeout));
        self
    }

    /// Says which revision the manifests come from.
    #[must_use]
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = Some(revision.into());
        self
    }

    /// Writes Kubernetes Events: one about the whole, regarding the resource
    /// that holds the inventory, and one for each resource that failed (20 at most).
    ///
    /// A sync that changes nothing writes none. That one cannot be written
    /// is logged, and no failure.
    #[must_use]
    pub fn record_events(mut self) -> Self {
        self.record_events = true;
        self
    }

    /// Stops the sync at the next safe point once `signal` is done: nothing
    /// more is begun, requests under way are brought to their end, the
    /// inventory is written, and the report says what is left.
    ///
    /// ```
    /// # use gitops_sync::SyncOptions;
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let options = SyncOptions::new("my-tool").stop_when(async { drop(stopped.await) });
    /// # let _ = (stop, options);
    /// ```
    #[must_use]
    pub fn stop_when(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(signal.boxed().shared());
        self
    }

    /// Sends what happens to `events`.
    #[must_use]
    pub fn events(mut self, events: UnboundedSender<Event>) -> Self {
        self.events = Some(events);
        self
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.events.is_none() && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let event = event();
        tracing::debug!(?event);
        if let Some(events) = &self.events {
            // Nobody has to listen to the end.
            let _ = events.unbounded_send(event);
        }
    }

    /// Done when the sync is to stop.
    pub(crate) async fn stopped(&self) {
        match self.stop.clone() {
            Some(signal) => signal.await,
            None => futures::future::pending().await,
        }
    }

    /// The health of a live object by its own check or by the rules.
    pub(crate) fn assess(&self, live: &Value) -> Option<Health> {
        let is_deleted = live.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
        match self.health_checks.iter().rev().find(|check| check.is_for(live) && !is_deleted) {
            Some(check) => check.assess(live),
            None => self.health.assess(live),
        }
    }

    pub(crate) fn timeout_for(&self, kind: &GroupKind) -> Duration {
        let own = self.kind_timeouts.iter().rev().find(|(found, _)| found == kind);
        own.map_or(self.timeout, |(_, timeout)| *timeout)
    }
}
