//! Writing an object as the API server would: known fields only, zero values as Go's types have
//! them.

use serde_json::{Map, Value};

use crate::structured_merge::{Field, MapType, Presence, Scalar, Type};

use super::quantity;

/// What does not fit while reading an object.
#[derive(Debug, Default)]
pub(crate) struct Misfits {
    /// Fields that the kind does not have, such as `spec.nonsense`.
    pub(crate) unknown: Vec<String>,
    /// Values of the wrong type, worded as Go's JSON decoder does.
    pub(crate) wrong: Vec<String>,
}

/// An object of a built-in kind as its Go type would be written back.
pub(crate) fn normalise(ty: &Type, object: &Value, misfits: &mut Misfits) -> Value {
    Walk { path: String::new(), misfits }.value(ty, Some(object))
}

/// The same, where what doesn't fit was checked before.
pub(crate) fn normalised(ty: &Type, object: &Value) -> Value {
    normalise(ty, object, &mut Misfits::default())
}

struct Walk<'a> {
    path: String,
    misfits: &'a mut Misfits,
}

impl Walk<'_> {
    /// The value, or the zero value of the type where there is none.
    fn value(&mut self, ty: &Type, value: Option<&Value>) -> Value {
        let value = value.filter(|value| !value.is_null());
        match ty {
            Type::Scalar(scalar) => value.map_or_else(|| scalar.zero(), |value| self.scalar(*scalar, value)),
            Type::List(list) => match value {
                Some(Value::Array(items)) if !items.is_empty() => items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.below(&format!("[{index}]"), |walk| walk.value(&list.item, Some(item))))
                    .collect(),
                Some(Value::Array(_)) | None => Value::Null,
                Some(other) => self.wrong(other, "slice"),
            },
            Type::Map(map) if is_struct(map) => match value {
                Some(Value::Object(fields)) => self.structure(map, fields),
                None => self.structure(map, &Map::new()),
                Some(other) => self.wrong(other, "struct"),
            },
            Type::Map(map) => match value {
                Some(Value::Object(entries)) if !entries.is_empty() => self.entries(map, entries),
                Some(Value::Object(_)) | None => Value::Null,
                Some(other) => self.wrong(other, "map"),
            },
            _ => value.cloned().unwrap_or(Value::Null),
        }
    }

    fn entries(&mut self, map: &MapType, entries: &Map<String, Value>) -> Value {
        let any = Type::Any;
        let element = map.element.as_deref().unwrap_or(&any);
        let entry = |(key, value): (&String, &Value)| {
            (key.clone(), self.below(&format!(".{key}"), |walk| walk.value(element, Some(value))))
        };
        Value::Object(entries.iter().map(entry).collect())
    }

    fn structure(&mut self, map: &MapType, given: &Map<String, Value>) -> Value {
        let mut out = Map::new();
        for (name, field) in &map.fields {
            if let Some(value) = self.below(&format!(".{name}"), |walk| walk.field(field, given.get(name))) {
                out.insert(name.clone(), value);
            }
        }
        for (name, value) in given {
            match &map.element {
                _ if map.fields.contains_key(name) => {}
                Some(element) => {
                    let value = self.below(&format!(".{name}"), |walk| walk.value(element, Some(value)));
                    out.insert(name.clone(), value);
                }
                None => {
                    let path = format!("{}.{name}", self.path);
                    self.misfits.unknown.push(path.trim_start_matches('.').to_owned());
                }
            }
        }
        Value::Object(out)
    }

    fn field(&mut self, field: &Field, given: Option<&Value>) -> Option<Value> {
        let given = given.filter(|value| !value.is_null());
        match field.presence {
            Presence::Given => given.map(|value| match (&*field.ty, value) {
                // A pointer keeps an empty map or list apart from none.
                (Type::List(_), Value::Array(items)) if items.is_empty() => value.clone(),
                _ => self.value(&field.ty, Some(value)),
            }),
            Presence::GivenOrNull => Some(given.map_or(Value::Null, |value| self.value(&field.ty, Some(value)))),
            Presence::Always => Some(self.value(&field.ty, given)),
            _ => Some(self.value(&field.ty, Some(given?))).filter(|value| !is_zero(value)),
        }
    }

    fn below<T>(&mut self, step: &str, f: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let result = f(self);
        self.path.truncate(length);
        result
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) -> Value {
        match (scalar, value) {
            (Scalar::String | Scalar::Time | Scalar::Bytes, Value::String(_)) => value.clone(),
            (Scalar::String | Scalar::Time | Scalar::Bytes, other) => self.wrong(other, "string"),
            (Scalar::Number, Value::Number(number)) => whole(number),
            (Scalar::Number, other) => self.wrong(other, "int32"),
            (Scalar::Bool, Value::Bool(_)) => value.clone(),
            (Scalar::Bool, other) => self.wrong(other, "bool"),
            (Scalar::Quantity, Value::String(text)) => {
                quantity::canonical(text).map_or_else(|| self.bad_quantity(value), Value::from)
            }
            (Scalar::Quantity, Value::Number(number)) => {
                quantity::canonical(&number.to_string()).map_or_else(|| value.clone(), Value::from)
            }
            (Scalar::IntOrString, Value::Number(_) | Value::String(_)) => value.clone(),
            (Scalar::IntOrString, other) => self.wrong(other, "string"),
            _ => value.clone(),
        }
    }

    fn bad_quantity(&mut self, value: &Value) -> Value {
        let message = "quantities must match the regular expression \
                       '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        self.misfits.wrong.push(message.into());
        value.clone()
    }

    fn wrong(&mut self, value: &Value, wanted: &str) -> Value {
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let field = self.path.trim_start_matches('.');
        self.misfits
            .wrong
            .push(format!("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"));
        value.clone()
    }
}

/// Writes whole numbers without a fraction, as Go does: `1.0` becomes `1`.
pub(crate) fn shorten_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => *value = whole(number),
        Value::Array(items) => items.iter_mut().for_each(shorten_numbers),
        Value::Object(map) => map.values_mut().for_each(shorten_numbers),
        _ => {}
    }
}

fn whole(number: &serde_json::Number) -> Value {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
        _ => Value::Number(number.clone()),
    }
}

/// Structs declare fields; plain maps only have a type of element.
fn is_struct(map: &MapType) -> bool {
    !map.fields.is_empty() || map.element.is_none()
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured_merge::builtin_type;
    use serde_json::json;

    #[test]
    fn an_empty_deployment_is_what_go_writes() {
        let ty = builtin_type("apps/v1", "Deployment").unwrap();
        let written = normalised(&ty, &json!({"apiVersion": "apps/v1", "kind": "Deployment"}));
        assert_eq!(
            written,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "status": {},
                   "spec": {"selector": null, "strategy": {},
                            "template": {"metadata": {}, "spec": {"containers": null}}}})
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let ty = builtin_type("v1", "Pod").unwrap();
        let mut misfits = Misfits::default();
        let pod = json!({"spec": {"containers": [{"name": 1, "nope": 1}]}});
        normalise(&ty, &pod, &mut misfits);
        assert_eq!(misfits.unknown, ["spec.containers[0].nope"]);
        assert_eq!(misfits.wrong.len(), 1);
    }
}
