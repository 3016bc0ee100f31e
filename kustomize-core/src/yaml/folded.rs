//! What yaml.v3 makes of a folded scalar when it writes it and reads it back.
//!
//! Its emitter puts an extra line break before every run of breaks that does
//! not follow an indented line, also where the next line is indented or the
//! text ends, and there the break stays.

use super::Style;
use super::events::{EventKind, Events};
use super::print::{Place, Printer};

/// The text after a round trip; `None` if it does not read back.
pub(crate) fn round_trip(text: &str) -> Option<String> {
    let written = write(text);
    let mut events = Events::new(&written, 0, written.len());
    loop {
        match events.next().ok()?.kind {
            EventKind::Scalar { text, .. } => return Some(text.as_str(&written).to_owned()),
            EventKind::StreamEnd => return None,
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
