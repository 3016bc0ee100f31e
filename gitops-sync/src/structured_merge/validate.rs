//! Whether a value fits its type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::PathElement;
use super::schema::{ListKind, ListType, MapType, Scalar, Shape, Type};

/// Why a value does not fit its type, worded as the API server does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", path, if path.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct TypeError {
    /// The field, such as `.spec.replicas`; empty at the root.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Everything in `value` that does not fit `ty`: wrong types, unknown fields, items of a list
/// map without or with the same key.
///
/// With `duplicates_allowed`, the last is no error; live objects may have them.
pub fn validate(ty: &Type, value: &Value, duplicates_allowed: bool) -> Vec<TypeError> {
    let mut walk = Walk { duplicates_allowed, path: String::new(), errors: Vec::new() };
    walk.value(ty, value);
    walk.errors
}

struct Walk {
    duplicates_allowed: bool,
    path: String,
    errors: Vec<TypeError>,
}

impl Walk {
    fn fail(&mut self, message: String) {
        self.errors.push(TypeError { path: self.path.clone(), message });
    }

    fn below(&mut self, element: &PathElement, f: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(&element.to_string());
        f(self);
        self.path.truncate(length);
    }

    fn value(&mut self, ty: &Type, value: &Value) {
        if value.is_null() {
            return;
        }
        match ty.shape(Some(value)) {
            Shape::Scalar(scalar) => {
                if let Err(message) = check_scalar(scalar, value) {
                    self.fail(message);
                }
            }
            Shape::List(list) => self.list(list, value),
            Shape::AnyList => {}
            Shape::Map(map) => self.map(map, value),
        }
    }

    fn list(&mut self, ty: &ListType, value: &Value) {
        let Value::Array(items) = value else {
            return self.fail(format!("expected list, got {}", printed(value)));
        };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = match &ty.kind {
                ListKind::Atomic => PathElement::Index(index),
                _ => match ty.element_of(item) {
                    Ok(element) => element,
                    Err(message) => return self.fail(format!("element {index}: {message}")),
                },
            };
            if !seen.insert(element.clone()) && !self.duplicates_allowed {
                self.fail(format!("duplicate entries for key {element}"));
            }
            self.below(&element, |walk| walk.value(&ty.item, item));
        }
    }

    fn map(&mut self, ty: &MapType, value: &Value) {
        let Value::Object(map) = value else {
            return self.fail(format!("expected map, got {}", printed(value)));
        };
        for (key, value) in map {
            let element = PathElement::field(key);
            match ty.type_of(key) {
                Some(ty) => self.below(&element, |walk| walk.value(ty, value)),
                None => return self.below(&element, |walk| walk.fail("field not declared in schema".into())),
            }
        }
    }
}

/// Whether one side of a comparison is a valid scalar; missing and null are.
pub(crate) fn check_scalar(scalar: Scalar, value: &Value) -> Result<(), String> {
    match (scalar, value) {
        (_, Value::Null) => Ok(()),
        (Scalar::Number, Value::Number(_)) => Ok(()),
        (Scalar::Number, other) => Err(format!("expected numeric (int or float), got {}", go_type(other))),
        (Scalar::Bool, Value::Bool(_)) => Ok(()),
        (Scalar::Bool, other) => Err(format!("expected boolean, got {}", printed(other))),
        (Scalar::String | Scalar::Time | Scalar::Bytes, Value::String(_)) => Ok(()),
        (Scalar::String | Scalar::Time | Scalar::Bytes, other) => {
            Err(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(other)))
        }
        (_, Value::Array(_) | Value::Object(_)) => Err(format!("expected any scalar, got {}", printed(value))),
        _ => Ok(()),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let items: Vec<_> = map.iter().map(|(k, v)| format!("{k:?}:{}", go_syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Null => "interface {}(nil)".into(),
        scalar => scalar.to_string(),
    }
}

/// As Go's `%v` prints the wrapper around it.
fn printed(value: &Value) -> String {
    format!("&{{{}}}", go_plain(value))
}

fn go_plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let items: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", go_plain(v))).collect();
            format!("map[{}]", items.join(" "))
        }
        scalar => scalar.to_string(),
    }
}
