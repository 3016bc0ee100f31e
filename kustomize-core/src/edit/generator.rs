//! What a generator of a kustomization file makes, without a build.

use std::path::Path;

use super::generators::{GeneratorKind, is_same_namespace};
use super::{EditError, KustomizationFile};
use crate::cache::Cache;
use crate::error::BuildError;
use crate::generate;
use crate::kustomization::{ConfigMapArgs, GeneratorOptions, SecretArgs};
use crate::load::{Loader, resolve_root};
use crate::options::BuildOptions;
use crate::resource::Resource;
use crate::session::Session;
use crate::source::FileSource;

/// An entry of `configMapGenerator` or `secretGenerator`, as a build reads it.
#[derive(Debug, Clone)]
pub struct Generator {
    args: Args,
    /// `generatorOptions` of the file.
    options: Option<GeneratorOptions>,
}

#[derive(Debug, Clone)]
enum Args {
    ConfigMap(ConfigMapArgs),
    Secret(SecretArgs),
}

impl KustomizationFile {
    /// The generator of this name and namespace, if there is one.
    ///
    /// # Errors
    ///
    /// None in practice: the text has been parsed before.
    pub fn generator(&self, kind: GeneratorKind, name: &str, namespace: &str) -> Result<Option<Generator>, EditError> {
        let mut kustomization = self.kustomization()?;
        kustomization.fix();
        let is_it = |other: &str, of: &str| other == name && is_same_namespace(of, namespace);
        let args = match kind {
            GeneratorKind::ConfigMap => {
                let mut all = kustomization.config_map_generator.into_iter();
                all.find(|args| is_it(&args.name, &args.namespace)).map(Args::ConfigMap)
            }
            GeneratorKind::Secret => {
                let mut all = kustomization.secret_generator.into_iter();
                all.find(|args| is_it(&args.name, &args.namespace)).map(Args::Secret)
            }
        };
        Ok(args.map(|args| Generator { args, options: kustomization.generator_options }))
    }
}

impl Generator {
    /// Makes the ConfigMap or Secret, before anything else of a build: the
    /// kustomization is in the directory `dir` of `files`.
    ///
    /// `kustomize edit` does so to see whether it can be made.
    ///
    /// ```
    /// use kustomize_core::{BuildOptions, GeneratorEntry, GeneratorKind, KustomizationFile, Memory};
    ///
    /// let mut file = KustomizationFile::parse("")?;
    /// let mut entry = GeneratorEntry::new("settings");
    /// entry.files = vec!["app.conf".to_owned()];
    /// file.add_generated(GeneratorKind::ConfigMap, &entry)?;
    /// let generator = file.generator(GeneratorKind::ConfigMap, "settings", "")?.ok_or("just added")?;
    /// let files = Memory::new().with("app.conf", "debug=1");
    /// assert_eq!(generator.resource(&files, "".as_ref(), &BuildOptions::new())?.name(), "settings");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Generate`] if a file cannot be read or is not one that the
    /// kustomization may read, a literal is none, or a key is given twice.
    pub fn resource(&self, files: &dyn FileSource, dir: &Path, options: &BuildOptions) -> Result<Resource, BuildError> {
        let cache = Cache::of_one_build();
        let (session, root) = (Session::new(options, &cache), resolve_root(files, dir)?);
        let loader = Loader::new(&session, files, &root);
        let read = |path: &str| loader.read(path).map_err(Into::into);
        let made = match &self.args {
            Args::ConfigMap(args) => generate::config_map(args, self.options.as_ref(), &read),
            Args::Secret(args) => generate::secret(args, self.options.as_ref(), &read),
        };
        made.map_err(|source| BuildError::Generate { kustomization: root.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::source::Memory;

    fn made(text: &str, kind: GeneratorKind, namespace: &str) -> Result<Resource, Box<dyn Error>> {
        let file = KustomizationFile::parse(text)?;
        let generator = file.generator(kind, "a", namespace)?.ok_or("there is none")?;
        let files = Memory::new().with("app/x.env", "k=v").with("y.env", "k=v");
        Ok(generator.resource(&files, Path::new("app"), &BuildOptions::new())?)
    }

    #[test]
    fn the_generator_that_is_asked_for_is_made() {
        let text = "generatorOptions: {labels: {l: x}}\nsecretGenerator:\n- {name: a, namespace: team, envs: [none]}\n\
             - {name: a, env: x.env}\n";
        let secret = made(text, GeneratorKind::Secret, "default").expect("made").to_yaml().expect("printable");
        assert!(secret.contains("k: dg==") && secret.contains("l: x"), "{secret}");
        assert!(made(text, GeneratorKind::Secret, "team").is_err());
        assert!(made(text, GeneratorKind::ConfigMap, "").is_err());
    }

    #[test]
    fn what_a_build_could_not_make_is_refused() {
        for sources in ["envs: [none]", "files: [../y.env]", "literals: [k]", "literals: [k=1], envs: [x.env]"] {
            let text = format!("configMapGenerator: [{{name: a, {sources}}}]");
            let error = made(&text, GeneratorKind::ConfigMap, "").expect_err("refused");
            assert!(error.downcast_ref::<BuildError>().is_some(), "{sources}: {error}");
        }
    }
}
