//! From a parsed document to a struct, by the rules of Go's `encoding/json`
//! over a YAML file that was turned to JSON: field names match whatever their
//! case (an exact match first), `null` is the default, and numbers and
//! booleans are not taken for strings.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use crate::short_text::same;
use crate::yaml::{Children, Document, Kind, NodeId, Tag, number};

/// Decodes `node`; a field that the type does not have is an error.
///
/// Nearly all files spell fields as the types do, so that is tried first.
pub(crate) fn strict<T: DeserializeOwned>(doc: &Document, node: NodeId) -> Result<T, DecodeError> {
    let decoder = Decoder { doc, node, field: "", unknown: Unknown::Reject, exact: true };
    T::deserialize(decoder).or_else(|_| T::deserialize(Decoder { exact: false, ..decoder }))
}

/// Decodes `node` as kustomize does the configuration of a plugin: fields that
/// the type does not have are passed over, and a string may be written as a
/// number or boolean.
pub(crate) fn lenient<T: DeserializeOwned>(doc: &Document, node: NodeId) -> Result<T, DecodeError> {
    T::deserialize(Decoder { doc, node, field: "", unknown: Unknown::Ignore, exact: false })
}

/// The field that `key` names: the one spelt like it, else the first that
/// differs from it only in case.
pub(crate) fn match_field(fields: &'static [&'static str], key: &str) -> Option<&'static str> {
    let exact = fields.iter().find(|field| same(field, key));
    exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))).copied()
}

/// What is wrong with a field, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The 1-based line, if known.
    pub line: Option<usize>,
    /// The 1-based column, in characters, if known.
    pub column: Option<usize>,
    /// A field of the type that is spelt much like the unknown one.
    pub closest: Option<&'static str>,
    what: String,
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { line: None, column: None, closest: None, what: message.to_string() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Reject,
    Ignore,
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    doc: &'a Document,
    node: NodeId,
    /// The field that holds the node, for messages.
    field: &'a str,
    unknown: Unknown,
    /// Fails where a field is not spelt as the type spells it, which spares
    /// looking for it. What it says is wrong may not be what is wrong first.
    exact: bool,
}

impl<'a> Decoder<'a> {
    fn error(&self, what: String) -> DecodeError {
        let position = self.doc.position(self.node);
        DecodeError { line: position.map(|at| at.0), column: position.map(|at| at.1), closest: None, what }
    }

    fn mismatch(&self, wanted: &str) -> DecodeError {
        let found = match (self.doc.kind(self.node), self.doc.tag(self.node)) {
            (Kind::Mapping, _) => "a mapping".to_owned(),
            (Kind::Sequence, _) => "a list".to_owned(),
            (_, Tag::Bool) => format!("the boolean `{}`", self.doc.text(self.node)),
            (_, Tag::Int | Tag::Float) => format!("the number `{}`", self.doc.text(self.node)),
            _ => format!("the string `{}`", self.doc.text(self.node)),
        };
        let field = if self.field.is_empty() { "the file" } else { &format!("`{}`", self.field) };
        self.error(format!("{field} must be {wanted}, not {found}"))
    }

    fn is_null(&self) -> bool {
        self.doc.is_null(self.node)
    }

    /// The text of a scalar that JSON would write in quotes.
    fn string(&self) -> Result<Cow<'a, str>, DecodeError> {
        if !self.doc.is_scalar(self.node) {
            return Err(self.mismatch("a string"));
        }
        match (self.doc.tag(self.node), self.unknown) {
            (Tag::Null, _) => Ok("".into()),
            (Tag::Bool, Unknown::Ignore) => Ok(bool_value(self.doc.text(self.node)).to_string().into()),
            (Tag::Int | Tag::Float, Unknown::Ignore) => match self.number() {
                Some(Number::Int(int)) => Ok(int.to_string().into()),
                Some(Number::Float(float)) => Ok(number::general(float).into()),
                None => Ok(self.doc.text(self.node).into()),
            },
            (Tag::Bool | Tag::Int | Tag::Float, Unknown::Reject) => Err(self.mismatch("a string (in quotes)")),
            _ => Ok(self.doc.text(self.node).into()),
        }
    }

    fn visit_string<V: Visitor<'a>>(&self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn bool(&self) -> Result<bool, DecodeError> {
        match (self.doc.kind(self.node), self.doc.tag(self.node)) {
            (Kind::Scalar, Tag::Null) => Ok(false),
            (Kind::Scalar, Tag::Bool) => Ok(bool_value(self.doc.text(self.node))),
            _ => Err(self.mismatch("true or false")),
        }
    }

    fn number(&self) -> Option<Number> {
        match (self.doc.kind(self.node), self.doc.tag(self.node)) {
            (Kind::Scalar, Tag::Int | Tag::Float) => number_value(self.doc.text(self.node)),
            _ => None,
        }
    }

    fn integer(&self) -> Result<i64, DecodeError> {
        if self.is_null() {
            return Ok(0);
        }
        match self.number() {
            Some(Number::Int(int)) => Ok(int),
            // JSON has no way to tell 2 from 2.0.
            Some(Number::Float(float)) if float.fract() == 0.0 && float.abs() < 9.0e15 => Ok(float as i64),
            _ => Err(self.mismatch("a whole number")),
        }
    }

    fn at(&self, node: NodeId, field: &'a str) -> Self {
        Self { node, field, ..*self }
    }

    fn seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if !self.doc.is_sequence(self.node) && !self.is_null() {
            return Err(self.mismatch("a list"));
        }
        visitor.visit_seq(Items { decoder: self, items: self.doc.items(self.node) })
    }

    fn entries(&self) -> Result<impl Iterator<Item = (NodeId, NodeId)> + use<'a>, DecodeError> {
        if !self.doc.is_mapping(self.node) && !self.is_null() {
            return Err(self.mismatch("a mapping"));
        }
        Ok(self.doc.entries(self.node))
    }

    /// The fields in their order, as they are spelt.
    fn exact_fields(&self) -> Result<impl Iterator<Item = (&'a str, NodeId)> + use<'a>, DecodeError> {
        let doc = self.doc;
        Ok(self.entries()?.map(|(key, value)| (doc.text(key), value)))
    }

    /// The entries by the field they set. Where two spellings of a field are
    /// given, JSON's sorted order decides that the later one counts.
    fn fields(&self, fields: &'static [&'static str]) -> Result<Vec<(&'static str, NodeId)>, DecodeError> {
        let mut found: Vec<(&'static str, &str, NodeId)> = Vec::new();
        for (key, value) in self.entries()? {
            match match_field(fields, self.doc.text(key)) {
                Some(field) => found.push((field, self.doc.text(key), value)),
                None if self.unknown == Unknown::Ignore => {}
                None => return Err(self.unknown_field(fields, key)),
            }
        }
        found.sort_by_key(|(field, key, _)| (*field, *key));
        let later = found.iter().skip(1).map(|(field, ..)| Some(*field)).chain([None]);
        let last = found.iter().zip(later).filter(|((field, ..), later)| Some(*field) != *later);
        Ok(last.map(|((field, _, value), _)| (*field, *value)).collect())
    }

    fn unknown_field(&self, fields: &'static [&'static str], key: NodeId) -> DecodeError {
        let name = self.doc.text(key);
        let place = if self.field.is_empty() { String::new() } else { format!(" in `{}`", self.field) };
        let error = self.at(key, "").error(format!("unknown field `{name}`{place}"));
        DecodeError { closest: closest(name, fields.iter().copied()), ..error }
    }
}

/// The candidate nearest to `name`, if one is near enough to be a typing error.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + name.len() / 4;
    candidates
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The value of a scalar that was resolved to a boolean by either YAML dialect.
fn bool_value(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "y")
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Int(i64),
    Float(f64),
}

/// The value of a scalar that was resolved to a number.
fn number_value(text: &str) -> Option<Number> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain.as_str()),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix, radix| lower.strip_prefix(prefix).and_then(|rest| i64::from_str_radix(rest, radix).ok());
    let octal = || lower.strip_prefix('0').and_then(|rest| i64::from_str_radix(rest, 8).ok());
    let int = radix("0x", 16).or_else(|| radix("0b", 2)).or_else(|| radix("0o", 8)).or_else(octal);
    let int = int.or_else(|| lower.parse::<i64>().ok());
    match int {
        Some(int) => Some(Number::Int(if negative { -int } else { int })),
        None => plain.parse::<f64>().ok().map(Number::Float),
    }
}

impl<'de> de::Deserializer<'de> for Decoder<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.doc.kind(self.node) {
            Kind::Mapping => self.deserialize_map(visitor),
            Kind::Sequence => self.seq(visitor),
            Kind::Scalar => match self.doc.tag(self.node) {
                Tag::Null => visitor.visit_unit(),
                Tag::Bool => visitor.visit_bool(self.bool()?),
                Tag::Int | Tag::Float => match self.number() {
                    Some(Number::Int(int)) => visitor.visit_i64(int),
                    Some(Number::Float(float)) => visitor.visit_f64(float),
                    None => Err(self.mismatch("a number")),
                },
                _ => visitor.visit_borrowed_str(self.doc.text(self.node)),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.bool()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i64(self.integer()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = self.entries()?;
        visitor.visit_map(Entries { decoder: self, entries, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if self.exact {
            let fields = self.exact_fields()?;
            return visitor.visit_map(Fields { decoder: self, fields, value: None });
        }
        let fields = self.fields(fields)?.into_iter();
        visitor.visit_map(Fields { decoder: self, fields, value: None })
    }

    /// Some types would pass over a field that they do not know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.exact { Err(self.mismatch("the value of a field")) } else { self.deserialize_any(visitor) }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct enum identifier
    }
}

struct Items<'a> {
    decoder: Decoder<'a>,
    items: Children<'a>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let Some(node) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.decoder.at(node, self.decoder.field)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.clone().count())
    }
}

struct Entries<'a, I> {
    decoder: Decoder<'a>,
    entries: I,
    value: Option<(NodeId, NodeId)>,
}

impl<'de, I: Iterator<Item = (NodeId, NodeId)>> de::MapAccess<'de> for Entries<'de, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(key_text(self.decoder.doc, key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let (key, value) = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(self.decoder.at(value, self.decoder.doc.text(key)))
    }
}

/// A mapping's key as JSON writes it: booleans and numbers become strings.
fn key_text(doc: &Document, key: NodeId) -> StringDeserializer<DecodeError> {
    let text = doc.text(key);
    let text = match doc.tag(key) {
        Tag::Bool => bool_value(text).to_string(),
        Tag::Int | Tag::Float => match number_value(text) {
            Some(Number::Int(int)) => int.to_string(),
            Some(Number::Float(float)) => float.to_string(),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    };
    text.into_deserializer()
}

struct Fields<'a, I> {
    decoder: Decoder<'a>,
    fields: I,
    value: Option<(&'a str, NodeId)>,
}

impl<'de, I: Iterator<Item = (&'de str, NodeId)>> de::MapAccess<'de> for Fields<'de, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.fields.next();
        let Some((field, _)) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError> = field.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let (field, value) = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(self.decoder.at(value, field))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::Gvk;
    use crate::kustomization::{Kustomization, Replica};
    use crate::yaml::Scalar;

    fn doc(entries: &[(&str, Tag, &str)]) -> Document {
        let mut doc = Document::new(Arc::default());
        for (key, tag, text) in entries {
            doc.set_value(doc.root(), key, Scalar { tag: *tag, ..Scalar::plain(text) });
        }
        doc
    }

    fn decoded(entries: &[(&str, Tag, &str)]) -> Result<Kustomization, DecodeError> {
        let doc = doc(entries);
        strict(&doc, doc.root())
    }

    #[test]
    fn names_match_whatever_their_case() {
        let read = decoded(&[("NAMEPREFIX", Tag::Str, "a-"), ("Namespace", Tag::Str, "n")]).expect("decoded");
        assert_eq!((read.name_prefix.as_str(), read.namespace.as_str()), ("a-", "n"));
        // Sorted, `namePrefix` comes after `NAMEPREFIX`.
        let read = decoded(&[("namePrefix", Tag::Str, "b-"), ("NAMEPREFIX", Tag::Str, "a-")]).expect("decoded");
        assert_eq!(read.name_prefix, "b-");
    }

    #[test]
    fn null_is_the_default() {
        let fields = ["namePrefix", "resources", "openapi", "metadata", "sortOptions", "labels"];
        let entries: Vec<_> = fields.iter().map(|field| (*field, Tag::Null, "~")).collect();
        assert_eq!(decoded(&entries).expect("decoded"), Kustomization::default());
    }

    #[test]
    fn an_unknown_field_is_named_with_the_closest_one() {
        let error = decoded(&[("namePrefx", Tag::Str, "a-")]).expect_err("unknown");
        assert_eq!((error.to_string().as_str(), error.closest), ("unknown field `namePrefx`", Some("namePrefix")));
        assert_eq!(decoded(&[("inventory", Tag::Null, "")]).expect_err("unknown").closest, None);
    }

    #[test]
    fn what_is_wrong_is_the_same_however_fields_are_spelt() {
        let wrong = [("namespace", Tag::Int, "1"), ("namePrefix", Tag::Int, "2")];
        let told = |entries: &[_]| decoded(entries).expect_err("two numbers").to_string();
        assert!(told(&wrong).starts_with("`namePrefix` must be"));
        assert_eq!(told(&[wrong.as_slice(), &[("NAMESUFFIX", Tag::Null, "")]].concat()), told(&wrong));
    }

    #[test]
    fn types_that_ignore_fields_elsewhere_do_not_here() {
        let doc = doc(&[("kind", Tag::Str, "K"), ("name", Tag::Str, "n")]);
        assert_eq!(strict::<Gvk>(&doc, doc.root()).expect_err("unknown").to_string(), "unknown field `name`");
        assert_eq!(lenient::<Gvk>(&doc, doc.root()).map(|gvk| gvk.kind), Ok("K".to_owned()));
    }

    #[test]
    fn nothing_is_taken_for_a_string() {
        let error = decoded(&[("namePrefix", Tag::Bool, "y")]).expect_err("a boolean");
        assert_eq!(error.to_string(), "`namePrefix` must be a string (in quotes), not the boolean `y`");
        assert!(decoded(&[("resources", Tag::Str, "a")]).is_err());
    }

    #[test]
    fn a_plugin_takes_anything_for_a_string() {
        for (tag, text, name) in [(Tag::Bool, "True", "true"), (Tag::Int, "0x10", "16"), (Tag::Float, "1.50", "1.5")] {
            let doc = doc(&[("name", tag, text), ("unknown", Tag::Null, "")]);
            let read: Replica = lenient(&doc, doc.root()).expect("decoded");
            assert_eq!(read.name, name);
        }
    }

    #[test]
    fn numbers_keep_to_whole_ones() {
        for (tag, text, count) in [
            (Tag::Int, "3", Some(3)),
            (Tag::Int, "0x10", Some(16)),
            (Tag::Int, "-010", Some(-8)),
            (Tag::Int, "1_000", Some(1000)),
            (Tag::Float, "2.0", Some(2)),
            (Tag::Float, "2.5", None),
            (Tag::Str, "3", None),
        ] {
            let doc = doc(&[("count", tag, text)]);
            let read = strict::<Replica>(&doc, doc.root());
            assert_eq!(read.ok().map(|replica| replica.count), count, "{text}");
        }
    }
}
