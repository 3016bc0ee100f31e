//! How the fields of a kind merge.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::path::PathElement;

/// The type of a value: a scalar, a list, a map, or anything.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Type {
    /// One value without parts.
    Scalar(Scalar),
    /// A list.
    List(ListType),
    /// A map or a struct.
    Map(MapType),
    /// Anything: maps merge key by key, lists are replaced whole.
    Any,
}

/// What a scalar may hold, and how the API server writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scalar {
    /// A string.
    String,
    /// An integer or a decimal.
    Number,
    /// True or false.
    Bool,
    /// Any scalar.
    Untyped,
    /// A resource quantity, such as `500m`, written in its canonical form.
    Quantity,
    /// A number or a string, such as a port.
    IntOrString,
    /// A time, null when missing.
    Time,
    /// Bytes in base 64.
    Bytes,
}

/// How a list merges.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListType {
    /// The type of an item.
    pub item: Arc<Type>,
    /// Whether and how items are told apart.
    pub kind: ListKind,
}

/// Whether and how items of a list are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListKind {
    /// One value, replaced whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// Items with these keys.
    Map(Vec<String>),
}

/// How a map or struct merges.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct MapType {
    /// Declared fields.
    pub fields: BTreeMap<String, Field>,
    /// The type of keys that are not declared; without one they are unknown fields.
    pub element: Option<Arc<Type>>,
    /// One value, replaced whole.
    pub atomic: bool,
}

/// A declared field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Its type.
    pub ty: Arc<Type>,
    /// When the API server writes it.
    pub presence: Presence,
    /// Its value where it is a missing key of a list item.
    pub default: Option<Value>,
    /// How a strategic merge patch merges it, where it is a list.
    pub patch: Option<PatchStrategy>,
    /// Whether a strategic merge patch drops the fields that it doesn't name.
    pub retain_keys: bool,
    /// Its number in protobuf, after those of the embedded structs around it.
    pub(crate) number: Vec<u32>,
}

/// When the API server writes a field, after Go's `omitempty` and pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// Unless it is the zero value: `""`, `0`, `false`, an empty list or map.
    NonZero,
    /// Always; the zero value when missing.
    Always,
    /// When it was given, zero or not.
    Given,
    /// When it was given, else null.
    GivenOrNull,
}

/// How a strategic merge patch merges a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchStrategy {
    /// Items with the same value of this field are one.
    Key(String),
    /// A set of scalars.
    Set,
}

impl Field {
    /// A field of this type that is written when it was given.
    pub fn new(ty: Arc<Type>) -> Self {
        Self { ty, presence: Presence::Given, default: None, patch: None, retain_keys: false, number: Vec::new() }
    }

    /// Its value where it is a missing key of a list item: the declared default, or the zero
    /// value of what is always written.
    pub fn key_default(&self) -> Option<Value> {
        if self.default.is_some() {
            return self.default.clone();
        }
        match (&*self.ty, self.presence) {
            (Type::Scalar(scalar), Presence::Always) => Some(scalar.zero()),
            _ => None,
        }
    }
}

impl Scalar {
    /// The zero value.
    pub fn zero(self) -> Value {
        match self {
            Self::Number | Self::IntOrString => Value::from(0),
            Self::Bool => Value::Bool(false),
            Self::Quantity => Value::from("0"),
            Self::Time | Self::Bytes | Self::Untyped => Value::Null,
            Self::String => Value::from(""),
        }
    }
}

impl ListType {
    /// A list that is replaced whole.
    pub fn atomic(item: Arc<Type>) -> Self {
        Self { item, kind: ListKind::Atomic }
    }

    /// The path element of an item, or why it has none.
    pub(crate) fn element_of(&self, item: &Value) -> Result<PathElement, String> {
        match &self.kind {
            ListKind::Atomic => Err("invalid indexing of non-associative list".into()),
            ListKind::Set => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
                scalar => Ok(PathElement::Value(scalar.clone())),
            },
            ListKind::Map(keys) => self.keys_of(item, keys).map(PathElement::Key),
        }
    }

    fn keys_of(&self, item: &Value, keys: &[String]) -> Result<Vec<(String, Value)>, String> {
        let item = match item {
            Value::Object(item) => item,
            Value::Null => return Err("associative list with keys may not have a null element".into()),
            _ => return Err("associative list with keys may not have non-map elements".into()),
        };
        let mut found: Vec<_> = keys.iter().filter_map(|key| Some((key.clone(), self.key(item, key)?))).collect();
        if found.is_empty() {
            let keys: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] \
                 (and doesn't have default values for any key fields)",
                keys.join(" ")
            ));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    fn key(&self, item: &Map<String, Value>, key: &str) -> Option<Value> {
        item.get(key).cloned().or_else(|| match &*self.item {
            Type::Map(map) => map.fields.get(key)?.key_default(),
            _ => None,
        })
    }
}

impl MapType {
    /// The type below a key: of the declared field, or of any key.
    pub fn type_of(&self, key: &str) -> Option<&Arc<Type>> {
        self.fields.get(key).map(|field| &field.ty).or(self.element.as_ref())
    }
}

impl Type {
    /// Whether this is a struct with a field of that name.
    pub(crate) fn declares(&self, name: &str) -> bool {
        matches!(self, Self::Map(map) if map.fields.contains_key(name))
    }

    /// The type below a key.
    pub(crate) fn field_type(&self, name: &str) -> Option<Arc<Type>> {
        match self {
            Self::Map(map) => map.type_of(name).cloned(),
            Self::Any => Some(Arc::new(Self::Any)),
            _ => None,
        }
    }

    /// The type of list items.
    pub(crate) fn item_type(&self) -> Option<Arc<Type>> {
        match self {
            Self::List(list) => Some(list.item.clone()),
            Self::Any => Some(Arc::new(Self::Any)),
            _ => None,
        }
    }

    /// How to walk a value of this type: `Any` takes the shape of the value.
    pub(crate) fn shape(&self, value: Option<&Value>) -> Shape<'_> {
        match self {
            Self::Scalar(scalar) => Shape::Scalar(*scalar),
            Self::List(list) => Shape::List(list),
            Self::Map(map) => Shape::Map(map),
            Self::Any => match value {
                Some(Value::Array(_)) => Shape::AnyList,
                Some(Value::Object(_) | Value::Null) | None => Shape::Map(any_map()),
                Some(_) => Shape::Scalar(Scalar::Untyped),
            },
        }
    }
}

/// The part of a type that fits a value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape<'a> {
    Scalar(Scalar),
    List(&'a ListType),
    AnyList,
    Map(&'a MapType),
}

fn any_map() -> &'static MapType {
    static ANY: std::sync::OnceLock<MapType> = std::sync::OnceLock::new();
    ANY.get_or_init(|| MapType { element: Some(Arc::new(Type::Any)), ..MapType::default() })
}
