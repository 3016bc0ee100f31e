//! The transformers of a kustomization: which field makes which, and in what order they run.

use std::sync::Arc;

use crate::ahead;
use crate::build::Target;
use crate::config::TransformerConfig;
use crate::error::BuildError;
use crate::generate::BoxError;
use crate::kustomization::Kustomization;
use crate::metadata::{self, Note};
use crate::patch::{PatchJson6902Transformer, PatchStrategicMergeTransformer, PatchTransformer, is_deleted};
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

    /// The same for those that compare all resources only to find two with the same id, which
    /// there cannot be if the set is [distinct](ResourceSet::is_distinct). It stays so.
    fn each_of_distinct<'a>(&'a self, schema: &'a Schema) -> Option<Box<dyn EachResource + 'a>> {
        match self {
            Self::Patch(transformer) => transformer.each_of_distinct(schema).map(|each| Box::new(each) as _),
            Self::Namespace(transformer) => transformer.each_of_distinct(schema).map(|each| Box::new(each) as _),
            _ => None,
        }
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
        let each = each_of(steps, &schema, resources);
        if each.is_empty() {
            step.run(target, resources)?;
            steps = rest;
        } else {
            let (together, rest) = steps.split_at(each.len());
            let threads = resources.threads();
            let done = run_each(together, each, resources.as_mut_vec(), threads);
            let is_any_deleted = done.map_err(|(step, error)| together[step].failed(target, error))?;
            if is_any_deleted {
                resources.as_mut_vec().retain(|resource| !is_deleted(resource));
            }
            steps = rest;
        }
    }
    Ok(())
}

/// The first of these steps, as far as they look at one resource at a time.
fn each_of<'a>(steps: &'a [Step], schema: &'a Schema, resources: &ResourceSet) -> Vec<Box<dyn EachResource + 'a>> {
    // Whether there cannot be two resources with the same id, once that is asked.
    let mut is_distinct = None;
    let each = |step: &'a Step| match step.transformer.each(schema) {
        Some(each) => {
            is_distinct = Some(false);
            Some(each)
        }
        None => {
            let each = step.transformer.each_of_distinct(schema)?;
            is_distinct.get_or_insert_with(|| resources.is_distinct()).then_some(each)
        }
    };
    steps.iter().map_while(each).collect()
}

/// A step that failed, and why.
type Failed = (usize, BoxError);

/// Runs these steps resource by resource. What fails is what would have failed
/// first had the steps run one after the other. Says whether a resource was deleted.
fn run_each(
    steps: &[Step],
    mut each: Vec<Box<dyn EachResource + '_>>,
    resources: &mut [Resource],
    threads: Threads,
) -> Result<bool, Failed> {
    let fork = || each.iter().map(|each| each.fork()).collect::<Option<Vec<_>>>();
    let parts = if threads.number_for(resources.len()) > 1 && fork().is_some() {
        threads.map(resources, |part| run_part(steps, &mut fork().unwrap_or_default(), part))
    } else {
        vec![run_part(steps, &mut each, resources)]
    };
    let is_any_deleted = parts.iter().any(|part| part.is_any_deleted);
    let failed = parts.into_iter().filter_map(|part| part.failed).min_by_key(|(at, _)| *at);
    let done = failed.as_ref().map_or(each.len(), |(at, _)| *at);
    for (at, each) in each[..done].iter().enumerate() {
        each.finish().map_err(|error| (at, error))?;
    }
    failed.map_or(Ok(is_any_deleted), Err)
}

/// What became of a part of the resources.
#[derive(Default)]
struct Part {
    /// The first step that fails; the ones before it transform all of the resources.
    failed: Option<Failed>,
    is_any_deleted: bool,
}

fn run_part(steps: &[Step], each: &mut [Box<dyn EachResource + '_>], resources: &mut [Resource]) -> Part {
    let mut part = Part::default();
    for at in 0..resources.len() {
        ahead::fetch_after(resources, at);
        let resource = &mut resources[at];
        let end = part.failed.as_ref().map_or(each.len(), |(at, _)| *at);
        for (at, (each, step)) in each.iter_mut().zip(steps).take(end).enumerate() {
            if let Err(error) = each.transform(resource) {
                part.failed = Some((at, error));
                break;
            }
            if matches!(step.transformer, Transformer::Patch(_)) && is_deleted(resource) {
                part.is_any_deleted = true;
                break;
            }
            step.leave_note(resource);
        }
    }
    part
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

#[cfg(test)]
mod tests {
    use std::error::Error;

    use crate::{BuildOptions, Memory, build};

    const MANIFESTS: &str = "\
apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n---\n\
apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: y}\n---\n\
apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: other}\ndata: [x]\n---\n\
apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nspec: {list: 1}\n---\n\
apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: a}}\n";

    const CONFIGURATION: &str = "namespace: [{path: metadata/name, kind: ConfigMap}]\n";

    /// What else is in `resources`, and the other fields.
    const KUSTOMIZATIONS: &[(&str, &str)] = &[
        (
            "",
            "patches: [{target: {kind: C.*|Secret}, patch: '{kind: any, metadata: {name: any, labels: {l: \"1\"}}}'}]",
        ),
        ("", "patches: [{target: {name: '[ab]'}, patch: '{kind: any, metadata: {name: any}, $patch: delete}'}]"),
        (
            "",
            "patches:\n\
             - {target: {kind: Se.*}, patch: '{kind: any, metadata: {name: any, labels: {l: x}}}'}\n\
             - {target: {labelSelector: l=x, name: a*}, patch: '{kind: any, metadata: {name: any}, $patch: delete}'}\n\
             buildMetadata: [transformerAnnotations]",
        ),
        (
            "",
            "patches:\n\
             - {target: {kind: Sec.*}, patch: '{kind: any, metadata: {name: any}, spec: {list: {x: y}}}'}\n\
             - {target: {kind: Con.*}, patch: '{kind: any, metadata: {name: any}, data: {x: [z]}}'}",
        ),
        (
            "",
            "patches:\n\
             - {target: {kind: Co.*}, options: {allowNameChange: true}, patch: '{kind: any, metadata: {name: c}}'}",
        ),
        ("moved.yaml", ""),
        ("namespace.yaml", ""),
        ("", "configurations: [configuration.yaml]"),
    ];

    /// So many local resources are added that the others are not a few any more.
    fn built((resources, fields): (&str, &str), locals: usize) -> Result<String, String> {
        let local = |at| {
            let annotations = "{config.kubernetes.io/local-config: \"true\"}";
            format!("apiVersion: v1\nkind: Local\nmetadata: {{name: l{at}, annotations: {annotations}}}\n---\n")
        };
        let resource = |kind| format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: b}}}}");
        let files = Memory::new()
            .with("manifests.yaml", (0..locals).map(local).collect::<String>() + MANIFESTS)
            .with("moved.yaml", resource("ConfigMap"))
            .with("namespace.yaml", resource("Namespace"))
            .with("configuration.yaml", CONFIGURATION)
            .with(
                "kustomization.yaml",
                format!("resources: [manifests.yaml, {resources}]\nnamespace: ns\nnamePrefix: p-\n{fields}\n"),
            );
        let built = build(&files, "", &BuildOptions::new());
        let failed = built.map(|built| built.resources.to_yaml().expect("printable"));
        failed.map_err(|error| format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default()))
    }

    #[test]
    fn many_resources_are_transformed_as_few_are() {
        let mut failures = 0;
        for kustomization in KUSTOMIZATIONS {
            let few = built(*kustomization, 0);
            assert_eq!(built(*kustomization, 20), few, "{kustomization:?}");
            failures += usize::from(few.is_err());
        }
        assert_eq!(failures, 5);
    }
}
