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
        (tag, style) => return tagged(doc, id, tag, style),
    };
    from_plain(doc, id, plain)
}

/// Whether an entry of a mapping is still there at the end. At the root, where
/// Go decodes into a map of strings, a null key is dropped and any other taken
/// by its text; below it a key must be a string.
pub(crate) fn is_key_kept(doc: &Document, key: NodeId, is_root: bool) -> Result<bool, EmitError> {
    match doc.tag(key) {
        Tag::Str | Tag::Merge => Ok(true),
        // yaml.v3 writes an empty key in quotes.
        Tag::Null if doc.text(key).is_empty() && !doc.is_tagged(key) => Ok(true),
        Tag::Null if is_root => Ok(false),
        _ if is_root && doc.is_scalar(key) => Ok(true),
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

fn tagged(doc: &Document, id: NodeId, tag: Tag, style: Style) -> Result<Meaning<'_>, EmitError> {
    let text = doc.text(id);
    match tag {
        Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp => {
            // A tag that nobody wrote out is left out where the text says the same,
            // and then quotes make it a string.
            if !doc.is_tagged(id) && style != Style::Plain && resolve::tag(text) == tag {
                return Ok(Meaning::Str(text.into()));
            }
            let plain = resolve::tagged(Dialect::V3, tag, text).ok_or_else(|| misfit(doc, id, tag))?;
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
        Tag::Bool => "boolean",
        Tag::Int => "integer",
        Tag::Float => "float",
        Tag::Timestamp => "timestamp",
        Tag::Str => "block scalar",
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
