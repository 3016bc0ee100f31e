//! Printing a document as kustomize does: what is left of it after a round
//! trip through JSON, in the block style of go-yaml v2.

use std::cell::Cell;
use std::cmp::Ordering;

use super::error::EmitError;
use super::scalar::{self, Meaning};
use super::{Document, Kind, NodeId, natural};
use crate::yaml::document::Children;
use crate::yaml::print::{LONGEST_SIMPLE_KEY, Printer};

/// Appends `id` and what is below it.
///
/// # Errors
///
/// Where kustomize fails too: numbers that JSON does not have, keys below the
/// root that are not strings, the same key twice, tags that don't fit.
pub(crate) fn emit(doc: &Document, id: NodeId, out: &mut Vec<u8>) -> Result<(), EmitError> {
    let mut emitter = Emitter { doc, printer: Printer::new(out), open: Vec::new(), entries: Vec::new() };
    emitter.node(id, false)?;
    while let Some(frame) = emitter.open.last_mut() {
        match frame {
            Frame::Mapping { next, end, .. } if *next == *end => emitter.close(),
            Frame::Mapping { next, .. } => {
                let (key, value) = emitter.entries[*next];
                *next += 1;
                emitter.entry(key, value)?;
            }
            Frame::Sequence { items, .. } => match items.next() {
                Some(item) => emitter.item(item)?,
                None => emitter.close(),
            },
        }
    }
    emitter.printer.end_line();
    Ok(())
}

/// A collection that is being printed.
enum Frame<'a> {
    /// Its sorted entries are `entries[start..end]`.
    Mapping {
        start: usize,
        next: usize,
        end: usize,
        outer_indent: Option<usize>,
        in_flow: bool,
    },
    Sequence {
        items: Children<'a>,
        outer_indent: Option<usize>,
        in_flow: bool,
    },
}

struct Emitter<'a, 'o> {
    doc: &'a Document,
    printer: Printer<'o>,
    /// From the root inwards; on the heap, so that depth costs no stack.
    open: Vec<Frame<'a>>,
    /// The entries of all open mappings.
    entries: Vec<(NodeId, NodeId)>,
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
            Kind::Mapping => self.open_mapping(id),
            Kind::Sequence => {
                let outer_indent = self.printer.indent;
                self.printer.indent_for_collection(is_value && !self.printer.indention);
                let in_flow = self.in_flow() || self.doc.is_flow(id);
                self.open.push(Frame::Sequence { items: self.doc.items(id), outer_indent, in_flow });
                Ok(())
            }
        }
    }

    fn open_mapping(&mut self, id: NodeId) -> Result<(), EmitError> {
        let outer_indent = self.printer.indent;
        self.printer.indent_for_collection(false);
        let start = self.entries.len();
        let is_root = self.open.is_empty();
        for (key, value) in self.doc.entries(id) {
            if !self.doc.is_word(key) {
                scalar::check_key(self.doc, key, is_root)?;
            }
            self.entries.push((key, value));
        }
        self.sort(start)?;
        let end = self.entries.len();
        let in_flow = self.in_flow() || self.doc.is_flow(id);
        self.open.push(Frame::Mapping { start, next: start, end, outer_indent, in_flow });
        Ok(())
    }

    fn in_flow(&self) -> bool {
        match self.open.last() {
            Some(Frame::Mapping { in_flow, .. } | Frame::Sequence { in_flow, .. }) => *in_flow,
            None => false,
        }
    }

    fn sort(&mut self, start: usize) -> Result<(), EmitError> {
        let doc = self.doc;
        let entries = &mut self.entries[start..];
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
        match self.open.pop() {
            Some(Frame::Mapping { start, outer_indent, .. }) => {
                self.entries.truncate(start);
                self.printer.indent = outer_indent;
            }
            Some(Frame::Sequence { outer_indent, .. }) => self.printer.indent = outer_indent,
            None => {}
        }
    }

    fn entry(&mut self, key: NodeId, value: NodeId) -> Result<(), EmitError> {
        self.printer.start_line();
        let text = self.doc.text(key);
        if self.doc.is_word(key) && text.len() <= LONGEST_SIMPLE_KEY {
            self.printer.word_key(text);
        } else {
            self.printer.key(text).map_err(|character| self.character(key, character))?;
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
        if doc.is_word(id) {
            self.printer.word(doc.text(id));
            return Ok(());
        }
        match scalar::meaning(doc, id, self.in_flow())? {
            Meaning::Null => self.printer.word("null"),
            Meaning::Bool(value) => self.printer.word(if value { "true" } else { "false" }),
            Meaning::Int(_) if is_canonical(doc.text(id)) => self.printer.word(doc.text(id)),
            Meaning::Int(value) => self.printer.word(&value.to_string()),
            Meaning::Uint(value) => self.printer.word(&value.to_string()),
            Meaning::Float(value) => self.printer.word(&scalar::float_text(value)),
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
