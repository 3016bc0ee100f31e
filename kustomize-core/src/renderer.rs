//! Builds again and again, and does again only what a change touches.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::build::{self, Build};
use crate::cache::{self, Cache, Key, Value};
use crate::error::BuildError;
use crate::load::{Loader, resolve_root};
use crate::options::{BuildLimits, BuildOptions, LoadRestriction, Reorder};
use crate::overrides::Overrides;
use crate::parts::{self, Before, Parts};
use crate::record::Record;
use crate::session::Session;
use crate::source::{ContentId, FileSource};

/// Builds as [`build`](crate::build) does, and keeps what other builds can use:
/// files that it parsed, what bases came to, and what whole builds gave. The
/// next build does again only what a change touches.
///
/// Of everything that is kept, it is known what it was made of: each file that
/// was read, each path that was looked up, those where nothing was included,
/// and the options that matter. It is used again only if the file source gives
/// the same answers. So one renderer serves any number of roots, options,
/// commits and threads; two states of the files never mix.
///
/// How fast that is depends on the [content ids](FileSource::content_id) of the source:
///
/// - A Git tree and [`Memory`](crate::Memory) have ids of directories. If
///   nothing has changed, that is found by comparing one of them; otherwise the
///   directories of the bases are compared.
/// - A [`Directory`](crate::Directory) has none, so all files are read and
///   hashed each time, which costs more than rendering small kustomizations.
///   Times of modification are not trusted: a file may change twice within
///   their resolution, and writes through memory maps show late or not at all.
///
/// # What is kept, and for how long
///
/// Up to [a number of bytes](Renderer::with_budget), by an estimate in which what
/// two entries share counts twice; what was not used for the longest time goes
/// first, always as a whole. Of each file, base
/// and root a few states are kept, such as those of several branches. What a build
/// fetches, runs (Helm, plugins), or makes with a schema of its own
/// is asked for or made again each time, and so are the kustomizations that
/// include it. Errors are not kept.
///
/// ```
/// use kustomize_core::{BuildOptions, Memory, Renderer};
/// let mut files = Memory::new()
///     .with("base/kustomization.yaml", "resources: [service.yaml]\n")
///     .with("base/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: front}\n")
///     .with("app/kustomization.yaml", "resources: [../base]\nnamePrefix: a-\n");
/// let (renderer, options) = (Renderer::new(), BuildOptions::new());
/// let first = renderer.build(&files, "app", &options)?;
/// files.insert("app/kustomization.yaml", "resources: [../base]\nnamePrefix: b-\n");
/// // The base is not read again.
/// let second = renderer.build(&files, "app", &options)?;
/// assert_eq!(second.resources.to_yaml()?, first.resources.to_yaml()?.replace("a-front", "b-front"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Renderer {
    cache: Cache,
}

/// What a root came to.
#[derive(Debug)]
pub(crate) struct Root {
    wanted: Wanted,
    /// The id of all files there are, if the source has one.
    files: Option<ContentId>,
    pub(crate) build: Arc<Build>,
    /// What the build was gathered from, if it was.
    pub(crate) parts: Option<Parts>,
}

/// The options that make a difference to what a build without effects gives.
#[derive(Debug, PartialEq)]
struct Wanted {
    load_restriction: LoadRestriction,
    reorder: Option<Reorder>,
    managed_by_label: bool,
    version: String,
    overrides: Overrides,
    limits: BuildLimits,
}

impl Renderer {
    /// Keeps up to 256 MiB.
    pub fn new() -> Self {
        Self::with_budget(256 << 20)
    }

    /// Keeps up to `bytes`, by estimate. If a single build needs more, it takes
    /// longer than without a renderer: its own parts push each other out.
    pub fn with_budget(bytes: usize) -> Self {
        Self { cache: Cache::of_budget(bytes) }
    }

    /// Builds the kustomization in the directory `root` of `files`.
    ///
    /// # Errors
    ///
    /// As [`build`](crate::build).
    pub fn build(
        &self,
        files: &dyn FileSource,
        root: impl AsRef<Path>,
        options: &BuildOptions,
    ) -> Result<Arc<Build>, BuildError> {
        let root = root.as_ref();
        if build::address(root).is_some() {
            return build::render(files, root, options, &self.cache).into_build().map(Arc::new);
        }
        let dir = resolve_root(files, root)?;
        // Asked before anything is read: what changes meanwhile makes the next build look again.
        let id = files.content_id(Path::new(""));
        let session = Session::new(options, &self.cache);
        let loader = Loader::new(&session, files, &dir);
        let before = match self.known(&loader, id.as_ref()) {
            Some(Known::Current(root)) => return Ok(Arc::clone(&root.build)),
            Some(Known::Before(before)) => Some(before),
            None => None,
        };
        let (resources, parts) = match parts::render(&loader, before.as_ref()) {
            Ok((resources, parts)) => (Ok(resources), parts),
            Err(error) => (Err(error), None),
        };
        let mut build = build::finished(session, resources).into_build()?;
        build.resources = build.resources.into_shared();
        let build = Arc::new(build);
        self.keep(&dir, Root { wanted: Wanted::of(options), files: id, build: Arc::clone(&build), parts });
        Ok(build)
    }

    /// What is known of a root: what it is now, or else what it was last.
    fn known(&self, loader: &Loader<'_>, files: Option<&ContentId>) -> Option<Known> {
        let (key, wanted) = (Key::Root(loader.root().to_owned()), Wanted::of(loader.session.options));
        let find = |is_it: &dyn Fn(&Arc<Root>) -> bool| {
            self.cache.find(&key, |value| match value {
                Value::Root(root) if root.wanted == wanted && is_it(root) => Some(Arc::clone(root)),
                _ => None,
            })
        };
        let last = match find(&|root| files.is_some() && root.files.as_ref() == files) {
            Some(root) => return Some(Known::Current(root)),
            None => find(&|_| true)?,
        };
        let before = Before::new(last, loader);
        let current = before.current().cloned();
        let current = current.or_else(|| find(&|root| !before.rules_out(root) && root.holds(loader)));
        Some(current.map_or(Known::Before(before), Known::Current))
    }

    fn keep(&self, dir: &Path, root: Root) {
        if !root.build.read.record().has_effects {
            let bytes = root.bytes();
            self.cache.offer(Key::Root(dir.to_owned()), || (Value::Root(Arc::new(root)), bytes));
        }
    }

    /// About how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// What is known of a root.
enum Known {
    Current(Arc<Root>),
    Before(Before),
}

impl Root {
    /// The record of its kustomization, which is all that the build's has below it.
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        self.build.read.record().below.first()
    }

    pub(crate) fn holds(&self, loader: &Loader<'_>) -> bool {
        self.build.read.record().holds(loader)
    }

    fn bytes(&self) -> usize {
        let each = || self.build.resources.each();
        let resources = match &self.parts {
            Some(parts) => parts.bytes(),
            None => cache::bytes_of(each()) + cache::bytes_in_root(each()),
        };
        size_of::<Self>() + size_of::<Build>() + resources + self.build.read.record().bytes()
    }
}

impl Wanted {
    fn of(options: &BuildOptions) -> Self {
        let BuildOptions { load_restriction, reorder, managed_by_label, limits, .. } = *options;
        let (version, overrides) = (options.version.clone(), options.overrides.clone());
        Self { load_restriction, reorder, managed_by_label, version, overrides, limits }
    }
}
