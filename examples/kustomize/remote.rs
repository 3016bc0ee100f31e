//! Fetches remote bases with gitops-git, and files over HTTP.
//!
//! Repositories are kept as mirrors in the user's cache directory, so a second
//! build asks only whether there is something new.

use std::path::PathBuf;
use std::sync::Arc;

use gitops_git::{Mirror, MirrorOptions, RepoUrl, Revision, Timeouts};
use kustomize_core::{FileSource, Remote, RemoteBase, RemoteError, RemoteLimits};

#[derive(Debug)]
pub(crate) struct Fetcher {
    cache: PathBuf,
}

impl Fetcher {
    /// With its mirrors in `$XDG_CACHE_HOME` or `~/.cache`.
    pub(crate) fn new() -> Self {
        let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || from("HOME").map(|home| home.join(".cache"));
        let cache = from("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir);
        Self { cache: cache.join("kustomize-rs") }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RemoteError {
    RemoteError::Transfer { source: error.into() }
}

impl Remote for Fetcher {
    fn repository(&self, base: &RemoteBase) -> Result<Arc<dyn FileSource>, RemoteError> {
        let url: RepoUrl = base.repository.parse().map_err(failed)?;
        let cache = self.cache.join(url.key());
        let remote = gitops_git::Remote::new(url).timeouts(Timeouts::new().total(base.timeout));
        let mirror = Mirror::open(cache, remote, MirrorOptions::new()).map_err(failed)?;
        let revision: Revision = base.revision.as_deref().unwrap_or_default().parse().map_err(failed)?;
        let commit = mirror.fetch(&revision).map_err(failed)?;
        Ok(Arc::new(mirror.tree(commit.id).map_err(failed)?))
    }

    fn file(&self, url: &str, limits: RemoteLimits) -> Result<Arc<[u8]>, RemoteError> {
        let agent = ureq::Agent::config_builder().timeout_global(Some(limits.time)).build().new_agent();
        let mut response = agent.get(url).call().map_err(|error| match error {
            ureq::Error::StatusCode(code) => RemoteError::Status { code },
            ureq::Error::Timeout(_) => RemoteError::Timeout { limit: limits.time },
            other => failed(other),
        })?;
        // One byte more than allowed tells content that is too large from content that just fits.
        let content = response.body_mut().with_config().limit(limits.bytes.saturating_add(1)).read_to_vec();
        match content {
            Ok(content) if content.len() as u64 <= limits.bytes => Ok(content.into()),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Err(RemoteError::TooLarge { limit: limits.bytes }),
            Err(other) => Err(failed(other)),
        }
    }
}
