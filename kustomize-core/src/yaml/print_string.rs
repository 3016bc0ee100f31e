//! How go-yaml v2 prints strings: plain where that reads back the same,
//! quoted, or as a block, and folded at 80 columns.

use std::borrow::Cow;

use super::{Style, resolve};

/// Where go-yaml v2 begins to fold.
const BEST_WIDTH: usize = 80;

/// What becomes of a text that is printed as JSON and read back by go-yaml v2:
/// a next-line character (U+0085) is a line break to it and gets folded.
/// `Err` is a character it does not read at all.
pub(crate) fn through_json(text: &str) -> Result<Cow<'_, str>, char> {
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(Cow::Borrowed(text));
    }
    let is_refused =
        |character: &char| matches!(character, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(character) = text.chars().find(is_refused) {
        return Err(character);
    }
    Ok(if text.contains('\u{85}') { Cow::Owned(fold_next_lines(text)) } else { Cow::Borrowed(text) })
}

/// One break becomes a space, `n` of them `n - 1` line feeds; spaces around them go.
fn fold_next_lines(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        let (line, from_break) = rest.split_at(at);
        folded.push_str(line.trim_end_matches(' '));
        rest = from_break.trim_start_matches(['\u{85}', ' ']);
        let blank = &from_break[..from_break.len() - rest.len()];
        match blank.matches('\u{85}').count() {
            1 => folded.push(' '),
            breaks => folded.extend(std::iter::repeat_n('\n', breaks - 1)),
        }
    }
    folded + rest
}

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
}

impl<'o> Printer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        let line_start = out.len();
        Self { out, best_width: BEST_WIDTH, line_start, indent: None, whitespace: true, indention: true }
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

    pub(crate) fn end_line(&mut self) {
        self.write_indent(0);
    }

    fn write_indent(&mut self, indent: usize) {
        let column = self.out.len() - self.line_start;
        if !self.indention || column > indent || (column == indent && !self.whitespace) {
            self.line_break();
        }
        let column = self.out.len() - self.line_start;
        self.out.resize(self.out.len() + indent.saturating_sub(column), b' ');
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
    pub(crate) fn word(&mut self, text: &str) {
        self.space();
        self.out.extend_from_slice(text.as_bytes());
        self.whitespace = false;
        self.indention = false;
    }

    /// A key with its colon; one that is long or has line breaks gets a `?`.
    pub(crate) fn key(&mut self, text: &str) {
        let analysis = Analysis::of(text);
        if !analysis.line_breaks && text.len() <= 128 {
            self.scalar(text, analysis.style_v2(text, Place::SimpleKey), Place::SimpleKey);
            return self.colon();
        }
        self.question_mark();
        self.scalar(text, analysis.style_v2(text, Place::Value), Place::Value);
        self.start_line();
        self.colon_after_long_key();
    }

    /// A string as a value, in the style that go-yaml v2 chooses.
    pub(crate) fn string(&mut self, text: &str) {
        self.scalar(text, Analysis::of(text).style_v2(text, Place::Value), Place::Value);
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

    /// The indentation of a scalar's further lines.
    fn scalar_indent(&self) -> usize {
        self.indent.map_or(2, |indent| indent + 2)
    }

    fn plain(&mut self, text: &str, allow_breaks: bool) {
        if text.is_empty() {
            // Only yaml.v3 comes here: a null that was left out stays so.
            self.indention = false;
            return;
        }
        self.space();
        let mut words = Words::new(text);
        while let Some((word, can_fold)) = words.next() {
            self.out.extend_from_slice(word.as_bytes());
            if can_fold && allow_breaks && self.is_wide() {
                self.indention = false;
                self.write_indent(self.scalar_indent());
            } else if can_fold {
                self.out.push(b' ');
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, allow_breaks: bool) {
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

    fn double_quoted(&mut self, text: &str, allow_breaks: bool) {
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
        self.line_break();
    }

    fn literal(&mut self, text: &str) {
        self.block_header(b'|', text);
        let indent = self.scalar_indent();
        self.indention = true;
        let mut breaks = true;
        for character in text.chars() {
            if is_break(character) {
                self.write_break(character);
                self.indention = true;
                breaks = true;
                continue;
            }
            if breaks {
                self.whitespace = true;
                self.write_indent(indent);
            }
            self.push(character);
            self.indention = false;
            breaks = false;
        }
        self.whitespace = true;
    }

    /// Before a run of breaks that does not follow an indented line goes one
    /// more, which reading takes away again. Not always: yaml.v3 looks at the
    /// start of the text where it means the end of the run, so breaks are added
    /// before an indented line and at the end (see [`folded`](super::folded)).
    fn folded(&mut self, text: &str) {
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

    fn push(&mut self, character: char) {
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Text cut at the spaces where a plain scalar may be folded: single ones
/// after a character that is none.
struct Words<'a> {
    rest: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The next piece, and whether a space follows at which one can fold.
    fn next(&mut self) -> Option<(&'a str, bool)> {
        let rest = self.rest.take()?;
        let bytes = rest.as_bytes();
        let is_space = |at: usize| bytes.get(at) == Some(&b' ');
        let fold = (0..bytes.len()).find(|at| is_space(*at) && !(*at > 0 && is_space(at - 1)) && !is_space(at + 1));
        let Some(at) = fold else { return Some((rest, false)) };
        self.rest = Some(&rest[at + 1..]);
        Some((&rest[..at], true))
    }
}

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A key on one line with its colon.
    SimpleKey,
    Value,
}

/// Which styles can hold a text, as go-yaml's `yaml_emitter_analyze_scalar` finds out.
struct Analysis {
    line_breaks: bool,
    tabs: bool,
    flow_plain_allowed: bool,
    block_plain_allowed: bool,
    single_quoted_allowed: bool,
    /// Version 2 allows no tabs in blocks besides.
    block_allowed: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let mut flow_indicators = indicators;
        let (mut line_breaks, mut special, mut tabs) = (false, false, false);
        let (mut space_break, mut break_space) = (false, false);
        let mut previous = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let blank_follows = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= match previous {
                None => is_indicator_at_start(character, blank_follows),
                Some(previous) => character == ':' && blank_follows || character == '#' && is_blank_or_break(previous),
            };
            flow_indicators |= matches!(character, ',' | '?' | '[' | ']' | '{' | '}' | ':');
            tabs |= character == '\t';
            special |= character != '\t' && !is_printable(character);
            line_breaks |= is_break(character);
            space_break |= is_break(character) && previous == Some(' ');
            break_space |= character == ' ' && previous.is_some_and(is_break);
            previous = Some(character);
        }
        let is_space_or_break = |character: char| character == ' ' || is_break(character);
        let edges = text.starts_with(is_space_or_break) || text.ends_with(is_space_or_break);
        let plain_allowed = !(edges || line_breaks || break_space || space_break || special || tabs);
        Self {
            line_breaks,
            tabs,
            flow_plain_allowed: plain_allowed && !indicators && !flow_indicators && !text.is_empty(),
            block_plain_allowed: plain_allowed && !indicators,
            single_quoted_allowed: !(break_space || space_break || special || tabs),
            block_allowed: !(text.is_empty() || text.ends_with(' ') || space_break || special),
        }
    }

    /// The style of a string that version 2 is free to choose.
    fn style_v2(&self, text: &str, place: Place) -> Style {
        if text.contains('\n') {
            let literal = self.block_allowed && !self.tabs && place == Place::Value;
            return if literal { Style::Literal } else { Style::DoubleQuoted };
        }
        if resolve::is_special_v2(text) || self.line_breaks && place == Place::SimpleKey {
            return Style::DoubleQuoted;
        }
        self.plain_or_quoted(self.block_plain_allowed)
    }

    /// The style that version 3 takes when asked for `style`.
    fn style_v3(&self, text: &str, style: Style, place: Place, in_flow: bool) -> Style {
        let is_key = place == Place::SimpleKey;
        match style {
            _ if is_key && self.line_breaks => Style::DoubleQuoted,
            Style::Plain if text.is_empty() && (is_key || in_flow) => Style::SingleQuoted,
            Style::Plain if in_flow => self.plain_or_quoted(self.flow_plain_allowed),
            Style::Plain => self.plain_or_quoted(self.block_plain_allowed),
            Style::SingleQuoted => self.plain_or_quoted(false),
            Style::Literal | Style::Folded if !self.block_allowed || in_flow || is_key => Style::DoubleQuoted,
            style => style,
        }
    }

    fn plain_or_quoted(&self, plain_allowed: bool) -> Style {
        match (plain_allowed, self.single_quoted_allowed) {
            (true, _) => Style::Plain,
            (false, true) => Style::SingleQuoted,
            (false, false) => Style::DoubleQuoted,
        }
    }
}

/// Whether yaml.v3 can write a text as a literal or folded block.
pub(crate) fn is_block_allowed(text: &str) -> bool {
    Analysis::of(text).block_allowed
}

/// The style in which yaml.v3 writes a string without line breaks that would
/// resolve to a string if it were plain.
pub(crate) fn quotes_v3(text: &str) -> Style {
    let analysis = Analysis::of(text);
    analysis.plain_or_quoted(analysis.block_plain_allowed)
}

fn is_indicator_at_start(character: char, blank_follows: bool) -> bool {
    match character {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => true,
        '?' | ':' | '-' => blank_follows,
        _ => false,
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_break(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\0') || is_break(character)
}

fn is_printable(character: char) -> bool {
    match character {
        '\n' | ' '..='~' => true,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => ('\u{a0}'..'\u{10000}').contains(&character),
    }
}

fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || is_break(character) || !is_printable(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut out = b"key:".to_vec();
        let mut printer = Printer::new(&mut out);
        (printer.indent, printer.whitespace, printer.line_start) = (Some(0), false, 0);
        printer.string(text);
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

    #[test]
    fn next_line_characters_are_folded_by_the_json_step() {
        assert_eq!(through_json("a \u{85} b\u{85}\u{85}c").as_deref(), Ok("a b\nc"));
        assert_eq!(through_json("a\u{7f}"), Err('\u{7f}'));
    }
}
