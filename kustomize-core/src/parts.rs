//! Roots that only gather bases: what comes of a base that did not change is
//! used again, finished and in its place among the others.
//!
//! Nearly everything that is done to finish a build is done resource by
//! resource. The rest looks for other resources by name and namespace, so bases
//! in different namespaces can be finished one by one.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::{Base, Layer, Target, load_root};
use crate::by_address::ByAddress;
use crate::cache;
use crate::config::{NameReferences, TransformerConfig};
use crate::error::BuildError;
use crate::id::ResourceId;
use crate::kustomization::Kustomization;
use crate::kustomization::load::Loaded;
use crate::load::{Entry, Loader};
use crate::record::Record;
use crate::references;
use crate::renderer::Root;
use crate::resource::{NO_NAMESPACE, Resource, effective_namespace};
use crate::resource_set::ResourceSet;
use crate::schema::Schema;

/// What a build was gathered from.
#[derive(Debug)]
pub(crate) struct Parts {
    loaded: Arc<Loaded>,
    list: Vec<Arc<Part>>,
}

/// A base, finished.
#[derive(Debug)]
struct Part {
    dir: PathBuf,
    /// As it was before it was finished.
    base: Arc<Base>,
    resources: Vec<Resource>,
    reach: Reach,
    bytes: usize,
}

/// Where the resources of a base are. They refer to nothing elsewhere, and
/// nothing elsewhere refers to them.
#[derive(Debug, Default, PartialEq)]
struct Reach {
    namespaces: HashSet<String>,
    /// The resources without namespace.
    cluster: HashSet<ResourceId>,
}

/// A build before this one, and what it was gathered from.
#[derive(Clone, Copy)]
struct Before<'a> {
    root: &'a Root,
    parts: &'a Parts,
}

/// What a root comes to, and its parts if it only gathers bases that have nothing to do with each other.
pub(crate) fn render(loader: &Loader<'_>, before: Option<&Root>) -> Result<(ResourceSet, Option<Parts>), BuildError> {
    loader.open();
    let before = before.and_then(|root| Some(Before { root, parts: root.parts.as_ref()? }));
    let same_file = before.filter(|before| before.own().is_some_and(|record| record.own_holds(loader)));
    let loaded = match same_file.and_then(|before| Some((before.own()?, before.parts))) {
        Some((record, parts)) => {
            loader.session.know(&record.own)?;
            Arc::clone(&parts.loaded)
        }
        None => Arc::new(load_root(loader)?),
    };
    let target = Target::root(loader, &loaded);
    target.set_schema()?;
    let dirs = match same_file {
        Some(before) => Some(before.parts.list.iter().map(|part| part.dir.clone()).collect()),
        None => directories(&target),
    };
    let (resources, list) = match dirs {
        Some(dirs) => Gathering { target: &target, dirs, before, same_file }.run()?,
        None => (target.render()?, None),
    };
    loader.close();
    Ok((resources, list.map(|list| Parts { loaded, list })))
}

/// The bases of a root that does nothing to them but sort what they give.
fn directories(target: &Target<'_>) -> Option<Vec<PathBuf>> {
    let from = target.kustomization;
    let has_one_order = from.sort_options.is_none() || target.loader.session.options.reorder.is_none();
    let rest = Kustomization {
        kind: String::new(),
        api_version: String::new(),
        metadata: None,
        sort_options: None,
        resources: Vec::new(),
        ..from.clone()
    };
    if !has_one_order || rest != Kustomization::default() {
        return None;
    }
    let directory = |entry: &String| match target.loader.entry(entry) {
        Ok(Entry::Directory(dir)) => Some(dir),
        _ => None,
    };
    from.resources.iter().map(directory).collect()
}

/// A root that only gathers bases, while it does.
struct Gathering<'a> {
    target: &'a Target<'a>,
    dirs: Vec<PathBuf>,
    before: Option<Before<'a>>,
    same_file: Option<Before<'a>>,
}

/// A base, finished if it is known to be the same as before.
struct Member {
    base: Arc<Base>,
    part: Option<Arc<Part>>,
}

/// Finished resources, and the parts that they are of if each was finished by itself.
type Gathered = (ResourceSet, Option<Vec<Arc<Part>>>);

impl Gathering<'_> {
    fn run(&self) -> Result<Gathered, BuildError> {
        let members = self.members()?;
        if let Some(list) = self.parts(&members)
            && let Some(resources) = self.arrange(&list)
        {
            return Ok((resources, Some(list)));
        }
        let mut layer = self.join(&members)?;
        self.target.customize(&mut layer)?;
        Ok((self.target.finish(layer)?, None))
    }

    fn members(&self) -> Result<Vec<Member>, BuildError> {
        let by_record = self.parts_by_record();
        let mut members = Vec::with_capacity(self.dirs.len());
        for (at, (entry, dir)) in self.entries().zip(&self.dirs).enumerate() {
            let old = self.same_file.and_then(|before| before.parts.list.get(at));
            if let Some(old) = old.filter(|old| self.target.loader.may_reuse(&old.base.record)) {
                self.target.loader.session.reuse(&old.base.record)?;
                members.push(Member { base: Arc::clone(&old.base), part: Some(Arc::clone(old)) });
                continue;
            }
            match self.target.base(entry, Entry::Directory(dir.clone())) {
                Ok(base) => {
                    let part = by_record.get(&Arc::as_ptr(&base.record)).map(|part| Arc::clone(part));
                    members.push(Member { base, part });
                }
                Err(error) => {
                    // What is wrong with the bases before this one comes first.
                    self.join(&members)?;
                    return Err(self.target.in_entry("resources", entry, error));
                }
            }
        }
        Ok(members)
    }

    fn entries(&self) -> std::slice::Iter<'_, String> {
        self.target.kustomization.resources.iter()
    }

    /// The parts of the build before, where their places may have changed.
    fn parts_by_record(&self) -> HashMap<*const Record, &Arc<Part>> {
        let before = self.before.filter(|_| self.same_file.is_none());
        let parts = before.into_iter().flat_map(|before| &before.parts.list);
        parts.map(|part| (Arc::as_ptr(&part.base.record), part)).collect()
    }

    /// The members as a build from nothing puts them together.
    fn join(&self, members: &[Member]) -> Result<Layer, BuildError> {
        let mut layer = self.target.layer();
        for (member, entry) in members.iter().zip(self.entries()) {
            let added = self.target.add_layer(&mut layer, Arc::clone(&member.base));
            added.map_err(|error| self.target.in_entry("resources", entry, error))?;
        }
        Ok(layer)
    }

    fn parts(&self, members: &[Member]) -> Option<Vec<Arc<Part>>> {
        let part = |(member, dir): (&Member, &PathBuf)| match &member.part {
            Some(part) => Some(Arc::clone(part)),
            None => Part::new(self.target, dir.clone(), Arc::clone(&member.base)).map(Arc::new),
        };
        members.iter().zip(&self.dirs).map(part).collect()
    }

    /// The resources of all parts in order, if these have nothing to do with each other.
    fn arrange(&self, list: &[Arc<Part>]) -> Option<ResourceSet> {
        if let Some(before) = self.same_file {
            let replaced = before.replaced_by(list);
            if replaced.iter().all(|(old, new)| old.is_like(new)) {
                return Some(before.with_replaced(&replaced));
            }
        }
        let (mut namespaces, mut cluster) = (HashSet::new(), HashSet::new());
        for Part { reach, .. } in list.iter().map(|part| &**part) {
            let is_new = reach.namespaces.iter().all(|name| namespaces.insert(name));
            if !is_new || !reach.cluster.iter().all(|id| cluster.insert(id)) {
                return None;
            }
        }
        let mut resources = list.iter().flat_map(|part| part.resources.iter().cloned()).collect();
        self.target.sort(&mut resources).ok()?;
        Some(ResourceSet::shared(resources, self.target.loader.session.threads()))
    }
}

impl<'a> Before<'a> {
    /// The record of the root's kustomization, which is all that the build's has below it.
    fn own(&self) -> Option<&'a Arc<Record>> {
        self.root.build.read.record().below.first()
    }

    /// The parts that are no longer the same, with what is in their place.
    fn replaced_by<'b>(&self, list: &'b [Arc<Part>]) -> Vec<(&'a Part, &'b Part)> {
        let pairs = self.parts.list.iter().zip(list).filter(|(old, new)| !Arc::ptr_eq(old, new));
        pairs.map(|(old, new)| (&**old, &**new)).collect()
    }

    /// The resources of the build before, with others in the places of some.
    fn with_replaced(&self, replaced: &[(&Part, &Part)]) -> ResourceSet {
        let pairs = replaced.iter().flat_map(|(old, new)| old.resources.iter().zip(&new.resources));
        let new: ByAddress<usize, &Resource> = pairs.map(|(old, new)| (old.address(), new)).collect();
        let all = self.root.build.resources.iter();
        let resources = all.map(|old| (*new.get(&old.address()).unwrap_or(&old)).clone()).collect();
        ResourceSet::shared(resources, self.root.build.resources.threads())
    }
}

impl Parts {
    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.list.iter().map(|part| part.bytes).sum()
    }
}

impl Part {
    /// `None` if it may have to do with resources elsewhere.
    fn new(target: &Target<'_>, dir: PathBuf, base: Arc<Base>) -> Option<Self> {
        let Base { layer, record } = &*base;
        let config = TransformerConfig::builtin();
        let is_plain = Arc::ptr_eq(&layer.config, &config) && layer.vars.is_empty();
        if !is_plain || record.has_effects || target.loader.session.has_schema() {
            return None;
        }
        let mut reach = Reach::default();
        reach.add(layer.resources.as_slice(), &config.name_references)?;
        let resources = target.finish_unsorted(layer.clone()).ok()?;
        reach.add(&resources, &config.name_references)?;
        let bytes = size_of::<Self>() + cache::bytes_of(&resources) + base.bytes();
        Some(Self { dir, base, resources, reach, bytes })
    }

    /// Whether the other one has resources of the same ids, and in reach of the same ones.
    fn is_like(&self, other: &Self) -> bool {
        fn id(resource: &Resource) -> [&str; 4] {
            [resource.api_version(), resource.kind(), resource.namespace(), resource.name()]
        }
        self.reach == other.reach && self.resources.iter().map(id).eq(other.resources.iter().map(id))
    }
}

impl Reach {
    /// Adds resources; `None` if they are in reach of resources in other namespaces.
    fn add(&mut self, resources: &[Resource], references: &NameReferences) -> Option<()> {
        let schema = Schema::builtin();
        for resource in resources {
            if !resource.is_cluster_scoped(&schema) {
                let namespace = effective_namespace(resource.namespace(), false);
                if !self.namespaces.contains(namespace) {
                    self.namespaces.insert(namespace.to_owned());
                }
            } else if is_out_of_reach(resource, references) {
                self.cluster.insert(ResourceId { namespace: String::new(), ..resource.id() });
            } else {
                return None;
            }
        }
        let accounts = resources.iter().map(references::account_namespaces);
        let mut all_accounts = accounts.flat_map(|accounts| accounts.unwrap_or_default());
        all_accounts.all(|name| self.namespaces.contains(effective_namespace(name, false))).then_some(())
    }
}

/// Whether a resource without namespace refers to none by name and cannot be
/// referred to. Any other may have to do with resources in all namespaces.
fn is_out_of_reach(resource: &Resource, references: &NameReferences) -> bool {
    let history = resource.history();
    let kinds = history.previous.iter().map(|previous| previous.kind).chain([resource.kind()]);
    kinds.into_iter().all(|kind| references.referrers().trees(kind).is_empty() && !references.has_target(kind))
        && history.previous.iter().all(|previous| previous.namespace == NO_NAMESPACE)
        && !history.needs_hash
}
