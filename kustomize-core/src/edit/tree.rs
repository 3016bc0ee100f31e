//! A YAML file as values with the bytes they stand on.

use std::ops::Range;

use libyaml_safer::{EventData, MappingStyle, Mark, Parser, ScalarStyle, SequenceStyle};
use serde_json::{Map, Value};

use super::EditError;
use super::scalar;
use crate::yaml::Input;

type Events<'a> = Parser<&'a [u8]>;

/// Deeper nesting is refused; a kustomization needs ten levels at most.
const MAX_DEPTH: usize = 100;

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
        style: ScalarStyle,
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
    let mut builder = Builder { text, lines: line_starts(text), anchors: Vec::new() };
    let input = Input::new(text);
    let mut parser = Parser::new();
    parser.set_input(input.text.as_bytes());
    let mut root = None;
    loop {
        let event = builder.next(&mut parser)?;
        match event.data {
            EventData::StreamEnd => return Ok(root),
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } | EventData::DocumentEnd { .. } => {}
            _ if root.is_some() => {
                let node = builder.node(&mut parser, event, 0)?;
                // A lone `---` at the end begins a document without content.
                if !node.is_null() {
                    return Err(EditError::SecondDocument { line: builder.line_of(node.span.start) });
                }
            }
            _ => {
                let node = builder.node(&mut parser, event, 0)?;
                root = (!node.is_null()).then_some(node);
            }
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    anchors: Vec<(String, Value)>,
}

impl Builder<'_> {
    fn next(&self, parser: &mut Events<'_>) -> Result<libyaml_safer::Event, EditError> {
        parser.parse().map_err(|error| EditError::Syntax {
            line: error.problem_mark().map_or(1, |mark| mark.line as usize + 1),
            source: Box::new(error),
        })
    }

    fn node(&mut self, parser: &mut Events<'_>, event: libyaml_safer::Event, depth: usize) -> Result<Node, EditError> {
        let start = self.offset(event.start_mark);
        if depth > MAX_DEPTH {
            return Err(EditError::TooDeep { line: self.line_of(start), limit: MAX_DEPTH });
        }
        let (node, anchor) = match event.data {
            EventData::Alias { anchor } => {
                let known = self.anchors.iter().rev().find(|(name, _)| *name == anchor);
                let value = known.map(|(_, value)| value.clone());
                let value = value.ok_or(EditError::UnknownAlias { line: self.line_of(start), anchor })?;
                (Node { span: start..self.offset(event.end_mark), content: Content::Alias { value } }, None)
            }
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let end = self.scalar_end(start, self.offset(event.end_mark), style);
                let value = scalar::value(&value, style == ScalarStyle::Plain, tag.as_deref());
                (Node { span: start..end, content: Content::Scalar { value, style } }, anchor)
            }
            EventData::SequenceStart { anchor, style, .. } => {
                let flow = style == SequenceStyle::Flow;
                (self.sequence(parser, start, flow, depth)?, anchor)
            }
            EventData::MappingStart { anchor, style, .. } => {
                let flow = style == MappingStyle::Flow;
                (self.mapping(parser, start, flow, depth)?, anchor)
            }
            _ => unreachable!("the parser nests its events"),
        };
        if let Some(anchor) = anchor {
            self.anchors.push((anchor, node.value()));
        }
        Ok(node)
    }

    fn sequence(&mut self, parser: &mut Events<'_>, start: usize, flow: bool, depth: usize) -> Result<Node, EditError> {
        let mut items = Vec::new();
        loop {
            let event = self.next(parser)?;
            if matches!(event.data, EventData::SequenceEnd) {
                let block_end = items.last().map_or(start, |item: &Node| item.span.end);
                let end = if flow { self.offset(event.end_mark) } else { block_end };
                return Ok(Node { span: start..end, content: Content::Sequence { items, flow } });
            }
            items.push(self.node(parser, event, depth + 1)?);
        }
    }

    fn mapping(&mut self, parser: &mut Events<'_>, start: usize, flow: bool, depth: usize) -> Result<Node, EditError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        loop {
            let event = self.next(parser)?;
            if matches!(event.data, EventData::MappingEnd) {
                let block_end = entries.last().map_or(start, |(_, value)| value.span.end);
                let end = if flow { self.offset(event.end_mark) } else { block_end };
                return Ok(Node { span: start..end, content: Content::Mapping { entries, flow } });
            }
            let key = self.node(parser, event, depth + 1)?;
            let name = key.key_text();
            if entries.iter().any(|(other, _)| other.key_text() == name) {
                return Err(EditError::DuplicateKey { line: self.line_of(key.span.start), key: name });
            }
            let event = self.next(parser)?;
            let mut value = self.node(parser, event, depth + 1)?;
            if value.is_null() && value.span.is_empty() {
                // Nothing is written: stand right behind the colon.
                let colon = self.text[key.span.end..].find(':').map_or(key.span.end, |at| key.span.end + at + 1);
                value.span = colon..colon;
            }
            entries.push((key, value));
        }
    }

    /// libyaml lets block scalars end behind the blank lines that follow.
    fn scalar_end(&self, start: usize, end: usize, style: ScalarStyle) -> usize {
        let written = &self.text[start..end.max(start)];
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let keeps_blank_lines = block && written.lines().next().is_some_and(|header| header.contains('+'));
        match (block, keeps_blank_lines) {
            (true, true) => start + written.trim_end_matches(' ').strip_suffix('\n').unwrap_or(written).len(),
            _ => start + written.trim_end().len(),
        }
    }

    /// A mark counts characters within lines; a splice needs bytes.
    fn offset(&self, mark: Mark) -> usize {
        let start = self.lines.get(mark.line as usize).copied().unwrap_or(self.text.len());
        let rest = &self.text[start..];
        start + rest.char_indices().nth(mark.column as usize).map_or(rest.len(), |(at, _)| at)
    }

    fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }
}

/// Where each line starts, by libyaml's idea of a line break.
fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = at + char.len_utf8();
        match char {
            '\r' if matches!(chars.peek(), Some((_, '\n'))) => {}
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => starts.push(next),
            _ => {}
        }
    }
    starts
}
