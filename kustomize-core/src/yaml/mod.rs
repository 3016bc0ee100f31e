//! YAML as kustomize reads and prints it.

#[cfg(test)]
mod corpus_tests;
mod decode;
pub(crate) mod document;
mod emit;
mod emit_v3;
mod error;
mod events;
#[cfg(test)]
mod events_tests;
mod folded;
mod from_serde;
pub(crate) mod json;
mod limits;
mod merge;
mod natural;
pub(crate) mod number;
mod parse_fast;
mod parse_full;
mod presentation;
mod print;
pub(crate) mod resolve;
#[cfg(test)]
mod round_trip_tests;
mod scalar;
mod scan;
mod settle;
mod split;
mod timestamp;
mod to_serde;

use std::ops::Range;
use std::sync::Arc;

pub(crate) use decode::decode;
use document::Room;
pub(crate) use document::{Children, Document, Kind, NodeId, Scalar, SourceText, Style, Tag};
pub(crate) use emit::{Open, emit, emit_in};
pub(crate) use emit_v3::{emit_v3, emit_v3_as_written};
pub use error::{EmitError, ParseError, Position};
pub(crate) use events::{Collection, Event, EventKind, Events};
pub(crate) use from_serde::{Numbers, node as from_serde};
pub use limits::Limits;
use memchr::memmem;
pub(crate) use parse_full::position;
pub(crate) use presentation::Presentation;
use resolve::Dialect;
pub(crate) use to_serde::Value as SerdeValue;

use crate::threads::Threads;

/// Reads the documents of a manifest file as kustomize's `ByteReader` does:
/// separated first, then parsed one by one as go-yaml v3 does, anchors expanded.
/// Empty documents are left out.
pub(crate) fn parse(source: Arc<SourceText>, limits: &Limits) -> Result<Vec<Document>, ParseError> {
    parse_each(Threads::ONE, source, limits, std::convert::identity)
}

/// As [`parse`], several documents at a time, with a first look at each.
pub(crate) fn parse_each<T: Send>(
    threads: Threads,
    source: Arc<SourceText>,
    limits: &Limits,
    look: impl Fn(Document) -> T + Sync,
) -> Result<Vec<T>, ParseError> {
    check_size(&source, limits)?;
    let source = with_unix_line_ends(source);
    let ranges = split::documents(&source.text)?;
    let parts = threads.ranges(ranges.len(), |part| {
        let (mut found, mut room) = (Vec::with_capacity(part.len()), Room::default());
        for range in &ranges[part] {
            let document = parse_document(&source, range.clone(), limits, &mut room)?;
            found.extend(document.filter(|document| !document.is_null(document.root())).map(&look));
        }
        Ok(found)
    });
    let mut parts = parts.into_iter();
    let mut found = parts.next().transpose()?.unwrap_or_default();
    for part in parts {
        found.append(&mut part?);
    }
    Ok(found)
}

fn parse_document(
    source: &Arc<SourceText>,
    range: Range<usize>,
    limits: &Limits,
    room: &mut Room,
) -> Result<Option<Document>, ParseError> {
    match parse_fast::parse(source, range.clone(), limits, room) {
        Some(document) => Ok(Some(document)),
        None => parse_full::parse(source, range, Dialect::V3, limits),
    }
}

/// Reads the first document in the text of a field, as go-yaml v3 does; `None` if there is none.
pub(crate) fn parse_text(source: Arc<SourceText>, limits: &Limits) -> Result<Option<Document>, ParseError> {
    check_size(&source, limits)?;
    let range = 0..source.text.len();
    parse_document(&source, range, limits, &mut Room::default())
}

/// As [`parse_text`], but as the text is written, with comments, anchors and aliases.
pub(crate) fn parse_text_as_written(
    source: Arc<SourceText>,
    limits: &Limits,
) -> Result<Option<(Document, Presentation)>, ParseError> {
    check_size(&source, limits)?;
    parse_full::parse_as_written(&source, limits)
}

/// Reads the first document of a kustomization file as sigs.k8s.io/yaml does
/// with go-yaml v2. All tags are settled and all keys are strings. A file
/// without a document is a null.
pub(crate) fn parse_v2(source: Arc<SourceText>, limits: &Limits) -> Result<Document, ParseError> {
    check_size(&source, limits)?;
    match parse_fast::parse_only(&source, limits).and_then(settle::settled) {
        Some(document) => Ok(document),
        None => {
            let document = parse_full::parse(&source, 0..source.text.len(), Dialect::V2, limits)?;
            Ok(document.unwrap_or_else(|| null_document(source)))
        }
    }
}

/// What was printed, as text. Everything printed is UTF-8; nothing is copied unless that should not hold.
pub(crate) fn printed_text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn null_document(source: Arc<SourceText>) -> Document {
    let mut document = Document::new(source);
    let null = document.new_scalar(Scalar { tag: Tag::Null, style: Style::Plain, text: "" });
    document.set_root(null);
    document
}

fn with_unix_line_ends(source: Arc<SourceText>) -> Arc<SourceText> {
    if memmem::find(source.text.as_bytes(), b"\r\n").is_some() {
        return Arc::new(SourceText { text: source.text.replace("\r\n", "\n") });
    }
    source
}

fn check_size(source: &SourceText, limits: &Limits) -> Result<(), ParseError> {
    let limit = limits.bytes.min(i32::MAX as usize);
    if source.text.len() > limit {
        return Err(ParseError::Limit { at: Position { line: 1, column: 1 }, what: "bytes", limit });
    }
    Ok(())
}
