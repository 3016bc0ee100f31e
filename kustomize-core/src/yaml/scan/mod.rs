//! From text to tokens, as go-yaml's scanner does it (a port of libyaml's,
//! with differences of its own in flow collections, tags and escapes).

mod comments;
mod cursor;
mod properties;
mod scalars;
mod token;

use std::collections::VecDeque;

pub(crate) use comments::Comments;
use comments::Keeper;
use cursor::Cursor;
pub(crate) use token::{Problem, Text, Token, TokenKind};

type Result<T> = std::result::Result<T, Problem>;

/// A place where a key may have begun that has no `?` before it.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    is_possible: bool,
    /// The place is one where nothing but a key makes sense.
    is_required: bool,
    /// Which token of the stream it would be inserted before.
    token_number: usize,
    at: usize,
    line: usize,
    column: usize,
}

/// How many tokens go-yaml v3 wants to see beyond the next one, for the sake of comments;
/// version 2 needs none, so it sees no error behind the end of a document.
const LOOKAHEAD: usize = 2;

/// The tokens of a text, one after another.
pub(crate) struct Scanner<'a> {
    cursor: Cursor<'a>,
    tokens: VecDeque<Token>,
    /// Tokens that were handed out.
    tokens_taken: usize,
    /// Where the last of them ends.
    taken_to: usize,
    is_at_end: bool,
    /// The column of the innermost block collection; -1 outside of any.
    indent: isize,
    indents: Vec<isize>,
    simple_key_allowed: bool,
    /// One for the block context and one for each open flow collection.
    simple_keys: Vec<SimpleKey>,
    /// Whether comments are those of go-yaml v3.
    is_v3: bool,
    /// If they are to be kept.
    comments: Option<Box<Keeper>>,
}

impl<'a> Scanner<'a> {
    /// Scans `text[start..end]`; offsets are those in `text`.
    pub(crate) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self {
            cursor: Cursor::new(text, start, end),
            tokens: VecDeque::new(),
            tokens_taken: 0,
            taken_to: start,
            is_at_end: false,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            is_v3: false,
            comments: None,
        }
    }

    /// The next token, which stays the next one.
    pub(crate) fn peek(&mut self) -> Result<&Token> {
        let lookahead = if self.is_v3 { LOOKAHEAD } else { 0 };
        while !self.is_at_end && (self.tokens.len() <= lookahead || self.may_be_key(self.tokens_taken)?) {
            self.fetch()?;
        }
        let end = self.cursor.at;
        if self.tokens.is_empty() {
            self.tokens.push_back(Token { kind: TokenKind::StreamEnd, start: end, end });
        }
        if self.comments.is_some() {
            self.give_comments();
        }
        Ok(&self.tokens[0])
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token> {
        self.peek()?;
        self.tokens_taken += 1;
        let end = self.cursor.at;
        let token = self.tokens.pop_front().unwrap_or(Token { kind: TokenKind::StreamEnd, start: end, end });
        self.taken_to = token.end;
        Ok(token)
    }

    /// Where the last token that was taken ends.
    pub(crate) fn taken_to(&self) -> usize {
        self.taken_to
    }

    fn in_flow(&self) -> bool {
        self.simple_keys.len() > 1
    }

    fn problem<T>(&self, problem: &'static str) -> Result<T> {
        Err(Problem { offset: self.cursor.at, problem })
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push_back(Token { kind, start, end: self.cursor.at });
    }

    /// Whether a key may begin before this token, so that one must read on to know.
    fn may_be_key(&mut self, token_number: usize) -> Result<bool> {
        let from = self.simple_keys.partition_point(|key| key.token_number < token_number);
        for at in from..self.simple_keys.len() {
            if self.simple_keys[at].token_number != token_number {
                break;
            }
            if self.is_valid_key(at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a key may have begun there: it must be on this line and at most 1,024 characters long.
    fn is_valid_key(&mut self, index: usize) -> Result<bool> {
        const LONGEST: usize = 1024;
        let key = self.simple_keys[index];
        if !key.is_possible {
            return Ok(false);
        }
        let is_short = self.cursor.at - key.at <= LONGEST || self.cursor.slice(key.at).chars().count() <= LONGEST;
        if key.line == self.cursor.line && is_short {
            return Ok(true);
        }
        if key.is_required {
            return Err(Problem { offset: key.at, problem: "could not find expected ':'" });
        }
        self.simple_keys[index].is_possible = false;
        Ok(false)
    }

    fn save_simple_key(&mut self) -> Result<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let is_required = !self.in_flow() && self.indent == self.cursor.column as isize;
        self.remove_simple_key()?;
        let key = SimpleKey {
            is_possible: true,
            is_required,
            token_number: self.tokens_taken + self.tokens.len(),
            at: self.cursor.at,
            line: self.cursor.line,
            column: self.cursor.column,
        };
        if let Some(last) = self.simple_keys.last_mut() {
            *last = key;
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<()> {
        let Some(key) = self.simple_keys.last_mut() else { return Ok(()) };
        if key.is_possible && key.is_required {
            return Err(Problem { offset: key.at, problem: "could not find expected ':'" });
        }
        key.is_possible = false;
        Ok(())
    }

    /// Opens a block collection at `column` if it is deeper than what is open.
    fn roll_indent(&mut self, column: usize, before: Option<usize>, kind: TokenKind, at: usize) {
        let column = column as isize;
        if self.in_flow() || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, start: at, end: at };
        match before {
            Some(number) => self.insert(number, token),
            None => self.tokens.push_back(token),
        }
    }

    /// Puts a token before one that was not handed out yet.
    fn insert(&mut self, number: usize, token: Token) {
        let index = number.saturating_sub(self.tokens_taken).min(self.tokens.len());
        self.tokens.insert(index, token);
    }

    /// Closes the block collections that are deeper than `column`; `scan_at` is
    /// where the look for the token at the cursor began.
    fn unroll_indent(&mut self, column: isize, scan_at: usize) {
        if self.in_flow() {
            return;
        }
        let mut end = scan_at.saturating_sub(1);
        while self.indent > column {
            end = self.block_end(end);
            self.tokens.push_back(Token { kind: TokenKind::BlockEnd, start: self.cursor.at, end });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn skip_to_token(&mut self) {
        let from = (self.cursor.at, self.cursor.line);
        loop {
            let tabs_allowed = self.in_flow() || !self.simple_key_allowed;
            while self.cursor.is_space() || tabs_allowed && self.cursor.byte(0) == b'\t' {
                self.cursor.skip();
            }
            if self.comments.is_some() {
                self.lift_comment_behind_dash();
            }
            if self.cursor.byte(0) == b'#' {
                match (self.is_v3, &self.comments) {
                    (_, Some(_)) => self.scan_comments(from),
                    (true, None) => self.skip_comments(),
                    (false, None) => self.cursor.skip_to_break(),
                }
            }
            if !self.cursor.is_break(0) {
                return;
            }
            self.cursor.skip_break();
            if !self.in_flow() {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Scans one more token, and a comment behind it.
    fn fetch(&mut self) -> Result<()> {
        let scan_at = self.cursor.at;
        self.skip_to_token();
        self.unroll_indent(self.cursor.column as isize, scan_at);
        let (start, belongs_to) = (self.cursor.at, self.commented_token());
        self.fetch_token()?;
        let last = self.tokens.back().map(|token| &token.kind);
        if self.is_v3 && last.is_some_and(comments::may_have_line_comment) {
            self.scan_line_comment(belongs_to.unwrap_or(start));
        }
        Ok(())
    }

    fn fetch_token(&mut self) -> Result<()> {
        let (byte, in_flow) = (self.cursor.byte(0), self.in_flow());
        let separate = self.cursor.is_blank_or_end(1);
        match byte {
            0 => self.stream_end(),
            b'%' if self.cursor.column == 0 => self.directive(),
            b'-' if self.cursor.is_document_indicator() => self.document_indicator(TokenKind::DocumentStart),
            b'.' if self.cursor.is_document_indicator() => self.document_indicator(TokenKind::DocumentEnd),
            b'[' => self.flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.flow_start(TokenKind::FlowMappingStart),
            b']' => self.flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.flow_end(TokenKind::FlowMappingEnd),
            b',' => self.flow_entry(),
            b'-' if separate => self.block_entry(),
            b'?' if in_flow || separate => self.key(),
            b':' if in_flow || separate => self.value(),
            b'*' | b'&' => self.anchor(),
            b'!' => self.tag(),
            b'|' | b'>' if !in_flow => self.block_scalar(),
            b'\'' | b'"' => self.quoted_scalar(),
            b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => self.problem("found character that cannot start any token"),
            _ => self.plain_scalar(),
        }
    }

    /// The end of the stream, a directive or a document indicator ends all blocks.
    fn end_blocks(&mut self) -> Result<()> {
        self.unroll_indent(-1, self.cursor.at);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn stream_end(&mut self) -> Result<()> {
        self.end_blocks()?;
        self.is_at_end = true;
        self.push(TokenKind::StreamEnd, self.cursor.at);
        Ok(())
    }

    fn directive(&mut self) -> Result<()> {
        self.end_blocks()?;
        let start = self.cursor.at;
        let kind = self.scan_directive()?;
        self.push(kind, start);
        Ok(())
    }

    fn document_indicator(&mut self, kind: TokenKind) -> Result<()> {
        self.end_blocks()?;
        self.indicator(kind, 3);
        Ok(())
    }

    fn indicator(&mut self, kind: TokenKind, width: usize) {
        let start = self.cursor.at;
        self.cursor.skip_by(width);
        self.push(kind, start);
    }

    fn flow_start(&mut self, kind: TokenKind) -> Result<()> {
        self.save_simple_key()?;
        let token_number = self.tokens_taken + self.tokens.len();
        self.simple_keys.push(SimpleKey { token_number, ..SimpleKey::default() });
        self.simple_key_allowed = true;
        self.indicator(kind, 1);
        Ok(())
    }

    fn flow_end(&mut self, kind: TokenKind) -> Result<()> {
        self.remove_simple_key()?;
        if self.in_flow() {
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.indicator(kind, 1);
        Ok(())
    }

    fn flow_entry(&mut self) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.indicator(TokenKind::FlowEntry, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<()> {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return self.problem("block sequence entries are not allowed in this context");
            }
            self.roll_indent(self.cursor.column, None, TokenKind::BlockSequenceStart, self.cursor.at);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.indicator(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn key(&mut self) -> Result<()> {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return self.problem("mapping keys are not allowed in this context");
            }
            self.roll_indent(self.cursor.column, None, TokenKind::BlockMappingStart, self.cursor.at);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = !self.in_flow();
        self.indicator(TokenKind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Result<()> {
        let index = self.simple_keys.len() - 1;
        if self.is_valid_key(index)? {
            let key = self.simple_keys[index];
            let token = Token { kind: TokenKind::Key, start: key.at, end: key.at };
            self.insert(key.token_number, token);
            self.roll_indent(key.column, Some(key.token_number), TokenKind::BlockMappingStart, key.at);
            self.simple_keys[index].is_possible = false;
            self.simple_key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.simple_key_allowed {
                    return self.problem("mapping values are not allowed in this context");
                }
                self.roll_indent(self.cursor.column, None, TokenKind::BlockMappingStart, self.cursor.at);
            }
            self.simple_key_allowed = !self.in_flow();
        }
        self.indicator(TokenKind::Value, 1);
        Ok(())
    }

    fn anchor(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.at;
        let kind = self.scan_anchor()?;
        self.push(kind, start);
        Ok(())
    }

    fn tag(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.at;
        let kind = self.scan_tag()?;
        self.push(kind, start);
        Ok(())
    }

    fn block_scalar(&mut self) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let start = self.cursor.at;
        let (text, style, end) = scalars::block(&mut self.cursor, self.indent)?;
        self.tokens.push_back(Token { kind: TokenKind::Scalar { text, style }, start, end });
        self.note_block_header(start);
        Ok(())
    }

    fn quoted_scalar(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.at;
        let (text, style) = scalars::quoted(&mut self.cursor)?;
        self.push(TokenKind::Scalar { text, style }, start);
        Ok(())
    }

    fn plain_scalar(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.at;
        let in_flow = self.in_flow();
        let scalar = scalars::plain(&mut self.cursor, self.indent + 1, in_flow)?;
        self.simple_key_allowed = scalar.ended_line;
        let kind = TokenKind::Scalar { text: scalar.text, style: crate::yaml::Style::Plain };
        self.tokens.push_back(Token { kind, start, end: scalar.end });
        Ok(())
    }
}
