//! What an apply would change, in fields and as a text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::TextDiff;

use crate::fields::project;
use crate::structured_merge::{FieldSet, PathElement, equal};

/// A field that differs between the cluster and what is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, such as `spec.template.spec.containers[name="web"].image`.
    pub path: String,
    /// Its value in the cluster; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// Its value after the apply; `None` if it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// The differences between two states of an object in the fields of `set`.
pub(crate) fn changes(live: &Value, merged: &Value, set: &FieldSet) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(Some(live), Some(merged), set, &mut String::new(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn compare(
    live: Option<&Value>,
    merged: Option<&Value>,
    set: &FieldSet,
    path: &mut String,
    found: &mut Vec<FieldChange>,
) {
    match (live, merged) {
        (None, None) => {}
        (Some(a), Some(b)) if !(set.is_empty() || a.is_null() || b.is_null()) => {
            for (element, below) in set.elements() {
                let length = path.len();
                extend(path, element);
                compare(element.of(a), element.of(b), below, path, found);
                path.truncate(length);
            }
            order_change(a, b, set, path, found);
        }
        (Some(a), Some(b)) if equal(a, b) => {}
        (from, to) => {
            let part = |value: &Value| project(value, set);
            found.push(FieldChange {
                path: path.trim_start_matches('.').to_owned(),
                from: from.map(part),
                to: to.map(part),
            });
        }
    }
}

/// `.name` for a field, `[name="web"]` for an item; names that would read as
/// more than one step in quotes.
fn extend(path: &mut String, element: &PathElement) {
    // Writing to a string cannot fail.
    let _ = match element {
        PathElement::Field(name) if name.contains(['.', '/', '[']) => write!(path, "[{name:?}]"),
        _ => write!(path, "{element}"),
    };
}

/// Items that only change places are a change too, of the list as a whole.
fn order_change(a: &Value, b: &Value, set: &FieldSet, path: &str, found: &mut Vec<FieldChange>) {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else { return };
    let places = |items: &[Value], other: &[Value]| -> Vec<usize> {
        let both = |element: &PathElement| other.iter().any(|item| element.selects(item));
        let owned = |item: &Value| set.elements().position(|(element, _)| element.selects(item) && both(element));
        items.iter().filter_map(owned).collect()
    };
    if places(a, b) != places(b, a) {
        let path = path.trim_start_matches('.').to_owned();
        let whole = |items: &[Value]| Some(project(&Value::Array(items.to_vec()), set));
        found.push(FieldChange { path, from: whole(a), to: whole(b) });
    }
}

/// A unified diff of two values as YAML; empty if they are the same.
pub(crate) fn unified(name: &str, from: Option<&Value>, to: Option<&Value>) -> String {
    let yaml = |value: Option<&Value>| {
        value.map(|value| serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string())).unwrap_or_default()
    };
    let (old, new) = (yaml(from), yaml(to));
    if old == new {
        return String::new();
    }
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(3).header(&format!("live {name}"), &format!("wanted {name}")).to_string()
}

/// Adds the usual colours of a diff for a terminal.
pub fn colour(diff: &str) -> String {
    let mut coloured = String::with_capacity(diff.len() * 2);
    for line in diff.split_inclusive('\n') {
        let code = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => "1",
            [b'+', ..] => "32",
            [b'-', ..] => "31",
            [b'@', ..] => "36",
            _ => "",
        };
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        if code.is_empty() {
            coloured.push_str(line);
        } else {
            let _ = write!(coloured, "\u{1b}[{code}m{text}\u{1b}[0m{end}");
        }
    }
    coloured
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set() -> FieldSet {
        let fields = json!({"f:spec": {"f:replicas": {}, "f:gone": {}, "f:containers": {
            "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}},
            "k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:image": {}}}}});
        FieldSet::from_fields_v1(&fields).unwrap()
    }

    #[test]
    fn only_owned_fields_count() {
        let live = json!({"spec": {"replicas": 1, "gone": "x", "foreign": 1, "containers": [{"name": "a", "image": "1", "tty": true}]}});
        let merged = json!({"spec": {"replicas": 2, "foreign": 2, "containers": [
            {"name": "a", "image": "2", "tty": true}, {"name": "b", "image": "1", "stdin": false}]}});
        let changes = changes(&live, &merged, &set());
        let shown: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.from.clone(), c.to.clone())).collect();
        assert_eq!(
            shown,
            [
                ("spec.containers[name=\"a\"].image", Some(json!("1")), Some(json!("2"))),
                ("spec.containers[name=\"b\"]", None, Some(json!({"name": "b", "image": "1"}))),
                ("spec.gone", Some(json!("x")), None),
                ("spec.replicas", Some(json!(1)), Some(json!(2))),
            ]
        );
    }

    #[test]
    fn names_with_dots_are_quoted() {
        let mut path = String::new();
        [PathElement::field("metadata"), PathElement::field("a.b/c")].iter().for_each(|e| extend(&mut path, e));
        assert_eq!(path, ".metadata[\"a.b/c\"]");
    }

    #[test]
    fn a_new_order_is_a_change() {
        let object =
            |names: [&str; 2]| json!({"spec": {"containers": names.map(|name| json!({"name": name, "image": "1"}))}});
        let found = changes(&object(["a", "b"]), &object(["b", "a"]), &set());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "spec.containers");
        assert!(changes(&object(["a", "b"]), &object(["a", "b"]), &set()).is_empty());
    }

    #[test]
    fn unified_diffs_read_as_yaml() {
        let text = unified("web", Some(&json!({"spec": {"replicas": 1}})), Some(&json!({"spec": {"replicas": 2}})));
        assert_eq!(text, "--- live web\n+++ wanted web\n@@ -1,2 +1,2 @@\n spec:\n-  replicas: 1\n+  replicas: 2\n");
        assert!(colour(&text).contains("\u{1b}[31m-  replicas: 1\u{1b}[0m\n"));
        assert_eq!(unified("web", None, None), "");
    }
}
