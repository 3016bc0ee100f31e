//! From a file's bytes to its text.

use std::sync::Arc;

use super::error::{ParseError, Position};
use super::{Limits, SourceText};

/// The text of a YAML file: UTF-8, or UTF-16 with a byte order mark.
pub(crate) fn decode(bytes: Vec<u8>, limits: &Limits) -> Result<Arc<SourceText>, ParseError> {
    if bytes.len() > limits.bytes {
        let at = Position { line: 1, column: 1 };
        return Err(ParseError::Limit { at, what: "bytes", limit: limits.bytes });
    }
    let text = match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, "UTF-16LE")?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, "UTF-16BE")?,
        _ => utf8(bytes)?,
    };
    Ok(Arc::new(SourceText { text }))
}

fn utf8(bytes: Vec<u8>) -> Result<String, ParseError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ParseError::Encoding { at: end(&String::from_utf8_lossy(valid)), encoding: "UTF-8" }
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, encoding: &'static str) -> Result<String, ParseError> {
    let (units, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        text.push(decoded.map_err(|_| ParseError::Encoding { at: end(&text), encoding })?);
    }
    if rest.is_empty() { Ok(text) } else { Err(ParseError::Encoding { at: end(&text), encoding }) }
}

/// The place after the text.
fn end(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: 1 + text.matches('\n').count(), column: 1 + last.chars().count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        decode(bytes.to_vec(), &Limits::new()).map(|source| source.text.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn encodings_are_told_by_their_mark() {
        assert_eq!(text("a: é\n".as_bytes()).as_deref(), Ok("a: é\n"));
        assert_eq!(text(b"\xff\xfea\0:\0").as_deref(), Ok("a:"));
        assert_eq!(text(b"\xfe\xff\0a\0:").as_deref(), Ok("a:"));
        assert_eq!(text(b"a\n b\xff").unwrap_err(), "line 2, column 3: invalid UTF-8");
        assert!(text(b"\xff\xfe\x00\xd8").is_err() && text(b"\xff\xfea").is_err());
    }
}
