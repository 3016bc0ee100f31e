//! Health as a pure function of the live object.

mod argo;
mod check;
mod cluster_kinds;
#[cfg(feature = "cel")]
mod expressions;
mod kstatus;
mod workloads;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::HealthCheck;
#[cfg(feature = "cel")]
pub use expressions::{ExpressionError, HealthExpressions};
pub use kstatus::{Kstatus, KstatusCode};

/// How a resource is doing, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HealthStatus {
    /// It does what it should.
    Healthy,
    /// It waits until somebody resumes it.
    Suspended,
    /// It is not healthy yet, but may become so.
    Progressing,
    /// It is wanted and not in the cluster.
    Missing,
    /// It has failed, or cannot become healthy in time.
    Degraded,
    /// Nobody can say.
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        })
    }
}

/// The health of one resource, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How it is doing.
    pub status: HealthStatus,
    /// Why, in words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Health {
    /// A status with the words that explain it.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn healthy() -> Self {
        Self::new(HealthStatus::Healthy, "")
    }

    pub(crate) fn missing() -> Self {
        Self::new(HealthStatus::Missing, "")
    }
}

/// Which set of rules says what is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HealthRules {
    /// Argo CD's built-in rules. Kinds without a rule have no health.
    #[default]
    ArgoCd,
    /// kstatus, as Flux and cli-utils use it. Every kind has a health.
    Kstatus,
}

impl HealthRules {
    /// The health of a live object; `None` where the rules say nothing about
    /// its kind, which counts as healthy wherever something waits for it.
    pub fn assess(self, live: &Value) -> Option<Health> {
        match self {
            Self::ArgoCd => argo_health(live),
            Self::Kstatus => Some(kstatus(live).into()),
        }
    }
}

/// The health of a live object by Argo CD's rules.
///
/// `None` for kinds that have no rule, such as ConfigMap.
///
/// ```
/// use gitops_sync::{HealthStatus, argo_health};
///
/// let claim = serde_json::json!({
///     "apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Bound"},
/// });
/// assert_eq!(argo_health(&claim).map(|health| health.status), Some(HealthStatus::Healthy));
/// ```
pub fn argo_health(live: &Value) -> Option<Health> {
    argo::assess(live)
}

/// The status of a live object by the rules of kstatus.
pub fn kstatus(live: &Value) -> Kstatus {
    kstatus::assess(live)
}

/// The health of an application: the worst of its resources.
///
/// As in Argo CD, a missing resource doesn't count (that is what OutOfSync
/// says) unless every one is missing.
pub fn aggregate<'a>(resources: impl IntoIterator<Item = &'a Health>) -> HealthStatus {
    let (mut worst, mut any, mut any_live) = (HealthStatus::Healthy, false, false);
    for health in resources {
        any = true;
        if health.status != HealthStatus::Missing {
            any_live = true;
            worst = worst.max(health.status);
        }
    }
    if any && !any_live { worst.max(HealthStatus::Missing) } else { worst }
}

/// Small ways to read a live object, which may have any shape.
pub(crate) mod read {
    use serde_json::Value;

    pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
        object.pointer(pointer).and_then(Value::as_i64)
    }

    pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
        object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
        object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
        items(object, "/status/conditions").iter().find(|condition| condition["type"] == kind)
    }

    pub(crate) fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
        condition(object, kind).is_some_and(|condition| condition["status"] == status)
    }

    /// Whether the controller has yet to see the newest spec.
    pub(crate) fn is_unobserved(object: &Value) -> bool {
        number(object, "/metadata/generation").unwrap_or(0) > number(object, "/status/observedGeneration").unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_resource_decides() {
        let all = |statuses: &[HealthStatus]| {
            let healths: Vec<_> = statuses.iter().map(|status| Health::new(*status, "")).collect();
            aggregate(&healths)
        };
        use HealthStatus::*;
        assert_eq!(all(&[]), Healthy);
        assert_eq!(all(&[Healthy, Progressing, Suspended]), Progressing);
        assert_eq!(all(&[Healthy, Missing]), Healthy);
        assert_eq!(all(&[Missing, Missing]), Missing);
        assert_eq!(all(&[Missing, Degraded]), Degraded);
    }
}
