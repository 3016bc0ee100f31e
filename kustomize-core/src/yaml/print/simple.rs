//! Nearly all strings need no analysis: a look at their bytes is enough.

use memchr::memmem;

use crate::yaml::resolve;

/// What a look at the bytes of a text says; [`Simple::No`] where a closer look is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    /// Plain, and without spaces.
    Word,
    /// Plain, with spaces at which it may be folded.
    Words,
    /// A literal block.
    Lines,
    No,
}

/// Classes of bytes.
const SPACE: u8 = 1;
const LINE_FEED: u8 = 2;
/// `:` and `#`, which mean something beside a space.
const INDICATOR: u8 = 4;
/// Control characters and what is not ASCII.
const OTHER: u8 = 8;

const fn class(byte: u8) -> u8 {
    // As a signed number, what is not ASCII is less than any control character.
    let is_other = ((byte as i8) < 0x20) & (byte != b'\n') | (byte == 0x7F);
    let is_indicator = (byte == b':') | (byte == b'#');
    let (space, line_feed) = ((byte == b' ') as u8 * SPACE, (byte == b'\n') as u8 * LINE_FEED);
    let (indicator, other) = (is_indicator as u8 * INDICATOR, is_other as u8 * OTHER);
    space | line_feed | indicator | other
}

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class(byte as u8);
        byte += 1;
    }
    table
};

/// The classes of all bytes.
fn classes(bytes: &[u8]) -> u8 {
    /// So many bytes are looked at together, which compiles to vector instructions.
    const BLOCK: usize = 32;
    let Some(last) = bytes.last_chunk::<BLOCK>() else {
        return bytes.iter().fold(0, |classes, byte| classes | CLASS[usize::from(*byte)]);
    };
    let mut found = last.map(class);
    for block in bytes.as_chunks::<BLOCK>().0 {
        found.iter_mut().zip(block).for_each(|(classes, byte)| *classes |= class(*byte));
    }
    found.iter().fold(0, |all, classes| all | classes)
}

/// Whether a byte may be anywhere in a [word](is_word).
pub(crate) const fn is_word_byte(byte: u8) -> bool {
    CLASS[byte as usize] == 0
}

/// Whether a plain scalar whose text has no other [bytes](is_word_byte) is a
/// string and printed as it is. Says no to some that are.
pub(crate) fn is_word(text: &str) -> bool {
    let first = text.as_bytes().first().copied().unwrap_or_default();
    (first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'-')) && is_plain_start(first, text)
}

/// Whether a string is printed as a literal block.
pub(crate) fn is_lines(text: &str) -> bool {
    Simple::of(text) == Simple::Lines
}

impl Simple {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return Self::No };
        let classes = classes(bytes);
        if classes & OTHER != 0 || *last == b' ' {
            return Self::No;
        }
        if classes & LINE_FEED != 0 {
            return if memmem::find(bytes, b" \n").is_some() { Self::No } else { Self::Lines };
        }
        if !is_plain_start(*first, text) || classes & INDICATOR != 0 && has_indicator(text) {
            return Self::No;
        }
        if classes & SPACE != 0 { Self::Words } else { Self::Word }
    }

    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Word | Self::Words)
    }
}

/// Whether a text that begins so is a string, and needs no quotes for its first character.
fn is_plain_start(first: u8, text: &str) -> bool {
    match first {
        // `true`, `no`, `Off` and their like.
        b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' => {
            text.len() > 5 || !resolve::is_special_v2(text)
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'/' | b'$' | b'(' | b'<' | b'=' | b'^' | b';' | b'\\' => true,
        b'0'..=b'9' => ends_in_unit(text),
        b'-' => is_option(text),
        _ => false,
    }
}

/// `100m`, `64Mi`, `30s`: no number and no time ends in one of these letters.
fn ends_in_unit(text: &str) -> bool {
    matches!(text.as_bytes().last(), Some(b'g'..=b'y' | b'G'..=b'Y'))
}

/// `-v`, `--port=8080`: neither a number nor an item of a list.
fn is_option(text: &str) -> bool {
    let name = text.trim_start_matches('-');
    text.len() - name.len() <= 2 && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn has_indicator(text: &str) -> bool {
    text.ends_with(':') || text.contains(": ") || text.contains(" #")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::analysis::{Analysis, Place};
    use super::*;
    use crate::yaml::Style;
    use crate::yaml::print::through_json;

    proptest! {
        #[test]
        fn a_word_is_a_string_that_is_printed_as_it_is(text in "[ :#a-eNOntrueymixo0-9.'<~_/|>&*!{é-]{0,6}") {
            if text.bytes().all(is_word_byte) && is_word(&text) {
                prop_assert_eq!(Simple::of(&text), Simple::Word);
                prop_assert_eq!(resolve::tag(&text), crate::yaml::Tag::Str);
            }
        }

        #[test]
        fn a_look_says_what_an_analysis_says(text in "[ \\n\\t#:a-eNOntrueymixo0-9.'\"|>&*!%@`{}\\[\\]?,é\u{7f}-]{0,8}") {
            let style = match Simple::of(&text) {
                Simple::Word | Simple::Words => Style::Plain,
                Simple::Lines => Style::Literal,
                Simple::No => return Ok(()),
            };
            prop_assert_eq!(Analysis::of(&text).style_v2(&text, Place::Value), style);
            let printed = through_json(&text).map(|text| text.into_owned());
            prop_assert_eq!(printed, Ok(text));
        }
    }
}
