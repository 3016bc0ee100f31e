//! The label selectors of Kubernetes: `app=web,tier in (a, b),!legacy`.

use std::collections::BTreeSet;

/// What a set of labels has to meet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Exists,
    DoesNotExist,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl Requirements {
    /// Reads the syntax of Kubernetes' `labels.Parse`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Parser { tokens: tokens(text), next: 0 }.requirements().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all are met by labels that `get` looks up.
    pub(super) fn matches(&self, get: impl Fn(&str) -> Option<String>) -> bool {
        self.0.iter().all(|requirement| requirement.test.accepts(get(&requirement.key).as_deref()))
    }
}

impl Test {
    fn accepts(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::In(values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// A symbol or a word; the empty word stands for the end.
type Token<'a> = &'a str;

const END: Token<'static> = "";
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() && !rest.starts_with('\0') {
        let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map(|symbol| symbol.len());
        let word = || rest.find(|c: char| is_space(c) || c == '\0' || "=!(),><".contains(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(symbol.unwrap_or_else(word));
        tokens.push(token);
        rest = after.trim_start_matches(is_space);
    }
    tokens
}

fn is_word(token: Token<'_>) -> bool {
    token != END && !SYMBOLS.contains(&token)
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).copied().unwrap_or(END)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn requirements(mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        if self.peek() == END {
            return Ok(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.take() {
                END => return Ok(requirements),
                "," => {}
                other => return Err(format!("`{other}` where a comma or the end should be")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let is_negated = self.peek() == "!";
        if is_negated {
            self.take();
        }
        let key = self.take();
        if !is_word(key) {
            return Err(format!("`{key}` where a key should be"));
        }
        check_key(key)?;
        let is_alone = matches!(self.peek(), END | ",");
        let test = match (is_negated, is_alone) {
            (true, _) => Test::DoesNotExist,
            (false, true) => Test::Exists,
            (false, false) => self.test()?,
        };
        Ok(Requirement { key: key.to_owned(), test })
    }

    fn test(&mut self) -> Result<Test, String> {
        match self.take() {
            "=" | "==" => Ok(Test::In(BTreeSet::from([self.value()?]))),
            "!=" => Ok(Test::NotIn(BTreeSet::from([self.value()?]))),
            "in" => self.values().map(Test::In),
            "notin" => self.values().map(Test::NotIn),
            ">" => self.number().map(Test::GreaterThan),
            "<" => self.number().map(Test::LessThan),
            other => Err(format!("`{other}` where one of `=`, `==`, `!=`, `in`, `notin`, `<`, `>` should be")),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value.parse().map_err(|_| format!("`{value}` where a whole number should be"))
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), END | ",") {
            return Ok(String::new());
        }
        let value = self.take();
        if is_word(value) { checked_value(value) } else { Err(format!("`{value}` where a value should be")) }
    }

    /// Values in parentheses; nothing before or after a comma is an empty one.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("`{open}` where `(` should be"));
        }
        let mut values = BTreeSet::new();
        loop {
            let value = if matches!(self.peek(), "," | ")") { END } else { self.take() };
            if value != END && !is_word(value) {
                return Err(format!("`{value}` where a value should be"));
            }
            values.insert(checked_value(value)?);
            match self.take() {
                ")" => return Ok(values),
                "," => {}
                other => return Err(format!("`{other}` where `,` or `)` should be")),
            }
        }
    }
}

fn checked_value(value: &str) -> Result<String, String> {
    let is_valid = value.is_empty() || is_name(value);
    if is_valid { Ok(value.to_owned()) } else { Err(format!("`{value}` cannot be the value of a label")) }
}

/// `name` or `dns.prefix/name`.
fn check_key(key: &str) -> Result<(), String> {
    let is_valid = match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
        None => is_name(key),
    };
    if is_valid { Ok(()) } else { Err(format!("`{key}` cannot be the key of a label")) }
}

fn is_name(text: &str) -> bool {
    let ends = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.bytes().next())
        && ends(text.bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

fn is_dns_subdomain(text: &str) -> bool {
    let is_alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().next().is_some_and(is_alphanumeric)
            && label.bytes().last().is_some_and(is_alphanumeric)
            && label.bytes().all(|c| is_alphanumeric(c) || c == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let requirements = Requirements::parse(selector).expect(selector);
        requirements.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn every_operator_is_known() {
        let labels = [("app", "web"), ("n", "5"), ("empty", ""), ("x.io/y", "z"), ("in", "notin")];
        for (selector, expected) in [
            ("", true),
            (" app = web , n", true),
            ("app==web", true),
            ("app!=web", false),
            ("none!=web", true),
            ("app in (db, web)", true),
            ("app notin (db,web)", false),
            ("!app", false),
            ("! none", true),
            ("n>4,n<6", true),
            ("app>4", false),
            ("empty=", true),
            ("empty in ()", true),
            ("empty in (,a)", true),
            ("app in (a,)", false),
            ("x.io/y in (z)", true),
            ("in in (notin)", true),
        ] {
            assert_eq!(matches(selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for selector in [
            "app=a=b",
            "app in",
            "app in a",
            "app in (a",
            "a b",
            ",a",
            "a,",
            "!",
            "a=(",
            "n>x",
            "-a=b",
            "a/b/c",
            "a=b/c",
            "A.b/",
        ] {
            assert!(Requirements::parse(selector).is_err(), "{selector}");
        }
    }
}
