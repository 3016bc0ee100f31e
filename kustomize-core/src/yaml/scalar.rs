//! What a scalar of a document ends up as after kustomize has written it with
//! yaml.v3, read it back and turned it into JSON.

use std::borrow::Cow;

use base64::Engine as _;

use super::error::EmitError;
use super::resolve::{self, Dialect, Plain};
use super::{Document, NodeId, Style, Tag};
use super::{folded, number, print};

/// A scalar of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(Cow<'a, str>),
}

/// The final value of a scalar. `in_flow` is whether a collection around it is written in flow style.
pub(crate) fn meaning(doc: &Document, id: NodeId, in_flow: bool) -> Result<Meaning<'_>, EmitError> {
    let text = doc.text(id);
    let plain = match (doc.raw_tag(id), doc.style(id)) {
        // yaml.v3 writes quotes there.
        (Tag::Implicit | Tag::Null, Style::Plain) if text.is_empty() && in_flow && !doc.is_tagged(id) => Plain::Str,
        (Tag::Implicit, Style::Plain) => resolve::plain(Dialect::V3, text),
        (Tag::Implicit | Tag::Str, Style::Folded) if !in_flow => return folded(doc, id),
        (Tag::Implicit | Tag::Str, Style::Literal) if text.starts_with('\t') && !in_flow => return literal(doc, id),
        (Tag::Str, Style::Plain) if text.starts_with('\t') && text.contains('\n') && !in_flow => {
            return literal(doc, id);
        }
        (Tag::Implicit | Tag::Str, _) => Plain::Str,
        (tag, _) => return tagged(doc, id, tag, in_flow),
    };
    let plain = if is_quoted_in_flow(text, plain, in_flow) { Plain::Str } else { plain };
    from_plain(doc, id, plain)
}

/// An error if kustomize cannot print the key. At the root, where Go decodes
/// into a map of strings, it is taken by its text; below it must be a string.
pub(crate) fn check_key(doc: &Document, key: NodeId, is_root: bool) -> Result<(), EmitError> {
    match doc.tag(key) {
        Tag::Str | Tag::Merge => Ok(()),
        // yaml.v3 writes an empty key in quotes.
        Tag::Null if doc.text(key).is_empty() && !doc.is_tagged(key) => Ok(()),
        _ if is_root && doc.is_scalar(key) => match meaning(doc, key, false) {
            // As a text it can be printed.
            Ok(_) | Err(EmitError::Number { .. }) => Ok(()),
            Err(misfit) => Err(misfit),
        },
        _ => Err(EmitError::Key { line: doc.line(key), text: doc.text(key).to_owned() }),
    }
}

/// An error if two entries that follow each other have the same key.
pub(crate) fn reject_repeated_keys(doc: &Document, sorted: &[(NodeId, NodeId)]) -> Result<(), EmitError> {
    match sorted.windows(2).find(|pair| doc.text(pair[0].0) == doc.text(pair[1].0)) {
        None => Ok(()),
        Some(pair) => {
            let key = pair[1].0;
            Err(EmitError::DuplicateKey { line: doc.line(key), text: doc.text(key).to_owned() })
        }
    }
}

/// yaml.v3 writes text in double quotes instead that a block can't hold.
fn folded(doc: &Document, id: NodeId) -> Result<Meaning<'_>, EmitError> {
    let text = doc.text(id);
    if !text.contains('\n') || !print::is_block_allowed(text) {
        return Ok(Meaning::Str(text.into()));
    }
    let read = folded::round_trip(text).ok_or_else(|| misfit(doc, id, Tag::Str))?;
    Ok(Meaning::Str(read.into()))
}

/// yaml.v3 gives no indentation for a block whose text begins with a tab, and
/// then cannot read it.
fn literal(doc: &Document, id: NodeId) -> Result<Meaning<'_>, EmitError> {
    let text = doc.text(id);
    if print::is_block_allowed(text) {
        return Err(misfit(doc, id, Tag::Str));
    }
    Ok(Meaning::Str(text.into()))
}

/// Of what is no string only a time has characters for which yaml.v3 puts
/// quotes around it inside a flow collection.
fn is_quoted_in_flow(text: &str, plain: Plain, in_flow: bool) -> bool {
    in_flow && matches!(plain, Plain::Timestamp(_)) && text.contains(':')
}

fn tagged(doc: &Document, id: NodeId, tag: Tag, in_flow: bool) -> Result<Meaning<'_>, EmitError> {
    let (text, style) = (doc.text(id), doc.style(id));
    match tag {
        Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp => {
            // A tag that nobody wrote out is left out where the text says the same,
            // and then quotes make it a string.
            let plain = resolve::tagged(Dialect::V3, tag, text).ok_or_else(|| misfit(doc, id, tag))?;
            let is_quoted = style != Style::Plain || is_quoted_in_flow(text, plain, in_flow);
            if !doc.is_tagged(id) && is_quoted && resolve::tag(text) == tag {
                return Ok(Meaning::Str(text.into()));
            }
            from_plain(doc, id, plain)
        }
        Tag::Binary => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.replace(['\r', '\n'], ""));
            let bytes = bytes.map_err(|_| misfit(doc, id, tag))?;
            Ok(Meaning::Str(String::from_utf8_lossy(&bytes).into_owned().into()))
        }
        _ => Ok(Meaning::Str(text.into())),
    }
}

fn from_plain(doc: &Document, id: NodeId, plain: Plain) -> Result<Meaning<'_>, EmitError> {
    let number = || EmitError::Number { line: doc.line(id), text: doc.text(id).to_owned() };
    Ok(match plain {
        Plain::Null => Meaning::Null,
        Plain::Bool(value) => Meaning::Bool(value),
        Plain::Int(value) => Meaning::Int(value),
        Plain::Uint(value) => Meaning::Uint(value),
        Plain::Float(value) if value.is_finite() => Meaning::Float(value),
        Plain::Float(_) => return Err(number()),
        Plain::Timestamp(value) if value.is_printable() => Meaning::Str(value.to_string().into()),
        Plain::Timestamp(_) => return Err(number()),
        Plain::Str => Meaning::Str(doc.text(id).into()),
    })
}

fn misfit(doc: &Document, id: NodeId, tag: Tag) -> EmitError {
    let tag = match tag {
        Tag::Null => "null",
        Tag::Bool => "a boolean",
        Tag::Int => "an integer",
        Tag::Float => "a float",
        Tag::Timestamp => "a timestamp",
        Tag::Str => "a block scalar",
        _ => "base64 text",
    };
    let text = doc.text(id);
    let start = text.char_indices().nth(40).map_or(text, |(at, _)| &text[..at]);
    EmitError::Tag { line: doc.line(id), text: start.to_owned(), tag }
}

/// A float as it comes out of the JSON step, which makes integers of round ones.
pub(crate) fn float_text(value: f64) -> String {
    let Some(json) = number::json(value) else { return number::general(value) };
    match resolve::plain(Dialect::V2, &json) {
        Plain::Int(int) => int.to_string(),
        Plain::Uint(int) => int.to_string(),
        _ => number::general(value),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Limits, SourceText, emit, parse};

    /// What kustomize prints for the fields of a manifest.
    fn printed(text: &str) -> Result<String, EmitError> {
        let documents = parse(Arc::new(SourceText { text: text.to_owned() }), &Limits::new()).expect("valid YAML");
        let mut out = Vec::new();
        emit(&documents[0], documents[0].root(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn flow_collections_change_what_a_scalar_is() {
        assert_eq!(printed("a: {b: }").as_deref(), Ok("a:\n  b: \"\"\n"));
        assert_eq!(printed("a: [2001-1-1 1:2:3]").as_deref(), Ok("a:\n- \"2001-1-1 1:2:3\"\n"));
        assert_eq!(printed("a: [2001-1-1]").as_deref(), Ok("a:\n- \"2001-01-01T00:00:00Z\"\n"));
        assert_eq!(printed("a:\n- 2001-1-1 1:2:3").as_deref(), Ok("a:\n- \"2001-01-01T01:02:03Z\"\n"));
    }

    #[test]
    fn tags_hold_where_they_were_written_out() {
        assert_eq!(
            printed("a: !!int \"5\"\nb: !!str 5\nc: !!float 3\nd: !x 1").as_deref(),
            Ok("a: 5\nb: \"5\"\nc: 3\nd: \"1\"\n")
        );
        assert!(matches!(printed("a: !!int x"), Err(EmitError::Tag { line: Some(1), .. })));
    }

    #[test]
    fn what_json_has_not_is_an_error() {
        assert!(matches!(printed("a: 1\nb: .inf"), Err(EmitError::Number { line: Some(2), .. })));
        assert!(matches!(printed("a: {1: x}"), Err(EmitError::Key { .. })));
        assert!(matches!(printed("a: \"\\u0080\""), Err(EmitError::Character { .. })));
        assert_eq!(printed("1: x").as_deref(), Ok("\"1\": x\n"));
    }
}
