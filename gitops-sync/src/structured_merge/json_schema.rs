//! Types from JSON schemas: of CustomResourceDefinitions and of OpenAPI documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::schema::{Field, ListKind, ListType, MapType, PatchStrategy, Scalar, Type};

/// References nest no deeper in any schema that means something; recursive ones end here.
const MAX_DEPTH: usize = 40;

/// The type that a schema describes: a structural schema of a CustomResourceDefinition, or a
/// schema of an OpenAPI v2 or v3 document, with their `x-kubernetes-…` extensions.
///
/// `resolve` returns the schema behind a `$ref`, by its last path segment. What the schema
/// leaves open is [`Type::Any`].
pub fn type_from_json_schema(schema: &Value, resolve: &dyn Fn(&str) -> Option<Value>) -> Arc<Type> {
    Reader { resolve, depth: 0 }.read(schema)
}

struct Reader<'a> {
    resolve: &'a dyn Fn(&str) -> Option<Value>,
    depth: usize,
}

impl Reader<'_> {
    fn read(&self, schema: &Value) -> Arc<Type> {
        if self.depth > MAX_DEPTH {
            return Arc::new(Type::Any);
        }
        if let Some(reference) = reference(schema) {
            return self.referenced(reference, schema);
        }
        let flag = |name: &str| schema[name] == Value::Bool(true);
        if flag("x-kubernetes-int-or-string") || schema["format"] == "int-or-string" {
            return Arc::new(Type::Scalar(Scalar::IntOrString));
        }
        Arc::new(match schema["type"].as_str() {
            Some("string") => Type::Scalar(Scalar::String),
            Some("integer" | "number") => Type::Scalar(Scalar::Number),
            Some("boolean") => Type::Scalar(Scalar::Bool),
            Some("array") => self.list(schema),
            Some("object") => self.map(schema),
            _ if schema.get("properties").is_some() => self.map(schema),
            _ => Type::Any,
        })
    }

    fn referenced(&self, name: &str, user: &Value) -> Arc<Type> {
        let name = name.rsplit('/').next().unwrap_or(name);
        match name {
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => return Arc::new(Type::Scalar(Scalar::Quantity)),
            "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => return Arc::new(Type::Scalar(Scalar::IntOrString)),
            _ => {}
        }
        let Some(schema) = (self.resolve)(name) else { return Arc::new(Type::Any) };
        let found = Reader { resolve: self.resolve, depth: self.depth + 1 }.read(&schema);
        match (&*found, user["x-kubernetes-map-type"] == "atomic") {
            (Type::Map(map), true) => Arc::new(Type::Map(MapType { atomic: true, ..map.clone() })),
            _ => found,
        }
    }

    fn below(&self) -> Self {
        Self { resolve: self.resolve, depth: self.depth + 1 }
    }

    fn list(&self, schema: &Value) -> Type {
        let strings = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let item = self.below().read(&schema["items"]);
        let merges = schema["x-kubernetes-patch-strategy"].as_str().is_some_and(|s| s.split(',').any(|s| s == "merge"));
        let kind = match (schema["x-kubernetes-list-type"].as_str(), schema["x-kubernetes-patch-merge-key"].as_str()) {
            (Some("map"), _) => ListKind::Map(strings(&schema["x-kubernetes-list-map-keys"])),
            (Some("set"), _) => ListKind::Set,
            (None, Some(key)) if merges => ListKind::Map(vec![key.to_owned()]),
            (None, None) if merges => ListKind::Set,
            _ => ListKind::Atomic,
        };
        Type::List(ListType { item, kind })
    }

    fn map(&self, schema: &Value) -> Type {
        let below = self.below();
        let fields: BTreeMap<_, _> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), below.field(schema)))
            .collect();
        let element = match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => Some(below.read(values)),
            Some(Value::Bool(true)) => Some(Arc::new(Type::Any)),
            _ if schema["x-kubernetes-preserve-unknown-fields"] == true => Some(Arc::new(Type::Any)),
            _ => None,
        };
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        if fields.is_empty() && element.is_none() && !atomic {
            return Type::Any;
        }
        let mut map = MapType { fields, element, atomic };
        if schema["x-kubernetes-embedded-resource"] == true {
            embed(&mut map);
        }
        Type::Map(map)
    }

    fn field(&self, schema: &Value) -> Field {
        let patch = schema["x-kubernetes-patch-strategy"].as_str().unwrap_or("");
        let key = schema["x-kubernetes-patch-merge-key"].as_str();
        Field {
            default: schema.get("default").filter(|value| !value.is_null()).cloned(),
            patch: patch.contains("merge").then(|| match key {
                Some(key) => PatchStrategy::Key(key.to_owned()),
                None => PatchStrategy::Set,
            }),
            retain_keys: patch.contains("retainKeys"),
            ..Field::new(self.read(schema))
        }
    }
}

/// OpenAPI v3 wraps a reference that has a default into `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str().or_else(|| match schema["allOf"].as_array()?.as_slice() {
        [single] => single["$ref"].as_str(),
        _ => None,
    })
}

/// Adds what every object has.
pub(crate) fn embed(map: &mut MapType) {
    let string = || Field::new(Arc::new(Type::Scalar(Scalar::String)));
    map.fields.insert("apiVersion".into(), string());
    map.fields.insert("kind".into(), string());
    if let Some(metadata) = super::builtin_type("meta/v1", "ObjectMeta") {
        map.fields.insert("metadata".into(), Field::new(metadata));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn extensions_decide_how_lists_merge() {
        let ty = type_from_json_schema(
            &json!({"type": "object", "properties": {
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "items": {"$ref": "#/definitions/Items"}}}),
            &|name| {
                (name == "Items").then(|| {
                    json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                           "items": {"type": "object", "properties": {"k": {"type": "string", "default": "d"}}}})
                })
            },
        );
        let items = ty.field_type("items").unwrap();
        let Type::List(items) = &*items else { panic!("a list") };
        assert_eq!(items.element_of(&json!({})).unwrap().to_string(), r#"[k="d"]"#);
        let tags = ty.field_type("tags").unwrap();
        let Type::List(tags) = &*tags else { panic!("a list") };
        assert_eq!(tags.kind, ListKind::Set);
    }
}
