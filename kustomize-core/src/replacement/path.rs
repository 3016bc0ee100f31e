//! Field paths of replacements, split and understood once.
//!
//! A source's path is followed by kustomize's `Lookup`, which compares a list
//! item's field exactly and takes the first; a target's path by its
//! `PathMatcher`, where `*` is every item and `[name=x]` a regular expression.

use std::sync::OnceLock;

use regex::Regex;

use crate::go_regex::{InvalidRegex, go_regex};

/// A field path such as `spec.containers.[name=web].image`.
#[derive(Debug)]
pub(crate) struct FieldPath {
    text: String,
    parts: Vec<Part>,
}

/// One element of a path, as both followers understand it.
#[derive(Debug)]
pub(super) struct Part {
    /// As it was written.
    pub(super) text: String,
    pub(super) lookup: Lookup,
    pub(super) matcher: Matcher,
}

/// What a path element says to `Lookup`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Nothing but spaces: passed over.
    Skip,
    Index(usize),
    /// `-`
    Last,
    /// `[field=value]`, or `[=value]` for an item that is the value itself.
    Item {
        field: String,
        value: String,
    },
    Field(String),
    /// An element that no lookup can follow.
    Invalid(&'static str),
}

/// What a path element says to `PathMatcher`.
#[derive(Debug)]
pub(super) enum Matcher {
    Index(usize),
    /// `[field=regex]`, or `[=regex]` for an item that is the value itself.
    Items(ItemPattern),
    /// `*`
    Every,
    Field(String),
    Invalid(&'static str),
}

/// Items of a list whose `field` contains a match of a regular expression.
#[derive(Debug)]
pub(super) struct ItemPattern {
    pub(super) field: String,
    pub(super) pattern: String,
    /// Compiled when the first item is looked at, for only then kustomize
    /// notices that it is not a regular expression.
    regex: OnceLock<Result<Regex, InvalidRegex>>,
}

impl ItemPattern {
    pub(super) fn regex(&self) -> Result<&Regex, InvalidRegex> {
        self.regex.get_or_init(|| go_regex(&self.pattern)).as_ref().map_err(Clone::clone)
    }
}

impl Part {
    /// Whether it is the same key to both followers.
    pub(super) fn is_key(&self) -> bool {
        matches!((&self.lookup, &self.matcher), (Lookup::Field(exact), Matcher::Field(key)) if exact == key)
    }

    fn new(text: String) -> Self {
        Self { lookup: lookup(&text), matcher: matcher(&text), text }
    }
}

const NOT_AN_ITEM: &str = "an element in brackets must be of the form [field=value]";

impl FieldPath {
    pub(crate) fn new(text: &str) -> Self {
        let parts = split(text).into_iter().map(Part::new);
        Self { text: text.to_owned(), parts: parts.collect() }
    }

    /// The path of a variable, in which an index may follow its list: `ports[0]`.
    pub(crate) fn of_var(text: &str) -> Self {
        let mut parts = Vec::new();
        for part in split(text) {
            match indexed(&part) {
                Some((list, index)) => {
                    parts.extend((!list.is_empty()).then(|| Part::new(list.to_owned())));
                    parts.push(Part::new(index.to_owned()));
                }
                None => parts.push(Part::new(part)),
            }
        }
        Self { text: text.to_owned(), parts }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether following it can change what a resource is selected by.
    pub(super) fn may_change_id(&self) -> bool {
        match self.parts.first().map(|part| &part.lookup) {
            Some(Lookup::Field(field)) => matches!(field.as_str(), "apiVersion" | "kind" | "metadata"),
            _ => true,
        }
    }
}

/// The name and the index of `name[index]`.
fn indexed(part: &str) -> Option<(&str, &str)> {
    let (list, index) = part.strip_suffix(']')?.rsplit_once('[')?;
    (!index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())).then_some((list, index))
}

fn lookup(part: &str) -> Lookup {
    let part = part.trim();
    match go_int(part) {
        Some(index) => usize::try_from(index).map_or(Lookup::Invalid("an index must not be negative"), Lookup::Index),
        None if part.is_empty() => Lookup::Skip,
        None if part == "-" => Lookup::Last,
        None if part == "*" => Lookup::Invalid("`*` is not allowed here"),
        None if is_item(part) => match item(part) {
            Some((field, value)) => Lookup::Item { field: field.to_owned(), value: value.to_owned() },
            None => Lookup::Invalid(NOT_AN_ITEM),
        },
        None => Lookup::Field(part.to_owned()),
    }
}

fn matcher(part: &str) -> Matcher {
    if let Some(index) = index(part) {
        return Matcher::Index(index);
    }
    if is_item(part) {
        return match item(part) {
            Some((field, pattern)) => Matcher::Items(ItemPattern {
                field: field.to_owned(),
                pattern: pattern.to_owned(),
                regex: OnceLock::new(),
            }),
            None => Matcher::Invalid(NOT_AN_ITEM),
        };
    }
    if part == "*" { Matcher::Every } else { Matcher::Field(part.to_owned()) }
}

fn index(part: &str) -> Option<usize> {
    go_int(part).and_then(|index| usize::try_from(index).ok())
}

/// A whole number as Go's `Atoi` reads it.
fn go_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn is_item(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn item(part: &str) -> Option<(&str, &str)> {
    let part = part.strip_suffix(']').unwrap_or(part);
    part.strip_prefix('[').unwrap_or(part).split_once('=')
}

/// Splits at dots that are neither escaped (`\.`) nor inside brackets. An
/// element in brackets keeps them if it contains `=`; else it is a key.
fn split(path: &str) -> Vec<String> {
    let mut parts = split_unescaped(path).into_iter();
    let mut result = Vec::new();
    while let Some(mut part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        for next in parts.by_ref() {
            part.push('.');
            part.push_str(&next);
            if next.ends_with(']') {
                break;
            }
        }
        let is_key = !part.contains('=');
        result.push(if is_key { part.trim_matches(['[', ']']).to_owned() } else { part });
    }
    result
}

fn split_unescaped(path: &str) -> Vec<String> {
    let mut pieces = path.split('.').peekable();
    // A path may start with its separator.
    if path.contains('.') && pieces.peek() == Some(&"") {
        pieces.next();
    }
    let mut result: Vec<String> = Vec::new();
    for piece in pieces {
        match result.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('.');
                last.push_str(piece);
            }
            _ => result.push(piece.to_owned()),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_split_unless_escaped_or_in_brackets() {
        for (path, expected) in [
            ("a.b.c", &["a", "b", "c"][..]),
            (".a.b", &["a", "b"]),
            (r"metadata.annotations.a\.b/c", &["metadata", "annotations", "a.b/c"]),
            ("metadata.annotations.[a.b/c]", &["metadata", "annotations", "a.b/c"]),
            ("spec.[name=a.b.c].image", &["spec", "[name=a.b.c]", "image"]),
            ("a.[b]", &["a", "[b]"]),
            ("a.[b.c", &["a", "b.c"]),
            ("a..b", &["a", "", "b"]),
            ("", &[""]),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
    }

    #[test]
    fn the_index_of_a_variable_is_an_element_of_its_own() {
        let parts = |path| FieldPath::of_var(path).parts.into_iter().map(|part| part.text).collect::<Vec<_>>();
        assert_eq!(parts("spec.ports[0].port"), ["spec", "ports", "0", "port"]);
        assert_eq!(parts("spec.[1].a[x]"), ["spec", "1", "a[x]"]);
    }

    #[test]
    fn each_follower_understands_an_element_its_own_way() {
        let part = |text: &str| FieldPath::new(text).parts.pop().expect("one element");
        assert!(matches!(part("-1"), Part { lookup: Lookup::Invalid(_), matcher: Matcher::Field(_), .. }));
        assert!(matches!(part("-"), Part { lookup: Lookup::Last, matcher: Matcher::Field(_), .. }));
        assert!(matches!(part("+7"), Part { lookup: Lookup::Index(7), matcher: Matcher::Index(7), .. }));
        assert!(matches!(part("*"), Part { lookup: Lookup::Invalid(_), matcher: Matcher::Every, .. }));
        assert!(matches!(part(" "), Part { lookup: Lookup::Skip, matcher: Matcher::Field(_), .. }));
        assert!(matches!(part("[x]"), Part { lookup: Lookup::Invalid(_), matcher: Matcher::Invalid(_), .. }));
        let Matcher::Items(items) = part("[=-jar=x]").matcher else { panic!("an item") };
        assert_eq!((items.field.as_str(), items.pattern.as_str()), ("", "-jar=x"));
    }
}
