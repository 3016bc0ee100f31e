//! The flow of a build: one kustomization on top of its bases, and what is
//! done once at the root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cache::{self, Cache};
use crate::config::{ConfigError, TransformerConfig};
use crate::error::BuildError;
use crate::kustomization::Kustomization;
use crate::kustomization::load::{Loaded, load};
use crate::last_look::{Done, LastLook};
use crate::load::{Entry, Loader, Repository, resolve_root};
use crate::metadata::{self, Note};
use crate::options::{BuildOptions, Reorder, Warning};
use crate::order::LegacyOrder;
use crate::record::{ReadFiles, Record};
use crate::remote::{RemoteBase, without_password};
use crate::resource::Resource;
use crate::resource_set::{IdHasher, ResourceSet};
use crate::schema::Schema;
use crate::session::Session;
use crate::source::FileSource;
use crate::vars::Vars;
use crate::yaml::{self, Document};
use crate::{generate, generators, plugin, references, transformers};

/// What a build gives.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Build {
    /// The resources, in the order in which they are printed.
    pub resources: ResourceSet,
    /// What could be done better, in the order in which it was noticed.
    pub warnings: Vec<Warning>,
    /// The files that were read, sorted.
    pub read: ReadFiles,
}

/// A build that may have failed. What it noticed on the way is there either way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The resources, in the order in which they are printed, or why there are none.
    pub resources: Result<ResourceSet, BuildError>,
    /// What could be done better, up to the error if there is one.
    pub warnings: Vec<Warning>,
    /// The files that were read up to the error if there is one, sorted.
    pub read: ReadFiles,
}

impl Attempt {
    /// The build if it succeeded.
    ///
    /// # Errors
    ///
    /// What made it fail; what it noticed before is lost then.
    pub fn into_build(self) -> Result<Build, BuildError> {
        let Self { resources, warnings, read } = self;
        Ok(Build { resources: resources?, warnings, read })
    }
}

/// Renders the kustomization in the directory `root` of `files`, as `kustomize build` does.
///
/// # Errors
///
/// [`BuildError`] says what is wrong with which file, field or resource.
/// Deprecated fields are no errors but [`Build::warnings`]; [`attempt`] tells
/// of them even if the build fails.
///
/// ```
/// use kustomize_core::{BuildOptions, Memory, build};
/// let files = Memory::new()
///     .with("app/kustomization.yaml", "namePrefix: web-\nresources: [service.yaml]\n")
///     .with("app/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: front}\n");
/// let built = build(&files, "app", &BuildOptions::new())?;
/// assert_eq!(built.resources.to_yaml()?, "apiVersion: v1\nkind: Service\nmetadata:\n  name: web-front\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build(files: &dyn FileSource, root: impl AsRef<Path>, options: &BuildOptions) -> Result<Build, BuildError> {
    attempt(files, root, options).into_build()
}

/// As [`build`], and says what the build noticed even if it fails.
///
/// ```
/// use kustomize_core::{BuildOptions, Memory, attempt};
/// let files = Memory::new().with("app/kustomization.yaml", "bases: [missing]\n");
/// let attempt = attempt(&files, "app", &BuildOptions::new());
/// assert!(attempt.resources.is_err());
/// assert!(attempt.warnings[0].to_string().starts_with("# Warning: 'bases' is deprecated."));
/// ```
pub fn attempt(files: &dyn FileSource, root: impl AsRef<Path>, options: &BuildOptions) -> Attempt {
    render(files, root.as_ref(), options, &Cache::of_one_build())
}

/// A build that uses what is in `cache` and leaves there what others can use.
pub(crate) fn render(files: &dyn FileSource, root: &Path, options: &BuildOptions, cache: &Cache) -> Attempt {
    let session = Session::new(options, cache);
    let resources = render_root(&session, files, root);
    finished(session, resources)
}

/// The end of a build.
pub(crate) fn finished(session: Session<'_>, resources: Result<ResourceSet, BuildError>) -> Attempt {
    let record = session.finish();
    Attempt { resources, warnings: record.warnings.clone(), read: ReadFiles::new(record) }
}

fn render_root(session: &Session<'_>, files: &dyn FileSource, root: &Path) -> Result<ResourceSet, BuildError> {
    match address(root) {
        Some(base) => {
            let repository = Repository::fetch(session, base)?;
            render_in(&Loader::of_repository(session, &repository))
        }
        None => {
            let root = resolve_root(files, root)?;
            render_in(&Loader::new(session, files, &root))
        }
    }
}

/// What `root` names if it is in another repository.
pub(crate) fn address(root: &Path) -> Option<RemoteBase> {
    root.to_str().and_then(|root| RemoteBase::parse(root).ok())
}

fn render_in(loader: &Loader<'_>) -> Result<ResourceSet, BuildError> {
    loader.open();
    let loaded = load_root(loader)?;
    let target = Target::root(loader, &loaded);
    target.set_schema()?;
    let resources = target.render()?;
    loader.close();
    Ok(resources)
}

/// The kustomization that is to be built, with what the options change of it.
pub(crate) fn load_root(loader: &Loader<'_>) -> Result<Loaded, BuildError> {
    let mut loaded = load(loader)?;
    loader.session.options.overrides.apply(&mut loaded.kustomization);
    Ok(loaded)
}

/// Resources on their way up, with what is needed to customize them further.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) resources: ResourceSet,
    pub(crate) config: Arc<TransformerConfig>,
    pub(crate) vars: Vars,
}

impl Layer {
    fn merge_config(&mut self, config: &Arc<TransformerConfig>) -> Result<(), ConfigError> {
        self.config = self.config.merged(config)?;
        Ok(())
    }
}

/// A base with what it depends on.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) layer: Layer,
    pub(crate) record: Arc<Record>,
}

impl Base {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + cache::bytes_of(self.layer.resources.as_slice()) + self.record.bytes()
    }
}

/// One kustomization in the course of a build.
pub(crate) struct Target<'a> {
    pub(crate) loader: &'a Loader<'a>,
    pub(crate) kustomization: &'a Kustomization,
    pub(crate) path: &'a PathBuf,
    pub(crate) file_name: &'static str,
    /// The root's `buildMetadata`; those of bases do not count.
    metadata: &'a [String],
    /// Where this kustomization is, if resources are to say where they came from.
    pub(crate) place: Option<Note>,
    /// The namespace that Helm charts without one take from the overlays.
    pub(crate) helm_namespace: &'a str,
}

impl<'a> Target<'a> {
    pub(crate) fn root(loader: &'a Loader<'a>, loaded: &'a Loaded) -> Self {
        let metadata = &loaded.kustomization.build_metadata;
        let place = (!metadata.is_empty()).then(Note::default);
        Self::new(loader, loaded, metadata, place, "")
    }

    fn new(
        loader: &'a Loader<'a>,
        loaded: &'a Loaded,
        metadata: &'a [String],
        place: Option<Note>,
        helm_namespace: &'a str,
    ) -> Self {
        let Loaded { kustomization, path, file_name } = loaded;
        Self { loader, kustomization, path, file_name, metadata, place, helm_namespace }
    }

    /// Adds everything this kustomization says to `layer`. That is empty for
    /// a Kustomization; a Component goes on with what its parent has so far.
    fn accumulate(&self, layer: &mut Layer) -> Result<(), BuildError> {
        let kustomization = self.kustomization;
        if kustomization.runs_plugins() {
            self.loader.session.note_effect();
        }
        self.add_resources(layer, "resources", &kustomization.resources)?;
        self.customize(layer)
    }

    /// What follows once the resources are there.
    pub(crate) fn customize(&self, layer: &mut Layer) -> Result<(), BuildError> {
        let kustomization = self.kustomization;
        self.add_config(layer)?;
        generators::run(self, layer)?;
        for entry in &kustomization.components {
            self.add_component(layer, entry).map_err(|error| self.in_entry("components", entry, error))?;
        }
        transformers::run(self, &mut layer.resources, &layer.config)?;
        plugin::validate(self, &mut layer.resources)?;
        let defined = layer.vars.define(&kustomization.vars, &mut layer.resources, &self.schema());
        defined.map_err(|error| self.in_field("vars", error))
    }

    /// One that has nothing yet.
    pub(crate) fn layer(&self) -> Layer {
        let resources = ResourceSet::on(self.loader.session.threads());
        Layer { resources, config: TransformerConfig::empty(), vars: Vars::default() }
    }

    /// All of a build.
    pub(crate) fn render(&self) -> Result<ResourceSet, BuildError> {
        let mut layer = self.layer();
        self.accumulate(&mut layer)?;
        self.finish(layer)
    }

    /// What must wait until all overlays have had their say.
    pub(crate) fn finish(&self, mut layer: Layer) -> Result<ResourceSet, BuildError> {
        let last_look = self.last_look();
        let done = self.update_names(&mut layer, &last_look)?;
        let order = self.order()?;
        last_look.settle(&mut layer.resources, done, order)?;
        Ok(layer.resources)
    }

    /// Finishes resources that others will be put between.
    pub(crate) fn finish_unsorted(&self, mut layer: Layer) -> Result<Vec<Resource>, BuildError> {
        let last_look = self.last_look();
        let done = self.update_names(&mut layer, &last_look)?;
        last_look.settle(&mut layer.resources, done, None)?;
        Ok(layer.resources.into_vec())
    }

    /// Overlays may still rename what a base generated, so hashes, references
    /// and variables settle only at the end. What `last_look` finds after that
    /// comes back if it finds all done.
    fn update_names(&self, layer: &mut Layer, last_look: &LastLook<'_>) -> Result<Option<Vec<Done>>, BuildError> {
        let resources = &mut layer.resources;
        generate::add_hashes(resources, &self.schema()).map_err(|source| BuildError::Hash { source })?;
        let in_references = |source| BuildError::References { source: Box::new(source) };
        let ids = IdHasher::default();
        let look = last_look.look(&ids);
        let updated = references::update(resources, &layer.config, &self.schema(), look);
        let done = updated.map_err(in_references)?;
        if layer.vars.is_empty() {
            return Ok(done);
        }
        let unused = layer
            .vars
            .replace(resources, &layer.config)
            .map_err(|source| BuildError::Vars { source: Box::new(source) })?;
        if !unused.is_empty() {
            self.loader.session.warn(Warning::UnusedVars { names: unused });
        }
        Ok(None)
    }

    fn last_look(&self) -> LastLook<'_> {
        let options = self.loader.session.options;
        let managed_by = options.managed_by_label || self.wants("managedByLabel");
        LastLook {
            kustomization: self.path,
            schema: self.schema(),
            managed_by: managed_by.then_some(&options.version),
            keep_origin: self.wants("originAnnotations"),
            keep_transformations: self.wants("transformerAnnotations"),
        }
    }

    /// Adds files and bases, in order.
    pub(crate) fn add_resources(
        &self,
        layer: &mut Layer,
        field: &'static str,
        entries: &[String],
    ) -> Result<(), BuildError> {
        for entry in entries {
            self.add_resource(layer, entry).map_err(|error| self.in_entry(field, entry, error))?;
        }
        Ok(())
    }

    fn add_resource(&self, layer: &mut Layer, entry: &str) -> Result<(), BuildError> {
        match self.loader.entry(entry)? {
            Entry::File(file) => self.add_manifest(layer, entry, self.loader.resources(&file)?),
            Entry::Url(url) => match (self.loader.url_resources(&url), RemoteBase::parse(&url)) {
                (Ok(resources), _) => self.add_manifest(layer, entry, resources),
                (Err(_), Ok(base)) => self.add_base(layer, entry, Entry::Repository(base)),
                (Err(error), Err(_)) => Err(error),
            },
            base => self.add_base(layer, entry, base),
        }
    }

    fn add_manifest(&self, layer: &mut Layer, entry: &str, mut resources: Vec<Resource>) -> Result<(), BuildError> {
        if let Some(place) = &self.place {
            let remote = RemoteBase::parse(entry).map(|base| Note::of_repository(&base));
            let note = remote.unwrap_or_else(|_| place.join(entry));
            resources.iter_mut().for_each(|resource| metadata::set_file(resource, &note));
        }
        layer.resources.append(resources, &self.schema())
    }

    fn add_base(&self, layer: &mut Layer, entry: &str, place: Entry) -> Result<(), BuildError> {
        let base = self.base(entry, place)?;
        self.add_layer(layer, base)
    }

    pub(crate) fn add_layer(&self, layer: &mut Layer, base: Arc<Base>) -> Result<(), BuildError> {
        let base = Arc::unwrap_or_clone(base).layer;
        layer.resources.append(base.resources, &self.schema())?;
        layer.merge_config(&base.config).map_err(|error| self.in_field("configurations", error))?;
        layer.vars.merge(base.vars).map_err(|source| BuildError::Vars { source: Box::new(source) })
    }

    /// What a base comes to, which may be known from before.
    pub(crate) fn base(&self, entry: &str, place: Entry) -> Result<Arc<Base>, BuildError> {
        // With a place, resources say where they are from as the root sees it.
        let dir = match &place {
            Entry::Directory(dir) if self.place.is_none() => Some(dir.clone()),
            _ => None,
        };
        if let Some(kept) = dir.as_ref().and_then(|dir| self.loader.kept_base(dir)) {
            self.loader.session.reuse(&kept.record)?;
            return Ok(kept);
        }
        let mut layer = self.layer();
        let record = self.below(entry, place, "Kustomization", |target| target.accumulate(&mut layer))?;
        let base = Arc::new(Base { layer, record });
        if let Some(dir) = dir {
            self.loader.keep_base(&dir, &base);
        }
        Ok(base)
    }

    fn add_component(&self, layer: &mut Layer, entry: &str) -> Result<(), BuildError> {
        let place = self.loader.base(entry)?;
        self.below(entry, place, "Component", |target| target.accumulate(layer))?;
        // A component may have renamed one resource to another; kustomize notices here.
        let resources = std::mem::take(layer.resources.as_mut_vec());
        layer.resources.append(resources, &self.schema())
    }

    /// Does something with the kustomization in another place.
    fn below(
        &self,
        entry: &str,
        place: Entry,
        wanted: &'static str,
        with: impl FnOnce(&Target<'_>) -> Result<(), BuildError>,
    ) -> Result<Arc<Record>, BuildError> {
        match place {
            Entry::Repository(base) => {
                let note = self.place.as_ref().map(|_| Note::of_repository(&base));
                let repository = self.loader.fetch(base)?;
                self.below_loader(&self.loader.enter_repository(&repository)?, note, wanted, with)
            }
            Entry::Directory(dir) => {
                let note = self.place.as_ref().map(|place| place.join(entry));
                self.below_loader(&self.loader.enter(&dir)?, note, wanted, with)
            }
            Entry::File(path) => Err(BuildError::NotADirectory { path }),
            Entry::Url(url) => Err(BuildError::NotADirectory { path: url.into() }),
        }
    }

    fn below_loader(
        &self,
        loader: &Loader<'_>,
        place: Option<Note>,
        wanted: &'static str,
        with: impl FnOnce(&Target<'_>) -> Result<(), BuildError>,
    ) -> Result<Arc<Record>, BuildError> {
        loader.open();
        let loaded = load(loader)?;
        let namespace = &self.kustomization.namespace;
        let helm_namespace = if namespace.is_empty() { self.helm_namespace } else { namespace };
        let target = Target::new(loader, &loaded, self.metadata, place, helm_namespace);
        target.set_schema()?;
        if loaded.kustomization.is_component() != (wanted == "Component") {
            let found = loaded.kustomization.kind.clone();
            return Err(BuildError::WrongKind { path: loaded.path.clone(), wanted, found });
        }
        with(&target)?;
        Ok(loader.close())
    }

    /// The first kustomization that names a schema decides for the whole build, as in kustomize.
    pub(crate) fn set_schema(&self) -> Result<(), BuildError> {
        let openapi = &self.kustomization.openapi;
        let at = |source| BuildError::Schema { kustomization: self.path.clone(), source };
        let text = openapi.get("path").map(|path| self.loader.read_text(path)).transpose()?;
        let version = openapi.get("version").filter(|version| !version.is_empty());
        if self.loader.session.has_schema() {
            return Ok(());
        }
        let schema = match (text, openapi.get("version"), version) {
            (Some(_), Some(_), _) => return Err(BuildError::TwoSchemas { kustomization: self.path.clone() }),
            (Some((_, source)), None, _) => self.loader.session.custom_schema(&source.text).map_err(at)?,
            (None, _, Some(version)) => Schema::version(version).map_err(at)?,
            (None, ..) => return Ok(()),
        };
        self.loader.session.set_schema(schema);
        Ok(())
    }

    /// Adds the files of `configurations` and `crds` to the fields that transformers touch.
    fn add_config(&self, layer: &mut Layer) -> Result<(), BuildError> {
        let in_config = |error| self.in_field("configurations", error);
        let mut files = TransformerConfig::empty();
        for entry in &self.kustomization.configurations {
            let (_, doc) = self.read_v2(entry).map_err(|error| self.in_entry("configurations", entry, error))?;
            let config = TransformerConfig::from_file(&doc, doc.root()).map_err(in_config)?;
            files = files.merged(&Arc::new(config)).map_err(in_config)?;
        }
        let own = TransformerConfig::builtin().merged(&files).map_err(in_config)?;
        layer.merge_config(&own).map_err(in_config)?;
        for entry in &self.kustomization.crds {
            let in_crds = |error| self.in_field("crds", error);
            let (_, doc) = self.read_v2(entry).map_err(|error| self.in_entry("crds", entry, error))?;
            let config = TransformerConfig::from_crds(&doc, doc.root()).map_err(in_crds)?;
            layer.merge_config(&Arc::new(config)).map_err(in_crds)?;
        }
        Ok(())
    }

    fn read_v2(&self, path: &str) -> Result<(PathBuf, Document), BuildError> {
        let (file, source) = self.loader.read_text(path)?;
        match yaml::parse_v2(source, &self.loader.session.options.limits.yaml) {
            Ok(doc) => Ok((file, doc)),
            Err(source) => Err(BuildError::Yaml { path: file, source: Box::new(source) }),
        }
    }

    /// What resources are to remember of a built-in generator or transformer.
    pub(crate) fn builtin_note(&self, kind: &str) -> Option<Note> {
        self.place.as_ref().map(|place| place.builtin(self.file_name, kind))
    }

    /// The entries of a list together, or one by one if resources are to
    /// remember which of them they were changed by.
    pub(crate) fn batches<'b, T>(&self, entries: &'b [T]) -> std::slice::Chunks<'b, T> {
        entries.chunks(if self.place.is_some() { 1 } else { entries.len().max(1) })
    }

    /// Brings finished resources in order.
    pub(crate) fn sort(&self, resources: &mut Vec<Resource>) -> Result<(), BuildError> {
        if let Some(mut order) = self.order()? {
            resources.iter().for_each(|resource| order.add(resource));
            order.sort(resources);
        }
        Ok(())
    }

    fn order(&self) -> Result<Option<LegacyOrder<'_>>, BuildError> {
        let options = self.kustomization.sort_options.as_ref();
        match (options, self.loader.session.options.reorder) {
            (None, Some(Reorder::None)) => return Ok(None),
            (Some(_), Some(_)) => {
                self.loader.session.warn(Warning::TwoOrders { kustomization: self.path.clone() });
            }
            (_, None) | (None, Some(Reorder::Legacy)) => {}
        }
        LegacyOrder::new(options).map_err(|source| BuildError::Order { kustomization: self.path.clone(), source })
    }

    fn wants(&self, option: &str) -> bool {
        self.metadata.iter().any(|wanted| wanted == option)
    }

    pub(crate) fn schema(&self) -> Schema {
        self.loader.session.schema()
    }

    pub(crate) fn in_entry(&self, field: &'static str, entry: &str, error: BuildError) -> BuildError {
        let source = Box::new(error);
        BuildError::Entry { kustomization: self.path.clone(), field, entry: without_password(entry), source }
    }

    pub(crate) fn in_field(
        &self,
        field: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BuildError {
        BuildError::Field { kustomization: self.path.clone(), field, source: error.into() }
    }
}
