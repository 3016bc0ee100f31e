//! Text for libyaml-safer, which the editor reads files with.

use std::borrow::Cow;

/// libyaml-safer panics where a block scalar ends with the text, so the last line gets an end.
pub(crate) struct Input<'a> {
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        if last_line.bytes().all(|byte| byte == b' ') {
            return Self { text: Cow::Borrowed(&text[..text.len() - last_line.len()]) };
        }
        Self { text: Cow::Owned(format!("{text}\n")) }
    }
}
