//! Roots that only gather bases: what comes of a base that did not change is
//! used again, finished and in its place among the others.
//!
//! Nearly everything that is done to finish a build is done resource by
//! resource. The rest looks for other resources by name and namespace, so bases
//! in different namespaces can be finished one by one.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::{Base, Target, load_root};
use crate::cache;
use crate::config::{NameReferences, TransformerConfig};
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
    record: Arc<Record>,
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

/// What the last build was gathered from, if the kustomization file is the same now.
#[derive(Clone, Copy)]
struct Before<'a> {
    root: &'a Root,
    parts: &'a Parts,
}

/// The finished resources of a root that only gathers bases which have nothing
/// to do with each other. `None` for any other, and if something goes wrong:
/// then it has to be built as a whole.
pub(crate) fn gather(loader: &Loader<'_>, before: Option<&Root>) -> Option<(ResourceSet, Parts)> {
    loader.open();
    let before = before.and_then(|root| Some(Before { root, parts: root.parts.as_ref()? }));
    let same_file = before.filter(|before| before.record().is_some_and(|record| record.own_holds(loader)));
    let loaded = match same_file {
        Some(before) => {
            loader.session.know(&before.record()?.own).ok()?;
            Arc::clone(&before.parts.loaded)
        }
        None => Arc::new(load_root(loader).ok().filter(|loaded| only_gathers(loader, &loaded.kustomization))?),
    };
    let target = Target::root(loader, &loaded);
    let list = gather_parts(&target, before, same_file)?;
    let replaced = same_file.map(|before| before.replaced_by(&list));
    let resources = match (same_file, replaced) {
        (Some(before), Some(replaced)) if replaced.iter().all(|(old, new)| old.is_like(new)) => {
            before.with_replaced(&replaced)
        }
        _ => join(&target, &list)?,
    };
    loader.close();
    Some((resources, Parts { loaded, list }))
}

/// Whether a root does nothing to its bases but sort what they give.
fn only_gathers(loader: &Loader<'_>, from: &Kustomization) -> bool {
    let has_one_order = from.sort_options.is_none() || loader.session.options.reorder.is_none();
    let ignored = Kustomization {
        kind: String::new(),
        api_version: String::new(),
        metadata: None,
        sort_options: None,
        resources: Vec::new(),
        ..from.clone()
    };
    has_one_order && ignored == Kustomization::default()
}

fn gather_parts(
    target: &Target<'_>,
    before: Option<Before<'_>>,
    same_file: Option<Before<'_>>,
) -> Option<Vec<Arc<Part>>> {
    let loader = target.loader;
    let by_record: HashMap<_, _> = match (before, same_file) {
        (Some(before), None) => before.parts.list.iter().map(|part| (Arc::as_ptr(&part.record), part)).collect(),
        _ => HashMap::new(),
    };
    let part = |(at, entry): (usize, &String)| {
        let old = same_file.and_then(|before| before.parts.list.get(at));
        if let Some(old) = old.filter(|old| old.record.holds(loader)) {
            loader.session.reuse(&old.record).ok()?;
            return Some(Arc::clone(old));
        }
        let dir = match old {
            Some(old) => old.dir.clone(),
            None => directory(loader, entry)?,
        };
        let base = target.base(entry, Entry::Directory(dir.clone())).ok()?;
        match by_record.get(&Arc::as_ptr(&base.record)) {
            Some(part) => Some(Arc::clone(part)),
            None => Part::new(target, dir, &base).map(Arc::new),
        }
    };
    target.kustomization.resources.iter().enumerate().map(part).collect()
}

fn directory(loader: &Loader<'_>, entry: &str) -> Option<PathBuf> {
    match loader.entry(entry).ok()? {
        Entry::Directory(dir) => Some(dir),
        _ => None,
    }
}

/// The resources of all parts in order, if these have nothing to do with each other.
fn join(target: &Target<'_>, parts: &[Arc<Part>]) -> Option<ResourceSet> {
    let (mut namespaces, mut cluster) = (HashSet::new(), HashSet::new());
    for part in parts {
        let Reach { namespaces: own, cluster: own_cluster } = &part.reach;
        if !own.iter().all(|name| namespaces.insert(name)) || !own_cluster.iter().all(|id| cluster.insert(id)) {
            return None;
        }
    }
    let mut resources = parts.iter().flat_map(|part| part.resources.iter().cloned()).collect();
    target.sort(&mut resources).ok()?;
    Some(ResourceSet::shared(resources))
}

impl<'a> Before<'a> {
    /// The record of the root's kustomization, which is all that the build's has below it.
    fn record(&self) -> Option<&'a Arc<Record>> {
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
        let new: HashMap<usize, &Resource> = pairs.map(|(old, new)| (old.address(), new)).collect();
        let all = self.root.build.resources.iter();
        ResourceSet::shared(all.map(|old| (*new.get(&old.address()).unwrap_or(&old)).clone()).collect())
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
    fn new(target: &Target<'_>, dir: PathBuf, base: &Base) -> Option<Self> {
        let Base { layer, record } = base;
        let config = TransformerConfig::builtin();
        let is_plain = Arc::ptr_eq(&layer.config, &config) && layer.vars.is_empty();
        if !is_plain || record.has_effects || target.loader.session.has_schema() {
            return None;
        }
        let mut reach = Reach::default();
        reach.add(layer.resources.as_slice(), &config.name_references)?;
        let resources = target.finish_unsorted(layer.clone()).ok()?;
        reach.add(&resources, &config.name_references)?;
        let bytes = size_of::<Self>() + cache::bytes_of(&resources) + record.bytes();
        Some(Self { dir, record: Arc::clone(record), resources, reach, bytes })
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
            let (group, version) = resource.group_version();
            if !schema.is_cluster_scoped(group, version, resource.kind()) {
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
    let history = &resource.history;
    let kinds = history.previous.iter().map(|previous| &*previous.kind).chain([resource.kind()]);
    kinds.into_iter().all(|kind| references.referrers().trees(kind).is_empty() && !references.has_target(kind))
        && history.previous.iter().all(|previous| *previous.namespace == *NO_NAMESPACE)
        && !history.needs_hash
}
