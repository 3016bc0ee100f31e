//! From tokens to events: the grammar of YAML as libyaml and go-yaml have it.

use super::Style;
use super::scan::{Comments, Problem, Scanner, Text, Token, TokenKind};

type Result<T> = std::result::Result<T, Problem>;

/// What the parser finds, and at which byte it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) start: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventKind {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar { anchor: Option<String>, tag: Option<String>, text: Text, style: Style },
    SequenceStart(Collection),
    SequenceEnd,
    MappingStart(Collection),
    MappingEnd,
}

/// How a collection begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Collection {
    pub(crate) anchor: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) is_flow: bool,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first document needs no `---`.
    FirstDocument,
    Document,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequence,
    IndentlessSequence,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequence {
        is_first: bool,
    },
    /// A single pair in a flow sequence, `[a: b]`.
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingKey {
        is_first: bool,
    },
    FlowMappingValue,
    /// A key without a colon, `{a}`.
    FlowMappingNoValue,
    End,
}

/// The events of a text, one after another.
pub(crate) struct Events<'a> {
    scanner: Scanner<'a>,
    state: State,
    /// Where to go on after the collections that are open; on the heap, so that depth costs no stack.
    outer: Vec<State>,
    /// `%TAG` of the current document, and the two that are always there.
    tag_directives: Vec<(String, String)>,
    /// Those of the last event, if they are kept.
    comments: Comments,
    /// The head of the collection that an item begins with.
    stem: String,
}

impl<'a> Events<'a> {
    /// Parses `text[start..end]`; offsets are those in `text`.
    pub(crate) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self {
            scanner: Scanner::new(text, start, end),
            state: State::FirstDocument,
            outer: Vec::new(),
            tag_directives: Vec::new(),
            comments: Comments::default(),
            stem: String::new(),
        }
    }

    /// As go-yaml v3 has it, which takes some comments that libyaml and version 2 do not.
    pub(crate) fn v3(self) -> Self {
        Self { scanner: self.scanner.v3(), ..self }
    }

    /// As [`Events::v3`], with the comments of nodes.
    pub(crate) fn with_comments(self) -> Self {
        Self { scanner: self.scanner.with_comments(), ..self }
    }

    /// The comments of the last event: of a document's start, a scalar, an
    /// alias or the start of a collection those of the node; of an end the
    /// line and foot of the collection or document.
    pub(crate) fn take_comments(&mut self) -> Comments {
        std::mem::take(&mut self.comments)
    }

    /// The event that is being made gets the comments since the last that had any.
    fn comment(&mut self) {
        if let Some(pending) = self.scanner.pending_comments() {
            self.comments = std::mem::take(pending);
            self.stem.clear();
        }
    }

    /// The next event; after the end of the stream always that.
    pub(crate) fn next(&mut self) -> Result<Event> {
        match self.state {
            State::FirstDocument => self.document(true),
            State::Document => self.document(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequence => self.block_sequence(),
            State::IndentlessSequence => self.indentless_sequence(),
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequence { is_first } => self.flow_sequence(is_first),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => self.flow_pair_end(),
            State::FlowMappingKey { is_first } => self.flow_mapping_key(is_first),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingNoValue => self.empty(State::FlowMappingKey { is_first: false }),
            State::End => Ok(Event { kind: EventKind::StreamEnd, start: self.scanner.peek()?.start }),
        }
    }

    /// The byte behind the last token of the last event, if the event had one of its own:
    /// a scalar that is written out, an alias, the end of a flow collection.
    pub(crate) fn end(&self) -> usize {
        self.scanner.taken_to()
    }

    fn peek(&mut self) -> Result<&TokenKind> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn fail<T>(&mut self, problem: &'static str) -> Result<T> {
        Err(Problem { offset: self.scanner.peek()?.start, problem })
    }

    /// A null that is not written out, at the next token.
    fn empty(&mut self, state: State) -> Result<Event> {
        let start = self.scanner.peek()?.start;
        Ok(self.empty_at(start, state))
    }

    fn empty_at(&mut self, start: usize, state: State) -> Event {
        self.state = state;
        let text = Text::Span(start..start);
        Event { kind: EventKind::Scalar { anchor: None, tag: None, text, style: Style::Plain }, start }
    }

    /// Ends the collection that is open; its last token is taken unless it belongs to what follows.
    fn close(&mut self, kind: EventKind, takes_token: bool) -> Result<Event> {
        let start = self.scanner.peek()?.start;
        if takes_token {
            self.scanner.next()?;
        }
        self.state = self.outer.pop().unwrap_or(State::End);
        Ok(Event { kind, start })
    }

    fn close_with_comments(&mut self, kind: EventKind) -> Result<Event> {
        self.peek()?;
        self.comment();
        self.close(kind, true)
    }

    /// A node after which `then` is expected.
    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> Result<Event> {
        self.outer.push(then);
        self.node(block, indentless)
    }

    // ---- documents ----

    fn document(&mut self, is_first: bool) -> Result<Event> {
        while !is_first && *self.peek()? == TokenKind::DocumentEnd {
            self.scanner.next()?;
        }
        let start = self.scanner.peek()?.start;
        let is_explicit = matches!(
            self.peek()?,
            TokenKind::VersionDirective { .. } | TokenKind::TagDirective { .. } | TokenKind::DocumentStart
        );
        if *self.peek()? == TokenKind::StreamEnd {
            self.state = State::End;
            return Ok(Event { kind: EventKind::StreamEnd, start });
        }
        self.directives()?;
        self.outer.push(State::DocumentEnd);
        if !is_first || is_explicit {
            if *self.peek()? != TokenKind::DocumentStart {
                return self.fail("did not find expected <document start>");
            }
            self.scanner.next()?;
            self.state = State::DocumentContent;
        } else {
            self.state = State::BlockNode;
            self.split_document_head();
        }
        Ok(Event { kind: EventKind::DocumentStart, start })
    }

    /// What is above the last empty line of the first comment is about the document.
    fn split_document_head(&mut self) {
        let Some(pending) = self.scanner.pending_comments() else { return };
        let head = std::mem::take(&mut pending.head);
        let (of_document, of_node) = match (head.strip_suffix('\n'), head.rsplit_once("\n\n")) {
            (Some(all), _) => (all, ""),
            (None, Some(parts)) => parts,
            (None, None) => ("", head.as_str()),
        };
        of_node.clone_into(&mut pending.head);
        of_document.clone_into(&mut self.comments.head);
    }

    fn directives(&mut self) -> Result<()> {
        let mut has_version = false;
        loop {
            let Token { kind, start, .. } = self.scanner.peek()?.clone();
            let fail = |problem| Err(Problem { offset: start, problem });
            match kind {
                TokenKind::VersionDirective { .. } if has_version => return fail("found duplicate %YAML directive"),
                TokenKind::VersionDirective { major: 1, minor: 1 } => has_version = true,
                TokenKind::VersionDirective { .. } => return fail("found incompatible YAML document"),
                TokenKind::TagDirective { handle, prefix } => {
                    if self.tag_directives.iter().any(|(other, _)| *other == handle) {
                        return fail("found duplicate %TAG directive");
                    }
                    self.tag_directives.push((handle, prefix));
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(other, _)| other == handle) {
                self.tag_directives.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event> {
        match self.peek()? {
            TokenKind::VersionDirective { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                let state = self.outer.pop().unwrap_or(State::End);
                self.empty(state)
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Result<Event> {
        let start = self.scanner.peek()?.start;
        if *self.peek()? == TokenKind::DocumentEnd {
            self.scanner.next()?;
        }
        self.tag_directives.clear();
        self.state = State::Document;
        self.comment();
        if self.comments.foot.is_empty() {
            self.comments.foot = std::mem::take(&mut self.comments.head);
        }
        Ok(Event { kind: EventKind::DocumentEnd, start })
    }

    // ---- nodes ----

    /// An alias, a scalar or the start of a collection, with its anchor and tag.
    fn node(&mut self, block: bool, indentless: bool) -> Result<Event> {
        let start = self.scanner.peek()?.start;
        if let TokenKind::Alias(_) = self.peek()? {
            self.comment();
            let token = self.scanner.next()?;
            self.state = self.outer.pop().unwrap_or(State::End);
            let TokenKind::Alias(anchor) = token.kind else { return self.fail("did not find expected node content") };
            return Ok(Event { kind: EventKind::Alias(anchor), start });
        }
        let (anchor, tag) = self.properties()?;
        let has_properties = anchor.is_some() || tag.is_some();
        let collection = |is_flow| Collection { anchor: anchor.clone(), tag: tag.clone(), is_flow };
        let (kind, state) = match self.peek()? {
            TokenKind::BlockEntry if indentless => {
                (EventKind::SequenceStart(collection(false)), State::IndentlessSequence)
            }
            TokenKind::Scalar { .. } => return self.scalar(start, anchor, tag),
            TokenKind::FlowSequenceStart => {
                (EventKind::SequenceStart(collection(true)), State::FlowSequence { is_first: true })
            }
            TokenKind::FlowMappingStart => {
                (EventKind::MappingStart(collection(true)), State::FlowMappingKey { is_first: true })
            }
            TokenKind::BlockSequenceStart if block => {
                (EventKind::SequenceStart(collection(false)), State::BlockSequence)
            }
            TokenKind::BlockMappingStart if block => {
                (EventKind::MappingStart(collection(false)), State::BlockMappingKey)
            }
            _ if has_properties => {
                self.state = self.outer.pop().unwrap_or(State::End);
                let kind = EventKind::Scalar { anchor, tag, text: Text::Span(start..start), style: Style::Plain };
                return Ok(Event { kind, start });
            }
            _ => return self.fail("did not find expected node content"),
        };
        match state {
            State::FlowSequence { .. } | State::FlowMappingKey { .. } => self.comment(),
            State::BlockSequence | State::BlockMappingKey => self.comments.head = std::mem::take(&mut self.stem),
            _ => {}
        }
        if state != State::IndentlessSequence {
            self.scanner.next()?;
        }
        self.state = state;
        Ok(Event { kind, start })
    }

    fn scalar(&mut self, start: usize, anchor: Option<String>, tag: Option<String>) -> Result<Event> {
        self.state = self.outer.pop().unwrap_or(State::End);
        self.comment();
        match self.scanner.next()?.kind {
            TokenKind::Scalar { text, style } => {
                Ok(Event { kind: EventKind::Scalar { anchor, tag, text, style }, start })
            }
            _ => self.fail("did not find expected node content"),
        }
    }

    /// An anchor and a tag, in any order.
    fn properties(&mut self) -> Result<(Option<String>, Option<String>)> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.peek()? {
                TokenKind::Anchor(_) if anchor.is_none() => {
                    if let TokenKind::Anchor(name) = self.scanner.next()?.kind {
                        anchor = Some(name);
                    }
                }
                TokenKind::Tag { .. } if tag.is_none() => {
                    let Token { kind, start, .. } = self.scanner.next()?;
                    if let TokenKind::Tag { handle, suffix } = kind {
                        tag = Some(self.resolve_tag(&handle, suffix, start)?);
                    }
                }
                _ => return Ok((anchor, tag)),
            }
        }
    }

    fn resolve_tag(&self, handle: &str, suffix: String, start: usize) -> Result<String> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let directive = self.tag_directives.iter().find(|(other, _)| other == handle);
        let (_, prefix) = directive.ok_or(Problem { offset: start, problem: "found undefined tag handle" })?;
        Ok(format!("{prefix}{suffix}"))
    }

    // ---- block collections ----

    fn block_sequence(&mut self) -> Result<Event> {
        match self.peek()? {
            TokenKind::BlockEntry => {
                let end = self.dash()?;
                match self.peek()? {
                    TokenKind::BlockEntry | TokenKind::BlockEnd => Ok(self.empty_at(end, State::BlockSequence)),
                    _ => self.node_then(State::BlockSequence, true, false),
                }
            }
            TokenKind::BlockEnd => self.close(EventKind::SequenceEnd, true),
            _ => self.fail("did not find expected '-' indicator"),
        }
    }

    fn indentless_sequence(&mut self) -> Result<Event> {
        if *self.peek()? != TokenKind::BlockEntry {
            return self.close(EventKind::SequenceEnd, false);
        }
        let end = self.dash()?;
        match self.peek()? {
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                Ok(self.empty_at(end, State::IndentlessSequence))
            }
            _ => self.node_then(State::IndentlessSequence, true, false),
        }
    }

    /// Takes the dash of an item; where it ends. What was said above it is about
    /// the collection that the item is, if it is one.
    fn dash(&mut self) -> Result<usize> {
        let length = self.scanner.pending_comments().map_or(0, |pending| pending.head.len());
        let end = self.scanner.next()?.end;
        let is_collection = matches!(self.peek()?, TokenKind::BlockSequenceStart | TokenKind::BlockMappingStart);
        if let Some(pending) = self.scanner.pending_comments().filter(|_| length > 0 && is_collection) {
            let behind = pending.head.split_off(length);
            let behind = behind.strip_prefix('\n').unwrap_or_default().to_owned();
            self.stem = std::mem::replace(&mut pending.head, behind);
        }
        Ok(end)
    }

    fn block_mapping_key(&mut self) -> Result<Event> {
        match self.peek()? {
            TokenKind::Key => self.block_mapping_node(State::BlockMappingValue),
            TokenKind::BlockEnd => self.close_with_comments(EventKind::MappingEnd),
            _ => self.fail("did not find expected key"),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event> {
        match self.peek()? {
            TokenKind::Value => self.block_mapping_node(State::BlockMappingKey),
            _ => self.empty(State::BlockMappingKey),
        }
    }

    /// The node after a key's or value's indicator.
    fn block_mapping_node(&mut self, then: State) -> Result<Event> {
        let end = self.scanner.next()?.end;
        match self.peek()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => Ok(self.empty_at(end, then)),
            _ => self.node_then(then, true, true),
        }
    }

    // ---- flow collections ----

    fn flow_sequence(&mut self, is_first: bool) -> Result<Event> {
        if *self.peek()? != TokenKind::FlowSequenceEnd {
            if !is_first {
                if *self.peek()? != TokenKind::FlowEntry {
                    return self.fail("did not find expected ',' or ']'");
                }
                self.scanner.next()?;
            }
            match self.peek()? {
                TokenKind::Key => {
                    let start = self.scanner.next()?.start;
                    self.outer.push(State::FlowSequence { is_first: false });
                    self.state = State::FlowPairKey;
                    let collection = Collection { is_flow: true, ..Collection::default() };
                    return Ok(Event { kind: EventKind::MappingStart(collection), start });
                }
                TokenKind::FlowSequenceEnd => {}
                _ => return self.node_then(State::FlowSequence { is_first: false }, false, false),
            }
        }
        self.close_with_comments(EventKind::SequenceEnd)
    }

    fn flow_pair_key(&mut self) -> Result<Event> {
        match self.peek()? {
            // go-yaml takes the token here that the value needs, so `[? : b]` has none.
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                let end = self.scanner.next()?.end;
                Ok(self.empty_at(end, State::FlowPairValue))
            }
            _ => self.node_then(State::FlowPairValue, false, false),
        }
    }

    fn flow_pair_value(&mut self) -> Result<Event> {
        if *self.peek()? == TokenKind::Value {
            self.scanner.next()?;
            if !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowSequenceEnd) {
                return self.node_then(State::FlowPairEnd, false, false);
            }
        }
        self.empty(State::FlowPairEnd)
    }

    fn flow_pair_end(&mut self) -> Result<Event> {
        self.close(EventKind::MappingEnd, false)
    }

    fn flow_mapping_key(&mut self, is_first: bool) -> Result<Event> {
        if *self.peek()? != TokenKind::FlowMappingEnd {
            if !is_first {
                if *self.peek()? != TokenKind::FlowEntry {
                    return self.fail("did not find expected ',' or '}'");
                }
                self.scanner.next()?;
            }
            match self.peek()? {
                TokenKind::Key => {
                    self.scanner.next()?;
                    return match self.peek()? {
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                            self.empty(State::FlowMappingValue)
                        }
                        _ => self.node_then(State::FlowMappingValue, false, false),
                    };
                }
                TokenKind::FlowMappingEnd => {}
                _ => return self.node_then(State::FlowMappingNoValue, false, false),
            }
        }
        self.close_with_comments(EventKind::MappingEnd)
    }

    fn flow_mapping_value(&mut self) -> Result<Event> {
        if *self.peek()? == TokenKind::Value {
            self.scanner.next()?;
            if !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                return self.node_then(State::FlowMappingKey { is_first: false }, false, false);
            }
        }
        self.empty(State::FlowMappingKey { is_first: false })
    }
}
