//! The fast parser, for YAML as manifests are written: block mappings and
//! sequences, simple flow collections, all five kinds of scalars.
//!
//! It knows no errors. Whatever it is not sure about (anchors, tags, tabs,
//! odd indentation, duplicate keys …) makes it give up, and the complete
//! parser has a look, so that there is one place that decides what is valid.
//! Tests hold the two equal, node for node.

mod flow;
mod scalars;
mod verbatim;

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;
use scalars::PlainEnd;
use verbatim::AsPrinted;

use super::document::Room;
use super::print::is_word;
use super::{Document, Limits, NodeId, SourceText, Style, Tag, merge};

/// Deeper nesting is left to the complete parser, so that recursion is bounded.
const MAX_DEPTH: usize = 64;

/// Longer keys are left to the complete parser, which knows how long they may be.
const MAX_KEY: usize = 1000;

/// The document in `source[range]`; `None` if the complete parser must read it.
pub(crate) fn parse(
    source: &Arc<SourceText>,
    range: Range<usize>,
    limits: &Limits,
    room: &mut Room,
) -> Option<Document> {
    let as_printed = AsPrinted::of(&range, depth(limits));
    parse_with(as_printed, source, range, limits, room)
}

/// The same for a document that is not going to be printed.
pub(crate) fn parse_only(source: &Arc<SourceText>, limits: &Limits) -> Option<Document> {
    let range = 0..source.text.len();
    parse_with(AsPrinted::default(), source, range, limits, &mut Room::default())
}

/// How many levels may be opened.
fn depth(limits: &Limits) -> usize {
    limits.depth.min(MAX_DEPTH)
}

fn parse_with(
    as_printed: AsPrinted,
    source: &Arc<SourceText>,
    range: Range<usize>,
    limits: &Limits,
    room: &mut Room,
) -> Option<Document> {
    if !is_simple_text(&source.text.as_bytes()[range.clone()]) {
        return None;
    }
    let mut doc = Document::in_room(Arc::clone(source), room);
    // Manifests have a node for every seven to ten bytes, large ones fewer: they are deep, or have much text.
    doc.reserve(range.len() / if range.len() < LARGE { 8 } else { 20 });
    let text = &source.text[..range.end];
    let depth = depth(limits);
    let (at, bytes) = (range.start, text.as_bytes());
    let seen = (usize::MAX, Start { at, column: 0 });
    let mut parser = Parser { text, bytes, at, doc, depth, seen, as_printed };
    let first = parser.skip_start()?;
    let root = parser.node(first, -1)?;
    if parser.next_line().is_some() || parser.at < range.end || parser.doc.node_count() > limits.nodes {
        return None;
    }
    parser.doc.set_root(root);
    parser.doc.leave_room(room);
    Some(parser.doc)
}

/// From how many bytes on a document is large.
const LARGE: usize = 1 << 16;

/// How many bytes are looked at together.
const BLOCK: usize = 128;

/// No control characters but tabs, and no characters that YAML treats as line
/// breaks or refuses. Some harmless neighbours of these are let go with them.
pub(crate) fn is_simple_text(bytes: &[u8]) -> bool {
    // Few blocks have a suspicious byte; a look at all of a block compiles to vector instructions.
    bytes.chunks(BLOCK).enumerate().all(|(number, block)| {
        let at = number * BLOCK;
        !block.iter().fold(false, |found, byte| found | is_suspicious(*byte))
            || (at..at + block.len()).all(|at| !is_suspicious(bytes[at]) || is_harmless(&bytes[at..]))
    })
}

/// As a signed number, what is not ASCII is less than any control character.
fn is_suspicious(byte: u8) -> bool {
    ((byte as i8) < 0x20) & (byte != b'\n') & (byte != b'\t') | (byte == 0x7F)
}

/// Whether a character that begins with a suspicious byte is nothing special.
fn is_harmless(rest: &[u8]) -> bool {
    match *rest {
        [0xC2, next, ..] => next >= 0xA0,
        [0xE2, 0x80, next, ..] => !matches!(next, 0xA8 | 0xA9),
        [0xE2, ..] => true,
        [0xEF, next, ..] => !matches!(next, 0xBB | 0xBF),
        [byte, ..] => !byte.is_ascii(),
        [] => true,
    }
}

/// How many spaces a text begins with.
fn spaces(text: &[u8]) -> usize {
    const BLOCK: [u8; 8] = [b' '; 8];
    let blocks = text.as_chunks().0.iter().take_while(|block| **block == BLOCK).count() * BLOCK.len();
    blocks + text[blocks..].iter().take_while(|byte| **byte == b' ').count()
}

/// Merge keys and nulls.
fn is_odd_key(key: &[u8]) -> bool {
    matches!(key, b"<<" | b"~" | b"null" | b"Null" | b"NULL")
}

/// The first character of a line, or of what follows an indicator on it.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: usize,
    column: isize,
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    doc: Document,
    /// Levels that may still be opened.
    depth: usize,
    /// Where the last look at a line was from, and the line.
    seen: (usize, Start),
    as_printed: AsPrinted,
}

impl Parser<'_> {
    /// The byte at `at`; a line feed at the end of the text.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\n' | b'\t')
    }

    fn skip_spaces(&mut self) {
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    /// Where the line ends that `at` is on: at its line feed or the end of the text.
    fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |length| at + length)
    }

    /// Comments and at most one `---` line of its own before the document.
    fn skip_start(&mut self) -> Option<Start> {
        let first = self.peek_line()?;
        if first.column != 0 || !self.bytes[first.at..].starts_with(b"---") {
            return self.next_line();
        }
        self.at = first.at + 3;
        self.end_line()?;
        self.next_line()
    }

    /// The next line that is not empty and no comment; `None` at the end and
    /// where a document indicator or directive may stand.
    fn next_line(&mut self) -> Option<Start> {
        let start = self.peek_line()?;
        let is_indicator = start.column == 0
            && (self.byte(start.at) == b'%'
                || self.bytes[start.at..].starts_with(b"---")
                || self.bytes[start.at..].starts_with(b"..."));
        (!is_indicator).then_some(start)
    }

    /// The same with document indicators. Empty lines and comments are skipped.
    fn peek_line(&mut self) -> Option<Start> {
        if self.seen.0 == self.at {
            return Some(self.seen.1);
        }
        loop {
            let indent = spaces(&self.bytes[self.at..]);
            match self.bytes.get(self.at + indent) {
                Some(b'\n' | b'#') => {
                    self.note_odd(self.at);
                    self.at = (self.line_end(self.at + indent) + 1).min(self.bytes.len());
                }
                Some(b'\t') => return None,
                Some(_) => return Some(Start { at: self.at + indent, column: indent as isize }),
                None => {
                    self.at = self.bytes.len();
                    return None;
                }
            }
        }
    }

    /// Only spaces and a comment may follow on this line; goes to the next one.
    fn end_line(&mut self) -> Option<()> {
        let before = self.at;
        self.skip_spaces();
        if self.at > before {
            self.note_odd(before);
        }
        match self.byte(self.at) {
            b'\n' => {}
            b'#' if self.at > before => self.at = self.line_end(self.at),
            _ => return None,
        }
        self.at = (self.at + 1).min(self.bytes.len());
        Some(())
    }

    /// A node that begins at `start` in a collection at column `outer`. Leaves
    /// `at` at the start of a line.
    fn node(&mut self, start: Start, outer: isize) -> Option<NodeId> {
        self.at = start.at;
        match self.byte(start.at) {
            b'-' if self.is_blank(start.at + 1) => self.sequence(start),
            b'|' | b'>' => self.block_scalar(outer),
            b'[' | b'{' => self.flow_line(),
            b'"' | b'\'' => {
                let (scalar, is_one_line) = self.quoted_scalar(outer)?;
                self.key_or_value(start, scalar, is_one_line)
            }
            _ => {
                self.check_plain_start(start.at)?;
                let end = self.plain_end(start.at, false)?;
                if self.byte(end.at) != b':' {
                    return self.plain_scalar(start.at, end, outer);
                }
                let key = self.plain_key(start.at, end)?;
                self.mapping(start, key)
            }
        }
    }

    fn key_or_value(&mut self, start: Start, scalar: NodeId, is_one_line: bool) -> Option<NodeId> {
        if self.byte(self.at) == b':' {
            return if is_one_line && self.is_blank(self.at + 1) { self.mapping(start, scalar) } else { None };
        }
        self.end_line()?;
        Some(scalar)
    }

    /// A block mapping whose first key has been read; `at` is at its colon.
    fn mapping(&mut self, start: Start, first_key: NodeId) -> Option<NodeId> {
        self.depth = self.depth.checked_sub(1)?;
        let mapping = self.doc.new_mapping();
        self.doc.set_offset(mapping, start.at);
        self.note_key(None, first_key);
        let mut key = first_key;
        let mut last = None;
        loop {
            let value = self.value(start.column)?;
            last = Some(self.doc.append(mapping, last, key));
            last = Some(self.doc.append(mapping, last, value));
            match self.next_line() {
                Some(line) if line.column == start.column => {
                    let next = self.key(line)?;
                    self.note_key(Some(key), next);
                    key = next;
                }
                Some(line) if line.column > start.column => return None,
                _ => break,
            }
        }
        self.note_collection(mapping, first_key, start);
        self.depth += 1;
        if merge::has_duplicates(&self.doc, mapping) { None } else { Some(mapping) }
    }

    /// A key on a line of its mapping; leaves `at` at the colon.
    fn key(&mut self, line: Start) -> Option<NodeId> {
        self.at = line.at;
        if matches!(self.byte(line.at), b'"' | b'\'') {
            let (key, is_one_line) = self.quoted_scalar(line.column)?;
            return (is_one_line && self.byte(self.at) == b':' && self.is_blank(self.at + 1)).then_some(key);
        }
        self.check_plain_start(line.at)?;
        let end = self.plain_end(line.at, false)?;
        if self.byte(end.at) != b':' || self.byte(line.at) == b'-' && self.is_blank(line.at + 1) {
            return None;
        }
        self.plain_key(line.at, end)
    }

    /// A key whose colon is at `end`.
    fn plain_key(&mut self, at: usize, end: PlainEnd) -> Option<NodeId> {
        let length = self.bytes[at..end.at].trim_ascii_end().len();
        if length > MAX_KEY || is_odd_key(&self.bytes[at..at + length]) {
            return None;
        }
        self.at = end.at;
        Some(self.new_plain(at, length, end))
    }

    fn new_plain(&mut self, at: usize, length: usize, end: PlainEnd) -> NodeId {
        let is_word = end.maybe_word && is_word(&self.text[at..at + length]);
        self.doc.new_plain_scalar(at, length, is_word)
    }

    /// What follows the colon that `at` is at, in a mapping at `column`.
    fn value(&mut self, column: isize) -> Option<NodeId> {
        let behind_colon = self.at + 1;
        let value = self.read_value(column)?;
        self.note_value(value, behind_colon, column);
        Some(value)
    }

    fn read_value(&mut self, column: isize) -> Option<NodeId> {
        self.at += 1;
        let behind_colon = self.at;
        self.skip_spaces();
        match self.byte(self.at) {
            b'\n' => {}
            b'#' if self.at > behind_colon => {}
            b'|' | b'>' => return self.block_scalar(column),
            b'[' | b'{' => return self.flow_line(),
            b'"' | b'\'' => {
                let (scalar, _) = self.quoted_scalar(column)?;
                self.end_line()?;
                return Some(scalar);
            }
            _ => {
                let at = self.at;
                self.check_plain_start(at)?;
                let end = self.plain_end(at, false)?;
                if self.byte(end.at) == b':' {
                    return None;
                }
                return self.plain_scalar(at, end, column);
            }
        }
        self.at = behind_colon;
        self.end_line()?;
        self.value_below(behind_colon, column)
    }

    /// A value on the lines below its key.
    fn value_below(&mut self, behind_colon: usize, column: isize) -> Option<NodeId> {
        let resume = self.at;
        match self.peek_line() {
            Some(line) if line.column > column => {
                let value = self.node(line, column)?;
                if line.column != column + 2 || !self.doc.is_mapping(value) {
                    self.note_odd(line.at);
                }
                Some(value)
            }
            Some(line) if line.column == column && self.byte(line.at) == b'-' && self.is_blank(line.at + 1) => {
                self.sequence(line)
            }
            _ => {
                self.at = resume;
                Some(self.doc.new_source_scalar(Style::Plain, behind_colon, 0))
            }
        }
    }

    /// A block sequence whose first `-` is at `start`.
    fn sequence(&mut self, start: Start) -> Option<NodeId> {
        self.depth = self.depth.checked_sub(1)?;
        let sequence = self.doc.new_sequence();
        self.doc.set_offset(sequence, start.at);
        let mut line = start;
        let mut last = None;
        loop {
            let item = self.item(line)?;
            last = Some(self.doc.append(sequence, last, item));
            match self.next_line() {
                Some(next) if next.column > start.column => return None,
                Some(next)
                    if next.column == start.column && self.byte(next.at) == b'-' && self.is_blank(next.at + 1) =>
                {
                    line = next;
                }
                _ => break,
            }
        }
        self.note_collection(sequence, sequence, start);
        self.depth += 1;
        Some(sequence)
    }

    /// What follows the `-` at `dash`.
    fn item(&mut self, dash: Start) -> Option<NodeId> {
        let item = self.read_item(dash)?;
        self.note_item(item, dash.at + 1, dash.column);
        Some(item)
    }

    fn read_item(&mut self, dash: Start) -> Option<NodeId> {
        self.at = dash.at + 1;
        let behind_dash = self.at;
        self.skip_spaces();
        match self.byte(self.at) {
            b'\t' => None,
            b'\n' | b'#' => {
                self.at = behind_dash;
                self.end_line()?;
                let resume = self.at;
                match self.peek_line() {
                    Some(line) if line.column > dash.column => self.node(line, dash.column),
                    _ => {
                        self.at = resume;
                        Some(self.doc.new_source_scalar(Style::Plain, behind_dash, 0))
                    }
                }
            }
            _ => {
                let column = dash.column + (self.at - dash.at) as isize;
                self.node(Start { at: self.at, column }, dash.column)
            }
        }
    }
}

#[cfg(test)]
mod tests;
