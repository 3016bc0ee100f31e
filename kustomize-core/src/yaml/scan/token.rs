//! What the scanner hands to the parser.

use std::ops::Range;

use crate::yaml::Style;

/// A piece of YAML text and where it stands in the source, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The tokens of libyaml; the stream's start needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    StreamEnd,
    VersionDirective { major: u32, minor: u32 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: Text, style: Style },
}

/// The text of a scalar: as it stands in the source, or put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    Span(Range<usize>),
    Owned(String),
}

impl Text {
    pub(crate) fn as_str<'a>(&'a self, source: &'a str) -> &'a str {
        match self {
            Self::Span(range) => &source[range.clone()],
            Self::Owned(text) => text,
        }
    }
}

/// What is wrong with the text, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) offset: usize,
    pub(crate) problem: &'static str,
}
