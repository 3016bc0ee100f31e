//! The resources of a kustomization, in order.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::ops::Range;

use foldhash::fast::RandomState;
use foldhash::{HashSet, HashSetExt};

use crate::ahead;
use crate::error::BuildError;
use crate::history::{Behavior, PreviousId};
use crate::merge_metadata::take_over;
use crate::pieces::{Resources, SEPARATOR};
use crate::positions::Positions;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::threads::Threads;
use crate::yaml::{self, EmitError};

/// In a set of so few, to look at each takes less time than to make an index.
const FEW: usize = 16;

/// Resources in the order in which they are printed.
#[derive(Debug, Default)]
pub struct ResourceSet {
    resources: Resources,
    /// Where ids are; forgotten as soon as a resource may have changed.
    index: Option<Index>,
    /// How many threads may work on them.
    threads: Threads,
}

/// Copies look for other ids.
impl Clone for ResourceSet {
    fn clone(&self) -> Self {
        Self { resources: self.resources.clone(), index: None, threads: self.threads }
    }
}

impl ResourceSet {
    pub(crate) fn of(resources: Vec<Resource>, threads: Threads) -> Self {
        Self { resources: Resources::Own(resources), index: None, threads }
    }

    /// The same, of which other sets can share what they have in common, and
    /// that remembers how it is printed.
    pub(crate) fn into_shared(self) -> Self {
        Self { resources: Resources::Shared(self.resources.into_pieces()), index: None, threads: self.threads }
    }

    /// A shared copy that has others in some places.
    pub(crate) fn with(&self, others: impl Iterator<Item = (usize, Resource)>) -> Self {
        let pieces = self.resources.clone().into_pieces().with(others);
        Self { resources: Resources::Shared(pieces), index: None, threads: self.threads }
    }

    /// None yet, for so many threads.
    pub(crate) fn on(threads: Threads) -> Self {
        Self { threads, ..Self::default() }
    }

    pub(crate) fn threads(&self) -> Threads {
        self.threads
    }

    pub(crate) fn into_vec(self) -> Vec<Resource> {
        self.resources.into_vec()
    }

    /// The resources in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.resources.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All manifests as kustomize prints them, with `---` between them.
    ///
    /// # Errors
    ///
    /// [`BuildError::Emit`] as [`Resource::to_yaml`] fails for one of them.
    pub fn to_yaml(&self) -> Result<String, BuildError> {
        if let Resources::Shared(pieces) = &self.resources {
            return pieces.to_yaml(self.threads).map_err(|(resource, source)| unprintable(resource, source));
        }
        let parts = self.threads.ranges(self.resources.len(), |part| self.print(part));
        let mut parts = parts.into_iter();
        let mut out = parts.next().transpose()?.unwrap_or_default();
        for part in parts {
            out.push_str(&part?);
        }
        Ok(out)
    }

    fn print(&self, part: Range<usize>) -> Result<String, BuildError> {
        let resources = &self.resources[part.clone()];
        // The first part has room for the others. What is not written to is not really there.
        let room = if part.start == 0 { &self.resources[..] } else { resources };
        let room = room.iter().map(Resource::yaml_len).sum();
        let separator = |at| if at > 0 { SEPARATOR } else { "" };
        let (mut out, mut open) = (Vec::with_capacity(room), yaml::Open::default());
        for (at, resource) in part.zip(ahead::each(resources)) {
            out.extend_from_slice(separator(at).as_bytes());
            resource.write_yaml(&mut out, &mut open).map_err(|source| unprintable(resource, source))?;
        }
        Ok(yaml::printed_text(out))
    }

    /// The resources in order, without a list being made of shared ones.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Resource> {
        self.resources.each()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.as_mut_vec().iter_mut()
    }

    pub(crate) fn as_slice(&self) -> &[Resource] {
        &self.resources
    }

    pub(crate) fn as_mut_vec(&mut self) -> &mut Vec<Resource> {
        self.index = None;
        &mut self.resources
    }

    /// Adds resources at the end.
    ///
    /// # Errors
    ///
    /// [`BuildError::Duplicate`] if one of them is there already.
    pub(crate) fn append(
        &mut self,
        resources: impl IntoIterator<Item = Resource>,
        schema: &Schema,
    ) -> Result<(), BuildError> {
        let resources: Vec<Resource> = resources.into_iter().collect();
        if self.is_few(resources.len()) {
            return resources.into_iter().try_for_each(|resource| self.push_unique(resource, schema));
        }
        let index = self.index.get_or_insert_with(|| Index::new(&self.resources, schema, self.threads));
        let hashes = index.hashes(&resources, schema, self.threads);
        self.resources.reserve(resources.len());
        index.reserve(resources.len());
        for (resource, hash) in resources.into_iter().zip(hashes) {
            let is_twin = |at: usize| Id::current(&self.resources[at], schema) == Id::current(&resource, schema);
            if let Some(first) = index.find(hash.id, is_twin) {
                return Err(duplicate(&self.resources[first], &resource));
            }
            index.add(hash, self.resources.len(), &resource);
            self.resources.push(resource);
        }
        Ok(())
    }

    /// Whether it is known that no two resources would have the same id, whatever namespaces
    /// they were moved to. (What is moved may be a Namespace, which is then called otherwise.)
    pub(crate) fn is_distinct(&self) -> bool {
        self.index.as_ref().is_some_and(|index| {
            let mut seen = HashSet::with_capacity(index.moved.len());
            index.moved.iter().all(|moved| seen.insert(moved))
        })
    }

    /// Whether the set, with so many more, is searched one by one.
    fn is_few(&self, more: usize) -> bool {
        self.index.is_none() && self.resources.len() + more <= FEW
    }

    /// [`append`](Self::append) for one of a few.
    fn push_unique(&mut self, resource: Resource, schema: &Schema) -> Result<(), BuildError> {
        let is_twin = |other: &&Resource| {
            other.name() == resource.name() && Id::current(other, schema) == Id::current(&resource, schema)
        };
        if let Some(first) = self.resources.iter().find(is_twin) {
            return Err(duplicate(first, &resource));
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Keeps the resources that `keep`, which may change them, says yes to.
    ///
    /// # Errors
    ///
    /// What `keep` fails with, and [`BuildError::Duplicate`] if two that are
    /// kept have the same id: patches and replacements may have changed names.
    pub(crate) fn retain_unique(
        &mut self,
        schema: &Schema,
        keep: impl Fn(&mut Resource) -> Result<bool, BuildError> + Sync,
    ) -> Result<(), BuildError> {
        let mut resources = std::mem::take(self.as_mut_vec());
        if resources.len() <= FEW {
            for mut resource in resources {
                if keep(&mut resource)? {
                    self.push_unique(resource, schema)?;
                }
            }
            return Ok(());
        }
        let (ids, mut seen) = (IdHasher::default(), Positions::default());
        let hash = |resource: &Resource| ids.hash(resource, schema);
        // The hash of what is kept, up to the first resource that `keep` fails for.
        let verdicts = self.threads.map(&mut resources, |part| {
            let mut failure = None;
            let verdict = |resource: &mut Resource| match keep(resource) {
                Ok(is_kept) => Some(is_kept.then(|| hash(resource))),
                Err(error) => {
                    failure = Some(error);
                    None
                }
            };
            (part.iter_mut().map_while(verdict).collect::<Vec<_>>(), failure)
        });
        self.resources.reserve(resources.len());
        seen.reserve(resources.len());
        let mut resources = resources.into_iter();
        for (hashes, failure) in verdicts {
            for (hash, resource) in hashes.into_iter().zip(resources.by_ref()) {
                let Some(hash) = hash else { continue };
                let is_twin = |at: &usize| Id::current(&self.resources[*at], schema) == Id::current(&resource, schema);
                if let Some(first) = seen.candidates(hash).find(is_twin) {
                    return Err(duplicate(&self.resources[first], &resource));
                }
                seen.add(hash, self.resources.len());
                self.resources.push(resource);
            }
            failure.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// [`retain_unique`](Self::retain_unique) where all are kept as they are, with the
    /// [hashes](IdHasher) of their ids.
    pub(crate) fn check_unique(
        &self,
        schema: &Schema,
        hashes: impl ExactSizeIterator<Item = u64>,
    ) -> Result<(), BuildError> {
        let mut seen = Positions::default();
        seen.reserve(hashes.len());
        for ((at, resource), hash) in self.resources.iter().enumerate().zip(hashes) {
            let is_twin = |at: &usize| Id::current(&self.resources[*at], schema) == Id::current(resource, schema);
            if let Some(first) = seen.candidates(hash).find(is_twin) {
                return Err(duplicate(&self.resources[first], resource));
            }
            seen.add(hash, at);
        }
        Ok(())
    }

    /// Adds what a generator made: at the end, or onto the resource that has
    /// or had its id if it is to replace that or merge with it.
    ///
    /// # Errors
    ///
    /// If there is such a resource and it is to be created, there is none and
    /// it is not, or there are several.
    pub(crate) fn absorb(&mut self, generated: Vec<Resource>, schema: &Schema) -> Result<(), BuildError> {
        self.resources.reserve(generated.len());
        if let Some(index) = &mut self.index {
            index.reserve(generated.len());
        }
        generated.into_iter().try_for_each(|resource| self.absorb_one(resource, schema))
    }

    fn absorb_one(&mut self, mut resource: Resource, schema: &Schema) -> Result<(), BuildError> {
        let same = self.with_any_id(&resource, schema);
        let id = || Box::new(resource.id());
        let behavior = resource.history().behavior;
        match (same[..].borrow(), behavior) {
            ([], Behavior::Merge | Behavior::Replace) => Err(BuildError::NothingToMerge { id: id() }),
            ([], _) => {
                self.push_new(resource, schema);
                Ok(())
            }
            ([at], Behavior::Merge | Behavior::Replace) => {
                let old = &self.resources[*at];
                if Id::current(old, schema).gvk() != Id::current(&resource, schema).gvk() {
                    return Err(BuildError::NothingToMerge { id: id() });
                }
                take_over(&mut resource, old);
                self.resources[*at] = resource;
                Ok(())
            }
            ([_], _) => Err(BuildError::AlreadyThere { id: id() }),
            _ => Err(BuildError::AmbiguousMerge { id: id() }),
        }
    }

    /// Adds a resource whose id none of the others has.
    fn push_new(&mut self, resource: Resource, schema: &Schema) {
        if let Some(index) = &mut self.index {
            index.add(index.id_hash(&Id::current(&resource, schema)), self.resources.len(), &resource);
        }
        self.resources.push(resource);
    }

    /// Changes the resource at a position; cheaper than [`iter_mut`](Self::iter_mut)
    /// where ids are looked up before and after.
    pub(crate) fn edit<T>(&mut self, at: usize, schema: &Schema, edit: impl FnOnce(&mut Resource) -> T) -> T {
        let resource = &mut self.resources[at];
        let Some(index) = &mut self.index else { return edit(resource) };
        let before = (index.fingerprint(resource, schema), index.id_hash(&Id::current(resource, schema)));
        let result = edit(resource);
        let hash = index.id_hash(&Id::current(resource, schema));
        // What the index has of the old ids stays; each lookup checks what it finds.
        if (index.fingerprint(resource, schema), hash) != before {
            index.add_id(hash.id, at, resource);
            index.moved.extend((hash.moved != before.1.moved).then_some(hash.moved));
        }
        result
    }

    /// Where resources might be that have or had this name.
    pub(crate) fn maybe_named(&mut self, name: &str, schema: &Schema) -> Vec<usize> {
        let index = self.index.get_or_insert_with(|| Index::new(&self.resources, schema, self.threads));
        let hash = index.hash(&name);
        let mut found: Vec<_> = index.names(&self.resources).candidates(hash).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Where another resource has the id of the one at `at`.
    pub(crate) fn twin(&mut self, at: usize, schema: &Schema) -> Option<usize> {
        let index = self.index.get_or_insert_with(|| Index::new(&self.resources, schema, self.threads));
        let id = Id::current(&self.resources[at], schema);
        index.find(index.id_hash(&id).id, |other| other != at && Id::current(&self.resources[other], schema) == id)
    }

    /// The resources that have or had the id that `resource` has.
    pub(crate) fn with_any_id(&mut self, resource: &Resource, schema: &Schema) -> Vec<usize> {
        if self.is_few(0) {
            let id = Id::current(resource, schema);
            let is_it = |at: &usize| Id::all(&self.resources[*at], schema).any(|other| other == id);
            return (0..self.resources.len()).filter(is_it).collect();
        }
        let index = self.index.get_or_insert_with(|| Index::new(&self.resources, schema, self.threads));
        let id = Id::current(resource, schema);
        let hash = index.id_hash(&id).id;
        let is_it = |at: &usize| Id::all(&self.resources[*at], schema).any(|other| other == id);
        let mut found: Vec<_> = index.of_any_id(hash, &self.resources).filter(is_it).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn unprintable(resource: &Resource, source: EmitError) -> BuildError {
    BuildError::Emit { id: Box::new(resource.id()), origin: resource.origin().map(Box::new), source }
}

fn duplicate(first: &Resource, second: &Resource) -> BuildError {
    let id = Box::new(second.id());
    BuildError::Duplicate { id, first: first.origin().map(Box::new), second: second.origin().map(Box::new) }
}

impl<'a> IntoIterator for &'a ResourceSet {
    type Item = &'a Resource;
    type IntoIter = std::slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for ResourceSet {
    type Item = Resource;
    type IntoIter = std::vec::IntoIter<Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

/// An id as kustomize compares them, with the effective namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id<'a> {
    // What differs most comes first.
    name: &'a str,
    kind: &'a str,
    namespace: &'a str,
    group: &'a str,
    version: &'a str,
}

/// The hashes of an id.
#[derive(Clone, Copy, PartialEq, Eq)]
struct IdHash {
    /// Few resources differ in nothing but the group or version of their type, which it leaves out.
    id: u64,
    /// Of what stays of it when the resource is moved to another namespace.
    moved: u64,
}

impl<'a> Id<'a> {
    fn current(resource: &'a Resource, schema: &Schema) -> Self {
        let (group, version) = resource.group_version();
        let kind = resource.kind();
        let namespace = resource.effective_namespace(schema);
        Self { group, version, kind, name: resource.name(), namespace }
    }

    /// The current id and all earlier ones.
    fn all(resource: &'a Resource, schema: &Schema) -> impl Iterator<Item = Self> {
        std::iter::once(Self::current(resource, schema)).chain(Self::previous(resource))
    }

    /// The ids before the current one.
    fn previous(resource: &'a Resource) -> impl Iterator<Item = Self> {
        resource.history().previous.iter().map(|PreviousId { kind, name, namespace }| {
            let (group, version) = resource.group_version();
            Self { group, version, kind, name, namespace }
        })
    }

    fn gvk(&self) -> (&'a str, &'a str, &'a str) {
        (self.group, self.version, self.kind)
    }
}

/// Hashes ids, so that two of them need only be compared if their hashes are the same.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(RandomState);

impl IdHasher {
    pub(crate) fn hash(&self, resource: &Resource, schema: &Schema) -> u64 {
        hash_of(&self.0, &Id::current(resource, schema)).id
    }
}

/// Finds ids without comparing them with all others.
#[derive(Debug, Clone)]
struct Index {
    hasher: RandomState,
    current: Positions,
    // The others are made when somebody asks for them, which most kustomizations do not.
    /// By ids before the current ones.
    past: Option<Positions>,
    /// By names that resources have or had.
    names: Option<Positions>,
    /// [`IdHash::moved`] of all.
    moved: Vec<u64>,
}

impl Index {
    fn new(resources: &[Resource], schema: &Schema, threads: Threads) -> Self {
        let (hasher, current, past, names, moved) = Default::default();
        let mut index = Self { hasher, current, past, names, moved };
        let hashes = index.hashes(resources, schema, threads);
        index.reserve(resources.len());
        hashes.into_iter().zip(resources).enumerate().for_each(|(at, (hash, resource))| index.add(hash, at, resource));
        index
    }

    /// The hashes of current ids.
    fn hashes(&self, resources: &[Resource], schema: &Schema, threads: Threads) -> Vec<IdHash> {
        let hash = |resource: &Resource| self.id_hash(&Id::current(resource, schema));
        threads.ranges(resources.len(), |part| ahead::each_id(&resources[part]).map(hash).collect::<Vec<_>>()).concat()
    }

    fn hash(&self, of: &impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    fn reserve(&mut self, additional: usize) {
        self.current.reserve(additional);
        self.moved.reserve(additional);
    }

    fn id_hash(&self, id: &Id<'_>) -> IdHash {
        hash_of(&self.hasher, id)
    }

    /// Adds a resource whose current id has these hashes.
    fn add(&mut self, hash: IdHash, at: usize, resource: &Resource) {
        self.moved.push(hash.moved);
        self.add_id(hash.id, at, resource);
    }

    fn add_id(&mut self, hash: u64, at: usize, resource: &Resource) {
        self.current.add(hash, at);
        if let Some(past) = &mut self.past {
            add_past(past, &self.hasher, at, resource);
        }
        if let Some(names) = &mut self.names {
            add_names(names, &self.hasher, at, resource);
        }
    }

    /// Where resources might be that have or had an id with this hash.
    fn of_any_id(&mut self, hash: u64, resources: &[Resource]) -> impl Iterator<Item = usize> {
        let Self { hasher, current, past, .. } = self;
        let past = past.get_or_insert_with(|| positions(resources, |past, at, it| add_past(past, hasher, at, it)));
        current.candidates(hash).chain(past.candidates(hash))
    }

    fn names(&mut self, resources: &[Resource]) -> &Positions {
        let Self { hasher, names, .. } = self;
        names.get_or_insert_with(|| positions(resources, |names, at, it| add_names(names, hasher, at, it)))
    }

    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.current.candidates(hash).find(|at| is_it(*at))
    }

    /// Differs when an id of the resource does.
    fn fingerprint(&self, resource: &Resource, schema: &Schema) -> u64 {
        self.hash(&Id::all(resource, schema).map(|id| self.id_hash(&id).id).collect::<Vec<_>>())
    }
}

fn hash_of(hasher: &RandomState, id: &Id<'_>) -> IdHash {
    let hash = |name| hasher.hash_one((id.kind, name));
    let named = hash(id.name);
    let moved = if id.kind == "Namespace" { hash("") } else { named };
    IdHash { id: hasher.hash_one((named, id.namespace)), moved }
}

/// What `add` adds for each resource.
fn positions(resources: &[Resource], add: impl Fn(&mut Positions, usize, &Resource)) -> Positions {
    let mut positions = Positions::default();
    resources.iter().enumerate().for_each(|(at, resource)| add(&mut positions, at, resource));
    positions
}

fn add_past(past: &mut Positions, hasher: &RandomState, at: usize, resource: &Resource) {
    Id::previous(resource).for_each(|id| past.add(hash_of(hasher, &id).id, at));
}

fn add_names(names: &mut Positions, hasher: &RandomState, at: usize, resource: &Resource) {
    let previous = resource.history().previous.iter().map(|previous| previous.name);
    std::iter::once(resource.name()).chain(previous).for_each(|name| names.add(hasher.hash_one(name), at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tests::resource;

    fn generated(name: &str, behavior: Behavior, data: &str) -> Resource {
        let mut made = resource("v1", "ConfigMap", "", name);
        made.history_mut().behavior = behavior;
        let doc = made.doc_mut();
        let map = doc.new_mapping();
        doc.set_value(map, data, crate::yaml::Scalar::string("x"));
        doc.set(doc.root(), "data", map);
        made
    }

    /// Sets that are searched one by one, and by their index.
    fn few_and_many() -> [ResourceSet; 2] {
        let others = |count| (0..count).map(|at| resource("v1", "Service", "", &format!("other-{at}"))).collect();
        [0, 2 * FEW].map(|count| ResourceSet::of(others(count), Threads::ONE))
    }

    #[test]
    fn an_id_is_there_only_once() {
        few_and_many().into_iter().for_each(an_id_is_in_it_only_once);
    }

    fn an_id_is_in_it_only_once(mut set: ResourceSet) {
        let schema = Schema::builtin();
        set.append([resource("v1", "Pod", "", "a"), resource("v1", "Pod", "b", "a")], &schema).expect("different");
        for twin in [resource("v1", "Pod", "default", "a"), resource("v1", "Pod", "b", "a")] {
            let error = set.clone().append([twin], &schema).expect_err("a duplicate");
            assert!(matches!(error, BuildError::Duplicate { .. }), "{error}");
        }
        // A cluster-scoped resource is the same one whatever namespace it names.
        set.append([resource("v1", "Node", "", "n")], &schema).expect("new");
        set.append([resource("v1", "Node", "b", "n")], &schema).expect_err("a duplicate");
        let count = set.len();
        set.retain_unique(&schema, |resource| Ok(resource.kind() != "Node")).expect("no duplicates");
        assert_eq!(set.len(), count - 1);
        set.iter_mut().last().expect("some").set_metadata_text("namespace", "default");
        let error = set.retain_unique(&schema, |_| Ok(true)).expect_err("a duplicate");
        assert!(matches!(error, BuildError::Duplicate { .. }), "{error}");
    }

    #[test]
    fn generated_resources_find_what_they_change_by_any_id() {
        few_and_many().into_iter().for_each(generated_resources_find_it_by_any_id);
    }

    fn generated_resources_find_it_by_any_id(mut set: ResourceSet) {
        let schema = Schema::builtin();
        let others = set.len();
        set.absorb(vec![generated("a", Behavior::Unspecified, "one")], &schema).expect("added");
        let made = set.iter_mut().last().expect("just added");
        made.store_previous_id(false);
        made.set_name("p-a");
        set.absorb(vec![generated("a", Behavior::Create, "x")], &schema).expect_err("exists");
        set.absorb(vec![generated("b", Behavior::Merge, "x")], &schema).expect_err("does not exist");
        set.absorb(vec![generated("a", Behavior::Merge, "two")], &schema).expect("merged");
        let keys = |set: &ResourceSet| {
            let doc = set.as_slice()[others].doc();
            let data = doc.get(doc.root(), "data").expect("data");
            doc.entries(data).map(|(key, _)| doc.text(key).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!((set.as_slice()[others].name(), keys(&set)), ("p-a", vec!["one".to_owned(), "two".to_owned()]));
        set.absorb(vec![generated("p-a", Behavior::Replace, "three")], &schema).expect("replaced");
        assert_eq!((set.len(), keys(&set)), (others + 1, vec!["three".to_owned()]));
    }
}
