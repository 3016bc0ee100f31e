//! What is kept of builds: parsed files, accumulated bases, finished roots.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::{HashMap, HashMapExt};

use crate::build::Base;
use crate::options::{BuildLimits, LoadRestriction};
use crate::renderer::Root;
use crate::resource::Resource;
use crate::source::ContentId;

/// What a build makes and others, or other parts of the same build, can use.
///
/// The cache of a single build keeps what is made from the second time on:
/// nearly all is used once, and if that were kept, every change to it would have
/// to copy it first. That of a renderer keeps everything, within its budget.
pub(crate) struct Cache {
    /// In bytes; none for a single build.
    budget: Option<usize>,
    entries: Mutex<Entries>,
}

/// What something was made of, as far as that is known before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The resources of a file.
    Manifest {
        /// Tells the file sources of a build apart.
        source: usize,
        file: PathBuf,
        content: Option<ContentId>,
        limits: BuildLimits,
    },
    /// What a base comes to.
    Base { source: usize, dir: PathBuf, restriction: LoadRestriction, limits: BuildLimits, custom_schema: bool },
    /// What a root comes to.
    Root(PathBuf),
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Manifest(Arc<[Resource]>),
    Base(Arc<Base>),
    Root(Arc<Root>),
}

/// How many states of one file, base or root are kept, such as those of several branches.
const MOST_VARIANTS: usize = 4;

#[derive(Default)]
struct Entries {
    by_key: HashMap<Arc<Key>, Vec<Slot>>,
    /// The keys by when they were last used.
    by_use: BTreeMap<u64, Arc<Key>>,
    bytes: usize,
    clock: u64,
}

struct Slot {
    value: Value,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// For the parts of one build.
    pub(crate) fn of_one_build() -> Self {
        Self { budget: None, entries: Mutex::default() }
    }

    /// For many builds, of at most so many bytes.
    pub(crate) fn of_budget(bytes: usize) -> Self {
        Self { budget: Some(bytes), entries: Mutex::default() }
    }

    /// Whether what is kept outlives a build, so that it has to be known what it depends on.
    pub(crate) fn is_shared(&self) -> bool {
        self.budget.is_some()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Entries::default();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere leaves the entries as consistent as any other moment.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of what is kept under a key that is of use, the last used one first.
    /// `pick` may take its time: nothing is locked meanwhile.
    pub(crate) fn find<T>(&self, key: &Key, pick: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let variants = self.lock().variants(key);
        let (used, found) = variants.iter().find_map(|(used, value)| Some((*used, pick(value)?)))?;
        if self.is_shared() {
            self.lock().touch(key, used);
        }
        Some(found)
    }

    /// Keeps what `make` gives and takes so many bytes, if it is to be kept.
    pub(crate) fn offer(&self, key: Key, make: impl FnOnce() -> (Value, usize)) {
        let mut entries = self.lock();
        let Some(budget) = self.budget else {
            match entries.by_key.get_mut(&key) {
                Some(slots) if slots.is_empty() => slots.push(Slot { value: make().0, bytes: 0, used: 0 }),
                Some(_) => {}
                None => drop(entries.by_key.insert(Arc::new(key), Vec::new())),
            }
            return;
        };
        let (value, bytes) = make();
        if bytes <= budget {
            entries.insert(Arc::new(key), value, bytes);
            entries.shrink(budget);
        }
    }
}

impl Entries {
    fn variants(&self, key: &Key) -> Vec<(u64, Value)> {
        let slots = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        slots.iter().rev().map(|slot| (slot.used, slot.value.clone())).collect()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Makes the entry that was last used at `used` the last used one of all.
    fn touch(&mut self, key: &Key, used: u64) {
        let now = self.tick();
        let Some(slots) = self.by_key.get_mut(key) else { return };
        let Some(at) = slots.iter().position(|slot| slot.used == used) else { return };
        let slot = slots.remove(at);
        slots.push(Slot { used: now, ..slot });
        if let Some(key) = self.by_use.remove(&used) {
            self.by_use.insert(now, key);
        }
    }

    fn insert(&mut self, key: Arc<Key>, value: Value, bytes: usize) {
        let used = self.tick();
        self.bytes += bytes;
        self.by_use.insert(used, Arc::clone(&key));
        let slots = self.by_key.entry(key).or_default();
        slots.push(Slot { value, bytes, used });
        if slots.len() > MOST_VARIANTS {
            let oldest = slots.remove(0);
            self.bytes -= oldest.bytes;
            self.by_use.remove(&oldest.used);
        }
    }

    /// Lets go of what was not used for the longest time.
    fn shrink(&mut self, budget: usize) {
        while self.bytes > budget {
            let Some((used, key)) = self.by_use.pop_first() else { return };
            let Some(slots) = self.by_key.get_mut(&key) else { continue };
            if let Some(at) = slots.iter().position(|slot| slot.used == used) {
                self.bytes -= slots.remove(at).bytes;
            }
            if slots.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

/// About how much memory resources take. The text of a file counts for each
/// list of resources that has some of it, so what several of them share counts
/// several times.
pub(crate) fn bytes_of<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> usize {
    let mut sources = HashMap::new();
    let mut bytes = 0;
    for resource in resources {
        let source = resource.doc().source();
        sources.insert(Arc::as_ptr(source), source.text.len());
        bytes += size_of::<Resource>() + resource.bytes();
    }
    bytes + sources.values().sum::<usize>()
}

/// About how much more memory they take as parts of a root, which keeps its
/// text in pieces besides theirs, two lists of them, and their places.
pub(crate) fn bytes_in_root<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> usize {
    let bytes = |resource: &Resource| 2 * size_of::<Resource>() + size_of::<usize>() + resource.yaml_len();
    resources.into_iter().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Build, BuildOptions, Memory, build};

    fn key(name: &str) -> Key {
        Key::Root(name.into())
    }

    fn value() -> Value {
        Value::Manifest(Arc::from([]))
    }

    fn has(cache: &Cache, name: &str) -> bool {
        cache.find(&key(name), |_| Some(())).is_some()
    }

    #[test]
    fn one_build_keeps_things_from_the_second_time_on() {
        let cache = Cache::of_one_build();
        for expected in [false, false, true] {
            assert_eq!(has(&cache, "a"), expected);
            cache.offer(key("a"), || (value(), 1));
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let cache = Cache::of_budget(10);
        for name in ["a", "b"] {
            cache.offer(key(name), || (value(), 4));
        }
        assert!(has(&cache, "a"));
        cache.offer(key("c"), || (value(), 4));
        assert_eq!(["a", "b", "c"].map(|name| has(&cache, name)), [true, false, true]);
        // What is larger than everything may be pushes nothing out.
        cache.offer(key("d"), || (value(), 11));
        assert_eq!((has(&cache, "d"), has(&cache, "a"), cache.bytes()), (false, true, 8));
        cache.clear();
        assert_eq!((has(&cache, "a"), cache.bytes()), (false, 0));
    }

    #[test]
    fn a_few_variants_of_a_thing_are_kept() {
        let cache = Cache::of_budget(100);
        for bytes in 1..=6 {
            cache.offer(key("a"), || (value(), bytes));
        }
        let kept = cache.lock().variants(&key("a")).len();
        assert_eq!((kept, cache.bytes()), (4, 3 + 4 + 5 + 6));
    }

    /// Builds four overlays of one base together. There are two kustomizations
    /// on top of each other below them.
    fn overlays(base: &str) -> (Memory, Build) {
        let mut files = Memory::new()
            .with("inner/kustomization.yaml", base)
            .with("inner/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
            .with("base/kustomization.yaml", "resources: [../inner]\nnameSuffix: -b\n")
            .with("kustomization.yaml", "resources: [o0, o1, o2, o3]\n");
        for index in 0..4 {
            let patch = format!(r#"[{{"op": "add", "path": "/data", "value": {{"k": "v{index}"}}}}]"#);
            let overlay = format!(
                "resources: [../base]\nnamePrefix: o{index}-\npatches: [{{target: {{kind: ConfigMap}}, patch: '{patch}'}}]\n"
            );
            files.insert(format!("o{index}/kustomization.yaml"), overlay);
        }
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        (files, built)
    }

    #[test]
    fn overlays_of_one_base_do_not_see_each_other() {
        let (files, together) = overlays("resources: [c.yaml]\nnameSuffix: -s\n");
        let alone = |index| {
            let built = build(&files, format!("o{index}"), &BuildOptions::new()).expect("builds");
            built.resources.to_yaml().expect("printable")
        };
        let alone = [0, 1, 2, 3].map(alone).join("---\n");
        assert_eq!(together.resources.to_yaml().expect("printable"), alone);
    }

    #[test]
    fn a_base_that_warns_does_so_each_time() {
        let (_, together) = overlays("resources: [c.yaml]\ncommonLabels: {a: b}\n");
        assert_eq!(together.warnings.len(), 4);
    }

    #[test]
    fn a_base_is_no_way_around_cycles_and_limits() {
        let (files, _) = overlays("resources: [c.yaml]\n");
        let files = files.with("inner/kustomization.yaml", "resources: [c.yaml, ../o3]\n");
        let failed = build(&files, "", &BuildOptions::new()).expect_err("a cycle").to_string();
        assert_eq!(failed, build(&files, "", &BuildOptions::new()).expect_err("a cycle").to_string());
        let (files, _) = overlays("resources: [c.yaml]\n");
        for (bases, builds) in [(4, true), (3, false)] {
            let options = BuildOptions::new().limits(crate::BuildLimits::new().bases(bases));
            assert_eq!(build(&files, "", &options).is_ok(), builds, "{bases}");
        }
        for (kustomizations, builds) in [(13, true), (12, false)] {
            let options = BuildOptions::new().limits(crate::BuildLimits::new().kustomizations(kustomizations));
            assert_eq!(build(&files, "", &options).is_ok(), builds, "{kustomizations}");
        }
    }
}
