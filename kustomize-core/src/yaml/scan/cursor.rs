//! A place in the text, with the line and column that YAML's indentation needs.

/// Moves through a text. The end of the text reads as NUL, which YAML text
/// cannot contain.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    end: usize,
    pub(super) line: usize,
    /// In characters.
    pub(super) column: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self { text, at: start, end, line: 0, column: 0 }
    }

    /// The byte `ahead` of the next one.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        let at = self.at + ahead;
        if at < self.end { self.text.as_bytes()[at] } else { 0 }
    }

    pub(super) fn is_end(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0
    }

    pub(super) fn is_space(&self) -> bool {
        self.byte(0) == b' '
    }

    /// A space or a tab.
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// How many bytes the line break here has; 0 if there is none.
    pub(super) fn break_width(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\r' if self.byte(ahead + 1) == b'\n' => 2,
            b'\r' | b'\n' => 1,
            0xC2 if self.byte(ahead + 1) == 0x85 => 2,
            0xE2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_width(ahead) > 0
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.is_end(ahead) || self.is_break(ahead)
    }

    /// White space, a line break or the end.
    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// A letter, a digit, `_` or `-`.
    pub(super) fn is_word(&self) -> bool {
        self.byte(0).is_ascii_alphanumeric() || matches!(self.byte(0), b'_' | b'-')
    }

    /// Goes on by one character that is no line break.
    pub(super) fn skip(&mut self) {
        self.at += match self.byte(0) {
            0..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            _ => 4,
        };
        self.at = self.at.min(self.end);
        self.column += 1;
    }

    pub(super) fn skip_by(&mut self, characters: usize) {
        (0..characters).for_each(|_| self.skip());
    }

    /// Goes on behind a line break. What it stands for in a scalar: a line
    /// feed, or itself if it is one of Unicode's separators.
    pub(super) fn skip_break(&mut self) -> char {
        let width = self.break_width(0);
        let meaning = match (width, self.byte(2)) {
            (3, 0xA8) => '\u{2028}',
            (3, _) => '\u{2029}',
            _ => '\n',
        };
        self.at += width;
        self.line += 1;
        self.column = 0;
        meaning
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    pub(super) fn skip_to_break(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip();
        }
    }

    /// `---` or `...` at the start of a line, and nothing that makes it a word.
    pub(super) fn is_document_indicator(&self) -> bool {
        self.column == 0
            && matches!((self.byte(0), self.byte(1), self.byte(2)), (b'-', b'-', b'-') | (b'.', b'.', b'.'))
            && self.is_blank_or_end(3)
    }

    pub(super) fn slice(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }
}
