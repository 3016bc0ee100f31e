//! Tags are settled as go-yaml v2 does it, which reads kustomization files.

use std::borrow::Cow;

use super::resolve::{self, Dialect, Plain};
use super::{Document, NodeId, Scalar, Style, Tag, number};

/// What the fast parser read, as version 2 has it; `None` if that takes more
/// than settling tags, which is left to the complete parser.
pub(super) fn settled(mut doc: Document) -> Option<Document> {
    let root = doc.root();
    settle(&mut doc, root)?;
    Some(doc)
}

/// The fast parser bounds how deep this goes.
fn settle(doc: &mut Document, id: NodeId) -> Option<()> {
    if doc.is_scalar(id) {
        return settle_scalar(doc, id);
    }
    let is_mapping = doc.is_mapping(id);
    let (mut next, mut is_key) = (doc.first_child(id), is_mapping);
    while let Some(child) = next {
        settle(doc, child)?;
        if is_key && doc.raw_tag(child) != Tag::Str {
            return None;
        }
        is_key = is_mapping && !is_key;
        next = doc.next_sibling(child);
    }
    Some(())
}

fn settle_scalar(doc: &mut Document, id: NodeId) -> Option<()> {
    if doc.style(id) != Style::Plain || doc.is_word(id) {
        doc.set_tag(id, Tag::Str);
        return Some(());
    }
    let text = doc.text(id);
    if text == "<<" {
        return None;
    }
    match scalar(resolve::plain(Dialect::V2, text), Style::Plain, text) {
        (tag, _, Cow::Borrowed(_)) => doc.set_tag(id, tag),
        (tag, style, Cow::Owned(text)) => {
            let offset = doc.offset(id)?;
            doc.set_scalar(id, Scalar { tag, style, text: &text });
            doc.set_offset(id, offset);
        }
    }
    Some(())
}

/// Tag, style and text of a scalar: booleans and numbers lose their spelling.
pub(super) fn scalar(meaning: Plain, style: Style, text: &str) -> (Tag, Style, Cow<'_, str>) {
    let plain = |tag, text: String| (tag, Style::Plain, Cow::Owned(text));
    match meaning {
        Plain::Null => (Tag::Null, style, text.into()),
        Plain::Bool(value) => plain(Tag::Bool, value.to_string()),
        Plain::Int(int) => plain(Tag::Int, int.to_string()),
        Plain::Uint(int) => plain(Tag::Int, int.to_string()),
        // As `-0` it would be read as an integer, which has no sign.
        Plain::Float(float) if float == 0.0 && float.is_sign_negative() => plain(Tag::Float, "-0.0".to_owned()),
        Plain::Float(float) => plain(Tag::Float, number::general(float)),
        Plain::Timestamp(_) | Plain::Str => (Tag::Str, style, text.into()),
    }
}
