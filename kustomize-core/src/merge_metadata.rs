//! What a generated resource takes over from the one it replaces or merges with.

use std::collections::BTreeMap;

use crate::history::Behavior;
use crate::resource::Resource;
use crate::yaml::{Document, NodeId, Scalar, Style};

/// Makes `new` ready to stand in the place of `old`: labels, annotations and,
/// if it is to merge, data of both; name, namespace and history of the old one.
pub(crate) fn take_over(new: &mut Resource, old: &Resource) {
    let merge = new.history().behavior == Behavior::Merge;
    merge_metadata_map(new, old, "labels");
    merge_metadata_map(new, old, "annotations");
    new.set_name(old.name());
    set_namespace(new, old.namespace());
    if merge {
        merge_data(new, old, "data");
        merge_data(new, old, "binaryData");
        if let Some(origin) = old.annotation(ORIGIN) {
            let origin = origin.to_owned();
            let mut annotations = string_map(new.doc(), metadata_field(new, "annotations"));
            annotations.insert(ORIGIN.to_owned(), origin);
            set_metadata_map(new, "annotations", &annotations);
        }
    }
    // A hash stays only if both want it.
    let needs_hash = new.history().needs_hash && old.history().needs_hash;
    *new.history_mut() = old.history().clone();
    new.history_mut().needs_hash = needs_hash;
}

/// The annotation that says where a resource came from.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";

fn merge_metadata_map(new: &mut Resource, old: &Resource, field: &str) {
    let mut merged = string_map(old.doc(), metadata_field(old, field));
    merged.extend(string_map(new.doc(), metadata_field(new, field)));
    set_metadata_map(new, field, &merged);
}

/// A field of `metadata`.
pub(crate) fn metadata_field(resource: &Resource, field: &str) -> Option<NodeId> {
    resource.doc().get(resource.metadata()?, field)
}

/// The texts of a mapping; empty if it is not one. A value that is no scalar counts as empty.
pub(crate) fn string_map(doc: &Document, map: Option<NodeId>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (key, value) in map.into_iter().flat_map(|map| doc.entries(map)) {
        texts.insert(doc.text(key).to_owned(), doc.text(value).to_owned());
    }
    texts
}

/// Sets `metadata.labels` or `metadata.annotations`; none means no such field.
pub(crate) fn set_metadata_map(resource: &mut Resource, field: &str, texts: &BTreeMap<String, String>) {
    let Some(metadata) = resource.metadata() else { return };
    set_map(resource.doc_mut(), metadata, field, texts, |text| Scalar::string(text));
}

fn set_map(
    doc: &mut Document,
    parent: NodeId,
    field: &str,
    texts: &BTreeMap<String, String>,
    scalar: impl Fn(&str) -> Scalar<'_>,
) {
    doc.remove(parent, field);
    if texts.is_empty() {
        return;
    }
    let map = doc.new_mapping();
    for (key, text) in texts {
        let key = doc.new_scalar(Scalar::string(key));
        let value = doc.new_scalar(scalar(text));
        doc.push_entry(map, key, value);
    }
    doc.set(parent, field, map);
}

fn set_namespace(resource: &mut Resource, namespace: &str) {
    if !namespace.is_empty() {
        return resource.set_metadata_text("namespace", namespace);
    }
    if let Some(metadata) = resource.metadata() {
        resource.doc_mut().remove(metadata, "namespace");
    }
}

fn merge_data(new: &mut Resource, old: &Resource, field: &str) {
    let of = |resource: &Resource| string_map(resource.doc(), resource.doc().get(resource.doc().root(), field));
    let mut merged = of(old);
    merged.extend(of(new));
    let doc = new.doc_mut();
    let root = doc.root();
    set_map(doc, root, field, &merged, |text| {
        let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
        Scalar { style, ..Scalar::string(text) }
    });
}
