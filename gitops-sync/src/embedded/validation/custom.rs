//! Rules of custom resources: those of their schemas.
//!
//! Rules in CEL (`x-kubernetes-validations`) are not evaluated.

use regex::Regex;
use serde_json::Value;

use crate::embedded::failure::Cause;

/// What a schema refuses in an object.
pub(super) fn check(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if schema.is_object() {
        value(schema, object, "", &mut causes);
    }
    causes
}

fn value(schema: &Value, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    if found.is_null() && schema["nullable"] == true {
        return;
    }
    if !has_type(schema, found) {
        let wanted = schema["type"].as_str().unwrap_or("integer");
        let actual = type_name(found);
        let detail = format!("{path} in body must be of type {wanted}: {actual:?}");
        return causes.push(Cause::invalid(path, &Value::from(actual), &detail));
    }
    match found {
        Value::Object(map) => {
            required(schema, found, path, causes);
            for (key, found) in map {
                if path.is_empty() && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let property = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
                if let Some(property) = property.filter(|property| property.is_object()) {
                    value(property, found, &below, causes);
                }
            }
            count(schema, map.len(), ("minProperties", "maxProperties"), "properties", path, causes);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                value(&schema["items"], item, &format!("{path}[{index}]"), causes);
            }
            count(schema, items.len(), ("minItems", "maxItems"), "items", path, causes);
        }
        Value::Number(number) => range(schema, number.as_f64().unwrap_or(0.0), found, path, causes),
        Value::String(text) => string(schema, text, found, path, causes),
        _ => {}
    }
    enumeration(schema, found, path, causes);
    combined(schema, found, path, causes);
}

fn has_type(schema: &Value, found: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return found.is_i64() || found.is_u64() || found.is_string();
    }
    match schema["type"].as_str() {
        Some("string") => found.is_string(),
        Some("integer") => found.is_i64() || found.is_u64() || found.as_f64().is_some_and(|n| n.fract() == 0.0),
        Some("number") => found.is_number(),
        Some("boolean") => found.is_boolean(),
        Some("array") => found.is_array(),
        Some("object") => found.is_object(),
        _ => true,
    }
}

fn type_name(found: &Value) -> &'static str {
    match found {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn required(schema: &Value, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if found.get(name).is_none() {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            causes.push(Cause::required(path, ""));
        }
    }
}

fn count(schema: &Value, size: usize, names: (&str, &str), what: &str, path: &str, causes: &mut Vec<Cause>) {
    let size = size as u64;
    if let Some(least) = schema[names.0].as_u64().filter(|least| size < *least) {
        let detail = format!("{path} in body should have at least {least} {what}");
        causes.push(Cause::invalid(path, &Value::from(size), &detail));
    }
    if let Some(most) = schema[names.1].as_u64().filter(|most| size > *most) {
        let message = format!("Too many: {size}: must have at most {most} {what}");
        causes.push(Cause { field: path.to_owned(), reason: "FieldValueTooMany", message });
    }
}

fn range(schema: &Value, number: f64, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut fail = |detail: String| causes.push(Cause::invalid(path, found, &format!("{path} in body {detail}")));
    if let Some(least) = schema["minimum"].as_f64() {
        match schema["exclusiveMinimum"] == true {
            true if number <= least => fail(format!("should be greater than {}", schema["minimum"])),
            false if number < least => fail(format!("should be greater than or equal to {}", schema["minimum"])),
            _ => {}
        }
    }
    if let Some(most) = schema["maximum"].as_f64() {
        match schema["exclusiveMaximum"] == true {
            true if number >= most => fail(format!("should be less than {}", schema["maximum"])),
            false if number > most => fail(format!("should be less than or equal to {}", schema["maximum"])),
            _ => {}
        }
    }
    let factor = schema["multipleOf"].as_f64().filter(|factor| *factor != 0.0);
    if factor.is_some_and(|factor| (number / factor).fract() != 0.0) {
        fail(format!("should be a multiple of {}", schema["multipleOf"]));
    }
}

fn string(schema: &Value, text: &str, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, found, &detail));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        causes.push(Cause::too_long(path, &format!("may not be more than {most} bytes")));
    }
    let pattern = schema["pattern"].as_str().unwrap_or("");
    // A pattern of a dialect that is not understood refuses nothing.
    if !pattern.is_empty() && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text)) {
        let detail = format!("{path} in body should match '{pattern}'");
        causes.push(Cause::invalid(path, found, &detail));
    }
}

fn enumeration(schema: &Value, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(known) = schema["enum"].as_array() else { return };
    if !known.contains(found) {
        let known: Vec<_> = known.iter().map(|value| value.as_str().map_or(value.to_string(), str::to_owned)).collect();
        causes.push(Cause::unsupported(path, found, &known));
    }
}

fn combined(schema: &Value, found: &Value, path: &str, causes: &mut Vec<Cause>) {
    let fits = |schema: &Value| {
        let mut causes = Vec::new();
        value(schema, found, path, &mut causes);
        causes.is_empty()
    };
    let schemas = |name: &str| schema[name].as_array().map_or(&[][..], Vec::as_slice);
    for part in schemas("allOf") {
        value(part, found, path, causes);
    }
    let mut fail = |detail: &str| causes.push(Cause::invalid(path, found, &format!("{path:?} {detail}")));
    if !schemas("anyOf").is_empty() && !schemas("anyOf").iter().any(fits) {
        fail("must validate at least one schema (anyOf)");
    }
    if !schemas("oneOf").is_empty() {
        match schemas("oneOf").iter().filter(|part| fits(part)).count() {
            1 => {}
            0 => fail("must validate one and only one schema (oneOf). Found none valid"),
            n => fail(&format!("must validate one and only one schema (oneOf). Found {n} valid alternatives")),
        }
    }
    if schema["not"].is_object() && fits(&schema["not"]) {
        fail("must not validate the schema (not)");
    }
}

/// Rules of a definition itself.
pub(super) fn check_definition(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut causes = Vec::new();
    let wanted = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if object["metadata"]["name"] != wanted.as_str() {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &object["metadata"]["name"], detail));
    }
    for field in ["spec.group", "spec.names.plural", "spec.names.kind"] {
        if text(super::at(object, field)).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], detail));
    }
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        if !version["schema"]["openAPIV3Schema"].is_object() {
            causes.push(Cause::required(path, "schemas are required"));
        }
    }
    causes
}
