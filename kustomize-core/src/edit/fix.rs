//! `edit fix`: deprecated fields become their successors.

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};

impl KustomizationFile {
    /// Turns deprecated fields into those that replace them, as `kustomize edit fix` does:
    /// `bases` into `resources`, `imageTags` into `images`, `env` into `envs`,
    /// `patchesJson6902` and `patchesStrategicMerge` into `patches`,
    /// `commonLabels` into `labels`, and adds `apiVersion` and `kind`.
    ///
    /// `is_file` says whether an entry of `patchesStrategicMerge` names a file;
    /// otherwise it is the patch itself.
    ///
    /// # Errors
    ///
    /// [`EditError::Exists`] if a label is both in `commonLabels` and in `labels`.
    pub fn fix(&mut self, is_file: impl Fn(&str) -> bool) -> Result<(), EditError> {
        let mut fixed = self.clone();
        fixed.move_list("bases", "resources")?;
        fixed.move_list("imageTags", "images")?;
        fixed.fix_envs("configMapGenerator")?;
        fixed.fix_envs("secretGenerator")?;
        fixed.move_list("patchesJson6902", "patches")?;
        fixed.fix_strategic_merge_patches(is_file)?;
        fixed.fix_common_labels()?;
        fixed.add_type()?;
        *self = fixed;
        Ok(())
    }

    /// Appends one list to another; if there is no other, only the key changes
    /// and every comment in the list stays.
    fn move_list(&mut self, from: &str, to: &str) -> Result<(), EditError> {
        let moved = self.list(from)?;
        let mut list = self.list(to)?;
        if list.is_empty() && !moved.is_empty() && self.field(to)?.is_none() {
            return self.rename_field(from, to);
        }
        list.extend(moved);
        self.set_fields(vec![(to, Some(Value::Array(list))), (from, None)])
    }

    fn fix_envs(&mut self, field: &str) -> Result<(), EditError> {
        let mut list = self.list(field)?;
        for entry in list.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(env) = entry.remove("env").filter(|env| *env != json!("")) {
                let envs = entry.entry("envs").or_insert_with(|| json!([]));
                envs.as_array_mut().into_iter().for_each(|envs| envs.push(env.clone()));
            }
        }
        self.set_fields(vec![(field, Some(Value::Array(list)))])
    }

    fn fix_strategic_merge_patches(&mut self, is_file: impl Fn(&str) -> bool) -> Result<(), EditError> {
        let field = "patchesStrategicMerge";
        let mut patches = self.list("patches")?;
        for patch in self.list(field)?.iter().filter_map(Value::as_str) {
            patches.push(if is_file(patch) { json!({"path": patch}) } else { json!({"patch": patch}) });
        }
        self.set_fields(vec![("patches", Some(Value::Array(patches))), (field, None)])
    }

    fn fix_common_labels(&mut self) -> Result<(), EditError> {
        let Some(Value::Object(pairs)) = self.field("commonLabels")? else { return Ok(()) };
        if pairs.is_empty() {
            return Ok(());
        }
        let mut labels = self.list("labels")?;
        let taken = labels.iter().filter_map(|label| label.get("pairs")?.as_object()).flat_map(Map::keys);
        if let Some(key) = taken.into_iter().find(|key| pairs.contains_key(*key)) {
            return Err(EditError::Exists { what: format!("the label {key} of commonLabels") });
        }
        labels.push(json!({"includeSelectors": true, "pairs": pairs}));
        self.set_fields(vec![("labels", Some(Value::Array(labels))), ("commonLabels", None)])
    }

    fn add_type(&mut self) -> Result<(), EditError> {
        let fields = self.fields()?;
        let is_component = fields.get("kind").is_some_and(|kind| kind == "Component");
        let version = if is_component { "v1alpha1" } else { "v1beta1" };
        let missing = |field: &str| fields.get(field).is_none_or(|value| value.is_null() || value == "");
        let mut added = Vec::new();
        if missing("apiVersion") {
            added.push(("apiVersion", Some(json!(format!("kustomize.config.k8s.io/{version}")))));
        }
        if missing("kind") {
            added.push(("kind", Some(json!("Kustomization"))));
        }
        self.set_fields(added)
    }
}
