//! Comments as go-yaml v3 scans them, and the nodes that they belong to as far as
//! a scanner can tell: that is decided by the columns of lines and by where empty
//! lines are. Version 2 has nothing of it.

use super::{Scanner, Token, TokenKind};

/// The comments of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Comments {
    /// On the lines above it.
    pub(crate) head: String,
    /// Behind it, on its line.
    pub(crate) line: String,
    /// On the lines below it, with an empty line after them.
    pub(crate) foot: String,
}

impl Comments {
    fn append(&mut self, more: Self) {
        for (all, more) in [(&mut self.head, more.head), (&mut self.line, more.line), (&mut self.foot, more.foot)] {
            if !all.is_empty() && !more.is_empty() {
                all.push('\n');
            }
            all.push_str(&more);
        }
    }
}

/// How many bytes of white space before a comment go-yaml v3 looks through. Tabs
/// may be among them, where no token may have any before it.
const LONGEST_GAP: usize = 512;

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    at: usize,
    line: usize,
    column: usize,
}

/// A comment that waits for the token it belongs to.
#[derive(Debug, Default)]
struct Waiting {
    /// Where the look for comments began that found it.
    scan_at: usize,
    /// The token that takes it is the first that does not start before this.
    token_at: usize,
    start: Mark,
    end_at: usize,
    text: Comments,
}

/// Comments on lines of their own that follow each other.
struct Run {
    scan_at: usize,
    /// The token before them, or the end of the last of them that belongs to it.
    token_at: usize,
    /// The line on which a comment must begin to be the foot of what is before it.
    foot_line: Option<usize>,
    /// Of the block that is open.
    indent: usize,
    /// No line was empty so far.
    first_empty: bool,
    recent_empty: bool,
    start: Mark,
    /// Of those that are not given away yet.
    text: String,
}

impl Run {
    fn add(&mut self, start: Mark, comment: &str) {
        if self.text.is_empty() {
            self.start = start;
        } else {
            self.text.push('\n');
        }
        self.text.push_str(comment);
        self.recent_empty = false;
    }

    /// An empty line, the end of a flow collection or of the text: what is
    /// directly below something, or less indented than it, is a foot.
    fn end_line(&mut self, at: usize, closes_flow: bool, is_end: bool) -> Option<Waiting> {
        let is_dedented = self.start.column <= self.indent;
        let is_foot = self.first_empty && (Some(self.start.line) == self.foot_line || is_dedented);
        let is_first = closes_flow || !self.recent_empty;
        (self.first_empty, self.recent_empty) = (false, true);
        if !is_first || self.text.is_empty() {
            return None;
        }
        if closes_flow || is_foot {
            // Of what is before it; if it is less indented, of whatever follows its place.
            let token_at = if is_dedented { self.start.at } else { self.token_at };
            return self.foot(token_at, at);
        }
        if !is_end {
            self.text.push('\n');
        }
        None
    }

    /// Where a line begins that is less indented than the block, and otherwise
    /// than the comments before, these are a foot.
    fn leave_indentation(&mut self, here: Mark) -> Option<Waiting> {
        let leaves = here.column <= self.indent && here.column != self.start.column;
        if leaves && !self.text.is_empty() { self.foot(self.token_at, here.at) } else { None }
    }

    fn foot(&mut self, token_at: usize, end_at: usize) -> Option<Waiting> {
        let text = Comments { foot: std::mem::take(&mut self.text), ..Comments::default() };
        let foot = Waiting { scan_at: self.scan_at, token_at, start: self.start, end_at, text };
        (self.scan_at, self.token_at) = (end_at, end_at);
        Some(foot)
    }

    /// What is left is about what follows.
    fn head(self, end_at: usize) -> Option<Waiting> {
        let is_some = !self.text.is_empty();
        let text = Comments { head: self.text, ..Comments::default() };
        let head = Waiting { scan_at: self.scan_at, token_at: self.start.at, start: self.start, end_at, text };
        is_some.then_some(head)
    }
}

/// The comments that were found.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    found: Vec<Waiting>,
    /// How many of them were given to a token.
    given: usize,
    /// What the tokens since the last node had.
    pending: Comments,
}

impl Scanner<'_> {
    /// As go-yaml v3.
    pub(crate) fn v3(mut self) -> Self {
        self.is_v3 = true;
        self
    }

    /// As go-yaml v3, and comments are kept.
    pub(crate) fn with_comments(mut self) -> Self {
        self.comments = Some(Box::default());
        self.v3()
    }

    /// The comments up to the next token that no node has taken.
    pub(crate) fn pending_comments(&mut self) -> Option<&mut Comments> {
        self.comments.as_mut().map(|comments| &mut comments.pending)
    }

    fn found_line(&mut self, token_at: usize, start: Mark, line: String) {
        let text = Comments { line, ..Comments::default() };
        self.keep(Some(Waiting { token_at, start, text, ..Waiting::default() }));
    }

    /// Gives the next token the comments in front of it.
    pub(super) fn give_comments(&mut self) {
        let (Some(comments), Some(token)) = (&mut self.comments, self.tokens.front()) else { return };
        let is_end = token.kind == TokenKind::BlockEnd;
        let token_at = if is_end { token.end } else { token.start };
        while let Some(waiting) = comments.found.get_mut(comments.given).filter(|next| token_at >= next.token_at) {
            // An end has no head; it is that of a later token.
            if is_end && !waiting.text.head.is_empty() {
                return;
            }
            comments.pending.append(std::mem::take(waiting).text);
            comments.given += 1;
        }
    }

    /// The comment behind a token, on its line.
    pub(super) fn scan_line_comment(&mut self, token_at: usize) {
        let blanks = (0..LONGEST_GAP).take_while(|ahead| self.cursor.is_blank(*ahead)).count();
        let is_comment = blanks < LONGEST_GAP && self.cursor.byte(blanks) == b'#';
        if !is_comment || self.line_breaks_before() > 0 {
            return;
        }
        self.cursor.skip_by(blanks);
        let start = Mark { at: self.cursor.at, line: self.cursor.line, column: self.cursor.column };
        if self.comments.is_none() {
            return self.cursor.skip_to_break();
        }
        let line = self.comment_here();
        self.found_line(token_at, start, line);
    }

    /// The comment in the first line of a block scalar that begins at `start`.
    pub(super) fn note_block_header(&mut self, start: usize) {
        let header = self.cursor.slice(start).split('\n').next().unwrap_or_default();
        if let Some(at) = header.find('#').filter(|_| self.comments.is_some()) {
            let line = header[at..].trim_end_matches('\r').to_owned();
            self.found_line(start, Mark::default(), line);
        }
    }

    /// The token in front of the cursor that a comment behind the next one belongs to, if not to that.
    pub(super) fn commented_token(&self) -> Option<usize> {
        self.comments.as_ref()?;
        let is_part = self.cursor.byte(0) == if self.in_flow() { b',' } else { b':' };
        self.tokens.back().filter(|_| is_part).map(|token| token.start)
    }

    fn comment_here(&mut self) -> String {
        let start = self.cursor.at;
        self.cursor.skip_to_break();
        self.cursor.slice(start).to_owned()
    }

    /// How many lines have ended since the last character that is no white space.
    fn line_breaks_before(&self) -> usize {
        let mut rest = self.cursor.text[..self.cursor.at].trim_end_matches([' ', '\t']);
        let mut breaks = 0;
        while let Some(line) = rest.strip_suffix(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            let line = if rest.ends_with('\n') { line.strip_suffix('\r').unwrap_or(line) } else { line };
            rest = line.trim_end_matches([' ', '\t']);
            breaks += 1;
        }
        breaks
    }

    /// A comment behind the dash of a sequence in a sequence is the head of what follows.
    pub(super) fn lift_comment_behind_dash(&mut self) {
        let length = self.tokens.len();
        let ends_with = |back: usize, kind: TokenKind| length >= back && self.tokens[length - back].kind == kind;
        if !ends_with(1, TokenKind::BlockEntry) || !ends_with(2, TokenKind::BlockSequenceStart) {
            return;
        }
        let (is_break, line, at) = (self.cursor.is_break(0), self.cursor.line, self.cursor.at);
        let Some(last) = self.comments.as_mut().and_then(|comments| comments.found.last_mut()) else { return };
        if last.text.line.is_empty() || is_break {
            return;
        }
        last.text.head = std::mem::take(&mut last.text.line);
        if last.start.line + 1 == line {
            last.token_at = at;
        }
    }

    /// Goes on behind the comments on lines of their own, from the `#` at the cursor.
    pub(super) fn skip_comments(&mut self) {
        loop {
            self.cursor.skip_to_break();
            // The first is the line break.
            let is_gap = |ahead: &usize| self.cursor.is_blank(*ahead) || self.cursor.is_break(*ahead);
            let gap = 1 + (1..LONGEST_GAP).take_while(is_gap).count();
            if gap == LONGEST_GAP || self.cursor.byte(gap) != b'#' || self.cursor.is_end(0) {
                return;
            }
            self.go_to(self.cursor.at + gap);
        }
    }

    /// The comments on lines of their own, from the `#` at the cursor to the next token.
    /// `from` is where the look for a token began.
    pub(super) fn scan_comments(&mut self, from: (usize, usize)) {
        let mut run = self.run(from);
        let (mut line, mut column) = (self.cursor.line, self.cursor.column);
        let mut ahead = 0;
        while ahead < LONGEST_GAP {
            column += 1;
            if self.cursor.is_blank(ahead) {
                ahead += 1;
                continue;
            }
            let (byte, is_break) = (self.cursor.byte(ahead), self.cursor.is_break(ahead));
            let here = Mark { at: self.cursor.at + ahead, line, column };
            let closes_flow = self.in_flow() && matches!(byte, b']' | b'}');
            if closes_flow || is_break || byte == 0 {
                self.keep(run.end_line(here.at, closes_flow, byte == 0));
                if !is_break {
                    break;
                }
                (ahead, column, line) = (ahead + 1, 0, line + 1);
                continue;
            }
            self.keep(run.leave_indentation(here));
            if byte != b'#' {
                break;
            }
            self.go_to(here.at);
            run.add(here, &self.comment_here());
            // Behind the line break at the cursor.
            (ahead, column, line) = (1, 0, self.cursor.line);
        }
        let end_at = self.cursor.at + ahead - 1;
        self.keep(run.head(end_at));
    }

    fn keep(&mut self, comment: Option<Waiting>) {
        if let Some(comments) = &mut self.comments {
            comments.found.extend(comment);
        }
    }

    fn run(&self, (scan_at, from_line): (usize, usize)) -> Run {
        let (token_at, follows_value) = self.token_before_comments();
        let breaks = self.line_breaks_before();
        // Below what is on the line, if there is something.
        let below = usize::from(breaks == 0 && self.cursor.column > 1);
        Run {
            scan_at,
            token_at,
            foot_line: (from_line > 0 && !follows_value).then(|| (self.cursor.line + 1 + below).saturating_sub(breaks)),
            indent: self.indent.max(0) as usize,
            first_empty: breaks <= 1,
            recent_empty: false,
            start: Mark::default(),
            text: String::new(),
        }
    }

    fn go_to(&mut self, at: usize) {
        while self.cursor.at < at {
            if self.cursor.is_break(0) {
                self.cursor.skip_break();
            } else {
                self.cursor.skip();
            }
        }
    }

    /// Where the token begins that feet belong to, and whether it is the `:` of a value.
    fn token_before_comments(&self) -> (usize, bool) {
        let mut from_end = self.tokens.iter().rev();
        let last = from_end.next();
        let token = match (last, from_end.next()) {
            (Some(Token { kind: TokenKind::FlowEntry, .. }), Some(before)) => Some(before),
            _ => last,
        };
        token.map_or((0, false), |token| (token.start, token.kind == TokenKind::Value))
    }

    /// Where a block ends whose indentation is now left: before the comments
    /// that stand where it stood, as they are feet of what is around it.
    pub(super) fn block_end(&self, mut end: usize) -> usize {
        let Some(comments) = &self.comments else { return self.cursor.at };
        let mut stop = end;
        for comment in comments.found.iter().rev() {
            if comment.end_at < stop {
                break;
            }
            if comment.start.column as isize == self.indent + 1 {
                end = comment.start.at;
            }
            // Nothing but white space is between this one and the one before.
            stop = comment.scan_at;
        }
        end
    }
}

/// Whether a comment behind such a token, on its line, is one of the line: behind
/// a dash it is the head of what follows.
pub(super) fn may_have_line_comment(kind: &TokenKind) -> bool {
    use TokenKind::{BlockEntry, DocumentEnd, DocumentStart, StreamEnd, TagDirective, VersionDirective};
    let has_none = matches!(kind, StreamEnd | DocumentStart | DocumentEnd | BlockEntry);
    !has_none && !matches!(kind, VersionDirective { .. } | TagDirective { .. })
}
