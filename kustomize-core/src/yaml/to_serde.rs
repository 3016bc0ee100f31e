//! Documents for whatever serde can write: the values that kustomize prints.

use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::resolve::{self, Dialect, Plain};
use super::scalar::{self, Meaning};
use super::{Document, Kind, NodeId};

/// A node to be serialised.
pub(crate) struct Value<'a> {
    pub(crate) doc: &'a Document,
    pub(crate) id: NodeId,
    pub(crate) is_root: bool,
    pub(crate) in_flow: bool,
}

impl<'a> Value<'a> {
    pub(crate) fn root(doc: &'a Document) -> Self {
        Self { doc, id: doc.root(), is_root: true, in_flow: false }
    }

    fn child(&self, id: NodeId) -> Self {
        let in_flow = self.in_flow || self.doc.is_flow(self.id);
        Self { doc: self.doc, id, is_root: false, in_flow }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.doc.kind(self.id) {
            Kind::Scalar => self.scalar(serializer),
            Kind::Sequence => {
                let mut sequence = serializer.serialize_seq(Some(self.doc.len(self.id)))?;
                for item in self.doc.items(self.id) {
                    sequence.serialize_element(&self.child(item))?;
                }
                sequence.end()
            }
            Kind::Mapping => {
                let mut mapping = serializer.serialize_map(None)?;
                for (key, value) in self.doc.entries(self.id) {
                    scalar::check_key(self.doc, key, self.is_root).map_err(S::Error::custom)?;
                    mapping.serialize_entry(self.doc.text(key), &self.child(value))?;
                }
                mapping.end()
            }
        }
    }
}

impl Value<'_> {
    /// As `serde_yaml::to_value`, which takes so much of the stack for each
    /// level that a document as deep as is allowed could overflow it.
    pub(crate) fn to_yaml_value(&self) -> Result<serde_yaml::Value, serde_yaml::Error> {
        match self.doc.kind(self.id) {
            Kind::Scalar => self.scalar(serde_yaml::value::Serializer),
            Kind::Sequence => {
                let mut sequence = serde_yaml::Sequence::with_capacity(self.doc.len(self.id));
                for item in self.doc.items(self.id) {
                    sequence.push(self.child(item).to_yaml_value()?);
                }
                Ok(sequence.into())
            }
            Kind::Mapping => {
                let mut mapping = serde_yaml::Mapping::new();
                for (key, value) in self.doc.entries(self.id) {
                    scalar::check_key(self.doc, key, self.is_root).map_err(serde_yaml::Error::custom)?;
                    mapping.insert(self.doc.text(key).into(), self.child(value).to_yaml_value()?);
                }
                Ok(mapping.into())
            }
        }
    }

    fn scalar<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match scalar::meaning(self.doc, self.id, self.in_flow).map_err(S::Error::custom)? {
            Meaning::Null => serializer.serialize_unit(),
            Meaning::Bool(value) => serializer.serialize_bool(value),
            Meaning::Int(value) => serializer.serialize_i64(value),
            Meaning::Uint(value) => serializer.serialize_u64(value),
            // A round float is printed as an integer, so it is one.
            Meaning::Float(value) => match resolve::plain(Dialect::V2, &scalar::float_text(value)) {
                Plain::Int(int) => serializer.serialize_i64(int),
                Plain::Uint(int) => serializer.serialize_u64(int),
                _ => serializer.serialize_f64(value),
            },
            Meaning::Str(text) => serializer.serialize_str(&text),
        }
    }
}
