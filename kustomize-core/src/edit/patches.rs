//! `edit add patch` and `edit remove patch`.

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};

/// An entry of `patches`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchEntry {
    /// The file that holds the patch; empty if it is inline.
    pub path: String,
    /// The patch itself; empty if it is in a file.
    pub patch: String,
    /// The fields of `target` that are given: `group`, `version`, `kind`,
    /// `name`, `namespace`, `labelSelector`, `annotationSelector`.
    pub target: Vec<(String, String)>,
}

impl PatchEntry {
    /// A patch in a file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// A patch that stands in the kustomization file.
    pub fn inline(patch: impl Into<String>) -> Self {
        Self { patch: patch.into(), ..Self::default() }
    }

    /// Gives a field of the target; an empty value gives none.
    #[must_use]
    pub fn target(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        let (field, value) = (field.into(), value.into());
        if !value.is_empty() {
            self.target.push((field, value));
        }
        self
    }

    fn value(&self) -> Value {
        let mut entry = Map::new();
        for (field, text) in [("path", &self.path), ("patch", &self.patch)] {
            if !text.is_empty() {
                entry.insert(field.to_owned(), json!(text));
            }
        }
        if !self.target.is_empty() {
            let target = self.target.iter().map(|(field, value)| (field.clone(), json!(value)));
            entry.insert("target".to_owned(), Value::Object(target.collect()));
        }
        Value::Object(entry)
    }
}

impl KustomizationFile {
    /// Adds a patch; whether it was not there before.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] unless it has either a path or a text.
    pub fn add_patch(&mut self, patch: &PatchEntry) -> Result<bool, EditError> {
        if patch.path.is_empty() == patch.patch.is_empty() {
            let argument = if patch.path.is_empty() { "nothing" } else { "both a path and a text" }.to_owned();
            return Err(EditError::Argument {
                argument,
                wanted: "a patch: give either its path or its text".to_owned(),
            });
        }
        let mut patches = self.list("patches")?;
        if patches.iter().any(|old| is_same(old, patch)) {
            return Ok(false);
        }
        patches.push(patch.value());
        self.set_fields(vec![("patches", Some(Value::Array(patches)))])?;
        Ok(true)
    }

    /// Takes the patches away that equal this one in path, text and target; how many they were.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn remove_patch(&mut self, patch: &PatchEntry) -> Result<usize, EditError> {
        let mut patches = self.list("patches")?;
        let before = patches.len();
        patches.retain(|old| !is_same(old, patch));
        let removed = before - patches.len();
        if removed > 0 {
            self.set_fields(vec![("patches", Some(Value::Array(patches)))])?;
        }
        Ok(removed)
    }
}

/// kustomize compares options too, and none can be given here.
fn is_same(old: &Value, patch: &PatchEntry) -> bool {
    let without_empty = |value: &Value| match value {
        Value::Object(map) => {
            map.iter().filter(|(_, value)| **value != json!("")).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        _ => Map::new(),
    };
    let (old, wanted) = (without_empty(old), without_empty(&patch.value()));
    let target = |entry: &Map<String, Value>| entry.get("target").map(&without_empty);
    old.get("path") == wanted.get("path")
        && old.get("patch") == wanted.get("patch")
        && target(&old) == target(&wanted)
        && old.get("options").is_none_or(Value::is_null)
}
