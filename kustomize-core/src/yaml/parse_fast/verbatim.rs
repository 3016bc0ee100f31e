//! Which parts of a document are printed as they stand in the text, see
//! [`Document::verbatim`](super::Document::verbatim).
//!
//! Whatever is not printed as it stands is noted where it is seen: comments, odd
//! spaces, another order of keys, other quotes. A collection without any of it is
//! printed as it stands. About scalars the printer itself is asked.

use std::ops::Range;

use memchr::memrchr;

use super::{NodeId, Parser, Start, Style};
use crate::yaml::print::{self, LONGEST_SIMPLE_KEY};
use crate::yaml::{emit, natural};

/// In smaller documents nothing is looked for, in bytes.
const LEAST_DOCUMENT: usize = 4096;

/// A smaller collection is printed as fast, in bytes.
const LEAST_PART: usize = 256;

/// Transformers write to the root and to what is directly below it, which would take along all that is in it.
const LEAST_DEPTH: usize = 3;

/// What has been found out about the text so far.
#[derive(Default)]
pub(super) struct AsPrinted {
    /// How many levels may be open where a part begins; `None` where nothing is looked for.
    depth: Option<usize>,
    /// Behind the start of the last thing that is not printed as it stands.
    odd: usize,
    printed: Vec<u8>,
}

impl AsPrinted {
    /// For a document in which `depth` levels may be opened.
    pub(super) fn of(document: &Range<usize>, depth: usize) -> Self {
        let depth = (document.len() >= LEAST_DOCUMENT).then_some(depth);
        Self { depth, odd: 0, printed: Vec::new() }
    }
}

impl Parser<'_> {
    /// What is at `at` is not printed as it stands.
    #[inline]
    pub(super) fn note_odd(&mut self, at: usize) {
        self.as_printed.odd = self.as_printed.odd.max(at + 1);
    }

    /// A key, to whose colon `at` has come, and the one before it.
    #[inline]
    pub(super) fn note_key(&mut self, before: Option<NodeId>, key: NodeId) {
        if self.as_printed.depth.is_some() {
            self.look_at_key(before, key);
        }
    }

    fn look_at_key(&mut self, before: Option<NodeId>, key: NodeId) {
        let (doc, at) = (&self.doc, self.doc.offset(key).unwrap_or(self.at));
        let text = doc.bytes(key);
        let is_as_printed = doc.is_word(key)
            && text.len() <= LONGEST_SIMPLE_KEY
            && self.at == at + text.len()
            && before.is_none_or(|before| natural::compare(doc.text(before), doc.text(key)).is_lt());
        if !is_as_printed {
            self.note_odd(at);
        }
    }

    /// A value that has been read, the last byte of whose colon is before `behind`, in a mapping at column `indent`.
    #[inline]
    pub(super) fn note_value(&mut self, value: NodeId, behind: usize, indent: isize) {
        if self.as_printed.depth.is_some() {
            self.look_at_value(value, behind, indent);
        }
    }

    fn look_at_value(&mut self, value: NodeId, behind: usize, indent: isize) {
        if self.as_printed.odd <= behind && !self.is_printed_as_read(value, behind, indent) {
            self.note_odd(behind);
        }
    }

    /// As [`note_value`](Self::note_value), of an item behind its dash.
    #[inline]
    pub(super) fn note_item(&mut self, item: NodeId, behind: usize, indent: isize) {
        if self.as_printed.depth.is_some() {
            self.look_at_item(item, behind, indent);
        }
    }

    fn look_at_item(&mut self, item: NodeId, behind: usize, indent: isize) {
        let is_block = !self.doc.is_scalar(item) && !self.doc.is_flow(item);
        if !is_block {
            self.look_at_value(item, behind, indent);
        } else if self.doc.offset(item) != Some(behind + 1) {
            self.note_odd(behind);
        }
    }

    /// Of a block collection this says yes: what is odd about where it begins is noted there.
    fn is_printed_as_read(&mut self, value: NodeId, behind: usize, indent: isize) -> bool {
        let doc = &self.doc;
        // With the space before it and the line feed behind it.
        let is_on_line = |length| self.at == behind + 1 + length + 1 && self.bytes[self.at - 1] == b'\n';
        if !doc.is_scalar(value) {
            return !doc.is_flow(value) || doc.is_empty(value) && is_on_line("{}".len());
        }
        if doc.is_word(value) || emit::is_number_as_printed(doc, value) {
            return is_on_line(doc.bytes(value).len());
        }
        if doc.style(value) == Style::Literal {
            return doc.offset(value) == Some(behind + 1) && print::is_lines(doc.text(value));
        }
        let Some((b'\n', text)) = self.bytes[behind..self.at].split_last() else { return false };
        let line = memrchr(b'\n', &self.bytes[..behind]).map_or(0, |line_feed| line_feed + 1);
        let Ok(indent) = usize::try_from(indent) else { return false };
        emit::is_printed_as(doc, value, (indent, behind - line), text, &mut self.as_printed.printed)
    }

    /// A block collection whose last line has been read.
    #[inline]
    pub(super) fn note_collection(&mut self, collection: NodeId, first: NodeId, start: Start) {
        let Some(depth) = self.as_printed.depth else { return };
        let is_part = self.as_printed.odd <= start.at
            && self.at - start.at >= LEAST_PART
            && depth - self.depth >= LEAST_DEPTH
            && self.bytes[self.at - 1] == b'\n';
        if is_part {
            self.doc.note_verbatim(collection, first, start.at..self.at - 1);
        }
    }
}

#[cfg(test)]
mod tests;
