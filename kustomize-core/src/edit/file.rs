//! A kustomization file as text that is edited in place.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::EditError;
use super::quotes::Quotes;
use super::render::{self, Format};
use super::splice::{self, Splicer};
use super::tree::{self, Content, Node};
use crate::kustomization::fix::DEPRECATED;
use crate::kustomization::{Kustomization, decode};
use crate::yaml::{self, Limits, SourceText};

const BOM: &str = "\u{feff}";

/// A kustomization file whose edits change only what they have to.
///
/// Comments, order, indentation, quotes, line ends, a byte order mark and a
/// missing last line break all stay as they are. New entries follow the style
/// of the file.
///
/// ```
/// use kustomize_core::{ImageChange, KustomizationFile};
///
/// let mut file = KustomizationFile::parse(
///     "images:   # set by CI\n- name: web\n  newTag: '1'   # do not touch\n",
/// )?;
/// file.set_image(&ImageChange::parse("web:2")?)?;
/// assert_eq!(file.text(), "images:   # set by CI\n- name: web\n  newTag: '2'   # do not touch\n");
/// # Ok::<(), kustomize_core::EditError>(())
/// ```
///
/// # Limitations
///
/// A value that an alias (`*name`) stands for is changed only where it is
/// written out; an edit that would change what the alias means is refused.
/// Removing an entry removes the comments on its lines, not those above it.
#[derive(Debug, Clone)]
pub struct KustomizationFile {
    text: String,
    /// What the text says, parsed once; `None` if that is nothing.
    root: Option<Arc<Node>>,
}

/// Two files are equal if their bytes are.
impl PartialEq for KustomizationFile {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for KustomizationFile {}

impl KustomizationFile {
    /// The names that a kustomization file may have; a directory has only one of them.
    pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

    /// Reads the bytes of a kustomization file.
    ///
    /// # Errors
    ///
    /// [`EditError`] if it is not UTF-8, not YAML, holds a key twice, or is
    /// not a mapping of kustomize's fields. An empty file is none: it becomes a kustomization with
    /// the first edit.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, EditError> {
        let text = String::from_utf8(bytes.into())
            .map_err(|error| EditError::NotUtf8 { offset: error.utf8_error().valid_up_to() })?;
        let file = Self::of_text(text)?;
        // So that no edit hides an error.
        file.kustomization()?;
        Ok(file)
    }

    fn of_text(text: String) -> Result<Self, EditError> {
        let root = tree::parse(text.strip_prefix(BOM).unwrap_or(&text))?;
        match root.as_ref().map(|root| &root.content) {
            None | Some(Content::Mapping { .. }) => Ok(Self { text, root: root.map(Arc::new) }),
            Some(Content::Sequence { .. }) => Err(EditError::NotAMapping { found: "sequence" }),
            Some(_) => Err(EditError::NotAMapping { found: "scalar" }),
        }
    }

    /// The file as a build reads it: an error unless kustomize would take every field.
    pub(super) fn kustomization(&self) -> Result<Kustomization, EditError> {
        let source = Arc::new(SourceText { text: self.text.clone() });
        let doc = yaml::parse_v2(source, &Limits::new()).map_err(|source| EditError::Yaml { source })?;
        if doc.is_null(doc.root()) {
            return Ok(Kustomization::default());
        }
        let decoded = decode::strict(&doc, doc.root());
        decoded.map_err(|source| EditError::Field { line: source.line.unwrap_or(1), source })
    }

    /// The text as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes as they are now.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// The value of a top-level field as kustomize reads it; `None` if it is not there.
    pub fn field(&self, name: &str) -> Option<Value> {
        self.entry(name).map(|(_, value)| value.value())
    }

    /// All fields.
    pub(super) fn fields(&self) -> Map<String, Value> {
        match self.root.as_deref().map(Node::value) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// A field's key and value: kustomize does not look at the case unless both spellings are there.
    fn entry(&self, name: &str) -> Option<&(Node, Node)> {
        let root = self.root.as_ref()?;
        root.entry(name).or_else(|| {
            let Content::Mapping { entries, .. } = &root.content else { return None };
            let others = entries.iter().filter(|(key, _)| key.key_text().eq_ignore_ascii_case(name));
            others.min_by_key(|(key, _)| key.key_text())
        })
    }

    /// Makes fields mean what is wanted; `None` or an empty value takes a field away.
    ///
    /// All or nothing: on an error the text is what it was.
    pub(super) fn set_fields(&mut self, wanted: Vec<(&str, Option<Value>)>) -> Result<(), EditError> {
        let mut changed = self.clone();
        for (name, value) in wanted {
            changed.set_field(name, value.filter(|value| !is_empty(value)).as_ref())?;
        }
        *self = changed;
        Ok(())
    }

    fn set_field(&mut self, name: &str, wanted: Option<&Value>) -> Result<(), EditError> {
        match self.field(name).filter(|value| !is_empty(value)).as_ref() == wanted {
            true => Ok(()),
            false => self.write_field(name, wanted),
        }
    }

    /// Takes a field away that says nothing, which other edits leave where it is.
    pub(super) fn remove_empty(&mut self, name: &str) -> Result<(), EditError> {
        match self.field(name).as_ref().is_some_and(is_empty) {
            true => self.write_field(name, None),
            false => Ok(()),
        }
    }

    fn write_field(&mut self, name: &str, wanted: Option<&Value>) -> Result<(), EditError> {
        let name = &self.entry(name).map_or_else(|| name.to_owned(), |(key, _)| key.key_text());
        let (root, mut expected) = (self.root.clone(), self.fields());
        let root = root.as_deref();
        match wanted {
            Some(value) => expected.insert(name.to_owned(), value.clone()),
            None if root.is_some_and(|root| stays_empty(root, name)) => {
                expected.insert(name.to_owned(), Value::Array(Vec::new()))
            }
            None => expected.remove(name),
        };
        let text = self.text.strip_prefix(BOM).unwrap_or(&self.text);
        let quotes = Quotes::of(root);
        let format = format(text, root, quotes.usual());
        let mut splicer = Splicer { text, format, quotes, splices: Vec::new() };
        match (root, wanted) {
            (Some(root), _) if is_flow(root) => splicer.change(root, &Value::Object(expected.clone())),
            (Some(root), Some(value)) => match root.entry(name) {
                Some((_, node)) => splicer.change(node, value),
                None => append_field(&mut splicer, Some(root), name, value),
            },
            (Some(root), None) => remove_field(&mut splicer, root, name),
            (None, Some(value)) => append_field(&mut splicer, None, name, value),
            (None, None) => {}
        }
        let edited = splice::apply(text, splicer.splices);
        self.accept(&edited, expected, name)
    }

    /// Takes the edited text over if it means what it should.
    fn accept(&mut self, edited: &str, expected: Map<String, Value>, field: &str) -> Result<(), EditError> {
        let bom = if self.text.starts_with(BOM) { BOM } else { "" };
        match Self::of_text(format!("{bom}{edited}")) {
            Ok(edited) if without_nulls(edited.fields()) == without_nulls(expected) => {
                *self = edited;
                Ok(())
            }
            _ => Err(EditError::NotInPlace { field: field.to_owned() }),
        }
    }

    /// The name of a field's key changes, its value stays as it is written.
    pub(super) fn rename_field(&mut self, from: &str, to: &str) -> Result<(), EditError> {
        let Some((key, _)) = self.root.as_ref().and_then(|root| root.entry(from)) else { return Ok(()) };
        let mut expected = self.fields();
        if let Some(value) = expected.remove(from) {
            expected.insert(to.to_owned(), value);
        }
        let text = self.text.strip_prefix(BOM).unwrap_or(&self.text);
        let edited = format!("{}{to}{}", &text[..key.span.start], &text[key.span.end..]);
        self.accept(&edited, expected, from)
    }
}

/// A field that is null is one that is not there.
fn without_nulls(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.retain(|_, value| !value.is_null());
    fields
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_flow(root: &Node) -> bool {
    matches!(root.content, Content::Mapping { flow: true, .. })
}

/// `resources: [a]` becomes `resources: []`, so that adding it again gives the
/// same bytes. A deprecated field is to be gone.
fn stays_empty(root: &Node, name: &str) -> bool {
    let is_deprecated = DEPRECATED.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    let is_flow_list = |value: &Node| matches!(value.content, Content::Sequence { flow: true, .. });
    !is_flow(root) && !is_deprecated && root.entry(name).is_some_and(|(_, value)| is_flow_list(value))
}

fn remove_field(splicer: &mut Splicer<'_>, root: &Node, name: &str) {
    let Content::Mapping { entries, .. } = &root.content else { return };
    let Some(index) = entries.iter().position(|(key, _)| key.key_text() == name) else { return };
    if stays_empty(root, name) {
        splicer.replace(entries[index].1.span.clone(), "[]".to_owned());
    } else {
        splicer.remove_entry(entries, index);
    }
}

/// A new field goes to the end of the document, behind the comments that end it.
fn append_field(splicer: &mut Splicer<'_>, root: Option<&Node>, name: &str, value: &Value) {
    let text = splicer.text;
    let indent = root.map_or(0, |root| root.span.start - splicer.line_start(root.span.start));
    let from = root.map_or(0, |root| root.span.end);
    let end = document_end(text, from);
    let entry = format!("{}{}", " ".repeat(indent), render::entry(name, value, indent, splicer.format));
    let newline = splicer.format.newline;
    if text[end..].trim_end() == "---" {
        // It announces a document that is not there, and not every reader takes that.
        splicer.replace(end..text.len(), format!("{entry}{newline}"));
        return;
    }
    let line =
        match (end == 0 || text[..end].ends_with('\n'), end < text.len() || text.is_empty() || text.ends_with('\n')) {
            (true, true) => format!("{entry}{newline}"),
            (true, false) => entry,
            // The file ends without a line break, and goes on doing so.
            (false, _) => format!("{newline}{entry}"),
        };
    splicer.replace(end..end, line);
}

/// Where `---` or `...` ends the document, or the end of the text.
fn document_end(text: &str, from: usize) -> usize {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let marker = line.trim_end();
        let is_marker = marker == "..." || marker == "---" || marker.starts_with("--- ") || marker.starts_with("... ");
        if offset >= from && is_marker && (from > 0 || marker.starts_with("...")) {
            return offset;
        }
        offset += line.len();
    }
    text.len()
}

/// The style of the file: that of the first of its kind.
fn format(text: &str, root: Option<&Node>, quote: char) -> Format {
    let first_line = text.split_inclusive('\n').next().unwrap_or_default();
    let newline = if first_line.ends_with("\r\n") { "\r\n" } else { "\n" };
    let sequence_indent = root.and_then(|root| sequence_indent(text, root)).unwrap_or(0);
    Format { newline, sequence_indent, quote }
}

fn column(text: &str, offset: usize) -> usize {
    offset - text[..offset].rfind('\n').map_or(0, |at| at + 1)
}

/// How far the first block sequence stands to the right of its key.
fn sequence_indent(text: &str, node: &Node) -> Option<usize> {
    let Content::Mapping { entries, .. } = &node.content else { return None };
    entries.iter().find_map(|(key, value)| match &value.content {
        Content::Sequence { flow: false, .. } => {
            column(text, value.span.start).checked_sub(column(text, key.span.start))
        }
        Content::Mapping { flow: false, .. } => sequence_indent(text, value),
        _ => None,
    })
}
