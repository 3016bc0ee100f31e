//! What to do with one wanted resource.

use std::borrow::Cow;

use serde_json::Value;

use super::step::{Action, Block, Sides};
use super::verdict::Key;
use crate::cluster::{ApplyMode, Cluster, ClusterError, Conflict, ResourceType};
use crate::diff::{self, FieldChange};
use crate::fields::{ManagedEntry, is_applied, project, remove_owned};
use crate::id::ResourceId;
use crate::ignore;
use crate::live::{Live, Object};
use crate::manifest::annotation;
use crate::mask::Mask;
use crate::options::SyncOptions;
use crate::ownership::Claim;
use crate::policy::ConflictPolicy;
use crate::structured_merge::FieldSet;

pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A resource to decide about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) id: &'a ResourceId,
    pub(crate) kind: &'a ResourceType,
    pub(crate) manifest: &'a Value,
    pub(crate) create_only: bool,
    pub(crate) recreate: bool,
    /// Whether it bears, or is to bear, the owner's mark.
    pub(crate) is_owned: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    pub(crate) block: Option<Block>,
    pub(crate) changes: Vec<FieldChange>,
    pub(crate) sides: Option<Sides>,
    pub(crate) migrates: bool,
    /// What to send, where that is not the manifest as it is.
    pub(crate) body: Option<Value>,
}

impl Decision {
    pub(super) fn new(action: Action) -> Self {
        Self { action, block: None, changes: Vec::new(), sides: None, migrates: false, body: None }
    }

    fn blocked(block: Block) -> Self {
        Self { block: Some(block), ..Self::new(Action::Blocked) }
    }

    /// Whether it stays right as long as manifest and live object do: a
    /// permission or a webhook can change without either.
    fn lasts(&self) -> bool {
        matches!(self.block, None | Some(Block::Conflict { .. }))
    }

    /// Whether carrying out one is as good as carrying out the other.
    pub(crate) fn same_effect(&self, action: Action, changes: &[FieldChange]) -> bool {
        self.action == action && self.changes == changes
    }
}

/// Decides what to do with a resource; asks the server only where the
/// recorded ownership of fields leaves a doubt.
pub(crate) async fn decide(
    cluster: &Cluster,
    subject: Subject<'_>,
    live: Option<&Object<'_>>,
    options: &SyncOptions,
) -> Result<Decision, ClusterError> {
    let Some(live) = live else { return create(cluster, subject, options).await };
    if let Some(decision) = decide_at_once(subject, live, options) {
        return Ok(decision);
    }
    let key = Key::new(subject, (live.uid(), live.resource_version()), options);
    if let Some(known) = cluster.verdicts().find(subject.id, &key) {
        return Ok(known);
    }
    let mut body = Cow::Borrowed(subject.manifest);
    if ignore::concerns(&options.ignore, subject.id) {
        let ty = match ignore::needs_type(&options.ignore, subject.id) {
            true => cluster.merge_type(subject.kind).await?,
            false => None,
        };
        ignore::apply(&options.ignore, subject.id, body.to_mut(), (live, ty.as_ref()), &options.field_manager);
    }
    let compare = Compare { cluster, subject, live, options, body: &body, migrates: migrates(live, options) };
    let mut decision = compare.decide().await?;
    if let Cow::Owned(body) = body {
        decision.body = Some(body);
    }
    if decision.lasts() {
        cluster.verdicts().remember(subject.id, key, &decision);
    }
    Ok(decision)
}

fn decide_at_once(subject: Subject<'_>, live: &Object<'_>, options: &SyncOptions) -> Option<Decision> {
    if live.is_being_deleted() {
        return Some(Decision::blocked(Block::Terminating));
    }
    let owner = options.owner.as_ref().filter(|_| subject.is_owned);
    let claim = owner.map(|owner| owner.claim(subject.id, &live.value));
    match claim {
        Some(Claim::Other(owner)) if !options.adopt_foreign && !subject.create_only => {
            Some(Decision::blocked(Block::Foreign { owner }))
        }
        _ => subject.create_only.then(|| Decision::new(Action::Keep)),
    }
}

/// Whether fields that an earlier tool applied are to become ours.
fn migrates(live: &Object<'_>, options: &SyncOptions) -> bool {
    let has_earlier = live.managed.iter().any(|entry| is_earlier(entry, options));
    has_earlier || (!options.migrate_from.is_empty() && annotation(&live.value, LAST_APPLIED).is_some())
}

pub(crate) fn is_earlier(entry: &ManagedEntry<'_>, options: &SyncOptions) -> bool {
    entry.subresource.is_empty() && options.migrate_from.iter().any(|manager| **manager == entry.manager)
}

async fn create(cluster: &Cluster, subject: Subject<'_>, options: &SyncOptions) -> Result<Decision, ClusterError> {
    let decision = Decision::new(Action::Create);
    if !options.check_creates {
        return Ok(decision);
    }
    let mode = ApplyMode { manager: &options.field_manager, force: false, dry_run: true };
    match cluster.apply(subject.kind, subject.id, subject.manifest, mode).await {
        Ok(_) => Ok(decision),
        // Its namespace or its definition is still to come.
        Err(error) if error.is_not_found() => Ok(decision),
        Err(error) => refused(error),
    }
}

/// What a refusal means for the plan; anything else is an error.
fn refused(error: ClusterError) -> Result<Decision, ClusterError> {
    let Some(status) = error.status() else { return Err(error) };
    let message = status.message.clone();
    if error.is_invalid() {
        return Ok(Decision::blocked(Block::Invalid { message }));
    }
    match status.code {
        401 => Err(error),
        _ => Ok(Decision::blocked(Block::Refused { message })),
    }
}

pub(super) fn hide<'a>(id: &ResourceId, objects: impl IntoIterator<Item = &'a mut Value>) {
    if id.is("", "Secret") {
        let mut mask = Mask::default();
        objects.into_iter().for_each(|object| mask.hide(object));
    }
}

/// A wanted resource beside a live one.
struct Compare<'a> {
    cluster: &'a Cluster,
    subject: Subject<'a>,
    live: &'a Object<'a>,
    options: &'a SyncOptions,
    body: &'a Value,
    migrates: bool,
}

impl Compare<'_> {
    async fn decide(&self) -> Result<Decision, ClusterError> {
        let (live, manager) = (self.live, self.options.field_manager.as_str());
        if !self.migrates && is_applied(self.body, &live.value, &live.managed, manager) {
            return Ok(Decision::new(Action::Keep));
        }
        let error = match self.try_apply(self.options.conflicts == ConflictPolicy::TakeOver).await {
            Ok(merged) => return Ok(self.compare(merged.read())),
            Err(error) => error,
        };
        let conflicts = error.conflicts();
        if !conflicts.is_empty() {
            return self.conflict(conflicts).await;
        }
        if error.is_immutable() {
            return Ok(self.immutable(&error));
        }
        refused(error)
    }

    async fn try_apply(&self, force: bool) -> Result<Live, ClusterError> {
        let mode = ApplyMode { manager: &self.options.field_manager, force, dry_run: true };
        self.cluster.apply(self.subject.kind, self.subject.id, self.body, mode).await
    }

    async fn conflict(&self, conflicts: Vec<Conflict>) -> Result<Decision, ClusterError> {
        let merged = match self.try_apply(true).await {
            Ok(merged) => merged,
            Err(error) if error.is_immutable() => return Ok(self.immutable(&error)),
            Err(error) => return refused(error),
        };
        let decision = self.compare(merged.read());
        let may_take = match &self.options.conflicts {
            ConflictPolicy::Respect => false,
            ConflictPolicy::TakeOver => true,
            ConflictPolicy::Take(fields) => conflicts.iter().all(|conflict| fields.contains(&conflict.field)),
        };
        if may_take {
            return Ok(decision);
        }
        Ok(Decision { action: Action::Blocked, block: Some(Block::Conflict { conflicts }), ..decision })
    }

    fn immutable(&self, error: &ClusterError) -> Decision {
        let message = error.status().map(|status| status.message.clone()).unwrap_or_default();
        let (mut live, mut wanted) = (self.live.value.clone(), self.body.clone());
        remove_server_fields(&mut live);
        hide(self.subject.id, [&mut live, &mut wanted]);
        let sides = Some(Sides { live: Some(live), wanted: Some(wanted) });
        if self.subject.recreate {
            return Decision { sides, ..Decision::new(Action::Replace) };
        }
        Decision { sides, ..Decision::blocked(Block::Immutable { message }) }
    }

    /// Compares the live object with what the server would make of it.
    fn compare(&self, merged: Object<'_>) -> Decision {
        let manager = self.options.field_manager.as_str();
        let after = merged.applied_by(manager);
        let mut before = self.live.applied_by(manager);
        let (mut from, mut to) = (self.live.value.clone(), merged.value);
        let is_recorded = before == after && !self.migrates;
        if self.migrates {
            let earlier = self.earlier_fields();
            // What the earlier tool applied and nobody wants any more goes
            // once it is ours; a dry run cannot know that.
            remove_owned(&mut to, &earlier.beyond(&after));
            before.extend(&earlier);
        }
        let set = after.union(&before);
        hide(self.subject.id, [&mut from, &mut to]);
        let changes = diff::changes(&from, &to, &set);
        if changes.is_empty() && is_recorded {
            return Decision::new(Action::Keep);
        }
        let sides = Sides { live: Some(project(&from, &set)), wanted: Some(project(&to, &set)) };
        Decision { changes, sides: Some(sides), migrates: self.migrates, ..Decision::new(Action::Update) }
    }

    fn earlier_fields(&self) -> FieldSet {
        let mut all = FieldSet::new();
        let earlier = self.live.managed.iter().filter(|entry| is_earlier(entry, self.options));
        earlier.for_each(|entry| all.extend(&entry.fields()));
        all
    }
}

/// What only the server writes, and what would be refused in an apply.
pub(crate) fn remove_server_fields(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        const SERVER: [&str; 6] =
            ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
        SERVER.iter().for_each(|field| drop(metadata.remove(*field)));
    }
}
