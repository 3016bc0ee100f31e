//! How a build is done.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::helm::Helm;
use crate::overrides::Overrides;
use crate::plugin::Plugins;
use crate::remote::Remote;
use crate::source::ContentId;
use crate::yaml::Limits;

/// How [`build`](crate::build) renders; the default is what `kustomize build` does without flags.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildOptions {
    /// Which files a kustomization may name. Default: those in and below its directory.
    pub load_restriction: LoadRestriction,
    /// The order of the resources where the kustomization has no `sortOptions`. Default: none
    /// is asked for, which means legacy. If one is, and there are `sortOptions`, that is a [`Warning`].
    pub reorder: Option<Reorder>,
    /// Adds the label `app.kubernetes.io/managed-by` to all resources, as
    /// `buildMetadata: [managedByLabel]` does. Default: no.
    pub managed_by_label: bool,
    /// The version of kustomize in that label. Default: `(devel)`, as in a
    /// kustomize that was built from source; a release says `v5.8.1`.
    pub version: String,
    /// What to change of the kustomization for this build. Default: nothing.
    pub overrides: Overrides,
    /// Renders Helm charts. Default: nothing does, so a chart is an error.
    pub helm: Option<Helm>,
    /// Fetches what kustomizations refer to by URL. Default: nothing does, so that is an error.
    pub remote: Option<Arc<dyn Remote>>,
    /// Runs functions and plugins. Default: nothing does, so that they are an error.
    pub plugins: Option<Plugins>,
    /// What the build may ask of memory and time.
    pub limits: BuildLimits,
    /// How many threads may work on it at once. Default: as many as there are
    /// processors. Only builds of many hundred resources use more than one, and
    /// what they give is the same for any number.
    pub threads: Option<usize>,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            load_restriction: LoadRestriction::default(),
            reorder: None,
            managed_by_label: false,
            version: "(devel)".to_owned(),
            overrides: Overrides::default(),
            helm: None,
            plugins: None,
            remote: None,
            limits: BuildLimits::default(),
            threads: None,
        }
    }
}

impl BuildOptions {
    /// As `kustomize build` without flags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which files a kustomization may name.
    #[must_use]
    pub fn load_restriction(self, load_restriction: LoadRestriction) -> Self {
        Self { load_restriction, ..self }
    }

    /// Sets the order of the resources where the kustomization has no `sortOptions`.
    #[must_use]
    pub fn reorder(self, reorder: Reorder) -> Self {
        Self { reorder: Some(reorder), ..self }
    }

    /// Adds the label `app.kubernetes.io/managed-by` to all resources.
    #[must_use]
    pub fn managed_by_label(self) -> Self {
        Self { managed_by_label: true, ..self }
    }

    /// Sets what to change of the kustomization for this build.
    #[must_use]
    pub fn overrides(self, overrides: Overrides) -> Self {
        Self { overrides, ..self }
    }

    /// Renders Helm charts.
    #[must_use]
    pub fn helm(self, helm: Helm) -> Self {
        Self { helm: Some(helm), ..self }
    }

    /// Fetches through `remote` what kustomizations refer to by URL.
    #[must_use]
    pub fn remote(self, remote: Arc<dyn Remote>) -> Self {
        Self { remote: Some(remote), ..self }
    }

    /// Runs functions and plugins.
    #[must_use]
    pub fn plugins(self, plugins: Plugins) -> Self {
        Self { plugins: Some(plugins), ..self }
    }

    /// Sets what the build may ask of memory and time.
    #[must_use]
    pub fn limits(self, limits: BuildLimits) -> Self {
        Self { limits, ..self }
    }

    /// Sets how many threads may work on the build at once; none counts as one.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }
}

/// Which files a kustomization may name; directories of bases are not restricted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadRestriction {
    /// Those in and below its own directory, after symbolic links were followed.
    #[default]
    RootOnly,
    /// All that the file source has.
    None,
}

/// The order of the printed resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reorder {
    /// By kind, so that what others depend on comes first.
    #[default]
    Legacy,
    /// As they were added.
    None,
}

/// What a build may ask of memory and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BuildLimits {
    /// Of each YAML file.
    pub yaml: Limits,
    /// Files that are read, each as often as it is read.
    pub files: usize,
    /// Kustomizations that build on each other.
    pub bases: usize,
    /// Kustomizations that are read, each as often as it is read: components that include each
    /// other twice, and these others twice, would be read without end. Each costs some 20 µs,
    /// and whatever it does to the resources.
    pub kustomizations: usize,
}

impl BuildLimits {
    /// A million files, 100 bases above each other, 100,000 kustomizations.
    pub fn new() -> Self {
        Self { yaml: Limits::new(), files: 1_000_000, bases: 100, kustomizations: 100_000 }
    }

    /// Sets the limits of each YAML file.
    #[must_use]
    pub fn yaml(self, yaml: Limits) -> Self {
        Self { yaml, ..self }
    }

    /// Sets the number of files.
    #[must_use]
    pub fn files(self, files: usize) -> Self {
        Self { files, ..self }
    }

    /// Sets how many kustomizations may build on each other.
    #[must_use]
    pub fn bases(self, bases: usize) -> Self {
        Self { bases, ..self }
    }

    /// Sets how many kustomizations may be read.
    #[must_use]
    pub fn kustomizations(self, kustomizations: usize) -> Self {
        Self { kustomizations, ..self }
    }
}

impl Default for BuildLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that works, but is better done otherwise. Prints as kustomize prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A kustomization uses a deprecated field.
    DeprecatedField {
        /// The kustomization file.
        kustomization: PathBuf,
        /// The field.
        field: &'static str,
        /// The field to use instead.
        instead: &'static str,
    },
    /// A base's URL starts with `git::`, which has no effect.
    GitPrefix {
        /// The URL.
        address: String,
    },
    /// An order is asked for in [`BuildOptions::reorder`] and in `sortOptions`, which counts.
    TwoOrders {
        /// The kustomization file.
        kustomization: PathBuf,
    },
    /// Variables are defined that nothing refers to.
    UnusedVars {
        /// Their names.
        names: Vec<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeprecatedField { field, instead, .. } => {
                let experimental = if *field == "vars" { "[EXPERIMENTAL] " } else { "" };
                write!(
                    f,
                    "# Warning: '{field}' is deprecated. Please use '{instead}' instead. {experimental}Run 'kustomize \
                     edit fix' to update your Kustomization automatically."
                )
            }
            Self::GitPrefix { .. } => f.write_str(
                "Warning: Forcing the git protocol using the 'git::' URL prefix is not supported. Kustomize currently \
                 strips this invalid prefix, but will stop doing so in a future release. Please remove the 'git::' \
                 prefix from your configuration.",
            ),
            Self::TwoOrders { .. } => f.write_str(
                "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag \
                 ('--reorder'). Using the kustomization file over the CLI flag.",
            ),
            Self::UnusedVars { names } => write!(f, "well-defined vars that were never replaced: {}", names.join(",")),
        }
    }
}

/// A file that a build read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ReadFile {
    /// As the file source knows it.
    pub path: PathBuf,
    /// Its content, if the file source can name it without reading; a [`Renderer`](crate::Renderer) names it in any case.
    pub content: Option<ContentId>,
}

impl ReadFile {
    pub(crate) fn new(path: PathBuf, content: Option<ContentId>) -> Self {
        Self { path, content }
    }
}
