//! Paths to fields, as `managedFields` and conflict messages write them.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::value::{equal, order};

/// One step of a path.
#[derive(Debug, Clone)]
pub enum PathElement {
    /// A field of a map, `f:NAME` on the wire.
    Field(String),
    /// An item of a list map, by its keys sorted by name, `k:{…}` on the wire.
    Key(Vec<(String, Value)>),
    /// An item of a set, `v:VALUE` on the wire.
    Value(Value),
    /// An item by its position, `i:N` on the wire; nothing current writes it.
    Index(usize),
}

impl PathElement {
    /// A step to the field `name`.
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// The part of `value` that it leads to.
    pub(crate) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            _ => value.get(self.place(value)?),
        }
    }

    /// The part of `value` that it leads to, to be changed.
    pub(crate) fn of_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Self::Field(name) => value.get_mut(name),
            _ => {
                let place = self.place(value)?;
                value.get_mut(place)
            }
        }
    }

    /// The place in a list of the item that it means.
    pub(crate) fn place(&self, list: &Value) -> Option<usize> {
        let items = list.as_array()?;
        match self {
            Self::Field(_) => None,
            Self::Index(index) => Some(*index).filter(|index| *index < items.len()),
            _ => items.iter().position(|item| self.selects(item)),
        }
    }

    /// Whether an item of a list is the one it means, by what is in it.
    pub(crate) fn selects(&self, item: &Value) -> bool {
        match self {
            Self::Key(keys) => keys.iter().all(|(key, value)| item.get(key).is_some_and(|found| equal(found, value))),
            Self::Value(value) => equal(item, value),
            Self::Field(_) | Self::Index(_) => false,
        }
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a == b,
            (Self::Key(a), Self::Key(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((n, v), (m, w))| n == m && equal(v, w))
            }
            (Self::Value(a), Self::Value(b)) => equal(a, b),
            (Self::Index(a), Self::Index(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for PathElement {}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => order_keys(a, b),
            (Self::Value(a), Self::Value(b)) => order(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PathElement {
    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

fn order_keys(a: &[(String, Value)], b: &[(String, Value)]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|((n, v), (m, w))| n.cmp(m).then_with(|| order(v, w)))
        .find(|found| found.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A field, from the root of the object: `.spec.containers[name="web"].image`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<PathElement>);

impl Path {
    /// A path of plain fields.
    pub fn of_fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(PathElement::field).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
