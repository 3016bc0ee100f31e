//! The built-in generators and transformers, configured by resources of
//! `apiVersion: builtin` instead of a kustomization's fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::iam_policy::{self, IamPolicyArgs};
use super::value_add::{self, ValueAddTransformer};
use super::{ExternalPlugin, PluginError};
use crate::build::Target;
use crate::config::FieldSpecs;
use crate::generate::{self, BoxError, GenerateError};
use crate::generators;
use crate::kustomization::{
    ConfigMapArgs, FieldSpec, HelmChart, HelmGlobals, Image, ObjectMeta, Patch, ReplacementField, Replica, SecretArgs,
    Selector, decode,
};
use crate::patch::{PatchJson6902Transformer, PatchStrategicMergeTransformer, PatchTransformer};
use crate::replacement::Replacements;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::transform::{
    AnnotationsTransformer, ImageTagTransformer, LabelTransformer, NamespaceTransformer, PrefixTransformer,
    ReplicaCountTransformer, SubjectsMode, SuffixTransformer,
};
use crate::transformers::Transformer;

/// A generator with its configuration.
#[derive(Debug)]
pub(crate) enum Generator {
    ConfigMap(ConfigMapArgs),
    Secret(SecretArgs),
    Chart(Box<HelmChart>, HelmGlobals),
    IamPolicy(IamPolicyArgs),
    External(ExternalPlugin),
}

impl Generator {
    pub(crate) fn run(&self, target: &Target<'_>) -> Result<Vec<Resource>, BoxError> {
        let read = |path: &str| target.loader.read(path).map_err(Into::into);
        Ok(match self {
            Self::ConfigMap(args) => vec![generate::config_map(args, None, &read)?],
            Self::Secret(args) => vec![generate::secret(args, None, &read)?],
            Self::Chart(chart, globals) => generators::render_chart(target, globals, chart)?,
            Self::IamPolicy(args) => iam_policy::generate(args)?,
            Self::External(plugin) => plugin.generate()?,
        })
    }
}

/// Kustomize's HashTransformer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashTransformer;

impl HashTransformer {
    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), GenerateError> {
        generate::add_hashes(resources, schema)
    }
}

/// The generator that a resource configures.
pub(super) fn generator(config: &Resource) -> Result<Generator, BoxError> {
    match config.kind() {
        "ConfigMapGenerator" => {
            let (mut args, meta): (ConfigMapArgs, Named) = (decoded(config)?, decoded(config)?);
            meta.metadata.complete(&mut args.name, &mut args.namespace);
            Ok(Generator::ConfigMap(args))
        }
        "SecretGenerator" => {
            let (mut args, meta): (SecretArgs, Named) = (decoded(config)?, decoded(config)?);
            meta.metadata.complete(&mut args.name, &mut args.namespace);
            Ok(Generator::Secret(args))
        }
        "HelmChartInflationGenerator" => Ok(Generator::Chart(Box::new(decoded(config)?), decoded(config)?)),
        "IAMPolicyGenerator" => Ok(Generator::IamPolicy(decoded(config)?)),
        kind => Err(unknown(kind, "generator", TRANSFORMERS.iter().any(|(known, _)| *known == kind))),
    }
}

const GENERATORS: &[&str] =
    &["ConfigMapGenerator", "SecretGenerator", "HelmChartInflationGenerator", "IAMPolicyGenerator"];

type Configure = fn(&Target<'_>, &Resource) -> Result<Vec<Transformer>, BoxError>;

/// The kinds of transformers. (SortOrderTransformer is none of them in kustomize.)
const TRANSFORMERS: &[(&str, Configure)] = &[
    ("AnnotationsTransformer", annotations),
    ("HashTransformer", |_, _| Ok(vec![Transformer::Hash(HashTransformer)])),
    ("ImageTagTransformer", images),
    ("LabelTransformer", labels),
    ("NamespaceTransformer", namespace),
    ("PatchJson6902Transformer", json_patch),
    ("PatchStrategicMergeTransformer", strategic_merges),
    ("PatchTransformer", patch),
    ("PrefixSuffixTransformer", |target, config| {
        Ok(prefix(target, config)?.into_iter().chain(suffix(target, config)?).collect())
    }),
    ("PrefixTransformer", prefix),
    ("SuffixTransformer", suffix),
    ("ReplacementTransformer", replacements),
    ("ReplicaCountTransformer", replicas),
    ("ValueAddTransformer", value_add),
];

/// The transformers that a resource configures; usually one.
pub(super) fn transformers(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    let kind = config.kind();
    match TRANSFORMERS.iter().find(|(known, _)| *known == kind) {
        Some((_, configure)) => configure(target, config),
        None => Err(unknown(kind, "transformer", GENERATORS.contains(&kind))),
    }
}

fn unknown(kind: &str, wanted: &'static str, has_other_role: bool) -> BoxError {
    let kind = kind.to_owned();
    if has_other_role { PluginError::WrongRole { kind, wanted }.into() } else { PluginError::Unknown { kind }.into() }
}

fn decoded<T: DeserializeOwned>(config: &Resource) -> Result<T, PluginError> {
    let doc = config.doc();
    decode::lenient(doc, doc.root()).map_err(|source| PluginError::Decode { source })
}

/// `metadata` of a configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: ObjectMeta,
}

impl ObjectMeta {
    /// What a generator is called if it does not say so itself.
    fn complete(self, name: &mut String, namespace: &mut String) {
        for (given, own) in [(name, self.name), (namespace, self.namespace)] {
            if given.is_empty() {
                *given = own;
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Specs {
    field_specs: Option<Vec<FieldSpec>>,
}

fn specs(config: &Resource) -> Result<Arc<FieldSpecs>, PluginError> {
    let specs: Specs = decoded(config)?;
    Ok(Arc::new(FieldSpecs::new(specs.field_specs.unwrap_or_default())))
}

/// The field specs of a transformer that kustomize does not run without any.
fn required_specs(config: &Resource) -> Result<Arc<FieldSpecs>, PluginError> {
    let specs: Specs = decoded(config)?;
    let missing = || PluginError::Incomplete { problem: "it has no fieldSpecs".to_owned() };
    specs.field_specs.map(|specs| Arc::new(FieldSpecs::new(specs))).ok_or_else(missing)
}

fn annotations(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        annotations: BTreeMap<String, String>,
    }
    let Config { annotations } = decoded(config)?;
    Ok(vec![Transformer::Annotations(AnnotationsTransformer::new(annotations, specs(config)?))])
}

fn labels(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        labels: BTreeMap<String, String>,
    }
    let Config { labels } = decoded(config)?;
    Ok(vec![Transformer::Labels(LabelTransformer::new(labels, specs(config)?))])
}

fn images(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Config {
        image_tag: Image,
    }
    let Config { image_tag } = decoded(config)?;
    Ok(vec![Transformer::Images(ImageTagTransformer::new(&[image_tag], specs(config)?)?)])
}

fn namespace(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Config {
        metadata: ObjectMeta,
        unset_only: bool,
        set_role_binding_subjects: String,
    }
    let Config { metadata, unset_only, set_role_binding_subjects } = decoded(config)?;
    let subjects = SubjectsMode::named(&set_role_binding_subjects)?;
    let transformer = NamespaceTransformer::new(metadata.namespace, specs(config)?);
    Ok(vec![Transformer::Namespace(NamespaceTransformer { unset_only, subjects, ..transformer })])
}

fn prefix(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        prefix: String,
    }
    let Config { prefix } = decoded(config)?;
    Ok(vec![Transformer::Prefix(PrefixTransformer { prefix, specs: required_specs(config)? })])
}

fn suffix(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        suffix: String,
    }
    let Config { suffix } = decoded(config)?;
    Ok(vec![Transformer::Suffix(SuffixTransformer { suffix, specs: required_specs(config)? })])
}

fn patch(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let limits = &target.loader.session.options.limits.yaml;
    Ok(vec![Transformer::Patch(PatchTransformer::new(&decoded(config)?, &read, limits)?)])
}

fn strategic_merges(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        paths: Vec<String>,
        patches: String,
    }
    let Config { paths, patches } = decoded(config)?;
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let limits = &target.loader.session.options.limits.yaml;
    let transformer = PatchStrategicMergeTransformer::new(&paths, &patches, &read, limits)?;
    Ok(vec![Transformer::StrategicMerges(transformer)])
}

fn json_patch(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Config {
        target: Option<Selector>,
        path: String,
        json_op: String,
    }
    let Config { target: selector, path, json_op } = decoded(config)?;
    let patch = Patch { path, patch: json_op, target: selector, options: None };
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let limits = &target.loader.session.options.limits.yaml;
    Ok(vec![Transformer::JsonPatch(PatchJson6902Transformer::new(&patch, &read, limits)?)])
}

fn replicas(_: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        replica: Replica,
    }
    let Config { replica } = decoded(config)?;
    Ok(vec![Transformer::Replicas(ReplicaCountTransformer { replicas: vec![replica], specs: specs(config)? })])
}

fn replacements(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        replacements: Vec<ReplacementField>,
    }
    let Config { replacements } = decoded(config)?;
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    Ok(vec![Transformer::Replacements(Replacements::new(&replacements, &read)?)])
}

fn value_add(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let transformer = ValueAddTransformer::new(decoded::<value_add::Config>(config)?, target.loader.root(), &read)?;
    Ok(vec![Transformer::ValueAdd(transformer)])
}
