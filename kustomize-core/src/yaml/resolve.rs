//! From a scalar's text to its type, as go-yaml v3 does it for resources.

use super::Tag;

/// The tag that a plain scalar of this text resolves to.
pub(crate) fn tag(text: &str) -> Tag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Tag::Bool,
        _ => Tag::Str,
    }
}
