//! Which programs a build may run, as kustomize's flags and environment say.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kustomize_core::{Helm, Plugins, SystemPrograms};

use crate::args::Args;

/// Helm, if `--enable-helm` is given; plugins include it.
pub(crate) fn helm(args: &Args) -> Option<Helm> {
    if !args.is_on("enable-helm") && !args.is_on("enable-alpha-plugins") {
        return None;
    }
    let versions = args.all("helm-api-versions").map(str::to_owned).collect();
    let helm = Helm::new(Arc::new(SystemPrograms))
        .command(args.get("helm-command").unwrap_or("helm"))
        .api_versions(versions)
        .kube_version(args.text("helm-kube-version"));
    Some(if args.is_on("helm-debug") { helm.debug() } else { helm })
}

/// Functions and plugins, if `--enable-alpha-plugins` is given.
pub(crate) fn plugins(args: &Args) -> Option<Plugins> {
    if !args.is_on("enable-alpha-plugins") {
        return None;
    }
    let mut plugins = Plugins::new(Arc::new(SystemPrograms));
    if args.is_on("enable-exec") {
        plugins = plugins.exec();
    }
    if args.is_on("network") {
        plugins = plugins.network();
    }
    if let Some(user) = current_user().filter(|_| args.is_on("as-current-user")) {
        plugins = plugins.user(user);
    }
    if let Some(home) = plugin_home() {
        plugins = plugins.home(home);
    }
    let plugins = args.all("mount").fold(plugins, Plugins::mount);
    Some(args.all("env").fold(plugins, Plugins::env))
}

/// `uid:gid` of this process.
#[cfg(unix)]
fn current_user() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // Whatever a process makes belongs to it.
    let own = tempfile::tempfile().ok()?.metadata().ok()?;
    Some(format!("{}:{}", own.uid(), own.gid()))
}

#[cfg(not(unix))]
fn current_user() -> Option<String> {
    None
}

/// The first of kustomize's plugin directories that exists.
fn plugin_home() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |dir: PathBuf, path: &str| dir.join(path).join("kustomize/plugin");
    let candidates = [
        variable("KUSTOMIZE_PLUGIN_HOME"),
        variable("XDG_CONFIG_HOME").map(|dir| below(dir, "")),
        variable("HOME").map(|dir| below(dir, ".config")),
        variable("HOME").map(|dir| below(dir, "")),
    ];
    candidates.into_iter().flatten().find(|dir| Path::is_dir(dir))
}
