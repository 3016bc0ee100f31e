//! Deprecated fields, defaults, and what makes a kustomization file unusable.

use std::mem::take;

use super::fields::{HelmChart, HelmGlobals, Kustomization};
use crate::yaml::{Document, NodeId};

pub(crate) const KUSTOMIZATION: (&str, &str) = ("kustomize.config.k8s.io/v1beta1", "Kustomization");
pub(crate) const COMPONENT: (&str, &str) = ("kustomize.config.k8s.io/v1alpha1", "Component");

/// The deprecated fields and what to use instead, in the order in which kustomize warns.
pub(crate) const DEPRECATED: &[(&str, &str)] = &[
    ("bases", "resources"),
    ("commonLabels", "labels"),
    ("imageTags", "images"),
    ("patchesJson6902", "patches"),
    ("patchesStrategicMerge", "patches"),
    ("vars", "replacements"),
];

/// The deprecated fields that the file sets, with their successors.
pub(crate) fn deprecated(doc: &Document) -> Vec<(&'static str, &'static str)> {
    DEPRECATED.iter().filter(|(field, _)| is_set(doc, field)).copied().collect()
}

fn is_set(doc: &Document, field: &str) -> bool {
    fields(doc).any(|(name, value)| name.eq_ignore_ascii_case(field) && !doc.is_null(value))
}

fn fields(doc: &Document) -> impl Iterator<Item = (&str, NodeId)> {
    doc.entries(doc.root()).map(|(key, value)| (doc.text(key), value))
}

/// Whether the file says nothing but its type: what kustomize calls an empty
/// kustomization. An empty list does say something, except in a deprecated field
/// whose items move to another one.
pub(crate) fn is_empty(doc: &Document) -> bool {
    const MOVED: &[&str] = &["bases", "imageTags", "helmChartInflationGenerator"];
    fields(doc).all(|(name, value)| {
        let is = |field: &&str| name.eq_ignore_ascii_case(field);
        let blank = doc.is_null(value) || (doc.is_scalar(value) && doc.text(value).is_empty());
        blank || is(&"kind") || is(&"apiVersion") || (MOVED.iter().any(is) && doc.is_empty(value))
    })
}

impl Kustomization {
    /// Whether programs or charts have a part in what it gives.
    pub(crate) fn runs_plugins(&self) -> bool {
        let plugins = [&self.generators, &self.transformers, &self.validators];
        plugins.iter().any(|entries| !entries.is_empty())
            || !self.helm_charts.is_empty()
            || !self.helm_chart_inflation_generator.is_empty()
    }

    /// Moves deprecated fields to their successors and fills in the type, as
    /// kustomize's `FixKustomization` does.
    pub(crate) fn fix(&mut self) {
        if self.kind.is_empty() {
            self.kind = KUSTOMIZATION.1.to_owned();
        }
        if self.api_version.is_empty() {
            self.api_version = if self.is_component() { COMPONENT.0 } else { KUSTOMIZATION.0 }.to_owned();
        }
        self.resources.append(&mut self.bases);
        self.images.append(&mut self.image_tags);
        for args in &mut self.config_map_generator {
            move_env(&mut args.env, &mut args.envs);
        }
        for args in &mut self.secret_generator {
            move_env(&mut args.env, &mut args.envs);
        }
        self.fix_helm();
        // kustomize reads its kustomization a second time, without the lists that are empty.
        for replacement in &mut self.replacements {
            replacement.targets.take_if(|targets| targets.is_empty());
        }
    }

    fn fix_helm(&mut self) {
        let mut globals = HelmGlobals::default();
        for args in take(&mut self.helm_chart_inflation_generator) {
            // The last one that is not empty wins.
            for (global, value) in
                [(&mut globals.config_home, args.helm_home), (&mut globals.chart_home, args.chart_home)]
            {
                if !value.is_empty() {
                    *global = value;
                }
            }
            self.helm_charts.push(HelmChart {
                name: args.chart_name,
                version: args.chart_version,
                repo: args.chart_repo_url,
                values_file: args.values,
                values_inline: args.values_local,
                values_merge: args.values_merge,
                release_name: args.release_name,
                ..HelmChart::default()
            });
        }
        if self.helm_globals.is_none() && globals != HelmGlobals::default() {
            self.helm_globals = Some(globals);
        }
    }

    pub(crate) fn is_component(&self) -> bool {
        self.kind == COMPONENT.1
    }

    /// The `apiVersion` and `kind` it should have, if it has others.
    pub(crate) fn wrong_type(&self) -> Option<(&'static str, &'static str)> {
        let wanted = if self.is_component() { COMPONENT } else { KUSTOMIZATION };
        ((self.api_version.as_str(), self.kind.as_str()) != wanted).then_some(wanted)
    }
}

fn move_env(env: &mut String, envs: &mut Vec<String>) {
    if !env.is_empty() {
        envs.push(take(env));
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::kustomization::{ConfigMapArgs, HelmChartArgs};
    use crate::yaml::Scalar;

    #[test]
    fn deprecated_fields_move() {
        let mut kustomization = Kustomization {
            resources: vec!["a".into()],
            bases: vec!["b".into()],
            config_map_generator: vec![ConfigMapArgs { env: "e".into(), ..ConfigMapArgs::default() }],
            helm_chart_inflation_generator: vec![HelmChartArgs {
                chart_name: "c".into(),
                chart_home: "home".into(),
                ..HelmChartArgs::default()
            }],
            ..Kustomization::default()
        };
        kustomization.fix();
        assert_eq!(kustomization.resources, ["a", "b"]);
        assert_eq!(kustomization.config_map_generator[0].envs, ["e"]);
        assert_eq!(kustomization.helm_charts[0].name, "c");
        assert_eq!(kustomization.helm_globals.as_ref().map(|globals| globals.chart_home.as_str()), Some("home"));
        assert_eq!(kustomization.wrong_type(), None);
        kustomization.kind = "Component".into();
        assert_eq!(kustomization.wrong_type(), Some(COMPONENT));
    }

    #[test]
    fn an_empty_list_is_not_an_empty_file() {
        let mut doc = Document::sourceless();
        doc.set_value(doc.root(), "kind", Scalar::string("Kustomization"));
        doc.set_value(doc.root(), "namePrefix", Scalar::string(""));
        let bases = doc.new_sequence();
        doc.set(doc.root(), "Bases", bases);
        assert!(is_empty(&doc));
        assert_eq!(deprecated(&doc), [("bases", "resources")]);
        let resources = doc.new_sequence();
        doc.set(doc.root(), "resources", resources);
        assert!(!is_empty(&doc));
    }
}
