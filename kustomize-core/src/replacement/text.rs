//! YAML and JSON documents that are the text of a field.

use std::sync::Arc;

use super::follow::{Finder, Found, PathError, lookup_one};
use super::keys::Keys;
use super::path::{FieldPath, Part};
use super::value::Value;
use crate::yaml::{self, Document, EmitError, Kind, Limits, NodeId, Presentation, SourceText, json};

/// Parses the first document in the text of a field.
pub(super) fn parse(text: &str, element: &str) -> Result<Document, PathError> {
    let nothing =
        || PathError::WrongKind { element: element.to_owned(), expected: "a document", found: "an empty text" };
    let source = Arc::new(SourceText { text: text.to_owned() });
    match yaml::parse_text(source, &Limits::new()) {
        Ok(document) => document.ok_or_else(nothing),
        Err(source) => Err(PathError::Text { element: element.to_owned(), source }),
    }
}

/// What [`set`] did.
pub(super) enum Outcome {
    Written,
    /// Nothing, but the first `depth` elements of the path are keys that lead
    /// to `node`, so that nobody has to look for them again.
    Unchanged {
        node: NodeId,
        depth: usize,
    },
}

/// Writes into the document that is the text of the first single value on the
/// way, if there is one: `data.config\.json.port` sets `port` in the JSON.
/// Where that does not fit, the path is to be followed in the resource itself.
pub(super) fn set(doc: &mut Document, path: &FieldPath, value: &Value, create: Option<Kind>) -> Outcome {
    let from_root = Outcome::Unchanged { node: doc.root(), depth: 0 };
    match walk(doc, path) {
        Walk::Keys { node, depth } => Outcome::Unchanged { node, depth },
        Walk::Other => from_root,
        Walk::Text { node, depth } => match changed(doc.text(node), &path.parts()[depth..], value, create) {
            Some(text) => {
                doc.set_text(node, &text);
                Outcome::Written
            }
            None => from_root,
        },
    }
}

/// What is on the way to the last element of a path.
enum Walk {
    /// A single value after `depth` elements.
    Text {
        node: NodeId,
        depth: usize,
    },
    /// Only keys, of which the first `depth` are there.
    Keys {
        node: NodeId,
        depth: usize,
    },
    Other,
}

fn walk(doc: &Document, path: &FieldPath) -> Walk {
    let (mut node, mut keys) = (doc.root(), None);
    let parts = path.parts();
    for (index, part) in parts.iter().enumerate().take(parts.len().saturating_sub(1)) {
        if keys.is_none() && !part.is_key() {
            keys = Some(Walk::Other);
        }
        match lookup_one(doc, node, part) {
            Ok(Some(next)) if doc.is_scalar(next) => return Walk::Text { node: next, depth: index + 1 },
            Ok(Some(next)) => node = next,
            Ok(None) | Err(_) => return keys.unwrap_or(Walk::Keys { node, depth: index }),
        }
    }
    keys.unwrap_or(Walk::Keys { node, depth: parts.len().saturating_sub(1) })
}

fn changed(text: &str, rest: &[Part], value: &Value, create: Option<Kind>) -> Option<String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let (mut inner, mut presentation) = match is_json {
        true => (parse(text, "").ok()?, Presentation::default()),
        false => parse_yaml(text)?,
    };
    let root = inner.root();
    let mut keys = Keys::default();
    let mut finder = Finder { doc: &mut inner, create, keys: &mut keys, found: Vec::new() };
    finder.follow(root, rest).ok()?;
    let found = finder.found;
    if found.is_empty() {
        return None;
    }
    for target in found {
        if let Found::Node(node) = target {
            if inner.is_scalar(node) && !presentation.is_alias(node) {
                value.put(&mut inner, node);
            } else {
                presentation.forget(node);
                value.replace(&mut inner, node);
            }
        }
    }
    match is_json {
        true => json_like(text, &inner).ok(),
        false => Some(yaml::emit_v3_as_written(&inner, &presentation).trim().to_owned()),
    }
}

/// Comments, anchors and aliases are kept if there are any.
fn parse_yaml(text: &str) -> Option<(Document, Presentation)> {
    if !text.contains(['#', '&', '*'])
        && let Ok(document) = parse(text, "")
    {
        return Some((document, Presentation::default()));
    }
    let source = Arc::new(SourceText { text: text.to_owned() });
    yaml::parse_text_as_written(source, &Limits::new()).ok()?
}

/// JSON, indented or not as the text was.
fn json_like(text: &str, inner: &Document) -> Result<String, EmitError> {
    let is_indented = text.contains('\n') && text.contains("  ");
    if is_indented { json::write_go_pretty(inner, inner.root()) } else { json::write_go(inner, inner.root(), true) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Scalar, Style};

    fn replaced(text: &str, path: &str, create: bool) -> Option<String> {
        let mut doc = Document::new(Arc::default());
        let root = doc.root();
        doc.set_value(root, "text", Scalar { style: Style::Literal, ..Scalar::string(text) });
        let create = create.then_some(Kind::Scalar);
        let done = set(&mut doc, &FieldPath::new(path), &Value::text("new"), create);
        matches!(done, Outcome::Written).then(|| doc.get_text(root, "text").expect("still there").to_owned())
    }

    #[test]
    fn the_form_of_the_text_is_kept() {
        for (text, expected) in [
            (r#"{"b": {"x": "1"}, "a": "<"}"#, r#"{"a":"\u003c","b":{"x":"new"}}"#),
            ("{\n  \"b\": {\n    \"x\": \"old\"\n  }\n}", "{\n  \"b\": {\n    \"x\": \"new\"\n  }\n}"),
            ("z: 1\nb:\n    x: old\n", "z: 1\nb:\n  x: new"),
            ("# what\nb:   # why\n    x: old # how\n", "# what\nb: # why\n  x: new # how"),
            ("b: {x: [old]} # here\n# stays\n", "b: {x: new} # here\n\n# stays"),
            ("a: &a x\nb:\n  x: *a # gone\n", "a: &a x\nb:\n  x: new"),
            ("b:\n  x: old\n  x: 2\n", "b:\n  x: new\n  x: 2"),
        ] {
            assert_eq!(replaced(text, "text.b.x", false).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_resource() {
        assert_eq!(replaced("b: {}", "text.b.x", false), None);
        assert_eq!(replaced("b: {}", "text.b.x", true).as_deref(), Some("b: {x: new}"));
        assert_eq!(replaced("just words", "text.b", true), None);
        assert_eq!(replaced("a: [", "text.a", true), None);
        assert_eq!(replaced("", "text.a", true), None);
        assert_eq!(replaced("a: 1", "text", false), None);
        // A number keeps its type, and `!!int new` cannot be written as JSON.
        assert_eq!(replaced(r#"{"a": 1}"#, "text.a", false), None);
    }
}
