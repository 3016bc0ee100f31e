//! Secrets are shown so that only their equality can be seen.

use std::collections::HashMap;

use serde_json::Value;

/// Replaces each value under `data` and `stringData` of a Secret by plus
/// signs: as many for the same value of the same key, more for each other one.
///
/// The same mask must see both sides of a comparison.
#[derive(Default)]
pub(crate) struct Mask {
    seen: HashMap<String, Vec<Value>>,
}

/// Argo CD writes this many for the first value, and four more for each other.
const FIRST: usize = 8;

impl Mask {
    pub(crate) fn hide(&mut self, secret: &mut Value) {
        for map in ["data", "stringData"] {
            if let Some(Value::Object(entries)) = secret.get_mut(map) {
                entries.iter_mut().for_each(|(key, value)| self.hide_value(key, value));
            }
        }
        const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
        if let Some(text) = secret.pointer_mut("/metadata/annotations").and_then(|map| map.get_mut(LAST_APPLIED)) {
            self.hide_value(LAST_APPLIED, text);
        }
    }

    fn hide_value(&mut self, key: &str, value: &mut Value) {
        if value.is_null() {
            return;
        }
        let values = self.seen.entry(key.to_owned()).or_default();
        let place = values.iter().position(|seen| seen == value).unwrap_or_else(|| {
            values.push(value.clone());
            values.len() - 1
        });
        *value = "+".repeat(FIRST + 4 * place).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_stays_visible() {
        let mut mask = Mask::default();
        let mut live = json!({"data": {"a": "MQ==", "b": "Mg=="}});
        let mut wanted = json!({"data": {"a": "MQ==", "b": "Mw=="}});
        mask.hide(&mut live);
        mask.hide(&mut wanted);
        assert_eq!(live["data"]["a"], wanted["data"]["a"]);
        assert_ne!(live["data"]["b"], wanted["data"]["b"]);
        assert!(!format!("{live}{wanted}").contains("M"));
    }
}
