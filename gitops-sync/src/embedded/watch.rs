//! Watches: changes as they happen, from a version on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::failure::Failure;
use super::read::{Selection, shown};
use super::request::{Accept, ApiRequest};
use super::resource::Resource;
use super::server::Server;
use super::state::State;
use super::store::Change;

/// Real servers end watches without a timeout of their own after half an hour or more.
const LONGEST: Duration = Duration::from_secs(1800);

/// How often a quiet watch is told how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(5);

/// A watch that is under way.
#[derive(Debug)]
pub(crate) struct Watch {
    server: Arc<Server>,
    changed: Receiver<u64>,
    resource: Arc<Resource>,
    selection: Selection,
    accept: Accept,
    bookmarks: bool,
    /// Changes up to here were sent.
    position: u64,
    /// The version of the last bookmark or event.
    told: u64,
    deadline: Instant,
    next_bookmark: Instant,
    ready: VecDeque<Bytes>,
    /// Ends after that many more events, as a broken connection would.
    pub(crate) events_left: Option<usize>,
    ended: bool,
}

impl Watch {
    /// Starts to watch, with what is there already if the request wants that.
    pub(crate) fn start(
        server: Arc<Server>,
        state: &State,
        request: &ApiRequest,
        resource: Arc<Resource>,
        selection: Selection,
    ) -> Self {
        let seconds = request.number("timeoutSeconds").filter(|seconds| *seconds > 0);
        let from = request.number("resourceVersion").filter(|version| *version > 0);
        let initial = request.flag("sendInitialEvents");
        let now = Instant::now();
        let mut watch = Self {
            changed: state.store.subscribe(),
            server,
            resource,
            selection,
            accept: request.accept,
            bookmarks: request.flag("allowWatchBookmarks"),
            position: from.unwrap_or_else(|| state.store.version()),
            told: 0,
            deadline: now + seconds.map_or(LONGEST, Duration::from_secs),
            next_bookmark: now + BOOKMARK_INTERVAL,
            ready: VecDeque::new(),
            events_left: None,
            ended: false,
        };
        if from.is_none() || initial {
            watch.send_present(state, initial);
        }
        watch
    }

    /// What is there, as if it were added now.
    fn send_present(&mut self, state: &State, and_mark: bool) {
        self.position = state.store.version();
        let collection = State::collection_of(&self.resource);
        for (_, stored) in state.store.collection(&collection) {
            let object = state.read(&self.resource, stored);
            if self.selection.matches(&object) {
                self.push("ADDED", &object);
            }
        }
        if and_mark {
            let mut mark = self.bookmark();
            mark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            self.push_plain("BOOKMARK", &mark);
        }
    }

    fn bookmark(&self) -> Value {
        let (kind, api_version) = match self.accept {
            Accept::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
            _ => (self.resource.kind.clone(), self.resource.api_version()),
        };
        json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": self.position.to_string()}})
    }

    fn push(&mut self, kind: &str, object: &Value) {
        let shown = shown(self.accept, &self.resource, object);
        self.push_plain(kind, &shown);
    }

    fn push_plain(&mut self, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.ready.push_back(Bytes::from(line));
        self.told = self.position;
    }

    /// The next line, or nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.events_left == Some(0) {
                return None;
            }
            if let Some(line) = self.ready.pop_front() {
                self.events_left = self.events_left.map(|left| left - 1);
                return Some(line);
            }
            if self.ended {
                return None;
            }
            // Before looking, so that no change between looking and waiting is missed.
            self.changed.mark_unchanged();
            self.take_changes();
            if self.ready.is_empty() && !self.ended {
                self.wait().await;
            }
        }
    }

    async fn wait(&mut self) {
        let wake = if self.bookmarks { self.deadline.min(self.next_bookmark) } else { self.deadline };
        tokio::select! {
            changed = self.changed.changed() => self.ended = changed.is_err(),
            () = tokio::time::sleep_until(wake) => {
                if self.bookmarks && self.told != self.position {
                    let mark = self.bookmark();
                    self.push_plain("BOOKMARK", &mark);
                }
                self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
                self.ended = Instant::now() >= self.deadline;
            }
        }
    }

    fn take_changes(&mut self) {
        let server = self.server.clone();
        let state = server.state();
        if self.position < state.store.compacted() {
            let message = format!("too old resource version: {} ({})", self.position, state.store.compacted());
            self.push_plain("ERROR", &Failure::expired(message).status());
            self.ended = true;
            return;
        }
        let collection = State::collection_of(&self.resource);
        let changes: Vec<Change> = state.store.since(&collection, self.position).cloned().collect();
        for change in changes {
            self.position = change.version;
            self.take(&state, &change);
        }
        self.position = self.position.max(state.store.version());
    }

    /// What a change means to this watch: objects may enter or leave the selection.
    fn take(&mut self, state: &State, change: &Change) {
        let before = change.before.as_ref().map(|object| state.read(&self.resource, object));
        let was_in = before.as_ref().is_some_and(|object| self.selection.matches(object));
        let after = state.read(&self.resource, &change.after);
        let is_in = self.selection.matches(&after);
        match (was_in, is_in, change.deleted) {
            (true, _, true) => self.push("DELETED", &after),
            (false, true, false) => self.push("ADDED", &after),
            (true, true, false) => self.push("MODIFIED", &after),
            (true, false, false) => {
                let mut last = before.unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                self.push("DELETED", &last);
            }
            (false, ..) => {}
        }
    }
}
