//! Writing a scalar in a given style.

use memchr::{memchr, memchr_iter};

use super::Printer;
use super::analysis::{is_break, needs_escape};
use crate::short_text::append_spaces;

impl Printer<'_> {
    /// The indentation of a scalar's further lines.
    fn scalar_indent(&self) -> usize {
        self.indent.map_or(2, |indent| indent + 2)
    }

    pub(super) fn plain(&mut self, text: &str, allow_breaks: bool) {
        if text.is_empty() {
            // Only yaml.v3 comes here: a null that was left out stays so.
            self.indention = false;
            return;
        }
        self.space();
        self.indention = false;
        let mut column = if self.best_width == usize::MAX { 0 } else { self.column() };
        let mut rest = text;
        while allow_breaks && column + rest.len() > self.best_width {
            let Some(space) = next_fold(rest) else { break };
            let (word, behind) = (&rest[..space], &rest[space + 1..]);
            self.out.extend_from_slice(word.as_bytes());
            column += characters(word);
            if column > self.best_width {
                column = self.scalar_indent();
                self.write_indent(column);
                self.indention = false;
            } else {
                self.out.push(b' ');
                column += 1;
            }
            rest = behind;
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn single_quoted(&mut self, text: &str, allow_breaks: bool) {
        self.space();
        self.out.push(b'\'');
        self.indention = false;
        let (mut spaces, mut breaks) = (false, false);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            match character {
                ' ' => {
                    let can_fold = allow_breaks && !spaces && at > 0 && next.is_some_and(|next| next != ' ');
                    if can_fold && self.is_wide() {
                        self.write_indent(self.scalar_indent());
                    } else {
                        self.out.push(b' ');
                    }
                    spaces = true;
                }
                _ if is_break(character) => {
                    if !breaks && character == '\n' {
                        self.line_break();
                    }
                    self.write_break(character);
                    self.indention = true;
                    breaks = true;
                }
                _ => {
                    if breaks {
                        self.write_indent(self.scalar_indent());
                    }
                    if character == '\'' {
                        self.out.push(b'\'');
                    }
                    self.push(character);
                    self.indention = false;
                    (spaces, breaks) = (false, false);
                }
            }
        }
        self.out.push(b'\'');
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn double_quoted(&mut self, text: &str, allow_breaks: bool) {
        self.space();
        self.out.push(b'"');
        self.indention = false;
        // go-yaml asks the start of the text, not the character, whether it is a byte order mark.
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            if escape_all || needs_escape(character) {
                self.escape(character);
                spaces = false;
            } else if character == ' ' {
                if allow_breaks && !spaces && at > 0 && next.is_some() && self.is_wide() {
                    self.write_indent(self.scalar_indent());
                    if next == Some(' ') {
                        self.out.push(b'\\');
                    }
                    self.indention = false;
                } else {
                    self.out.push(b' ');
                }
                spaces = true;
            } else {
                self.push(character);
                spaces = false;
            }
        }
        self.out.push(b'"');
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, character: char) {
        let code = u32::from(character);
        let short = match character {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ if code <= 0xFF => return self.out.extend_from_slice(format!("\\x{code:02X}").as_bytes()),
            _ if code <= 0xFFFF => return self.out.extend_from_slice(format!("\\u{code:04X}").as_bytes()),
            _ => return self.out.extend_from_slice(format!("\\U{code:08X}").as_bytes()),
        };
        self.out.push(b'\\');
        self.push(short);
    }

    /// `|` or `>` with what it must say of indentation and of the breaks at the end.
    fn block_header(&mut self, indicator: u8, text: &str) {
        self.space();
        self.out.push(indicator);
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.out.push(b'2');
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !is_break(last) => self.out.push(b'-'),
            (Some(_), Some(before)) if !is_break(before) => {}
            _ => self.out.push(b'+'),
        }
        self.whitespace = false;
        match std::mem::take(&mut self.header_comment) {
            comment if comment.is_empty() => self.line_break(),
            comment => self.line_comment(&comment),
        }
    }

    pub(super) fn literal(&mut self, text: &str) {
        self.block_header(b'|', text);
        let indent = self.scalar_indent();
        // Both separators begin with this byte.
        let has_separators = memchr(0xE2, text.as_bytes()).is_some();
        let mut start = 0;
        for end in memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1).chain([text.len()]) {
            match &text[start..end] {
                "" => {}
                "\n" => self.out.push(b'\n'),
                line if has_separators && line.contains(['\u{2028}', '\u{2029}']) => {
                    self.line_with_separators(line, indent)
                }
                line => {
                    append_spaces(self.out, indent);
                    self.out.extend_from_slice(line.as_bytes());
                }
            }
            start = end;
        }
        let ends_line = text.ends_with(is_break);
        if ends_line {
            self.line_start = self.out.len();
        }
        (self.whitespace, self.indention) = (true, ends_line);
    }

    /// Unicode's separators end a line too.
    fn line_with_separators(&mut self, line: &str, indent: usize) {
        for part in line.split_inclusive(is_break) {
            if !part.starts_with(is_break) {
                self.out.resize(self.out.len() + indent, b' ');
            }
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// Before a run of breaks that does not follow an indented line goes one
    /// more, which reading takes away again. Not always: yaml.v3 looks at the
    /// start of the text where it means the end of the run, so breaks are added
    /// before an indented line and at the end (see [`folded`](super::folded)).
    pub(super) fn folded(&mut self, text: &str) {
        self.block_header(b'>', text);
        let indent = self.scalar_indent();
        let start = text.trim_start_matches(is_break);
        let starts_blank = start.is_empty() || start.starts_with([' ', '\t']);
        let (mut breaks, mut line_is_indented) = (true, true);
        for character in text.chars() {
            if is_break(character) {
                if !breaks && !line_is_indented && !starts_blank && character == '\n' {
                    self.line_break();
                }
                self.write_break(character);
                breaks = true;
                continue;
            }
            if breaks {
                (self.whitespace, self.indention) = (true, true);
                self.write_indent(indent);
                line_is_indented = matches!(character, ' ' | '\t');
            }
            self.push(character);
            breaks = false;
        }
        (self.whitespace, self.indention) = (true, breaks);
    }

    fn write_break(&mut self, character: char) {
        self.push(character);
        self.line_start = self.out.len();
    }

    pub(super) fn push(&mut self, character: char) {
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// The next space at which a plain scalar may be folded: one between two
/// characters that are no spaces.
fn next_fold(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let space = from + bytes[from..].iter().position(|byte| *byte == b' ')?;
        let width = bytes[space..].iter().take_while(|byte| **byte == b' ').count();
        if width == 1 && space + 1 < bytes.len() {
            return Some(space);
        }
        from = space + width;
    }
}

fn characters(text: &str) -> usize {
    text.bytes().filter(|byte| byte & 0xC0 != 0x80).count()
}
