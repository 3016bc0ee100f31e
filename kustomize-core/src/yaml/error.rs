//! What can be wrong with YAML text, and with a document that is to be printed.

use std::fmt;

use thiserror::Error;

/// A place in a file; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text could not be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The text is not YAML.
    #[error("{at}: {problem}")]
    #[non_exhaustive]
    Syntax {
        /// Where it was noticed.
        at: Position,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The bytes are neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("{at}: invalid {encoding}")]
    #[non_exhaustive]
    Encoding {
        /// The first byte that is wrong.
        at: Position,
        /// The encoding it was taken for.
        encoding: &'static str,
    },
    /// A character that YAML does not allow unless it is escaped.
    #[error("{at}: control character U+{character:04X} is not allowed")]
    #[non_exhaustive]
    ControlCharacter {
        /// Where it stands.
        at: Position,
        /// Its code point.
        character: u32,
    },
    /// Something other than a comment follows `---` on its line.
    #[error("{at}: invalid document separator {separator:?}")]
    #[non_exhaustive]
    Separator {
        /// The line of the separator.
        at: Position,
        /// The line.
        separator: String,
    },
    /// A mapping has the same key twice.
    #[error("{at}: mapping key {key:?} is already defined at {first}")]
    #[non_exhaustive]
    DuplicateKey {
        /// The second key.
        at: Position,
        /// The first key.
        first: Position,
        /// The key.
        key: String,
    },
    /// A mapping has a mapping or a sequence as a key.
    #[error("{at}: a mapping key must be a scalar")]
    #[non_exhaustive]
    ComplexKey {
        /// The key.
        at: Position,
    },
    /// A mapping has `~` or `null` as a key, which kustomize takes for a duplicate of itself.
    #[error("{at}: a mapping key must not be null")]
    #[non_exhaustive]
    NullKey {
        /// The key.
        at: Position,
    },
    /// An alias of an anchor that is not defined before it.
    #[error("{at}: unknown anchor {anchor:?} referenced")]
    #[non_exhaustive]
    UnknownAnchor {
        /// The alias.
        at: Position,
        /// The anchor's name.
        anchor: String,
    },
    /// An alias of a node inside that node.
    #[error("{at}: anchor {anchor:?} contains itself")]
    #[non_exhaustive]
    RecursiveAnchor {
        /// The alias.
        at: Position,
        /// The anchor's name.
        anchor: String,
    },
    /// The value of a merge key (`<<`) is not one or more mappings.
    #[error("{at}: {problem}")]
    #[non_exhaustive]
    Merge {
        /// The value, or the second merge key.
        at: Position,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Aliases make the document much larger than its text.
    #[error("{at}: document contains excessive aliasing")]
    #[non_exhaustive]
    ExcessiveAliasing {
        /// The alias that went too far.
        at: Position,
    },
    /// The text exceeds one of the [`Limits`](super::Limits).
    #[error("{at}: more than {limit} {what}")]
    #[non_exhaustive]
    Limit {
        /// Where it went over the limit.
        at: Position,
        /// The unit of the limit: `levels of nesting`, `nodes`, `bytes`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Why a document could not be printed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A number that JSON cannot say: `.inf` or `.nan`.
    #[error("{}number {text:?} cannot be written as JSON", Place(*.line))]
    #[non_exhaustive]
    Number {
        /// The 1-based line it came from, if it came from a file.
        line: Option<usize>,
        /// The number as it was written.
        text: String,
    },
    /// A key of a mapping below the root that is not a string.
    #[error("{}mapping key {text:?} is not a string", Place(*.line))]
    #[non_exhaustive]
    Key {
        /// The 1-based line it came from, if it came from a file.
        line: Option<usize>,
        /// The key as it was written.
        text: String,
    },
    /// A scalar whose tag does not fit its text.
    #[error("{}cannot read {text:?} as {tag}", Place(*.line))]
    #[non_exhaustive]
    Tag {
        /// The 1-based line it came from, if it came from a file.
        line: Option<usize>,
        /// The beginning of the text.
        text: String,
        /// What it should be.
        tag: &'static str,
    },
    /// A mapping has the same key twice.
    #[error("{}mapping key {text:?} is defined twice", Place(*.line))]
    #[non_exhaustive]
    DuplicateKey {
        /// The 1-based line it came from, if it came from a file.
        line: Option<usize>,
        /// The key.
        text: String,
    },
    /// Text that kustomize cannot carry through its JSON step.
    #[error("{}text contains U+{character:04X}, which kustomize cannot print", Place(*.line))]
    #[non_exhaustive]
    Character {
        /// The 1-based line it came from, if it came from a file.
        line: Option<usize>,
        /// The code point.
        character: u32,
    },
}

/// `line 3: ` where a line is known.
struct Place(Option<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, "line {line}: "))
    }
}
