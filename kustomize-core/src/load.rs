//! Which files a kustomization may read, and where its bases are.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::path::{entry_of, is_within, join};
use crate::build::Base;
use crate::cache::{self, Key, Value};
use crate::error::BuildError;
use crate::kustomization::decode;
use crate::manifest;
use crate::options::{LoadRestriction, ReadFile, Warning};
use crate::record::{Asked, Open, Record};
use crate::remote::{RemoteBase, RemoteLimits, is_remote_file, without_password};
use crate::resource::Resource;
use crate::schema::BuiltinType;
use crate::session::{Place, Session};
use crate::source::{ContentId, FileSource, ReadError, Resolved};
use crate::yaml::{self, SourceText};

mod path;

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

impl Repository {
    pub(crate) fn fetch(session: &Session<'_>, base: RemoteBase) -> Result<Self, BuildError> {
        if base.has_git_prefix {
            session.warn(Warning::GitPrefix { address: base.address.clone() });
        }
        let failed = |source| BuildError::Fetch { url: without_password(&base.address), source };
        let files = session.remote(&base.address)?.repository(&base).map_err(failed)?;
        let root = resolve_root(&*files, &join(Path::new(""), &base.path))?;
        Ok(Self { base, files, source: session.next_source(), root })
    }
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
        // The name of a directory seldom has an extension.
        let found = if Path::new(path).extension().is_some() { self.find_to_read(path) } else { self.find(path) };
        match found {
            Ok(found) if !found.is_dir => self.allowed(found).map(Entry::File),
            found => self.base_at(path, || found),
        }
    }

    /// Where a base is.
    pub(crate) fn base(&self, path: &str) -> Result<Entry, BuildError> {
        self.base_at(path, || self.find(path))
    }

    fn base_at(&self, path: &str, found: impl FnOnce() -> Result<Resolved, ReadError>) -> Result<Entry, BuildError> {
        match RemoteBase::parse(path) {
            Ok(base) => Ok(Entry::Repository(base)),
            Err(_) => self.local_base(path, found).map(Entry::Directory),
        }
    }

    fn local_base(
        &self,
        path: &str,
        found: impl FnOnce() -> Result<Resolved, ReadError>,
    ) -> Result<PathBuf, BuildError> {
        if path.is_empty() {
            return Err(BuildError::EmptyPath);
        }
        if path.starts_with('/') {
            return Err(BuildError::AbsoluteBase { path: path.into() });
        }
        let found = found().map_err(|source| self.not_found(path, source))?;
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
            return Err(BuildError::RemoteCycle {
                url: without_password(&base.address),
                from: without_password(&from.address),
            });
        }
        Repository::fetch(self.session, base)
    }

    /// The bytes behind a URL.
    fn read_url(&self, url: &str) -> Result<Vec<u8>, BuildError> {
        let remote = self.session.remote(url)?;
        let limits = RemoteLimits::new().bytes(self.session.options.limits.yaml.bytes as u64);
        self.session.note_read(ReadFile::new(url.into(), None))?;
        remote.file(url, limits).map_err(|source| BuildError::Fetch { url: without_password(url), source })
    }

    /// The resources of a file behind a URL.
    pub(crate) fn url_resources(&self, url: &str) -> Result<Vec<Resource>, BuildError> {
        let resources = manifest::read(self.read_url(url)?, Path::new(url), &self.session.options.limits.yaml)?;
        self.note_unknown_kinds(&resources);
        Ok(resources)
    }

    fn note_unknown_kinds(&self, resources: &[Resource]) {
        let is_builtin = |resource: &Resource| resource.doc().builtin_type().and_then(BuiltinType::scope).is_some();
        if !resources.iter().all(is_builtin) {
            self.session.note_builtin_schema();
        }
    }

    /// The file at `path`, if the kustomization may read it.
    fn file(&self, path: &str) -> Result<PathBuf, BuildError> {
        self.allowed(self.find_to_read(path).map_err(|source| self.not_found(path, source))?)
    }

    fn allowed(&self, found: Resolved) -> Result<PathBuf, BuildError> {
        if found.is_dir {
            return Err(BuildError::NotAFile { path: found.path });
        }
        if !self.is_allowed_in(found.path.parent().unwrap_or(Path::new(""))) {
            return Err(BuildError::Restricted { path: found.path, root: self.root.to_owned() });
        }
        Ok(found.path)
    }

    /// Whether files of this directory may be read.
    fn is_allowed_in(&self, dir: &Path) -> bool {
        self.restriction != LoadRestriction::RootOnly || is_within(dir, self.root)
    }

    /// The file of this name, if there is one that the kustomization may read.
    pub(crate) fn readable(&self, path: &str) -> Option<PathBuf> {
        self.find(path).ok().and_then(|found| self.allowed(found).ok())
    }

    /// As [`Loader::readable`], for a file that is read next if it is there.
    pub(crate) fn readable_next(&self, path: &str) -> Option<PathBuf> {
        self.find_to_read(path).ok().and_then(|found| self.allowed(found).ok())
    }

    fn not_found(&self, path: &str, source: ReadError) -> BuildError {
        let path = join(self.root, path);
        match source {
            ReadError::NotFound { .. } => BuildError::Missing { closest: self.closest(&path), path },
            source => BuildError::Read { source },
        }
    }

    /// What is at a path. Every path is looked up once.
    fn find(&self, path: &str) -> Result<Resolved, ReadError> {
        self.find_as(path, |dir, name| self.files.resolve_entry(dir, name))
    }

    /// As [`Loader::find`], for what is thought to be a file that is read next.
    fn find_to_read(&self, path: &str) -> Result<Resolved, ReadError> {
        self.find_as(path, |dir, name| {
            if !self.is_allowed_in(dir) {
                return self.files.resolve_entry(dir, name);
            }
            let (found, bytes) = self.files.read_entry(dir, name, self.file_limit())?;
            if let Some(bytes) = bytes {
                self.session.read_ahead(Place::new(self.source, found.path.clone()), bytes);
            }
            Ok(found)
        })
    }

    /// As [`Loader::find`]; `entry` is asked for a name in a directory, if the path is not known yet.
    fn find_as(
        &self,
        path: &str,
        entry: impl Fn(&Path, &str) -> Result<Resolved, ReadError>,
    ) -> Result<Resolved, ReadError> {
        let place = Place::new(self.source, join(self.root, path));
        let kept = self.session.resolved(&place);
        let is_new = kept.is_none();
        let found = kept.map_or_else(|| self.look_up(place.path(), entry), Ok);
        self.session.note_asked(|| Asked::new(place.path().to_owned(), found.as_ref().ok()));
        if let (Ok(found), true) = (&found, is_new) {
            self.session.note_resolved(place, found);
        }
        found
    }

    fn look_up(
        &self,
        path: &Path,
        entry: impl FnOnce(&Path, &str) -> Result<Resolved, ReadError>,
    ) -> Result<Resolved, ReadError> {
        let Some((dir, name)) = entry_of(path) else { return self.files.resolve(path) };
        // Whatever is wrong with the directory, the error is to be about the path.
        self.dir(dir).map_or_else(|_| self.files.resolve(path), |dir| entry(&dir, name))
    }

    /// A directory, without symbolic links.
    fn dir<'p>(&self, path: &'p Path) -> Result<Cow<'p, Path>, ReadError> {
        if path.as_os_str() == self.root.as_os_str() {
            return Ok(path.into());
        }
        let place = Place::new(self.source, path.to_owned());
        if let Some(found) = self.session.resolved(&place) {
            return Ok(found.path.into());
        }
        // There are no links on the way to the root.
        if is_within(self.root, path) {
            return Ok(path.into());
        }
        let found = match entry_of(path) {
            Some((dir, name)) if is_within(self.root, dir) => self.files.resolve_entry(dir, name)?,
            _ => self.files.resolve(path)?,
        };
        self.session.note_resolved(place, &found);
        Ok(found.path.into())
    }

    /// What is at a path that was looked up in another build.
    pub(crate) fn now_at(&self, path: &Path) -> Option<Resolved> {
        self.files.resolve(path).ok()
    }

    pub(crate) fn content_id(&self, path: &Path) -> Option<ContentId> {
        self.files.content_id(path)
    }

    /// The id of a file's content; of its bytes if the source has none.
    pub(crate) fn content_now(&self, file: &Path) -> Option<ContentId> {
        let of_bytes = || Some(ContentId::of_bytes(&self.files.read_resolved(file, self.file_limit()).ok()?));
        self.files.content_id(file).or_else(of_bytes)
    }

    /// A name in the same directory that is much like that of `path`.
    fn closest(&self, path: &Path) -> Option<String> {
        let names = self.files.list(path.parent()?).ok()?;
        let name = path.file_name()?.to_str()?;
        decode::closest(name, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, BuildError> {
        if is_remote_file(path) { self.read_url(path) } else { self.read_resolved(&self.file(path)?) }
    }

    fn read_resolved(&self, path: &Path) -> Result<Vec<u8>, BuildError> {
        let content = self.note_read(path)?;
        let bytes = self.read_bytes(path)?;
        if content.is_none() && self.session.cache.is_shared() {
            self.session.note_content(&ContentId::of_bytes(&bytes));
        }
        Ok(bytes)
    }

    fn note_read(&self, path: &Path) -> Result<Option<ContentId>, BuildError> {
        let content = self.files.content_id(path);
        self.session.note_read(ReadFile::new(path.to_owned(), content.clone()))?;
        Ok(content)
    }

    fn read_bytes(&self, path: &Path) -> Result<Vec<u8>, BuildError> {
        let ahead = self.session.take_ahead(self.source, path);
        let read = || self.files.read_resolved(path, self.file_limit());
        ahead.map_or_else(read, Ok).map_err(|source| BuildError::Read { source })
    }

    /// How large a file may be, in bytes.
    fn file_limit(&self) -> u64 {
        self.session.options.limits.yaml.bytes as u64
    }

    /// The text of a file, and where it is.
    pub(crate) fn read_text(&self, path: &str) -> Result<(PathBuf, Arc<SourceText>), BuildError> {
        if is_remote_file(path) {
            let text = self.decode(Path::new(path), self.read_url(path)?)?;
            return Ok((path.into(), text));
        }
        let file = self.file(path)?;
        let text = self.resolved_text(&file)?;
        Ok((file, text))
    }

    /// The text of a file that [`Loader::readable`] found.
    pub(crate) fn resolved_text(&self, file: &Path) -> Result<Arc<SourceText>, BuildError> {
        self.decode(file, self.read_resolved(file)?)
    }

    fn decode(&self, file: &Path, bytes: Vec<u8>) -> Result<Arc<SourceText>, BuildError> {
        let text = yaml::decode(bytes, &self.session.options.limits.yaml);
        text.map_err(|source| BuildError::Yaml { path: file.to_owned(), source: Box::new(source) })
    }

    /// The resources of a file that [`Loader::entry`] found.
    pub(crate) fn resources(&self, file: &Path) -> Result<Vec<Resource>, BuildError> {
        let (session, limits) = (self.session, self.session.options.limits);
        let mut content = self.note_read(file)?;
        let mut bytes = None;
        if content.is_none() && session.cache.is_shared() {
            let id = ContentId::of_bytes(bytes.insert(self.read_bytes(file)?));
            session.note_content(&id);
            content = Some(id);
        }
        let key = Key::Manifest { source: self.source, file: file.to_owned(), content, limits };
        let kept = session.cache.find(&key, |value| match value {
            Value::Manifest(resources) => Some(resources.to_vec()),
            _ => None,
        });
        let resources = match kept {
            Some(resources) => resources,
            None => {
                let resources = self.parse(file, bytes.map_or_else(|| self.read_bytes(file), Ok)?)?;
                session.cache.offer(key, || (Value::Manifest(resources[..].into()), cache::bytes_of(&resources)));
                resources
            }
        };
        self.note_unknown_kinds(&resources);
        Ok(resources)
    }

    fn parse(&self, file: &Path, bytes: Vec<u8>) -> Result<Vec<Resource>, BuildError> {
        let (text, limits) = (self.decode(file, bytes)?, &self.session.options.limits.yaml);
        manifest::read_text_on(self.session.threads(), text, file, limits)
    }

    /// Begins the record of the kustomization.
    pub(crate) fn open(&self) {
        let tree = self.session.cache.is_shared().then(|| self.files.content_id(self.root)).flatten();
        self.session.open(Open::new(self.root.to_owned(), tree));
    }

    /// Ends the record that was begun last.
    pub(crate) fn close(&self) -> Arc<Record> {
        self.session.close(self.source, |open| open.close(Some(self.files)))
    }

    /// Whether what is recorded holds for these files, found out once.
    pub(crate) fn verdict<T: Send + Sync + 'static>(&self, of: &Arc<T>, find_out: impl FnOnce() -> bool) -> bool {
        self.session.verdict(self.source, of, find_out)
    }

    /// Where the base in `dir` is kept; `None` if it must not be.
    fn base_key(&self, dir: &Path) -> Option<Key> {
        let custom_schema = self.session.has_schema();
        let key = Key::Base {
            source: self.source,
            dir: dir.to_owned(),
            restriction: self.restriction,
            limits: self.session.options.limits,
            custom_schema,
        };
        // Another build may have another schema.
        (!custom_schema || !self.session.cache.is_shared()).then_some(key)
    }

    /// What the base in `dir` came to, if that is kept and would be the same now.
    pub(crate) fn kept_base(&self, dir: &Path) -> Option<Arc<Base>> {
        self.session.cache.find(&self.base_key(dir)?, |value| match value {
            Value::Base(base) if self.may_reuse(&base.record) => Some(Arc::clone(base)),
            _ => None,
        })
    }

    /// Whether a base with this record would be the same now, and may be
    /// included here: errors about limits and cycles are left to those who find
    /// them on the way.
    pub(crate) fn may_reuse(&self, record: &Arc<Record>) -> bool {
        let is_cycle = |dir: &Path| {
            let mut loaders = self.referrers().filter(|loader| loader.source == self.source);
            loaders.any(|loader| is_within(loader.root, dir))
        };
        self.depth() + record.height <= self.session.options.limits.bases
            && self.session.has_room_for(record.counts)
            && !record.any_below(&is_cycle)
            && record.holds(self)
    }

    /// Keeps what the base in `dir` came to, if it comes to the same each time.
    pub(crate) fn keep_base(&self, dir: &Path, base: &Arc<Base>) {
        if base.record.has_effects {
            return;
        }
        if let Some(key) = self.base_key(dir) {
            self.session.cache.offer(key, || (Value::Base(Arc::clone(base)), base.bytes()));
        }
    }
}

/// The directory to build, without symbolic links.
pub(crate) fn resolve_root(files: &dyn FileSource, root: &Path) -> Result<PathBuf, BuildError> {
    let found = files.resolve(root).map_err(|source| BuildError::Read { source })?;
    if found.is_dir { Ok(found.path) } else { Err(BuildError::NotADirectory { path: found.path }) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cache::Cache;
    use crate::options::BuildOptions;
    use crate::source::Memory;

    #[test]
    fn files_are_restricted_and_bases_form_no_cycle() {
        let files = Memory::new().with("a/b/x.yaml", "").with("a/y.yaml", "").with("c/z.yaml", "");
        let options = BuildOptions::new();
        let cache = Cache::of_one_build();
        let session = Session::new(&options, &cache);
        let loader = Loader::new(&session, &files, Path::new("a/b"));
        assert!(matches!(loader.file("../y.yaml"), Err(BuildError::Restricted { .. })));
        assert_eq!(loader.file("./x.yaml").expect("allowed"), Path::new("a/b/x.yaml"));
        for base in [".", "..", "../.."] {
            assert!(matches!(loader.base(base), Err(BuildError::Cycle { .. })), "{base}");
        }
        let Ok(Entry::Directory(base)) = loader.base("../../c") else { panic!("a base") };
        let inner = loader.enter(&base).expect("entered");
        assert!(matches!(inner.base("../a"), Err(BuildError::Cycle { .. })));
        assert!(matches!(inner.base("z.yaml"), Err(BuildError::NotADirectory { .. })));
        let free = options.clone().load_restriction(LoadRestriction::None);
        let session = Session::new(&free, &cache);
        assert!(Loader::new(&session, &files, Path::new("a/b")).file("../y.yaml").is_ok());
    }

    /// Notes which files are read with their entries.
    #[derive(Default)]
    struct Noting {
        files: Memory,
        read: Mutex<Vec<PathBuf>>,
    }

    impl FileSource for Noting {
        fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
            self.files.resolve(path)
        }

        fn read(&self, path: &Path, _: u64) -> Result<Vec<u8>, ReadError> {
            panic!("{} is read by itself", path.display())
        }

        fn read_entry(&self, dir: &Path, name: &str, limit: u64) -> Result<(Resolved, Option<Vec<u8>>), ReadError> {
            let path = dir.join(name);
            self.read.lock().expect("no test panics with it").push(path.clone());
            Ok((self.resolve(&path)?, self.files.read(&path, limit).ok()))
        }

        fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
            self.files.list(dir)
        }
    }

    #[test]
    fn a_file_is_read_with_its_entry_if_it_may_be() {
        let files = Memory::new().with("a/b/x.yaml", "x").with("a/b/c/y", "y").with("a/z.yaml", "z");
        let files = Noting { files, ..Noting::default() };
        let options = BuildOptions::new();
        let cache = Cache::of_one_build();
        let session = Session::new(&options, &cache);
        let loader = Loader::new(&session, &files, Path::new("a/b"));
        let Ok(Entry::File(file)) = loader.entry("x.yaml") else { panic!("a file") };
        assert_eq!(loader.read_bytes(&file).expect("read with its entry"), b"x");
        assert_eq!(loader.read("c/y").expect("read with its entry"), b"y");
        assert!(matches!(loader.read("../z.yaml"), Err(BuildError::Restricted { .. })));
        assert!(matches!(loader.entry("../z.yaml"), Err(BuildError::Restricted { .. })));
        assert_eq!(*files.read.lock().expect("no test panics with it"), ["a/b/x.yaml", "a/b/c/y"].map(PathBuf::from));
    }
}
