//! Edits of the fields that are lists of strings, and of those that are one string.

use serde_json::Value;

use super::{EditError, KustomizationFile};

/// What `buildMetadata` may hold.
const BUILD_METADATA: [&str; 3] = ["originAnnotations", "transformerAnnotations", "managedByLabel"];

impl KustomizationFile {
    /// Sets `namespace`; an empty one takes the field away.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn set_namespace(&mut self, namespace: &str) -> Result<(), EditError> {
        self.set_text("namespace", namespace)
    }

    /// Sets `namePrefix`; an empty one takes the field away.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn set_name_prefix(&mut self, prefix: &str) -> Result<(), EditError> {
        self.set_text("namePrefix", prefix)
    }

    /// Sets `nameSuffix`; an empty one takes the field away.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn set_name_suffix(&mut self, suffix: &str) -> Result<(), EditError> {
        self.set_text("nameSuffix", suffix)
    }

    fn set_text(&mut self, field: &str, text: &str) -> Result<(), EditError> {
        self.set_fields(vec![(field, Some(Value::from(text)))])
    }

    /// Adds a path to `resources`; whether it was not there (or under the
    /// deprecated `bases`) before.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn add_resource(&mut self, path: &str) -> Result<bool, EditError> {
        if self.list("bases")?.iter().any(|base| base == path) {
            return Ok(false);
        }
        self.add_to("resources", path)
    }

    /// Takes the paths that a shell pattern matches out of `resources` and `bases`; how many they were.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn remove_resources(&mut self, pattern: &str) -> Result<usize, EditError> {
        Ok(self.remove_matching("resources", pattern)? + self.remove_matching("bases", pattern)?)
    }

    /// Adds a path to `components`; whether it was not there before.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn add_component(&mut self, path: &str) -> Result<bool, EditError> {
        self.add_to("components", path)
    }

    /// Adds a path to `generators`; whether it was not there before.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn add_generator(&mut self, path: &str) -> Result<bool, EditError> {
        self.add_to("generators", path)
    }

    /// Adds a path to `transformers`; whether it was not there before.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn add_transformer(&mut self, path: &str) -> Result<bool, EditError> {
        self.add_to("transformers", path)
    }

    /// Takes the paths that a shell pattern matches out of `transformers`; how many they were.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn remove_transformers(&mut self, pattern: &str) -> Result<usize, EditError> {
        self.remove_matching("transformers", pattern)
    }

    /// Adds to `buildMetadata`.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] for an option that kustomize does not know,
    /// [`EditError::Exists`] for one that is there already.
    pub fn add_build_metadata(&mut self, option: &str) -> Result<(), EditError> {
        check_build_metadata(option)?;
        if self.add_to("buildMetadata", option)? {
            return Ok(());
        }
        Err(EditError::Exists { what: format!("the buildMetadata option {option}") })
    }

    /// Makes `buildMetadata` hold these options and no others.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] for an option that kustomize does not know.
    pub fn set_build_metadata(&mut self, options: &[&str]) -> Result<(), EditError> {
        options.iter().try_for_each(|option| check_build_metadata(option))?;
        self.set_fields(vec![("buildMetadata", Some(options.iter().copied().collect()))])
    }

    /// Takes options out of `buildMetadata`; it is not an error that one is not there.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] for an option that kustomize does not know.
    pub fn remove_build_metadata(&mut self, options: &[&str]) -> Result<(), EditError> {
        options.iter().try_for_each(|option| check_build_metadata(option))?;
        let mut list = self.list("buildMetadata")?;
        list.retain(|item| !options.iter().any(|option| item == option));
        self.set_fields(vec![("buildMetadata", Some(Value::Array(list)))])
    }

    fn add_to(&mut self, field: &str, item: &str) -> Result<bool, EditError> {
        let mut list = self.list(field)?;
        if list.iter().any(|other| other == item) {
            return Ok(false);
        }
        list.push(Value::from(item));
        self.set_fields(vec![(field, Some(Value::Array(list)))])?;
        Ok(true)
    }

    fn remove_matching(&mut self, field: &str, pattern: &str) -> Result<usize, EditError> {
        let pattern = super::Glob::parse(pattern)?;
        let mut list = self.list(field)?;
        let before = list.len();
        list.retain(|item| !item.as_str().is_some_and(|path| pattern.matches(path)));
        let removed = before - list.len();
        if removed > 0 {
            self.set_fields(vec![(field, Some(Value::Array(list)))])?;
        }
        Ok(removed)
    }
}

fn check_build_metadata(option: &str) -> Result<(), EditError> {
    if BUILD_METADATA.contains(&option) {
        return Ok(());
    }
    let wanted = format!("a buildMetadata option ({})", BUILD_METADATA.join(", "));
    Err(EditError::Argument { argument: option.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> KustomizationFile {
        KustomizationFile::parse(text).expect("valid")
    }

    #[test]
    fn the_last_item_of_a_flow_list_goes_and_comes_back() {
        for (text, emptied) in [
            ("resources: [a]   # why\nnamespace: x\n", "resources: []   # why\nnamespace: x\n"),
            ("resources:\n- a\nnamespace: x\n", "namespace: x\n"),
            ("{resources: [a], namespace: x}\n", "{namespace: x}\n"),
            ("bases: [a]\nnamespace: x\n", "namespace: x\n"),
        ] {
            let mut file = file(text);
            assert_eq!(file.remove_resources("a").expect("removed"), 1);
            assert_eq!(file.text(), emptied);
        }
        let mut file = file("resources: []\n");
        file.add_resource("a").expect("added");
        assert_eq!(file.text(), "resources: [a]\n");
    }

    #[test]
    fn deprecated_lists_of_one_line_become_their_successors() {
        let mut file = file("resources: [a]\nbases: [b]\npatches: [{path: p}]\npatchesJson6902: [{path: q}]\n");
        file.fix(|_| true).expect("fixed");
        assert!(file.text().starts_with("resources: [a, b]\npatches: [{path: p}, {path: q}]\n"), "{}", file.text());
        assert!(!file.text().contains("bases") && !file.text().contains("6902"));
        let mut empty = self::file("bases: []\ncommonLabels: {}   # none\nvars:\nresources: []   # stays\n");
        empty.fix(|_| true).expect("fixed");
        assert!(empty.text().starts_with("resources: []   # stays\napiVersion: "), "{}", empty.text());
    }
}
