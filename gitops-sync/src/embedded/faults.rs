//! Faults on purpose: what a client must survive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use super::request::ApiRequest;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is refused with 429 and told to come back after that many seconds.
    TooManyRequests {
        /// The value of `Retry-After`.
        retry_after: u64,
    },
    /// The request is refused with this status and nothing is done.
    Refuse {
        /// An HTTP status, such as 500 or 503.
        code: u16,
    },
    /// The request is carried out, but the answer is this status.
    LoseAnswer {
        /// An HTTP status, such as 504.
        code: u16,
    },
    /// The request is carried out after a while.
    Delay(Duration),
    /// Nothing is done, and no answer comes until the client gives up.
    Hang,
    /// A watch ends after that many events, without a word. Other requests are untouched.
    DropWatch {
        /// How many events still come.
        after: usize,
    },
}

/// When a fault happens: a fault with the requests it is for.
///
/// ```
/// use gitops_sync::embedded::{EmbeddedCluster, Fault, FaultRule};
///
/// let cluster = EmbeddedCluster::new();
/// // The third write of a Deployment fails, once.
/// cluster.inject(FaultRule::new(Fault::Refuse { code: 500 }).verb("PATCH").resource("deployments").skip(2).times(1));
/// // One request in five is told to slow down, for as long as the rule stands.
/// let rule = cluster.inject(FaultRule::new(Fault::TooManyRequests { retry_after: 1 }).share(0.2));
/// cluster.heal(rule);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// The HTTP method, or `WATCH`. Default: any.
    pub verb: Option<String>,
    /// The plural name of the resource, found anywhere in the path. Default: any.
    pub resource: Option<String>,
    /// The name of the object. Default: any.
    pub name: Option<String>,
    /// How many matching requests are let through first. Default: 0.
    pub skip: u64,
    /// How often it happens, after which the rule is spent. Default: always.
    pub times: Option<u64>,
    /// In what share of matching requests it happens, spread evenly. Default: 1, all of them.
    pub share: f64,
}

impl FaultRule {
    /// A fault in every request.
    pub fn new(fault: Fault) -> Self {
        Self { fault, verb: None, resource: None, name: None, skip: 0, times: None, share: 1.0 }
    }

    /// Only with this HTTP method, or `WATCH`.
    #[must_use]
    pub fn verb(mut self, verb: impl Into<String>) -> Self {
        self.verb = Some(verb.into());
        self
    }

    /// Only for this resource, by its plural name.
    #[must_use]
    pub fn resource(mut self, plural: impl Into<String>) -> Self {
        self.resource = Some(plural.into());
        self
    }

    /// Only for objects of this name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Not for the first matching requests.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Only so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Only in this share of matching requests, between 0 and 1.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    fn matches(&self, request: &ApiRequest) -> bool {
        let is_watch = request.is_watch();
        let verb = self.verb.as_deref().is_none_or(|verb| match verb {
            "WATCH" => is_watch,
            method => !is_watch && request.method == method,
        });
        let mut steps = request.path.split('/');
        let resource = self.resource.as_deref().is_none_or(|plural| steps.clone().any(|step| step == plural));
        let name = self.name.as_deref().is_none_or(|name| steps.any(|step| step == name));
        let applies = !matches!(self.fault, Fault::DropWatch { .. }) || is_watch && request.method == Method::GET;
        verb && resource && name && applies
    }
}

/// Identifies a rule that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<(FaultId, Arc<Counted>)>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Counted {
    rule: FaultRule,
    seen: AtomicU64,
    happened: AtomicU64,
}

impl Counted {
    /// Counts a matching request and decides.
    fn strikes(&self) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let Some(turn) = seen.checked_sub(self.rule.skip) else { return false };
        // Whenever the share of the requests so far passes a whole number.
        let share = self.rule.share.clamp(0.0, 1.0);
        let due = |requests: u64| (requests as f64 * share + 1e-9).floor();
        if due(turn + 1) <= due(turn) {
            return false;
        }
        let happened = self.happened.fetch_add(1, Ordering::Relaxed);
        self.rule.times.is_none_or(|times| happened < times)
    }
}

impl Faults {
    pub(crate) fn inject(&self, rule: FaultRule) -> FaultId {
        let id = FaultId(self.next.fetch_add(1, Ordering::Relaxed));
        let counted = Counted { rule, seen: AtomicU64::new(0), happened: AtomicU64::new(0) };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push((id, Arc::new(counted)));
        id
    }

    pub(crate) fn heal(&self, id: FaultId) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).retain(|(found, _)| *found != id);
    }

    pub(crate) fn heal_all(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The first fault that this request gets.
    pub(crate) fn strike(&self, request: &ApiRequest) -> Option<Fault> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|(_, counted)| counted.rule.matches(request) && counted.strikes()).map(|(_, c)| c.rule.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly_and_spent_after_its_times() {
        let strikes = |rule: FaultRule, requests: usize| {
            let counted = Counted { rule, seen: AtomicU64::new(0), happened: AtomicU64::new(0) };
            (0..requests).filter(|_| counted.strikes()).count()
        };
        let rule = || FaultRule::new(Fault::Hang);
        assert_eq!(strikes(rule().share(0.2), 100), 20);
        assert_eq!(strikes(rule().skip(2), 5), 3);
        assert_eq!(strikes(rule().times(2), 5), 2);
    }
}
