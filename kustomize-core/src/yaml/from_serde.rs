//! Documents from whatever serde can read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Document, NodeId, Scalar, Style, Tag, json, number, print, resolve};

/// How numbers are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Integers stay what they are.
    Exact,
    /// All numbers become 64-bit floats first, as in Go's `encoding/json`.
    Floats,
}

/// Reads one value into a document; its place there is up to the caller.
pub(crate) fn node<'de, D: Deserializer<'de>>(
    deserializer: D,
    doc: &mut Document,
    numbers: Numbers,
) -> Result<NodeId, D::Error> {
    Node { doc, numbers }.deserialize(deserializer)
}

struct Node<'d> {
    doc: &'d mut Document,
    numbers: Numbers,
}

impl Node<'_> {
    fn plain(self, tag: Tag, text: &str) -> NodeId {
        self.doc.new_scalar(Scalar { tag, style: Style::Plain, text })
    }

    /// A number with its tag, as a parser would give it: a text that is put into
    /// its place later has to be of that type.
    fn number(self, text: &str) -> NodeId {
        self.plain(resolve::tag(text), text)
    }

    /// A string in the style in which yaml.v3 would write it.
    fn string(self, text: &str) -> NodeId {
        let style = match text {
            // A block that begins with a tab cannot be printed; kustomize tries it all the same.
            _ if text.starts_with('\t') && self.numbers == Numbers::Exact => Style::DoubleQuoted,
            _ if text.contains('\n') => Style::Literal,
            _ if resolve::tag(text) != Tag::Str || resolve::is_special_v2(text) => Style::DoubleQuoted,
            _ => print::quotes_v3(text),
        };
        self.doc.new_scalar(Scalar { tag: Tag::Str, style, text })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = NodeId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = NodeId;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<NodeId, E> {
        Ok(self.plain(Tag::Null, "null"))
    }

    fn visit_none<E: Error>(self) -> Result<NodeId, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeId, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeId, E> {
        Ok(self.plain(Tag::Bool, if value { "true" } else { "false" }))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<NodeId, E> {
        match self.numbers {
            Numbers::Exact => Ok(self.number(&value.to_string())),
            Numbers::Floats => self.visit_f64(value as f64),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<NodeId, E> {
        match self.numbers {
            Numbers::Exact => Ok(self.number(&value.to_string())),
            Numbers::Floats => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeId, E> {
        Ok(self.number(&number::general(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeId, E> {
        Ok(self.string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NodeId, A::Error> {
        let sequence = self.doc.new_sequence();
        while let Some(item) = items.next_element_seed(Node { doc: &mut *self.doc, numbers: self.numbers })? {
            self.doc.push(sequence, item);
        }
        Ok(sequence)
    }

    /// A key that comes again wins, as in Go.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NodeId, A::Error> {
        let (doc, numbers) = (self.doc, self.numbers);
        let mut by_key = std::collections::HashMap::<String, (NodeId, NodeId)>::new();
        let mut order = Vec::new();
        while let Some(text) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Node { doc: &mut *doc, numbers })?;
            let key = Node { doc: &mut *doc, numbers }.string(&text);
            if by_key.insert(text.clone(), (key, value)).is_none() {
                order.push(text);
            }
        }
        let mapping = doc.new_mapping();
        for text in order {
            let (key, value) = *by_key.get(&text).ok_or_else(|| A::Error::custom("key without value"))?;
            doc.push_entry(mapping, key, value);
        }
        if numbers == Numbers::Floats {
            json::sort_keys(doc, mapping);
        }
        Ok(mapping)
    }
}
