//! Counting requests, so that tests can say how few are needed.

use std::sync::{Mutex, PoisonError};

use http::Method;

use super::request::ApiRequest;

/// How many requests of each kind there were. Subtract two to see what happened between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Reads of one object or of a list.
    pub reads: u64,
    /// Watches that were started.
    pub watches: u64,
    /// Creates, updates, patches and deletions.
    pub writes: u64,
    /// Writes that asked to store nothing.
    pub dry_runs: u64,
    /// Discovery, versions and schemas.
    pub discovery: u64,
}

impl RequestCounts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.reads + self.watches + self.writes + self.dry_runs + self.discovery
    }
}

impl std::ops::Sub for RequestCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            reads: self.reads - earlier.reads,
            watches: self.watches - earlier.watches,
            writes: self.writes - earlier.writes,
            dry_runs: self.dry_runs - earlier.dry_runs,
            discovery: self.discovery - earlier.discovery,
        }
    }
}

/// The counter of a server.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<RequestCounts>);

impl Requests {
    pub(crate) fn count(&self, request: &ApiRequest) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = request.path.trim_matches('/').split('/').count();
        let about_objects = match request.path.split('/').nth(1) {
            Some("api") => steps > 2,
            Some("apis") => steps > 3,
            _ => false,
        };
        let counter = match request.method {
            _ if !about_objects => &mut counts.discovery,
            Method::GET if request.is_watch() => &mut counts.watches,
            Method::GET => &mut counts.reads,
            _ if request.query("dryRun").is_some() => &mut counts.dry_runs,
            _ => &mut counts.writes,
        };
        *counter += 1;
    }

    pub(crate) fn counts(&self) -> RequestCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
