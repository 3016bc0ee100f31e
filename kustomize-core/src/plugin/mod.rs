//! The entries of `generators`, `transformers` and `validators`: resources
//! that configure a built-in step or a program of the user's.

mod builtin;
mod function;
mod iam_policy;
mod program;
mod resource_list;
#[cfg(test)]
mod tests;
mod value_add;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::{Layer, Target};
use crate::error::BuildError;
use crate::generate::BoxError;
use crate::generators;
use crate::id::ResourceId;
use crate::kustomization::DecodeError;
use crate::manifest;
use crate::merge_metadata::ORIGIN;
use crate::metadata::{self, Note};
use crate::program::Programs;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::transformers::{Step, Transformer, run_steps};

pub(crate) use builtin::HashTransformer;
pub(crate) use value_add::ValueAddTransformer;

use self::function::{Function, FunctionSpec};
use self::program::ProgramPlugin;

/// Allows a build to run the functions and plugins that a kustomization lists
/// in `generators`, `transformers` and `validators`, and says how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plugins {
    /// What runs them.
    pub programs: Arc<dyn Programs>,
    /// Whether functions may be programs (`exec`) as well as containers.
    pub exec: bool,
    /// Whether containers that ask for the network get it.
    pub network: bool,
    /// Mounts for all containers, such as `type=bind,src=/dir,dst=/dir`.
    pub mounts: Vec<String>,
    /// Environment variables for all functions: `NAME=value`, or `NAME` to pass it on to containers.
    pub env: Vec<String>,
    /// `uid:gid` for containers; `None` for `nobody`.
    pub user: Option<String>,
    /// Where legacy plugins are, below `group/version/kind`.
    pub home: Option<PathBuf>,
}

impl Plugins {
    /// Containers without network and legacy plugins nowhere, run by `programs`.
    pub fn new(programs: Arc<dyn Programs>) -> Self {
        let (mounts, env) = (Vec::new(), Vec::new());
        Self { programs, exec: false, network: false, mounts, env, user: None, home: None }
    }

    /// Functions may be programs as well as containers.
    #[must_use]
    pub fn exec(self) -> Self {
        Self { exec: true, ..self }
    }

    /// Containers that ask for the network get it.
    #[must_use]
    pub fn network(self) -> Self {
        Self { network: true, ..self }
    }

    /// Adds a mount for all containers.
    #[must_use]
    pub fn mount(mut self, mount: impl Into<String>) -> Self {
        self.mounts.push(mount.into());
        self
    }

    /// Adds an environment variable for all functions.
    #[must_use]
    pub fn env(mut self, variable: impl Into<String>) -> Self {
        self.env.push(variable.into());
        self
    }

    /// Sets `uid:gid` for containers.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// Sets where legacy plugins are.
    #[must_use]
    pub fn home(self, home: impl Into<PathBuf>) -> Self {
        Self { home: Some(home.into()), ..self }
    }
}

/// Why an entry of `generators`, `transformers` or `validators` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// Something about the step that a resource configures.
    #[error("cannot run {plugin}")]
    Plugin {
        /// The resource that configures it.
        plugin: Box<ResourceId>,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No built-in step has this kind.
    #[error("there is no built-in {kind}")]
    Unknown {
        /// The kind.
        kind: String,
    },
    /// A transformer is listed as a generator, or the other way round.
    #[error("{kind} is not a {wanted}")]
    WrongRole {
        /// The kind.
        kind: String,
        /// `generator` or `transformer`.
        wanted: &'static str,
    },
    /// A program would have to be run, which the caller has not allowed.
    #[error("only built-in steps may run in this build, and {kind} is not one")]
    NotEnabled {
        /// The kind.
        kind: String,
    },
    /// A function is a program, and only containers may run.
    ///
    /// # Deviation
    ///
    /// kustomize does nothing then, and does not say so.
    #[error("the build may not run the program {program}")]
    ExecNotEnabled {
        /// The program.
        program: String,
    },
    /// A container asks for the network, which the caller has not allowed.
    #[error("the build may not give the network to {image}")]
    Network {
        /// The image.
        image: String,
    },
    /// A container asks for files outside of the kustomization's directory.
    #[error("the mount {} is not below the kustomization", path.display())]
    Mount {
        /// The mount's source.
        path: PathBuf,
    },
    /// The kustomization is not in a directory in which a program could run.
    #[error("the kustomization is not in the file system below its root, where programs could run")]
    NoDirectory,
    /// The directory of legacy plugins is not known.
    #[error("there is no plugin directory in which {kind} could be")]
    NoHome {
        /// The kind.
        kind: String,
    },
    /// A legacy plugin is not there.
    #[error("there is no plugin at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A legacy plugin cannot be run.
    #[error("the plugin {} is not executable", path.display())]
    NotExecutable {
        /// Where it is.
        path: PathBuf,
    },
    /// A transformer gave the same resource twice.
    #[error("it gave {resource} twice")]
    Duplicate {
        /// The resource.
        resource: Box<ResourceId>,
    },
    /// A configuration has a field of a wrong type.
    #[error("the configuration is not valid")]
    Decode {
        /// What is wrong, and where.
        source: DecodeError,
    },
    /// A configuration lacks something.
    #[error("the configuration is not complete: {problem}")]
    Incomplete {
        /// What is missing or does not fit.
        problem: String,
    },
    /// A validator changed a resource.
    #[error("a validator must not change resources, but this one {change}")]
    Modified {
        /// What it did, and to which resource.
        change: String,
    },
    /// A field cannot take a value.
    #[error("cannot set the field {field} of {resource}: {problem}")]
    Field {
        /// The resource.
        resource: Box<ResourceId>,
        /// The field's path.
        field: String,
        /// What is wrong.
        problem: String,
    },
}

/// Names the plugin that an error is about.
fn of_plugin(plugin: &Resource, error: impl Into<BoxError>) -> BoxError {
    PluginError::Plugin { plugin: Box::new(plugin.id()), source: error.into() }.into()
}

fn is_builtin(resource: &Resource) -> bool {
    resource.api_version() == "builtin"
}

/// Runs what `generators` lists, and adds what it generates.
pub(crate) fn generate(target: &Target<'_>, layer: &mut Layer) -> Result<(), BuildError> {
    let configs = configs(target, "generators", &target.kustomization.generators)?;
    let mut generators = Vec::with_capacity(configs.len());
    // All are configured before the first runs, as in kustomize.
    for config in configs.iter() {
        let generator = generator(target, config).map_err(|error| of_plugin(config, error));
        generators.push((config, generator.map_err(|error| target.in_field("generators", error))?));
    }
    for (config, generator) in generators {
        let generated =
            generator.run(target).map_err(|error| target.in_field("generators", of_plugin(config, error)))?;
        generators::absorb(target, layer, "generators", generated, note(config).as_ref())?;
    }
    Ok(())
}

fn generator(target: &Target<'_>, config: &Resource) -> Result<builtin::Generator, BoxError> {
    if is_builtin(config) {
        builtin::generator(config)
    } else {
        external(target, config).map(builtin::Generator::External)
    }
}

/// A function or legacy plugin that is ready to run.
#[derive(Debug)]
pub(crate) enum ExternalPlugin {
    Function(Box<Function>),
    Program(Box<ProgramPlugin>),
}

impl ExternalPlugin {
    fn generate(&self) -> Result<Vec<Resource>, BoxError> {
        let mut made = match self {
            Self::Function(function) => function.generate()?,
            Self::Program(program) => program.generate()?,
        };
        resource_list::take_options(&mut made)?;
        Ok(made)
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), BoxError> {
        let made = match self {
            Self::Function(function) => function.transform(resources.as_slice())?,
            Self::Program(program) => program.transform(resources.as_slice())?,
        };
        Ok(resource_list::update(resources, made, schema)?)
    }
}

fn external(target: &Target<'_>, config: &Resource) -> Result<ExternalPlugin, BoxError> {
    let not_enabled = || PluginError::NotEnabled { kind: config.kind().to_owned() };
    let plugins = target.loader.session.options.plugins.as_ref().ok_or_else(not_enabled)?;
    let root = target.loader.local_root();
    if let Some(spec) = FunctionSpec::of(config)? {
        return Ok(ExternalPlugin::Function(Box::new(Function::new(&spec, config, plugins, root)?)));
    }
    let read = |path: &str| target.loader.read(path).map_err(Into::into);
    Ok(ExternalPlugin::Program(Box::new(ProgramPlugin::new(config, plugins, root, &read)?)))
}

/// What `transformers` or `validators` lists, configured.
pub(crate) fn transformers(
    target: &Target<'_>,
    field: &'static str,
    entries: &[String],
) -> Result<Vec<Step>, BuildError> {
    let mut steps = Vec::new();
    for config in configs(target, field, entries)?.iter() {
        let made = transformer(target, config).map_err(|error| target.in_field(field, of_plugin(config, error)))?;
        let note = note(config);
        steps.extend(made.into_iter().map(|transformer| Step { field, transformer, note: note.clone() }));
    }
    Ok(steps)
}

fn transformer(target: &Target<'_>, config: &Resource) -> Result<Vec<Transformer>, BoxError> {
    if is_builtin(config) {
        builtin::transformers(target, config)
    } else {
        external(target, config).map(|plugin| vec![Transformer::External(plugin)])
    }
}

/// Runs what `validators` lists.
pub(crate) fn validate(target: &Target<'_>, resources: &mut ResourceSet) -> Result<(), BuildError> {
    for step in transformers(target, "validators", &target.kustomization.validators)? {
        let before = resources.clone();
        run_steps(std::slice::from_ref(&step), target, resources)?;
        if let Some(change) = change(&before, resources) {
            return Err(target.in_field("validators", PluginError::Modified { change }));
        }
    }
    Ok(())
}

/// The label that a validator may set to say that it was there.
const VALIDATED_BY: &str = "validated-by";

/// What differs in content between two sets of resources.
fn change(before: &ResourceSet, after: &ResourceSet) -> Option<String> {
    if before.len() != after.len() {
        return Some("added or removed some".to_owned());
    }
    let differs = |(old, new): (&Resource, &Resource)| (!is_same(old, new)).then(|| format!("changed {}", old.id()));
    before.iter().zip(after).find_map(differs)
}

fn is_same(old: &Resource, new: &Resource) -> bool {
    let content = |resource: &Resource| {
        let mut resource = resource.clone();
        metadata::remove_label(&mut resource, VALIDATED_BY);
        resource.to_yaml().ok()
    };
    std::ptr::eq(old.doc(), new.doc()) || content(old) == content(new)
}

/// The resources that the entries of a list are or lead to: the inline ones
/// first, then those of files and directories.
fn configs(target: &Target<'_>, field: &'static str, entries: &[String]) -> Result<ResourceSet, BuildError> {
    let mut layer = target.layer();
    let mut paths = Vec::new();
    for entry in entries {
        match inline(target, entry) {
            Some(resources) => layer.resources.append(resources, &target.schema())?,
            None => paths.push(entry.clone()),
        }
    }
    target.add_resources(&mut layer, field, &paths)?;
    Ok(layer.resources)
}

/// The resources in an entry that is not a path.
fn inline(target: &Target<'_>, entry: &str) -> Option<Vec<Resource>> {
    let limits = &target.loader.session.options.limits.yaml;
    let mut resources = manifest::read_inline(entry, target.path, limits).ok()?;
    if let Some(place) = &target.place {
        let note = place.join(target.file_name);
        resources.iter_mut().for_each(|resource| metadata::set_origin(resource, &note));
    }
    Some(resources)
}

/// What resources are to remember of a plugin, if its configuration knows where it came from.
fn note(config: &Resource) -> Option<Note> {
    let origin = config.annotation(ORIGIN)?;
    Some(Note::of_plugin(origin, config))
}
