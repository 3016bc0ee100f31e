//! The transformers of a kustomization: which field makes which, and in what order they run.

use std::sync::Arc;

use crate::build::Target;
use crate::config::TransformerConfig;
use crate::error::BuildError;
use crate::generate::BoxError;
use crate::kustomization::Kustomization;
use crate::metadata::{self, Note};
use crate::patch::{PatchJson6902Transformer, PatchStrategicMergeTransformer, PatchTransformer};
use crate::plugin::{self, ExternalPlugin, HashTransformer, ValueAddTransformer};
use crate::replacement::Replacements;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::threads::Threads;
use crate::transform::{
    AnnotationsTransformer, EachResource, ImageTagTransformer, LabelTransformer, NamespaceTransformer,
    PrefixTransformer, ReplicaCountTransformer, SuffixTransformer, TransformError,
};

/// A transformer with its configuration.
#[derive(Debug)]
pub(crate) enum Transformer {
    StrategicMerges(PatchStrategicMergeTransformer),
    Patch(PatchTransformer),
    JsonPatch(PatchJson6902Transformer),
    Namespace(NamespaceTransformer),
    Prefix(PrefixTransformer),
    Suffix(SuffixTransformer),
    Labels(LabelTransformer),
    Annotations(AnnotationsTransformer),
    Replicas(ReplicaCountTransformer),
    Images(ImageTagTransformer),
    Replacements(Replacements),
    ValueAdd(ValueAddTransformer),
    Hash(HashTransformer),
    External(ExternalPlugin),
}

impl Transformer {
    /// The transformer at work, if it is one that looks at one resource at a time.
    fn each<'a>(&'a self, schema: &'a Schema) -> Option<Box<dyn EachResource + 'a>> {
        Some(match self {
            Self::Prefix(transformer) => Box::new(transformer.each(schema)),
            Self::Suffix(transformer) => Box::new(transformer.each(schema)),
            Self::Labels(transformer) => Box::new(transformer.each()),
            Self::Annotations(transformer) => Box::new(transformer.each()),
            Self::Replicas(transformer) => Box::new(transformer.each()),
            Self::Images(transformer) => Box::new(transformer.each()),
            _ => return None,
        })
    }

    /// Transforms all resources together; see [`each`](Self::each) for the transformers that do not.
    fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), BoxError> {
        match self {
            Self::StrategicMerges(transformer) => transformer.apply(resources, schema)?,
            Self::Patch(transformer) => transformer.apply(resources, schema)?,
            Self::JsonPatch(transformer) => transformer.apply(resources, schema)?,
            Self::Namespace(transformer) => transformer.apply(resources, schema)?,
            Self::Replacements(transformer) => transformer.apply(resources)?,
            Self::ValueAdd(transformer) => transformer.apply(resources, schema)?,
            Self::Hash(transformer) => transformer.apply(resources, schema)?,
            Self::External(plugin) => plugin.apply(resources, schema)?,
            Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Labels(_)
            | Self::Annotations(_)
            | Self::Replicas(_)
            | Self::Images(_) => {}
        }
        Ok(())
    }
}

/// A transformer in its place in a kustomization.
pub(crate) struct Step {
    /// The field that it comes from.
    pub(crate) field: &'static str,
    pub(crate) transformer: Transformer,
    /// What the resources it runs over are to remember.
    pub(crate) note: Option<Note>,
}

impl Step {
    fn run(&self, target: &Target<'_>, resources: &mut ResourceSet) -> Result<(), BuildError> {
        let applied = self.transformer.apply(resources, &target.schema());
        applied.map_err(|error| self.failed(target, error))?;
        if self.note.is_some() {
            resources.iter_mut().for_each(|resource| self.leave_note(resource));
        }
        Ok(())
    }

    fn leave_note(&self, resource: &mut Resource) {
        if let Some(note) = &self.note {
            metadata::add_transformation(resource, note);
        }
    }

    fn failed(&self, target: &Target<'_>, error: impl Into<BoxError>) -> BuildError {
        target.in_field(self.field, error)
    }
}

type Configure = fn(&Target<'_>, &Kustomization, &TransformerConfig) -> Result<Vec<Transformer>, BoxError>;

/// The fields that transform, the name of their transformer, and how it is
/// configured. The order is part of the format: moving a line changes what users get.
const STEPS: &[(&str, &str, Configure)] = &[
    ("patchesStrategicMerge", "PatchStrategicMergeTransformer", strategic_merges),
    ("patches", "PatchTransformer", patches),
    ("namespace", "NamespaceTransformer", namespace),
    ("namePrefix", "PrefixTransformer", prefix),
    ("nameSuffix", "SuffixTransformer", suffix),
    ("labels", "LabelTransformer", labels),
    ("commonAnnotations", "AnnotationsTransformer", annotations),
    ("patchesJson6902", "PatchJson6902Transformer", json_patches),
    ("replicas", "ReplicaCountTransformer", replicas),
    ("images", "ImageTagTransformer", images),
    ("replacements", "ReplacementTransformer", replacements),
];

/// Runs everything that transforms in the kustomization over `resources`. All
/// is configured before the first runs, as in kustomize.
pub(crate) fn run(
    target: &Target<'_>,
    resources: &mut ResourceSet,
    config: &TransformerConfig,
) -> Result<(), BuildError> {
    let mut steps = Vec::new();
    for (field, kind, configure) in STEPS {
        let made = configure(target, target.kustomization, config).map_err(|error| target.in_field(field, error))?;
        let note = target.builtin_note(kind);
        steps.extend(made.into_iter().map(|transformer| Step { field, transformer, note: note.clone() }));
    }
    if !(target.kustomization.patches.is_empty() && target.kustomization.patches_strategic_merge.is_empty()) {
        target.loader.session.note_builtin_schema();
    }
    steps.extend(plugin::transformers(target, "transformers", &target.kustomization.transformers)?);
    run_steps(&steps, target, resources)
}

/// Runs the steps in order. Neighbours that look at one resource at a time run
/// together, so that each resource is brought into the processor's cache once for all of them.
pub(crate) fn run_steps(
    mut steps: &[Step],
    target: &Target<'_>,
    resources: &mut ResourceSet,
) -> Result<(), BuildError> {
    let schema = target.schema();
    while let [step, rest @ ..] = steps {
        let each: Vec<_> = steps.iter().map_while(|step| step.transformer.each(&schema)).collect();
        if each.is_empty() {
            step.run(target, resources)?;
            steps = rest;
        } else {
            let (together, rest) = steps.split_at(each.len());
            let threads = resources.threads();
            let done = run_each(together, each, resources.as_mut_vec(), threads);
            done.map_err(|(step, error)| together[step].failed(target, error))?;
            steps = rest;
        }
    }
    Ok(())
}

/// Runs these steps resource by resource. What fails is what would have failed
/// first had the steps run one after the other.
fn run_each(
    steps: &[Step],
    mut each: Vec<Box<dyn EachResource + '_>>,
    resources: &mut [Resource],
    threads: Threads,
) -> Result<(), (usize, TransformError)> {
    let fork = || each.iter().map(|each| each.fork()).collect::<Option<Vec<_>>>();
    let failed = if threads.number_for(resources.len()) > 1 && fork().is_some() {
        let failed = threads.map(resources, |part| run_part(steps, &mut fork().unwrap_or_default(), part));
        failed.into_iter().flatten().min_by_key(|(at, _)| *at)
    } else {
        run_part(steps, &mut each, resources)
    };
    let done = failed.as_ref().map_or(each.len(), |(at, _)| *at);
    for (at, each) in each[..done].iter().enumerate() {
        each.finish().map_err(|error| (at, error))?;
    }
    failed.map_or(Ok(()), Err)
}

/// The first step that fails; the ones before it transform all of the resources.
fn run_part(
    steps: &[Step],
    each: &mut [Box<dyn EachResource + '_>],
    resources: &mut [Resource],
) -> Option<(usize, TransformError)> {
    let mut failed: Option<(usize, TransformError)> = None;
    for resource in resources {
        let end = failed.as_ref().map_or(each.len(), |(at, _)| *at);
        for (at, (each, step)) in each.iter_mut().zip(steps).take(end).enumerate() {
            if let Err(error) = each.transform(resource) {
                failed = Some((at, error));
                break;
            }
            step.leave_note(resource);
        }
    }
    failed
}

fn strategic_merges(
    target: &Target<'_>,
    from: &Kustomization,
    _: &TransformerConfig,
) -> Result<Vec<Transformer>, BoxError> {
    let paths = &from.patches_strategic_merge;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let made = PatchStrategicMergeTransformer::new(paths, "", &read, &target.loader.session.options.limits.yaml)?;
    Ok(vec![Transformer::StrategicMerges(made)])
}

fn patches(target: &Target<'_>, from: &Kustomization, _: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    let limits = &target.loader.session.options.limits.yaml;
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let made = from.patches.iter().map(|patch| PatchTransformer::new(patch, &read, limits));
    Ok(made.map(|made| made.map(Transformer::Patch)).collect::<Result<_, _>>()?)
}

fn json_patches(
    target: &Target<'_>,
    from: &Kustomization,
    _: &TransformerConfig,
) -> Result<Vec<Transformer>, BoxError> {
    let limits = &target.loader.session.options.limits.yaml;
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    let made = from.patches_json6902.iter().map(|patch| PatchJson6902Transformer::new(patch, &read, limits));
    Ok(made.map(|made| made.map(Transformer::JsonPatch)).collect::<Result<_, _>>()?)
}

fn namespace(_: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    if from.namespace.is_empty() {
        return Ok(Vec::new());
    }
    let specs = Arc::clone(&config.namespace);
    Ok(vec![Transformer::Namespace(NamespaceTransformer::new(from.namespace.clone(), specs))])
}

fn prefix(_: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    let (prefix, specs) = (from.name_prefix.clone(), Arc::clone(&config.name_prefix));
    let made = (!prefix.is_empty()).then_some(Transformer::Prefix(PrefixTransformer { prefix, specs }));
    Ok(made.into_iter().collect())
}

fn suffix(_: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    let (suffix, specs) = (from.name_suffix.clone(), Arc::clone(&config.name_suffix));
    let made = (!suffix.is_empty()).then_some(Transformer::Suffix(SuffixTransformer { suffix, specs }));
    Ok(made.into_iter().collect())
}

fn labels(_: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    if from.labels.is_empty() && from.common_labels.is_empty() {
        return Ok(Vec::new());
    }
    let entries = from.labels.iter().map(|label| LabelTransformer::of_entry(label, config));
    // kustomize runs the last one even if there are no common labels.
    let common = std::iter::once(Ok(LabelTransformer::common(&from.common_labels, config)));
    let made: Result<Vec<LabelTransformer>, TransformError> = entries.chain(common).collect();
    Ok(made?.into_iter().map(Transformer::Labels).collect())
}

fn annotations(_: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    if from.common_annotations.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Transformer::Annotations(AnnotationsTransformer::common(&from.common_annotations, config))])
}

fn replicas(
    target: &Target<'_>,
    from: &Kustomization,
    config: &TransformerConfig,
) -> Result<Vec<Transformer>, BoxError> {
    let transformer =
        |replicas: &[_]| ReplicaCountTransformer { replicas: replicas.to_vec(), specs: Arc::clone(&config.replicas) };
    Ok(target.batches(&from.replicas).map(|replicas| Transformer::Replicas(transformer(replicas))).collect())
}

fn images(target: &Target<'_>, from: &Kustomization, config: &TransformerConfig) -> Result<Vec<Transformer>, BoxError> {
    let specs = || Arc::clone(&config.images);
    let made = target.batches(&from.images).map(|images| ImageTagTransformer::new(images, specs()));
    Ok(made.map(|made| made.map(Transformer::Images)).collect::<Result<_, _>>()?)
}

fn replacements(
    target: &Target<'_>,
    from: &Kustomization,
    _: &TransformerConfig,
) -> Result<Vec<Transformer>, BoxError> {
    if from.replacements.is_empty() {
        return Ok(Vec::new());
    }
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    Ok(vec![Transformer::Replacements(Replacements::new(&from.replacements, &read)?)])
}
