use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::decide::{Decision, Subject};
use super::step::Action;
use crate::id::ResourceId;
use crate::live::Live;
use crate::options::SyncOptions;

/// What was decided about each resource, and on what.
///
/// As long as neither the manifest nor the live object nor the options
/// change, neither does the decision.
#[derive(Default)]
pub(crate) struct Verdicts {
    known: Mutex<HashMap<ResourceId, (Key, Decision)>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    wanted: u64,
    uid: String,
    resource_version: String,
}

impl Key {
    pub(crate) fn new(subject: Subject<'_>, (uid, resource_version): (&str, &str), options: &SyncOptions) -> Self {
        let mut hasher = DefaultHasher::new();
        subject.manifest.hash(&mut hasher);
        (subject.create_only, subject.recreate, subject.is_owned).hash(&mut hasher);
        options.field_manager.hash(&mut hasher);
        (options.adopt_foreign, &options.ignore, &options.migrate_from).hash(&mut hasher);
        match &options.conflicts {
            crate::ConflictPolicy::Respect => 0u8.hash(&mut hasher),
            crate::ConflictPolicy::Take(fields) => (1u8, fields).hash(&mut hasher),
            crate::ConflictPolicy::TakeOver => 2u8.hash(&mut hasher),
        }
        Self { wanted: hasher.finish(), uid: uid.to_owned(), resource_version: resource_version.to_owned() }
    }
}

impl Verdicts {
    pub(crate) fn find(&self, id: &ResourceId, key: &Key) -> Option<Decision> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(found, _)| found == key).map(|(_, decision)| decision.clone())
    }

    pub(crate) fn remember(&self, id: &ResourceId, key: Key, decision: &Decision) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id.clone(), (key, decision.clone()));
    }

    /// An apply of `subject` has led to `live`, so another would change nothing.
    pub(crate) fn remember_kept(&self, subject: Subject<'_>, live: &Live, options: &SyncOptions) {
        let key = Key::new(subject, (live.uid(), live.resource_version()), options);
        self.remember(subject.id, key, &Decision::new(Action::Keep));
    }

    /// Definitions have changed, and with them what the server makes of resources.
    pub(crate) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
