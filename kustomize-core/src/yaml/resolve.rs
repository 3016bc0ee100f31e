//! From a scalar's text to its type, as go-yaml does it: version 3 for
//! resources, version 2 for kustomization files and for what must be quoted
//! in the output.

use super::Tag;
use super::timestamp::Timestamp;

/// What a plain scalar means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Timestamp(Timestamp),
    Str,
}

/// The two tables of go-yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Knows `yes`, `on`, `y` and their opposites as booleans, and no `0o17`.
    V2,
    V3,
}

impl Plain {
    pub(crate) fn tag(self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) | Self::Uint(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Timestamp(_) => Tag::Timestamp,
            Self::Str => Tag::Str,
        }
    }
}

/// The tag that a plain scalar of this text resolves to in a resource.
pub(crate) fn tag(text: &str) -> Tag {
    if text == "<<" { Tag::Merge } else { plain(Dialect::V3, text).tag() }
}

/// The same where `<<` means nothing: go-yaml knows merge keys by their place.
pub(crate) fn tag_of_value(text: &str) -> Tag {
    plain(Dialect::V3, text).tag()
}

/// Whether a plain scalar of this text is anything but a string in version 2,
/// which is when kustomize quotes a string that it prints.
pub(crate) fn is_special_v2(text: &str) -> bool {
    plain(Dialect::V2, text) != Plain::Str || is_base_60(text)
}

/// What a plain scalar of this text means.
pub(crate) fn plain(dialect: Dialect, text: &str) -> Plain {
    match text.as_bytes().first() {
        None => Plain::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(dialect, text),
        Some(b'.') => dotted(text),
        Some(b'0'..=b'9' | b'+' | b'-') => number(dialect, text, true),
        Some(_) => Plain::Str,
    }
}

/// What a scalar of this text means that says by its tag what it is; `None` if it can't be that.
pub(crate) fn tagged(dialect: Dialect, tag: Tag, text: &str) -> Option<Plain> {
    let is_number = matches!(text.as_bytes().first(), Some(b'0'..=b'9' | b'+' | b'-'));
    let found = if is_number { number(dialect, text, tag == Tag::Timestamp) } else { plain(dialect, text) };
    match (tag, found) {
        (Tag::Float, Plain::Int(int)) => Some(Plain::Float(int as f64)),
        _ => (found.tag() == tag).then_some(found),
    }
}

fn word(dialect: Dialect, text: &str) -> Plain {
    match text {
        "~" | "null" | "Null" | "NULL" => Plain::Null,
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        _ if dialect == Dialect::V3 => Plain::Str,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Plain::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Plain::Bool(false),
        _ => Plain::Str,
    }
}

fn dotted(text: &str) -> Plain {
    match text {
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" => Plain::Float(f64::INFINITY),
        _ => float(text).map_or(Plain::Str, Plain::Float),
    }
}

fn number(dialect: Dialect, text: &str, timestamps: bool) -> Plain {
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if timestamps && let Some(timestamp) = Timestamp::parse(text) {
        return Plain::Timestamp(timestamp);
    }
    if !text.contains('_') {
        return number_without_underscores(dialect, text);
    }
    number_without_underscores(dialect, &text.replace('_', ""))
}

fn number_without_underscores(dialect: Dialect, text: &str) -> Plain {
    if let Some(int) = go_integer(text) {
        return int;
    }
    if is_float(text)
        && let Some(value) = float(text)
    {
        return Plain::Float(value);
    }
    prefixed(dialect, text).unwrap_or(Plain::Str)
}

/// `0b…` and `0o…` whose digits carry a sign of their own, which go-yaml takes.
fn prefixed(dialect: Dialect, text: &str) -> Option<Plain> {
    let radix_of = |prefix: &str| match prefix {
        "0b" => Some(2),
        "0o" if dialect == Dialect::V3 => Some(8),
        _ => None,
    };
    if let Some(rest) = text.strip_prefix('-') {
        let radix = radix_of(rest.get(..2)?)?;
        return i64::from_str_radix(&format!("-{}", &rest[2..]), radix).ok().map(Plain::Int);
    }
    let radix = radix_of(text.get(..2)?)?;
    signed(&text[2..], radix)
}

/// As Go's `strconv.ParseInt` and then `ParseUint` of base 0, without underscores.
fn go_integer(text: &str) -> Option<Plain> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().next()?.is_ascii_hexdigit() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match text.as_bytes().first()? {
        b'-' => 0_i64.checked_sub_unsigned(magnitude).map(Plain::Int),
        b'+' => i64::try_from(magnitude).ok().map(Plain::Int),
        _ => Some(i64::try_from(magnitude).map_or(Plain::Uint(magnitude), Plain::Int)),
    }
}

fn signed(digits: &str, radix: u32) -> Option<Plain> {
    if let Ok(int) = i64::from_str_radix(digits, radix) {
        return Some(Plain::Int(int));
    }
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Plain::Uint)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all_digits(exponent))
}

/// Go's `ParseFloat` fails where the value is out of range; Rust's gives infinity.
fn float(text: &str) -> Option<f64> {
    if !is_float(text) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `190:20:30` and the like: numbers of YAML 1.1 that go-yaml never reads as
/// such, but quotes for the sake of other parsers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let mut parts = unsigned.split(':');
    let digits_or_underscores = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !parts.next().is_some_and(digits_or_underscores) {
        return false;
    }
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let (part, fraction) = match (parts.peek(), part.split_once('.')) {
            (None, Some((part, fraction))) => (part, fraction),
            _ => (part, ""),
        };
        let in_range = match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        };
        if !in_range || !digits_or_underscores(fraction) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_notation() {
        for (text, value) in [
            ("0", 0),
            ("0644", 420),
            ("0o644", 420),
            ("0b11", 3),
            ("0b-11", -3),
            ("-0b11", -3),
            ("1_000", 1000),
            ("0x1F", 31),
            ("+5", 5),
            ("-0", 0),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(plain(Dialect::V3, text), Plain::Int(value), "{text}");
        }
        assert_eq!(plain(Dialect::V3, "18446744073709551615"), Plain::Uint(u64::MAX));
        assert_eq!(plain(Dialect::V3, "18446744073709551616"), Plain::Float(18446744073709551616.0));
        assert_eq!(plain(Dialect::V3, "08"), Plain::Float(8.0));
    }

    #[test]
    fn what_only_looks_like_a_number_is_a_string() {
        for text in ["1e400", "0x", "1.2.3", ".5.", "1:30", "-", "+", "--1", "0b2", "1e", "0x+1", ".1_0", "-.", "_1"] {
            assert_eq!(plain(Dialect::V3, text), Plain::Str, "{text}");
        }
        assert_eq!(plain(Dialect::V3, ".5"), Plain::Float(0.5));
        assert_eq!(plain(Dialect::V3, "1."), Plain::Float(1.0));
        assert_eq!(plain(Dialect::V3, "-1.5e-3"), Plain::Float(-0.0015));
    }

    #[test]
    fn the_dialects_differ_in_booleans() {
        assert_eq!(plain(Dialect::V3, "yes"), Plain::Str);
        assert_eq!(plain(Dialect::V2, "yes"), Plain::Bool(true));
        assert_eq!(plain(Dialect::V2, "n"), Plain::Bool(false));
        assert_eq!(plain(Dialect::V2, "yEs"), Plain::Str);
    }

    #[test]
    fn what_is_quoted_in_the_output() {
        for text in ["", "~", "y", "Off", "1_0", "190:20:30", "1:30.5", "2020-01-01", "0x10", ".inf", "1e3"] {
            assert!(is_special_v2(text), "{text}");
        }
        for text in ["=", "<<", ".5.", "1:60", "1:a", ":", "1:", "12e03x", "a:b", "2020-13-01"] {
            assert!(!is_special_v2(text), "{text}");
        }
    }
}
