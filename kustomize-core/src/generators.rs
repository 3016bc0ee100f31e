//! The generators of a kustomization, in order.

use std::borrow::Cow;
use std::path::Path;

use crate::build::{Layer, Target};
use crate::error::BuildError;
use crate::generate::{self, BoxError, GenerateError, ReadFile};
use crate::helm::{self, HelmError, Site};
use crate::kustomization::{HelmChart, HelmGlobals, Kustomization};
use crate::manifest;
use crate::metadata::{self, Note};
use crate::patch::strategic;
use crate::plugin;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::yaml::{self, Document, Limits};

type Generate = fn(&Target<'_>, &Kustomization) -> Result<Vec<Resource>, BoxError>;

/// The fields that generate, and the name of their generator.
const GENERATORS: &[(&str, &str, Generate)] = &[
    ("configMapGenerator", "ConfigMapGenerator", config_maps),
    ("secretGenerator", "SecretGenerator", secrets),
    ("helmCharts", "HelmChartInflationGenerator", charts),
];

/// Adds to `layer` what the kustomization generates.
pub(crate) fn run(target: &Target<'_>, layer: &mut Layer) -> Result<(), BuildError> {
    for (field, kind, generate) in GENERATORS {
        let generated = generate(target, target.kustomization).map_err(|error| target.in_field(field, error))?;
        absorb(target, layer, field, generated, target.builtin_note(kind).as_ref())?;
    }
    plugin::generate(target, layer)
}

/// Adds what generators made.
pub(crate) fn absorb(
    target: &Target<'_>,
    layer: &mut Layer,
    field: &'static str,
    mut resources: Vec<Resource>,
    note: Option<&Note>,
) -> Result<(), BuildError> {
    if let Some(note) = note {
        resources.iter_mut().for_each(|resource| metadata::set_missing_origin(resource, note));
    }
    layer.resources.absorb(resources, &target.schema()).map_err(|error| target.in_field(field, error))
}

fn config_maps(target: &Target<'_>, from: &Kustomization) -> Result<Vec<Resource>, BoxError> {
    let options = from.generator_options.as_ref();
    each(target, &from.config_map_generator, |args, read| generate::config_map(args, options, read))
}

fn secrets(target: &Target<'_>, from: &Kustomization) -> Result<Vec<Resource>, BoxError> {
    let options = from.generator_options.as_ref();
    each(target, &from.secret_generator, |args, read| generate::secret(args, options, read))
}

/// What `generate` makes of each entry, with files as the kustomization may read them.
fn each<A>(
    target: &Target<'_>,
    entries: &[A],
    generate: impl Fn(&A, ReadFile<'_>) -> Result<Resource, GenerateError>,
) -> Result<Vec<Resource>, BoxError> {
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let mut made = Vec::with_capacity(entries.len());
    for args in entries {
        made.push(generate(args, &read)?);
    }
    Ok(made)
}

fn charts(target: &Target<'_>, from: &Kustomization) -> Result<Vec<Resource>, BoxError> {
    let globals = from.helm_globals.clone().unwrap_or_default();
    let mut made = Vec::new();
    for chart in &from.helm_charts {
        made.extend(render_chart(target, &globals, &with_namespace(target, from, chart))?);
    }
    Ok(made)
}

/// A chart without a namespace takes that of the kustomization or of those that build on it.
fn with_namespace<'a>(target: &Target<'_>, from: &Kustomization, chart: &'a HelmChart) -> Cow<'a, HelmChart> {
    let inherited = if from.namespace.is_empty() { target.helm_namespace } else { &from.namespace };
    match chart.namespace.is_empty() && !inherited.is_empty() {
        true => Cow::Owned(HelmChart { namespace: inherited.to_owned(), ..chart.clone() }),
        false => Cow::Borrowed(chart),
    }
}

/// Renders a chart as far as the caller of the build allows it.
pub(crate) fn render_chart(
    target: &Target<'_>,
    globals: &HelmGlobals,
    chart: &HelmChart,
) -> Result<Vec<Resource>, BoxError> {
    let options = target.loader.session.options;
    let name = || chart.name.clone();
    let helm = options.helm.as_ref().ok_or_else(|| HelmError::NotEnabled { chart: name() })?;
    let root = target.loader.local_root().ok_or_else(|| HelmError::NotInFileSystem { chart: name() })?;
    let read_file = |path: &str| target.loader.read(path).map_err(Into::into);
    let site = Site { root: &root, read_file: &read_file, merge: &merge_values };
    let manifests = helm::template(chart, globals, helm, site)?;
    Ok(manifest::read_helm(manifests, Path::new(&chart.name), &options.limits.yaml)?)
}

/// Merges the second of two YAML texts over the first. Values have no schema, so lists are replaced.
fn merge_values(base: &[u8], over: &[u8]) -> Result<Vec<u8>, BoxError> {
    let parse = |text: &[u8]| -> Result<Document, BoxError> {
        let limits = Limits::new();
        let documents = yaml::parse(yaml::decode(text.to_vec(), &limits)?, &limits)?;
        Ok(documents.into_iter().next().unwrap_or_else(Document::sourceless))
    };
    let mut merged = parse(base)?;
    strategic::merge(&mut merged, &parse(over)?, &Schema::builtin())?;
    let mut text = Vec::new();
    yaml::emit(&merged, merged.root(), &mut text)?;
    Ok(text)
}
