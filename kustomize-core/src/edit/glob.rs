//! Shell patterns as Go's `filepath.Match` reads them, which `kustomize edit` takes.

use super::EditError;

/// A pattern of `*`, `?`, `[a-z]`, `[^a-z]` and `\` escapes; none of them matches a `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    Any,
    AnySequence,
    Class { ranges: Vec<(char, char)>, negated: bool },
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] for an unfinished `[` or `\`.
    pub fn parse(pattern: &str) -> Result<Self, EditError> {
        let malformed =
            || EditError::Argument { argument: pattern.to_owned(), wanted: "a well-formed pattern".to_owned() };
        let mut tokens = Vec::new();
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            tokens.push(match char {
                '*' => Token::AnySequence,
                '?' => Token::Any,
                '\\' => Token::Literal(chars.next().ok_or_else(malformed)?),
                '[' => class(&mut chars).ok_or_else(malformed)?,
                other => Token::Literal(other),
            });
        }
        Ok(Self(tokens))
    }

    /// Whether it has anything but literal characters.
    pub fn is_pattern(&self) -> bool {
        self.0.iter().any(|token| !matches!(token, Token::Literal(_)))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        // For each place in the pattern, where in the text it may stand: linear
        // in both, where the usual back-tracking is exponential.
        let text: Vec<char> = text.chars().collect();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            let mut next = vec![false; text.len() + 1];
            for at in 0..=text.len() {
                if *token == Token::AnySequence {
                    next[at] = reached[at] || (at > 0 && next[at - 1] && text[at - 1] != '/');
                } else if at > 0 {
                    next[at] = reached[at - 1] && token.matches(text[at - 1]);
                }
            }
            reached = next;
        }
        reached[text.len()]
    }
}

impl Token {
    fn matches(&self, char: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == char,
            Self::Any | Self::AnySequence => char != '/',
            Self::Class { ranges, negated } => {
                char != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *negated
            }
        }
    }
}

/// What follows a `[`.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut rest = chars.clone();
    let negated = rest.next() == Some('^');
    if negated {
        *chars = rest;
    }
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { ranges, negated }),
            '\\' => chars.next()?,
            ']' | '-' => return None,
            char => char,
        };
        let mut ahead = chars.clone();
        let high = if ahead.next() == Some('-') {
            *chars = ahead;
            match chars.next()? {
                '\\' => chars.next()?,
                char => char,
            }
        } else {
            low
        };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, text, wanted) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "d/a.yaml", false),
            ("d/*", "d/a.yaml", true),
            ("[a-c]?.yml", "bx.yml", true),
            ("[^a-c]*", "b", false),
            ("a\\*b", "a*b", true),
            ("**", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::parse(pattern).is_ok_and(|glob| glob.matches(text)), wanted, "{pattern} on {text}");
        }
        for malformed in ["[", "[]a]", "a\\", "[a"] {
            assert!(Glob::parse(malformed).is_err(), "{malformed}");
        }
    }
}
