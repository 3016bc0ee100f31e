//! Where one document ends and the next begins, as kustomize decides it
//! before its parser sees any of it.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::error::{ParseError, Position};

/// The documents of a file without their separators: lines that begin with `---`.
///
/// A separator at the very start of the text stays part of its document, and
/// a document that the parser finds inside another (after `...`) is ignored,
/// both as in kustomize's `ByteReader`.
pub(crate) fn documents(text: &str) -> Result<Vec<Range<usize>>, ParseError> {
    let separator = memmem::Finder::new("\n---");
    let (mut found, mut start, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = separator.find(&text.as_bytes()[from..]).map(|at| from + at) {
        let Some(length) = memchr(b'\n', &text.as_bytes()[at + 1..]) else { break };
        let line = &text[at + 1..at + 1 + length];
        let rest = line[3..].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            let line_number = 1 + text[..=at].matches('\n').count();
            let at = Position { line: line_number, column: 1 };
            return Err(ParseError::Separator { at, separator: line.trim().to_owned() });
        }
        found.push(start..at + 1);
        start = at + 1 + length + 1;
        from = start;
    }
    found.push(start..text.len());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        documents(text).expect("no error").into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn separators_need_a_line_before_and_an_end() {
        assert_eq!(split("---\na: 1\n--- # x\nb: 2\n---"), ["---\na: 1\n", "b: 2\n---"]);
        assert_eq!(split("a: 1\n---\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn a_separator_with_content_is_an_error() {
        let error = documents("a: 1\n--- b\n").expect_err("content");
        assert_eq!(error.to_string(), "line 2, column 1: invalid document separator \"--- b\"");
    }
}
