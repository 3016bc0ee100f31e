//! The three ways to write a patch: an entry of `patches`, of
//! `patchesStrategicMerge`, and of `patchesJson6902`.

use std::path::Path;

use crate::error::BuildError;
use crate::generate::{BoxError, ReadFile};
use crate::kustomization::{Patch, Selector};
use crate::manifest;
use crate::merge_metadata::{metadata_field, set_metadata_map, string_map};
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::transform::EachResource;
use crate::yaml::{self, Document, Limits, NodeId, Scalar, Style, Tag};

use super::json6902::JsonPatch;
use super::strategic::{Merged, merge};
use super::target::{self, Target, is_deleted};
use super::{PatchError, PatchSource};

/// An entry of `patches`: one or more strategic merge patches that name their
/// target themselves, or a patch of either kind with a selector.
#[derive(Debug)]
pub(crate) struct PatchTransformer {
    source: PatchSource,
    change: Change,
    target: Option<Target>,
}

#[derive(Debug)]
enum Change {
    Merges(Vec<Resource>),
    Json(JsonPatch),
}

impl PatchTransformer {
    pub(crate) fn new(patch: &Patch, read: ReadFile<'_>, limits: &Limits) -> Result<Self, PatchError> {
        let (source, text) = text(patch, read, limits)?;
        let mut change = parse(&source, &text, limits)?;
        if let (Change::Merges(merges), Some(options)) = (&mut change, patch.options) {
            for merge in merges {
                merge.history_mut().allow_name_change |= options.allow_name_change;
                merge.history_mut().allow_kind_change |= options.allow_kind_change;
                if options.allow_name_change || options.allow_kind_change {
                    // Kustomize notes it in the patch's annotations, which makes
                    // strings of them: a null deletes nothing any more.
                    let texts = string_map(merge.doc(), metadata_field(merge, "annotations"));
                    set_metadata_map(merge, "annotations", &texts);
                }
            }
        }
        let target = patch.target.as_ref().map(|target| selector(&source, target)).transpose()?;
        Ok(Self { source, change, target })
    }

    /// The transformer at work on resources of a [distinct](ResourceSet::is_distinct) set, of
    /// which no two can get the same id. `None` if it may change ids, and if it is for one
    /// name, by which it need not look at all resources.
    pub(crate) fn each_of_distinct<'a>(&'a self, schema: &'a Schema) -> Option<impl EachResource + 'a> {
        let (Change::Merges(merges), Some(target)) = (&self.change, &self.target) else { return None };
        let [patch] = &merges[..] else { return None };
        let changes_ids = patch.history().allow_name_change || patch.history().allow_kind_change;
        let is_each = !changes_ids && target.literal_name().is_none();
        is_each.then(|| Selecting { source: &self.source, patch: ForSelected::new(patch), target, schema })
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), PatchError> {
        let patched = match (&self.change, &self.target) {
            (Change::Merges(merges), None) => self.merge_by_id(merges, resources, schema)?,
            (Change::Merges(merges), Some(target)) => match &merges[..] {
                [] => Vec::new(),
                [patch] => {
                    let selected = target.select(resources, schema);
                    merge_into_all(resources, &selected, patch, &self.source, schema)?;
                    selected
                }
                _ => return Err(PatchError::ManyWithTarget { patch: self.source.clone(), count: merges.len() }),
            },
            (Change::Json(_), None) => return Err(PatchError::NoTarget { patch: self.source.clone() }),
            (Change::Json(patch), Some(target)) => {
                let selected = target.select(resources, schema);
                for at in &selected {
                    resources
                        .edit(*at, schema, |resource| resource.store_previous_id(resource.is_cluster_scoped(schema)));
                    patch_json(resources, *at, patch, &self.source, schema)?;
                }
                selected
            }
        };
        drop_deleted(resources, &patched);
        Ok(())
    }

    fn merge_by_id(
        &self,
        merges: &[Resource],
        resources: &mut ResourceSet,
        schema: &Schema,
    ) -> Result<Vec<usize>, PatchError> {
        let merge_one = |patch| {
            let at = target::find(patch, &self.source, resources, schema)?;
            resources.edit(at, schema, |resource| merge_into(resource, patch, &self.source, schema))?;
            Ok(at)
        };
        merges.iter().map(merge_one).collect()
    }
}

/// `patchesStrategicMerge`: patches that name their target themselves.
#[derive(Debug)]
pub(crate) struct PatchStrategicMergeTransformer {
    patches: Vec<(PatchSource, Resource)>,
}

impl PatchStrategicMergeTransformer {
    /// From the entries, each the path of a file or itself a patch, and a text with more patches.
    pub(crate) fn new(
        paths: &[String],
        patches: &str,
        read: ReadFile<'_>,
        limits: &Limits,
    ) -> Result<Self, PatchError> {
        if paths.is_empty() && patches.is_empty() {
            return Err(PatchError::NoText);
        }
        let mut all = Vec::new();
        for path in paths {
            // Kustomize first takes an entry for a patch, and for a path only if it is none.
            match merges(&PatchSource::Inline, path, limits) {
                Ok(found) => all.extend(found.into_iter().map(|patch| (PatchSource::Inline, patch))),
                Err(_) => {
                    let source = PatchSource::File(path.clone());
                    let text = read_text(path, read, limits)?;
                    let found = merges(&source, &text, limits).map_err(|error| not_a_merge(&source, error))?;
                    all.extend(found.into_iter().map(|patch| (source.clone(), patch)));
                }
            }
        }
        let inline = merges(&PatchSource::Inline, patches, limits);
        let inline = inline.map_err(|error| not_a_merge(&PatchSource::Inline, error))?;
        all.extend(inline.into_iter().map(|patch| (PatchSource::Inline, patch)));
        if all.is_empty() {
            let patch = paths.first().cloned().map_or(PatchSource::Inline, PatchSource::File);
            return Err(PatchError::Empty { patch });
        }
        Ok(Self { patches: all })
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), PatchError> {
        let mut patched = Vec::with_capacity(self.patches.len());
        for (source, patch) in &self.patches {
            let at = target::find(patch, source, resources, schema)?;
            merge_into_all(resources, &[at], patch, source, schema)?;
            patched.push(at);
        }
        drop_deleted(resources, &patched);
        Ok(())
    }
}

/// An entry of `patchesJson6902`: a JSON patch with a selector.
#[derive(Debug)]
pub(crate) struct PatchJson6902Transformer {
    source: PatchSource,
    patch: JsonPatch,
    target: Target,
}

impl PatchJson6902Transformer {
    pub(crate) fn new(patch: &Patch, read: ReadFile<'_>, limits: &Limits) -> Result<Self, PatchError> {
        let source = source(patch);
        let target = patch.target.as_ref().ok_or_else(|| PatchError::NoTarget { patch: source.clone() })?;
        if target.name.is_empty() {
            return Err(PatchError::NoTargetName { patch: source });
        }
        let text = match (patch.path.as_str(), patch.patch.as_str()) {
            ("", "") => return Err(PatchError::NoText),
            ("", text) => text.to_owned(),
            (path, "") => read_text(path, read, limits)?,
            (path, _) => return Err(PatchError::TwoTexts { path: path.to_owned() }),
        };
        let parsed = JsonPatch::parse(&text, limits);
        let parsed = parsed.map_err(|error| PatchError::NotJson { patch: source.clone(), source: error })?;
        if parsed.is_empty() {
            return Err(PatchError::Empty { patch: source });
        }
        Ok(Self { patch: parsed, target: selector(&source, target)?, source })
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), PatchError> {
        for at in self.target.select(resources, schema) {
            patch_json(resources, at, &self.patch, &self.source, schema)?;
        }
        Ok(())
    }
}

fn selector(patch: &PatchSource, selector: &Selector) -> Result<Target, PatchError> {
    Target::new(selector).map_err(|source| PatchError::Selector { patch: patch.clone(), source })
}

fn source(patch: &Patch) -> PatchSource {
    if patch.path.is_empty() { PatchSource::Inline } else { PatchSource::File(patch.path.clone()) }
}

fn text(patch: &Patch, read: ReadFile<'_>, limits: &Limits) -> Result<(PatchSource, String), PatchError> {
    match (patch.path.as_str(), patch.patch.trim()) {
        ("", "") => Err(PatchError::NoText),
        ("", text) => Ok((PatchSource::Inline, text.to_owned())),
        (path, "") => Ok((source(patch), read_text(path, read, limits)?)),
        (path, _) => Err(PatchError::TwoTexts { path: path.to_owned() }),
    }
}

fn read_text(path: &str, read: ReadFile<'_>, limits: &Limits) -> Result<String, PatchError> {
    let failed = |source| PatchError::Read { patch: PatchSource::File(path.to_owned()), source };
    let text = yaml::decode(read(path).map_err(failed)?, limits).map_err(|error| failed(error.into()))?;
    Ok(text.text.clone())
}

/// Kustomize does not ask which kind a patch is of, but tries both.
fn parse(source: &PatchSource, text: &str, limits: &Limits) -> Result<Change, PatchError> {
    let merges = merges(source, text, limits);
    // What begins with a letter is no list, and so no JSON patch.
    let is_merge = merges.is_ok() && text.starts_with(|first: char| first.is_ascii_alphabetic());
    let json = if text.is_empty() || is_merge { None } else { Some(JsonPatch::parse(text, limits)) };
    match (merges, json) {
        (Ok(merges), Some(Ok(json))) if !merges.is_empty() && !json.is_empty() => {
            Err(PatchError::BothKinds { patch: source.clone() })
        }
        (Ok(merges), _) => Ok(Change::Merges(merges)),
        (Err(_), Some(Ok(json))) => Ok(Change::Json(json)),
        (Err(error), Some(Err(json))) => {
            Err(PatchError::NeitherKind { patch: source.clone(), json, source: Box::new(error) })
        }
        (Err(error), None) => Err(not_a_merge(source, error)),
    }
}

fn merges(source: &PatchSource, text: &str, limits: &Limits) -> Result<Vec<Resource>, BuildError> {
    let path = match source {
        PatchSource::Inline => "the inline patch",
        PatchSource::File(path) => path,
    };
    manifest::read_inline(text, Path::new(path), limits)
}

fn not_a_merge(patch: &PatchSource, source: BuildError) -> PatchError {
    PatchError::NotAMerge { patch: patch.clone(), source: Box::new(source) }
}

/// A patch as it is merged into what a target selects. Kustomize then takes less
/// of it than without a target: not its `apiVersion` and namespace, and
/// its labels and annotations only as strings, so that they delete nothing.
#[derive(Clone)]
struct ForSelected(Resource);

impl ForSelected {
    fn new(patch: &Resource) -> Self {
        let mut patch = patch.clone();
        for field in ["labels", "annotations"] {
            let texts = string_map(patch.doc(), metadata_field(&patch, field));
            set_metadata_map(&mut patch, field, &texts);
        }
        if let Some(metadata) = patch.metadata() {
            patch.doc_mut().remove(metadata, "namespace");
        }
        Self(patch)
    }

    fn merge_into(&mut self, resource: &mut Resource, source: &PatchSource, schema: &Schema) -> Result<(), PatchError> {
        let (Self(patch), api_version) = (self, resource.api_version());
        if patch.api_version() != api_version {
            let doc = patch.doc_mut();
            doc.set_value(doc.root(), "apiVersion", Scalar::plain(api_version));
        }
        merge_into(resource, patch, source, schema)
    }
}

/// A patch with a selector at work that changes no ids.
#[derive(Clone)]
struct Selecting<'a> {
    source: &'a PatchSource,
    patch: ForSelected,
    target: &'a Target,
    schema: &'a Schema,
}

impl EachResource for Selecting<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        if self.target.selects(resource, self.schema) {
            self.patch.merge_into(resource, self.source, self.schema)?;
        }
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        Some(Box::new(self.clone()))
    }
}

/// Merges a patch into all that its target selects.
fn merge_into_all(
    resources: &mut ResourceSet,
    selected: &[usize],
    patch: &Resource,
    source: &PatchSource,
    schema: &Schema,
) -> Result<(), PatchError> {
    let mut patch = ForSelected::new(patch);
    for at in selected {
        resources.edit(*at, schema, |resource| patch.merge_into(resource, source, schema))?;
    }
    let is_twin = |at: &&usize| !is_deleted(&resources.as_slice()[**at]) && resources.twin(**at, schema).is_some();
    match selected.iter().find(is_twin) {
        None => Ok(()),
        Some(at) => {
            let id = Box::new(resources.as_slice()[*at].id());
            Err(PatchError::Duplicate { patch: source.clone(), id })
        }
    }
}

/// Merges a patch into one resource. Its namespace stays what it is; its name
/// and kind do if the patch is not allowed to change them.
fn merge_into(
    resource: &mut Resource,
    patch: &Resource,
    source: &PatchSource,
    schema: &Schema,
) -> Result<(), PatchError> {
    let before = resource.id();
    let (allow_name, allow_kind) = (patch.history().allow_name_change, patch.history().allow_kind_change);
    if allow_name || allow_kind {
        resource.store_previous_id(resource.is_cluster_scoped(schema));
    }
    let failed = |error| PatchError::Merge { patch: source.clone(), resource: Box::new(before.clone()), source: error };
    if merge(resource.doc_mut(), patch.doc(), schema).map_err(failed)? == Merged::Deleted {
        *resource.doc_mut() = Document::sourceless();
    }
    if is_deleted(resource) {
        return Ok(());
    }
    let doc = resource.doc_mut();
    let root = doc.root();
    if !allow_kind {
        set_text(doc, root, "kind", &before.gvk.kind);
    }
    if !allow_name {
        let metadata = metadata(doc);
        set_text(doc, metadata, "name", &before.name);
    }
    if !before.namespace.is_empty() {
        let metadata = metadata(doc);
        set_text(doc, metadata, "namespace", &before.namespace);
    } else if let Some(metadata) = doc.get(root, "metadata") {
        doc.remove(metadata, "namespace");
    }
    Ok(())
}

fn metadata(doc: &mut Document) -> NodeId {
    if let Some(metadata) = doc.get(doc.root(), "metadata").filter(|metadata| doc.is_mapping(*metadata)) {
        return metadata;
    }
    let metadata = doc.new_mapping();
    doc.set(doc.root(), "metadata", metadata);
    doc.get(doc.root(), "metadata").unwrap_or(metadata)
}

/// Sets a field as kyaml does: an old value's quotes stay, and a new value gets
/// some if it could be taken for something else.
fn set_text(doc: &mut Document, map: NodeId, key: &str, text: &str) {
    match doc.get(map, key) {
        Some(old) if doc.text(old) == text => {}
        Some(old) => {
            let style = doc.style(old);
            doc.set_scalar(old, Scalar { style, ..Scalar::plain(text) });
        }
        None => {
            let special = yaml::resolve::tag(text) != Tag::Str || yaml::resolve::is_special_v2(text);
            let style = if special { Style::DoubleQuoted } else { Style::Plain };
            doc.set_value(map, key, Scalar { style, ..Scalar::plain(text) });
        }
    }
}

fn patch_json(
    resources: &mut ResourceSet,
    at: usize,
    patch: &JsonPatch,
    source: &PatchSource,
    schema: &Schema,
) -> Result<(), PatchError> {
    resources.edit(at, schema, |resource| {
        let id = resource.id();
        let failed = |error| PatchError::Json { patch: source.clone(), resource: Box::new(id), source: error };
        add_annotations(resource);
        patch.apply(resource.doc_mut()).map_err(failed)?;
        // Kustomize writes the annotations anew, which makes strings of them.
        let texts = string_map(resource.doc(), metadata_field(resource, "annotations"));
        set_metadata_map(resource, "annotations", &texts);
        Ok(())
    })
}

/// Kustomize keeps what we know of earlier ids in annotations. The operations
/// of a patch find them, so they can add to annotations that no manifest has.
fn add_annotations(resource: &mut Resource) {
    let Some(metadata) = resource.metadata() else { return };
    let has_annotations = metadata_field(resource, "annotations").is_some_and(|map| resource.doc().is_mapping(map));
    if !has_annotations && !resource.history().previous.is_empty() {
        let doc = resource.doc_mut();
        let annotations = doc.new_mapping();
        doc.set(metadata, "annotations", annotations);
    }
}

/// Takes out what was deleted, if any of these was.
fn drop_deleted(resources: &mut ResourceSet, patched: &[usize]) {
    if patched.iter().any(|at| is_deleted(&resources.as_slice()[*at])) {
        resources.as_mut_vec().retain(|resource| !is_deleted(resource));
    }
}
