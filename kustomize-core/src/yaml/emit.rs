//! Printing a document as kustomize does: what is left of it after a round
//! trip through JSON, in the block style of go-yaml v2.

use std::cell::Cell;
use std::cmp::Ordering;

use super::error::EmitError;
use super::scalar::{self, Meaning};
use super::{Document, Kind, NodeId, Style, Tag, natural};
use crate::short_text::same;
use crate::yaml::print::{LONGEST_SIMPLE_KEY, Printer};

/// Appends `id` and what is below it.
///
/// # Errors
///
/// Where kustomize fails too: numbers that JSON does not have, keys below the
/// root that are not strings, the same key twice, tags that don't fit.
pub(crate) fn emit(doc: &Document, id: NodeId, out: &mut Vec<u8>) -> Result<(), EmitError> {
    emit_in(&mut Open::default(), doc, id, out)
}

/// As [`emit`], for documents one after the other.
pub(crate) fn emit_in(open: &mut Open, doc: &Document, id: NodeId, out: &mut Vec<u8>) -> Result<(), EmitError> {
    open.clear();
    let mut emitter = Emitter { doc, printer: Printer::new(out), open };
    emitter.node(id, false)?;
    while let Some(frame) = emitter.open.frames.last_mut() {
        match &mut frame.items {
            Items::Entries { next, end, .. } if *next == *end => emitter.close(),
            Items::Entries { next, .. } => {
                let (key, value) = emitter.open.entries[*next];
                *next += 1;
                emitter.entry(key, value)?;
            }
            Items::List(None) => emitter.close(),
            Items::List(Some(item)) => {
                let id = *item;
                frame.items = Items::List(doc.next_sibling(id));
                emitter.item(id)?;
            }
        }
    }
    emitter.printer.end_line();
    Ok(())
}

/// Whether a scalar behind an indicator that ends in `column`, in a collection at `indent`,
/// is printed as `text`. `scratch` is for what is printed.
pub(crate) fn is_printed_as(
    doc: &Document,
    id: NodeId,
    (indent, column): (usize, usize),
    text: &[u8],
    scratch: &mut Vec<u8>,
) -> bool {
    scratch.clear();
    let printer = Printer::behind_indicator(scratch, indent, column);
    let mut emitter = Emitter { doc, printer, open: &mut Open::default() };
    let printed = emitter.scalar(id);
    printed.is_ok() && same(&scratch[column..], text)
}

/// The collections that are being printed, from the root inwards; on the heap,
/// so that depth costs no stack, and kept, so that it is allocated once.
#[derive(Default)]
pub(crate) struct Open {
    frames: Vec<Frame>,
    /// The entries of all open mappings.
    entries: Vec<(NodeId, NodeId)>,
}

impl Open {
    fn clear(&mut self) {
        self.frames.clear();
        self.entries.clear();
    }
}

/// A collection that is being printed.
struct Frame {
    items: Items,
    outer_indent: Option<usize>,
    in_flow: bool,
}

enum Items {
    /// The sorted entries of a mapping are `entries[start..end]`.
    Entries { start: usize, next: usize, end: usize },
    /// The next item of a sequence.
    List(Option<NodeId>),
}

struct Emitter<'a, 'o> {
    doc: &'a Document,
    printer: Printer<'o>,
    open: &'o mut Open,
}

impl Emitter<'_, '_> {
    fn node(&mut self, id: NodeId, is_value: bool) -> Result<(), EmitError> {
        match self.doc.kind(id) {
            Kind::Scalar => self.scalar(id),
            Kind::Mapping if self.doc.is_empty(id) => {
                self.printer.word("{}");
                Ok(())
            }
            Kind::Sequence if self.doc.is_empty(id) => {
                self.printer.word("[]");
                Ok(())
            }
            kind => {
                let outer_indent = self.printer.indent;
                let is_sequence = kind == Kind::Sequence;
                self.printer.indent_for_collection(is_sequence && is_value && !self.printer.indention);
                if self.copy(id) {
                    self.printer.indent = outer_indent;
                } else if is_sequence {
                    self.push(id, Items::List(self.doc.first_child(id)), outer_indent);
                } else {
                    self.open_mapping(id, outer_indent)?;
                }
                Ok(())
            }
        }
    }

    /// Copies a collection that is printed as it stands in the source.
    #[inline]
    fn copy(&mut self, id: NodeId) -> bool {
        let Some((text, column)) = self.doc.verbatim(id) else { return false };
        let is_as_there = self.printer.indent == Some(column);
        if is_as_there {
            self.printer.start_line();
            self.printer.lines(text);
        }
        is_as_there
    }

    fn open_mapping(&mut self, id: NodeId, outer_indent: Option<usize>) -> Result<(), EmitError> {
        let start = self.open.entries.len();
        let is_root = self.open.frames.is_empty();
        for (key, value) in self.doc.entries(id) {
            if !self.doc.is_word(key) {
                scalar::check_key(self.doc, key, is_root)?;
            }
            self.open.entries.push((key, value));
        }
        self.sort(start)?;
        let end = self.open.entries.len();
        self.push(id, Items::Entries { start, next: start, end }, outer_indent);
        Ok(())
    }

    fn push(&mut self, id: NodeId, items: Items, outer_indent: Option<usize>) {
        let in_flow = self.in_flow() || self.doc.is_flow(id);
        self.open.frames.push(Frame { items, outer_indent, in_flow });
    }

    fn in_flow(&self) -> bool {
        self.open.frames.last().is_some_and(|frame| frame.in_flow)
    }

    fn sort(&mut self, start: usize) -> Result<(), EmitError> {
        let doc = self.doc;
        let entries = &mut self.open.entries[start..];
        let repeated = Cell::new(false);
        natural::sort_by(entries, |a, b| {
            let order = natural::compare(doc.text(a.0), doc.text(b.0));
            repeated.set(repeated.get() || order == Ordering::Equal);
            order
        });
        // Keys that are the same were compared.
        if repeated.get() { scalar::reject_repeated_keys(doc, entries) } else { Ok(()) }
    }

    fn close(&mut self) {
        let Some(frame) = self.open.frames.pop() else { return };
        self.printer.indent = frame.outer_indent;
        if let Items::Entries { start, .. } = frame.items {
            self.open.entries.truncate(start);
        }
    }

    fn entry(&mut self, key: NodeId, value: NodeId) -> Result<(), EmitError> {
        self.printer.start_line();
        let (text, len) = self.doc.bytes_on(key);
        if self.doc.is_word(key) && len <= LONGEST_SIMPLE_KEY {
            self.printer.word_of(text, len);
            self.printer.colon();
        } else {
            self.printer.key(self.doc.text(key)).map_err(|character| self.character(key, character))?;
        }
        self.node(value, true)
    }

    fn item(&mut self, item: NodeId) -> Result<(), EmitError> {
        self.printer.start_line();
        self.printer.dash();
        self.node(item, false)
    }

    fn scalar(&mut self, id: NodeId) -> Result<(), EmitError> {
        let doc = self.doc;
        if doc.is_word(id) || is_number_as_printed(doc, id) {
            let (text, len) = doc.bytes_on(id);
            self.printer.word_of(text, len);
            return Ok(());
        }
        match scalar::meaning(doc, id, self.in_flow())? {
            Meaning::Null => self.printer.word("null"),
            Meaning::Bool(value) => self.printer.word(if value { "true" } else { "false" }),
            Meaning::Int(_) if is_canonical(doc.text(id)) => self.printer.word(doc.text(id)),
            Meaning::Int(value) => self.printer.word(value.to_string()),
            Meaning::Uint(value) => self.printer.word(value.to_string()),
            Meaning::Float(value) => self.printer.word(scalar::float_text(value)),
            Meaning::Str(text) => self.printer.string(&text).map_err(|character| self.character(id, character))?,
        }
        Ok(())
    }

    fn character(&self, id: NodeId, character: char) -> EmitError {
        EmitError::Character { line: self.doc.line(id), character: u32::from(character) }
    }
}

/// Whether the text of an integer is how it is printed.
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is an integer whose text is how it is printed, as nearly all are.
pub(crate) fn is_number_as_printed(doc: &Document, id: NodeId) -> bool {
    doc.style(id) == Style::Plain
        && matches!(doc.raw_tag(id), Tag::Implicit | Tag::Int)
        && is_short_decimal(doc.bytes(id))
}

/// Of no more digits than fit into any integer type.
fn is_short_decimal(digits: &[u8]) -> bool {
    matches!(digits, [b'1'..=b'9', rest @ ..] | rest @ [b'0'] if rest.iter().all(u8::is_ascii_digit))
        && digits.len() <= 18
}
