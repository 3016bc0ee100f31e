//! What a build writes into annotations and labels, and takes out again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{Behavior, History, PreviousId, PreviousIds};
use crate::merge_metadata::{ORIGIN, metadata_field, set_metadata_map, string_map};
use crate::remote::RemoteBase;
use crate::resource::Resource;
use crate::yaml::{self, Document, NodeId, Scalar, Tag};

/// The annotation that lists the transformers that changed a resource.
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// The annotation that keeps a resource out of the output.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

const INTERNAL: &str = "internal.config.kubernetes.io/";

/// Annotations that kustomize removes at the end, whoever set them.
const BUILD_ANNOTATIONS: &[&str] = &[
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

/// Takes over what a manifest says in kustomize's internal annotations, as if
/// an earlier step of this build had set them.
pub(crate) fn adopt_build_annotations(resource: &mut Resource) {
    let Some(annotations) = metadata_field(resource, "annotations") else { return };
    let doc = resource.doc();
    if doc.entries(annotations).any(|(key, _)| doc.text(key).starts_with(INTERNAL)) {
        *resource.history_mut() = history(doc, annotations);
    }
}

/// What programs that a build runs see of its notes: kustomize's own annotations.
pub(crate) fn write_build_annotations(history: &History, annotations: &mut BTreeMap<String, String>) {
    let mut write = |name: &str, text: String| {
        let key = format!("{INTERNAL}{name}");
        if text.is_empty() {
            annotations.remove(&key)
        } else {
            annotations.insert(key, text)
        };
    };
    write("prefixes", history.prefixes.as_slice().join(","));
    write("suffixes", history.suffixes.as_slice().join(","));
    let list = |part: fn(PreviousId<'_>) -> &str| history.previous.iter().map(part).collect::<Vec<_>>().join(",");
    write("previousNames", list(|id| id.name));
    write("previousNamespaces", list(|id| id.namespace));
    write("previousKinds", list(|id| id.kind));
    let flag = |is_set: bool, text: &str| if is_set { text.to_owned() } else { String::new() };
    write("needsHashSuffix", flag(history.needs_hash, "enabled"));
    write("allowNameChange", flag(history.allow_name_change, "enabled"));
    write("allowKindChange", flag(history.allow_kind_change, "enabled"));
    write("helm-generated", flag(history.helm_generated, "true"));
    write("generatorBehavior", history.behavior.name().to_owned());
}

fn history(doc: &Document, annotations: NodeId) -> History {
    let value = |name: &str| doc.get_text(annotations, &format!("{INTERNAL}{name}"));
    let list = |name| value(name).into_iter().flat_map(|text| text.split(','));
    let enabled = |name| value(name) == Some("enabled");
    let mut previous = PreviousIds::default();
    for ((name, namespace), kind) in list("previousNames").zip(list("previousNamespaces")).zip(list("previousKinds")) {
        previous.push(PreviousId { kind, name, namespace });
    }
    History {
        previous,
        prefixes: list("prefixes").map(Arc::from).collect(),
        suffixes: list("suffixes").map(Arc::from).collect(),
        needs_hash: enabled("needsHashSuffix"),
        behavior: value("generatorBehavior").map_or(Behavior::Unspecified, Behavior::named),
        allow_name_change: enabled("allowNameChange"),
        allow_kind_change: enabled("allowKindChange"),
        helm_generated: value("helm-generated").is_some(),
        ..History::default()
    }
}

/// Whether the resource is only for the build, not for the cluster.
pub(crate) fn is_local_config(resource: &Resource) -> bool {
    resource.annotation(LOCAL_CONFIG).is_some_and(|value| value != "false")
}

/// Removes what the build noted in annotations. Kustomize writes all
/// annotations anew, so they become strings, and an empty mapping goes away.
pub(crate) fn clean_annotations(resource: &mut Resource, keep_origin: bool, keep_transformations: bool) {
    if is_clean(resource, keep_origin, keep_transformations) {
        return;
    }
    let Some(annotations) = metadata_field(resource, "annotations") else {
        // Writing none still makes the mapping they would be in.
        let doc = resource.doc_mut();
        let metadata = doc.new_mapping();
        doc.set(doc.root(), "metadata", metadata);
        return;
    };
    let mut texts = string_map(resource.doc(), Some(annotations));
    texts.retain(|key, _| !is_dropped(key, keep_origin, keep_transformations));
    set_metadata_map(resource, "annotations", &texts);
}

/// Whether there is nothing to do for [`clean_annotations`].
pub(crate) fn is_clean(resource: &Resource, keep_origin: bool, keep_transformations: bool) -> bool {
    let (doc, keep_all) = (resource.doc(), keep_origin && keep_transformations);
    let Some(annotations) = metadata_field(resource, "annotations") else {
        return keep_all || resource.metadata().is_some_and(|node| doc.is_mapping(node));
    };
    if doc.is_empty(annotations) {
        return keep_all;
    }
    doc.is_mapping(annotations)
        && doc.entries(annotations).all(|(key, value)| {
            let is_kept = !is_dropped(doc.text(key), keep_origin, keep_transformations);
            is_kept && doc.is_scalar(value) && doc.tag(value) == Tag::Str
        })
}

fn is_dropped(key: &str, keep_origin: bool, keep_transformations: bool) -> bool {
    BUILD_ANNOTATIONS.contains(&key)
        || (key == ORIGIN && !keep_origin)
        || (key == TRANSFORMATIONS && !keep_transformations)
}

/// The label that says which program made a resource.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Says in a label that kustomize made the resource.
pub(crate) fn add_managed_by_label(resource: &mut Resource, version: &str) {
    let Some(metadata) = resource.metadata() else { return };
    let value = format!("kustomize-{version}");
    let labels = metadata_field(resource, "labels");
    let doc = resource.doc_mut();
    match labels {
        Some(labels) if doc.is_mapping(labels) => doc.set_value(labels, MANAGED_BY, Scalar::string(&value)),
        _ => {
            let labels = doc.new_mapping();
            doc.set_value(labels, MANAGED_BY, Scalar::string(&value));
            doc.set(metadata, "labels", labels);
        }
    }
}

/// Takes a label off; `labels` goes too if it was the only one.
pub(crate) fn remove_label(resource: &mut Resource, key: &str) {
    let Some(labels) = metadata_field(resource, "labels") else { return };
    if resource.doc().get(labels, key).is_none() {
        return;
    }
    let mut texts = string_map(resource.doc(), Some(labels));
    texts.remove(key);
    set_metadata_map(resource, "labels", &texts);
}

/// What the origin and transformation annotations say: a resource's file, or
/// the field or plugin that made or changed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) path: String,
    pub(crate) repo: String,
    pub(crate) reference: String,
    pub(crate) configured_in: String,
    /// `apiVersion`, `kind`, `name` and `namespace` of the plugin's configuration.
    pub(crate) configured_by: [String; 4],
}

impl Note {
    /// The entry of a kustomization in this place.
    pub(crate) fn join(&self, path: &str) -> Self {
        Self { path: clean(&[&self.path, path]), ..self.clone() }
    }

    /// The directory of a base in a repository.
    pub(crate) fn of_repository(base: &RemoteBase) -> Self {
        // What kustomize says of a repository's own root is a placeholder of its cloning.
        let path = if base.path.is_empty() { "notCloned" } else { &base.path };
        let reference = base.revision.clone().unwrap_or_default();
        Self { path: clean(&[path]), repo: base.repository.clone(), reference, ..Self::default() }
    }

    /// One of the built-in generators and transformers, configured by the
    /// kustomization file `file` in this place.
    pub(crate) fn builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            configured_in: clean(&[&self.path, file]),
            configured_by: ["builtin".to_owned(), kind.to_owned(), String::new(), String::new()],
            ..self.clone()
        }
    }

    /// The plugin that `config` configures, if `origin` says where that came from.
    pub(crate) fn of_plugin(origin: &str, config: &Resource) -> Self {
        let field = |name: &str| {
            let value = origin.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().to_owned()
        };
        let configured_by = [config.api_version(), config.kind(), config.name(), config.namespace()];
        Self {
            path: String::new(),
            repo: field("repo"),
            reference: field("ref"),
            configured_in: field("path"),
            configured_by: configured_by.map(str::to_owned),
        }
    }

    /// As YAML.
    pub(crate) fn text(&self) -> String {
        self.lines().map(|line| line + "\n").collect()
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let fields = [
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ];
        let line = |indent: &str, key: &str, value: &str| {
            (!value.is_empty()).then(|| format!("{indent}{key}: {}", yaml_string(value)))
        };
        let own: Vec<String> = fields.iter().filter_map(|(key, value)| line("", key, value)).collect();
        let names = ["apiVersion", "kind", "name", "namespace"];
        let by: Vec<String> =
            names.iter().zip(&self.configured_by).filter_map(|(key, value)| line("  ", key, value)).collect();
        let head = (!by.is_empty()).then(|| "configuredBy:".to_owned());
        own.into_iter().chain(head).chain(by)
    }

    /// As an item of a YAML list.
    fn item(&self) -> String {
        let prefix = std::iter::once("- ").chain(std::iter::repeat("  "));
        prefix.zip(self.lines()).map(|(prefix, line)| format!("{prefix}{line}\n")).collect()
    }
}

/// A string as go-yaml prints it: in quotes where it would be taken for something else.
fn yaml_string(text: &str) -> String {
    let mut doc = Document::sourceless();
    let scalar = doc.new_scalar(Scalar::string(text));
    yaml::emit_v3(&doc, scalar).trim_end().to_owned()
}

/// Joins path parts and takes `.` and `..` out by name.
fn clean(parts: &[&str]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in parts.iter().flat_map(|part| part.split('/')) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Notes where the resource came from.
pub(crate) fn set_origin(resource: &mut Resource, note: &Note) {
    set_annotation(resource, ORIGIN, note.text());
}

/// Notes which file the resource came from. Kustomize adds this as
/// `commonAnnotations` are added, so the other annotations keep their types
/// for a JSON patch to see, while every later note makes strings of them.
pub(crate) fn set_file(resource: &mut Resource, note: &Note) {
    match metadata_field(resource, "annotations").filter(|map| resource.doc().is_mapping(*map)) {
        Some(annotations) => {
            resource.doc_mut().set_value(annotations, ORIGIN, Scalar::string(&note.text()));
        }
        None => set_origin(resource, note),
    }
}

/// Notes where a resource came from that does not say so itself.
pub(crate) fn set_missing_origin(resource: &mut Resource, note: &Note) {
    if resource.annotation(ORIGIN).is_none() {
        set_origin(resource, note);
    }
}

/// Notes that a transformer ran: as a change, or as the origin of a resource that has none.
pub(crate) fn add_transformation(resource: &mut Resource, note: &Note) {
    if resource.annotation(ORIGIN).is_none() {
        return set_origin(resource, note);
    }
    let before = resource.annotation(TRANSFORMATIONS).unwrap_or_default().to_owned();
    set_annotation(resource, TRANSFORMATIONS, before + &note.item());
}

fn set_annotation(resource: &mut Resource, key: &str, text: String) {
    let mut texts = string_map(resource.doc(), metadata_field(resource, "annotations"));
    texts.insert(key.to_owned(), text);
    set_metadata_map(resource, "annotations", &texts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tests::resource;

    fn annotated(entries: &[(&str, Scalar<'_>)]) -> Resource {
        let mut made = resource("v1", "Pod", "", "a");
        let metadata = made.metadata().expect("metadata");
        let doc = made.doc_mut();
        let map = doc.new_mapping();
        for (key, value) in entries {
            doc.set_value(map, key, *value);
        }
        doc.set(metadata, "annotations", map);
        made
    }

    #[test]
    fn a_note_is_yaml() {
        let place = Note::default().join("../base").join("./x/../app");
        assert_eq!(place.join("pod.yaml").text(), "path: ../base/app/pod.yaml\n");
        let note = place.builtin("kustomization.yaml", "PrefixTransformer");
        assert_eq!(Note::default().join("1").text(), "path: \"1\"\n");
        assert_eq!(Note::default().join("a b: c.yaml").text(), "path: 'a b: c.yaml'\n");
        let mut pod = annotated(&[(ORIGIN, Scalar::string("path: x\n"))]);
        add_transformation(&mut pod, &note);
        add_transformation(&mut pod, &note);
        let item = "- configuredIn: ../base/app/kustomization.yaml\n  configuredBy:\n    apiVersion: builtin\n    kind: \
                    PrefixTransformer\n";
        assert_eq!(pod.annotation(TRANSFORMATIONS), Some(item.repeat(2).as_str()));
    }

    #[test]
    fn annotations_come_out_clean() {
        let mut pod = annotated(&[("config.kubernetes.io/path", Scalar::string("x"))]);
        clean_annotations(&mut pod, false, false);
        assert_eq!(metadata_field(&pod, "annotations"), None);
        let mut pod = annotated(&[("a", Scalar::plain("true"))]);
        clean_annotations(&mut pod, false, false);
        let value = pod.doc().get(metadata_field(&pod, "annotations").expect("kept"), "a").expect("kept");
        assert_eq!((pod.doc().tag(value), pod.doc().text(value)), (Tag::Str, "true"));
    }

    #[test]
    fn internal_annotations_become_history() {
        let mut pod = annotated(&[
            ("internal.config.kubernetes.io/previousNames", Scalar::string("a,b")),
            ("internal.config.kubernetes.io/previousNamespaces", Scalar::string("default,default")),
            ("internal.config.kubernetes.io/previousKinds", Scalar::string("Pod,Pod")),
            ("internal.config.kubernetes.io/needsHashSuffix", Scalar::string("enabled")),
        ]);
        adopt_build_annotations(&mut pod);
        assert_eq!(pod.original_id().name, "a");
        assert!(pod.history().needs_hash && pod.history().previous.iter().count() == 2);
    }
}
