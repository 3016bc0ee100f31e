//! Differences that do not count.

use serde_json::{Map, Value};

use crate::application::IgnoreDifferences;
use crate::fields::remove_owned;
use crate::id::ResourceId;
use crate::live::Live;

/// Fields that somebody else decides about, in the resources it selects.
///
/// A field that another manager owns is left out of what is applied; one
/// that nobody else owns keeps its live value, because leaving it out would
/// delete it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct IgnoreRule {
    /// The API group; `*` matches any text in it.
    pub group: String,
    /// The kind; `*` matches any text in it.
    pub kind: String,
    /// The namespace; empty for any.
    pub namespace: String,
    /// The name; empty for any.
    pub name: String,
    /// Fields by JSON pointer. A token such as `[name=web]` selects the
    /// items of a list that have that field.
    pub pointers: Vec<String>,
    /// Fields by jq path, such as `.spec.containers[].image`; needs the
    /// feature `jq`.
    pub jq_paths: Vec<String>,
    /// All fields that these managers own.
    pub managers: Vec<String>,
}

impl IgnoreRule {
    /// For all resources of a kind.
    pub fn new(group: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into(), ..Self::default() }
    }

    /// Ignores the field at a JSON pointer.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointers.push(pointer.into());
        self
    }

    /// Ignores the fields of a jq path.
    #[must_use]
    pub fn jq_path(mut self, path: impl Into<String>) -> Self {
        self.jq_paths.push(path.into());
        self
    }

    /// Ignores the fields that a manager owns.
    #[must_use]
    pub fn manager(mut self, manager: impl Into<String>) -> Self {
        self.managers.push(manager.into());
        self
    }

    /// Selects only the resources of this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn selects(&self, id: &ResourceId) -> bool {
        let any = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        glob(&self.group, &id.group)
            && glob(&self.kind, &id.kind)
            && any(&self.name, &id.name)
            && any(&self.namespace, id.namespace.as_deref().unwrap_or_default())
    }

    fn paths(&self, wanted: &Value) -> Vec<Path> {
        let pointers = self.pointers.iter().flat_map(|pointer| resolve(wanted, pointer));
        pointers.chain(jq_paths(&self.jq_paths, wanted)).collect()
    }
}

impl From<&IgnoreDifferences> for IgnoreRule {
    fn from(rule: &IgnoreDifferences) -> Self {
        Self {
            group: rule.group.clone(),
            kind: rule.kind.clone(),
            namespace: rule.namespace.clone(),
            name: rule.name.clone(),
            pointers: rule.json_pointers.clone(),
            jq_paths: rule.jq_path_expressions.clone(),
            managers: rule.managed_fields_managers.clone(),
        }
    }
}

#[cfg(feature = "jq")]
use crate::jq::{check, paths as jq_paths};

#[cfg(not(feature = "jq"))]
fn jq_paths(_expressions: &[String], _wanted: &Value) -> Vec<Path> {
    Vec::new()
}

#[cfg(not(feature = "jq"))]
fn check(_expression: &str) -> Result<(), &'static str> {
    Err("jq paths need the feature `jq` of gitops-sync")
}

/// The first expression that cannot be understood, and why.
pub(crate) fn find_invalid(rules: &[IgnoreRule]) -> Option<(String, &'static str)> {
    let mut expressions = rules.iter().flat_map(|rule| &rule.jq_paths);
    expressions.find_map(|expression| Some((expression.clone(), check(expression).err()?)))
}

pub(crate) fn concerns(rules: &[IgnoreRule], id: &ResourceId) -> bool {
    rules.iter().any(|rule| rule.selects(id))
}

/// Takes out of `wanted`, or sets to its live value, what the rules ignore.
pub(crate) fn apply(rules: &[IgnoreRule], id: &ResourceId, wanted: &mut Value, live: &Live, manager: &str) {
    for rule in rules.iter().filter(|rule| rule.selects(id)) {
        for entry in live.managed.iter().filter(|entry| rule.managers.iter().any(|name| **name == *entry.manager)) {
            remove_owned(wanted, &entry.fields());
        }
        // Backwards, so that removing an item moves none that is still to come.
        for path in rule.paths(wanted).into_iter().rev() {
            ignore(wanted, &path, live, manager);
        }
    }
}

fn ignore(wanted: &mut Value, path: &[Step], live: &Live, manager: &str) {
    let adopted = match find(&live.value, path) {
        Some(value) if !is_owned_by_other(live, path, manager) => Some(value.clone()),
        _ => None,
    };
    let Some((last, above)) = path.split_last() else { return };
    let Some(parent) = find_mut(wanted, above) else { return };
    match (last, adopted) {
        (_, Some(value)) => {
            if let Some(field) = last.of_mut(parent) {
                *field = value;
            }
        }
        (Step::Field(name), None) => drop(parent.as_object_mut().and_then(|fields| fields.remove(name))),
        (step, None) => {
            let place = step.place(parent);
            if let (Some(items), Some(place)) = (parent.as_array_mut(), place) {
                items.remove(place);
            }
        }
    }
}

fn is_owned_by_other(live: &Live, path: &[Step], manager: &str) -> bool {
    let others = live.managed.iter().filter(|entry| &*entry.manager != manager);
    others.map(|entry| entry.fields()).any(|fields| {
        let (mut set, mut value) = (&fields, &live.value);
        for step in path {
            let Some(next) = step.of(value) else { return false };
            let child = set
                .children
                .iter()
                .find(|(element, _)| element.of(value).is_some_and(|found| std::ptr::eq(found, next)));
            match child {
                Some((_, below)) => (set, value) = (below, next),
                None => return false,
            }
        }
        true
    })
}

/// A step from a value to a part of it, found in the wanted object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Field(String),
    Index(usize),
    /// The item that has these key fields.
    Item(Map<String, Value>),
}

pub(crate) type Path = Vec<Step>;

impl Step {
    fn place(&self, value: &Value) -> Option<usize> {
        let items = value.as_array()?;
        match self {
            Self::Field(_) => None,
            Self::Index(index) => Some(*index).filter(|index| *index < items.len()),
            Self::Item(keys) => {
                items.iter().position(|item| keys.iter().all(|(key, value)| item.get(key) == Some(value)))
            }
        }
    }

    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            _ => value.get(self.place(value)?),
        }
    }

    fn of_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Self::Field(name) => value.get_mut(name),
            _ => {
                let place = self.place(value)?;
                value.get_mut(place)
            }
        }
    }
}

fn find<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| step.of(value))
}

fn find_mut<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| step.of_mut(value))
}

/// The paths in `value` that a JSON pointer means; none if there is nothing.
fn resolve(value: &Value, pointer: &str) -> Vec<Path> {
    let Some(tokens) = pointer.strip_prefix('/') else { return Vec::new() };
    let mut paths: Vec<(Path, &Value)> = vec![(Path::new(), value)];
    for token in tokens.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")) {
        paths = paths.into_iter().flat_map(|(path, value)| extend(path, value, &token)).collect();
    }
    paths.into_iter().map(|(path, _)| path).collect()
}

fn extend<'a>(path: Path, value: &'a Value, token: &str) -> Vec<(Path, &'a Value)> {
    let with = |step: Step, value| (path.iter().cloned().chain([step]).collect(), value);
    match value {
        Value::Object(fields) => {
            fields.get(token).map(|value| with(Step::Field(token.to_owned()), value)).into_iter().collect()
        }
        Value::Array(items) => {
            let selected = items.iter().enumerate().filter(|(place, item)| item_matches(token, *place, item));
            selected.map(|(place, item)| with(item_step(place, item), item)).collect()
        }
        _ => Vec::new(),
    }
}

fn item_matches(token: &str, place: usize, item: &Value) -> bool {
    let Some((key, wanted)) = token.strip_prefix('[').and_then(|token| token.strip_suffix(']')?.split_once('=')) else {
        return token.parse() == Ok(place);
    };
    match item.get(key) {
        Some(Value::String(found)) => found == wanted,
        Some(found) => wanted.parse().is_ok_and(|wanted: Value| wanted == *found),
        None => false,
    }
}

/// The same item may stand elsewhere in the live list, so what names it is
/// taken before its place.
pub(crate) fn item_step(place: usize, item: &Value) -> Step {
    const KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "devicePath", "key", "type"];
    let key = KEYS.iter().find_map(|key| Some(((*key).to_owned(), item.get(key)?.clone())));
    match key {
        Some(key) => Step::Item(Map::from_iter([key])),
        None => Step::Index(place),
    }
}

/// `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let mut ends = text.char_indices().map(|(place, _)| place).chain([text.len()]);
            ends.any(|place| glob(rest, &text[place..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(replicas: i64, image: &str) -> Value {
        json!({"spec": {"replicas": replicas, "template": {"containers": [
            {"name": "side", "image": "s"}, {"name": "web", "image": image}]}}})
    }

    fn live(manager: &str) -> Live {
        let mut value = deployment(5, "live");
        value["metadata"] = json!({"managedFields": [{"manager": manager, "operation": "Update",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]});
        Live::read(value)
    }

    fn applied(rule: IgnoreRule, live: &Live) -> Value {
        let mut wanted = deployment(1, "wanted");
        let id = ResourceId::new("apps", "Deployment", "web").in_namespace("a");
        apply(&[rule], &id, &mut wanted, live, "us");
        wanted
    }

    #[test]
    fn a_field_of_another_manager_is_left_out() {
        let rule = IgnoreRule::new("apps", "*").pointer("/spec/replicas");
        assert!(applied(rule.clone(), &live("hpa"))["spec"].get("replicas").is_none());
        assert_eq!(applied(rule, &live("us"))["spec"]["replicas"], 5);
        let other = IgnoreRule::new("batch", "*").pointer("/spec/replicas");
        assert_eq!(applied(other, &live("hpa"))["spec"]["replicas"], 1);
    }

    #[test]
    fn items_are_found_by_a_key() {
        let rule = IgnoreRule::new("apps", "Deployment").pointer("/spec/template/containers/[name=web]/image");
        assert_eq!(applied(rule, &live("hpa"))["spec"]["template"]["containers"][1]["image"], "live");
    }

    #[test]
    fn all_fields_of_a_manager() {
        let rule = IgnoreRule::new("*", "Deploy*").manager("hpa");
        assert!(applied(rule.clone(), &live("hpa"))["spec"].get("replicas").is_none());
        assert_eq!(applied(rule, &live("kubectl"))["spec"]["replicas"], 1);
    }

    #[test]
    fn globs() {
        assert!(glob("*.example.com", "a.b.example.com") && glob("*", "") && glob("a*c*", "abcd"));
        assert!(!glob("*.example.com", "example.com") && !glob("", "a"));
    }
}
