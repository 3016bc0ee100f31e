//! Who manages which fields, and what an apply or an update makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::compare::{Comparison, compare};
use super::conflict::{ApplyError, Conflict};
use super::field_set::field_set;
use super::manager::{Manager, ManagerFields, Operation};
use super::merge::merge;
use super::reconcile::reconcile;
use super::remove::remove;
use super::schema::Type;
use super::set::FieldSet;
use super::value::equal;

/// More entries of updates than this are merged into one, as the API server does.
const MAX_UPDATE_MANAGERS: usize = 10;

/// Under this name fields stand that were there before managers were tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The managers of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedFields {
    pub(crate) managers: BTreeMap<Manager, ManagerFields>,
}

/// The versions of a kind: their types, and conversion between them.
pub trait Versions {
    /// The type at this version, if it exists.
    fn type_at(&self, api_version: &str) -> Option<Arc<Type>>;
    /// The object at this version, if that exists. Default: the same fields.
    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        self.type_at(api_version)?;
        Some(object.clone())
    }
    /// Fields that this kind of request cannot set. Default: none.
    fn ignored(&self, _api_version: &str) -> FieldSet {
        FieldSet::new()
    }
    /// What an object is before anything is set. Default: nothing.
    fn empty(&self, _api_version: &str) -> Value {
        Value::Object(serde_json::Map::new())
    }
}

/// A kind with one version and the same fields on every request.
impl Versions for Arc<Type> {
    fn type_at(&self, _api_version: &str) -> Option<Arc<Type>> {
        Some(self.clone())
    }
}

/// Metadata that nobody manages.
fn unmanaged() -> FieldSet {
    FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

impl ManagedFields {
    /// Whether nobody manages anything.
    pub fn is_empty(&self) -> bool {
        self.managers.is_empty()
    }

    /// The managers with their fields.
    pub fn iter(&self) -> impl Iterator<Item = (&Manager, &ManagerFields)> {
        self.managers.iter()
    }

    /// The fields of one manager.
    pub fn get(&self, manager: &Manager) -> Option<&ManagerFields> {
        self.managers.get(manager)
    }

    /// Records that `manager` made `new` out of `live`, both at its version.
    ///
    /// What it changed is its own from now on; nobody manages what it removed.
    pub fn update(&mut self, live: &Value, new: &Value, manager: &Manager, now: &str, versions: &dyn Versions) {
        let api_version = manager.api_version.clone().unwrap_or_default();
        let Some(ty) = versions.type_at(&api_version) else { return };
        self.reconcile(versions);
        let change = compare(&ty, live, new);
        self.hand_over(&change, live, new, &api_version, None, versions);
        let taken = change.modified.union(&change.added);
        let taken = taken.recursive_difference(&versions.ignored(&api_version)).difference(&unmanaged());
        if !taken.is_empty() {
            let entry = self.managers.entry(manager.clone()).or_insert_with(|| ManagerFields {
                fields: FieldSet::new(),
                api_version: api_version.clone(),
                time: None,
            });
            entry.fields.extend(&taken);
            entry.time = Some(now.to_owned());
        }
        self.cap_updates();
    }

    /// Applies `config` for `manager` to `live`, both at `api_version`, and records it.
    ///
    /// Returns the merged object, or nothing when it is the same as `live`.
    ///
    /// # Errors
    ///
    /// When others manage some of the fields with other values and `force` is off, or when items
    /// of a list cannot be told apart. The managers are then unchanged.
    pub fn apply(&mut self, request: &ApplyRequest<'_>, versions: &dyn Versions) -> Result<Option<Value>, ApplyError> {
        let mut next = self.clone();
        let merged = next.try_apply(request, versions)?;
        *self = next;
        Ok(merged)
    }

    fn try_apply(&mut self, request: &ApplyRequest<'_>, versions: &dyn Versions) -> Result<Option<Value>, ApplyError> {
        let ApplyRequest { live, config, manager, api_version, force, now } = *request;
        let unknown = || ApplyError::UnknownVersion { api_version: api_version.to_owned() };
        let ty = versions.type_at(api_version).ok_or_else(unknown)?;
        if self.is_empty() {
            let before = Manager::updater(BEFORE_FIRST_APPLY, api_version, "");
            self.update(&versions.empty(api_version), live, &before, now, versions);
        }
        self.reconcile(versions);
        let merged = merge(&ty, live, config).map_err(|source| ApplyError::Merge { source })?;
        let set = field_set(&ty, config).recursive_difference(&versions.ignored(api_version));
        let last = self.managers.remove(manager);
        let time = last.as_ref().and_then(|last| last.time.clone());
        let entry = ManagerFields { fields: set, api_version: api_version.to_owned(), time };
        self.managers.insert(manager.clone(), entry);
        let merged = match last {
            Some(last) if !last.fields.is_empty() => self.prune(merged, &last, api_version, versions),
            _ => merged,
        };
        let conflicts =
            self.hand_over(&compare(&ty, live, &merged), live, &merged, api_version, Some((manager, force)), versions);
        if !force && !conflicts.is_empty() {
            return Err(ApplyError::Conflicts { conflicts });
        }
        let changed = !equal(live, &merged);
        if let Some(entry) = self.managers.get_mut(manager) {
            entry.fields = entry.fields.difference(&unmanaged());
            if changed {
                entry.time = Some(now.to_owned());
            }
        }
        self.managers.retain(|_, entry| !entry.fields.is_empty());
        Ok(changed.then_some(merged))
    }

    /// Takes changed fields from everyone but `applier`, and removed ones from all.
    ///
    /// Returns the changed fields; those of an apply without force are not taken.
    fn hand_over(
        &mut self,
        change: &Comparison,
        live: &Value,
        new: &Value,
        api_version: &str,
        applier: Option<(&Manager, bool)>,
        versions: &dyn Versions,
    ) -> Vec<Conflict> {
        let mut changes: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
        changes.insert(api_version.to_owned(), Some(change.without(&versions.ignored(api_version))));
        let mut conflicts = Vec::new();
        self.managers.retain(|manager, entry| {
            if applier.is_some_and(|(applier, _)| applier == manager) {
                return true;
            }
            let change = changes
                .entry(entry.api_version.clone())
                .or_insert_with(|| change_at(&entry.api_version, live, new, versions));
            let Some(change) = change else { return false };
            let taken = entry.fields.intersection(&change.modified.union(&change.added));
            let found = taken.paths().into_iter().map(|path| Conflict { manager: manager.clone(), path });
            conflicts.extend(found);
            entry.fields = entry.fields.difference(&taken).difference(&change.removed);
            !entry.fields.is_empty()
        });
        conflicts
    }

    /// Brings what is recorded in line with types that changed since.
    fn reconcile(&mut self, versions: &dyn Versions) {
        for entry in self.managers.values_mut() {
            if let Some(ty) = versions.type_at(&entry.api_version) {
                entry.fields = reconcile(&ty, &entry.fields);
            }
        }
    }

    /// Removes what the applier applied `last` time but not now, and nobody else manages.
    fn prune(&self, merged: Value, last: &ManagerFields, api_version: &str, versions: &dyn Versions) -> Value {
        let version = &last.api_version;
        let (Some(ty), Some(at_last)) = (versions.type_at(version), versions.convert(&merged, version)) else {
            return merged;
        };
        let lost = last.fields.with_declared_parents(Some(&ty));
        let pruned = remove(&ty, &at_last, &lost);
        let pruned = self.add_back_managed(&at_last, pruned, version, versions);
        // Only what this applier had may go, not what it never claimed.
        let before = field_set(&ty, &at_last).with_declared_parents(Some(&ty));
        let after = field_set(&ty, &pruned).with_declared_parents(Some(&ty));
        let pruned = remove(&ty, &at_last, &before.difference(&after).intersection(&lost));
        if version == api_version { pruned } else { versions.convert(&pruned, api_version).unwrap_or(merged) }
    }

    fn add_back_managed(&self, merged: &Value, pruned: Value, version: &str, versions: &dyn Versions) -> Value {
        let mut managed: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for entry in self.managers.values() {
            managed.entry(&entry.api_version).or_default().extend(&entry.fields);
        }
        // The pruned version first: a conversion may need fields that pruning took.
        let mut order: Vec<_> = managed.keys().copied().collect();
        order.sort_by_key(|other| (*other != version, *other));
        let mut current = pruned;
        for at in order {
            let (Some(ty), Some(merged), Some(pruned)) =
                (versions.type_at(at), versions.convert(merged, at), versions.convert(&current, at))
            else {
                continue;
            };
            let before = field_set(&ty, &merged).with_declared_parents(Some(&ty));
            let kept = field_set(&ty, &pruned).with_declared_parents(Some(&ty));
            let kept = kept.union(&managed[at].with_declared_parents(Some(&ty)));
            let kept = remove(&ty, &merged, &before.difference(&kept));
            current = versions.convert(&kept, version).unwrap_or(current);
        }
        current
    }

    /// Merges the oldest entries of updates once there are too many.
    fn cap_updates(&mut self) {
        let mut updates: Vec<_> = self.managers.iter().filter(|(m, _)| m.operation == Operation::Update).collect();
        if updates.len() <= MAX_UPDATE_MANAGERS {
            return;
        }
        updates.sort_by(|a, b| (&a.1.time, a.0).cmp(&(&b.1.time, b.0)));
        let updates: Vec<_> = updates.into_iter().map(|(manager, _)| manager.clone()).collect();
        let mut excess = updates.len() - MAX_UPDATE_MANAGERS;
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updates {
            if excess == 0 {
                break;
            }
            let version = manager.api_version.clone().unwrap_or_default();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager::updater("ancient-changes", version, "");
            if let Some(entry) = self.managers.remove(first) {
                self.managers.insert(bucket.clone(), entry);
            }
            if let Some(merged) = self.managers.remove(&manager)
                && let Some(entry) = self.managers.get_mut(&bucket)
            {
                entry.fields.extend(&merged.fields);
                entry.time = merged.time;
            }
            excess -= 1;
        }
    }
}

fn change_at(version: &str, live: &Value, new: &Value, versions: &dyn Versions) -> Option<Comparison> {
    let ty = versions.type_at(version)?;
    let change = compare(&ty, &versions.convert(live, version)?, &versions.convert(new, version)?);
    Some(change.without(&versions.ignored(version)))
}

/// One apply.
#[derive(Debug, Clone, Copy)]
pub struct ApplyRequest<'a> {
    /// The object as it is, without `managedFields`.
    pub live: &'a Value,
    /// What is applied.
    pub config: &'a Value,
    /// Who applies.
    pub manager: &'a Manager,
    /// The version of both.
    pub api_version: &'a str,
    /// Whether fields are taken from other managers.
    pub force: bool,
    /// The time to record, RFC 3339 with seconds.
    pub now: &'a str,
}
