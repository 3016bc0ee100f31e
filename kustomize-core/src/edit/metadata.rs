//! Edits of `commonLabels`, `labels` and `commonAnnotations`.

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};

/// Where `edit add label` puts a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelPlace {
    /// `commonLabels`: metadata, selectors and templates.
    Common,
    /// `labels` without selectors, with or without pod templates.
    WithoutSelectors {
        /// Whether templates get it too.
        include_templates: bool,
    },
}

impl KustomizationFile {
    /// Sets `commonLabels`, new or not.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn set_label(&mut self, key: &str, value: &str) -> Result<(), EditError> {
        self.set_pair("commonLabels", key, value)
    }

    /// Sets `commonAnnotations`, new or not.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] if Kubernetes does not take the key.
    pub fn set_annotation(&mut self, key: &str, value: &str) -> Result<(), EditError> {
        if !is_qualified_name(key) {
            let wanted = "an annotation key: [prefix/]name of letters, digits, '-', '_' and '.'";
            return Err(EditError::Argument { argument: key.to_owned(), wanted: wanted.to_owned() });
        }
        self.set_pair("commonAnnotations", key, value)
    }

    /// Adds to `commonAnnotations`.
    ///
    /// # Errors
    ///
    /// [`EditError::Exists`] if it is there and `force` is not given.
    pub fn add_annotation(&mut self, key: &str, value: &str, force: bool) -> Result<(), EditError> {
        self.add_pair("commonAnnotations", "annotation", (key, value), force)
    }

    /// Adds a label where `place` says.
    ///
    /// # Errors
    ///
    /// [`EditError::Exists`] if it is there and `force` is not given.
    pub fn add_label(&mut self, key: &str, value: &str, place: LabelPlace, force: bool) -> Result<(), EditError> {
        let LabelPlace::WithoutSelectors { include_templates } = place else {
            return self.add_pair("commonLabels", "label", (key, value), force);
        };
        let mut labels = self.list("labels")?;
        let flag = |label: &Value, name: &str| label.get(name).and_then(Value::as_bool).unwrap_or(false);
        let like = |label: &&mut Value| {
            !flag(label, "includeSelectors") && flag(label, "includeTemplates") == include_templates
        };
        match labels.iter_mut().find(like) {
            Some(label) => {
                let mut pairs = object(label.get("pairs"), "labels.pairs")?;
                if pairs.contains_key(key) && !force {
                    return Err(exists("label", key));
                }
                pairs.insert(key.to_owned(), json!(value));
                label["pairs"] = Value::Object(pairs);
            }
            None if include_templates => labels.push(json!({"includeTemplates": true, "pairs": {key: value}})),
            None => labels.push(json!({"pairs": {key: value}})),
        }
        self.set_fields(vec![("labels", Some(Value::Array(labels)))])
    }

    /// Takes keys out of `commonLabels`.
    ///
    /// # Errors
    ///
    /// [`EditError::Missing`] if one is not there, unless `ignore_missing` is given.
    pub fn remove_labels(&mut self, keys: &[&str], ignore_missing: bool) -> Result<(), EditError> {
        self.remove_pairs("commonLabels", "label", keys, ignore_missing)
    }

    /// Takes keys out of `commonAnnotations`.
    ///
    /// # Errors
    ///
    /// [`EditError::Missing`] if one is not there, unless `ignore_missing` is given.
    pub fn remove_annotations(&mut self, keys: &[&str], ignore_missing: bool) -> Result<(), EditError> {
        self.remove_pairs("commonAnnotations", "annotation", keys, ignore_missing)
    }

    fn set_pair(&mut self, field: &str, key: &str, value: &str) -> Result<(), EditError> {
        let mut pairs = object(self.field(field).as_ref(), field)?;
        pairs.insert(key.to_owned(), json!(value));
        self.set_fields(vec![(field, Some(Value::Object(pairs)))])
    }

    fn add_pair(&mut self, field: &str, what: &str, (key, value): (&str, &str), force: bool) -> Result<(), EditError> {
        if !force && object(self.field(field).as_ref(), field)?.contains_key(key) {
            return Err(exists(what, key));
        }
        self.set_pair(field, key, value)
    }

    fn remove_pairs(&mut self, field: &str, what: &str, keys: &[&str], ignore_missing: bool) -> Result<(), EditError> {
        let mut pairs = object(self.field(field).as_ref(), field)?;
        for key in keys {
            if pairs.remove(*key).is_none() && !ignore_missing {
                return Err(EditError::Missing { what: format!("the {what} {key}") });
            }
        }
        self.set_fields(vec![(field, Some(Value::Object(pairs)))])
    }
}

fn exists(what: &str, key: &str) -> EditError {
    EditError::Exists { what: format!("the {what} {key}") }
}

fn object(value: Option<&Value>, field: &str) -> Result<Map<String, Value>, EditError> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(EditError::Invalid { problem: format!("{field} is not a mapping") }),
    }
}

/// `[prefix/]name` as Kubernetes takes it for an annotation's key.
fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let ends = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let is_name =
        name.len() <= 63 && ends(name) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let is_prefix = |prefix: &str| {
        prefix.len() <= 253
            && prefix.starts_with(|c: char| c.is_ascii_alphabetic())
            && ends(prefix)
            && prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    };
    is_name && prefix.is_none_or(is_prefix)
}
