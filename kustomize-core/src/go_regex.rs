//! Regular expressions as Go reads them, over the `regex` crate.
//!
//! Both come from RE2 and agree on what a pattern matches; this module
//! rewrites the few constructs that they spell or understand differently.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder, bytes};

/// A pattern that Go's `regexp.Compile` refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {problem}")]
pub struct InvalidRegex {
    /// The pattern as it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Compiles a pattern of Go's syntax. It matches anywhere in a text.
pub(crate) fn go_regex(pattern: &str) -> Result<Regex, InvalidRegex> {
    translate(pattern).and_then(|translated| compile(&translated)).map_err(|problem| invalid(pattern, problem))
}

fn translate(pattern: &str) -> Result<String, String> {
    Translator::new(pattern).translate().map_err(str::to_owned)
}

fn compile(translated: &str) -> Result<Regex, String> {
    Regex::new(translated).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })
}

fn invalid(pattern: &str, problem: String) -> InvalidRegex {
    InvalidRegex { pattern: pattern.to_owned(), problem }
}

/// A pattern that has to match a whole text, as those of selectors.
///
/// Names and kinds are ASCII. For these it is compiled to bytes, which takes a
/// small part of the time and memory that all of Unicode takes.
#[derive(Debug)]
pub(crate) struct AnchoredRegex {
    translated: String,
    /// `None` if the pattern means something only in Unicode.
    ascii: Option<bytes::Regex>,
    /// For texts with other characters, made when there is one.
    unicode: OnceLock<Regex>,
}

impl AnchoredRegex {
    pub(crate) fn new(pattern: &str) -> Result<Self, InvalidRegex> {
        let invalid = |problem| invalid(pattern, problem);
        let translated = translate(&format!("^(?:{pattern})$")).map_err(invalid)?;
        let ascii = bytes::RegexBuilder::new(&translated).unicode(false).build().ok();
        let unicode = match &ascii {
            Some(_) => OnceLock::new(),
            None => compile(&translated).map_err(invalid)?.into(),
        };
        Ok(Self { translated, ascii, unicode })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &self.ascii {
            Some(ascii) if text.is_ascii() => ascii.is_match(text.as_bytes()),
            _ => self.unicode().is_match(text),
        }
    }

    fn unicode(&self) -> &Regex {
        self.unicode.get_or_init(|| {
            let unicode = RegexBuilder::new(&self.translated).size_limit(usize::MAX).build();
            unicode.expect("the syntax is the same as for bytes, which was right")
        })
    }
}

/// Whether a pattern has no special characters, so that it matches only itself.
pub(crate) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

const REPEAT_LIMIT: u32 = 1000;

struct Translator<'a> {
    pattern: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
}

impl<'a> Translator<'a> {
    fn new(pattern: &'a str) -> Self {
        Self { pattern, chars: pattern.char_indices().peekable(), out: String::with_capacity(pattern.len() + 8) }
    }

    fn translate(mut self) -> Result<String, &'static str> {
        let mut after_repeat = false;
        while let Some((at, c)) = self.chars.next() {
            let repeats = match c {
                '*' | '+' | '?' => true,
                '{' => self.repetition(at)?,
                _ => false,
            };
            if repeats && after_repeat {
                return Err("repetition operators must not follow each other");
            }
            after_repeat = repeats;
            match c {
                _ if repeats => self.repeat(at, c),
                '{' => self.out.push_str("\\{"),
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group(at)?,
                _ => self.out.push(c),
            }
        }
        Ok(self.out)
    }

    fn rest(&mut self) -> &'a str {
        self.chars.peek().map_or("", |(at, _)| &self.pattern[*at..])
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.chars.peek().map_or(self.pattern.len(), |(at, _)| at + bytes);
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// Whether the brace at `at` opens a repetition; otherwise it stands for itself.
    fn repetition(&self, at: usize) -> Result<bool, &'static str> {
        let Some((inside, _)) = self.pattern[at + 1..].split_once('}') else { return Ok(false) };
        let (from, to) = inside.split_once(',').unwrap_or((inside, inside));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(from) || !(to.is_empty() || is_number(to)) || inside.is_empty() {
            return Ok(false);
        }
        let too_large = |text: &str| !text.is_empty() && text.parse::<u32>().map_or(true, |n| n > REPEAT_LIMIT);
        if too_large(from) || too_large(to) { Err("a repetition of more than 1000") } else { Ok(true) }
    }

    /// Copies a repetition with the `?` that makes it lazy.
    fn repeat(&mut self, at: usize, c: char) {
        let length = if c == '{' { self.pattern[at..].find('}').map_or(1, |end| end + 1) } else { 1 };
        self.out.push_str(&self.pattern[at..at + length]);
        while self.chars.next_if(|(next, _)| *next < at + length).is_some() {}
        if self.chars.next_if(|(_, next)| *next == '?').is_some() {
            self.out.push('?');
        }
    }

    /// Go has fewer flags than the `regex` crate.
    fn group(&mut self, at: usize) -> Result<(), &'static str> {
        self.out.push('(');
        let Some(flags) = self.pattern[at..].strip_prefix("(?") else { return Ok(()) };
        self.skip(1);
        self.out.push('?');
        let is_name = flags.starts_with('<') || flags.starts_with("P<");
        let end = flags.find([':', ')']).unwrap_or(flags.len());
        let known = |c: char| matches!(c, 'i' | 'm' | 's' | 'U' | '-');
        if is_name || flags[..end].chars().all(known) { Ok(()) } else { Err("an unknown flag") }
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), &'static str> {
        if let Some(quoted) = self.rest().strip_prefix('Q') {
            let end = quoted.find("\\E").unwrap_or(quoted.len());
            self.out.push_str(&regex::escape(&quoted[..end]));
            self.skip(1 + end + 2);
            return Ok(());
        }
        match self.rest().chars().next() {
            // Go's are ASCII.
            Some('b') => self.replace("(?-u:\\b)"),
            Some(c @ ('A' | 'z' | 'B')) => {
                self.skip(1);
                self.out.push('\\');
                self.out.push(c);
                Ok(())
            }
            _ => self.class_escape(),
        }
    }

    /// What follows a backslash, be it in a class or not.
    fn class_escape(&mut self) -> Result<(), &'static str> {
        let Some(c) = self.rest().chars().next() else { return Err("a backslash at the end") };
        match c {
            'd' => self.replace("[0-9]"),
            'D' => self.replace("[^0-9]"),
            'w' => self.replace("[0-9A-Za-z_]"),
            'W' => self.replace("[^0-9A-Za-z_]"),
            's' => self.replace("[\\t\\n\\f\\r ]"),
            'S' => self.replace("[^\\t\\n\\f\\r ]"),
            'x' => self.hexadecimal(),
            'p' | 'P' => self.unicode_class(),
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.skip(1);
                self.out.push('\\');
                self.out.push(c);
                Ok(())
            }
            '0'..='7' => self.octal(),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
                self.skip(1);
                self.literal(c);
                Ok(())
            }
            _ => Err("an unknown escape"),
        }
    }

    fn replace(&mut self, with: &str) -> Result<(), &'static str> {
        self.skip(1);
        self.out.push_str(with);
        Ok(())
    }

    /// `\0` or `\123`; a single other digit would be a back reference, which RE2 has not.
    fn octal(&mut self) -> Result<(), &'static str> {
        let digits = self.rest().bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        let text = &self.rest()[..digits];
        if digits == 1 && text != "0" {
            return Err("a back reference");
        }
        let value = u32::from_str_radix(text, 8).ok().and_then(char::from_u32).ok_or("an unknown escape")?;
        self.skip(digits);
        self.literal(value);
        Ok(())
    }

    /// `\x41` or `\x{1F600}`.
    fn hexadecimal(&mut self) -> Result<(), &'static str> {
        const UNKNOWN: &str = "an unknown escape";
        let (digits, length) = match self.rest()[1..].strip_prefix('{') {
            Some(rest) => rest.split_once('}').map(|(digits, _)| (digits, digits.len() + 3)).ok_or(UNKNOWN)?,
            None => (self.rest().get(1..3).ok_or(UNKNOWN)?, 3),
        };
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
        let value = value.and_then(char::from_u32).ok_or(UNKNOWN)?;
        self.skip(length);
        self.literal(value);
        Ok(())
    }

    /// `\pL` or `\p{Greek}`.
    fn unicode_class(&mut self) -> Result<(), &'static str> {
        let rest = self.rest();
        let is_braced = rest[1..].starts_with('{');
        let length = if is_braced { rest.find('}').ok_or("an unknown class")? + 1 } else { 1 };
        self.out.push('\\');
        self.out.push_str(&rest[..length]);
        self.skip(length);
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            self.out.push(c);
        } else {
            // A number is understood the same way everywhere, in a class too.
            let _ = write!(self.out, "\\x{{{:x}}}", u32::from(c));
        }
    }

    /// A class in brackets, of which only the first has been taken. In Go's
    /// there are neither nested classes nor set operations.
    fn class(&mut self) -> Result<(), &'static str> {
        self.out.push('[');
        if self.chars.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        while let Some((at, c)) = self.chars.next() {
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.class_escape()?,
                '[' if self.pattern[at..].starts_with("[:") && self.pattern[at..].contains(":]") => {
                    let end = self.pattern[at..].find(":]").map_or(0, |end| end + 2);
                    self.out.push_str(&self.pattern[at..at + end]);
                    self.skip(end - 1);
                }
                // A minus between two characters makes a range; else it is one itself.
                '-' if !first && !self.rest().starts_with(['-', ']']) => self.out.push('-'),
                c => self.literal(c),
            }
            first = false;
        }
        Err("a class without its closing bracket")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        go_regex(pattern).expect(pattern).is_match(text)
    }

    #[test]
    fn constructs_that_differ_mean_what_they_mean_in_go() {
        for (pattern, yes, no) in [
            (r"^\d\w\s$", "1_ ", "١_ "),
            (r"^\Qa.b\E+$", "a.bb", "axb"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^{name}$", "{name}", "name"),
            (r"^[[]$", "[", "]"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[]a]$", "]", "b"),
            (r"^[^\D]$", "5", "x"),
            (r"^[\w.-]+$", "a_b-1.c", "a/b"),
            (r"^[[:alpha:]-]+$", "a-b", "1"),
            (r"^[a-c]$", "b", "-"),
            (r"^\<\/\-$", "</-", ""),
            (r"^\101$", "A", "101"),
            (r"^\x41\x{e9}[\x{62}]$", "Aéb", "41e962"),
            (r"^\p{Greek}\pL[\P{Greek}]$", "αxy", "xαα"),
            (r"\bweb\b", "a web b", "webs"),
            (r"^a{2,3}?$", "aaa", "a"),
            (r"^(?P<n>x)(?i:Y)$", "xy", "Xy"),
        ] {
            assert!(matches(pattern, yes), "{pattern} should match {yes}");
            assert!(!matches(pattern, no), "{pattern} should not match {no}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "*", "a**", "a{2}{3}", "a{1001}", "(", "[a", "a\\", r"\1", r"\y", r"\x4", r"\x{+1}", "(?x)a", "(?=a)",
            r"\C",
        ] {
            assert!(go_regex(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn anchors_enclose_alternatives() {
        let regex = AnchoredRegex::new("a|b").expect("valid");
        assert!(regex.is_match("b") && !regex.is_match("ab"));
        assert_eq!(AnchoredRegex::new("(").expect_err("invalid").pattern, "(");
        assert!(is_literal("my-app/v1:2") && !is_literal("a.b"));
    }

    #[test]
    fn bytes_and_characters_match_alike() {
        for (pattern, yes, no) in [
            ("a.c", "aéc", "abbc"),
            (r"\w+", "web_1", "wéb"),
            (r"[^b]", "é", "b"),
            (r"\pL{2}", "éa", "1a"),
            (r"(?i)k", "\u{212a}", "x"),
            (r"\x{e9}|b", "é", "\u{e8}"),
        ] {
            let regex = AnchoredRegex::new(pattern).expect(pattern);
            assert!(regex.is_match(yes) && !regex.is_match(no), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn bytes_stand_for_ascii(pattern in r"([a-cK.\\^$|()*+?\[\]-]|\\[dDwWsSbBAz]|\(\?i\)){0,8}", text in "[a-cKk\n -]{0,6}") {
            if let Ok(regex) = AnchoredRegex::new(&pattern) {
                prop_assert_eq!(regex.is_match(&text), regex.unicode().is_match(&text));
            }
        }
    }
}
