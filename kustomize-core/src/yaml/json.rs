//! JSON as Go writes and reads it.

use super::document::Children;
use super::error::EmitError;
use super::scalar::{self, Meaning};
use super::{Document, Kind, NodeId, from_serde, natural};

/// The JSON of a node as Go's `json.Marshal` writes it for kustomize: keys in
/// byte order, and `<`, `>`, `&` escaped if `escape_html`.
///
/// # Errors
///
/// As [`emit`](super::emit): what JSON cannot say.
pub(crate) fn write_go(doc: &Document, id: NodeId, escape_html: bool) -> Result<String, EmitError> {
    write(doc, id, Format { escape_html, pretty: false })
}

/// As Go's `json.MarshalIndent` with two spaces.
pub(crate) fn write_go_pretty(doc: &Document, id: NodeId) -> Result<String, EmitError> {
    write(doc, id, Format { escape_html: true, pretty: true })
}

/// Reads JSON into a document, to be put where it belongs by the caller.
///
/// The result is what kustomize gets when it decodes JSON into a Go map and
/// that into YAML nodes: keys are in order, numbers are 64-bit floats.
pub(crate) fn read(text: &str, doc: &mut Document) -> Result<NodeId, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let id = from_serde::node(&mut json, doc, from_serde::Numbers::Floats)?;
    json.end()?;
    Ok(id)
}

#[derive(Clone, Copy)]
struct Format {
    escape_html: bool,
    pretty: bool,
}

enum Frame<'a> {
    Mapping { entries: std::vec::IntoIter<(NodeId, NodeId)>, is_first: bool, in_flow: bool },
    Sequence { items: Children<'a>, is_first: bool, in_flow: bool },
}

struct Writer<'a> {
    doc: &'a Document,
    format: Format,
    out: String,
    /// From the root inwards; on the heap, so that depth costs no stack.
    open: Vec<Frame<'a>>,
}

fn write(doc: &Document, id: NodeId, format: Format) -> Result<String, EmitError> {
    let mut writer = Writer { doc, format, out: String::new(), open: Vec::new() };
    writer.node(id)?;
    while let Some(frame) = writer.open.last_mut() {
        match frame {
            Frame::Mapping { entries, is_first, .. } => match entries.next() {
                Some((key, value)) => {
                    let is_first = std::mem::take(is_first);
                    writer.separate(is_first);
                    let key = writer.doc.text(key);
                    write_string(&mut writer.out, key, format.escape_html);
                    writer.out.push_str(if format.pretty { ": " } else { ":" });
                    writer.node(value)?;
                }
                None => writer.close('}'),
            },
            Frame::Sequence { items, is_first, .. } => match items.next() {
                Some(item) => {
                    let is_first = std::mem::take(is_first);
                    writer.separate(is_first);
                    writer.node(item)?;
                }
                None => writer.close(']'),
            },
        }
    }
    Ok(writer.out)
}

impl Writer<'_> {
    fn node(&mut self, id: NodeId) -> Result<(), EmitError> {
        let outer_flow = match self.open.last() {
            Some(Frame::Mapping { in_flow, .. } | Frame::Sequence { in_flow, .. }) => *in_flow,
            None => false,
        };
        let in_flow = outer_flow || self.doc.is_flow(id);
        match self.doc.kind(id) {
            Kind::Scalar => return self.scalar(id, outer_flow),
            Kind::Sequence => {
                self.out.push('[');
                self.open.push(Frame::Sequence { items: self.doc.items(id), is_first: true, in_flow });
            }
            Kind::Mapping => {
                self.out.push('{');
                let entries = self.sorted_entries(id)?.into_iter();
                self.open.push(Frame::Mapping { entries, is_first: true, in_flow });
            }
        }
        Ok(())
    }

    fn sorted_entries(&self, id: NodeId) -> Result<Vec<(NodeId, NodeId)>, EmitError> {
        let mut entries = Vec::new();
        for (key, value) in self.doc.entries(id) {
            scalar::check_key(self.doc, key, self.open.is_empty())?;
            entries.push((key, value));
        }
        entries.sort_by(|a, b| self.doc.text(a.0).cmp(self.doc.text(b.0)));
        scalar::reject_repeated_keys(self.doc, &entries)?;
        Ok(entries)
    }

    fn separate(&mut self, is_first: bool) {
        if !is_first {
            self.out.push(',');
        }
        self.new_line(self.open.len());
    }

    fn close(&mut self, bracket: char) {
        let is_empty = match self.open.pop() {
            Some(Frame::Mapping { is_first, .. } | Frame::Sequence { is_first, .. }) => is_first,
            None => true,
        };
        if !is_empty {
            self.new_line(self.open.len());
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if self.format.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn scalar(&mut self, id: NodeId, in_flow: bool) -> Result<(), EmitError> {
        match scalar::meaning(self.doc, id, in_flow)? {
            Meaning::Null => self.out.push_str("null"),
            Meaning::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Meaning::Int(value) => self.out.push_str(&value.to_string()),
            Meaning::Uint(value) => self.out.push_str(&value.to_string()),
            Meaning::Float(value) => self.out.push_str(&super::number::json(value).unwrap_or_default()),
            Meaning::Str(text) => write_string(&mut self.out, &text, self.format.escape_html),
        }
        Ok(())
    }
}

/// Appends a string of JSON as Go's `encoding/json` writes it.
pub(crate) fn write_string(out: &mut String, text: &str, escape_html: bool) {
    out.push('"');
    let mut written = 0;
    for (at, character) in text.char_indices() {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x08' => "\\b",
            '\x0c' => "\\f",
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => "",
            '<' | '>' | '&' if escape_html => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        written = at + character.len_utf8();
        match short {
            "" => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            short => out.push_str(short),
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// Sorts the keys of a mapping as Go's YAML encoder does with a map.
pub(crate) fn sort_keys(doc: &mut Document, map: NodeId) {
    let mut entries: Vec<(NodeId, NodeId)> = doc.entries(map).collect();
    natural::sort_by(&mut entries, |a, b| natural::compare(doc.text(a.0), doc.text(b.0)));
    let children: Vec<NodeId> = entries.into_iter().flat_map(|(key, value)| [key, value]).collect();
    doc.set_children(map, &children);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Limits, SourceText, emit, parse};

    fn document(text: &str) -> Document {
        let documents = parse(Arc::new(SourceText { text: text.to_owned() }), &Limits::new()).expect("valid YAML");
        documents.into_iter().next().expect("one document")
    }

    #[test]
    fn keys_are_sorted_and_html_escaped_on_request() {
        let doc = document("b: <a>&\na: [1.0, 1e21, ~, true, '0644', 0644]\nc: {}\nd: []\n");
        assert_eq!(
            write_go(&doc, doc.root(), true).as_deref(),
            Ok(r#"{"a":[1,1e+21,null,true,"0644",420],"b":"\u003ca\u003e\u0026","c":{},"d":[]}"#)
        );
        assert_eq!(write_go(&doc, doc.get(doc.root(), "b").expect("b"), false).as_deref(), Ok("\"<a>&\""));
    }

    #[test]
    fn pretty_json_is_indented_by_two() {
        let doc = document("a: [1, {b: c}]\nd: {}\n");
        let pretty = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"c\"\n    }\n  ],\n  \"d\": {}\n}";
        assert_eq!(write_go_pretty(&doc, doc.root()).as_deref(), Ok(pretty));
    }

    #[test]
    fn control_characters_are_escaped_as_go_does() {
        let mut out = String::new();
        write_string(&mut out, "a\x01\x08\x0c\u{2028}\x7f\"\\", true);
        assert_eq!(out, "\"a\\u0001\\b\\f\\u2028\x7f\\\"\\\\\"");
    }

    #[test]
    fn numbers_are_read_as_floats() {
        let mut doc = Document::new(Arc::default());
        let json = r#"{"b10": 9007199254740993, "b9": 1.0, "a": "yes", "c": "x\ny", "n": null, "l": [1e400]}"#;
        assert!(read(json, &mut doc).is_err(), "out of range");
        let root = read(&json.replace("1e400", "5"), &mut doc).expect("valid JSON");
        let mut out = Vec::new();
        emit(&doc, root, &mut out).expect("printable");
        let expected = "a: \"yes\"\nb9: 1\nb10: 9007199254740992\nc: |-\n  x\n  y\nl:\n- 5\n\"n\": null\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
