//! References by name: fields that hold the name of another resource follow
//! it when it is renamed or moved, as kustomize's name reference transformer
//! has it.
//!
//! Kustomize compares every such field with every resource. Here the fields
//! are looked up in an index of the names that resources used to have.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt, HashSet};

use crate::ahead;
use crate::config::{NameReferences, PathTree, Specs, TransformerConfig, is_in_head};
use crate::id::Gvk;
use crate::positions::Positions;
use crate::resource::{DEFAULT_NAMESPACE, NO_NAMESPACE, Resource, effective_namespace};
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::threads::Threads;
use crate::transform::{Found, TransformError, field_error, push_entry, require_kind, style_of_new};
use crate::yaml::{Document, Kind, NodeId, Scalar, Tag};

/// Updates every reference. Done once, on the finished set: an outer overlay
/// may rename what an inner one refers to. Then `look` is taken at each resource,
/// of which something comes back if each has something to see.
///
/// # Errors
///
/// If a name may stand for several resources, or if a resource is not built
/// as the path of a reference expects. A name that no resource had is none.
pub(crate) fn update<T: Send>(
    resources: &mut ResourceSet,
    config: &TransformerConfig,
    schema: &Schema,
    look: impl Fn(&Resource) -> Option<T> + Sync,
) -> Result<Option<Vec<T>>, TransformError> {
    let threads = resources.threads();
    let known = Known::new(resources.as_slice(), schema, threads);
    let search = |referrers| Search::new(&known).run(referrers, &config.name_references, &look);
    let parts = threads.ranges(resources.len(), search).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut seen = Vec::with_capacity(resources.len());
    let mut edits = Vec::new();
    for mut part in parts {
        seen.append(&mut part.seen);
        edits.push(part.edits);
    }
    let resources = resources.as_mut_vec();
    let edits = edits.iter().flat_map(|edits| edits.chunk_by(|one, next| one.of == next.of));
    for edits in edits {
        edits.iter().for_each(|edit| edit.apply(resources));
        let of = edits[0].of;
        if seen[of].is_none() {
            seen[of] = look(&resources[of]);
        }
    }
    Ok(seen.into_iter().collect())
}

/// What was found in some resources.
struct Part<T> {
    edits: Vec<Edit>,
    /// What each of them shows; nothing yet if its edits may change that.
    seen: Vec<Option<T>>,
}

/// What all searches look references up in.
struct Known<'a> {
    resources: &'a [Resource],
    schema: &'a Schema,
    names: PreviousNames<'a>,
    /// Original namespaces, each with a `metadata.namespace` that it occurs
    /// with; `None` for a cluster-scoped resource.
    original_namespaces: OnceLock<HashSet<(&'a str, Option<&'a str>)>>,
}

impl<'a> Known<'a> {
    fn new(resources: &'a [Resource], schema: &'a Schema, threads: Threads) -> Self {
        let names = PreviousNames::new(resources, schema, threads);
        Self { resources, schema, names, original_namespaces: OnceLock::new() }
    }

    fn original_namespaces(&self) -> &HashSet<(&'a str, Option<&'a str>)> {
        let pair = |resource: &'a Resource| {
            let cluster_scoped = resource.is_cluster_scoped(self.schema);
            let now = resource.namespace();
            let original = resource.history().previous.first().map(|previous| previous.namespace);
            let original = original.unwrap_or_else(|| effective_namespace(now, cluster_scoped));
            (original, (!cluster_scoped).then_some(now))
        };
        self.original_namespaces.get_or_init(|| self.resources.iter().map(pair).collect())
    }
}

/// Looks for references that have to change.
struct Search<'a> {
    known: &'a Known<'a>,
    edits: Vec<Edit>,
    /// Whether edits of the resource at hand may be of its type or, by their path, of its metadata.
    edits_metadata: bool,
    found: Found,
    candidates: Vec<usize>,
}

/// Which resources had a name, by name.
struct PreviousNames<'a> {
    hasher: RandomState,
    positions: Positions,
    /// In the order of the resources, with the hash of the name.
    entries: Vec<(u64, Entry<'a>)>,
    /// The entries of names that many resources had, by name and namespace.
    by_namespace: OnceLock<HashMap<(&'a str, &'a str), Vec<Entry<'a>>>>,
}

/// A name that more resources had than this is looked up together with the namespace.
const FEW: usize = 8;

/// A resource that had a name. Many have had the same one when overlays share
/// a base, so what tells most of them apart is here and not in the manifest.
#[derive(Clone, Copy)]
struct Entry<'a> {
    name: &'a str,
    resource: u32,
    /// The effective one.
    namespace: &'a str,
}

/// A change of the resource `of`, made after the search: until then, all
/// resources can be read as they are.
struct Edit {
    of: usize,
    node: NodeId,
    change: Change,
}

/// What to write; a name and a namespace are those of the resource of that index.
enum Change {
    Name(usize),
    Namespace(usize),
    /// Add a namespace to the map.
    NewNamespace(usize),
    /// A null becomes an empty list.
    List,
}

/// The resource whose references are looked at.
struct Referrer<'a> {
    index: usize,
    resource: &'a Resource,
    cluster_scoped: bool,
    namespace: &'a str,
    /// The namespaces of the service accounts that a RoleBinding names.
    account_namespaces: Vec<&'a str>,
    /// Where its edits begin.
    first_edit: usize,
}

/// One kind of reference: the path of a field, and the type that it refers to.
#[derive(Clone, Copy)]
struct Rule<'a> {
    target: &'a Gvk,
    path: &'a str,
}

impl<'a> Search<'a> {
    fn new(known: &'a Known<'a>) -> Self {
        Self { known, edits: Vec::new(), edits_metadata: false, found: Found::default(), candidates: Vec::new() }
    }

    fn run<T>(
        mut self,
        referrers: Range<usize>,
        references: &'a NameReferences,
        look: impl Fn(&Resource) -> Option<T>,
    ) -> Result<Part<T>, TransformError> {
        let mut seen = Vec::with_capacity(referrers.len());
        for (index, resource) in referrers.clone().zip(ahead::each(&self.known.resources[referrers])) {
            self.edits_metadata = false;
            let edits = self.edits.len();
            self.search(index, resource, references)?;
            let mut edits = self.edits[edits..].iter();
            let is_other = self.edits_metadata || edits.any(|edit| is_in_metadata(resource, edit.node));
            seen.push(if is_other { None } else { look(resource) });
        }
        Ok(Part { edits: self.edits, seen })
    }

    fn search(
        &mut self,
        index: usize,
        resource: &'a Resource,
        references: &'a NameReferences,
    ) -> Result<(), TransformError> {
        let trees = references.referrers().trees(resource.original_kind());
        let specs = |tree: &PathTree| tree.for_version(resource.api_version());
        if trees.iter().all(|tree| specs(tree) == 0) {
            return Ok(());
        }
        let referrer = self.referrer(index, resource)?;
        trees.iter().try_for_each(|tree| self.visit(&referrer, references, tree, specs(tree)))
    }

    fn referrer(&self, index: usize, resource: &'a Resource) -> Result<Referrer<'a>, TransformError> {
        if has_null_version(resource.doc()) {
            return Err(TransformError::NullVersion { resource: Box::new(resource.id()) });
        }
        let cluster_scoped = resource.is_cluster_scoped(self.known.schema);
        Ok(Referrer {
            index,
            resource,
            cluster_scoped,
            namespace: effective_namespace(resource.namespace(), cluster_scoped),
            account_namespaces: if cluster_scoped { Vec::new() } else { account_namespaces(resource)? },
            first_edit: self.edits.len(),
        })
    }

    fn visit(
        &mut self,
        referrer: &Referrer<'a>,
        references: &'a NameReferences,
        tree: &'a PathTree,
        specs: Specs,
    ) -> Result<(), TransformError> {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let searched = found.add(referrer.resource.doc(), tree, specs);
        let searched =
            searched.map_err(|(spec, source)| field_error(referrer.resource, tree.spec(spec).path.as_str(), source));
        let done = searched.and_then(|()| {
            let list = |null: &NodeId| Edit { of: referrer.index, node: *null, change: Change::List };
            self.edits.extend(found.null_lists.iter().map(list));
            self.edits_metadata |= !found.null_lists.is_empty();
            // What one target makes of a field, the next ones see.
            found.sort();
            found.fields.iter().try_for_each(|(spec, field)| {
                let spec = tree.spec(*spec);
                let rule = Rule { target: references.target(spec), path: spec.path.as_str() };
                let edits = self.edits.len();
                self.visit_field(referrer, rule, *field)?;
                self.edits_metadata |= self.edits.len() > edits && is_in_head(rule.path);
                Ok(())
            })
        });
        self.found = found;
        done
    }

    fn visit_field(&mut self, referrer: &Referrer<'a>, rule: Rule<'a>, field: NodeId) -> Result<(), TransformError> {
        let doc = referrer.resource.doc();
        if doc.is_sequence(field) {
            return doc.items(field).try_for_each(|item| match doc.kind(item) {
                Kind::Sequence => require_kind(doc, item, Kind::Scalar)
                    .map_err(|source| field_error(referrer.resource, rule.path, source)),
                _ => self.visit_field(referrer, rule, item),
            });
        }
        if doc.is_null(field) {
            return Ok(());
        }
        if doc.is_mapping(field) {
            self.visit_map(referrer, rule, field)
        } else {
            self.visit_name(referrer, rule, field)
        }
    }

    fn visit_name(&mut self, referrer: &Referrer<'a>, rule: Rule<'a>, field: NodeId) -> Result<(), TransformError> {
        let name = self.text(referrer, field);
        let Some(target) = self.select(referrer, rule, name, None, same_name)? else { return Ok(()) };
        if self.known.resources[target].name() != name {
            self.edits.push(Edit { of: referrer.index, node: field, change: Change::Name(target) });
        }
        Ok(())
    }

    /// A reference that names a namespace as well, such as the subject of a role binding.
    fn visit_map(&mut self, referrer: &Referrer<'a>, rule: Rule<'a>, map: NodeId) -> Result<(), TransformError> {
        let doc = referrer.resource.doc();
        let Some(name_field) = doc.get(map, "name") else {
            return Err(TransformError::NoName {
                resource: Box::new(referrer.resource.id()),
                path: rule.path.to_owned(),
            });
        };
        let namespace_field = doc.get(map, "namespace");
        let name = self.text(referrer, name_field);
        let namespace = match namespace_field {
            Some(field) => Some(self.text(referrer, field)),
            None => self.new_namespace(referrer, map),
        };
        let Some(target) = self.select(referrer, rule, name, namespace, same_name_and_namespace)? else {
            return Ok(());
        };
        let resource = &self.known.resources[target];
        if resource.namespace().is_empty() {
            if resource.name() != name {
                self.edits.push(Edit { of: referrer.index, node: name_field, change: Change::Name(target) });
            }
            // The namespace stays: a resource without one may end up in any.
            return Ok(());
        }
        let (node, change) = match namespace_field {
            Some(field) => (field, Change::Namespace(target)),
            None => (map, Change::NewNamespace(target)),
        };
        self.edits.push(Edit { of: referrer.index, node: name_field, change: Change::Name(target) });
        self.edits.push(Edit { of: referrer.index, node, change });
        Ok(())
    }

    /// A scalar's text as the edits so far leave it.
    fn text(&self, referrer: &Referrer<'a>, field: NodeId) -> &'a str {
        let edits = self.edits[referrer.first_edit..].iter().rev().filter(|edit| edit.node == field);
        let edited = edits.filter_map(|edit| match edit.change {
            Change::Name(target) => Some(self.known.resources[target].name()),
            Change::Namespace(target) => Some(self.known.resources[target].namespace()),
            Change::NewNamespace(_) | Change::List => None,
        });
        { edited }.next().unwrap_or_else(|| referrer.resource.doc().text(field))
    }

    fn new_namespace(&self, referrer: &Referrer<'a>, map: NodeId) -> Option<&'a str> {
        let edits = self.edits[referrer.first_edit..].iter().rev();
        { edits }.find_map(|edit| match edit.change {
            Change::NewNamespace(target) if edit.node == map => Some(self.known.resources[target].namespace()),
            _ => None,
        })
    }

    /// The resource that `name` stands for, if it is one that had that name.
    fn select(
        &mut self,
        referrer: &Referrer<'a>,
        rule: Rule<'a>,
        name: &str,
        namespace: Option<&str>,
        identical: fn(&Resource, &Resource) -> bool,
    ) -> Result<Option<usize>, TransformError> {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        self.collect_in_reach(referrer, name, &mut candidates);
        candidates.retain(|index| self.is_candidate(referrer, rule, *index));
        if let (Some(namespace), false) = (namespace, candidates.is_empty()) {
            self.retain_namespace(referrer, namespace, &mut candidates);
        }
        if candidates.len() > 1 {
            retain_same_affixes(self.known.resources, referrer.resource, &mut candidates);
        }
        let resources = self.known.resources;
        let chosen = match candidates.split_first() {
            None => Ok(None),
            Some((first, rest)) if rest.iter().all(|other| identical(&resources[*first], &resources[*other])) => {
                Ok(Some(*first))
            }
            Some(_) => Err(TransformError::AmbiguousReference {
                referrer: Box::new(referrer.resource.id()),
                path: rule.path.to_owned(),
                name: name.to_owned(),
                candidates: candidates.iter().map(|index| resources[*index].id()).collect(),
            }),
        };
        self.candidates = candidates;
        chosen
    }

    /// The resources that had the name and that the referrer can mean, in order.
    fn collect_in_reach(&self, referrer: &Referrer<'a>, name: &str, found: &mut Vec<usize>) {
        let mut add = |entry: &Entry<'_>| {
            found.extend(self.is_in_reach(referrer, entry).then_some(entry.resource as usize));
        };
        if referrer.cluster_scoped || !self.known.names.is_frequent(name) {
            return self.known.names.entries(name).for_each(add);
        }
        let accounts = referrer.account_namespaces.iter().map(|namespace| effective_namespace(namespace, false));
        for namespace in [NO_NAMESPACE, referrer.namespace].into_iter().chain(accounts) {
            self.known.names.entries_in(name, namespace).iter().for_each(&mut add);
        }
        found.sort_unstable();
        found.dedup();
    }

    /// Whether a resource that had the name is of the right type.
    fn is_candidate(&self, referrer: &Referrer<'a>, rule: Rule<'a>, index: usize) -> bool {
        let resource = &self.known.resources[index];
        has_had_type(resource, [&rule.target.group, &rule.target.version, &rule.target.kind])
            && (!rule.path.ends_with("roleRef/name")
                || role_type(referrer.resource).is_none_or(|(group, kind)| has_had_type(resource, [group, "", kind])))
    }

    fn is_in_reach(&self, referrer: &Referrer<'a>, entry: &Entry<'_>) -> bool {
        if referrer.cluster_scoped || [NO_NAMESPACE, referrer.namespace].contains(&entry.namespace) {
            return true;
        }
        let resource = &self.known.resources[entry.resource as usize];
        !referrer.account_namespaces.is_empty()
            && resource.kind() == "ServiceAccount"
            && referrer.account_namespaces.contains(&resource.namespace())
    }

    /// Keeps those that were in the namespace originally, or if no resource at
    /// all was, those that are in it now.
    fn retain_namespace(&self, referrer: &Referrer<'a>, namespace: &str, candidates: &mut Vec<usize>) {
        if namespace == NO_NAMESPACE {
            return candidates.clear();
        }
        let originally = self.was_original(referrer, namespace);
        candidates.retain(|index| {
            let resource = &self.known.resources[*index];
            let now = resource.effective_namespace(self.known.schema);
            let original = resource.history().previous.first().map_or(now, |previous| previous.namespace);
            namespace == if originally { original } else { now }
        });
    }

    /// Whether any resource within the referrer's reach was originally in `namespace`.
    fn was_original(&self, referrer: &Referrer<'a>, namespace: &str) -> bool {
        let all = self.known.original_namespaces();
        let has = |now: Option<&str>| all.contains(&(namespace, now));
        if referrer.cluster_scoped {
            return all.iter().any(|(original, _)| *original == namespace);
        }
        has(None)
            || has(Some(referrer.namespace))
            || (referrer.namespace == DEFAULT_NAMESPACE && has(Some("")))
            || referrer.account_namespaces.iter().any(|account| has(Some(account)))
    }
}

impl<'a> PreviousNames<'a> {
    fn new(resources: &'a [Resource], schema: &Schema, threads: Threads) -> Self {
        let hasher = RandomState::default();
        let parts = threads.ranges(resources.len(), |part| {
            let mut entries = Vec::with_capacity(2 * part.len());
            for (resource, index) in ahead::each_id(&resources[part.clone()]).zip(part) {
                let namespace = resource.effective_namespace(schema);
                let entry = |name| (hasher.hash_one(name), Entry { name, resource: index as u32, namespace });
                entries.extend(names_of(resource).map(entry));
            }
            entries
        });
        let mut parts = parts.into_iter();
        let mut entries = parts.next().unwrap_or_default();
        parts.for_each(|mut part| entries.append(&mut part));
        let mut positions = Positions::default();
        positions.reserve(entries.len());
        // Backwards, so that the resources of a name come in order.
        entries.iter().enumerate().rev().for_each(|(at, (hash, _))| positions.add(*hash, at));
        Self { hasher, positions, entries, by_namespace: OnceLock::new() }
    }

    /// Whether more than [`FEW`] resources had the name.
    fn is_frequent(&self, name: &str) -> bool {
        self.entries(name).nth(FEW).is_some()
    }

    /// Those of a frequent name that are in a namespace.
    fn entries_in<'b>(&'b self, name: &'b str, namespace: &'b str) -> &'b [Entry<'a>] {
        let by_namespace = self.by_namespace.get_or_init(|| {
            let mut found: HashMap<_, Vec<Entry<'a>>> = HashMap::new();
            let entries = self.entries.iter().map(|(_, entry)| entry);
            for entry in entries.filter(|entry| self.is_frequent(entry.name)) {
                found.entry((entry.name, entry.namespace)).or_default().push(*entry);
            }
            found
        });
        by_namespace.get(&(name, namespace)).map_or(&[], Vec::as_slice)
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = &Entry<'a>> {
        let alike = self.positions.candidates(self.hasher.hash_one(name)).map(|at| &self.entries[at].1);
        alike.filter(move |entry| entry.name == name)
    }
}

/// The names that a resource had, each once.
fn names_of(resource: &Resource) -> impl Iterator<Item = &str> {
    let names = resource.history().previous.iter().map(|previous| previous.name);
    names
        .clone()
        .enumerate()
        .filter(move |(at, name)| !names.clone().take(*at).any(|earlier| earlier == *name))
        .map(|(_, name)| name)
}

impl Edit {
    fn apply(&self, resources: &mut [Resource]) {
        let text = match self.change {
            Change::Name(target) => resources[target].name().to_owned(),
            Change::Namespace(target) | Change::NewNamespace(target) => resources[target].namespace().to_owned(),
            Change::List => String::new(),
        };
        let doc = resources[self.of].doc_mut();
        match self.change {
            Change::Name(_) | Change::Namespace(_) => {
                let style = doc.style(self.node);
                doc.set_scalar(self.node, Scalar { style, ..Scalar::plain(&text) });
            }
            Change::NewNamespace(_) => add_namespace(doc, self.node, &text),
            Change::List => {
                let list = doc.new_sequence();
                doc.replace(self.node, list);
            }
        }
    }
}

/// Whether a field of the metadata, or a label or annotation, has this value, perhaps as a link.
fn is_in_metadata(resource: &Resource, node: NodeId) -> bool {
    let doc = resource.doc();
    let is_it = |value| doc.is_linked(value, node);
    let mut fields = resource.metadata().into_iter().flat_map(|metadata| doc.entries(metadata));
    fields.any(|(_, field)| is_it(field) || doc.entries(field).any(|(_, value)| is_it(value)))
}

fn add_namespace(doc: &mut Document, map: NodeId, namespace: &str) {
    let value = doc.new_scalar(Scalar { style: style_of_new(namespace), ..Scalar::plain(namespace) });
    push_entry(doc, map, "namespace", value);
}

/// The namespaces that a RoleBinding's service accounts are in.
pub(crate) fn account_namespaces(resource: &Resource) -> Result<Vec<&str>, TransformError> {
    let mut namespaces = Vec::new();
    if resource.kind() != "RoleBinding" {
        return Ok(namespaces);
    }
    let doc = resource.doc();
    for subject in doc.get(doc.root(), "subjects").into_iter().flat_map(|subjects| doc.items(subjects)) {
        let Some(namespace) = doc.get(subject, "namespace") else { continue };
        if doc.get_text(subject, "kind") != Some("ServiceAccount") {
            continue;
        }
        if doc.tag(namespace) != Tag::Str {
            return Err(TransformError::SubjectNamespace { resource: Box::new(resource.id()) });
        }
        namespaces.push(doc.text(namespace));
    }
    Ok(namespaces)
}

/// Whether `apiVersion` is a null that is spelled out. Kustomize reads that in
/// two ways, and fails when they disagree for a resource that can refer to others.
fn has_null_version(doc: &Document) -> bool {
    doc.get(doc.root(), "apiVersion").is_some_and(|version| doc.is_null(version) && !doc.text(version).is_empty())
}

/// Whether the resource was, under any of its former ids, of this type. Empty parts match everything.
fn has_had_type(resource: &Resource, [group, version, kind]: [&str; 3]) -> bool {
    let had_kind = kind.is_empty() || resource.history().previous.iter().any(|previous| previous.kind == kind);
    had_kind && {
        let now = resource.group_version();
        (group.is_empty() || now.0 == group) && (version.is_empty() || now.1 == version)
    }
}

/// Group and kind of the role that a binding names; `None` if it lacks either.
fn role_type(resource: &Resource) -> Option<(&str, &str)> {
    let doc = resource.doc();
    let role = doc.get(doc.root(), "roleRef")?;
    let part = |key| doc.get(role, key).map(|part| doc.text(part));
    Some((part("apiGroup")?, part("kind")?))
}

/// Keeps those that went through the same prefixes and suffixes as the
/// referrer: none at all counts as the same at first, and no longer if that
/// leaves several.
fn retain_same_affixes(resources: &[Resource], referrer: &Resource, candidates: &mut Vec<usize>) {
    let theirs = referrer.history();
    for or_none in [true, false] {
        candidates.retain(|index| {
            let own = resources[*index].history();
            let same = |a: &[_], b: &[_]| (or_none && (a.is_empty() || b.is_empty())) || end_alike(a, b);
            same(own.prefixes.as_slice(), theirs.prefixes.as_slice())
                && same(own.suffixes.as_slice(), theirs.suffixes.as_slice())
        });
        if candidates.len() < 2 {
            return;
        }
    }
}

/// Whether the shorter list is the end of the longer one. Nothing is the end of nothing only.
fn end_alike<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    if a.is_empty() || b.is_empty() { a.len() == b.len() } else { a.ends_with(b) || b.ends_with(a) }
}

fn same_name(a: &Resource, b: &Resource) -> bool {
    a.name() == b.name()
}

fn same_name_and_namespace(a: &Resource, b: &Resource) -> bool {
    a.name() == b.name() && a.namespace() == b.namespace()
}

#[cfg(test)]
mod tests {
    use crate::{BuildError, BuildOptions, Memory, build};

    /// Builds `overlay` over a base of these manifests.
    fn built(overlay: &str, manifests: &str) -> Result<String, BuildError> {
        let files = Memory::new()
            .with("base/kustomization.yaml", "resources: [all.yaml]\n")
            .with("base/all.yaml", manifests)
            .with("overlay/kustomization.yaml", format!("resources: [../base]\n{overlay}\n"));
        let built = build(&files, "overlay", &BuildOptions::new())?;
        Ok(built.resources.to_yaml().expect("printable"))
    }

    const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n\
        spec: {containers: [{name: x, envFrom: [{configMapRef: {name: c}}, {configMapRef: {name: other}}]}]}\n";

    #[test]
    fn a_reference_follows_a_renamed_resource_and_no_other() {
        let printed = built("namePrefix: a-", &format!("{CONFIG_MAP}---\n{POD}")).expect("builds");
        assert!(printed.contains("name: a-c\n    - configMapRef:\n        name: other\n"), "{printed}");
    }

    #[test]
    fn a_role_binding_follows_its_accounts_into_their_namespace() {
        let manifests = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s, namespace: old}\n---\n\
            apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: old}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\n\
            subjects: [{kind: ServiceAccount, name: s, namespace: old}, {kind: ServiceAccount, name: s, namespace: x}]\n";
        let printed = built("namespace: new\nnamePrefix: a-", manifests).expect("builds");
        assert!(printed.contains("  name: a-s\n  namespace: new\n- kind: ServiceAccount\n  name: s\n  namespace: x\n"));
    }

    #[test]
    fn a_name_of_many_resources_is_that_in_the_same_namespace() {
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n";
        let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}\n\
            subjects: [{kind: ServiceAccount, name: c, namespace: elsewhere}]\n";
        let mut files = Memory::new()
            .with("base/kustomization.yaml", "resources: [all.yaml]\n")
            .with("base/all.yaml", format!("{CONFIG_MAP}---\n{POD}---\n{binding}"))
            .with("account/kustomization.yaml", "resources: [account.yaml]\nnamePrefix: x-\n")
            .with(
                "account/account.yaml",
                "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: c, namespace: elsewhere}\n",
            )
            .with("role/kustomization.yaml", "resources: [role.yaml]\nnamePrefix: y-\n")
            .with("role/role.yaml", role);
        let mut root = "resources: [role, account".to_owned();
        for index in 0..2 * super::FEW {
            let overlay = format!("resources: [../base]\nnamePrefix: o{index}-\nnamespace: n{index}\n");
            files.insert(format!("o{index}/kustomization.yaml"), overlay);
            root += &format!(", o{index}");
        }
        files.insert("kustomization.yaml", root + "]\n");
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        let printed = built.resources.to_yaml().expect("printable");
        for index in 0..2 * super::FEW {
            assert!(printed.contains(&format!("        name: o{index}-c\n")), "{index}: {printed}");
        }
        assert_eq!(printed.matches("- kind: ServiceAccount\n  name: x-c\n").count(), 2 * super::FEW);
        assert_eq!(printed.matches("  kind: ClusterRole\n  name: y-r\n").count(), 2 * super::FEW);
    }

    #[test]
    fn a_role_reference_looks_at_the_kind() {
        let role =
            |kind: &str| format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r}}\n");
        let files = Memory::new()
            .with("a/kustomization.yaml", "resources: [r.yaml]\nnamePrefix: a-\n")
            .with("a/r.yaml", role("Role"))
            .with("b/kustomization.yaml", "resources: [r.yaml]\nnamePrefix: b-\n")
            .with("b/r.yaml", role("ClusterRole"))
            .with(
                "binding.yaml",
                role("RoleBinding") + "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}\n",
            )
            .with("kustomization.yaml", "resources: [a, b, binding.yaml]\n");
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        assert!(built.resources.to_yaml().expect("printable").ends_with("  kind: ClusterRole\n  name: b-r\n"));
    }

    #[test]
    fn a_name_that_may_mean_two_resources_is_an_error() {
        let files = Memory::new()
            .with("base/kustomization.yaml", "resources: [c.yaml]\n")
            .with("base/c.yaml", CONFIG_MAP)
            .with("a/kustomization.yaml", "resources: [../base]\nnamePrefix: a-\n")
            .with("b/kustomization.yaml", "resources: [../base]\nnamePrefix: b-\n")
            .with("p.yaml", POD)
            .with("kustomization.yaml", "resources: [a, b, p.yaml]\nnamePrefix: z-\n");
        let error = build(&files, "", &BuildOptions::new()).expect_err("a-c or b-c");
        let source = std::error::Error::source(&error).expect("says which");
        assert_eq!(
            source.to_string(),
            "the name 'c' in the field 'spec/containers/envFrom/configMapRef/name' of Pod.v1.[noGrp]/z-p.[noNs] may stand \
             for several resources: ConfigMap.v1.[noGrp]/z-a-c.[noNs], ConfigMap.v1.[noGrp]/z-b-c.[noNs]"
        );
    }

    #[test]
    fn a_base_refers_to_its_own() {
        let files = Memory::new()
            .with("base/kustomization.yaml", "resources: [all.yaml]\n")
            .with("base/all.yaml", format!("{CONFIG_MAP}---\n{POD}"))
            .with("a/kustomization.yaml", "resources: [../base]\nnamePrefix: a-\n")
            .with("b/kustomization.yaml", "resources: [../base]\nnamePrefix: b-\n")
            .with("kustomization.yaml", "resources: [a, b]\nnameSuffix: -x\n");
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        let printed = built.resources.to_yaml().expect("printable");
        assert_eq!(printed.matches("name: a-c-x").count(), 2, "{printed}");
        assert_eq!(printed.matches("name: b-c-x").count(), 2, "{printed}");
    }
}
