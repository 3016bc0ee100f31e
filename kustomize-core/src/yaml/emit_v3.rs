//! Printing a document as yaml.v3 prints kyaml's nodes: in order and in the
//! style it has, indented by two.

mod comments;

use comments::CommentPrinter;

use super::document::Children;
use super::presentation::Presentation;
use super::print::{Place, Printer};
use super::{Document, Kind, NodeId, Style, Tag, resolve};

/// The node as `RNode.String()` of kyaml gives it, without comments.
pub(crate) fn emit_v3(doc: &Document, id: NodeId) -> String {
    emitted(doc, id, None)
}

/// The document with its comments, anchors and aliases.
pub(crate) fn emit_v3_as_written(doc: &Document, presentation: &Presentation) -> String {
    emitted(doc, doc.root(), Some(presentation))
}

fn emitted(doc: &Document, id: NodeId, presentation: Option<&Presentation>) -> String {
    let mut out = Vec::new();
    let comments = presentation.map(CommentPrinter::new);
    let mut emitter = Emitter { doc, printer: Printer::unfolded(&mut out), open: Vec::new(), presentation, comments };
    emitter.begin_document();
    emitter.root(id);
    while let Some(frame) = emitter.open.last_mut() {
        let is_first = std::mem::take(&mut frame.is_first);
        match frame.children.next() {
            None => emitter.close(is_first),
            Some(item) if !frame.is_mapping => emitter.item(item, is_first),
            Some(key) => {
                let value = frame.children.next();
                emitter.key(key, is_first);
                if let Some(value) = value {
                    emitter.value(value);
                }
            }
        }
    }
    emitter.end_document();
    emitter.printer.end_line();
    String::from_utf8_lossy(&out).into_owned()
}

/// A collection that is being printed.
struct Frame<'a> {
    id: NodeId,
    children: Children<'a>,
    is_mapping: bool,
    is_flow: bool,
    is_first: bool,
    outer_indent: Option<usize>,
    /// The comma behind the last item of a flow collection is there already, before a comment.
    has_comma: bool,
    /// The comment below the last key's value.
    tail: String,
}

struct Emitter<'a, 'o> {
    doc: &'a Document,
    printer: Printer<'o>,
    /// From the root inwards; on the heap, so that depth costs no stack.
    open: Vec<Frame<'a>>,
    presentation: Option<&'a Presentation>,
    comments: Option<CommentPrinter<'a>>,
}

impl Emitter<'_, '_> {
    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.is_flow)
    }

    fn root(&mut self, id: NodeId) {
        self.note_comments(id);
        self.head_comment();
        self.node(id, Place::Value);
    }

    fn node(&mut self, id: NodeId, place: Place) {
        if self.doc.is_scalar(id) {
            self.scalar(id, place);
            if place == Place::Value {
                self.comma_before_comment();
                self.comments_behind();
            }
            return;
        }
        self.anchor(id);
        if self.doc.is_tagged(id) {
            self.tag(id);
        }
        self.comments_behind();
        self.open(id);
    }

    fn open(&mut self, id: NodeId) {
        let is_mapping = self.doc.kind(id) == Kind::Mapping;
        let is_flow = self.in_flow() || self.doc.is_flow(id) || self.doc.is_empty(id);
        let outer_indent = self.printer.indent;
        if is_flow {
            self.printer.open_flow(if is_mapping { '{' } else { '[' });
            if self.comments.is_some() {
                self.printer.indent = Some(outer_indent.unwrap_or(0) + 2);
            }
        } else {
            let is_value = self.open.last().is_some_and(|frame| frame.is_mapping);
            let is_below_key = !self.printer.indention || self.printer.is_at_line_start();
            self.printer.indent_for_collection(!is_mapping && is_value && is_below_key);
        }
        let (children, has_comma, tail) = (self.doc.children(id), false, String::new());
        self.open.push(Frame { id, children, is_mapping, is_flow, is_first: true, outer_indent, has_comma, tail });
    }

    fn close(&mut self, is_empty: bool) {
        self.comments_of_end(is_empty);
        let Some(frame) = self.open.pop() else { return };
        self.printer.indent = frame.outer_indent;
        if !frame.is_flow {
            return;
        }
        if !frame.is_mapping && self.comments.is_some() && self.printer.is_at_line_start() {
            self.start_line();
        }
        self.printer.close_flow(if frame.is_mapping { '}' } else { ']' });
        self.comments_behind();
    }

    fn anchor(&mut self, id: NodeId) {
        if let Some(name) = self.presentation.and_then(|presentation| presentation.anchor(id)) {
            self.printer.word(format!("&{name}"));
        }
    }

    fn start_line(&mut self) {
        match &mut self.comments {
            Some(comments) => comments.start_line(&mut self.printer),
            None => self.printer.start_line(),
        }
    }

    fn item(&mut self, item: NodeId, is_first: bool) {
        self.note_comments(item);
        if self.in_flow() {
            self.separate(is_first);
        } else {
            self.head_comment();
            self.start_line();
            self.printer.dash();
        }
        self.node(item, Place::Value);
    }

    fn key(&mut self, key: NodeId, is_first: bool) {
        let in_flow = self.in_flow();
        self.note_key_comments(key);
        if in_flow {
            self.separate(is_first);
        } else {
            self.head_comment();
            self.start_line();
            self.keep_key_comment();
        }
        if self.is_simple_key(key) {
            self.node(key, Place::SimpleKey);
            return self.printer.colon();
        }
        self.printer.question_mark();
        self.scalar(key, Place::Value);
        if in_flow {
            return self.printer.colon();
        }
        self.start_line();
        self.printer.colon_after_long_key();
    }

    fn value(&mut self, value: NodeId) {
        self.note_comments(value);
        self.comment_behind_key(value);
        self.node(value, Place::Value);
    }

    fn is_simple_key(&self, key: NodeId) -> bool {
        let text = self.doc.text(key);
        text.len() <= 128 && !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
    }

    fn separate(&mut self, is_first: bool) {
        let has_comma = self.open.last_mut().is_some_and(|frame| std::mem::take(&mut frame.has_comma));
        if !is_first && !has_comma {
            self.printer.comma();
        }
        self.head_comment();
        if self.comments.is_some() && self.printer.is_at_line_start() {
            self.start_line();
        }
    }

    fn scalar(&mut self, id: NodeId, place: Place) {
        let (text, style) = (self.doc.text(id), self.doc.style(id));
        if self.presentation.is_some_and(|presentation| presentation.is_alias(id)) {
            return self.printer.word(format!("*{text}"));
        }
        self.anchor(id);
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
        if let Some(comments) = &mut self.comments {
            std::mem::swap(&mut comments.line, &mut self.printer.header_comment);
        }
        self.printer.styled(text, style, place, self.in_flow());
        if let Some(comments) = &mut self.comments {
            // No block scalar took it.
            comments.line = std::mem::take(&mut self.printer.header_comment);
        }
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
            self.printer.word(format!("!!{short}"));
        } else if tag.starts_with('!') {
            self.printer.word(tag);
        } else {
            self.printer.word(format!("!<{tag}>"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Limits, SourceText, parse, parse_text_as_written};

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

    /// What is printed as it was written, comments included.
    const COMMENTED: &[&str] = &[
        "# of all\n\n# of a\na: 1 # one\n# below a\n\n# of b\nb: 2\n\n# at the end\n",
        "a: # of a\n  # of b\n  b: 1 # one\n  # below b\n\n  c: 2\n# below a\n\nd: e\n",
        "a: # of a\n# of x\n- x # one\n# of y\n- y\n# of d\nd: e\n",
        "- # of a\n  a: 1\n- # of x\n  - x\n",
        "a: | # of a\n  # no comment\n  text\nb: >- # of b\n  text\n",
        "a: [b, c] # of a\nd: {e: f} # of d\n",
        "a: [b, # of b\n  c, # of c\n]\n",
        "a: &x 1\nb: *x # an alias\nc: &y\n  d: 1\ne:\n  !!merge <<: *y\n  f: 2\ng: &z [*x]\n",
        "a: 1\na: 2 # again\nnull: 3\n",
    ];

    fn print_as_written(text: &str) -> String {
        let source = Arc::new(SourceText { text: text.to_owned() });
        let (doc, presentation) = parse_text_as_written(source, &Limits::new()).expect("valid").expect("a document");
        emit_v3_as_written(&doc, &presentation)
    }

    #[test]
    fn comments_and_aliases_stay() {
        for text in COMMENTED.iter().chain(STABLE) {
            assert_eq!(print_as_written(text), *text);
        }
        let text = "   # of a\na:    1   # one\n\n\n\n# of b\nb: 2\n# below\n";
        assert_eq!(print_as_written(text), "# of a\na: 1 # one\n# of b\nb: 2\n# below\n");
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
