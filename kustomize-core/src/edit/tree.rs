//! A YAML file as values with the bytes they stand on.

use std::ops::Range;

use serde_json::{Map, Value};

use super::EditError;
use super::scalar;
use crate::yaml::{self, Collection, Event, EventKind, Events, Style};

/// Deeper nesting is refused; a kustomization needs ten levels at most.
const MAX_DEPTH: usize = 100;

/// More values that aliases stand for are refused; each takes memory of its own.
const MAX_ALIASED: usize = 100_000;

/// A node and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// From the first to behind the last byte of the content, without
    /// trailing white space and comments.
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Scalar {
        value: Value,
        style: Style,
    },
    Mapping {
        entries: Vec<(Node, Node)>,
        flow: bool,
    },
    Sequence {
        items: Vec<Node>,
        flow: bool,
    },
    /// `*anchor`, with the value it stands for.
    Alias {
        value: Value,
    },
}

impl Node {
    /// What the node means, as kustomize reads a kustomization file.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar { value, .. } | Content::Alias { value } => value.clone(),
            Content::Mapping { entries, .. } => {
                let pairs = entries.iter().map(|(key, value)| (key.key_text(), value.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
            Content::Sequence { items, .. } => items.iter().map(Node::value).collect(),
        }
    }

    /// The text of a mapping's key; a number or boolean as it would be written.
    pub(super) fn key_text(&self) -> String {
        match &self.content {
            Content::Scalar { value: Value::String(text), .. } => text.clone(),
            _ => self.value().to_string(),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { value: Value::Null, .. })
    }

    /// The entry of this key in a mapping.
    pub(super) fn entry(&self, name: &str) -> Option<&(Node, Node)> {
        match &self.content {
            Content::Mapping { entries, .. } => entries.iter().find(|(key, _)| key.key_text() == name),
            _ => None,
        }
    }
}

/// Parses the only document of `text`; `None` if it holds nothing but comments.
pub(super) fn parse(text: &str) -> Result<Option<Node>, EditError> {
    let mut builder = Builder { text, events: Events::new(text, 0, text.len()), anchors: Vec::new(), aliased: 0 };
    let mut root = None;
    loop {
        let event = builder.next()?;
        match event.kind {
            EventKind::StreamEnd => return Ok(root),
            EventKind::DocumentStart | EventKind::DocumentEnd => {}
            _ if root.is_some() => {
                let node = builder.node(event, 0)?;
                // A lone `---` at the end begins a document without content.
                if !node.is_null() {
                    return Err(EditError::SecondDocument { line: builder.line_of(node.span.start) });
                }
            }
            _ => {
                let node = builder.node(event, 0)?;
                root = (!node.is_null()).then_some(node);
            }
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    events: Events<'a>,
    anchors: Vec<(String, Value)>,
    /// How many values the aliases so far stand for.
    aliased: usize,
}

/// The value and those inside it.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

impl Builder<'_> {
    fn next(&mut self) -> Result<Event, EditError> {
        let text = self.text;
        self.events.next().map_err(|error| EditError::Syntax {
            line: yaml::position(text, error.offset).line,
            problem: error.problem,
        })
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node, EditError> {
        let start = event.start;
        if depth > MAX_DEPTH {
            return Err(EditError::TooDeep { line: self.line_of(start), limit: MAX_DEPTH });
        }
        let (node, anchor) = match event.kind {
            EventKind::Alias(anchor) => {
                let value = self.anchored(anchor, start)?;
                (Node { span: start..self.events.end(), content: Content::Alias { value } }, None)
            }
            EventKind::Scalar { anchor, tag, text, style } => {
                let text = text.as_str(self.text);
                let is_written = anchor.is_some() || tag.is_some() || style != Style::Plain || !text.is_empty();
                let end = if is_written { self.scalar_end(start, style) } else { start };
                let value = scalar::value(text, style == Style::Plain, tag.as_deref());
                (Node { span: start..end, content: Content::Scalar { value, style } }, anchor)
            }
            EventKind::SequenceStart(Collection { anchor, is_flow, .. }) => {
                (self.sequence(start, is_flow, depth)?, anchor)
            }
            EventKind::MappingStart(Collection { anchor, is_flow, .. }) => {
                (self.mapping(start, is_flow, depth)?, anchor)
            }
            _ => return Err(EditError::Syntax { line: self.line_of(start), problem: "a node is missing" }),
        };
        if let Some(anchor) = anchor {
            self.anchors.push((anchor, node.value()));
        }
        Ok(node)
    }

    /// What an alias stands for.
    fn anchored(&mut self, anchor: String, start: usize) -> Result<Value, EditError> {
        let line = || yaml::position(self.text, start).line;
        let Some((_, value)) = self.anchors.iter().rev().find(|(name, _)| *name == anchor) else {
            return Err(EditError::UnknownAlias { line: line(), anchor });
        };
        self.aliased += count(value);
        if self.aliased > MAX_ALIASED {
            return Err(EditError::ExcessiveAliasing { line: line(), limit: MAX_ALIASED });
        }
        Ok(value.clone())
    }

    fn sequence(&mut self, start: usize, flow: bool, depth: usize) -> Result<Node, EditError> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if event.kind == EventKind::SequenceEnd {
                let block_end = items.last().map_or(start, |item: &Node| item.span.end);
                let end = if flow { self.events.end() } else { block_end };
                return Ok(Node { span: start..end, content: Content::Sequence { items, flow } });
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    fn mapping(&mut self, start: usize, flow: bool, depth: usize) -> Result<Node, EditError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        loop {
            let event = self.next()?;
            if event.kind == EventKind::MappingEnd {
                let block_end = entries.last().map_or(start, |(_, value)| value.span.end);
                let end = if flow { self.events.end() } else { block_end };
                return Ok(Node { span: start..end, content: Content::Mapping { entries, flow } });
            }
            let key = self.node(event, depth + 1)?;
            let name = key.key_text();
            if entries.iter().any(|(other, _)| other.key_text() == name) {
                return Err(EditError::DuplicateKey { line: self.line_of(key.span.start), key: name });
            }
            let event = self.next()?;
            let mut value = self.node(event, depth + 1)?;
            if value.span.is_empty() {
                // Nothing is written: stand right behind the colon.
                let colon = self.text[key.span.end..].find(':').map_or(key.span.end, |at| key.span.end + at + 1);
                value.span = colon..colon;
            }
            entries.push((key, value));
        }
    }

    /// A block scalar ends behind the blank lines that follow; those are nobody's
    /// unless it says that it keeps them.
    fn scalar_end(&self, start: usize, style: Style) -> usize {
        let written = self.text.get(start..self.events.end()).unwrap_or_default();
        let block = matches!(style, Style::Literal | Style::Folded);
        let keeps_blank_lines = block && written.lines().next().is_some_and(|header| header.contains('+'));
        if keeps_blank_lines {
            start + written.trim_end_matches(' ').strip_suffix('\n').unwrap_or(written).len()
        } else {
            start + written.trim_end().len()
        }
    }

    fn line_of(&self, offset: usize) -> usize {
        yaml::position(self.text, offset).line
    }
}
