//! Scalars of the fast parser.

use super::{NodeId, Parser, Start, Style, Tag, spaces};
use crate::yaml::Scalar;
use crate::yaml::print::is_word_byte;

/// A class of bytes: a plain scalar may end here, or a closer look is needed.
const STOP: u8 = 1;
/// A class of bytes: no word has such a byte.
const NO_WORD: u8 = 2;

/// The classes of bytes outside of flow collections.
const PLAIN: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if is_word_byte(byte as u8) { 0 } else { NO_WORD };
        byte += 1;
    }
    with_stops(table, b"\n:#\t")
};

/// The same in a flow collection.
const FLOW: [u8; 256] = with_stops(PLAIN, b",?[]{}");

const fn with_stops(mut table: [u8; 256], stops: &[u8]) -> [u8; 256] {
    let mut at = 0;
    while at < stops.len() {
        table[stops[at] as usize] |= STOP;
        at += 1;
    }
    table
}

/// Where plain text ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlainEnd {
    pub(super) at: usize,
    /// Whether all its bytes can be those of a word.
    pub(super) maybe_word: bool,
}

impl Parser<'_> {
    /// Gives up where the complete parser would see an indicator.
    pub(super) fn check_plain_start(&self, at: usize) -> Option<()> {
        match self.byte(at) {
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' | b'\t' | b'\n' => None,
            b'-' | b'?' | b':' if self.is_blank(at + 1) => None,
            _ => Some(()),
        }
    }

    /// Where plain text on this line stops: at a line feed, at a colon that
    /// ends a key, at the space before a comment or, in flow, at an indicator.
    pub(super) fn plain_end(&self, at: usize, in_flow: bool) -> Option<PlainEnd> {
        let table = if in_flow { &FLOW } else { &PLAIN };
        let (mut end, mut classes) = (at, 0);
        loop {
            while let Some(byte) = self.bytes.get(end) {
                let class = table[usize::from(*byte)];
                if class & STOP != 0 {
                    break;
                }
                classes |= class;
                end += 1;
            }
            match self.bytes.get(end) {
                Some(b'\t') => return None,
                Some(b':') if !self.is_blank(end + 1) => {}
                Some(b'#') if self.byte(end - 1) != b' ' => {}
                // The space before a comment.
                Some(b'#') => return Some(PlainEnd { at: end - 1, maybe_word: false }),
                _ => return Some(PlainEnd { at: end, maybe_word: classes & NO_WORD == 0 }),
            }
            classes |= NO_WORD;
            end += 1;
        }
    }

    /// A plain scalar whose first line is from `at` to `end`, with the lines that go on
    /// with it: those indented deeper than `outer`.
    pub(super) fn plain_scalar(&mut self, at: usize, end: PlainEnd, outer: isize) -> Option<NodeId> {
        let length = self.bytes[at..end.at].trim_ascii_end().len();
        self.at = end.at;
        let is_comment = self.byte(end.at) == b' ';
        self.end_line()?;
        if is_comment || !self.goes_on(outer)? {
            return Some(self.new_plain(at, length, end));
        }
        self.folded_plain(at, length, outer)
    }

    /// Whether the next line that is not empty goes on with a plain scalar.
    fn goes_on(&mut self, outer: isize) -> Option<bool> {
        let (mut line, mut column) = (self.at, spaces(&self.bytes[self.at..]));
        while self.bytes.get(line + column) == Some(&b'\n') {
            self.note_odd(line);
            line += column + 1;
            column = spaces(&self.bytes[line..]);
        }
        let (first, column) = (line + column, column as isize);
        let Some(byte) = self.bytes.get(first) else { return Some(false) };
        match byte {
            b'\t' => None,
            b'#' => Some(false),
            _ => {
                // Whoever takes the next line need not look again.
                self.seen = (self.at, Start { at: first, column });
                Some(column > outer && (column > 0 || outer >= 0))
            }
        }
    }

    fn folded_plain(&mut self, at: usize, length: usize, outer: isize) -> Option<NodeId> {
        let mut text = self.text[at..at + length].to_owned();
        let mut is_ended = false;
        while !is_ended && self.goes_on(outer)? {
            let mut breaks = 1;
            self.skip_spaces();
            while self.byte(self.at) == b'\n' {
                breaks += 1;
                self.at += 1;
                self.skip_spaces();
            }
            push_fold(&mut text, breaks);
            let (line, end) = (self.at, self.plain_end(self.at, false)?.at);
            if self.byte(end) == b':' {
                return None;
            }
            text.push_str(self.text[line..end].trim_end_matches(' '));
            is_ended = self.byte(end) == b' ';
            self.at = end;
            self.end_line()?;
        }
        Some(self.text_at(at, Style::Plain, &text))
    }

    fn text_at(&mut self, at: usize, style: Style, text: &str) -> NodeId {
        let node = self.doc.new_scalar(Scalar { tag: Tag::Implicit, style, text });
        self.doc.set_offset(node, at);
        node
    }

    /// A scalar in quotes, and whether it is on one line; leaves `at` behind it.
    pub(super) fn quoted_scalar(&mut self, outer: isize) -> Option<(NodeId, bool)> {
        let (start, quote) = (self.at, self.bytes[self.at]);
        let style = if quote == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted };
        let stops = |byte: &u8| *byte == quote || *byte == b'\n' || *byte == b'\\';
        let text = start + 1;
        let end = text + self.bytes[text..].iter().position(stops)?;
        if self.bytes[end] == quote && !(quote == b'\'' && self.byte(end + 1) == b'\'') {
            self.at = end + 1;
            let node = self.doc.new_source_scalar(style, text, end - text);
            self.doc.set_offset(node, start);
            return Some((node, end - start < super::MAX_KEY));
        }
        let (text, is_one_line) = self.quoted_text(quote, outer)?;
        let is_short = self.at - start < super::MAX_KEY;
        Some((self.text_at(start, style, &text), is_one_line && is_short))
    }

    /// Text in quotes that has escapes or line breaks.
    fn quoted_text(&mut self, quote: u8, outer: isize) -> Option<(String, bool)> {
        let (mut text, mut is_one_line) = (String::new(), true);
        self.at += 1;
        loop {
            let from = self.at;
            let stops = |byte: &u8| *byte == quote || *byte == b'\n' || *byte == b'\\' && quote == b'"';
            self.at += self.bytes[from..].iter().position(stops)?;
            text.push_str(&self.text[from..self.at]);
            match self.bytes[self.at] {
                b'\n' => {
                    is_one_line = false;
                    let kept = text.trim_end_matches([' ', '\t']).len();
                    // White space that was escaped must stay, and only the complete parser knows which was.
                    if kept < text.len() {
                        return None;
                    }
                    self.quoted_break(&mut text, outer)?;
                }
                b'\\' => self.escape(&mut text)?,
                _ if quote == b'\'' && self.byte(self.at + 1) == b'\'' => {
                    text.push('\'');
                    self.at += 2;
                }
                _ => {
                    self.at += 1;
                    return Some((text, is_one_line));
                }
            }
        }
    }

    fn quoted_break(&mut self, text: &mut String, outer: isize) -> Option<()> {
        let (mut breaks, mut line) = (0, self.at);
        while self.byte(self.at) == b'\n' && self.at < self.bytes.len() {
            breaks += 1;
            self.at += 1;
            line = self.at;
            self.skip_spaces();
        }
        // Quoted text may go on anywhere, but tabs and lines at the margin are seldom meant.
        if self.byte(self.at) == b'\t' || ((self.at - line) as isize) <= outer.max(0) {
            return None;
        }
        push_fold(text, breaks);
        Some(())
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let (character, width) = match self.byte(self.at + 1) {
            b'n' => ('\n', 2),
            b't' => ('\t', 2),
            b'r' => ('\r', 2),
            b'"' => ('"', 2),
            b'\\' => ('\\', 2),
            b'u' => {
                let digits = self.text.get(self.at + 2..self.at + 6)?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                (char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|_| is_hex)?, 6)
            }
            _ => return None,
        };
        text.push(character);
        self.at += width;
        Some(())
    }

    /// A literal or folded block in a collection at column `outer`. What it stands like,
    /// but for what is in it, is [noted](Parser::note_odd) here if a literal one is not printed so.
    pub(super) fn block_scalar(&mut self, outer: isize) -> Option<NodeId> {
        let start = self.at;
        let style = if self.bytes[start] == b'|' { Style::Literal } else { Style::Folded };
        self.at += 1;
        let chomping = match self.byte(self.at) {
            sign @ (b'-' | b'+') => {
                self.at += 1;
                sign
            }
            _ => b' ',
        };
        self.end_line()?;
        let (lines, indent) = (self.at, self.block_indent(outer)?);
        let mut text = self.doc.lend_text();
        let before = text.len();
        self.block_lines(&mut text, indent, style, chomping)?;
        let ends_line = text.ends_with('\n');
        let node = self.doc.new_appended_scalar(style, text, before);
        self.doc.set_offset(node, start);
        let is_as_printed = indent as isize == outer + 2
            && self.bytes[lines] != b'\n'
            && match chomping {
                b'-' => true,
                b' ' => ends_line,
                _ => false,
            };
        if !is_as_printed {
            self.note_odd(start);
        }
        Some(node)
    }

    /// The indentation of the first line that is not empty. Gives up where
    /// there is none, or where an empty line before it has more spaces.
    fn block_indent(&self, outer: isize) -> Option<usize> {
        let (mut line, mut deepest) = (self.at, 0);
        loop {
            let indent = spaces(&self.bytes[line..]);
            match *self.bytes.get(line + indent)? {
                b'\n' => deepest = deepest.max(indent),
                b'\t' => return None,
                _ => return (indent as isize > outer && indent > 0 && indent >= deepest).then_some(indent),
            }
            line += indent + 1;
        }
    }

    fn block_lines(&mut self, text: &mut String, indent: usize, style: Style, chomping: u8) -> Option<()> {
        let (mut empty_lines, mut has_break, mut was_indented) = (0, false, false);
        loop {
            let end = self.bytes.len().min(self.at + indent);
            let spaces = spaces(&self.bytes[self.at..end]);
            let line = self.at + spaces;
            if line == self.bytes.len() {
                self.at = line;
                break;
            }
            if self.bytes[line] == b'\n' {
                if spaces > 0 {
                    self.note_odd(line);
                }
                empty_lines += 1;
                self.at = line + 1;
                continue;
            }
            if spaces < indent {
                if self.bytes[line] == b'\t' {
                    return None;
                }
                break;
            }
            let is_indented = matches!(self.bytes[line], b' ' | b'\t');
            let folds = style == Style::Folded && has_break && !was_indented && !is_indented;
            match (folds, empty_lines) {
                (true, 0) => text.push(' '),
                (false, _) if has_break => text.push('\n'),
                _ => {}
            }
            text.extend(std::iter::repeat_n('\n', empty_lines));
            (empty_lines, was_indented) = (0, is_indented);
            let end = self.line_end(line);
            text.push_str(&self.text[line..end]);
            has_break = end < self.bytes.len();
            self.at = (end + 1).min(self.bytes.len());
        }
        if empty_lines > 0 {
            self.note_odd(self.at - 1);
        }
        if chomping != b'-' && has_break {
            text.push('\n');
        }
        if chomping == b'+' {
            text.extend(std::iter::repeat_n('\n', empty_lines));
        }
        Some(())
    }
}

/// One line break becomes a space, several one less than they are.
fn push_fold(text: &mut String, breaks: usize) {
    match breaks {
        1 => text.push(' '),
        _ => text.extend(std::iter::repeat_n('\n', breaks - 1)),
    }
}
