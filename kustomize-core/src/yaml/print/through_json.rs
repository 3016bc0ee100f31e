//! The step through JSON that kustomize prints by.

use std::borrow::Cow;

/// What becomes of a text that is printed as JSON and read back by go-yaml v2:
/// a next-line character (U+0085) is a line break to it and gets folded.
/// `Err` is a character it does not read at all.
pub(crate) fn through_json(text: &str) -> Result<Cow<'_, str>, char> {
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(Cow::Borrowed(text));
    }
    let is_refused =
        |character: &char| matches!(character, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(character) = text.chars().find(is_refused) {
        return Err(character);
    }
    Ok(if text.contains('\u{85}') { Cow::Owned(fold_next_lines(text)) } else { Cow::Borrowed(text) })
}

/// One break becomes a space, `n` of them `n - 1` line feeds; spaces around them go.
fn fold_next_lines(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        let (line, from_break) = rest.split_at(at);
        folded.push_str(line.trim_end_matches(' '));
        rest = from_break.trim_start_matches(['\u{85}', ' ']);
        let blank = &from_break[..from_break.len() - rest.len()];
        match blank.matches('\u{85}').count() {
            1 => folded.push(' '),
            breaks => folded.extend(std::iter::repeat_n('\n', breaks - 1)),
        }
    }
    folded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_line_characters_are_folded_by_the_json_step() {
        assert_eq!(through_json("a \u{85} b\u{85}\u{85}c").as_deref(), Ok("a b\nc"));
        assert_eq!(through_json("a\u{7f}"), Err('\u{7f}'));
    }
}
