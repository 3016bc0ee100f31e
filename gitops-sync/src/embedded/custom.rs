//! Custom resources: what a CustomResourceDefinition makes the server serve.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::structured_merge::{Type, builtin_type, type_from_json_schema};

use super::normalise;
use super::resource::{CUSTOM_VERBS, Resource};

/// One version of a custom resource.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// The structural schema; null where the version has none.
    pub(crate) schema: Value,
    /// Columns for tables.
    pub(crate) columns: Vec<Value>,
    /// Where the scale subresource finds its numbers.
    pub(crate) scale: Option<Value>,
    /// Whether objects are stored at this version.
    pub(crate) stored: bool,
}

/// The resources that a definition adds, one for each served version.
pub(crate) fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions.filter(|version| version["served"] == true).map(|version| Arc::new(resource(spec, version))).collect()
}

fn resource(spec: &Value, version: &Value) -> Resource {
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let schema = version["schema"]["openAPIV3Schema"].clone();
    let subresources: Vec<String> = ["status", "scale"]
        .iter()
        .filter(|name| !version["subresources"][**name].is_null())
        .map(|name| (*name).to_owned())
        .collect();
    let custom = CustomVersion {
        columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        scale: version["subresources"].get("scale").filter(|scale| !scale.is_null()).cloned(),
        stored: version["storage"] == true,
        schema,
    };
    Resource {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        plural: text(&names["plural"]),
        singular: text(&names["singular"]),
        kind: text(&names["kind"]),
        list_kind: text(&names["listKind"]),
        namespaced: spec["scope"] != "Cluster",
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        subresources,
        verbs: CUSTOM_VERBS,
        counts_generation: true,
        ty: object_type(&custom.schema),
        custom: Some(Arc::new(custom)),
    }
}

/// The type of objects with this schema; they all have the common fields.
fn object_type(schema: &Value) -> Arc<Type> {
    if !schema.is_object() {
        return Arc::new(Type::Any);
    }
    let mut whole = schema.clone();
    whole["x-kubernetes-embedded-resource"] = json!(true);
    // Without any property, the schema would read as free-form.
    if whole["properties"].as_object().is_none_or(Map::is_empty) {
        whole["properties"] = json!({"kind": {"type": "string"}});
    }
    type_from_json_schema(&whole, &|_| None)
}

impl CustomVersion {
    /// Drops fields that the schema does not know, and returns their names.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        if self.schema.is_object() {
            prune(&self.schema, object, "", true, &mut unknown);
        }
        tidy_metadata(object);
        unknown
    }

    /// Sets the defaults of the schema.
    pub(crate) fn default(&self, object: &mut Value) {
        default(&self.schema, object);
    }
}

/// Metadata is typed in custom resources as well.
fn tidy_metadata(object: &mut Value) {
    if let (Some(ty), Some(metadata)) = (builtin_type("meta/v1", "ObjectMeta"), object.get_mut("metadata")) {
        *metadata = normalise::normalised(&ty, metadata);
    }
}

fn prune(schema: &Value, value: &mut Value, path: &str, is_root: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, &format!("{path}[{index}]"), false, unknown);
            }
        }
        Value::Object(map) => prune_map(schema, map, path, is_root, unknown),
        _ => {}
    }
}

fn prune_map(schema: &Value, map: &mut Map<String, Value>, path: &str, is_root: bool, unknown: &mut Vec<String>) {
    let embedded = is_root || schema["x-kubernetes-embedded-resource"] == true;
    let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    map.retain(|key, value| {
        if embedded && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
            return true;
        }
        let known = schema["properties"].get(key).or_else(|| match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => Some(values),
            _ => None,
        });
        match known {
            Some(known) => prune(known, value, &below(key), false, unknown),
            None if keeps || schema["additionalProperties"] == true => {}
            None => {
                unknown.push(below(key));
                return false;
            }
        }
        true
    });
}

fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let missing = map.get(name).is_none_or(|found| found.is_null() && property["nullable"] != true);
                if let (true, Some(preset)) = (missing, property.get("default")) {
                    map.insert(name.clone(), preset.clone());
                }
                if let Some(found) = map.get_mut(name) {
                    default(property, found);
                }
            }
            if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
                map.values_mut().for_each(|value| default(values, value));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| default(&schema["items"], item)),
        _ => {}
    }
}

/// The status of a definition whose names are accepted and which is served.
pub(crate) fn established(definition: &Value, now: &str) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
    let mut status = definition["status"].clone();
    status["acceptedNames"] = definition["spec"]["names"].clone();
    status["conditions"] = json!([
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]);
    status
}

/// Whether a definition has the condition with the status `True`.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
}
