//! The value that a replacement copies.

use super::follow::Found;
use crate::kustomization::FieldOptions;
use crate::yaml::{Document, Kind, NodeId, Scalar};

/// A copy of the source's field.
#[derive(Debug, Clone)]
pub(super) struct Value {
    doc: Document,
    node: NodeId,
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        let mut doc = Document::sourceless();
        let node = doc.new_scalar(Scalar::plain(text));
        Self { doc, node }
    }

    pub(super) fn of(source: &Document, node: NodeId) -> Self {
        let mut doc = Document::new(std::sync::Arc::clone(source.source()));
        let node = doc.copy_from(source, node);
        Self { doc, node }
    }

    pub(super) fn kind(&self) -> Kind {
        self.doc.kind(self.node)
    }

    /// The text of a single value.
    pub(super) fn scalar(&self) -> Option<&str> {
        self.doc.is_scalar(self.node).then(|| self.doc.text(self.node))
    }

    /// The text; empty for a null and for a collection.
    fn as_text(&self) -> &str {
        if self.doc.is_null(self.node) { "" } else { self.doc.text(self.node) }
    }

    /// The part of the text that the options of a source choose.
    pub(super) fn part(mut self, options: &FieldOptions) -> Result<Self, PartError> {
        if options.delimiter.is_empty() {
            return Ok(self);
        }
        if self.kind() != Kind::Scalar {
            return Err(PartError::NotText);
        }
        let text = self.as_text();
        let part = usize::try_from(options.index).ok().and_then(|index| text.split(&options.delimiter).nth(index));
        let part =
            part.ok_or_else(|| PartError::OutOfBounds { index: options.index, text: text.to_owned() })?.to_owned();
        self.doc.set_text(self.node, &part);
        Ok(self)
    }

    /// Makes `node` this value; of a single value only the text, so that it
    /// keeps its type and style.
    pub(super) fn put(&self, doc: &mut Document, node: NodeId) {
        if doc.is_scalar(node) {
            put_text(doc, node, self.doc.text(self.node));
        } else {
            self.replace(doc, node);
        }
    }

    /// Puts a copy of this value, whatever it is, in the place of `node`.
    pub(super) fn replace(&self, doc: &mut Document, node: NodeId) {
        let copy = doc.copy_from(&self.doc, self.node);
        doc.replace(node, copy);
    }

    /// Writes the value to what a target's path leads to.
    pub(super) fn write(&self, doc: &mut Document, target: Found, options: &FieldOptions) -> Result<(), PartError> {
        let is_scalar = match target {
            Found::Node(node) => doc.is_scalar(node),
            Found::InText { is_scalar } => is_scalar,
        };
        if !options.delimiter.is_empty() && !is_scalar {
            return Err(PartError::NotText);
        }
        let Found::Node(node) = target else { return Ok(()) };
        if options.delimiter.is_empty() {
            self.put(doc, node);
        } else {
            let text = joined(doc.text(node), self.as_text(), options);
            put_text(doc, node, &text);
        }
        Ok(())
    }
}

/// Gives a single value this text.
pub(super) fn put_text(doc: &mut Document, node: NodeId, text: &str) {
    if doc.text(node) != text {
        doc.set_text(node, text);
    }
}

/// `text` with the part at the options' index replaced; a negative index
/// stands for before the first part, one that is too large for after the last.
fn joined(text: &str, value: &str, options: &FieldOptions) -> String {
    let mut parts: Vec<&str> = text.split(&options.delimiter).collect();
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, value),
        Ok(index) => match parts.get_mut(index) {
            Some(part) => *part = value,
            None => parts.push(value),
        },
    }
    parts.join(&options.delimiter)
}

/// Why a part of a text cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// Only a text has parts.
    #[error("a delimiter is given, but the field is not a single value")]
    NotText,
    /// There is no such part.
    #[error("`{text}` has no part {index}")]
    OutOfBounds {
        /// The options' index, 0-based.
        index: i64,
        /// The source's text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(index: i64) -> FieldOptions {
        FieldOptions { delimiter: ":".into(), index, ..FieldOptions::default() }
    }

    #[test]
    fn a_part_is_taken_by_index() {
        let part = |index| Value::text("nginx:1.2").part(&options(index)).map(|value| value.as_text().to_owned());
        assert_eq!(part(1).as_deref(), Ok("1.2"));
        for index in [-1, 2] {
            assert_eq!(part(index), Err(PartError::OutOfBounds { index, text: "nginx:1.2".into() }));
        }
    }

    #[test]
    fn a_part_is_put_in_place_before_or_after() {
        for (index, expected) in [(0, "x:b"), (1, "a:x"), (2, "a:b:x"), (9, "a:b:x"), (-3, "x:a:b")] {
            assert_eq!(joined("a:b", "x", &options(index)), expected);
        }
    }
}
