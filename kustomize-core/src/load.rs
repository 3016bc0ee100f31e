//! Which files a kustomization may read, and where its bases are.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::Layer;
use crate::error::BuildError;
use crate::kept::{Kept, Key};
use crate::kustomization::decode;
use crate::manifest;
use crate::options::{BuildOptions, LoadRestriction, ReadFile, Warning};
use crate::remote::{Remote, RemoteBase, RemoteLimits, is_remote_file};
use crate::resource::Resource;
use crate::schema::{Schema, SchemaError};
use crate::source::{ContentId, FileSource, ReadError, Resolved};
use crate::yaml::{self, SourceText};

/// What all kustomizations of one build share.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a BuildOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    warnings: Vec<Warning>,
    read: BTreeMap<PathBuf, Option<ContentId>>,
    reads: usize,
    kustomizations: usize,
    schema: Option<Schema>,
    /// Something asked the built-in schema before a kustomization named another one.
    used_builtin: bool,
    /// The resources of files, for those that are read by several kustomizations.
    manifests: Kept<Arc<[Resource]>>,
    /// What bases came to, see [`Session::effects`].
    bases: Kept<Layer>,
    /// Where paths lead that were looked up already.
    resolved: HashMap<Key, Resolved>,
    effects: usize,
    repositories: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(options: &'a BuildOptions) -> Self {
        Self { options, state: Mutex::default() }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves the state as consistent as any other moment.
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn warn(&self, warning: Warning) {
        self.note_effect();
        self.with(|state| state.warnings.push(warning));
    }

    /// Counts what a kustomization does besides giving resources, and what
    /// makes these depend on who includes it. A base during which the count
    /// stays the same comes to the same thing each time, so it may be kept.
    pub(crate) fn effects(&self) -> usize {
        self.with(|state| state.effects)
    }

    /// See [`Session::effects`].
    pub(crate) fn note_effect(&self) {
        self.with(|state| state.effects += 1);
    }

    /// The schema in force: the first that a kustomization names, or the built-in one.
    pub(crate) fn schema(&self) -> Schema {
        self.with(|state| state.schema.clone()).unwrap_or_default()
    }

    pub(crate) fn has_schema(&self) -> bool {
        self.with(|state| state.schema.is_some())
    }

    /// A schema that is named from now on comes on top of the built-in one, as
    /// in kustomize, which loads that for the first patch or unknown kind.
    pub(crate) fn note_builtin_schema(&self) {
        self.with(|state| state.used_builtin = true);
    }

    /// The schema in the OpenAPI document `text`.
    pub(crate) fn custom_schema(&self, text: &str) -> Result<Schema, SchemaError> {
        if self.with(|state| state.used_builtin) { Schema::custom_over_builtin(text) } else { Schema::custom(text) }
    }

    pub(crate) fn set_schema(&self, schema: Schema) {
        self.note_effect();
        self.with(|state| {
            state.schema = Some(schema);
            // These were made with another schema.
            state.bases = Kept::default();
        });
    }

    fn note_read(&self, path: &Path, content: Option<ContentId>) -> Result<(), BuildError> {
        let limit = self.options.limits.files;
        self.with(|state| {
            state.reads += 1;
            state.read.insert(path.to_owned(), content);
            if state.reads > limit { Err(BuildError::Limit { what: "files", limit }) } else { Ok(()) }
        })
    }

    /// Counts a kustomization that is read.
    pub(crate) fn note_kustomization(&self) -> Result<(), BuildError> {
        let limit = self.options.limits.kustomizations;
        let count = self.with(|state| {
            state.kustomizations += 1;
            state.kustomizations
        });
        if count > limit { Err(BuildError::Limit { what: "kustomizations", limit }) } else { Ok(()) }
    }

    fn remote(&self, url: &str) -> Result<&'a dyn Remote, BuildError> {
        self.note_effect();
        self.options.remote.as_deref().ok_or_else(|| BuildError::NoRemote { url: url.to_owned() })
    }

    /// Fetches a repository.
    pub(crate) fn fetch(&self, base: RemoteBase) -> Result<Repository, BuildError> {
        if base.has_git_prefix {
            self.warn(Warning::GitPrefix { address: base.address.clone() });
        }
        let failed = |source| BuildError::Fetch { url: base.address.clone(), source };
        let files = self.remote(&base.address)?.repository(&base).map_err(failed)?;
        let root = resolve_root(&*files, &join(Path::new(""), &base.path))?;
        let source = self.with(|state| {
            state.repositories += 1;
            state.repositories
        });
        Ok(Repository { base, files, source, root })
    }

    /// The warnings, and the files that were read.
    pub(crate) fn finish(self) -> (Vec<Warning>, Vec<ReadFile>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let read = state.read.into_iter().map(|(path, content)| ReadFile::new(path, content)).collect();
        (state.warnings, read)
    }
}

/// Reads files on behalf of one kustomization.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) session: &'a Session<'a>,
    files: &'a dyn FileSource,
    /// Tells the file sources of a build apart.
    source: usize,
    root: &'a Path,
    referrer: Option<&'a Loader<'a>>,
    restriction: LoadRestriction,
    /// The repository that `files` are of, if they were fetched.
    repository: Option<&'a RemoteBase>,
}

/// What an entry of `resources` names.
pub(crate) enum Entry {
    File(PathBuf),
    Url(String),
    Directory(PathBuf),
    Repository(RemoteBase),
}

/// A fetched repository.
pub(crate) struct Repository {
    base: RemoteBase,
    files: Arc<dyn FileSource>,
    source: usize,
    /// The kustomization's directory in it.
    root: PathBuf,
}

impl<'a> Loader<'a> {
    /// For the kustomization that is to be built.
    pub(crate) fn new(session: &'a Session<'a>, files: &'a dyn FileSource, root: &'a Path) -> Self {
        let restriction = session.options.load_restriction;
        Self { session, files, source: 0, root, referrer: None, restriction, repository: None }
    }

    /// For the kustomization that is to be built, in a repository.
    pub(crate) fn of_repository(session: &'a Session<'a>, repository: &'a Repository) -> Self {
        let Repository { base, files, source, root } = repository;
        // Nothing of a repository may be read from outside it, whatever the options say.
        let restriction = LoadRestriction::RootOnly;
        Self { session, files: &**files, source: *source, root, referrer: None, restriction, repository: Some(base) }
    }

    /// For a base in `root`, a directory that [`Loader::base`] found.
    pub(crate) fn enter(&'a self, root: &'a Path) -> Result<Self, BuildError> {
        let limit = self.session.options.limits.bases;
        if self.depth() >= limit {
            return Err(BuildError::Limit { what: "bases that build on each other", limit });
        }
        Ok(Self { root, referrer: Some(self), ..*self })
    }

    /// For a base in a repository that [`Loader::fetch`] fetched.
    pub(crate) fn enter_repository(&'a self, repository: &'a Repository) -> Result<Self, BuildError> {
        let Self { referrer, .. } = self.enter(&repository.root)?;
        Ok(Self { referrer, ..Self::of_repository(self.session, repository) })
    }

    fn depth(&self) -> usize {
        std::iter::successors(Some(self), |loader| loader.referrer).count()
    }

    /// The directory of the kustomization, without symbolic links.
    pub(crate) fn root(&self) -> &'a Path {
        self.root
    }

    /// The directory in the file system, for programs that work there.
    pub(crate) fn local_root(&self) -> Option<PathBuf> {
        self.files.local_path(self.root)
    }

    /// What `path` is, so that an error names the one thing that is wrong with it.
    pub(crate) fn entry(&self, path: &str) -> Result<Entry, BuildError> {
        if is_remote_file(path) {
            return Ok(Entry::Url(path.to_owned()));
        }
        match self.find(path) {
            Ok(found) if !found.is_dir => self.allowed(found).map(Entry::File),
            _ => self.base(path),
        }
    }

    /// Where a base is.
    pub(crate) fn base(&self, path: &str) -> Result<Entry, BuildError> {
        match RemoteBase::parse(path) {
            Ok(base) => Ok(Entry::Repository(base)),
            Err(_) => self.local_base(path).map(Entry::Directory),
        }
    }

    fn local_base(&self, path: &str) -> Result<PathBuf, BuildError> {
        if path.is_empty() {
            return Err(BuildError::EmptyPath);
        }
        if path.starts_with('/') {
            return Err(BuildError::AbsoluteBase { path: path.into() });
        }
        let found = self.resolve(path)?;
        if !found.is_dir {
            return Err(BuildError::NotADirectory { path: found.path });
        }
        for loader in self.referrers() {
            if loader.source == self.source && is_within(loader.root, &found.path) {
                return Err(BuildError::Cycle { base: found.path, visited: loader.root.to_owned() });
            }
        }
        Ok(found.path)
    }

    /// This loader and those that led to it.
    fn referrers(&self) -> impl Iterator<Item = &Loader<'a>> {
        std::iter::successors(Some(self), |loader| loader.referrer)
    }

    /// Fetches the repository of a base.
    pub(crate) fn fetch(&self, base: RemoteBase) -> Result<Repository, BuildError> {
        let repositories = self.referrers().filter_map(|loader| loader.repository);
        if let Some(from) = repositories.into_iter().find(|repository| repository.is_cycle(&base)) {
            return Err(BuildError::RemoteCycle { url: base.address, from: from.address.clone() });
        }
        self.session.fetch(base)
    }

    /// The bytes behind a URL.
    fn read_url(&self, url: &str) -> Result<Arc<[u8]>, BuildError> {
        let remote = self.session.remote(url)?;
        let limits = RemoteLimits::new().bytes(self.session.options.limits.yaml.bytes as u64);
        self.session.note_read(Path::new(url), None)?;
        remote.file(url, limits).map_err(|source| BuildError::Fetch { url: url.to_owned(), source })
    }

    /// The resources of a file behind a URL.
    pub(crate) fn url_resources(&self, url: &str) -> Result<Vec<Resource>, BuildError> {
        let resources = manifest::read(&self.read_url(url)?, Path::new(url), &self.session.options.limits.yaml)?;
        self.note_unknown_kinds(&resources);
        Ok(resources)
    }

    fn note_unknown_kinds(&self, resources: &[Resource]) {
        let is_builtin = |resource: &Resource| {
            let (group, version) = resource.group_version();
            Schema::is_builtin(group, version, resource.kind())
        };
        if !resources.iter().all(is_builtin) {
            self.session.note_builtin_schema();
        }
    }

    /// The file at `path`, if the kustomization may read it.
    fn file(&self, path: &str) -> Result<PathBuf, BuildError> {
        self.allowed(self.resolve(path)?)
    }

    fn allowed(&self, found: Resolved) -> Result<PathBuf, BuildError> {
        if found.is_dir {
            return Err(BuildError::NotAFile { path: found.path });
        }
        let dir = found.path.parent().unwrap_or(Path::new(""));
        if self.restriction == LoadRestriction::RootOnly && !is_within(dir, self.root) {
            return Err(BuildError::Restricted { path: found.path, root: self.root.to_owned() });
        }
        Ok(found.path)
    }

    /// Whether there is a file of this name that the kustomization may read.
    pub(crate) fn is_readable(&self, path: &str) -> bool {
        self.find(path).is_ok_and(|found| self.allowed(found).is_ok())
    }

    fn resolve(&self, path: &str) -> Result<Resolved, BuildError> {
        self.find(path).map_err(|source| {
            let path = join(self.root, path);
            match source {
                ReadError::NotFound { .. } => BuildError::Missing { closest: self.closest(&path), path },
                source => BuildError::Read { source },
            }
        })
    }

    fn find(&self, path: &str) -> Result<Resolved, ReadError> {
        let key = (self.source, join(self.root, path));
        if let Some(found) = self.session.with(|state| state.resolved.get(&key).cloned()) {
            return Ok(found);
        }
        let found = self.files.resolve(&key.1)?;
        self.session.with(|state| state.resolved.insert(key, found.clone()));
        Ok(found)
    }

    /// A name in the same directory that is much like that of `path`.
    fn closest(&self, path: &Path) -> Option<String> {
        let names = self.files.list(path.parent()?).ok()?;
        let name = path.file_name()?.to_str()?;
        decode::closest(name, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<[u8]>, BuildError> {
        if is_remote_file(path) { self.read_url(path) } else { self.read_resolved(&self.file(path)?) }
    }

    fn read_resolved(&self, path: &Path) -> Result<Arc<[u8]>, BuildError> {
        self.session.note_read(path, self.files.content_id(path))?;
        let limit = self.session.options.limits.yaml.bytes as u64;
        self.files.read(path, limit).map_err(|source| BuildError::Read { source })
    }

    /// The text of a file, and where it is.
    pub(crate) fn read_text(&self, path: &str) -> Result<(PathBuf, Arc<SourceText>), BuildError> {
        let (file, bytes) = if is_remote_file(path) {
            (path.into(), self.read_url(path)?)
        } else {
            let file = self.file(path)?;
            let bytes = self.read_resolved(&file)?;
            (file, bytes)
        };
        let limits = &self.session.options.limits.yaml;
        let text = yaml::decode(&bytes, limits)
            .map_err(|source| BuildError::Yaml { path: file.clone(), source: Box::new(source) })?;
        Ok((file, text))
    }

    /// The resources of a file that [`Loader::entry`] found.
    pub(crate) fn resources(&self, file: &Path) -> Result<Vec<Resource>, BuildError> {
        let key = (self.source, file.to_owned());
        if let Some(resources) = self.session.with(|state| state.manifests.get(&key)) {
            return Ok(resources.to_vec());
        }
        let bytes = self.read_resolved(file)?;
        let limits = &self.session.options.limits.yaml;
        let text = yaml::decode(&bytes, limits);
        drop(bytes);
        let text = text.map_err(|source| BuildError::Yaml { path: file.to_owned(), source: Box::new(source) })?;
        let resources = manifest::read_text(text, file, limits)?;
        self.note_unknown_kinds(&resources);
        self.session.with(|state| state.manifests.offer(key, || resources.as_slice().into()));
        Ok(resources)
    }

    /// What the base in `dir` came to, if it is kept.
    pub(crate) fn kept_base(&self, dir: &Path) -> Option<Layer> {
        self.session.with(|state| state.bases.get(&(self.source, dir.to_owned())))
    }

    /// Keeps what the base in `dir` came to, if it is not the first time.
    pub(crate) fn keep_base(&self, dir: &Path, layer: &Layer) {
        self.session.with(|state| state.bases.offer((self.source, dir.to_owned()), || layer.clone()));
    }
}

/// The directory to build, without symbolic links.
pub(crate) fn resolve_root(files: &dyn FileSource, root: &Path) -> Result<PathBuf, BuildError> {
    let found = files.resolve(root).map_err(|source| BuildError::Read { source })?;
    if found.is_dir { Ok(found.path) } else { Err(BuildError::NotADirectory { path: found.path }) }
}

/// Whether `path` is `dir` or below it.
fn is_within(path: &Path, dir: &Path) -> bool {
    dir.as_os_str().is_empty() || path.starts_with(dir)
}

/// `path` as seen from `root`, with `.` and `..` taken out by name, as Go's
/// `filepath.Join` does: a `..` after a symbolic link does not follow the link.
fn join(root: &Path, path: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match joined.components().next_back() {
                Some(Component::Normal(_)) => {
                    joined.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => joined.push(".."),
            },
            other => joined.push(other),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn paths_are_joined_by_name() {
        for (root, path, joined) in [
            ("/a/b", "../c", "/a/c"),
            ("/a", "../../../c", "/c"),
            ("a", "../../c", "../c"),
            ("a/b", "./c/../d/", "a/b/d"),
            ("/a", "/x/y", "/x/y"),
            ("a", "", "a"),
        ] {
            assert_eq!(join(Path::new(root), path), Path::new(joined), "{root} {path}");
        }
    }

    #[test]
    fn files_are_restricted_and_bases_form_no_cycle() {
        let files = Memory::new().with("a/b/x.yaml", "").with("a/y.yaml", "").with("c/z.yaml", "");
        let options = BuildOptions::new();
        let session = Session::new(&options);
        let loader = Loader::new(&session, &files, Path::new("a/b"));
        assert!(matches!(loader.file("../y.yaml"), Err(BuildError::Restricted { .. })));
        assert_eq!(loader.file("./x.yaml").expect("allowed"), Path::new("a/b/x.yaml"));
        for base in [".", "..", "../.."] {
            assert!(matches!(loader.local_base(base), Err(BuildError::Cycle { .. })), "{base}");
        }
        let base = loader.local_base("../../c").expect("a base");
        let inner = loader.enter(&base).expect("entered");
        assert!(matches!(inner.local_base("../a"), Err(BuildError::Cycle { .. })));
        assert!(matches!(inner.local_base("z.yaml"), Err(BuildError::NotADirectory { .. })));
        let free = options.clone().load_restriction(LoadRestriction::None);
        let session = Session::new(&free);
        assert!(Loader::new(&session, &files, Path::new("a/b")).file("../y.yaml").is_ok());
    }
}
