//! `kustomize build`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use kustomize_core::{
    Attempt, BuildError, BuildOptions, Directory, Gvk, LoadRestriction, RemoteBase, Reorder, Resource, ResourceSet,
    Schema,
};

use crate::args::{self, Args, Flag, switch, value};
use crate::edit::Result;
use crate::programs;
use crate::remote::repositories;

const USAGE: &str = "\
Build a set of KRM resources using a 'kustomization.yaml' file.
The DIR argument must be a path to a directory containing
'kustomization.yaml', or a git repository URL with a path suffix
specifying same with respect to the repository root.
If DIR is omitted, '.' is assumed.

Usage:
  kustomize build DIR [flags]

Flags:
      --as-current-user                 use the uid and gid of the command executor to run the function in the container
      --enable-alpha-plugins            enable kustomize plugins
      --enable-exec                     enable support for exec functions (raw executables)
      --enable-helm                     enable use of the Helm chart inflator generator
  -e, --env stringArray                 environment variables to be used by functions
      --helm-api-versions stringArray   Kubernetes api versions used by Helm for Capabilities.APIVersions
      --helm-command string             helm command (path to executable) (default \"helm\")
      --helm-debug                      enable debug output from the Helm chart inflator generator
      --helm-kube-version string        Kubernetes version used by Helm for Capabilities.KubeVersion
  -h, --help                            help for build
      --load-restrictor string          LoadRestrictionsNone or LoadRestrictionsRootOnly (default)
      --mount stringArray               storage options read from the filesystem
      --network                         enable network access for functions that declare it
      --network-name string             the docker network to run the container in (default \"bridge\")
  -o, --output string                   if specified, write output to this path
";

const FLAGS: &[Flag] = &[
    switch("as-current-user"),
    switch("enable-alpha-plugins"),
    switch("enable-exec"),
    switch("enable-helm"),
    switch("enable-managedby-label"),
    value("env").short('e'),
    value("helm-api-versions"),
    value("helm-command"),
    switch("helm-debug"),
    value("helm-kube-version"),
    switch("help").short('h'),
    value("load-restrictor"),
    value("mount"),
    switch("network"),
    value("network-name"),
    value("output").short('o'),
    value("reorder"),
    switch("stack-trace"),
];

/// Runs `kustomize build ARGS`.
pub(crate) fn run(args: &[String]) -> Result {
    let args = args::parse(args, FLAGS)?;
    warn_of_deprecated_flags(&args);
    if args.is_on("help") {
        print!("{USAGE}");
        return Ok(());
    }
    let dir = match &args.positional[..] {
        [] => ".",
        [dir] => dir,
        _ => return Err("specify one path to kustomization.yaml".into()),
    };
    let is_remote = RemoteBase::parse(dir).is_ok();
    let root = if is_remote { dir.into() } else { std::env::current_dir()?.join(dir) };
    let Attempt { resources, warnings, read, .. } =
        kustomize_core::attempt(&Directory::new("/")?, &root, &options(&args)?);
    let warnings: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
    eprint!("{warnings}");
    let resources = resources.map_err(with_hint)?;
    let output = args.get("output").map(Path::new).filter(|path| !path.as_os_str().is_empty());
    write(&resources, output)?;
    // The process ends here and takes them along; to free them one by one would take its time.
    std::mem::forget((resources, read));
    Ok(())
}

fn warn_of_deprecated_flags(args: &Args) {
    if args.get("reorder").is_some() {
        eprintln!("Flag --reorder has been deprecated, use the new 'sortOptions' field in kustomization.yaml instead.");
    }
    if args.get("enable-managedby-label").is_some() {
        eprintln!(
            "Flag --enable-managedby-label has been deprecated, The flag `enable-managedby-label` has been deprecated. \
             Use the `managedByLabel` option in the `buildMetadata` field instead."
        );
    }
}

fn options(args: &Args) -> Result<BuildOptions> {
    let mut options = BuildOptions::new().load_restriction(load_restriction(args.text("load-restrictor"))?);
    if let Some(order) = args.get("reorder") {
        options = options.reorder(reorder(order)?);
    }
    let by_environment = std::env::var("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL").is_ok_and(|value| value == "on");
    if args.is_on("enable-managedby-label") || by_environment {
        options = options.managed_by_label();
    }
    if let Some(helm) = programs::helm(args) {
        options = options.helm(helm);
    }
    if let Some(plugins) = programs::plugins(args) {
        options = options.plugins(plugins);
    }
    Ok(options.remote(Arc::new(repositories()?)))
}

fn load_restriction(value: &str) -> std::result::Result<LoadRestriction, String> {
    match value {
        "LoadRestrictionsRootOnly" | "" => Ok(LoadRestriction::RootOnly),
        "LoadRestrictionsNone" => Ok(LoadRestriction::None),
        other => Err(format!(
            "illegal flag value --load-restrictor {other}; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]"
        )),
    }
}

fn reorder(value: &str) -> std::result::Result<Reorder, String> {
    match value {
        "legacy" => Ok(Reorder::Legacy),
        "none" => Ok(Reorder::None),
        other => Err(format!("illegal flag value --reorder {other}; legal values: [legacy none]")),
    }
}

/// The error with what the user can do about it.
fn with_hint(error: BuildError) -> Box<dyn Error> {
    let Some(hint) = error.hint() else { return error.into() };
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    let causes: String = causes.map(|cause| format!("\n  {cause}")).collect();
    format!("{error}{causes}\n  hint: {hint}").into()
}

fn write(resources: &ResourceSet, output: Option<&Path>) -> Result {
    match output {
        Some(dir) if dir.is_dir() => write_folder(resources, dir),
        Some(file) => Ok(std::fs::write(file, resources.to_yaml()?)?),
        None => Ok(std::io::stdout().lock().write_all(resources.to_yaml()?.as_bytes())?),
    }
}

/// One file for each resource, named by type and name, and by namespace if there are several.
fn write_folder(resources: &ResourceSet, dir: &Path) -> Result {
    let mut files = BTreeMap::new();
    let namespaces: BTreeSet<String> = resources.iter().filter_map(namespace).collect();
    for resource in resources {
        let name = match namespace(resource) {
            Some(namespace) if namespaces.len() > 1 => format!("{namespace}_{}", file_name(resource)),
            _ => file_name(resource),
        };
        files.insert(name.to_lowercase(), resource.to_yaml()?);
    }
    // Only now that all could be printed: no partial output.
    for (name, yaml) in files {
        std::fs::write(dir.join(name), yaml)?;
    }
    Ok(())
}

/// The namespace a resource is in, if its kind has one.
fn namespace(resource: &Resource) -> Option<String> {
    let Gvk { group, version, kind } = resource.gvk();
    let namespace = if resource.namespace().is_empty() { "default" } else { resource.namespace() };
    (!Schema::builtin().is_cluster_scoped(&group, &version, &kind)).then(|| namespace.to_owned())
}

fn file_name(resource: &Resource) -> String {
    let id = resource.id();
    let parts = [&id.gvk.group, &id.gvk.version, &id.gvk.kind];
    let kind = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("_");
    format!("{kind}_{}.yaml", id.name)
}
