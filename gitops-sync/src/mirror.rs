//! A copy of live objects that watches keep up to date.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cluster::{Cluster, ClusterError, ResourceType, resource_version};
use crate::id::ResourceId;
use crate::live::{Live, Objects, Scope, get_each, id_of, list_scope};

/// The server ends a watch after this time, and we begin the next one.
const WATCH_SECONDS: u64 = 290;
/// No word for longer than that means that the connection is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);
const RECONNECT: Duration = Duration::from_millis(200);

/// Live objects by scope, each scope followed by a watch of its own.
///
/// Cheap to clone; the watches end with the last clone.
#[derive(Clone)]
pub(crate) struct Mirror {
    shared: Arc<Shared>,
}

struct Shared {
    scopes: Mutex<HashMap<String, Followed>>,
    changed: watch::Sender<u64>,
}

impl Default for Mirror {
    fn default() -> Self {
        let shared = Shared { scopes: Mutex::default(), changed: watch::channel(0).0 };
        Self { shared: Arc::new(shared) }
    }
}

/// A scope and the task that follows it.
struct Followed {
    copy: Arc<Mutex<Held>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct Held {
    /// What somebody has asked for; everything else is dropped unread.
    wanted: HashSet<ResourceId>,
    objects: Objects,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The watch is not connected; what we have may be old.
    #[default]
    Behind,
    /// The watch is connected.
    Current,
    /// The watch cannot be resumed: only a new list helps.
    Lost,
}

/// A panic while one of these is held leaves a consistent copy, if an older one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mirror {
    /// What of `ids` there is, from the copy if it is current; else it is
    /// read, and followed from now on.
    pub(crate) async fn read(
        &self,
        cluster: &Cluster,
        scope: Scope,
        ids: HashSet<ResourceId>,
    ) -> Result<Objects, ClusterError> {
        let Some(copy) = self.current(&scope) else { return self.follow(cluster, scope, ids).await };
        let unknown: HashSet<ResourceId> = {
            let mut copy = lock(&copy);
            let unknown = ids.iter().filter(|id| !copy.wanted.contains(*id)).cloned().collect();
            // Before they are read, so that no change after the read is missed.
            copy.wanted.extend(ids.iter().cloned());
            unknown
        };
        for (id, live) in get_each(cluster, &scope.kind, unknown).await? {
            lock(&copy).keep_newer(id, live);
        }
        let copy = lock(&copy);
        Ok(ids.into_iter().filter_map(|id| copy.objects.get(&id).map(|live| (id, Arc::clone(live)))).collect())
    }

    fn current(&self, scope: &Scope) -> Option<Arc<Mutex<Held>>> {
        let scopes = lock(&self.shared.scopes);
        let copy = Arc::clone(&scopes.get(&scope.path)?.copy);
        let is_current = lock(&copy).state == State::Current;
        is_current.then_some(copy)
    }

    /// Lists a scope and follows it from there.
    async fn follow(&self, cluster: &Cluster, scope: Scope, ids: HashSet<ResourceId>) -> Result<Objects, ClusterError> {
        let mut wanted = ids.clone();
        if let Some(followed) = lock(&self.shared.scopes).get(&scope.path) {
            wanted.extend(lock(&followed.copy).wanted.iter().cloned());
        }
        let (mut objects, missing, version) = list_scope(cluster, &scope, &wanted).await?;
        objects.extend(get_each(cluster, &scope.kind, missing).await?);
        let found = objects.iter().filter(|(id, _)| ids.contains(*id));
        let found = found.map(|(id, live)| (id.clone(), Arc::clone(live))).collect();
        let held = Held { wanted, objects, state: State::Behind };
        let path = scope.path.clone();
        let followed = self.start(cluster.client().clone(), scope, held, version);
        lock(&self.shared.scopes).insert(path, followed);
        Ok(found)
    }

    /// Follows one object that a request has just returned, with a watch of
    /// its scope that begins at its version.
    pub(crate) fn follow_from(&self, client: &kube::Client, scope: Scope, id: &ResourceId, live: Arc<Live>) {
        if !scope.kind.watchable {
            return;
        }
        let version = live.resource_version().to_owned();
        let mut scopes = lock(&self.shared.scopes);
        if let Some(followed) = scopes.get(&scope.path) {
            let mut held = lock(&followed.copy);
            if held.state != State::Lost {
                held.wanted.insert(id.clone());
                held.keep_newer(id.clone(), live);
                return;
            }
        }
        let held = Held {
            wanted: HashSet::from([id.clone()]),
            objects: Objects::from([(id.clone(), live)]),
            state: State::Behind,
        };
        let path = scope.path.clone();
        scopes.insert(path, self.start(client.clone(), scope, held, version));
    }

    fn start(&self, client: kube::Client, scope: Scope, held: Held, version: String) -> Followed {
        let copy = Arc::new(Mutex::new(held));
        let changed = self.shared.changed.clone();
        let watcher = Watcher { client, kind: scope.kind, path: scope.path, copy: Arc::clone(&copy), changed };
        Followed { copy, task: tokio::spawn(watcher.run(version)) }
    }

    /// Takes over what a request has just returned.
    pub(crate) fn put(&self, scope_path: &str, id: &ResourceId, live: Arc<Live>) {
        if let Some(copy) = self.copy(scope_path) {
            let mut copy = lock(&copy);
            copy.wanted.insert(id.clone());
            copy.keep_newer(id.clone(), live);
        }
        self.tell();
    }

    /// Takes note that a request has found nothing.
    pub(crate) fn remove(&self, scope_path: &str, id: &ResourceId) {
        if let Some(copy) = self.copy(scope_path) {
            lock(&copy).objects.remove(id);
        }
        self.tell();
    }

    /// Whether the scope is followed right now, and what it has under `id`.
    pub(crate) fn look(&self, scope_path: &str, id: &ResourceId) -> Option<Option<Arc<Live>>> {
        let copy = self.copy(scope_path)?;
        let copy = lock(&copy);
        (copy.state == State::Current && copy.wanted.contains(id)).then(|| copy.objects.get(id).cloned())
    }

    fn copy(&self, scope_path: &str) -> Option<Arc<Mutex<Held>>> {
        lock(&self.shared.scopes).get(scope_path).map(|followed| Arc::clone(&followed.copy))
    }

    /// Tells when anything may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn tell(&self) {
        self.shared.changed.send_modify(|count| *count += 1);
    }
}

impl Held {
    /// Events and answers can cross; the higher resource version is the later.
    fn keep_newer(&mut self, id: ResourceId, live: Arc<Live>) {
        let number = |live: &Live| live.resource_version().parse::<u64>().ok();
        let is_older = self
            .objects
            .get(&id)
            .is_some_and(|known| matches!((number(known), number(&live)), (Some(known), Some(new)) if new < known));
        if !is_older {
            self.objects.insert(id, live);
        }
    }
}

/// Follows one scope.
struct Watcher {
    client: kube::Client,
    kind: ResourceType,
    path: String,
    copy: Arc<Mutex<Held>>,
    changed: watch::Sender<u64>,
}

impl Watcher {
    async fn run(self, mut version: String) {
        let mut failures = 0u32;
        loop {
            match self.watch(&mut version).await {
                Ok(()) => failures = 0,
                Err(Broken::Gone) => return self.set(State::Lost),
                Err(Broken::Connection) => failures += 1,
            }
            self.set(State::Behind);
            sleep(RECONNECT * 2u32.pow(failures.min(6))).await;
        }
    }

    fn set(&self, state: State) {
        lock(&self.copy).state = state;
        self.changed.send_modify(|count| *count += 1);
    }

    async fn watch(&self, version: &mut String) -> Result<(), Broken> {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}",
            self.path
        );
        let request = Request::get(path).body(Vec::new()).map_err(|_| Broken::Gone)?;
        let events = self.client.request_events::<Value>(request).await.map_err(|error| broken(&error))?;
        self.set(State::Current);
        let mut events = std::pin::pin!(events);
        while let Some(event) = timeout(SILENCE, events.next()).await.map_err(|_| Broken::Connection)? {
            self.take(event.map_err(|error| broken(&error))?, version)?;
        }
        Ok(())
    }

    fn take(&self, event: WatchEvent<Value>, version: &mut String) -> Result<(), Broken> {
        let object = match event {
            WatchEvent::Bookmark(bookmark) => {
                *version = bookmark.metadata.resource_version;
                return Ok(());
            }
            WatchEvent::Error(_) => return Err(Broken::Gone),
            WatchEvent::Deleted(object) => {
                version.replace_range(.., resource_version(&object));
                lock(&self.copy).objects.remove(&id_of(&self.kind, &object));
                None
            }
            WatchEvent::Added(object) | WatchEvent::Modified(object) => Some(object),
        };
        if let Some(object) = object {
            version.replace_range(.., resource_version(&object));
            let id = id_of(&self.kind, &object);
            if lock(&self.copy).wanted.contains(&id) {
                let live = Arc::new(Live::of_value(&object));
                lock(&self.copy).keep_newer(id, live);
            }
        }
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }
}

enum Broken {
    /// To be resumed from where it was.
    Connection,
    /// Where it was is no longer known to the server.
    Gone,
}

/// Refusals, 410 among them, do not get better by asking again.
fn broken(error: &kube::Error) -> Broken {
    match error {
        kube::Error::Api(status) if !matches!(status.code, 429 | 500..) => Broken::Gone,
        _ => Broken::Connection,
    }
}
