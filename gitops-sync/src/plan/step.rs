use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decide::{Decision, Subject, hide};
use crate::cluster::{Conflict, ResourceType};
use crate::desired::{Hook, Wanted};
use crate::diff::{self, FieldChange};
use crate::health::Health;
use crate::hook::{DeletePolicy, Phase, wave};
use crate::id::ResourceId;
use crate::live::Object;
use crate::options::SyncOptions;

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// Fields are changed.
    Update,
    /// It is as it should be.
    Keep,
    /// A field cannot be changed: it is deleted and created anew.
    Replace,
    /// It is no longer wanted, and deleted.
    Prune,
    /// It is a hook, and run.
    Run,
    /// Something would have to be done, but cannot or must not.
    Blocked,
}

impl Action {
    /// Whether it writes to the cluster.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Keep | Self::Blocked)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Prune => "prune",
            Self::Run => "run",
            Self::Blocked => "blocked",
        })
    }
}

/// Why a step is blocked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Block {
    /// Other managers own fields with other values.
    Conflict {
        /// Which fields, and who.
        conflicts: Vec<Conflict>,
    },
    /// A field cannot be changed, and its kind may not be recreated.
    Immutable {
        /// What the server says.
        message: String,
    },
    /// The server finds the resource invalid.
    Invalid {
        /// What the server says.
        message: String,
    },
    /// The server refuses for another reason, a permission for instance.
    Refused {
        /// What the server says.
        message: String,
    },
    /// It belongs to somebody else.
    Foreign {
        /// To whom.
        owner: String,
    },
    /// It is being deleted.
    Terminating,
    /// It is no longer wanted, but pruning is off.
    PruneDisabled,
    /// It is no longer wanted, but says that it must be kept.
    Kept,
    /// Its kind is protected, and nobody has confirmed the deletion.
    Protected,
    /// Everything would be pruned.
    WouldPruneAll,
    /// More would be pruned than one sync may.
    TooMany {
        /// How many would be pruned.
        prunes: usize,
        /// How many may be.
        allowed: usize,
    },
    /// It is a namespace with resources that are wanted.
    NamespaceInUse,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { conflicts } => {
                let fields: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
                write!(f, "conflict: {}", fields.join(", "))
            }
            Self::Immutable { message } => write!(f, "a field cannot be changed: {message}"),
            Self::Invalid { message } => write!(f, "the server finds it invalid: {message}"),
            Self::Refused { message } => write!(f, "the server refuses: {message}"),
            Self::Foreign { owner } => write!(f, "it belongs to {owner}"),
            Self::Terminating => f.write_str("it is being deleted"),
            Self::PruneDisabled => f.write_str("it is no longer wanted, but pruning is off"),
            Self::Kept => f.write_str("it is no longer wanted, but marked to be kept"),
            Self::Protected => f.write_str("its kind is protected, and the deletion is not confirmed"),
            Self::WouldPruneAll => f.write_str("everything would be pruned"),
            Self::TooMany { prunes, allowed } => {
                write!(f, "{prunes} resources would be pruned, and only {allowed} may be")
            }
            Self::NamespaceInUse => f.write_str("the namespace has resources that are wanted"),
        }
    }
}

/// The state of a resource that a step was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// Its UID.
    pub uid: String,
    /// Its resource version.
    pub resource_version: String,
}

/// What to do with one resource, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// The resource.
    pub id: ResourceId,
    /// What to do with it.
    pub action: Action,
    /// Why it cannot be done, if [`Action::Blocked`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// The phase of the sync.
    pub phase: Phase,
    /// The wave in the phase.
    pub wave: i64,
    /// The fields that change, Secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// Its health when the plan was made, if it exists and its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The state that the step was decided on; `None` if it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// What is to be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<Value>,
    /// Where the manifest was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    pub(crate) kind: ResourceType,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) delete: Vec<DeletePolicy>,
    #[serde(default)]
    pub(crate) is_owned: bool,
    #[serde(default)]
    pub(crate) recreate: bool,
    #[serde(default)]
    pub(crate) create_only: bool,
    /// Fields of earlier tools become ours before the apply.
    #[serde(default)]
    pub(crate) migrates: bool,
    /// Both sides of the diff, in the fields that count and masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sides: Option<Box<Sides>>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Sides {
    pub(crate) live: Option<Value>,
    pub(crate) wanted: Option<Value>,
}

pub(crate) fn basis_of(live: &Object<'_>) -> Basis {
    Basis { uid: live.uid().to_owned(), resource_version: live.resource_version().to_owned() }
}

impl Step {
    pub(crate) fn wanted(wanted: Wanted, decision: Decision, live: Option<&Object<'_>>, options: &SyncOptions) -> Self {
        let wave = wave(wanted.manifest.value());
        Self {
            id: wanted.manifest.id().clone(),
            origin: wanted.manifest.origin().map(str::to_owned),
            action: decision.action,
            block: decision.block,
            phase: Phase::Sync,
            wave,
            changes: decision.changes,
            health: live.and_then(|live| options.assess(&live.value)),
            basis: live.map(basis_of),
            manifest: Some(decision.body.unwrap_or_else(|| wanted.manifest.into_value())),
            kind: wanted.kind,
            delete: Vec::new(),
            is_owned: wanted.is_owned,
            recreate: wanted.recreate,
            create_only: wanted.create_only,
            migrates: decision.migrates,
            sides: decision.sides.map(Box::new),
        }
    }

    pub(crate) fn hook(hook: &Hook, phase: Phase, wave: i64) -> Self {
        let mut step = Self::bare(hook.manifest.id().clone(), hook.kind.clone(), Action::Run);
        step.phase = phase;
        step.wave = wave;
        step.manifest = Some(hook.manifest.value().clone());
        step.origin = hook.manifest.origin().map(str::to_owned);
        step.delete.clone_from(&hook.delete);
        step
    }

    pub(crate) fn bare(id: ResourceId, kind: ResourceType, action: Action) -> Self {
        Self {
            id,
            action,
            block: None,
            phase: Phase::Sync,
            wave: 0,
            changes: Vec::new(),
            health: None,
            basis: None,
            manifest: None,
            origin: None,
            kind,
            delete: Vec::new(),
            is_owned: true,
            recreate: false,
            create_only: false,
            migrates: false,
            sides: None,
        }
    }

    pub(crate) fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject {
            id: &self.id,
            kind: &self.kind,
            manifest: self.manifest.as_ref()?,
            create_only: self.create_only,
            recreate: self.recreate,
            is_owned: self.is_owned,
        })
    }

    /// Whether the resource is no longer wanted.
    pub fn is_former(&self) -> bool {
        self.manifest.is_none()
    }

    /// Its API version, such as `apps/v1`.
    pub fn api_version(&self) -> String {
        self.kind.api_version()
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        if let Some(block) = &self.block {
            return block.to_string();
        }
        match self.action {
            Action::Create => "it does not exist".to_owned(),
            Action::Update | Action::Replace if self.changes.is_empty() => {
                "its fields are not recorded as ours".to_owned()
            }
            Action::Update => plural(self.changes.len(), "field differs", "fields differ"),
            Action::Replace => "a field cannot be changed in place".to_owned(),
            Action::Prune => "it is no longer wanted".to_owned(),
            Action::Run => format!("hook of the phase {:?}", self.phase),
            Action::Keep | Action::Blocked => "it is as it should be".to_owned(),
        }
    }

    /// The differences as a unified diff of YAML; empty if there are none.
    ///
    /// Only fields that are wanted or owned are shown, and Secrets are masked.
    pub fn diff(&self) -> String {
        let name = self.id.to_string();
        match (&self.sides, &self.manifest) {
            (Some(sides), _) => diff::unified(&name, sides.live.as_ref(), sides.wanted.as_ref()),
            (None, Some(manifest)) if self.basis.is_none() && self.action != Action::Run => {
                let mut wanted = manifest.clone();
                hide(&self.id, [&mut wanted]);
                diff::unified(&name, None, Some(&wanted))
            }
            (None, _) => String::new(),
        }
    }

    /// Where it stands in a plan: what is pruned comes after what is applied.
    pub(super) fn order(&self) -> (Phase, bool, i64) {
        (self.phase, self.is_former(), self.wave)
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
