//! Differences that do not count.

use std::sync::Arc;

use serde_json::Value;

use crate::application::IgnoreDifferences;
use crate::fields::remove_owned;
use crate::id::ResourceId;
use crate::live::Object;
use crate::structured_merge::{PathElement, Type};

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

    /// The fields in `wanted` that it means, by their places.
    fn places(&self, wanted: &Value) -> Vec<Path> {
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

/// Whether to find the fields one has to know how lists merge.
pub(crate) fn needs_type(rules: &[IgnoreRule], id: &ResourceId) -> bool {
    rules.iter().any(|rule| rule.selects(id) && !(rule.pointers.is_empty() && rule.jq_paths.is_empty()))
}

/// Takes out of `wanted`, or sets to its live value, what the rules ignore.
pub(crate) fn apply(
    rules: &[IgnoreRule],
    id: &ResourceId,
    wanted: &mut Value,
    (live, ty): (&Object<'_>, Option<&Arc<Type>>),
    manager: &str,
) {
    for rule in rules.iter().filter(|rule| rule.selects(id)) {
        for entry in live.managed.iter().filter(|entry| rule.managers.iter().any(|name| **name == entry.manager)) {
            remove_owned(wanted, &entry.fields());
        }
        let mut places = rule.places(wanted);
        // Backwards, so that removing an item moves none that is still to come.
        places.sort_by(|a, b| b.cmp(a));
        places.dedup();
        for place in places {
            ignore(wanted, &place, (live, ty), manager);
        }
    }
}

fn ignore(wanted: &mut Value, place: &[PathElement], (live, ty): (&Object<'_>, Option<&Arc<Type>>), manager: &str) {
    let path = name_items(place, wanted, ty);
    let adopted = match find(&live.value, &path) {
        Some(value) if !is_owned_by_other(live, &path, manager) => Some(value.clone()),
        _ => None,
    };
    let Some((last, above)) = place.split_last() else { return };
    let Some(parent) = above.iter().try_fold(wanted, |value, step| step.of_mut(value)) else { return };
    match (last, adopted, parent) {
        (_, Some(value), parent) => {
            if let Some(field) = last.of_mut(parent) {
                *field = value;
            }
        }
        (PathElement::Field(name), None, Value::Object(fields)) => drop(fields.remove(name)),
        (PathElement::Index(index), None, Value::Array(items)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}

fn is_owned_by_other(live: &Object<'_>, path: &[PathElement], manager: &str) -> bool {
    let others = live.managed.iter().filter(|entry| entry.manager != manager);
    others.map(|entry| entry.fields()).any(|fields| {
        let (mut set, mut value) = (&fields, &live.value);
        for step in path {
            let Some(next) = step.of(value) else { return false };
            let child =
                set.elements().find(|(element, _)| element.of(value).is_some_and(|found| std::ptr::eq(found, next)));
            match child {
                Some((_, below)) => (set, value) = (below, next),
                None => return false,
            }
        }
        true
    })
}

pub(crate) type Path = Vec<PathElement>;

fn find<'a>(value: &'a Value, path: &[PathElement]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| step.of(value))
}

/// The same item may stand elsewhere in the live list, so places become
/// what names the items: the keys that the type says, or else the fields
/// that name items in most lists.
fn name_items(place: &[PathElement], wanted: &Value, ty: Option<&Arc<Type>>) -> Path {
    let (mut value, mut ty) = (Some(wanted), ty.cloned());
    let mut path = Path::with_capacity(place.len());
    for step in place {
        let next = value.and_then(|value| step.of(value));
        let named = match (step, ty.as_deref(), next) {
            (PathElement::Index(_), Some(Type::List(list)), Some(item)) => list.element_of(item).ok(),
            _ => None,
        };
        let by_habit = || next.filter(|_| matches!(step, PathElement::Index(_))).and_then(usual_key);
        path.push(named.or_else(by_habit).unwrap_or_else(|| step.clone()));
        ty = ty.and_then(|ty| match step {
            PathElement::Field(name) => ty.field_type(name),
            _ => ty.item_type(),
        });
        value = next;
    }
    path
}

fn usual_key(item: &Value) -> Option<PathElement> {
    const KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "devicePath", "key", "type"];
    KEYS.iter().find_map(|key| Some(PathElement::Key(vec![((*key).to_owned(), item.get(key)?.clone())])))
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
    let with = |step: PathElement, value| (path.iter().cloned().chain([step]).collect(), value);
    match value {
        Value::Object(fields) => {
            fields.get(token).map(|value| with(PathElement::field(token), value)).into_iter().collect()
        }
        Value::Array(items) => {
            let selected = items.iter().enumerate().filter(|(place, item)| item_matches(token, *place, item));
            selected.map(|(place, item)| with(PathElement::Index(place), item)).collect()
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
    use crate::live::Live;

    fn deployment(replicas: i64, image: &str) -> Value {
        json!({"spec": {"replicas": replicas, "template": {"containers": [
            {"name": "side", "image": "s"}, {"name": "web", "image": image}]}}})
    }

    fn live(manager: &str) -> Live {
        let mut value = deployment(5, "live");
        value["metadata"] = json!({"managedFields": [{"manager": manager, "operation": "Update",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]});
        Live::of_value(&value)
    }

    fn applied(rule: IgnoreRule, live: &Live) -> Value {
        let live = &live.read();
        let mut wanted = deployment(1, "wanted");
        let id = ResourceId::new("apps", "Deployment", "web").in_namespace("a");
        apply(&[rule], &id, &mut wanted, (live, None), "us");
        wanted
    }

    #[test]
    fn the_type_says_what_names_an_item() {
        let item = json!({"type": "object", "properties": {"n": {"type": "integer"}, "name": {"type": "string"}}});
        let schema = json!({"type": "object", "properties": {"list": {"type": "array",
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": item}}});
        let ty = crate::structured_merge::type_from_json_schema(&schema, &|_| None);
        let object = |items: Value| json!({"list": items});
        let live = Live::of_value(&object(json!([{"n": 1, "name": "b", "size": 5}, {"n": 2, "name": "a", "size": 6}])));
        let mut wanted = object(json!([{"n": 2, "name": "b", "size": 1}, {"n": 3, "name": "c", "size": 1}]));
        let id = ResourceId::new("example.com", "Widget", "w");
        let rule = IgnoreRule::new("*", "*").pointer("/list/[n=2]/size").pointer("/list/1");
        apply(&[rule], &id, &mut wanted, (&live.read(), Some(&ty)), "us");
        assert_eq!(wanted, object(json!([{"n": 2, "name": "b", "size": 6}])));
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
