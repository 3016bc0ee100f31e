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
    /// Where the bases are.
    dirs: Arc<[PathBuf]>,
    list: Vec<Arc<Part>>,
    places: Arc<Places>,
}

/// Where the resources of each part are among those of all.
type Places = Vec<Box<[usize]>>;

/// A base, finished.
#[derive(Debug)]
struct Part {
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

/// What a root came to before, and what of it holds now.
#[derive(Debug)]
pub(crate) struct Before {
    root: Arc<Root>,
    is_current: bool,
    /// Of each part whether it holds, if the root's own file does.
    holds: Option<Vec<bool>>,
}

/// A build before this one, of a root whose own file is still the same.
#[derive(Clone, Copy)]
struct Same<'a> {
    root: &'a Root,
    parts: &'a Parts,
    holds: &'a [bool],
}

impl Before {
    pub(crate) fn new(root: Arc<Root>, loader: &Loader<'_>) -> Self {
        let own = root.record().filter(|own| root.parts.is_some() && own.own_holds(loader));
        let holds = own.map(|own| own.bases_that_hold(loader));
        let is_current = match &holds {
            Some(holds) => holds.iter().all(|holds| *holds),
            None => root.holds(loader),
        };
        Self { root, is_current, holds }
    }

    /// The root if all of it holds.
    pub(crate) fn current(&self) -> Option<&Arc<Root>> {
        self.is_current.then_some(&self.root)
    }

    /// Whether another root has a part that is known not to hold.
    pub(crate) fn rules_out(&self, other: &Root) -> bool {
        let bases = |root| Root::record(root).map_or(&[][..], |own| &own.below);
        let pairs = bases(&self.root).iter().zip(bases(other));
        let holds = self.holds.iter().flatten();
        pairs.zip(holds).any(|((one, other), holds)| !holds && Arc::ptr_eq(one, other))
    }

    fn parts(&self) -> &[Arc<Part>] {
        self.root.parts.as_ref().map_or(&[], |parts| &parts.list)
    }

    fn same(&self) -> Option<Same<'_>> {
        let (parts, holds) = (self.root.parts.as_ref()?, self.holds.as_deref()?);
        Some(Same { root: &self.root, parts, holds })
    }
}

/// What a root comes to, and its parts if it only gathers bases that have nothing to do with each other.
pub(crate) fn render(loader: &Loader<'_>, before: Option<&Before>) -> Result<(ResourceSet, Option<Parts>), BuildError> {
    loader.open();
    let same = before.and_then(Before::same);
    let loaded = match same.and_then(|same| Some((same.root.record()?, same.parts))) {
        Some((record, parts)) => {
            loader.session.know(&record.own)?;
            Arc::clone(&parts.loaded)
        }
        None => Arc::new(load_root(loader)?),
    };
    let target = Target::root(loader, &loaded);
    target.set_schema()?;
    let dirs = match same {
        Some(same) => Some(Arc::clone(&same.parts.dirs)),
        None => directories(&target),
    };
    let Some(dirs) = dirs else {
        let resources = target.render()?;
        loader.close();
        return Ok((resources, None));
    };
    let old = before.map_or(&[][..], Before::parts);
    let (resources, arranged) = Gathering { target: &target, dirs: &dirs, old, same }.run()?;
    loader.close();
    Ok((resources, arranged.map(|(list, places)| Parts { loaded, dirs, list, places })))
}

/// The bases of a root that does nothing to them but sort what they give.
fn directories(target: &Target<'_>) -> Option<Arc<[PathBuf]>> {
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
    dirs: &'a [PathBuf],
    /// The parts of the build before.
    old: &'a [Arc<Part>],
    same: Option<Same<'a>>,
}

/// A base, and what came of it before if it is still the same.
enum Member {
    Finished(Arc<Part>),
    Base(Arc<Base>),
}

impl Member {
    fn base(&self) -> &Arc<Base> {
        match self {
            Self::Finished(part) => &part.base,
            Self::Base(base) => base,
        }
    }
}

/// Finished resources, and the parts that they are of if each was finished by itself.
type Gathered = (ResourceSet, Option<(Vec<Arc<Part>>, Arc<Places>)>);

impl Gathering<'_> {
    fn run(&self) -> Result<Gathered, BuildError> {
        let members = self.members()?;
        if let Some(list) = self.parts(&members)
            && let Some((resources, places)) = self.arrange(&list)
        {
            return Ok((resources, Some((list, places))));
        }
        let mut layer = self.join(&members)?;
        self.target.customize(&mut layer)?;
        Ok((self.target.finish(layer)?, None))
    }

    fn members(&self) -> Result<Vec<Member>, BuildError> {
        let by_record = self.parts_by_record();
        let mut members = Vec::with_capacity(self.dirs.len());
        loop {
            members.extend(self.unchanged_from(members.len()).iter().cloned().map(Member::Finished));
            let (entry, dir) = match (self.entries().get(members.len()), self.dirs.get(members.len())) {
                (Some(entry), Some(dir)) => (entry, dir),
                _ => return Ok(members),
            };
            match self.target.base(entry, Entry::Directory(dir.clone())) {
                Ok(base) => members.push(match by_record.get(&Arc::as_ptr(&base.record)) {
                    Some(part) => Member::Finished(Arc::clone(part)),
                    None => Member::Base(base),
                }),
                Err(error) => {
                    // What is wrong with the bases before this one comes first.
                    self.join(&members)?;
                    return Err(self.target.in_entry("resources", entry, error));
                }
            }
        }
    }

    /// The parts that hold, one after the other from `start` on, taken over
    /// from the build before. That they make no cycle is known from there.
    fn unchanged_from(&self, start: usize) -> &[Arc<Part>] {
        let session = self.target.loader.session;
        // A schema that a base sets is for those after it, too.
        let Some(same) = self.same.filter(|_| !session.has_schema()) else { return &[] };
        let parts = same.parts.list.get(start..).unwrap_or_default();
        let unchanged = parts.iter().zip(same.holds.iter().skip(start)).take_while(|(_, holds)| **holds);
        let taken = session.reuse_all(unchanged.map(|(part, _)| &part.base.record));
        &parts[..taken]
    }

    fn entries(&self) -> &[String] {
        &self.target.kustomization.resources
    }

    /// The parts of the build before, where their places may have changed.
    fn parts_by_record(&self) -> HashMap<*const Record, &Arc<Part>> {
        let parts = if self.same.is_none() { self.old } else { &[] };
        parts.iter().map(|part| (Arc::as_ptr(&part.base.record), part)).collect()
    }

    /// The members as a build from nothing puts them together.
    fn join(&self, members: &[Member]) -> Result<Layer, BuildError> {
        let mut layer = self.target.layer();
        for (member, entry) in members.iter().zip(self.entries()) {
            let added = self.target.add_layer(&mut layer, Arc::clone(member.base()));
            added.map_err(|error| self.target.in_entry("resources", entry, error))?;
        }
        Ok(layer)
    }

    fn parts(&self, members: &[Member]) -> Option<Vec<Arc<Part>>> {
        let part = |member: &Member| match member {
            Member::Finished(part) => Some(Arc::clone(part)),
            Member::Base(base) => Part::new(self.target, Arc::clone(base)).map(Arc::new),
        };
        members.iter().map(part).collect()
    }

    /// The resources of all parts in order, if these have nothing to do with each other.
    fn arrange(&self, list: &[Arc<Part>]) -> Option<(ResourceSet, Arc<Places>)> {
        self.same.and_then(|same| same.with_parts(list)).or_else(|| self.arrange_anew(list))
    }

    fn arrange_anew(&self, list: &[Arc<Part>]) -> Option<(ResourceSet, Arc<Places>)> {
        let (mut namespaces, mut cluster) = (HashSet::new(), HashSet::new());
        for Part { reach, .. } in list.iter().map(|part| &**part) {
            let is_new = reach.namespaces.iter().all(|name| namespaces.insert(name));
            if !is_new || !reach.cluster.iter().all(|id| cluster.insert(id)) {
                return None;
            }
        }
        let mut resources = list.iter().flat_map(|part| part.resources.iter().cloned()).collect();
        self.target.sort(&mut resources).ok()?;
        let places = places(list, &resources)?;
        Some((ResourceSet::of(resources, self.target.loader.session.threads()), Arc::new(places)))
    }
}

/// Where the resources of each part of `list` are among `resources`, which are those of all.
fn places(list: &[Arc<Part>], resources: &[Resource]) -> Option<Places> {
    let by_address: ByAddress<usize, usize> =
        resources.iter().enumerate().map(|(at, resource)| (resource.address(), at)).collect();
    let place = |resource: &Resource| by_address.get(&resource.address()).copied();
    list.iter().map(|part| part.resources.iter().map(place).collect()).collect()
}

impl Same<'_> {
    /// As [`Gathering::arrange_anew`], if each part has its resources where it had them before.
    fn with_parts(&self, list: &[Arc<Part>]) -> Option<(ResourceSet, Arc<Places>)> {
        let Parts { list: old, places, .. } = self.parts;
        let pairs = || old.iter().zip(list).zip(&**places).filter(|((old, new), _)| !Arc::ptr_eq(old, new));
        let others = pairs().flat_map(|((_, new), at)| at.iter().copied().zip(new.resources.iter().cloned()));
        let is_like = pairs().all(|((old, new), _)| old.is_like(new));
        is_like.then(|| (self.root.build.resources.with(others), Arc::clone(places)))
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
    fn new(target: &Target<'_>, base: Arc<Base>) -> Option<Self> {
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
        let bytes = size_of::<Self>() + cache::bytes_of(&resources) + cache::bytes_in_root(&resources) + base.bytes();
        Some(Self { base, resources, reach, bytes })
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
