//! What functions and plugins read and write: resources with annotations by
//! which kustomize finds them again.

use std::path::Path;
use std::sync::Arc;

use super::PluginError;
use crate::generate::BoxError;
use crate::history::Behavior;
use crate::manifest;
use crate::merge_metadata::{metadata_field, set_metadata_map, string_map};
use crate::metadata;
use crate::remote::go_bool;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::yaml::{self, Document, Limits, NodeId, Scalar, SourceText, Style};

const ID: &str = "kustomize.config.k8s.io/id";
const NEEDS_HASH: &str = "kustomize.config.k8s.io/needs-hash";
const BEHAVIOR: &str = "kustomize.config.k8s.io/behavior";

/// Where kyaml keeps the file of a resource, in its old and its new way.
const PATHS: [&str; 2] = ["config.kubernetes.io/path", "internal.config.kubernetes.io/path"];

/// The annotations that only serve the way to a function and back.
const TRANSIENT: [&str; 6] = [
    ID,
    "config.kubernetes.io/index",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "internal.config.kubernetes.io/id",
    "config.k8s.io/id",
];

/// The ResourceList that a function reads to transform resources.
pub(super) fn transformer_input(resources: &[Resource], config: &Resource) -> Result<String, BoxError> {
    let items = resources.iter().map(|resource| printed(&with_id(resource))).collect::<Result<_, BoxError>>()?;
    Ok(resource_list(items, printed_config(config)?))
}

/// The ResourceList that a function reads to generate resources: some do not
/// run without an item, so the configuration is one.
pub(super) fn generator_input(config: &Resource) -> Result<String, BoxError> {
    let config = printed_config(config)?;
    Ok(resource_list(vec![config.clone()], config))
}

/// The resources as kustomize hands them to a plugin that knows no ResourceList.
pub(super) fn plain_input(resources: &[Resource]) -> Result<String, BoxError> {
    let mut set = ResourceSet::default();
    set.as_mut_vec().extend(resources.iter().map(with_id));
    Ok(set.to_yaml()?)
}

/// With what the build knows of it, and its present id.
fn with_id(resource: &Resource) -> Resource {
    let mut annotated = resource.clone();
    let mut texts = string_map(resource.doc(), metadata_field(resource, "annotations"));
    metadata::write_build_annotations(resource.history(), &mut texts);
    texts.insert(ID.to_owned(), id_text(resource));
    set_metadata_map(&mut annotated, "annotations", &texts);
    annotated
}

/// The id as kustomize prints a `ResId`.
fn id_text(resource: &Resource) -> String {
    let mut doc = Document::sourceless();
    let root = doc.root();
    let (group, version) = resource.group_version();
    let fields = [
        ("group", group),
        ("kind", resource.kind()),
        ("name", resource.name()),
        ("namespace", resource.namespace()),
        ("version", version),
    ];
    for (key, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
        doc.set_value(root, key, Scalar::string(text));
    }
    let mut out = Vec::new();
    // Nothing but strings is in it, so it can be printed.
    let _ = yaml::emit(&doc, root, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The resource as it is after it was printed and read again.
fn printed(resource: &Resource) -> Result<Document, BoxError> {
    let text = resource.to_yaml()?;
    let doc = yaml::parse_text(Arc::new(SourceText { text }), &Limits::new())?;
    Ok(doc.unwrap_or_else(Document::sourceless))
}

/// Kept out of the output if the function passes it on.
fn printed_config(config: &Resource) -> Result<Document, BoxError> {
    let mut doc = printed(config)?;
    annotate(&mut doc, &[("config.kubernetes.io/local-config", "true")]);
    Ok(doc)
}

/// Appends annotations in kyaml's style.
fn annotate(doc: &mut Document, entries: &[(&str, &str)]) {
    let root = doc.root();
    let metadata = field(doc, root, "metadata");
    let annotations = field(doc, metadata, "annotations");
    for (key, text) in entries {
        let value = Scalar { style: Style::SingleQuoted, ..Scalar::string(text) };
        match doc.get(annotations, key) {
            Some(old) => {
                let style = doc.style(old);
                doc.set_scalar(old, Scalar { style, ..value });
            }
            None => {
                let (key, value) = (doc.new_scalar(Scalar::plain(key)), doc.new_scalar(value));
                doc.push_entry(annotations, key, value);
            }
        }
    }
}

/// Gives a resource that has one of the two paths the other as well.
fn complete_paths(doc: &mut Document) {
    let text = |key| Some(doc.get_text(doc.get_path(doc.root(), &["metadata", "annotations"])?, key)?.to_owned());
    match PATHS.map(text) {
        [Some(path), None] => annotate(doc, &[(PATHS[1], &path)]),
        [None, Some(path)] => annotate(doc, &[(PATHS[0], &path)]),
        _ => {}
    }
}

fn field(doc: &mut Document, map: NodeId, key: &str) -> NodeId {
    if doc.get(map, key).is_none() {
        let value = doc.new_mapping();
        doc.set(map, key, value);
    }
    doc.get(map, key).unwrap_or(map)
}

fn resource_list(items: Vec<Document>, config: Document) -> String {
    let mut list = Document::sourceless();
    let root = list.root();
    list.set_value(root, "apiVersion", Scalar::plain("config.kubernetes.io/v1"));
    list.set_value(root, "kind", Scalar::plain("ResourceList"));
    let sequence = list.new_sequence();
    for (index, mut item) in items.into_iter().enumerate() {
        complete_paths(&mut item);
        let (index, id) = (index.to_string(), (index + 1).to_string());
        annotate(
            &mut item,
            &[
                ("config.kubernetes.io/index", &index),
                ("internal.config.kubernetes.io/index", &index),
                ("internal.config.kubernetes.io/annotations-migration-resource-id", &index),
                ("internal.config.kubernetes.io/id", &id),
                ("config.k8s.io/id", &id),
            ],
        );
        let item = list.copy_from(&item, item.root());
        list.push(sequence, item);
    }
    list.set(root, "items", sequence);
    let config = list.copy_from(&config, config.root());
    list.set(root, "functionConfig", config);
    yaml::emit_v3(&list, root)
}

/// Gives resources that have no path the one that kyaml would write them to.
pub(super) fn default_paths(resources: &mut [Resource]) {
    for resource in resources {
        let mut texts = string_map(resource.doc(), metadata_field(resource, "annotations"));
        let known = PATHS.iter().find_map(|key| texts.get(*key).cloned());
        let file = format!("{}_{}.yaml", resource.kind().to_lowercase(), resource.name());
        let path = known.unwrap_or_else(|| match resource.namespace() {
            "" => file,
            namespace => format!("{namespace}/{file}"),
        });
        texts.extend(PATHS.map(|key| (key.to_owned(), path.clone())));
        set_metadata_map(resource, "annotations", &texts);
    }
}

/// The resources that a program wrote, without the marks that it was given.
pub(super) fn read_output(output: Vec<u8>, program: &Path) -> Result<Vec<Resource>, BoxError> {
    let mut resources = manifest::read(output, program, &Limits::new())?;
    for resource in &mut resources {
        resource.set_place(None);
        let before = string_map(resource.doc(), metadata_field(resource, "annotations"));
        let mut texts = before.clone();
        texts.retain(|key, _| !TRANSIENT.contains(&key.as_str()));
        if texts.len() < before.len() {
            set_metadata_map(resource, "annotations", &texts);
        }
    }
    Ok(resources)
}

/// What a generator asks for its resources in annotations.
pub(super) fn take_options(resources: &mut [Resource]) -> Result<(), PluginError> {
    for resource in resources {
        let mut texts = string_map(resource.doc(), metadata_field(resource, "annotations"));
        let needs_hash = texts.remove(NEEDS_HASH);
        let behavior = texts.remove(BEHAVIOR);
        if let Some(value) = &needs_hash {
            let invalid = || PluginError::Incomplete { problem: format!("the annotation {NEEDS_HASH} is `{value}`") };
            resource.history_mut().needs_hash = go_bool(value).ok_or_else(invalid)?;
        }
        resource.history_mut().behavior = behavior.as_deref().map_or(Behavior::Unspecified, Behavior::named);
        if needs_hash.is_some() || behavior.is_some() {
            set_metadata_map(resource, "annotations", &texts);
        }
    }
    Ok(())
}

/// Makes `resources` what a transformer made of them: changed ones stay in
/// their places, new ones come last, and those it left out go.
pub(super) fn update(resources: &mut ResourceSet, made: Vec<Resource>, schema: &Schema) -> Result<(), PluginError> {
    let key = |resource: &Resource| {
        let mut id = resource.id();
        id.namespace = resource.effective_namespace(schema).to_owned();
        id
    };
    let mut by_id = std::collections::HashMap::with_capacity(made.len());
    let mut order = Vec::with_capacity(made.len());
    for resource in made {
        let id = key(&resource);
        if by_id.contains_key(&id) {
            return Err(PluginError::Duplicate { resource: Box::new(resource.id()) });
        }
        order.push(id.clone());
        by_id.insert(id, resource);
    }
    let all = resources.as_mut_vec();
    all.retain_mut(|resource| match by_id.remove(&key(resource)) {
        Some(mut new) => {
            new.history_mut().referring_vars = std::mem::take(&mut resource.history_mut().referring_vars);
            new.set_place(resource.place().cloned());
            *resource = new;
            true
        }
        None => false,
    });
    all.extend(order.into_iter().filter_map(|id| by_id.remove(&id)));
    Ok(())
}
