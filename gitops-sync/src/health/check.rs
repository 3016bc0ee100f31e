use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::Health;
use crate::id::{GroupKind, split_api_version};

/// How to tell the health of a kind that the [rules](super::HealthRules)
/// say nothing or the wrong thing about.
///
/// ```
/// use gitops_sync::{GroupKind, Health, HealthCheck, HealthStatus, SyncOptions};
///
/// let check = HealthCheck::new(GroupKind::new("example.com", "Database"), |live| {
///     let status = match live["status"]["phase"].as_str() {
///         Some("Ready") => HealthStatus::Healthy,
///         Some("Broken") => HealthStatus::Degraded,
///         _ => HealthStatus::Progressing,
///     };
///     Some(Health::new(status, ""))
/// });
/// let options = SyncOptions::new("my-tool").health_check(check);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct HealthCheck {
    kind: GroupKind,
    check: Arc<Check>,
}

type Check = dyn Fn(&Value) -> Option<Health> + Send + Sync;

impl HealthCheck {
    /// Tells the health of a kind from the live object, and from nothing
    /// else; `None` means that it has none.
    pub fn new(kind: GroupKind, check: impl Fn(&Value) -> Option<Health> + Send + Sync + 'static) -> Self {
        Self { kind, check: Arc::new(check) }
    }

    pub(crate) fn is_for(&self, live: &Value) -> bool {
        let (group, _) = split_api_version(live["apiVersion"].as_str().unwrap_or_default());
        self.kind.group == group && live["kind"] == self.kind.kind.as_str()
    }

    pub(crate) fn assess(&self, live: &Value) -> Option<Health> {
        (self.check)(live)
    }
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck").field("kind", &self.kind).finish_non_exhaustive()
    }
}
