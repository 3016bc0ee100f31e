//! Remote bases and files over HTTP, as kustomize takes them: from anywhere.

use std::path::PathBuf;

use gitops_git::{MirrorOptions, Remote, RepoUrl, Repositories};

use crate::edit::Result;

/// Mirrors are kept in `$XDG_CACHE_HOME` or `~/.cache`, so a second build asks
/// only whether there is something new.
pub(crate) fn repositories() -> Result<Repositories> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || from("HOME").map(|home| home.join(".cache"));
    let cache = from("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir);
    // Bases bring their own URLs; this one only carries the settings.
    let settings = Remote::new(RepoUrl::from_path("/".as_ref())?);
    Ok(Repositories::new(cache.join("kustomize-rs"), settings, MirrorOptions::new()).allow(|_| true))
}
