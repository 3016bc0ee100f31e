#[cfg(feature = "kustomize")]
mod bases;
mod submodules;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use submodules::{Submodule, SubmoduleError};

use crate::mirror::{Mirror, MirrorError, MirrorOptions};
use crate::remote::Remote;
use crate::url::RepoUrl;

/// The repositories that another one refers to: as submodules, or as bases of a
/// kustomization.
///
/// A repository chooses what it refers to, and a program that follows can be
/// led to hosts that only it can reach. So only repositories on the host of the
/// first one are opened, unless [`Repositories::allow`] says otherwise.
///
/// Each has its mirror in a directory of its own, and is reached with the same
/// settings; credentials go where [`Remote::credentials`] or
/// [`Remote::credential_source`] send them.
///
/// With the feature `kustomize` it is a `kustomize_core::Remote`.
#[derive(Clone)]
pub struct Repositories {
    root: PathBuf,
    settings: Remote,
    options: MirrorOptions,
    allowed: Option<Allowed>,
}

type Allowed = Arc<dyn Fn(&RepoUrl) -> bool + Send + Sync>;

impl Repositories {
    /// Repositories that are referred to by that of `settings`, with their
    /// mirrors below the directory `root`.
    pub fn new(root: impl Into<PathBuf>, settings: Remote, options: MirrorOptions) -> Self {
        Self { root: root.into(), settings, options, allowed: None }
    }

    /// Opens the repositories for which `allowed` is true, and no others.
    #[must_use]
    pub fn allow(mut self, allowed: impl Fn(&RepoUrl) -> bool + Send + Sync + 'static) -> Self {
        self.allowed = Some(Arc::new(allowed));
        self
    }

    /// Whether the repository at `url` may be opened.
    pub fn allows(&self, url: &RepoUrl) -> bool {
        match &self.allowed {
            Some(allowed) => allowed(url),
            None => url.host() == self.settings.url().host(),
        }
    }

    /// The mirror of a repository, whatever is allowed.
    pub(crate) fn mirror(&self, url: &RepoUrl) -> Result<Mirror, MirrorError> {
        let root = self.root.join(url.key());
        Mirror::open(root, self.settings.with_url(url.clone()), self.options.clone())
    }
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repositories")
            .field("root", &self.root)
            .field("settings", &self.settings)
            .field("restricted_to_one_host", &self.allowed.is_none())
            .finish_non_exhaustive()
    }
}
