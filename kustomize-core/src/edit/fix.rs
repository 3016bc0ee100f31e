//! `edit fix`: deprecated fields become their successors.

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};
use crate::kustomization::fix::DEPRECATED;

/// Every field of a kustomization and of what it holds.
const FIELDS: &[&str] = &[
    "additionalValuesFiles",
    "allowKindChange",
    "allowNameChange",
    "annotations",
    "annotationSelector",
    "apiVersion",
    "apiVersions",
    "bases",
    "behavior",
    "buildMetadata",
    "chartHome",
    "chartName",
    "chartRepoName",
    "chartRepoUrl",
    "chartVersion",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configHome",
    "configMapGenerator",
    "configurations",
    "count",
    "crds",
    "create",
    "debug",
    "delimiter",
    "devel",
    "digest",
    "disableNameSuffixHash",
    "encoding",
    "env",
    "envs",
    "extraArgs",
    "fieldPath",
    "fieldPaths",
    "fieldref",
    "fields",
    "files",
    "generatorOptions",
    "generators",
    "group",
    "helmBin",
    "helmChartInflationGenerator",
    "helmCharts",
    "helmGlobals",
    "helmHome",
    "images",
    "imageTags",
    "immutable",
    "includeCRDs",
    "includeSelectors",
    "includeTemplates",
    "index",
    "kind",
    "kubeVersion",
    "labels",
    "labelSelector",
    "legacySortOptions",
    "literals",
    "metadata",
    "name",
    "namePrefix",
    "namespace",
    "nameSuffix",
    "nameTemplate",
    "newName",
    "newTag",
    "objref",
    "openapi",
    "options",
    "order",
    "orderFirst",
    "orderLast",
    "pairs",
    "patch",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "path",
    "reject",
    "releaseName",
    "releaseNamespace",
    "replacements",
    "replicas",
    "repo",
    "resources",
    "secretGenerator",
    "select",
    "skipHooks",
    "skipTests",
    "sortOptions",
    "source",
    "sourceValue",
    "tagSuffix",
    "target",
    "targets",
    "transformers",
    "type",
    "validators",
    "values",
    "valuesFile",
    "valuesInline",
    "valuesLocal",
    "valuesMerge",
    "vars",
    "version",
];

/// Fields whose keys are the user's own.
const FREE_FORM: &[&str] =
    &["commonAnnotations", "commonLabels", "pairs", "labels", "annotations", "openapi", "valuesInline", "valuesLocal"];

/// kustomize does not look at the case of a field's name.
fn own_case(name: &str) -> &str {
    FIELDS.iter().find(|field| field.eq_ignore_ascii_case(name)).copied().unwrap_or(name)
}

fn spelled(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(spelled).collect(),
        Value::Object(map) => {
            let given = map.iter().filter(|(_, value)| **value != json!(false) && **value != json!(""));
            let spelled = given.map(|(key, value)| {
                let key = own_case(key);
                let is_free = FREE_FORM.contains(&key) && value.is_object();
                (key.to_owned(), if is_free { value.clone() } else { spelled(value) })
            });
            Value::Object(spelled.collect())
        }
        other => other.clone(),
    }
}

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
        fixed.spell_as_kustomize_does()?;
        fixed.move_list("bases", "resources")?;
        fixed.move_list("imageTags", "images")?;
        fixed.fix_envs("configMapGenerator")?;
        fixed.fix_envs("secretGenerator")?;
        fixed.move_list("patchesJson6902", "patches")?;
        fixed.fix_strategic_merge_patches(is_file)?;
        fixed.fix_common_labels()?;
        DEPRECATED.iter().try_for_each(|(field, _)| fixed.remove_empty(field))?;
        fixed.add_type()?;
        *self = fixed;
        Ok(())
    }

    /// Appends one list to another; if there is no other, only the key changes
    /// and every comment in the list stays.
    fn move_list(&mut self, from: &str, to: &str) -> Result<(), EditError> {
        let moved = self.list(from)?;
        let mut list = self.list(to)?;
        if list.is_empty() && !moved.is_empty() && self.field(to).is_none() {
            return self.rename_field(from, to);
        }
        list.extend(moved);
        self.set_fields(vec![(to, Some(Value::Array(list))), (from, None)])
    }

    /// Field names in their own case, and no `false` or empty text where that is the default.
    fn spell_as_kustomize_does(&mut self) -> Result<(), EditError> {
        for (name, value) in self.fields() {
            let own = own_case(&name);
            if own != name {
                self.rename_field(&name, own)?;
            }
            if !(FREE_FORM.contains(&own) && value.is_object()) {
                self.set_fields(vec![(own, Some(spelled(&value)))])?;
            }
        }
        Ok(())
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
        let Some(Value::Object(pairs)) = self.field("commonLabels") else { return Ok(()) };
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
        let fields = self.fields();
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
