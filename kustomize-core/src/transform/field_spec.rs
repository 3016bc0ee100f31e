//! Finds the fields that a field spec's path leads to.

use crate::config::{FieldPath, PathSpec, Step};
use crate::yaml::resolve::{self, Dialect};
use crate::yaml::{self, Document, Kind, Limits, NodeId, Scalar, SourceText, Style, Tag};

/// Why a field cannot be found or set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The path goes on where the resource has a scalar.
    #[error("expected a list or mapping before '{key}', found the value '{value}'")]
    NotACollection {
        /// The next key of the path.
        key: String,
        /// The scalar.
        value: String,
    },
    /// A key of the path is empty.
    #[error("the path has an empty key")]
    EmptyKey,
    /// A key of the path is an index or a match of list items.
    #[error("'{key}' does not name a field")]
    NotAField {
        /// The key.
        key: String,
    },
    /// The field is not what the transformer can set.
    #[error("expected {expected}, found {found}")]
    WrongKind {
        /// What the transformer sets.
        expected: &'static str,
        /// What the resource has.
        found: &'static str,
    },
}

/// What to make of a field that is missing, where the field spec says `create`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Make {
    /// A scalar; a `null` in its place gets this tag.
    Scalar(Tag),
    Mapping,
}

/// The fields that paths lead to. Kept from one resource to the next, so that
/// a search allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) fields: Vec<NodeId>,
    /// Nulls where a path says there is a list; kustomize makes them `[]`.
    pub(crate) null_lists: Vec<NodeId>,
}

impl Found {
    /// Collects the fields at `path`, in place of those collected before.
    pub(crate) fn find(&mut self, doc: &Document, path: &FieldPath) -> Result<(), FieldError> {
        self.clear();
        self.add(doc, path)
    }

    /// Collects the fields at `path` as well.
    pub(crate) fn add(&mut self, doc: &Document, path: &FieldPath) -> Result<(), FieldError> {
        self.walk(doc, doc.root(), path.steps())
    }

    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.null_lists.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.null_lists.is_empty()
    }

    /// Turns the nulls into empty lists.
    pub(crate) fn make_lists(&self, doc: &mut Document) {
        for null in &self.null_lists {
            let list = doc.new_sequence();
            doc.replace(*null, list);
        }
    }

    fn walk(&mut self, doc: &Document, node: NodeId, steps: &[Step]) -> Result<(), FieldError> {
        let Some((step, rest)) = steps.split_first() else {
            self.fields.push(node);
            return Ok(());
        };
        match doc.kind(node) {
            Kind::Scalar => require_null(doc, node, step),
            Kind::Sequence => doc.items(node).try_for_each(|item| self.walk(doc, item, steps)),
            Kind::Mapping => {
                check_key(step)?;
                let Some(field) = doc.get(node, &step.key) else { return Ok(()) };
                if step.list && doc.is_null(field) {
                    self.null_lists.push(field);
                    return Ok(());
                }
                self.walk(doc, field, rest)
            }
        }
    }
}

/// Collects the fields of `spec` into `fields`, making those that are missing
/// if it says so.
pub(crate) fn find_or_make(
    doc: &mut Document,
    spec: &PathSpec,
    make: Make,
    fields: &mut Vec<NodeId>,
) -> Result<(), FieldError> {
    fields.clear();
    let make = spec.create.then_some(make);
    Maker { make, fields }.walk(doc, doc.root(), spec.path.steps())
}

struct Maker<'a> {
    make: Option<Make>,
    fields: &'a mut Vec<NodeId>,
}

impl Maker<'_> {
    fn walk(&mut self, doc: &mut Document, node: NodeId, steps: &[Step]) -> Result<(), FieldError> {
        let Some((step, rest)) = steps.split_first() else {
            self.fields.push(node);
            return Ok(());
        };
        match doc.kind(node) {
            Kind::Scalar => require_null(doc, node, step),
            Kind::Sequence => {
                let mut next = doc.first_child(node);
                while let Some(item) = next {
                    self.walk(doc, item, steps)?;
                    next = doc.next_sibling(item);
                }
                Ok(())
            }
            Kind::Mapping => {
                check_key(step)?;
                let Some(field) = self.field(doc, node, step, rest.is_empty()) else { return Ok(()) };
                self.walk(doc, field, rest)
            }
        }
    }

    /// The field at `step`, made or turned from null to what the path needs.
    fn field(&self, doc: &mut Document, map: NodeId, step: &Step, last: bool) -> Option<NodeId> {
        let make = match self.make {
            Some(_) if !step.list && !last => Some(Make::Mapping),
            make => make.filter(|_| !step.list),
        };
        match (doc.get(map, &step.key), make) {
            (Some(field), make) if doc.is_null(field) => {
                turn_null(doc, field, step.list, make);
                Some(field)
            }
            (Some(field), _) => Some(field),
            (None, None) => None,
            (None, Some(make)) => Some(make_field(doc, map, &step.key, make)),
        }
    }
}

fn turn_null(doc: &mut Document, null: NodeId, list: bool, make: Option<Make>) {
    let collection = match make {
        None if list => doc.new_sequence(),
        None => return,
        Some(Make::Mapping) => doc.new_mapping(),
        Some(Make::Scalar(tag)) => return doc.set_tag(null, tag),
    };
    doc.replace(null, collection);
}

fn make_field(doc: &mut Document, map: NodeId, key: &str, make: Make) -> NodeId {
    let value = match make {
        Make::Mapping => doc.new_mapping(),
        Make::Scalar(_) => doc.new_scalar(Scalar::plain("")),
    };
    push_entry(doc, map, key, value);
    value
}

/// Appends an entry whose key is plain, as kustomize's are: one that looks
/// like a number is no string then.
pub(crate) fn push_entry(doc: &mut Document, map: NodeId, key: &str, value: NodeId) {
    let key = doc.new_scalar(Scalar::plain(key));
    doc.push_entry(map, key, value);
}

fn require_null(doc: &Document, node: NodeId, step: &Step) -> Result<(), FieldError> {
    if doc.is_null(node) {
        return Ok(());
    }
    Err(FieldError::NotACollection { key: step.key.to_string(), value: doc.text(node).to_owned() })
}

fn check_key(step: &Step) -> Result<(), FieldError> {
    if step.key.is_empty() {
        return Err(FieldError::EmptyKey);
    }
    if step.indexes {
        return Err(FieldError::NotAField { key: step.key.to_string() });
    }
    Ok(())
}

/// Sets a scalar's text and tag. Its style stays, as kustomize's `FieldSetter`
/// has it, and with it the type of a text whose tag is implicit.
pub(crate) fn set_scalar(doc: &mut Document, field: NodeId, tag: Tag, text: &str) -> Result<(), FieldError> {
    require_kind(doc, field, Kind::Scalar)?;
    let style = doc.style(field);
    doc.set_scalar(field, Scalar { tag, style, text });
    Ok(())
}

/// The style of a string that takes no other scalar's place: quoted if YAML
/// 1.1 reads it as something else. Shows once a later step drops its tag.
pub(crate) fn style_of_new(text: &str) -> Style {
    let is_string = |tag| matches!(tag, Tag::Str | Tag::Timestamp);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    let stays_string = match text {
        "" => true,
        text if text.contains('\n') => true,
        text if text.bytes().all(is_word) && !text.starts_with('-') => {
            is_string(resolve::plain(Dialect::V2, text).tag())
        }
        text => {
            let source = SourceText { text: text.to_owned() };
            let parsed = yaml::parse_v2(source.into(), &Limits::default());
            parsed.map_or(true, |doc| doc.is_scalar(doc.root()) && is_string(doc.tag(doc.root())))
        }
    };
    if stays_string { Style::Plain } else { Style::DoubleQuoted }
}

pub(crate) fn require_kind(doc: &Document, node: NodeId, expected: Kind) -> Result<(), FieldError> {
    let found = doc.kind(node);
    if found == expected {
        return Ok(());
    }
    let name = |kind| match kind {
        Kind::Scalar => "a value",
        Kind::Mapping => "a mapping",
        Kind::Sequence => "a list",
    };
    Err(FieldError::WrongKind { expected: name(expected), found: name(found) })
}
