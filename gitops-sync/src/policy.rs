use std::collections::BTreeSet;

use crate::cluster::Propagation;
use crate::id::GroupKind;

/// What to do about fields that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConflictPolicy {
    /// Leave them, and report a conflict.
    #[default]
    Respect,
    /// Take over these fields, such as `spec.replicas`, and report a
    /// conflict about any other.
    Take(BTreeSet<String>),
    /// Take over whatever is wanted, as Argo CD and Flux do.
    TakeOver,
}

/// What may be pruned: resources that an earlier sync applied and that are
/// no longer wanted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PrunePolicy {
    /// Prune at all; off by default.
    pub enabled: bool,
    /// Prune even if nothing is wanted any more; off by default.
    pub allow_empty: bool,
    /// The share of the inventory that one sync may prune, from 0 to 1; 1 by default.
    pub max_share: f64,
    /// Kinds that hold what cannot be had back, and are pruned only when
    /// confirmed: by default Namespace, PersistentVolume,
    /// PersistentVolumeClaim and CustomResourceDefinition.
    pub protected: Vec<GroupKind>,
    /// Somebody has confirmed that protected kinds may go.
    pub confirmed: bool,
    /// What happens to the dependents of what is pruned.
    pub propagation: Propagation,
}

impl Default for PrunePolicy {
    fn default() -> Self {
        let core = |kind| GroupKind::new("", kind);
        Self {
            enabled: false,
            allow_empty: false,
            max_share: 1.0,
            protected: vec![
                core("Namespace"),
                core("PersistentVolume"),
                core("PersistentVolumeClaim"),
                GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"),
            ],
            confirmed: false,
            propagation: Propagation::default(),
        }
    }
}

impl PrunePolicy {
    /// Prunes, with the default guards.
    pub fn enabled() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    /// Prunes even if nothing is wanted any more.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Prunes at most this share of the inventory, from 0 to 1.
    #[must_use]
    pub fn max_share(mut self, share: f64) -> Self {
        self.max_share = share;
        self
    }

    /// Replaces the protected kinds.
    #[must_use]
    pub fn protected(mut self, kinds: Vec<GroupKind>) -> Self {
        self.protected = kinds;
        self
    }

    /// Lets protected kinds go as well.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Says what happens to the dependents of what is pruned.
    #[must_use]
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }
}
