//! Printing a document as yaml.v3 prints kyaml's nodes: in order and in the
//! style it has, indented by two.

use super::document::Children;
use super::print::{Place, Printer};
use super::{Document, Kind, NodeId, Style, Tag, resolve};

/// The node as `RNode.String()` of kyaml gives it, without comments.
pub(crate) fn emit_v3(doc: &Document, id: NodeId) -> String {
    let mut out = Vec::new();
    let mut emitter = Emitter { doc, printer: Printer::unfolded(&mut out), open: Vec::new() };
    emitter.node(id, Place::Value);
    while let Some(frame) = emitter.open.last_mut() {
        let is_first = std::mem::take(&mut frame.is_first);
        match frame.children.next() {
            None => emitter.close(),
            Some(item) if !frame.is_mapping => emitter.item(item, is_first),
            Some(key) => {
                let value = frame.children.next();
                emitter.key(key, is_first);
                if let Some(value) = value {
                    emitter.node(value, Place::Value);
                }
            }
        }
    }
    emitter.printer.end_line();
    String::from_utf8_lossy(&out).into_owned()
}

/// A collection that is being printed.
struct Frame<'a> {
    children: Children<'a>,
    is_mapping: bool,
    is_flow: bool,
    is_first: bool,
    outer_indent: Option<usize>,
}

struct Emitter<'a, 'o> {
    doc: &'a Document,
    printer: Printer<'o>,
    /// From the root inwards; on the heap, so that depth costs no stack.
    open: Vec<Frame<'a>>,
}

impl Emitter<'_, '_> {
    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.is_flow)
    }

    fn node(&mut self, id: NodeId, place: Place) {
        if self.doc.is_scalar(id) {
            return self.scalar(id, place);
        }
        if self.doc.is_tagged(id) {
            self.tag(id);
        }
        let is_mapping = self.doc.kind(id) == Kind::Mapping;
        let is_flow = self.in_flow() || self.doc.is_flow(id) || self.doc.is_empty(id);
        let outer_indent = self.printer.indent;
        if is_flow {
            self.printer.open_flow(if is_mapping { '{' } else { '[' });
        } else {
            let is_value = self.open.last().is_some_and(|frame| frame.is_mapping);
            self.printer.indent_for_collection(!is_mapping && is_value && !self.printer.indention);
        }
        let children = self.doc.children(id);
        self.open.push(Frame { children, is_mapping, is_flow, is_first: true, outer_indent });
    }

    fn close(&mut self) {
        let Some(frame) = self.open.pop() else { return };
        self.printer.indent = frame.outer_indent;
        if frame.is_flow {
            self.printer.close_flow(if frame.is_mapping { '}' } else { ']' });
        }
    }

    fn item(&mut self, item: NodeId, is_first: bool) {
        if self.in_flow() {
            self.separate(is_first);
        } else {
            self.printer.start_line();
            self.printer.dash();
        }
        self.node(item, Place::Value);
    }

    fn key(&mut self, key: NodeId, is_first: bool) {
        let in_flow = self.in_flow();
        if in_flow {
            self.separate(is_first);
        } else {
            self.printer.start_line();
        }
        if self.is_simple_key(key) {
            self.node(key, Place::SimpleKey);
            return self.printer.colon();
        }
        self.printer.question_mark();
        self.node(key, Place::Value);
        if in_flow {
            return self.printer.colon();
        }
        self.printer.start_line();
        self.printer.colon_after_long_key();
    }

    fn is_simple_key(&self, key: NodeId) -> bool {
        let text = self.doc.text(key);
        text.len() <= 128 && !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
    }

    fn separate(&mut self, is_first: bool) {
        if !is_first {
            self.printer.comma();
        }
    }

    fn scalar(&mut self, id: NodeId, place: Place) {
        let (text, style) = (self.doc.text(id), self.doc.style(id));
        if self.needs_tag(id) {
            self.tag(id);
        }
        let style = match (self.doc.raw_tag(id), style) {
            (_, Style::Plain) if text.contains('\n') => Style::Literal,
            (Tag::Str, Style::Plain) if !self.doc.is_tagged(id) && resolve::tag_of_value(text) != Tag::Str => {
                Style::DoubleQuoted
            }
            (_, style) => style,
        };
        self.printer.styled(text, style, place, self.in_flow());
    }

    /// Whether the tag must be written for the scalar to be read back the same.
    fn needs_tag(&self, id: NodeId) -> bool {
        match self.doc.raw_tag(id) {
            _ if self.doc.is_tagged(id) => true,
            Tag::Implicit => self.doc.style(id) == Style::Plain && self.doc.text(id) == "<<",
            Tag::Str => false,
            tag => tag != resolve::tag_of_value(self.doc.text(id)),
        }
    }

    fn tag(&mut self, id: NodeId) {
        let name = match self.doc.tag(id) {
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Timestamp => "!!timestamp",
            Tag::Binary => "!!binary",
            Tag::Merge => "!!merge",
            Tag::Map => "!!map",
            Tag::Seq => "!!seq",
            Tag::Str | Tag::Implicit => "!!str",
            Tag::Custom => return self.custom_tag(id),
        };
        self.printer.word(name);
    }

    fn custom_tag(&mut self, id: NodeId) {
        let tag = self.doc.custom_tag(id).unwrap_or("!");
        if let Some(short) = tag.strip_prefix("tag:yaml.org,2002:") {
            self.printer.word(&format!("!!{short}"));
        } else if tag.starts_with('!') {
            self.printer.word(tag);
        } else {
            self.printer.word(&format!("!<{tag}>"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Limits, SourceText, parse};

    /// What is printed as it was written.
    const STABLE: &[&str] = &[
        "b: 1\na: \"x\"\n",
        "a: {b: 1, c: [x, 'y', \"z\"]}\nd: []\ne: {}\n",
        "a:\n- b: 1\n  c: 2\n- - d\n  - e\n",
        "a: |\n  one\n  two\nb: |-\n  x\nc: >-\n  folded\n",
        "a: ~\nb: null\nc:\nd: ''\n",
        "a: 0x10\nb: 1_000\nc: yes\nd: 2001-01-01\n",
        "a: !!int \"5\"\nb: !foo x\nc: !!map {d: 1}\n",
        "? |-\n  a\n  b\n: c\n",
        "- 1\n- \"2\"\n",
        "just text\n",
    ];

    fn print(text: &str) -> String {
        let documents = parse(Arc::new(SourceText { text: text.to_owned() }), &Limits::new()).expect("valid YAML");
        emit_v3(&documents[0], documents[0].root())
    }

    #[test]
    fn order_and_style_stay() {
        for text in STABLE {
            assert_eq!(print(text), *text);
        }
    }

    #[test]
    fn indentation_and_spacing_are_normalised() {
        assert_eq!(print("a:\n    - b:   1\n      c: 2 # x\n    -   d\n"), "a:\n- b: 1\n  c: 2\n- d\n");
        assert_eq!(print("a: {b: , c}\n"), "a: {b: '', c: ''}\n");
    }

    #[test]
    fn a_tag_that_a_setter_left_is_written() {
        let documents = parse(Arc::new(SourceText { text: "a: 1\nb: \"1\"\nc: x\n".to_owned() }), &Limits::new());
        let mut doc = documents.expect("valid YAML").remove(0);
        for (key, text) in [("a", "x"), ("b", "2"), ("c", "3")] {
            let id = doc.get(doc.root(), key).expect("the key");
            doc.set_text(id, text);
        }
        assert_eq!(emit_v3(&doc, doc.root()), "a: !!int x\nb: \"2\"\nc: \"3\"\n");
    }
}
