//! Follows a field path through a document.

use std::borrow::Cow;

use super::keys::Keys;
use super::path::{FieldPath, ItemPattern, Lookup, Matcher, Part};
use super::text;
use crate::go_regex::InvalidRegex;
use crate::yaml::{Document, Kind, NodeId, ParseError, Scalar, Style, Tag, emit_v3, resolve};

/// Why a field path could not be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path expects something else than what is there.
    #[error("`{element}` is looked for in {found} instead of {expected}")]
    WrongKind {
        /// The element of the path.
        element: String,
        /// `a mapping` or `a list`.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// An element of the path makes no sense.
    #[error("`{element}`: {problem}")]
    Element {
        /// The element of the path.
        element: String,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// An index after the end of a list.
    #[error("there is no item {index} in a list of {len}")]
    Index {
        /// 0-based.
        index: usize,
        /// How many items there are.
        len: usize,
    },
    /// The value of `[field=value]` is a regular expression, but not a valid one.
    #[error("cannot look for matching items")]
    Regex {
        /// What is wrong with it.
        source: InvalidRegex,
    },
    /// The item that would be made for `[field=value]` is not found by it, so
    /// that no number of new items would do.
    #[error("the item that `{element}` would create does not match it")]
    Unmatched {
        /// The element of the path.
        element: String,
    },
    /// The path leads into a text which is not YAML.
    #[error("`{element}` is looked for in a text that is not YAML")]
    Text {
        /// The element of the path.
        element: String,
        /// What is wrong with the text.
        source: ParseError,
    },
}

impl FieldPath {
    /// The first field that the path leads to; `None` if there is none.
    pub(crate) fn lookup(&self, doc: &Document) -> Result<Option<NodeId>, PathError> {
        lookup(doc, doc.root(), self.parts())
    }
}

/// Follows `parts` as kustomize's `Lookup` does: the first exact match.
pub(super) fn lookup(doc: &Document, root: NodeId, parts: &[Part]) -> Result<Option<NodeId>, PathError> {
    let mut node = root;
    for part in parts {
        match lookup_one(doc, node, part)? {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

pub(super) fn lookup_one(doc: &Document, node: NodeId, part: &Part) -> Result<Option<NodeId>, PathError> {
    match &part.lookup {
        Lookup::Skip => Ok(Some(node)),
        Lookup::Index(index) => Ok(list(doc, node, &part.text)?.nth(*index)),
        Lookup::Last => Ok(list(doc, node, &part.text)?.last()),
        Lookup::Item { field, value } if field.is_empty() => {
            Ok(list(doc, node, &part.text)?.find(|item| doc.text(*item) == value))
        }
        Lookup::Item { field, value } => {
            let matches = |item: &NodeId| doc.get(*item, field).is_some_and(|found| doc.text(found) == value);
            Ok(list(doc, node, &part.text)?.find(matches))
        }
        Lookup::Field(field) => field_of(doc, node, field),
        Lookup::Invalid(problem) => Err(PathError::Element { element: part.text.clone(), problem }),
    }
}

/// The items of a list; a null has none, anything else is an error.
fn list<'a>(
    doc: &'a Document,
    node: NodeId,
    element: &str,
) -> Result<impl Iterator<Item = NodeId> + use<'a>, PathError> {
    if doc.is_sequence(node) || doc.is_null(node) {
        Ok(doc.items(node))
    } else {
        Err(wrong_kind(doc, node, element, "a list"))
    }
}

/// The value of a field; a null has none, anything but a mapping is an error.
fn field_of(doc: &Document, node: NodeId, field: &str) -> Result<Option<NodeId>, PathError> {
    if doc.is_mapping(node) {
        Ok(doc.get(node, field))
    } else if doc.is_null(node) {
        Ok(None)
    } else {
        Err(wrong_kind(doc, node, field, "a mapping"))
    }
}

fn wrong_kind(doc: &Document, node: NodeId, element: &str, expected: &'static str) -> PathError {
    let found = match doc.kind(node) {
        Kind::Mapping => "a mapping",
        Kind::Sequence => "a list",
        Kind::Scalar => "a single value",
    };
    PathError::WrongKind { element: element.to_owned(), expected, found }
}

/// What a target's path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Node(NodeId),
    /// A field of a YAML document inside a text behind a `*` or a pattern.
    /// Kustomize writes it in a copy that it then forgets.
    InText {
        is_scalar: bool,
    },
}

/// Follows a path as kustomize's `PathMatcher` does: all matches, and what is
/// missing is made if `create` says what kind the last one has.
pub(super) struct Finder<'a> {
    pub(super) doc: &'a mut Document,
    pub(super) create: Option<Kind>,
    pub(super) keys: &'a mut Keys,
    pub(super) found: Vec<Found>,
}

impl Finder<'_> {
    pub(super) fn follow(&mut self, node: NodeId, parts: &[Part]) -> Result<(), PathError> {
        let Some((part, rest)) = parts.split_first() else {
            self.found.push(Found::Node(node));
            return Ok(());
        };
        match &part.matcher {
            Matcher::Index(index) => self.index(node, *index, part, rest),
            Matcher::Items(pattern) => self.items(node, pattern, part, rest),
            Matcher::Every => {
                let items: Vec<NodeId> = list(self.doc, node, &part.text)?.collect();
                items.into_iter().try_for_each(|item| self.follow(item, rest))
            }
            Matcher::Field(field) => self.field(node, field, rest),
            Matcher::Invalid(problem) => Err(PathError::Element { element: part.text.clone(), problem }),
        }
    }

    fn index(&mut self, node: NodeId, index: usize, part: &Part, rest: &[Part]) -> Result<(), PathError> {
        let items: Vec<NodeId> = list(self.doc, node, &part.text)?.collect();
        let item = match items.get(index) {
            Some(item) => *item,
            None => {
                let missing = PathError::Index { index, len: items.len() };
                let kind = self.create.filter(|_| items.len() == index).ok_or(missing)?;
                let item = self.new_node(kind_before(rest, kind));
                self.append(node, item);
                item
            }
        };
        self.follow(item, rest)
    }

    fn items(&mut self, node: NodeId, pattern: &ItemPattern, part: &Part, rest: &[Part]) -> Result<(), PathError> {
        let before = self.found.len();
        let items: Vec<NodeId> = list(self.doc, node, &part.text)?.collect();
        for item in items {
            self.item(item, pattern, rest)?;
        }
        if self.found.len() > before || self.create.is_none() {
            return Ok(());
        }
        let item = self.new_item(pattern);
        self.append(node, item);
        self.item(item, pattern, rest)?;
        if self.found.len() > before { Ok(()) } else { Err(PathError::Unmatched { element: part.text.clone() }) }
    }

    /// Follows an item if it matches. Where the item is itself the value, the
    /// rest of the path is not looked at.
    fn item(&mut self, item: NodeId, pattern: &ItemPattern, rest: &[Part]) -> Result<(), PathError> {
        let regex = pattern.regex().map_err(|source| PathError::Regex { source })?;
        let value = if pattern.field.is_empty() { Some(item) } else { self.doc.get(item, &pattern.field) };
        let Some(value) = value else { return Ok(()) };
        if !regex.is_match(printed(self.doc, value).trim()) {
            return Ok(());
        }
        if pattern.field.is_empty() {
            self.found.push(Found::Node(item));
            return Ok(());
        }
        self.follow(item, rest)
    }

    fn field(&mut self, node: NodeId, field: &str, rest: &[Part]) -> Result<(), PathError> {
        let found = if field.is_empty() { self.empty_field(node)? } else { self.field_of(node, field)? };
        let value = match (found, self.create) {
            (Some(value), _) => value,
            (None, None) => return Ok(()),
            (None, Some(kind)) => self.make_field(node, field, kind_before(rest, kind)),
        };
        match rest.first() {
            Some(part) if self.doc.is_scalar(value) => self.in_text(value, &part.text, rest),
            _ => self.follow(value, rest),
        }
    }

    fn field_of(&mut self, node: NodeId, field: &str) -> Result<Option<NodeId>, PathError> {
        if self.doc.is_mapping(node) {
            Ok(self.keys.get(self.doc, node, field))
        } else {
            field_of(self.doc, node, field)
        }
    }

    fn make_field(&mut self, node: NodeId, field: &str, kind: Kind) -> NodeId {
        let value = self.new_node(kind);
        if self.doc.is_mapping(node) {
            let key = self.doc.new_scalar(Scalar::plain(field));
            self.doc.push_entry(node, key, value);
        } else if field.is_empty() && !self.doc.is_null(node) {
            // To set the field without a name is to set the value itself.
            let style = self.doc.style(node);
            let empty = self.new_node(kind);
            self.doc.set_style(empty, style);
            self.doc.replace(node, empty);
        }
        value
    }

    /// An element without a name stands for a value that is an empty text.
    fn empty_field(&self, node: NodeId) -> Result<Option<NodeId>, PathError> {
        if !self.doc.is_scalar(node) {
            return Err(PathError::Element { element: String::new(), problem: "an empty element" });
        }
        Ok(Some(node).filter(|_| self.doc.text(node).is_empty() && !self.doc.is_null(node)))
    }

    fn in_text(&mut self, scalar: NodeId, element: &str, rest: &[Part]) -> Result<(), PathError> {
        let mut inner = text::parse(self.doc.text(scalar), element)?;
        let root = inner.root();
        let mut keys = Keys::default();
        let mut finder = Finder { doc: &mut inner, create: self.create, keys: &mut keys, found: Vec::new() };
        finder.follow(root, rest)?;
        let found = finder.found;
        self.found.extend(found.into_iter().map(|found| match found {
            Found::Node(node) => Found::InText { is_scalar: inner.is_scalar(node) },
            deeper @ Found::InText { .. } => deeper,
        }));
        Ok(())
    }

    fn new_node(&mut self, kind: Kind) -> NodeId {
        match kind {
            Kind::Mapping => self.doc.new_mapping(),
            Kind::Sequence => self.doc.new_sequence(),
            Kind::Scalar => self.doc.new_scalar(Scalar::plain("")),
        }
    }

    fn new_item(&mut self, pattern: &ItemPattern) -> NodeId {
        let value = self.doc.new_scalar(Scalar::plain(&pattern.pattern));
        if pattern.field.is_empty() {
            return value;
        }
        let item = self.doc.new_mapping();
        let key = self.doc.new_scalar(Scalar::plain(&pattern.field));
        self.doc.push_entry(item, key, value);
        item
    }

    /// What is made below a null stays outside of the document, as in kustomize.
    fn append(&mut self, node: NodeId, item: NodeId) {
        if self.doc.is_sequence(node) {
            self.doc.push(node, item);
        }
    }
}

/// The kind that a new node needs for the element that follows it.
fn kind_before(rest: &[Part], last: Kind) -> Kind {
    match rest.first().map(|part| &part.matcher) {
        None => last,
        Some(Matcher::Field(field)) if field.is_empty() => last,
        Some(Matcher::Index(_) | Matcher::Items(_) | Matcher::Invalid(_)) => Kind::Sequence,
        Some(Matcher::Field(_) | Matcher::Every) => Kind::Mapping,
    }
}

/// A value as yaml.v3 prints it, which is what patterns are matched with: a
/// quoted text has its quotes.
fn printed(doc: &Document, node: NodeId) -> Cow<'_, str> {
    if doc.is_scalar(node) && doc.style(node) == Style::Plain {
        let text = doc.text(node);
        let keeps_type = match doc.raw_tag(node) {
            Tag::Implicit => true,
            Tag::Str => resolve::tag(text) == Tag::Str,
            _ => false,
        };
        if keeps_type && is_simple(text) {
            return text.into();
        }
    }
    emit_v3(doc, node).into()
}

/// Whether a plain scalar of this text is certainly printed as it is.
fn is_simple(text: &str) -> bool {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(simple)
}
