//! The five ways to write a scalar.

use super::cursor::Cursor;
use super::token::Text;
use super::{Problem, Result};
use crate::yaml::Style;

/// Text that is put together from pieces of the source, and stays a span of
/// the source as long as it is a single piece.
struct Builder<'a> {
    source: &'a str,
    text: Option<String>,
    start: usize,
    end: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a str, start: usize) -> Self {
        Self { source, text: None, start, end: start }
    }

    /// The text goes on with the source up to `end`.
    fn extend_to(&mut self, end: usize) {
        self.end = end;
    }

    /// The text goes on with something that is not in the source, then at `next`.
    fn insert(&mut self, inserted: &str, next: usize) {
        let text = self.text.get_or_insert_default();
        text.push_str(&self.source[self.start..self.end]);
        text.push_str(inserted);
        (self.start, self.end) = (next, next);
    }

    fn finish(self) -> Text {
        match self.text {
            None => Text::Span(self.start..self.end),
            Some(text) => Text::Owned(text + &self.source[self.start..self.end]),
        }
    }
}

/// Line breaks between two lines of a scalar, to be folded.
#[derive(Default)]
struct Breaks {
    first: Option<char>,
    more: String,
}

impl Breaks {
    fn push(&mut self, meaning: char) {
        match self.first {
            None => self.first = Some(meaning),
            Some(_) => self.more.push(meaning),
        }
    }

    /// A single line feed is a space; of several the first is dropped.
    fn fold(self) -> String {
        match self.first {
            Some('\n') if self.more.is_empty() => " ".to_owned(),
            Some('\n') | None => self.more,
            Some(separator) => format!("{separator}{}", self.more),
        }
    }
}

pub(super) struct Plain {
    pub(super) text: Text,
    pub(super) end: usize,
    /// Line breaks follow it.
    pub(super) ended_line: bool,
}

/// A plain scalar; its further lines begin at least at `indent`.
pub(super) fn plain(cursor: &mut Cursor<'_>, indent: isize, in_flow: bool) -> Result<Plain> {
    let start = cursor.at;
    let mut builder = Builder::new(cursor.text, start);
    let mut breaks = Breaks::default();
    loop {
        if cursor.is_document_indicator() || cursor.byte(0) == b'#' {
            break;
        }
        let word = cursor.at;
        skip_plain_word(cursor, in_flow);
        if cursor.at > word {
            if breaks.first.is_some() {
                builder.insert(&std::mem::take(&mut breaks).fold(), word);
            }
            builder.extend_to(cursor.at);
        }
        if !cursor.is_blank(0) && !cursor.is_break(0) {
            break;
        }
        while cursor.is_blank(0) || cursor.is_break(0) {
            if cursor.is_break(0) {
                breaks.push(cursor.skip_break());
                continue;
            }
            if breaks.first.is_some() && (cursor.column as isize) < indent && cursor.byte(0) == b'\t' {
                return Err(Problem { offset: start, problem: "found a tab character that violates indentation" });
            }
            cursor.skip();
        }
        if !in_flow && (cursor.column as isize) < indent {
            break;
        }
    }
    let end = builder.end;
    Ok(Plain { text: builder.finish(), end, ended_line: breaks.first.is_some() })
}

fn skip_plain_word(cursor: &mut Cursor<'_>, in_flow: bool) {
    while !cursor.is_blank_or_end(0) {
        match cursor.byte(0) {
            b':' if cursor.is_blank_or_end(1) => return,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' if in_flow => return,
            _ => cursor.skip(),
        }
    }
}

/// A scalar in single or double quotes.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Result<(Text, Style)> {
    let (start, quote) = (cursor.at, cursor.byte(0));
    cursor.skip();
    let mut builder = Builder::new(cursor.text, cursor.at);
    loop {
        if cursor.is_document_indicator() {
            return Err(Problem { offset: start, problem: "found unexpected document indicator" });
        }
        if cursor.is_end(0) {
            return Err(Problem { offset: start, problem: "found unexpected end of stream" });
        }
        let escaped_break = quoted_word(cursor, quote, &mut builder)?;
        if cursor.byte(0) == quote {
            break;
        }
        quoted_white_space(cursor, escaped_break, &mut builder);
    }
    cursor.skip();
    let style = if quote == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted };
    Ok((builder.finish(), style))
}

/// The characters up to white space, a line break or the closing quote;
/// whether a line break was escaped.
fn quoted_word(cursor: &mut Cursor<'_>, quote: u8, builder: &mut Builder<'_>) -> Result<bool> {
    while !cursor.is_blank_or_end(0) {
        let byte = cursor.byte(0);
        if byte == quote && quote == b'\'' && cursor.byte(1) == b'\'' {
            cursor.skip_by(2);
            builder.insert("'", cursor.at);
        } else if byte == quote {
            break;
        } else if byte == b'\\' && quote == b'"' {
            if cursor.is_break(1) {
                cursor.skip();
                cursor.skip_break();
                builder.insert("", cursor.at);
                return Ok(true);
            }
            let character = escape(cursor)?;
            builder.insert(character.encode_utf8(&mut [0; 4]), cursor.at);
        } else {
            cursor.skip();
            builder.extend_to(cursor.at);
        }
    }
    Ok(false)
}

/// White space between words stays, line breaks are folded.
fn quoted_white_space(cursor: &mut Cursor<'_>, escaped_break: bool, builder: &mut Builder<'_>) {
    let mut breaks = Breaks::default();
    // Behind an escaped break, every break counts and white space does not.
    let mut more = String::new();
    while cursor.is_blank(0) || cursor.is_break(0) {
        if !cursor.is_break(0) {
            cursor.skip();
        } else if escaped_break {
            more.push(cursor.skip_break());
        } else {
            breaks.push(cursor.skip_break());
        }
    }
    if escaped_break {
        builder.insert(&more, cursor.at);
    } else if breaks.first.is_some() {
        builder.insert(&breaks.fold(), cursor.at);
    } else {
        builder.extend_to(cursor.at);
    }
}

fn escape(cursor: &mut Cursor<'_>) -> Result<char> {
    let start = cursor.at;
    let (character, digits) = match cursor.byte(1) {
        b'0' => ('\0', 0),
        b'a' => ('\x07', 0),
        b'b' => ('\x08', 0),
        b't' | b'\t' => ('\t', 0),
        b'n' => ('\n', 0),
        b'v' => ('\x0b', 0),
        b'f' => ('\x0c', 0),
        b'r' => ('\r', 0),
        b'e' => ('\x1b', 0),
        b' ' => (' ', 0),
        b'"' => ('"', 0),
        b'\'' => ('\'', 0),
        b'\\' => ('\\', 0),
        b'N' => ('\u{85}', 0),
        b'_' => ('\u{a0}', 0),
        b'L' => ('\u{2028}', 0),
        b'P' => ('\u{2029}', 0),
        b'x' => ('\0', 2),
        b'u' => ('\0', 4),
        b'U' => ('\0', 8),
        _ => return Err(Problem { offset: start, problem: "found unknown escape character" }),
    };
    cursor.skip_by(2);
    if digits == 0 {
        return Ok(character);
    }
    let mut code: u32 = 0;
    for at in 0..digits {
        let digit = char::from(cursor.byte(at)).to_digit(16);
        let digit = digit.ok_or(Problem { offset: start, problem: "did not find expected hexadecimal number" })?;
        code = code.saturating_mul(16).saturating_add(digit);
    }
    cursor.skip_by(digits);
    char::from_u32(code).ok_or(Problem { offset: start, problem: "found invalid Unicode character escape code" })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// A literal or folded block in a collection at `parent_indent`; where it ends too.
pub(super) fn block(cursor: &mut Cursor<'_>, parent_indent: isize) -> Result<(Text, Style, usize)> {
    let start = cursor.at;
    let style = if cursor.byte(0) == b'|' { Style::Literal } else { Style::Folded };
    cursor.skip();
    let (chomping, increment) = block_header(cursor, start)?;
    let given = increment.map(|increment| parent_indent.max(0) as usize + increment);
    let mut lines = Block { cursor, start, parent_indent, indent: given, end: 0 };
    let text = lines.read(style, chomping)?;
    Ok((Text::Owned(text), style, lines.end))
}

/// What follows `|` or `>` on its line.
fn block_header(cursor: &mut Cursor<'_>, start: usize) -> Result<(Chomping, Option<usize>)> {
    let (mut chomping, mut increment) = (None, None);
    for _ in 0..2 {
        match cursor.byte(0) {
            b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
            b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
            b'0' if increment.is_none() => {
                return Err(Problem { offset: start, problem: "found an indentation indicator equal to 0" });
            }
            digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
            _ => break,
        }
        cursor.skip();
    }
    cursor.skip_blanks();
    if cursor.byte(0) == b'#' {
        cursor.skip_to_break();
    }
    if !cursor.is_break_or_end(0) {
        return Err(Problem { offset: start, problem: "did not find expected comment or line break" });
    }
    if cursor.is_break(0) {
        cursor.skip_break();
    }
    Ok((chomping.unwrap_or(Chomping::Clip), increment))
}

struct Block<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    start: usize,
    parent_indent: isize,
    /// Where the lines begin; unknown before the first one that is not empty.
    indent: Option<usize>,
    end: usize,
}

impl Block<'_, '_> {
    fn read(&mut self, style: Style, chomping: Chomping) -> Result<String> {
        let mut text = String::new();
        let mut last_break = None;
        let mut empty_lines = self.skip_empty_lines()?;
        let mut was_indented = false;
        while Some(self.cursor.column) == self.indent && !self.cursor.is_end(0) {
            let is_indented = self.cursor.is_blank(0);
            let folds = style == Style::Folded && last_break == Some('\n') && !was_indented && !is_indented;
            match last_break {
                _ if folds && empty_lines.is_empty() => text.push(' '),
                Some(line_break) if !folds => text.push(line_break),
                _ => {}
            }
            text.push_str(&empty_lines);
            was_indented = is_indented;
            let line = self.cursor.at;
            self.cursor.skip_to_break();
            text.push_str(self.cursor.slice(line));
            last_break = self.cursor.is_break(0).then(|| self.cursor.skip_break());
            empty_lines = self.skip_empty_lines()?;
        }
        if chomping != Chomping::Strip {
            text.extend(last_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&empty_lines);
        }
        Ok(text)
    }

    /// Skips indentation and empty lines; the line breaks of these. Finds out
    /// the indentation if it was not given.
    fn skip_empty_lines(&mut self) -> Result<String> {
        let mut breaks = String::new();
        let mut deepest = 0;
        self.end = self.cursor.at;
        loop {
            let is_before = |column: usize| self.indent.is_none_or(|indent| column < indent);
            while is_before(self.cursor.column) && self.cursor.is_space() {
                self.cursor.skip();
            }
            deepest = deepest.max(self.cursor.column);
            if is_before(self.cursor.column) && self.cursor.byte(0) == b'\t' {
                let problem = "found a tab character where an indentation space is expected";
                return Err(Problem { offset: self.start, problem });
            }
            if !self.cursor.is_break(0) {
                break;
            }
            breaks.push(self.cursor.skip_break());
            self.end = self.cursor.at;
        }
        let least = (self.parent_indent + 1).max(1) as usize;
        self.indent.get_or_insert(deepest.max(least));
        Ok(breaks)
    }
}
