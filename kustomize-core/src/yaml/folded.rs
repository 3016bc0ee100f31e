//! What yaml.v3 makes of a folded scalar when it writes it and reads it back.
//!
//! Its emitter puts an extra line break before every run of breaks that does
//! not follow an indented line, also where the next line is indented or the
//! text ends, and there the break stays.

use libyaml_safer::{EventData, Parser};

use super::Style;
use super::print_string::{Place, Printer};

/// The text after a round trip; `None` if it does not read back.
pub(crate) fn round_trip(text: &str) -> Option<String> {
    let ends_with_break = text.ends_with('\n');
    let mut written = write(text);
    if !ends_with_break {
        written.push('\n');
    }
    let mut parser = Parser::new();
    parser.set_input(written.as_bytes());
    loop {
        match parser.parse().ok()?.data {
            EventData::Scalar { value, .. } => return Some(value),
            EventData::StreamEnd => return None,
            _ => {}
        }
    }
}

fn write(text: &str) -> String {
    let mut out = Vec::new();
    Printer::unfolded(&mut out).styled(text, Style::Folded, Place::Value, false);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_added_before_indented_lines_and_at_the_end() {
        for (text, read) in [
            ("a b\n", "a b\n"),
            ("a\nb\n", "a\nb\n"),
            ("a\n  b\nc\n", "a\n\n  b\nc\n"),
            ("a\n\n", "a\n\n\n"),
            ("a", "a"),
            ("\na\n", "\na\n"),
        ] {
            assert_eq!(round_trip(text).as_deref(), Some(read), "{text:?}");
        }
    }
}
