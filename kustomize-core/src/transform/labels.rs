//! `labels`, `commonLabels` and the `LabelTransformer`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::entries::Entries;
use super::{EachResource, TransformError};
use crate::config::{FieldSpecConflict, FieldSpecs, TransformerConfig};
use crate::kustomization::{FieldSpec, Label};

/// Adds labels to the fields of its field specs.
#[derive(Debug, Clone)]
pub(crate) struct LabelTransformer {
    labels: BTreeMap<String, String>,
    specs: Arc<FieldSpecs>,
}

static METADATA_LABELS: LazyLock<Arc<FieldSpecs>> =
    LazyLock::new(|| Arc::new(FieldSpecs::new(vec![metadata_labels()])));

fn metadata_labels() -> FieldSpec {
    FieldSpec { path: "metadata/labels".into(), create: true, ..FieldSpec::default() }
}

impl LabelTransformer {
    pub(crate) fn new(labels: BTreeMap<String, String>, specs: Arc<FieldSpecs>) -> Self {
        Self { labels, specs }
    }

    /// `commonLabels`.
    pub(crate) fn common(labels: &BTreeMap<String, String>, config: &TransformerConfig) -> Self {
        Self::new(labels.clone(), Arc::clone(&config.common_labels))
    }

    /// An entry of `labels`.
    pub(crate) fn of_entry(label: &Label, config: &TransformerConfig) -> Result<Self, TransformError> {
        let specs = entry_specs(label, config).map_err(|source| TransformError::LabelFields { source })?;
        Ok(Self::new(label.pairs.clone(), specs))
    }

    pub(crate) fn each(&self) -> impl EachResource + '_ {
        Entries::new(&self.labels, &self.specs)
    }
}

/// The fields of an entry: its own, those that configurations add for every
/// entry, and what it includes.
fn entry_specs(label: &Label, config: &TransformerConfig) -> Result<Arc<FieldSpecs>, FieldSpecConflict> {
    if let Some(specs) = builtin_specs(label, config) {
        return Ok(specs);
    }
    let mut specs = FieldSpecs::new(label.fields.clone());
    specs.merge(config.labels.as_slice())?;
    if label.include_selectors {
        specs.merge(config.common_labels.as_slice())?;
    } else {
        if label.include_templates {
            specs.merge(config.template_labels.as_slice())?;
        }
        specs.merge(&[metadata_labels()])?;
    }
    Ok(Arc::new(specs))
}

/// A list that is there already, for an entry without fields of its own.
fn builtin_specs(label: &Label, config: &TransformerConfig) -> Option<Arc<FieldSpecs>> {
    if !label.fields.is_empty() || !config.labels.is_empty() {
        return None;
    }
    let builtin = TransformerConfig::builtin();
    let (list, builtin) = match (label.include_selectors, label.include_templates) {
        (true, _) => (&config.common_labels, &builtin.common_labels),
        (false, true) => (&config.template_labels, &builtin.template_labels),
        (false, false) => return Some(Arc::clone(&METADATA_LABELS)),
    };
    Arc::ptr_eq(list, builtin).then(|| Arc::clone(list))
}

#[cfg(test)]
mod tests {
    use crate::{BuildOptions, Memory, build};

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n\
        spec: {template: {spec: {containers: [{name: c}], topologySpreadConstraints: [{labelSelector: {matchLabels: {}}}]}}}\n";

    fn built(overlay: &str) -> String {
        let files = Memory::new()
            .with(
                "base/kustomization.yaml",
                "resources: [d.yaml]\nlabels: [{pairs: {app: a}, includeSelectors: true}]\n",
            )
            .with("base/d.yaml", DEPLOYMENT)
            .with("kustomization.yaml", format!("resources: [base]\n{overlay}\n"));
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        built.resources.to_yaml().expect("printable")
    }

    #[test]
    fn what_changes_a_label_changes_it_wherever_it_was_added() {
        assert_eq!(built("").matches("app: a\n").count(), 4);
        let relabelled = built("labels: [{pairs: {app: b}}]");
        assert_eq!(relabelled.matches("app: b\n").count(), 4, "{relabelled}");
        let patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {app: b}}}";
        let patched = built(&format!("patches: [{{patch: '{patch}'}}]"));
        assert_eq!(patched.matches("app: b\n").count(), 4, "{patched}");
        let both = built(&format!("labels: [{{pairs: {{app: c}}}}]\npatches: [{{patch: '{patch}'}}]"));
        assert_eq!(both.matches("app: c\n").count(), 4, "{both}");
    }

    #[test]
    fn a_json_patch_separates_the_places() {
        let patch = r#"[{"op": "replace", "path": "/metadata/labels/app", "value": "b"}]"#;
        let patched = built(&format!("patches: [{{target: {{kind: Deployment}}, patch: '{patch}'}}]"));
        assert_eq!((patched.matches("app: a\n").count(), patched.matches("app: b\n").count()), (3, 1), "{patched}");
    }

    #[test]
    fn an_entry_reaches_what_it_includes() {
        let labels = |entry: &str| built(&format!("labels: [{{pairs: {{x: z}}{entry}}}]")).matches("x: z\n").count();
        assert_eq!([labels(""), labels(", includeTemplates: true"), labels(", includeSelectors: true")], [1, 2, 4]);
        let field = ", fields: [{path: spec/extra, create: true}]";
        assert_eq!(labels(field), 2);
        // Kustomize takes a field for one kind to be the same as the field of every kind.
        assert_eq!(labels(", fields: [{path: metadata/labels, kind: Service, create: true}]"), 0);
    }
}
