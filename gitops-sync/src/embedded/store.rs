//! The objects, their versions and the log of changes that watches read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

/// Group and plural of what is stored together.
pub(crate) type Collection = (String, String);

/// What happened to one object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) collection: Collection,
    pub(crate) key: String,
    pub(crate) before: Option<Arc<Value>>,
    /// What it is now; a deleted object as it last was, with the version of its deletion.
    pub(crate) after: Arc<Value>,
    pub(crate) deleted: bool,
}

/// All objects, at their storage versions.
#[derive(Debug)]
pub(crate) struct Store {
    version: u64,
    collections: BTreeMap<Collection, BTreeMap<String, Arc<Value>>>,
    log: VecDeque<Change>,
    /// Changes up to here are no longer in the log.
    compacted: u64,
    log_limit: usize,
    changed: watch::Sender<u64>,
}

/// As etcd orders objects: by namespace and name.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl Store {
    pub(crate) fn new(log_limit: usize) -> Self {
        Self {
            version: 1,
            collections: BTreeMap::new(),
            log: VecDeque::new(),
            compacted: 1,
            log_limit,
            changed: watch::Sender::new(1),
        }
    }

    /// The version of the last change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The version before which history is gone.
    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Wakes whoever waits for changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, collection: &Collection, key: &str) -> Option<&Arc<Value>> {
        self.collections.get(collection)?.get(key)
    }

    pub(crate) fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&String, &Arc<Value>)> {
        self.collections.get(collection).into_iter().flatten()
    }

    /// Wakes whoever waits for changes although there are none.
    pub(crate) fn wake(&self) {
        self.changed.send_replace(self.version);
    }

    /// Objects of a collection as they were at `version`, which must not be compacted.
    pub(crate) fn collection_at(&self, collection: &Collection, version: u64) -> BTreeMap<String, Arc<Value>> {
        let mut objects = self.collections.get(collection).cloned().unwrap_or_default();
        for change in self.log.iter().rev().take_while(|change| change.version > version) {
            if change.collection != *collection {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        objects
    }

    /// Stores an object under a new version, which is written into it.
    pub(crate) fn put(&mut self, collection: &Collection, key: String, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        let objects = self.collections.entry(collection.clone()).or_default();
        let before = objects.insert(key.clone(), object.clone());
        self.record(Change {
            version: self.version,
            collection: collection.clone(),
            key,
            before,
            after: object.clone(),
            deleted: false,
        });
        object
    }

    /// Removes an object. The change gets a new version.
    pub(crate) fn delete(&mut self, collection: &Collection, key: &str) -> Option<Arc<Value>> {
        let before = self.collections.get_mut(collection)?.remove(key)?;
        self.version += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.record(Change {
            version: self.version,
            collection: collection.clone(),
            key: key.to_owned(),
            before: Some(before.clone()),
            after: Arc::new(last),
            deleted: true,
        });
        Some(before)
    }

    fn record(&mut self, change: Change) {
        self.log.push_back(change);
        while self.log.len() > self.log_limit {
            if let Some(old) = self.log.pop_front() {
                self.compacted = old.version;
            }
        }
        self.changed.send_replace(self.version);
    }

    /// Forgets all history up to now: watches and pages from before get 410.
    pub(crate) fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.version;
    }

    /// Changes of a collection after `version`.
    pub(crate) fn since<'a>(
        &'a self,
        collection: &'a Collection,
        version: u64,
    ) -> impl Iterator<Item = &'a Change> + 'a {
        self.all_since(version).filter(move |change| change.collection == *collection)
    }

    /// All changes after `version` that are still known.
    pub(crate) fn all_since(&self, version: u64) -> impl Iterator<Item = &Change> {
        let start = self.log.partition_point(|change| change.version <= version);
        self.log.range(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_can_be_listed_until_it_is_compacted() {
        let mut store = Store::new(100);
        let things = (String::new(), "things".to_owned());
        let object = |n: u32| json!({"metadata": {"name": "a"}, "n": n});
        store.put(&things, key("x", "a"), object(1));
        let then = store.version();
        store.put(&things, key("x", "a"), object(2));
        store.put(&things, key("x", "b"), object(3));
        store.delete(&things, &key("x", "a"));
        let past = store.collection_at(&things, then);
        assert_eq!(past.len(), 1);
        assert_eq!(past[&key("x", "a")]["n"], 1);
        assert_eq!(store.since(&things, then).count(), 3);
        store.compact();
        assert_eq!(store.compacted(), store.version());
    }
}
