//! OpenAPI v3 documents: what kubectl needs to validate and to explain, and clients to find list
//! keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::structured_merge::{Field, ListKind, MapType, PatchStrategy, Scalar, Type, builtin_type_name};

use super::resource::{Resource, api_version};
use super::state::State;

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

/// `/openapi/v3` and the documents below it.
pub(crate) fn document(state: &State, rest: &[&str]) -> Option<Value> {
    match rest {
        [] => Some(index(state)),
        ["api", version] => group(state, "", version),
        ["apis", name, version] => group(state, name, version),
        _ => None,
    }
}

/// Where the document of each group and version is, under a name that changes with its content.
fn index(state: &State) -> Value {
    let mut paths = Map::new();
    for resource in state.resources() {
        let Resource { group: name, version, .. } = &**resource;
        let path = if name.is_empty() { format!("api/{version}") } else { format!("apis/{name}/{version}") };
        if paths.contains_key(&path) {
            continue;
        }
        let hash = content_hash(state, name, version);
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
    }
    json!({"paths": paths})
}

/// Built-in documents never change; those of custom resources change with their definitions.
fn content_hash(state: &State, group: &str, version: &str) -> String {
    let mut digest = Sha256::new();
    for resource in state.resources().filter(|found| found.group == group && found.version == version) {
        digest.update(&resource.plural);
        if let Some(custom) = &resource.custom {
            digest.update(custom.schema.to_string());
        }
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02X}")).collect()
}

fn group(state: &State, group: &str, version: &str) -> Option<Value> {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for resource in state.resources().filter(|found| found.group == group && found.version == version) {
        schemas.add_kind(resource);
        add_paths(&mut paths, resource);
    }
    if paths.is_empty() {
        return None;
    }
    Some(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths, "components": {"schemas": schemas.found},
    }))
}

fn kind_of(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn add_paths(paths: &mut Map<String, Value>, resource: &Resource) {
    let prefix = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespaces = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection =
        format!("{prefix}/{}{namespaces}/{}", api_version(&resource.group, &resource.version), resource.plural);
    let operation = |verb: &str, action: &str| {
        let parameters: Vec<_> = parameters(verb).iter().map(|name| parameter(name)).collect();
        json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind_of(resource),
               "parameters": parameters, "responses": {"200": {"description": "OK"}}})
    };
    let mut whole = json!({"post": operation("post", "post")});
    let mut item = json!({});
    if resource.verbs.contains(&"get") {
        whole["get"] = operation("get", "list");
        for (verb, action) in [("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")] {
            item[verb] = operation(verb, action);
        }
        paths.insert(format!("{collection}/{{name}}"), item);
    }
    paths.insert(collection, whole);
}

fn parameters(verb: &str) -> &'static [&'static str] {
    match verb {
        "patch" => &["dryRun", "fieldManager", "fieldValidation", "force"],
        "post" | "put" => &["dryRun", "fieldManager", "fieldValidation"],
        "delete" => &["dryRun", "propagationPolicy"],
        _ => &["labelSelector", "fieldSelector", "limit", "continue", "watch"],
    }
}

fn parameter(name: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})
}

/// The schemas of a document, by name.
#[derive(Default)]
struct Schemas {
    found: BTreeMap<String, Value>,
}

impl Schemas {
    fn add_kind(&mut self, resource: &Resource) {
        let (name, mut schema) = match (&resource.custom, builtin_type_name(&resource.ty)) {
            (None, Some(name)) => {
                self.reference(name, &resource.ty);
                (name.to_owned(), self.found[name].clone())
            }
            (custom, _) => {
                // example.com becomes com.example, as in the names of packages.
                let domain: Vec<_> = resource.group.split('.').rev().collect();
                let name = format!("{}.{}.{}", domain.join("."), resource.version, resource.kind);
                let schema = custom.as_ref().map(|custom| custom.schema.clone()).unwrap_or_default();
                (name, self.with_common_fields(schema))
            }
        };
        schema["x-kubernetes-group-version-kind"] = json!([kind_of(resource)]);
        self.found.insert(name, schema);
    }

    fn with_common_fields(&mut self, mut schema: Value) -> Value {
        if !schema.is_object() {
            schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        }
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        if let Some(metadata) = crate::structured_merge::builtin_type("meta/v1", "ObjectMeta") {
            schema["properties"]["metadata"] = self.schema(&metadata);
        }
        schema
    }

    fn reference(&mut self, name: &str, ty: &Arc<Type>) -> Value {
        if !self.found.contains_key(name) {
            // Before its fields, in case one of them leads back here.
            self.found.insert(name.to_owned(), Value::Null);
            let schema = self.plain(ty);
            self.found.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn schema(&mut self, ty: &Arc<Type>) -> Value {
        match builtin_type_name(ty) {
            Some(name) => self.reference(name, ty),
            None => self.plain(ty),
        }
    }

    fn plain(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Scalar(scalar) => self.scalar(*scalar),
            Type::List(list) => {
                let mut schema = json!({"type": "array", "items": self.schema(&list.item)});
                match &list.kind {
                    ListKind::Atomic => schema["x-kubernetes-list-type"] = json!("atomic"),
                    ListKind::Set => schema["x-kubernetes-list-type"] = json!("set"),
                    ListKind::Map(keys) => {
                        schema["x-kubernetes-list-type"] = json!("map");
                        schema["x-kubernetes-list-map-keys"] = json!(keys);
                    }
                }
                schema
            }
            Type::Map(map) => self.map(map),
            _ => json!({"type": "object"}),
        }
    }

    fn scalar(&mut self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::Number => json!({"type": "integer"}),
            Scalar::Bool => json!({"type": "boolean"}),
            Scalar::Time => json!({"type": "string", "format": "date-time"}),
            Scalar::Bytes => json!({"type": "string", "format": "byte"}),
            Scalar::Quantity => self.shared(QUANTITY, json!({"type": "string"})),
            Scalar::IntOrString => {
                let schema = json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"});
                self.shared(INT_OR_STRING, schema)
            }
            Scalar::String | Scalar::Untyped => json!({"type": "string"}),
        }
    }

    fn shared(&mut self, name: &str, schema: Value) -> Value {
        self.found.entry(name.to_owned()).or_insert(schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn map(&mut self, map: &MapType) -> Value {
        let mut schema = json!({"type": "object"});
        for (name, field) in &map.fields {
            schema["properties"][name] = self.field(field);
        }
        if let Some(element) = &map.element {
            schema["additionalProperties"] = self.schema(element);
        }
        if map.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        schema
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.schema(&field.ty);
        if let Some(default) = field.key_default() {
            schema["default"] = default;
        }
        let mut strategy = Vec::new();
        match &field.patch {
            Some(PatchStrategy::Key(key)) => {
                strategy.push("merge");
                schema["x-kubernetes-patch-merge-key"] = json!(key);
            }
            Some(PatchStrategy::Set) => strategy.push("merge"),
            None => {}
        }
        if field.retain_keys {
            strategy.push("retainKeys");
        }
        if !strategy.is_empty() {
            schema["x-kubernetes-patch-strategy"] = json!(strategy.join(","));
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured_merge::{builtin_type, compare, type_from_json_schema};

    /// A client that reads the documents merges as the server does.
    #[test]
    fn types_survive_the_way_through_a_document() {
        let state = State::new(false, 10);
        let document = document(&state, &["apis", "apps", "v1"]).unwrap();
        let schemas = document["components"]["schemas"].clone();
        let read = type_from_json_schema(&schemas["io.k8s.api.apps.v1.Deployment"], &|name| schemas.get(name).cloned());
        let own = builtin_type("apps/v1", "Deployment").unwrap();
        let object = |port: i64| {
            json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [
                {"name": "c", "ports": [{"containerPort": port}], "args": ["x"], "env": [{"name": "E", "value": "1"}]}]}}}})
        };
        assert_eq!(compare(&read, &object(1), &object(2)), compare(&own, &object(1), &object(2)));
    }
}
