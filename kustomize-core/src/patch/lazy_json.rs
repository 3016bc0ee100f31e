//! JSON that is only taken apart where somebody looks, and that keeps the
//! text of its scalars: a JSON patch's `test` compares texts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// A value of a document that is being patched.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Null,
    /// Not looked into yet, or a scalar.
    Raw(Box<RawValue>),
    Object(BTreeMap<String, Json>),
    Array(Vec<Json>),
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Box<RawValue>>(text).map(Self::from_raw)
    }

    pub(super) fn from_raw(raw: Box<RawValue>) -> Self {
        if raw.get() == "null" { Self::Null } else { Self::Raw(raw) }
    }

    /// Takes it apart if it is an object or an array.
    pub(super) fn open(&mut self) -> &mut Self {
        if let Self::Raw(raw) = self {
            let first = raw.get().as_bytes().first();
            let opened = match first {
                Some(b'{') => serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(raw.get()).map(|object| {
                    Self::Object(object.into_iter().map(|(key, raw)| (key, Self::from_raw(raw))).collect())
                }),
                Some(b'[') => serde_json::from_str::<Vec<Box<RawValue>>>(raw.get())
                    .map(|array| Self::Array(array.into_iter().map(Self::from_raw).collect())),
                _ => return self,
            };
            // A raw value was checked when it was read; keys that are no text leave it closed.
            if let Ok(opened) = opened {
                *self = opened;
            }
        }
        self
    }

    /// About how many bytes it is printed as.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Raw(raw) => raw.get().len(),
            Self::Object(object) => object.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>() + 2,
            Self::Array(array) => array.iter().map(Self::size).sum::<usize>() + 2,
        }
    }

    /// How many objects and arrays are inside each other, as far as they are taken apart.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Null | Self::Raw(_) => 0,
            Self::Object(object) => 1 + object.values().map(Self::depth).max().unwrap_or(0),
            Self::Array(array) => 1 + array.iter().map(Self::depth).max().unwrap_or(0),
        }
    }

    /// Whether both are the same but for space and the order of keys. Scalars
    /// have to be written the same: `1.0` is not `1`.
    pub(super) fn equals(&mut self, other: &mut Self) -> bool {
        match (self.open(), other.open()) {
            (Self::Null, Self::Null) => true,
            (Self::Raw(a), Self::Raw(b)) => a.get() == b.get(),
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter_mut().all(|(key, a)| b.get_mut(key).is_some_and(|b| a.equals(b)))
            }
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter_mut().zip(b).all(|(a, b)| a.equals(b)),
            _ => false,
        }
    }

    pub(super) fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::Array(array) => array.serialize(serializer),
        }
    }
}
