//! Replacements: copies of a field of one resource, or of a given text, into
//! fields of others.

mod follow;
mod keys;
mod path;
mod plain;
mod run;
mod select;
mod text;
mod value;

use std::borrow::Cow;

use self::follow::{Finder, lookup};
use self::keys::Keys;
pub(crate) use self::path::FieldPath;
use self::run::Run;
use self::select::Ids;
use self::text::Outcome;
use self::value::Value;
use crate::generate::ReadFile;
use crate::id::ResourceId;
use crate::kustomization::{
    DecodeError, FieldOptions, Replacement as Fields, ReplacementField, SourceSelector, TargetSelector, decode,
};
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::selector::{CompiledSelector, SelectorError};
use crate::threads::Threads;
use crate::yaml::{self, Document, Kind, Limits, NodeId, ParseError};

pub use follow::PathError;
pub use value::PartError;

/// What kustomize reads and writes where no field path is given.
const DEFAULT_PATH: &str = "metadata.name";

/// Why a replacement could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacementError {
    /// An entry names a file and says something itself as well.
    #[error("a replacement has both a path ({path}) and a source or targets")]
    PathAndFields {
        /// The file.
        path: String,
    },
    /// A file of replacements could not be read.
    #[error("cannot read the replacements in {path}")]
    Read {
        /// As the kustomization names it.
        path: String,
        /// What the file source says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of replacements is not YAML.
    #[error("the replacements in {path} are not valid YAML")]
    Parse {
        /// As the kustomization names it.
        path: String,
        /// What is wrong, and where.
        source: ParseError,
    },
    /// A file of replacements has a field of a wrong type.
    #[error("the replacements in {path} are not valid")]
    Decode {
        /// As the kustomization names it.
        path: String,
        /// What is wrong, and where.
        source: DecodeError,
    },
    /// Neither a source nor a text is given, or no targets are.
    #[error("a replacement needs a source (or sourceValue) and at least one target")]
    Incomplete,
    /// Both a source and a text are given.
    #[error("a replacement has both a source and a sourceValue")]
    TwoSources,
    /// No resource is the source.
    #[error("no resource is selected by the source {selector}")]
    NoSource {
        /// The source's selector.
        selector: String,
        /// A resource of the kind with a similar name.
        closest: Option<Box<ResourceId>>,
    },
    /// Several resources could be the source.
    #[error("the source {selector} selects {first} as well as {second}")]
    AmbiguousSource {
        /// The source's selector.
        selector: String,
        /// The first resource it selects.
        first: Box<ResourceId>,
        /// The second resource it selects.
        second: Box<ResourceId>,
    },
    /// The source's field path could not be followed.
    #[error("cannot read the field {field} of the source {resource}")]
    SourceField {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
        /// Why.
        source: Box<PathError>,
    },
    /// The source does not have the field, or it is empty.
    #[error("the source {resource} has no value in the field {field}")]
    MissingSourceField {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
    },
    /// The source's field does not have the part that is asked for.
    #[error("cannot take a part of the field {field} of {resource}")]
    SourcePart {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
        /// Why.
        source: PartError,
    },
    /// A target has no `select`.
    #[error("a target of a replacement does not say which resources to select")]
    NoSelect,
    /// A target's selector is not valid.
    #[error("cannot select the targets of a replacement")]
    Selector {
        /// What is wrong with it.
        source: SelectorError,
    },
    /// A target does not have the field.
    #[error("the target {resource} has no field {field}{}", if *.create { ", and it cannot be created" } else { "" })]
    MissingTargetField {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
        /// Whether the replacement may create it.
        create: bool,
    },
    /// A target's field path could not be followed.
    #[error("cannot find {}the field {field} of the target {resource}", if *.create { "or create " } else { "" })]
    TargetField {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
        /// Whether the replacement may create it.
        create: bool,
        /// Why.
        source: Box<PathError>,
    },
    /// A part of a target's field could not be replaced.
    #[error("cannot replace a part of the field {field} of the target {resource}")]
    TargetPart {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field path.
        field: String,
        /// Why.
        source: PartError,
    },
    /// Replacements that double a text or a mapping again and again.
    #[error("replacements make {resource} larger than {limit} bytes")]
    TooLarge {
        /// The resource.
        resource: Box<ResourceId>,
        /// In memory.
        limit: usize,
    },
}

/// How large replacements may make a resource, in bytes of memory: a field can
/// be put into itself, so that a few lines could ask for any size.
const MAX_SIZE: usize = 64 << 20;

/// Kustomize's ReplacementTransformer.
#[derive(Debug)]
pub(crate) struct Replacements {
    replacements: Vec<Fields>,
}

impl Replacements {
    /// The replacements of a kustomization, those in files included.
    pub(crate) fn new(entries: &[ReplacementField], read_file: ReadFile<'_>) -> Result<Self, ReplacementError> {
        let mut replacements = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.path.is_empty() {
                replacements.push(Fields {
                    source: entry.source.clone(),
                    targets: entry.targets.clone(),
                    source_value: entry.source_value.clone(),
                });
            } else if entry.source.is_some() || entry.targets.as_ref().is_some_and(|targets| !targets.is_empty()) {
                return Err(ReplacementError::PathAndFields { path: entry.path.clone() });
            } else {
                replacements.extend(read(&entry.path, read_file)?);
            }
        }
        Ok(Self { replacements })
    }

    /// Carries them out one after the other; each sees what those before it did.
    pub(crate) fn apply(&self, resources: &mut ResourceSet) -> Result<(), ReplacementError> {
        let threads = resources.threads();
        self.apply_to(resources.as_mut_vec(), threads)
    }

    fn apply_to(&self, resources: &mut [Resource], threads: Threads) -> Result<(), ReplacementError> {
        let mut ids = Ids::new(resources);
        let mut left = &self.replacements[..];
        while let Some((first, others)) = left.split_first() {
            let run = Run::new(left, resources, &ids);
            if run.len == 0 {
                apply_one(first, resources, &mut ids)?;
                left = others;
            } else {
                run.apply(resources, threads)?;
                left = &left[run.len..];
            }
        }
        Ok(())
    }
}

/// A file holds one replacement or a list of them.
fn read(path: &str, read_file: ReadFile<'_>) -> Result<Vec<Fields>, ReplacementError> {
    let (path, limits) = (|| path.to_owned(), Limits::new());
    let bytes = read_file(&path()).map_err(|source| ReplacementError::Read { path: path(), source })?;
    let parsed = yaml::decode(bytes, &limits).and_then(|text| yaml::parse_v2(text, &limits));
    let doc = parsed.map_err(|source| ReplacementError::Parse { path: path(), source })?;
    let decoded = match doc.kind(doc.root()) {
        Kind::Sequence => decode::lenient(&doc, doc.root()),
        _ => decode::lenient(&doc, doc.root()).map(|one| vec![one]),
    };
    decoded.map_err(|source| ReplacementError::Decode { path: path(), source })
}

fn apply_one(fields: &Fields, resources: &mut [Resource], ids: &mut Ids) -> Result<(), ReplacementError> {
    let targets = fields.targets.as_ref().ok_or(ReplacementError::Incomplete)?;
    let mut source = Source::new(fields, resources, ids)?;
    for selector in targets {
        let (selection, target) = (Selection::new(selector)?, Target::new(selector));
        for index in ids.targets(&selection, resources) {
            let live = source.live.filter(|(resource, _)| *resource == index).map(|(_, node)| node);
            target.write(&mut resources[index], &source.value, live, &mut Keys::default())?;
            if target.may_change_id {
                ids.update(index, &resources[index]);
            }
            source.refresh(index, resources);
        }
    }
    Ok(())
}

/// Where the value of a replacement comes from.
struct Source {
    value: Value,
    /// The resource that it is read from.
    resource: Option<usize>,
    /// The resource and the field, while the value is to follow what targets do to it.
    live: Option<(usize, NodeId)>,
}

impl Source {
    fn new(fields: &Fields, resources: &[Resource], ids: &Ids) -> Result<Self, ReplacementError> {
        match (&fields.source, &fields.source_value) {
            (Some(_), Some(_)) => Err(ReplacementError::TwoSources),
            (None, Some(text)) => Ok(Self { value: Value::text(text), resource: None, live: None }),
            (Some(selector), None) => Self::selected(selector, resources, ids),
            (None, None) => Err(ReplacementError::Incomplete),
        }
    }

    fn selected(selector: &SourceSelector, resources: &[Resource], ids: &Ids) -> Result<Self, ReplacementError> {
        let index = ids.source(selector)?;
        let (resource, doc) = (|| Box::new(resources[index].id()), resources[index].doc());
        let path = if selector.field_path.is_empty() { DEFAULT_PATH } else { &selector.field_path };
        let field = || path.to_owned();
        let found = lookup(doc, doc.root(), FieldPath::new(path).parts()).map_err(|source| {
            ReplacementError::SourceField { resource: resource(), field: field(), source: Box::new(source) }
        })?;
        let node = found
            .filter(|node| !is_nothing(doc, *node))
            .ok_or_else(|| ReplacementError::MissingSourceField { resource: resource(), field: field() })?;
        let value = Value::of(doc, node);
        let Some(options) = selector.options.as_ref().filter(|options| !options.delimiter.is_empty()) else {
            return Ok(Self { value, resource: Some(index), live: Some((index, node)) });
        };
        let part = value.part(options);
        let value =
            part.map_err(|source| ReplacementError::SourcePart { resource: resource(), field: field(), source })?;
        Ok(Self { value, resource: Some(index), live: None })
    }

    /// Kustomize copies the source's field anew for every target, so it sees
    /// what a target that is the source itself made of it.
    fn refresh(&mut self, changed: usize, resources: &[Resource]) {
        if let Some((index, node)) = self.live
            && index == changed
        {
            self.value = Value::of(resources[index].doc(), node);
        }
    }
}

/// Null, `{}` or `[]`.
fn is_nothing(doc: &Document, node: NodeId) -> bool {
    doc.is_null(node) || (!doc.is_scalar(node) && doc.is_empty(node))
}

/// The resources that a value is written to.
#[derive(Debug)]
struct Selection {
    select: CompiledSelector,
    reject: Vec<CompiledSelector>,
}

impl Selection {
    fn new(target: &TargetSelector) -> Result<Self, ReplacementError> {
        let compiled =
            |selector| CompiledSelector::new(selector).map_err(|source| ReplacementError::Selector { source });
        let select = compiled(target.select.as_ref().ok_or(ReplacementError::NoSelect)?)?;
        let reject = target.reject.iter().map(compiled).collect::<Result<_, _>>()?;
        Ok(Self { select, reject })
    }

    /// Whether a resource with these ids, present and past, is selected and not rejected.
    fn selects(&self, ids: &[ResourceId], resource: &Resource) -> bool {
        self.select.matches_metadata(resource)
            && !self.reject.iter().any(|reject| reject.has_metadata() && reject.matches_metadata(resource))
            && !self.reject.iter().any(|reject| reject.has_id() && ids.iter().any(|id| reject.matches_id(id)))
            && ids.iter().any(|id| self.select.matches_id(id))
    }
}

/// The fields that a value is written to.
#[derive(Debug)]
struct Target {
    paths: Vec<FieldPath>,
    options: FieldOptions,
    may_change_id: bool,
}

impl Target {
    fn new(target: &TargetSelector) -> Self {
        let mut paths: Vec<FieldPath> = target.field_paths.iter().map(|path| FieldPath::new(path)).collect();
        if paths.is_empty() {
            paths.push(FieldPath::new(DEFAULT_PATH));
        }
        let may_change_id = paths.iter().any(FieldPath::may_change_id);
        Self { paths, options: target.options.clone().unwrap_or_default(), may_change_id }
    }

    /// Writes the value to all fields. If it is that of a field of this resource,
    /// `live`, each write is of what that field has become by then.
    fn write(
        &self,
        resource: &mut Resource,
        value: &Value,
        live: Option<NodeId>,
        keys: &mut Keys,
    ) -> Result<(), ReplacementError> {
        let mut value = Cow::Borrowed(value);
        for path in &self.paths {
            let create = self.options.create.then(|| value.kind());
            match text::set(resource.doc_mut(), path, &value, create) {
                Outcome::Unchanged { node, depth } => {
                    self.write_path(resource, (path, node, depth), (&mut value, live), create, keys)?;
                }
                Outcome::Written => refresh(&mut value, live, resource),
            }
            check_size(resource)?;
        }
        Ok(())
    }

    /// Follows the path, of which the first `depth` elements lead to `start`.
    fn write_path(
        &self,
        resource: &mut Resource,
        (path, start, depth): (&FieldPath, NodeId, usize),
        (value, live): (&mut Cow<'_, Value>, Option<NodeId>),
        create: Option<Kind>,
        keys: &mut Keys,
    ) -> Result<(), ReplacementError> {
        let mut finder = Finder { doc: resource.doc_mut(), create, keys, found: Vec::new() };
        let followed = finder.follow(start, &path.parts()[depth..]);
        let found = finder.found;
        let (field, create) = (|| path.text().to_owned(), create.is_some());
        let id = |resource: &Resource| Box::new(resource.id());
        if let Err(source) = followed {
            return Err(ReplacementError::TargetField {
                resource: id(resource),
                field: field(),
                create,
                source: source.into(),
            });
        }
        if found.is_empty() {
            return Err(ReplacementError::MissingTargetField { resource: id(resource), field: field(), create });
        }
        for target in found {
            if let Err(source) = value.write(resource.doc_mut(), target, &self.options) {
                return Err(ReplacementError::TargetPart { resource: id(resource), field: field(), source });
            }
            // Before the next write, because each may double what is there.
            check_size(resource)?;
            refresh(value, live, resource);
        }
        Ok(())
    }
}

fn check_size(resource: &Resource) -> Result<(), ReplacementError> {
    match resource.doc().own_size() {
        0..=MAX_SIZE => Ok(()),
        _ => Err(ReplacementError::TooLarge { resource: Box::new(resource.id()), limit: MAX_SIZE }),
    }
}

fn refresh(value: &mut Cow<'_, Value>, live: Option<NodeId>, resource: &Resource) {
    if let Some(node) = live {
        *value = Cow::Owned(Value::of(resource.doc(), node));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const RESOURCES: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: source}
data: {word: abc, number: \"5\", image: 'nginx:1.2'}
---
apiVersion: x/v1
kind: T
metadata: {name: target, labels: {app: t}}
int: 3
text: foo
none: null
map: {a: 1}
list: [{name: a, v: one}, {name: ab, v: two}, {name: 'a', v: three}]
args: [-x, --y=1]
---
apiVersion: x/v1
kind: T
metadata: {name: other}
text: bar
";

    /// The resources after replacements in the syntax of a kustomization.
    fn replaced(replacements: &str) -> Result<String, ReplacementError> {
        let text = |text: &str| Arc::new(yaml::SourceText { text: text.to_owned() });
        let limits = Limits::new();
        let doc = yaml::parse_v2(text(replacements), &limits).expect("valid");
        let entries: Vec<ReplacementField> = decode::strict(&doc, doc.root()).expect("decoded");
        let resources = yaml::parse(text(RESOURCES), &limits).expect("valid");
        let mut set = ResourceSet::default();
        set.as_mut_vec().extend(resources.into_iter().map(Resource::new));
        let read = |path: &str| match path {
            "one" => Ok(b"sourceValue: x\ntargets: [{select: {name: other}, fieldPaths: [text]}]".to_vec()),
            _ => Err("no such file".into()),
        };
        Replacements::new(&entries, &read)?.apply(&mut set)?;
        Ok(set.iter().skip(1).map(|resource| yaml::emit_v3(resource.doc(), resource.doc().root())).collect())
    }

    /// The line that one replacement of the target `target` makes of `field`.
    fn line(source: &str, target: &str, line: &str) -> Option<String> {
        let text = format!("- {{{source}, targets: [{{select: {{name: target}}, {target}}}]}}");
        let all = replaced(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        all.lines().find(|found| found.trim_start().starts_with(line)).map(|found| found.trim().to_owned())
    }

    fn error(source: &str, target: &str) -> ReplacementError {
        replaced(&format!("- {{{source}, targets: [{target}]}}")).expect_err("refused")
    }

    const WORD: &str = "source: {name: source, fieldPath: data.word}";
    const NUMBER: &str = "source: {kind: ConfigMap, name: source, fieldPath: data.number}";

    #[test]
    fn a_single_value_keeps_its_type_and_style() {
        assert_eq!(line(WORD, "fieldPaths: [text]", "text").as_deref(), Some("text: abc"));
        assert_eq!(line(NUMBER, "fieldPaths: [text]", "text").as_deref(), Some("text: \"5\""));
        assert_eq!(line(NUMBER, "fieldPaths: [int]", "int").as_deref(), Some("int: 5"));
        assert_eq!(line(WORD, "fieldPaths: [int]", "int").as_deref(), Some("int: !!int abc"));
        assert_eq!(line("sourceValue: '7'", "fieldPaths: [map]", "map").as_deref(), Some("map: 7"));
    }

    #[test]
    fn what_a_replacement_creates_has_no_type_yet() {
        let created = "- {sourceValue: '5', targets: [{select: {name: other}, fieldPaths: [new.a], options: {create: true}}]}\n\
             - {sourceValue: abc, targets: [{select: {name: other}, fieldPaths: [new.a]}]}";
        assert!(replaced(created).expect("replaced").ends_with("new:\n  a: abc\n"));
        // Below a null nothing is seen of it.
        let target = "fieldPaths: [none.a], options: {create: true}";
        assert_eq!(line(WORD, target, "none").as_deref(), Some("none: null"));
    }

    #[test]
    fn items_are_found_by_pattern_index_or_all() {
        for (path, expected) in [
            ("list.[name=a].v", "[{name: a, v: abc}, {name: ab, v: abc}, {name: 'a', v: abc}]"),
            ("list.[name=^a$].v", "[{name: a, v: abc}, {name: ab, v: two}, {name: 'a', v: three}]"),
            ("list.1.v", "[{name: a, v: one}, {name: ab, v: abc}, {name: 'a', v: three}]"),
            ("list.*.name", "[{name: abc, v: one}, {name: abc, v: two}, {name: 'abc', v: three}]"),
        ] {
            let found = line(WORD, &format!("fieldPaths: ['{path}']"), "list");
            assert_eq!(found, Some(format!("list: {expected}")), "{path}");
        }
        let args = line(WORD, "fieldPaths: ['args.[=--y]']", "args");
        assert_eq!(args.as_deref(), Some("args: [-x, abc]"));
        let created = line(WORD, "fieldPaths: ['new.[name=n].v'], options: {create: true}", "- name: n");
        assert_eq!(created.as_deref(), Some("- name: n"));
    }

    #[test]
    fn a_source_that_is_written_to_is_read_again() {
        let target = "{select: {name: target}, fieldPaths: [map.a, new], options: {create: true}}";
        let made = replaced(&format!("- {{source: {{name: target, fieldPath: map}}, targets: [{target}]}}"));
        let made = made.expect("replaced");
        assert!(made.contains("map: {a: !!int ''}") && made.contains("new: {a: !!int ''}"), "{made}");
    }

    #[test]
    fn what_doubles_with_every_item_is_refused() {
        let items = "{a: b}, ".repeat(40);
        let text = format!("apiVersion: v1\nkind: T\nmetadata: {{name: t}}\nspec: {{list: [{items}]}}\n");
        let limits = Limits::new();
        let documents = yaml::parse(Arc::new(yaml::SourceText { text }), &limits).expect("valid");
        let mut resources: Vec<Resource> = documents.into_iter().map(Resource::new).collect();
        let text =
            "- {source: {name: t, fieldPath: spec}, targets: [{select: {name: t}, fieldPaths: ['spec.list.*']}]}";
        let doc = yaml::parse_v2(Arc::new(yaml::SourceText { text: text.to_owned() }), &limits).expect("valid");
        let replacements = Replacements { replacements: decode::lenient(&doc, doc.root()).expect("decoded") };
        let refused = replacements.apply_to(&mut resources, Threads::ONE);
        assert!(matches!(refused, Err(ReplacementError::TooLarge { .. })), "{refused:?}");
    }

    #[test]
    fn parts_are_read_and_written() {
        let source = "source: {name: source, fieldPath: data.image, options: {delimiter: ':', index: 1}}";
        assert_eq!(line(source, "fieldPaths: [text]", "text").as_deref(), Some("text: \"1.2\""));
        let target = "fieldPaths: [text], options: {delimiter: o, index: -1}";
        assert_eq!(line(WORD, target, "text").as_deref(), Some("text: abcofoo"));
    }

    #[test]
    fn targets_are_selected_and_rejected() {
        let all = |targets: &str| {
            replaced(&format!("- {{{WORD}, targets: [{targets}]}}")).map(|all| all.matches("abc").count())
        };
        assert_eq!(all("{select: {kind: T}, fieldPaths: [text]}").ok(), Some(2));
        assert_eq!(all("{select: {kind: T}, reject: [{name: ot.*}], fieldPaths: [text]}").ok(), Some(1));
        assert_eq!(all("{select: {kind: T}, reject: [{labelSelector: app}], fieldPaths: [text]}").ok(), Some(1));
        assert_eq!(all("{select: {labelSelector: app=t}, fieldPaths: [text]}").ok(), Some(1));
        // Without a field path it is the name, by which the next one then finds it.
        assert_eq!(all("{select: {name: other}}, {select: {name: abc}, fieldPaths: [text]}").ok(), Some(2));
        assert_eq!(replaced("- path: one").expect("replaced").matches("text: x").count(), 1);
    }

    #[test]
    fn errors_name_resource_and_field() {
        let target = "{select: {name: target}, fieldPaths: [none.x]}";
        assert_eq!(error(WORD, target).to_string(), "the target T.v1.x/target.[noNs] has no field none.x");
        let target = "{select: {name: target}, fieldPaths: [text.x.y]}";
        let message = "cannot find the field text.x.y of the target T.v1.x/target.[noNs]";
        assert_eq!(error(WORD, target).to_string(), message);
        let none = "{select: {name: none}}";
        let missing = error("source: {kind: ConfigMap, name: sourc}", none);
        let ReplacementError::NoSource { closest: Some(closest), .. } = missing else { panic!("{missing}") };
        assert_eq!(closest.name, "source");
        assert!(matches!(error("source: {kind: T}", none), ReplacementError::AmbiguousSource { .. }));
        assert!(matches!(
            error("source: {name: other, fieldPath: x}", none),
            ReplacementError::MissingSourceField { .. }
        ));
        assert!(matches!(replaced("- {sourceValue: x}"), Err(ReplacementError::Incomplete)));
        assert!(matches!(replaced("- {targets: []}"), Err(ReplacementError::Incomplete)));
        assert!(matches!(error("sourceValue: x", "{fieldPaths: [a]}"), ReplacementError::NoSelect));
    }

    #[test]
    fn an_empty_list_of_targets_is_not_none() {
        let nothing = replaced("[]").expect("replaced");
        assert_eq!(replaced("- {sourceValue: x, targets: []}").expect("replaced"), nothing);
        assert!(matches!(error("source: {kind: None}", ""), ReplacementError::NoSource { .. }));
    }

    #[test]
    fn a_pattern_that_would_create_items_for_ever_is_refused() {
        let target = "{select: {name: target}, fieldPaths: ['list.[name=^n$].v'], options: {create: true}}";
        let ReplacementError::TargetField { source, .. } = error(WORD, target) else { panic!("another error") };
        assert!(matches!(*source, PathError::Unmatched { element } if element == "[name=^n$]"));
    }
}
