//! Which styles can hold a text.

use crate::yaml::{Style, resolve};

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A key on one line with its colon.
    SimpleKey,
    Value,
}

/// Which styles can hold a text, as go-yaml's `yaml_emitter_analyze_scalar` finds out.
pub(super) struct Analysis {
    pub(super) line_breaks: bool,
    tabs: bool,
    flow_plain_allowed: bool,
    block_plain_allowed: bool,
    single_quoted_allowed: bool,
    /// Version 2 allows no tabs in blocks besides.
    block_allowed: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
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
    pub(super) fn style_v2(&self, text: &str, place: Place) -> Style {
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
    pub(super) fn style_v3(&self, text: &str, style: Style, place: Place, in_flow: bool) -> Style {
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

pub(super) fn is_break(character: char) -> bool {
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

pub(super) fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || is_break(character) || !is_printable(character)
}
