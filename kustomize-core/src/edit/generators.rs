//! Edits of `configMapGenerator` and `secretGenerator`.

use serde_json::{Value, json};

use super::{EditError, KustomizationFile};

/// Which generator field is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeneratorKind {
    /// `configMapGenerator`.
    ConfigMap,
    /// `secretGenerator`.
    Secret,
}

impl GeneratorKind {
    fn field(self) -> &'static str {
        match self {
            Self::ConfigMap => "configMapGenerator",
            Self::Secret => "secretGenerator",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// What `edit add configmap` and `edit add secret` add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratorEntry {
    /// The name without prefix and hash.
    pub name: String,
    /// Its namespace; empty for none.
    pub namespace: String,
    /// `key=value`, each.
    pub literals: Vec<String>,
    /// `path` or `key=path`, each.
    pub files: Vec<String>,
    /// Files of `key=value` lines.
    pub envs: Vec<String>,
    /// `create`, `merge` or `replace`; empty for none.
    pub behavior: String,
    /// The type of a new Secret; empty for none.
    pub secret_type: String,
    /// Whether the name is to have no hash.
    pub disable_name_suffix_hash: bool,
}

impl GeneratorEntry {
    /// An entry of this name without any source yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl KustomizationFile {
    /// Adds sources to the generator of this name and namespace, or a new one.
    ///
    /// # Errors
    ///
    /// [`EditError::Exists`] if a literal's key is there already.
    pub fn add_generated(&mut self, kind: GeneratorKind, entry: &GeneratorEntry) -> Result<(), EditError> {
        let mut list = self.list(kind.field())?;
        let index = match list.iter().position(|old| is_same(old, &entry.name, &entry.namespace)) {
            Some(index) => index,
            None => {
                list.push(new_entry(kind, entry));
                list.len() - 1
            }
        };
        let target = &mut list[index];
        if let Some(key) = entry.literals.iter().map(|literal| key_of(literal)).find(|key| has_literal(target, key)) {
            return Err(EditError::Exists { what: format!("the key {key} of the {} {}", kind.noun(), entry.name) });
        }
        for (field, added) in [("literals", &entry.literals), ("files", &entry.files), ("envs", &entry.envs)] {
            extend(target, field, added);
        }
        if entry.disable_name_suffix_hash {
            target["options"] = json!({"disableNameSuffixHash": true});
        }
        if !entry.behavior.is_empty() {
            target["behavior"] = json!(entry.behavior);
        }
        self.set_fields(vec![(kind.field(), Some(Value::Array(list)))])
    }

    /// Changes literals of a generator that is there, and its namespace if one is given. Of
    /// literals with the same key, which no build takes, the last stays.
    ///
    /// # Errors
    ///
    /// [`EditError::Missing`] if the generator or a literal's key is not there.
    pub fn set_generated(
        &mut self,
        kind: GeneratorKind,
        name: &str,
        namespace: &str,
        literals: &[&str],
        new_namespace: Option<&str>,
    ) -> Result<(), EditError> {
        let mut list = self.list(kind.field())?;
        let entry = list.iter_mut().find(|old| is_same(old, name, namespace));
        let entry = entry.ok_or_else(|| EditError::Missing { what: format!("the {} {name}", kind.noun()) })?;
        if !literals.is_empty() {
            drop_repeated(entry);
        }
        for literal in literals {
            let key = key_of(literal);
            let old = entry.get_mut("literals").and_then(Value::as_array_mut).into_iter().flatten();
            let old = old.filter(|old| old.as_str().map(key_of) == Some(key)).last();
            let old =
                old.ok_or_else(|| EditError::Missing { what: format!("the key {key} of the {} {name}", kind.noun()) })?;
            *old = json!(literal);
        }
        if let Some(namespace) = new_namespace {
            entry["namespace"] = json!(namespace);
        }
        self.set_fields(vec![(kind.field(), Some(Value::Array(list)))])
    }

    /// Takes generators of these names away; the names that were not there.
    ///
    /// # Errors
    ///
    /// [`EditError::Missing`] if none of them is there.
    pub fn remove_generated<'a>(
        &mut self,
        kind: GeneratorKind,
        names: &[&'a str],
        namespace: &str,
    ) -> Result<Vec<&'a str>, EditError> {
        let mut list = self.list(kind.field())?;
        let (found, missing): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| list.iter().any(|old| is_same(old, name, namespace)));
        if found.is_empty() {
            return Err(EditError::Missing { what: format!("none of the {}s {}", kind.noun(), names.join(", ")) });
        }
        list.retain(|old| !found.iter().any(|name| is_same(old, name, namespace)));
        self.set_fields(vec![(kind.field(), Some(Value::Array(list)))])?;
        Ok(missing)
    }
}

fn new_entry(kind: GeneratorKind, entry: &GeneratorEntry) -> Value {
    let mut new = json!({"name": entry.name});
    if !entry.namespace.is_empty() {
        new["namespace"] = json!(entry.namespace);
    }
    if kind == GeneratorKind::Secret && !entry.secret_type.is_empty() {
        new["type"] = json!(entry.secret_type);
    }
    new
}

fn extend(entry: &mut Value, field: &str, added: &[String]) {
    if added.is_empty() {
        return;
    }
    let mut list = entry.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    list.extend(added.iter().map(|item| json!(item)));
    entry[field] = Value::Array(list);
}

/// An entry without a namespace is one of the namespace `default`.
fn is_same(entry: &Value, name: &str, namespace: &str) -> bool {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    text("name") == name && is_same_namespace(text("namespace"), namespace)
}

pub(super) fn is_same_namespace(one: &str, other: &str) -> bool {
    let means_default = |namespace: &str| ["", "default"].contains(&namespace);
    one == other || (means_default(one) && means_default(other))
}

/// Of literals with the same key kustomize keeps the last when it changes one.
fn drop_repeated(entry: &mut Value) {
    let Some(literals) = entry.get_mut("literals").and_then(Value::as_array_mut) else { return };
    let keys: Vec<Option<String>> =
        literals.iter().map(|literal| literal.as_str().map(|literal| key_of(literal).to_owned())).collect();
    let mut at = 0;
    literals.retain(|_| {
        at += 1;
        keys[at - 1].is_none() || !keys[at..].contains(&keys[at - 1])
    });
}

fn has_literal(entry: &Value, key: &str) -> bool {
    let literals = entry.get("literals").and_then(Value::as_array).into_iter().flatten();
    literals.filter_map(Value::as_str).any(|literal| key_of(literal) == key)
}

fn key_of(literal: &str) -> &str {
    literal.split_once('=').map_or(literal, |(key, _)| key)
}
