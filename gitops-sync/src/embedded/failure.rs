//! Errors as the API server answers them: `Status` objects.

use serde_json::{Map, Value, json};

use super::resource::Resource;

/// A refused request.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

/// One invalid field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".into() } else { format!("Required value: {detail}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {value}: {detail}");
        Self { field: field.into(), reason: "FieldValueInvalid", message }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[String]) -> Self {
        let supported: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { field: field.into(), reason: "FieldValueNotSupported", message }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {detail}") }
    }

    pub(crate) fn too_long(field: impl Into<String>, detail: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueTooLong", message: format!("Too long: {detail}") }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self { field: field.into(), reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}") }
    }
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Option<Value>) -> Self {
        Self { code, reason, message: message.into(), details }
    }

    /// The answer's body.
    pub(crate) fn status(&self) -> Value {
        let mut status = Map::new();
        status.insert("kind".into(), json!("Status"));
        status.insert("apiVersion".into(), json!("v1"));
        status.insert("metadata".into(), json!({}));
        status.insert("status".into(), json!("Failure"));
        status.insert("message".into(), json!(self.message));
        if !self.reason.is_empty() {
            status.insert("reason".into(), json!(self.reason));
        }
        if let Some(details) = &self.details {
            status.insert("details".into(), details.clone());
        }
        status.insert("code".into(), json!(self.code));
        Value::Object(status)
    }

    fn about(resource: &Resource, name: &str) -> Value {
        let mut details = Map::new();
        details.insert("name".into(), json!(name));
        if !resource.group.is_empty() {
            details.insert("group".into(), json!(resource.group));
        }
        details.insert("kind".into(), json!(resource.plural));
        details.retain(|_, value| value != "");
        Value::Object(details)
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message, Some(Self::about(resource, name)))
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource", Some(json!({})))
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message, Some(json!({})))
    }

    pub(crate) fn exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message, Some(Self::about(resource, name)))
    }

    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        let detail = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(&resource.qualified(), Self::about(resource, name), name, detail)
    }

    /// A precondition that does not hold; these name the kind.
    pub(crate) fn precondition(resource: &Resource, name: &str, detail: &str) -> Self {
        let mut details = Self::about(resource, name);
        details["kind"] = json!(resource.kind);
        Self::conflict(&resource.qualified_kind(), details, name, detail)
    }

    fn conflict(qualified: &str, details: Value, name: &str, detail: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {qualified} {name:?}: {detail}");
        Self::new(409, "Conflict", message, Some(details))
    }

    pub(crate) fn apply_conflict(message: String, causes: Vec<Cause>) -> Self {
        Self::new(409, "Conflict", message, Some(json!({"causes": causes_json(&causes)})))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, None)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message, None)
    }

    pub(crate) fn unsupported_media_type(message: &str, details: Option<Value>) -> Self {
        Self::new(415, "UnsupportedMediaType", message, details)
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, detail: &str, causes: &[Cause]) -> Self {
        let mut details = Self::about(resource, name);
        if !causes.is_empty() {
            details["causes"] = causes_json(causes);
        }
        let message = format!("{} {name:?} is forbidden: {detail}", resource.qualified());
        Self::new(403, "Forbidden", message, Some(details))
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message, None)
    }

    /// A JSON patch that does not fit the object.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message, Some(json!({})))
    }

    pub(crate) fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Self {
        Self::invalid_kind(&resource.group, &resource.kind, name, causes)
    }

    pub(crate) fn invalid_kind(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut lines: Vec<String> = Vec::new();
        for cause in &causes {
            let line = format!("{}: {}", cause.field, cause.message);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let lines = if let [single] = lines.as_slice() { single.clone() } else { format!("[{}]", lines.join(", ")) };
        let mut details = Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.into(), json!(value));
            }
        }
        details.insert("causes".into(), causes_json(&causes));
        let message = format!("{qualified} {name:?} is invalid: {lines}");
        Self::new(422, "Invalid", message, Some(Value::Object(details)))
    }

    pub(crate) fn too_many_requests(seconds: u64) -> Self {
        let details = json!({"retryAfterSeconds": seconds});
        Self::new(429, "TooManyRequests", "too many requests, please try again later", Some(details))
    }

    pub(crate) fn injected(code: u16) -> Self {
        let (reason, message) = match code {
            500 => ("InternalError", "an error injected into the embedded API server"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "request did not complete within the allotted timeout"),
            403 => ("Forbidden", "forbidden by a fault injected into the embedded API server"),
            409 => ("Conflict", "a conflict injected into the embedded API server"),
            _ => ("", "an error injected into the embedded API server"),
        };
        Self::new(code, reason, message, None)
    }
}

fn causes_json(causes: &[Cause]) -> Value {
    causes.iter().map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field})).collect()
}
