//! A request as the handlers see it.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use super::failure::{Cause, Failure};
use super::protobuf;

/// A request with its body read.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    query: Vec<(String, String)>,
    pub(crate) accept: Accept,
    pub(crate) content_type: String,
    user_agent: String,
    pub(crate) body: Bytes,
}

/// In which form the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    Object,
    /// Rows for printing.
    Table,
    /// Only the metadata.
    Metadata,
    /// Discovery with all groups in one document.
    AggregatedDiscovery,
}

/// What happens to fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

impl ApiRequest {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let header = |name| header_text(&parts.headers, name);
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parse_query(parts.uri.query().unwrap_or("")),
            accept: accept(&header(header::ACCEPT)),
            content_type: header(header::CONTENT_TYPE).split(';').next().unwrap_or("").trim().to_owned(),
            user_agent: header(header::USER_AGENT),
            body,
        }
    }

    /// A query parameter that is not empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| matches!(value, "true" | "1"))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.method == Method::GET && self.flag("watch")
    }

    /// Whether nothing may be stored.
    pub(crate) fn dry_run(&self) -> Result<bool, Failure> {
        match self.query("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                let cause = Cause::unsupported("dryRun", &Value::from(other), &["All".to_owned()]);
                Err(Failure::invalid_kind("meta.k8s.io", self.options_kind(), "", vec![cause]))
            }
        }
    }

    fn options_kind(&self) -> &'static str {
        match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::DELETE => "DeleteOptions",
            _ => "PatchOptions",
        }
    }

    /// The field manager: as asked, or the first part of the user agent.
    pub(crate) fn manager(&self) -> Result<String, Failure> {
        if let Some(name) = self.query("fieldManager") {
            if name.len() > 128 {
                let cause = Cause::too_long("fieldManager", "may not be more than 128 bytes");
                return Err(Failure::invalid_kind("meta.k8s.io", self.options_kind(), "", vec![cause]));
            }
            return Ok(name.to_owned());
        }
        let name = self.user_agent.split('/').next().unwrap_or("");
        Ok(if name.is_empty() { "unknown".into() } else { name.chars().take(128).collect() })
    }

    pub(crate) fn field_validation(&self) -> FieldValidation {
        match self.query("fieldValidation") {
            Some("Strict") => FieldValidation::Strict,
            Some("Ignore") => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        }
    }

    /// The body as JSON or YAML, by its content type.
    pub(crate) fn object(&self, kind: &str) -> Result<Value, Failure> {
        match self.content_type.as_str() {
            "" | "application/json" | "*/*" => self.json(kind),
            "application/yaml" => self.yaml(),
            protobuf::MEDIA_TYPE => protobuf::read(&self.body).map_err(|error| {
                Failure::bad_request(format!("the body of the request cannot be read as protobuf: {error}"))
            }),
            other => Err(Failure::unsupported_media_type(
                &format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json, application/yaml, application/vnd.kubernetes.protobuf (and not {other})"
                ),
                None,
            )),
        }
    }

    fn json(&self, kind: &str) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = String::from_utf8_lossy(&self.body);
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; \
                 json parse error: {} ({})",
                go_json_error(&text, &error),
                text.chars().take(100).collect::<String>()
            ))
        })
    }

    pub(crate) fn yaml(&self) -> Result<Value, Failure> {
        serde_yaml::from_slice(&self.body)
            .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))
    }
}

/// What Go's JSON decoder says of the same text: it names the character and what it looked for.
fn go_json_error(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    let line_start = text.lines().take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum::<usize>();
    let offset = line_start + error.column().saturating_sub(1);
    let Some(found) = text.get(offset..).and_then(|rest| rest.chars().next()) else { return error.to_string() };
    let before = text[..offset].trim_end().chars().next_back();
    let looked_for = match before {
        Some('{') => "looking for beginning of object key string",
        None | Some(':' | '[') => "looking for beginning of value",
        Some(',') => "looking for beginning of object key string",
        _ => "after top-level value",
    };
    format!("invalid character {found:?} {looked_for}")
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Percent-decodes a query component.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The first media type that is understood decides.
fn accept(header: &str) -> Accept {
    for media_type in header.split(',') {
        let mut parameters = media_type.split(';').map(str::trim);
        if !matches!(parameters.next(), Some("application/json")) {
            continue;
        }
        let kind = parameters.filter_map(|parameter| parameter.strip_prefix("as=")).next();
        match kind {
            Some("Table") if media_type.contains("v=v1beta1") => {}
            Some("Table") => return Accept::Table,
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Accept::Metadata,
            Some("APIGroupDiscoveryList") if media_type.contains("v=v2beta1") => {}
            Some("APIGroupDiscoveryList") => return Accept::AggregatedDiscovery,
            Some(_) => {}
            None => return Accept::Object,
        }
    }
    Accept::Object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = parse_query("labelSelector=n%20in+(1%2C2)&watch");
        assert_eq!(query, [("labelSelector".into(), "n in (1,2)".into()), ("watch".into(), String::new())]);
    }

    #[test]
    fn the_first_known_media_type_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(accept(kubectl), Accept::Table);
        assert_eq!(accept("application/vnd.kubernetes.protobuf,application/json"), Accept::Object);
    }
}
