//! Label and field selectors.

use serde_json::Value;

use super::failure::Failure;

/// A parsed label selector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
    Above(i64),
    Below(i64),
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels[&self.key].as_str();
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|known| known == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|known| known != value)),
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::Above(limit) => value.and_then(|value| value.parse().ok()).is_some_and(|n: i64| n > *limit),
            Test::Below(limit) => value.and_then(|value| value.parse().ok()).is_some_and(|n: i64| n < *limit),
        }
    }
}

impl Labels {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = Vec::new();
        while parser.at < parser.tokens.len() {
            requirements.push(
                parser
                    .requirement()
                    .map_err(|found| Failure::bad_request(format!("unable to parse requirement: {found}")))?,
            );
            match parser.next() {
                None => break,
                Some(Token::Sign(",")) => {}
                Some(other) => {
                    return Err(Failure::bad_request(format!(
                        "unable to parse requirement: found '{}', expected: ',' or 'end of string'",
                        other.text()
                    )));
                }
            }
        }
        Ok(Self(requirements))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Sign(&'static str),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Sign(sign) => sign,
        }
    }
}

const SIGNS: &[&str] = &["!=", "==", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let token = match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => Token::Sign(sign),
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(rest.len());
                Token::Word(rest[..end].to_owned())
            }
        };
        rest = rest[token.text().len()..].trim_start();
        tokens.push(token);
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == Some(&Token::Sign("!")) {
            self.at += 1;
            return Ok(Requirement { key: self.word()?, test: Test::Missing });
        }
        let key = self.word()?;
        let operator = match self.peek() {
            None | Some(Token::Sign(",")) => return Ok(Requirement { key, test: Test::Exists }),
            Some(token) => token.text().to_owned(),
        };
        self.at += 1;
        let test = match operator.as_str() {
            "=" | "==" => Test::In(vec![self.value()?]),
            "!=" => Test::NotIn(vec![self.value()?]),
            "in" => Test::In(self.values()?),
            "notin" => Test::NotIn(self.values()?),
            ">" => Test::Above(self.number()?),
            "<" => Test::Below(self.number()?),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        Ok(Requirement { key, test })
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(token) => Err(format!("found '{}', expected: identifier", token.text())),
            None => Err("found '', expected: identifier".into()),
        }
    }

    /// A value may be empty.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            None | Some(Token::Sign(",")) => Ok(String::new()),
            Some(_) => self.word(),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let word = self.word()?;
        word.parse().map_err(|_| {
            format!("values[0]: Invalid value: {word:?}: for 'Gt', 'Lt' operators, the value must be an integer")
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Some(Token::Sign("(")) => {}
            other => return Err(format!("found '{}', expected: '('", other.as_ref().map_or("", Token::text))),
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Some(Token::Word(word)) => values.push(word),
                Some(Token::Sign(")")) => return Ok(values),
                Some(Token::Sign(",")) => {}
                other => {
                    let found = other.as_ref().map_or("", Token::text);
                    return Err(format!("found '{found}', expected: ',', or identifier"));
                }
            }
        }
    }
}

/// Whether labels match the `matchLabels` and `matchExpressions` of an object.
pub(crate) fn matches_label_selector(selector: &Value, labels: &Value) -> bool {
    let equal = |(key, value): (&String, &Value)| labels.get(key) == Some(value);
    let expression = |found: &Value| {
        let values: Vec<_> =
            found["values"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let test = match found["operator"].as_str() {
            Some("In") => Test::In(values),
            Some("NotIn") => Test::NotIn(values),
            Some("Exists") => Test::Exists,
            Some("DoesNotExist") => Test::Missing,
            _ => return false,
        };
        Requirement { key: found["key"].as_str().unwrap_or("").to_owned(), test }.matches(labels)
    };
    let all_equal = selector["matchLabels"].as_object().into_iter().flatten().all(equal);
    let all_hold = selector["matchExpressions"].as_array().into_iter().flatten().all(expression);
    // A missing selector matches nothing, an empty one everything.
    !selector.is_null() && all_equal && all_hold
}

/// A parsed field selector: fields that must or must not have a value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, bool, String)>);

impl Fields {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `metadata.name=x,spec.nodeName!=y`; only `known` fields can be selected by.
    pub(crate) fn parse(text: &str, known: &[String]) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !known.iter().any(|known| known == field) {
                let known: Vec<_> = known.iter().map(|known| format!("{known:?}")).collect();
                let message = format!("{field:?} is not a known field selector: only {}", known.join(", "));
                return Err(Failure::bad_request(message));
            }
            fields.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self(fields))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, wanted)| {
            let value = field.split('.').fold(object, |value, step| &value[step]);
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            (text == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operator_selects() {
        let object = json!({"metadata": {"labels": {"app": "x", "n": "3"}}});
        for (selector, expected) in [
            ("app=x", true),
            ("app==y", false),
            ("app!=x", false),
            ("n in (1, 3),app", true),
            ("n notin (3)", false),
            ("!other", true),
            ("n>2,n<4", true),
            ("missing=", false),
        ] {
            assert_eq!(Labels::parse(selector).unwrap().matches(&object), expected, "{selector}");
        }
        let failure = Labels::parse("a=((").unwrap_err();
        assert_eq!(failure.message, "unable to parse requirement: found '(', expected: identifier");
    }
}
