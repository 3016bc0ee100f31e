//! Scalars as kustomize reads them in a kustomization file.

use serde_json::Value;

use crate::yaml::resolve::{self, Dialect, Plain};

/// What a scalar means; one that is not a number, a boolean or null for
/// kustomize is text, and so is one that is quoted or tagged as text.
pub(super) fn value(text: &str, plain: bool, tag: Option<&str>) -> Value {
    let as_text = || Value::from(text);
    if !plain || tag.is_some_and(|tag| tag.ends_with(":str") || tag == "!") {
        return as_text();
    }
    match resolve::plain(Dialect::V2, text) {
        Plain::Null => Value::Null,
        Plain::Bool(truth) => Value::Bool(truth),
        Plain::Int(number) => Value::from(number),
        Plain::Uint(number) => Value::from(number),
        // Infinities have no JSON form; as text they are at least not lost.
        Plain::Float(number) => serde_json::Number::from_f64(number).map_or_else(as_text, Value::Number),
        Plain::Timestamp(_) | Plain::Str => as_text(),
    }
}

/// Whether a string has to be quoted so that every YAML reader takes it for one.
pub(super) fn needs_quotes(text: &str) -> bool {
    resolve::is_special_v2(text)
}
