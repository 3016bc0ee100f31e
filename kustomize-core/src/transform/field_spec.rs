//! Finds the fields that a field spec's path leads to.

use crate::config::{Child, PathTree, Specs, TreeNode, bits};
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

/// A field, and the bit of the spec whose path leads to it.
pub(crate) type Field = (Specs, NodeId);

/// A field that cannot be found or set, and the bit of the spec whose path leads to it.
pub(crate) type Failed = (Specs, FieldError);

/// The fields that paths lead to. Kept from one resource to the next, so that
/// a search allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) fields: Vec<Field>,
    /// Nulls where a path says there is a list; kustomize makes them `[]`.
    pub(crate) null_lists: Vec<NodeId>,
}

impl Found {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.null_lists.clear();
    }

    /// Collects the fields of these specs, in the order in which the resource has them.
    pub(crate) fn add(&mut self, doc: &Document, tree: &PathTree, specs: Specs) -> Result<(), Failed> {
        self.walk(doc, doc.root(), tree, tree.root(), specs)
    }

    /// Puts the fields in the order of the specs.
    pub(crate) fn sort(&mut self) {
        if !self.fields.is_sorted_by_key(|field| field.0) {
            self.fields.sort_by_key(|field| field.0);
        }
    }

    /// Turns the nulls into empty lists.
    pub(crate) fn make_lists(&self, doc: &mut Document) {
        for null in &self.null_lists {
            let list = doc.new_sequence();
            doc.replace(*null, list);
        }
    }

    fn walk(
        &mut self,
        doc: &Document,
        node: NodeId,
        tree: &PathTree,
        at: &TreeNode,
        specs: Specs,
    ) -> Result<(), Failed> {
        self.fields.extend(bits(specs & at.ends).map(|bit| (bit, node)));
        let specs = specs & !at.ends;
        if specs == 0 { Ok(()) } else { self.walk_below(doc, node, tree, at, specs) }
    }

    fn walk_below(
        &mut self,
        doc: &Document,
        node: NodeId,
        tree: &PathTree,
        at: &TreeNode,
        specs: Specs,
    ) -> Result<(), Failed> {
        match doc.kind(node) {
            Kind::Scalar => require_null(doc, node, at, specs),
            Kind::Sequence => doc.items(node).try_for_each(|item| self.walk_below(doc, item, tree, at, specs)),
            Kind::Mapping => at.children.iter().filter(|child| child.specs & specs != 0).try_for_each(|child| {
                check_key(child, specs)?;
                let Some(field) = doc.get(node, &child.step.key) else { return Ok(()) };
                if child.step.list && doc.is_null(field) {
                    self.null_lists.push(field);
                    return Ok(());
                }
                self.walk(doc, field, tree, tree.node(child), specs & child.specs)
            }),
        }
    }
}

/// Collects the fields of these specs in place of those in `fields`, making
/// the ones that are missing if a spec says so.
pub(crate) fn find_or_make(
    doc: &mut Document,
    tree: &PathTree,
    specs: Specs,
    make: Make,
    fields: &mut Vec<Field>,
) -> Result<(), Failed> {
    fields.clear();
    Maker { tree, make, fields }.walk(doc, doc.root(), tree.root(), specs)
}

struct Maker<'a> {
    tree: &'a PathTree,
    make: Make,
    fields: &'a mut Vec<Field>,
}

impl Maker<'_> {
    fn walk(&mut self, doc: &mut Document, node: NodeId, at: &TreeNode, specs: Specs) -> Result<(), Failed> {
        self.fields.extend(bits(specs & at.ends).map(|bit| (bit, node)));
        let specs = specs & !at.ends;
        if specs == 0 { Ok(()) } else { self.walk_below(doc, node, at, specs) }
    }

    fn walk_below(&mut self, doc: &mut Document, node: NodeId, at: &TreeNode, specs: Specs) -> Result<(), Failed> {
        match doc.kind(node) {
            Kind::Scalar => require_null(doc, node, at, specs),
            Kind::Sequence => {
                let mut next = doc.first_child(node);
                while let Some(item) = next {
                    self.walk_below(doc, item, at, specs)?;
                    next = doc.next_sibling(item);
                }
                Ok(())
            }
            Kind::Mapping => at.children.iter().filter(|child| child.specs & specs != 0).try_for_each(|child| {
                check_key(child, specs)?;
                let Some((field, specs)) = self.field(doc, node, child, specs & child.specs) else { return Ok(()) };
                self.walk(doc, field, self.tree.node(child), specs)
            }),
        }
    }

    /// The field of a child, made or turned from null to what its paths need,
    /// and the specs that see it.
    fn field(&self, doc: &mut Document, map: NodeId, child: &Child, specs: Specs) -> Option<(NodeId, Specs)> {
        let making = if child.step.list { 0 } else { self.tree.making(specs) };
        let make = if making & !self.tree.node(child).ends == 0 { self.make } else { Make::Mapping };
        // What the first spec makes is there for the ones after it.
        let seen = specs & (making | !first(making).wrapping_sub(1));
        match doc.get(map, &child.step.key) {
            Some(field) if !doc.is_null(field) => Some((field, specs)),
            Some(null) if child.step.list => {
                let list = doc.new_sequence();
                doc.replace(null, list);
                Some((null, specs))
            }
            Some(null) if making == 0 => Some((null, specs)),
            Some(null) => {
                turn_null(doc, null, make);
                Some((null, seen))
            }
            None if making == 0 => None,
            None => Some((make_field(doc, map, &child.step.key, make), seen)),
        }
    }
}

fn turn_null(doc: &mut Document, null: NodeId, make: Make) {
    match make {
        Make::Scalar(tag) => doc.set_tag(null, tag),
        Make::Mapping => {
            let map = doc.new_mapping();
            doc.replace(null, map);
        }
    }
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

/// Only a null may stand where paths go on.
fn require_null(doc: &Document, node: NodeId, at: &TreeNode, specs: Specs) -> Result<(), Failed> {
    if doc.is_null(node) {
        return Ok(());
    }
    let next = at.children.iter().find(|child| child.specs & first(specs) != 0);
    let key = next.map_or_else(String::new, |child| child.step.key.to_string());
    Err((first(specs), FieldError::NotACollection { key, value: doc.text(node).to_owned() }))
}

fn check_key(child: &Child, specs: Specs) -> Result<(), Failed> {
    let key = &child.step.key;
    if key.is_empty() {
        return Err((first(child.specs & specs), FieldError::EmptyKey));
    }
    if child.step.indexes {
        return Err((first(child.specs & specs), FieldError::NotAField { key: key.to_string() }));
    }
    Ok(())
}

fn first(specs: Specs) -> Specs {
    specs & specs.wrapping_neg()
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
