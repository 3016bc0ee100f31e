//! How go-yaml prints strings: plain where that reads back the same, quoted,
//! or as a block; version 2 folds what is wider than 80 columns.

mod analysis;
mod simple;
mod through_json;
mod write;

use analysis::Analysis;
pub(crate) use analysis::{Place, is_block_allowed, quotes_v3};
use memchr::memrchr;
use simple::Simple;
pub(crate) use simple::{is_lines, is_word, is_word_byte};
pub(crate) use through_json::through_json;

use super::Style;
use crate::short_text::{append, append_spaces};

/// Where go-yaml v2 begins to fold.
const BEST_WIDTH: usize = 80;

/// Longer keys get a `?`.
pub(crate) const LONGEST_SIMPLE_KEY: usize = 128;

/// The state of go-yaml's emitter that decides about spaces and line breaks.
pub(crate) struct Printer<'o> {
    out: &'o mut Vec<u8>,
    /// Text is folded at the first space after this column.
    best_width: usize,
    line_start: usize,
    /// Where the lines of the open collection begin; `None` outside of the root.
    pub(crate) indent: Option<usize>,
    /// The last thing written was white space.
    whitespace: bool,
    /// So far the line has only indentation and indicators that count as such.
    pub(crate) indention: bool,
    /// A comment for the first line of the next block scalar.
    pub(crate) header_comment: String,
}

impl<'o> Printer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        let line_start = out.len();
        let header_comment = String::new();
        Self {
            out,
            best_width: BEST_WIDTH,
            line_start,
            indent: None,
            whitespace: true,
            indention: true,
            header_comment,
        }
    }

    /// In a collection at `indent`, behind the indicator (`-` or a key's colon) that ends in `column`.
    pub(crate) fn behind_indicator(out: &'o mut Vec<u8>, indent: usize, column: usize) -> Self {
        append_spaces(out, column);
        let indent = Some(indent);
        Self { indent, line_start: 0, whitespace: false, indention: false, ..Self::new(out) }
    }

    /// Never folds, which is how kyaml sets up yaml.v3.
    pub(crate) fn unfolded(out: &'o mut Vec<u8>) -> Self {
        Self { best_width: usize::MAX, ..Self::new(out) }
    }

    pub(crate) fn indent_for_collection(&mut self, indentless: bool) {
        self.indent = match self.indent {
            None => Some(0),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + 2),
        };
    }

    /// Goes to where the next line of the open collection begins.
    pub(crate) fn start_line(&mut self) {
        self.write_indent(self.indent.unwrap_or(0));
    }

    /// The same, with an empty line before.
    pub(crate) fn start_line_apart(&mut self) {
        let indent = self.indent.unwrap_or(0);
        let column = self.out.len() - self.line_start;
        if !self.indention || column > indent || (column == indent && !self.whitespace) {
            self.line_break();
        }
        self.line_break();
        (self.whitespace, self.indention) = (true, true);
        self.start_line();
    }

    pub(crate) fn is_at_line_start(&self) -> bool {
        self.out.len() == self.line_start
    }

    /// A comment, one or several lines of it, and the end of its last line.
    pub(crate) fn comment(&mut self, text: &str) {
        for (number, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
            if number > 0 {
                self.line_break();
            }
            if number > 0 && !line.is_empty() {
                self.out.resize(self.out.len() + self.indent.unwrap_or(0), b' ');
            }
            self.out.extend_from_slice(line.as_bytes());
        }
        self.line_break();
        (self.whitespace, self.indention) = (true, true);
    }

    /// A comment behind what is on the line.
    pub(crate) fn line_comment(&mut self, text: &str) {
        self.space();
        self.comment(text);
    }

    pub(crate) fn end_line(&mut self) {
        self.write_indent(0);
    }

    fn write_indent(&mut self, indent: usize) {
        let column = self.out.len() - self.line_start;
        if !self.indention || column > indent || (column == indent && !self.whitespace) {
            self.line_break();
        }
        let column = self.out.len() - self.line_start;
        append_spaces(self.out, indent.saturating_sub(column));
        self.whitespace = true;
        self.indention = true;
    }

    fn line_break(&mut self) {
        self.out.push(b'\n');
        self.line_start = self.out.len();
    }

    /// Columns are characters, so they are counted only where they matter.
    fn column(&self) -> usize {
        self.out[self.line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count()
    }

    fn is_wide(&self) -> bool {
        self.best_width != usize::MAX && self.column() > self.best_width
    }

    fn space(&mut self) {
        if !self.whitespace {
            self.out.push(b' ');
        }
    }

    /// An item's `-`.
    pub(crate) fn dash(&mut self) {
        self.space();
        self.out.push(b'-');
        self.whitespace = false;
    }

    /// The `?` before a key that is long or has line breaks.
    pub(crate) fn question_mark(&mut self) {
        self.space();
        self.out.push(b'?');
        self.whitespace = false;
    }

    pub(crate) fn colon(&mut self) {
        self.out.push(b':');
        self.whitespace = false;
        self.indention = false;
    }

    /// The colon on a line of its own; what follows may begin on that line too.
    pub(crate) fn colon_after_long_key(&mut self) {
        self.out.push(b':');
        self.whitespace = false;
    }

    pub(crate) fn comma(&mut self) {
        self.out.push(b',');
        self.whitespace = false;
        self.indention = false;
    }

    pub(crate) fn open_flow(&mut self, bracket: char) {
        self.space();
        self.push(bracket);
        self.whitespace = true;
        self.indention = false;
    }

    pub(crate) fn close_flow(&mut self, bracket: char) {
        self.push(bracket);
        self.whitespace = false;
        self.indention = false;
    }

    /// Text that is written as it is.
    pub(crate) fn word(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.word_of(text, text.len());
    }

    /// The same for the first `len` bytes of a text, to which it doesn't matter what is behind them.
    pub(crate) fn word_of(&mut self, text: &[u8], len: usize) {
        self.space();
        append(self.out, text, len);
        self.whitespace = false;
        self.indention = false;
    }

    /// Lines that are written as they are, the first of them where the line is now.
    pub(crate) fn lines(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        if let Some(line_feed) = memrchr(b'\n', text.as_bytes()) {
            self.line_start = self.out.len() - (text.len() - line_feed - 1);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// A key that is a word, with its colon.
    pub(crate) fn word_key(&mut self, text: impl AsRef<[u8]>) {
        self.word(text);
        self.colon();
    }

    /// A key with its colon; one that is long or has line breaks gets a `?`.
    /// `Err` is a character that kustomize cannot print.
    pub(crate) fn key(&mut self, text: &str) -> Result<(), char> {
        if text.len() <= LONGEST_SIMPLE_KEY && Simple::of(text).is_plain() {
            self.word_key(text);
            return Ok(());
        }
        self.any_key(&through_json(text)?);
        Ok(())
    }

    fn any_key(&mut self, text: &str) {
        let analysis = Analysis::of(text);
        if !analysis.line_breaks && text.len() <= LONGEST_SIMPLE_KEY {
            self.scalar(text, analysis.style_v2(text, Place::SimpleKey), Place::SimpleKey);
            return self.colon();
        }
        self.question_mark();
        self.scalar(text, analysis.style_v2(text, Place::Value), Place::Value);
        self.start_line();
        self.colon_after_long_key();
    }

    /// A string as a value, in the style that go-yaml v2 chooses. `Err` is a
    /// character that kustomize cannot print.
    pub(crate) fn string(&mut self, text: &str) -> Result<(), char> {
        match Simple::of(text) {
            Simple::Word => self.word(text),
            Simple::Words => self.plain(text, true),
            Simple::Lines => self.literal(text),
            Simple::No => {
                let text = through_json(text)?;
                self.scalar(&text, Analysis::of(&text).style_v2(&text, Place::Value), Place::Value);
            }
        }
        Ok(())
    }

    /// Text in the given style, or in the one that yaml.v3 takes where that can't hold it.
    pub(crate) fn styled(&mut self, text: &str, style: Style, place: Place, in_flow: bool) {
        let style = Analysis::of(text).style_v3(text, style, place, in_flow);
        self.scalar(text, style, place);
    }

    fn scalar(&mut self, text: &str, style: Style, place: Place) {
        let allow_breaks = place == Place::Value;
        match style {
            Style::Plain => self.plain(text, allow_breaks),
            Style::SingleQuoted => self.single_quoted(text, allow_breaks),
            Style::DoubleQuoted => self.double_quoted(text, allow_breaks),
            Style::Literal => self.literal(text),
            Style::Folded => self.folded(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut out = b"key:".to_vec();
        let mut printer = Printer::new(&mut out);
        (printer.indent, printer.whitespace, printer.line_start) = (Some(0), false, 0);
        printer.string(text).expect("printable");
        String::from_utf8(out).expect("UTF-8")[4..].to_owned()
    }

    #[test]
    fn styles() {
        for (text, printed) in [
            ("a", " a"),
            ("", " \"\""),
            ("yes", " \"yes\""),
            ("a: b", " 'a: b'"),
            ("it's", " it's"),
            ("'", " ''''"),
            ("a\tb", " \"a\\tb\""),
            ("- a", " '- a'"),
            ("-a", " -a"),
            ("a #b", " 'a #b'"),
            ("a#b", " a#b"),
            (" a", " ' a'"),
            ("---", " '---'"),
            ("a\nb", " |-\n  a\n  b"),
            ("a\n", " |\n  a\n"),
            ("a\n\n", " |+\n  a\n\n"),
            ("\n a", " |2-\n\n   a"),
            ("a \nb", " \"a \\nb\""),
            ("\u{1F600}", " \"\\U0001F600\""),
        ] {
            assert_eq!(value(text), printed, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_folded_at_the_first_space_after_column_80() {
        let text = "word ".repeat(20) + "end";
        let printed = value(&text);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].len() + 4, lines[1]), (84, "  word word word word end"));
    }
}
