//! The complete parser: a document is put together from events as go-yaml and
//! kustomize do it, anchors and merge keys expanded.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::error::{ParseError, Position};
use super::events::{Collection, Event, EventKind, Events};
use super::merge;
use super::presentation::{Placing, Presentation};
use super::resolve::{self, Dialect, Plain};
use super::scan::{Comments, Text};
use super::{Document, Limits, NodeId, Scalar, SourceText, Style, Tag, parse_fast, settle};

const LONG_TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// Parses the first document in `source[range]`; `None` if there is none.
pub(crate) fn parse(
    source: &Arc<SourceText>,
    range: Range<usize>,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Option<Document>, ParseError> {
    let chunk = &source.text[range.clone()];
    let without_bom = chunk.strip_prefix('\u{feff}').unwrap_or(chunk);
    let start = range.end - without_bom.len();
    reject_control_characters(&source.text, start..range.end)?;
    let mut events = Events::new(&source.text, start, range.end);
    if dialect == Dialect::V3 {
        events = events.v3();
    }
    let mut builder = Builder::new(source, dialect, limits);
    loop {
        let event = events.next().map_err(|found| builder.problem(found.offset, found.problem))?;
        match event.kind {
            EventKind::StreamEnd => return Ok(None),
            EventKind::DocumentEnd => return Ok(Some(builder.document)),
            _ => drop(builder.event(event)?),
        }
    }
}

/// Parses the first document in a text as it is written: aliases stay, merge
/// keys too, and keys may be there twice.
pub(crate) fn parse_as_written(
    source: &Arc<SourceText>,
    limits: &Limits,
) -> Result<Option<(Document, Presentation)>, ParseError> {
    let text = &source.text;
    let start = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    reject_control_characters(text, start..text.len())?;
    let mut events = Events::new(text, start, text.len()).with_comments();
    let mut builder = Builder { as_written: true, ..Builder::new(source, Dialect::V3, limits) };
    let mut placing = Placing::default();
    loop {
        let event = events.next().map_err(|found| builder.problem(found.offset, found.problem))?;
        let comments = events.take_comments();
        match &event.kind {
            EventKind::StreamEnd => return Ok(None),
            EventKind::DocumentStart => placing.found.document.head = comments.head,
            EventKind::DocumentEnd => {
                placing.found.document.foot = comments.foot;
                return Ok(Some((builder.document, placing.found)));
            }
            _ => builder.place(event, &mut placing, comments)?,
        }
    }
}

/// The line and column of a byte of a text.
pub(crate) fn position(text: &str, offset: usize) -> Position {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let is_char_start = |byte: &&u8| **byte & 0xC0 != 0x80;
    Position {
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        column: 1 + before[line_start..].iter().filter(is_char_start).count(),
    }
}

fn reject_control_characters(text: &str, range: Range<usize>) -> Result<(), ParseError> {
    if parse_fast::is_simple_text(&text.as_bytes()[range.clone()]) {
        return Ok(());
    }
    let is_allowed = |character: char| match character {
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' => true,
        _ => character >= '\u{10000}',
    };
    match text[range.clone()].char_indices().find(|(_, character)| !is_allowed(*character)) {
        None => Ok(()),
        Some((at, character)) => {
            Err(ParseError::ControlCharacter { at: position(text, range.start + at), character: u32::from(character) })
        }
    }
}

/// A collection whose end has not been seen.
struct Frame {
    node: NodeId,
    is_mapping: bool,
    children: usize,
    /// Levels of collections below it.
    height: usize,
    has_merge: bool,
    anchor: Option<String>,
}

struct Anchor {
    node: NodeId,
    /// Levels of collections in the node, itself included.
    height: usize,
    nodes: usize,
    is_open: bool,
}

struct Builder<'a> {
    document: Document,
    source: &'a Arc<SourceText>,
    dialect: Dialect,
    limits: &'a Limits,
    open: Vec<Frame>,
    anchors: HashMap<String, Anchor>,
    /// Nodes that stand where an alias stood.
    aliased: HashSet<NodeId>,
    nodes: usize,
    nodes_of_aliases: usize,
    /// See [`parse_as_written`].
    as_written: bool,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<SourceText>, dialect: Dialect, limits: &'a Limits) -> Self {
        Self {
            document: Document::new(Arc::clone(source)),
            source,
            dialect,
            limits,
            open: Vec::new(),
            anchors: HashMap::new(),
            aliased: HashSet::new(),
            nodes: 0,
            nodes_of_aliases: 0,
            as_written: false,
        }
    }

    /// Takes an event together with what does not go into the document.
    fn place(&mut self, event: Event, placing: &mut Placing, comments: Comments) -> Result<(), ParseError> {
        let (anchor, collection) = match &event.kind {
            EventKind::SequenceStart(collection) => (collection.anchor.clone(), Some((false, collection.is_flow))),
            EventKind::MappingStart(collection) => (collection.anchor.clone(), Some((true, collection.is_flow))),
            EventKind::Scalar { anchor, .. } => (anchor.clone(), None),
            _ => (None, None),
        };
        let is_alias = matches!(event.kind, EventKind::Alias(_));
        let is_end = matches!(event.kind, EventKind::SequenceEnd | EventKind::MappingEnd);
        let node = self.event(event)?;
        if let Some(name) = anchor {
            placing.anchor(node, name);
        }
        if is_alias {
            placing.alias(node);
        }
        match collection {
            Some((is_mapping, is_flow)) => placing.begin(node, is_mapping, is_flow, comments),
            None if is_end => placing.end(comments),
            None => placing.leaf(node, comments),
        }
        Ok(())
    }

    /// The node that the event is, begins or ends.
    fn event(&mut self, event: Event) -> Result<NodeId, ParseError> {
        let start = event.start;
        match event.kind {
            EventKind::Alias(anchor) => self.alias(start, &anchor),
            EventKind::Scalar { anchor, tag, text, style } => {
                let node = self.scalar(start, tag.as_deref(), &text, style)?;
                if let Some(name) = anchor {
                    self.anchors.insert(name, Anchor { node, height: 0, nodes: 1, is_open: false });
                }
                self.add(start, node, 0)
            }
            EventKind::SequenceStart(collection) => {
                let node = self.document.new_sequence();
                self.begin(start, node, false, collection)
            }
            EventKind::MappingStart(collection) => {
                let node = self.document.new_mapping();
                self.begin(start, node, true, collection)
            }
            EventKind::SequenceEnd | EventKind::MappingEnd => self.end(start),
            EventKind::StreamEnd | EventKind::DocumentStart | EventKind::DocumentEnd => Ok(self.document.root()),
        }
    }

    fn begin(
        &mut self,
        start: usize,
        node: NodeId,
        is_mapping: bool,
        collection: Collection,
    ) -> Result<NodeId, ParseError> {
        self.document.set_offset(node, start);
        self.document.set_flow(node, collection.is_flow);
        self.set_tag(node, collection.tag.as_deref());
        let anchor = collection.anchor;
        self.check_depth(start, self.open.len() + 1)?;
        if let Some(name) = &anchor {
            self.anchors.insert(name.clone(), Anchor { node, height: 0, nodes: self.nodes, is_open: true });
        }
        self.open.push(Frame { node, is_mapping, children: 0, height: 0, has_merge: false, anchor });
        Ok(node)
    }

    fn end(&mut self, start: usize) -> Result<NodeId, ParseError> {
        let Some(frame) = self.open.pop() else { return Ok(self.document.root()) };
        let height = frame.height + 1;
        if frame.is_mapping {
            self.finish_mapping(&frame)?;
        }
        if let Some(anchor) = frame.anchor.as_ref().and_then(|name| self.anchors.get_mut(name))
            && anchor.node == frame.node
        {
            anchor.is_open = false;
            anchor.height = height;
            anchor.nodes = self.nodes + 1 - anchor.nodes;
        }
        self.add(start, frame.node, height)
    }

    fn finish_mapping(&mut self, frame: &Frame) -> Result<(), ParseError> {
        let text = &self.source.text;
        if self.as_written {
            return Ok(());
        }
        if self.dialect == Dialect::V2 {
            return merge::resolve_v2(&mut self.document, frame.node, &self.aliased, text);
        }
        if frame.has_merge {
            merge::resolve_v3(&mut self.document, frame.node, &self.aliased, text)?;
        }
        merge::reject_duplicates(&self.document, frame.node, text)
    }

    /// Puts a complete node into the collection that is open.
    fn add(&mut self, start: usize, node: NodeId, height: usize) -> Result<NodeId, ParseError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.limit(start, "nodes", self.limits.nodes));
        }
        let Some(frame) = self.open.last_mut() else {
            self.document.set_root(node);
            return Ok(node);
        };
        if frame.is_mapping && frame.children % 2 == 0 {
            if !self.document.is_scalar(node) {
                let at = self.document.offset(node).unwrap_or(start);
                return Err(ParseError::ComplexKey { at: position(&self.source.text, at) });
            }
            let tag = self.document.tag(node);
            if tag == Tag::Null
                && !self.document.text(node).is_empty()
                && self.dialect == Dialect::V3
                && !self.as_written
            {
                return Err(ParseError::NullKey { at: position(&self.source.text, start) });
            }
            frame.has_merge |= tag == Tag::Merge;
        }
        frame.children += 1;
        frame.height = frame.height.max(height);
        self.document.push(frame.node, node);
        Ok(node)
    }

    fn alias(&mut self, start: usize, name: &str) -> Result<NodeId, ParseError> {
        let at = position(&self.source.text, start);
        let Some(anchor) = self.anchors.get(name) else {
            return Err(ParseError::UnknownAnchor { at, anchor: name.to_owned() });
        };
        if self.as_written {
            let alias = self.text_node(start, Tag::Implicit, Style::Plain, name);
            return self.add(start, alias, 0);
        }
        if anchor.is_open && self.is_merged_into_itself(anchor.node) {
            let nothing = self.document.new_mapping();
            self.document.set_offset(nothing, start);
            return self.add(start, nothing, 1);
        }
        if anchor.is_open {
            return Err(ParseError::RecursiveAnchor { at, anchor: name.to_owned() });
        }
        let (node, height, nodes) = (anchor.node, anchor.height, anchor.nodes);
        self.check_depth(start, self.open.len() + height)?;
        self.nodes += nodes - 1;
        self.nodes_of_aliases += nodes;
        if is_excessive(self.nodes_of_aliases, self.nodes) {
            return Err(ParseError::ExcessiveAliasing { at });
        }
        if self.nodes > self.limits.nodes {
            return Err(self.limit(start, "nodes", self.limits.nodes));
        }
        let copy = self.document.copy(node);
        self.aliased.insert(copy);
        self.add(start, copy, height)
    }

    /// `&a {<<: *a}`, which changes nothing.
    fn is_merged_into_itself(&self, node: NodeId) -> bool {
        let Some(frame) = self.open.last().filter(|frame| frame.node == node && frame.is_mapping) else { return false };
        let key = self.document.children(frame.node).last().filter(|_| frame.children % 2 == 1);
        key.is_some_and(|key| self.document.tag(key) == Tag::Merge)
    }

    fn scalar(&mut self, start: usize, tag: Option<&str>, text: &Text, style: Style) -> Result<NodeId, ParseError> {
        let source = Arc::clone(self.source);
        let value = text.as_str(&source.text);
        if self.dialect == Dialect::V2 {
            return self.scalar_v2(start, tag, value, style);
        }
        let node = match text {
            Text::Span(range) => self.document.new_source_scalar(style, range.start, range.len()),
            Text::Owned(_) => self.document.new_scalar(Scalar { tag: Tag::Implicit, style, text: value }),
        };
        self.document.set_offset(node, start);
        self.set_tag(node, tag);
        Ok(node)
    }

    fn text_node(&mut self, start: usize, tag: Tag, style: Style, text: &str) -> NodeId {
        let node = self.document.new_scalar(Scalar { tag, style, text });
        self.document.set_offset(node, start);
        node
    }

    /// Version 2 settles types at once, and booleans and numbers lose their spelling.
    fn scalar_v2(&mut self, start: usize, tag: Option<&str>, value: &str, style: Style) -> Result<NodeId, ParseError> {
        let is_plain = tag == Some("!") || tag.is_none() && style == Style::Plain;
        let written = tag.filter(|tag| *tag != "!").map(known_tag);
        let meaning = match written {
            None if is_plain && value == "<<" => return Ok(self.text_node(start, Tag::Merge, style, value)),
            None if is_plain => resolve::plain(Dialect::V2, value),
            Some(tag @ (Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp)) => {
                resolve::tagged(Dialect::V2, tag, value)
                    .ok_or_else(|| self.problem(start, "the tag does not fit the text"))?
            }
            Some(Tag::Binary) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(value).ok();
                let bytes = bytes.ok_or_else(|| self.problem(start, "!!binary value contains invalid base64 data"))?;
                return Ok(self.text_node(start, Tag::Str, style, &String::from_utf8_lossy(&bytes)));
            }
            Some(Tag::Merge) => return Ok(self.text_node(start, Tag::Merge, style, value)),
            _ => Plain::Str,
        };
        let (tag, style, text) = settle::scalar(meaning, style, value);
        Ok(self.text_node(start, tag, style, &text))
    }

    fn set_tag(&mut self, node: NodeId, tag: Option<&str>) {
        let Some(tag) = tag.filter(|tag| *tag != "!") else { return };
        match known_tag(tag) {
            Tag::Custom => self.document.set_custom_tag(node, tag),
            known => self.document.set_tag(node, known),
        }
        self.document.set_tagged(node);
    }

    fn check_depth(&self, start: usize, depth: usize) -> Result<(), ParseError> {
        if depth > self.limits.depth {
            return Err(self.limit(start, "levels of nesting", self.limits.depth));
        }
        Ok(())
    }

    fn limit(&self, offset: usize, what: &'static str, limit: usize) -> ParseError {
        ParseError::Limit { at: position(&self.source.text, offset), what, limit }
    }

    fn problem(&self, offset: usize, problem: &'static str) -> ParseError {
        ParseError::Syntax { at: position(&self.source.text, offset), problem }
    }
}

fn known_tag(tag: &str) -> Tag {
    match tag.strip_prefix(LONG_TAG_PREFIX).unwrap_or_default() {
        "null" => Tag::Null,
        "bool" => Tag::Bool,
        "int" => Tag::Int,
        "float" => Tag::Float,
        "str" => Tag::Str,
        "timestamp" => Tag::Timestamp,
        "binary" => Tag::Binary,
        "merge" => Tag::Merge,
        "map" => Tag::Map,
        "seq" => Tag::Seq,
        _ => Tag::Custom,
    }
}

/// go-yaml's rule: of a small document nearly all nodes may come from
/// aliases, of one with millions of nodes a tenth.
fn is_excessive(of_aliases: usize, nodes: usize) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let allowed = 0.99 - 0.89 * ((nodes as f64).clamp(LOW, HIGH) - LOW) / (HIGH - LOW);
    of_aliases > 100 && nodes > 1000 && of_aliases as f64 / nodes as f64 > allowed
}
