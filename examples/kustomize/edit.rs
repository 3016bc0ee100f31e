//! `kustomize edit`: the arguments of kustomize's own commands on top of [`KustomizationFile`].

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kustomize_core::{
    BuildOptions, Directory, FileSource, GeneratorEntry, GeneratorKind, ImageChange, KustomizationFile, LabelPlace,
    Limits, PatchEntry,
};

use crate::args::{self, Args, Flag, switch, value};
use crate::paths::{matching, must_exist};
use crate::remote::repositories;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const HELP: &str = "\
Edits the kustomization file of the working directory

Usage:
  kustomize edit add      annotation | base | buildmetadata | component | configmap | generator |
                          label | patch | resource | secret | transformer
  kustomize edit remove   annotation | buildmetadata | configmap | label | patch | resource | secret | transformer
  kustomize edit set      annotation | buildmetadata | configmap | image | label | nameprefix |
                          namespace | namesuffix | replicas | secret
  kustomize edit fix      [--vars]
";

const TARGET: [(&str, &str); 7] = [
    ("group", "group"),
    ("version", "version"),
    ("kind", "kind"),
    ("name", "name"),
    ("namespace", "namespace"),
    ("annotation-selector", "annotationSelector"),
    ("label-selector", "labelSelector"),
];

const PATCH_FLAGS: &[Flag] = &[
    value("path"),
    value("patch"),
    value("group"),
    value("version"),
    value("kind"),
    value("name"),
    value("namespace"),
    value("annotation-selector"),
    value("label-selector"),
];

const CONFIG_MAP_FLAGS: &[Flag] = &[
    value("from-file"),
    value("from-literal"),
    value("from-env-file"),
    value("behavior"),
    value("namespace"),
    switch("disableNameSuffixHash"),
];

const SECRET_FLAGS: &[Flag] = &[
    value("from-file"),
    value("from-literal"),
    value("from-env-file"),
    value("type"),
    value("namespace"),
    switch("disableNameSuffixHash"),
];

/// One command: what it takes, and what it does to the file.
struct Command {
    flags: &'static [Flag],
    run: fn(&mut KustomizationFile, &Args) -> Result,
}

const fn command(flags: &'static [Flag], run: fn(&mut KustomizationFile, &Args) -> Result) -> Command {
    Command { flags, run }
}

fn find(verb: &str, noun: &str) -> Option<Command> {
    use GeneratorKind::{ConfigMap, Secret};
    const FORCE: &[Flag] = &[switch("force").short('f')];
    const NAMESPACE: &[Flag] = &[value("namespace")];
    const NO_VERIFY: &[Flag] = &[switch("no-verify")];
    const LABEL: &[Flag] = &[switch("force").short('f'), switch("without-selector"), switch("include-templates")];
    const IGNORE: &[Flag] = &[switch("ignore-non-existence").short('i')];
    const SET: &[Flag] = &[value("from-literal"), value("namespace"), value("new-namespace")];
    Some(match (verb, noun) {
        ("add", "annotation") => command(FORCE, add_annotation),
        ("add", "base") => command(&[], add_base),
        ("add", "buildmetadata") => command(&[], add_build_metadata),
        ("add", "component") => command(&[], |file, args| {
            let paths = must_exist(args, some(args, "a component file")?)?;
            add_paths("component", paths, |path| Ok(file.add_component(path)?))
        }),
        ("add", "configmap") => command(CONFIG_MAP_FLAGS, |file, args| add_generated(file, args, ConfigMap)),
        ("add", "secret") => command(SECRET_FLAGS, |file, args| add_generated(file, args, Secret)),
        ("add", "generator") => command(&[], |file, args| {
            let paths = matching(some(args, "a yaml file which contains a generator plugin resource")?)?;
            add_paths("generator", paths, |path| Ok(file.add_generator(path)?))
        }),
        ("add", "transformer") => command(&[], |file, args| {
            let paths = matching(some(args, "a yaml file which contains a transformer plugin resource")?)?;
            add_paths("transformer", paths, |path| Ok(file.add_transformer(path)?))
        }),
        ("add", "label") => command(LABEL, add_label),
        ("add", "patch") => command(PATCH_FLAGS, add_patch),
        ("add", "resource") => command(NO_VERIFY, |file, args| {
            let paths = must_exist(args, some(args, "a resource file")?)?;
            add_paths("resource", paths, |path| Ok(file.add_resource(path)?))
        }),
        ("remove", "annotation") => command(IGNORE, |file, args| {
            Ok(file.remove_annotations(&comma_separated(args, "annotation")?, args.is_on("ignore-non-existence"))?)
        }),
        ("remove", "label") => command(IGNORE, |file, args| {
            Ok(file.remove_labels(&comma_separated(args, "label")?, args.is_on("ignore-non-existence"))?)
        }),
        ("remove", "buildmetadata") => {
            command(&[], |file, args| Ok(file.remove_build_metadata(&build_metadata(args)?)?))
        }
        ("remove", "configmap") => command(NAMESPACE, |file, args| remove_generated(file, args, ConfigMap)),
        ("remove", "secret") => command(NAMESPACE, |file, args| remove_generated(file, args, Secret)),
        ("remove", "patch") => command(PATCH_FLAGS, remove_patch),
        ("remove", "resource") => command(&[], |file, args| {
            some(args, "a resource file")?
                .iter()
                .try_for_each(|pattern| Ok(file.remove_resources(pattern).map(drop)?))
        }),
        ("remove", "transformer") => command(&[], |file, args| {
            let patterns = some(args, "a transformer file")?;
            patterns.iter().try_for_each(|pattern| Ok(file.remove_transformers(pattern).map(drop)?))
        }),
        ("set", "annotation") => command(&[], |file, args| {
            let pairs = pairs(args, "annotation")?;
            pairs.iter().try_for_each(|(key, value)| Ok(file.set_annotation(key, value)?))
        }),
        ("set", "label") => command(&[], |file, args| {
            pairs(args, "label")?.iter().try_for_each(|(key, value)| Ok(file.set_label(key, value)?))
        }),
        ("set", "buildmetadata") => command(&[], |file, args| Ok(file.set_build_metadata(&build_metadata(args)?)?)),
        ("set", "configmap") => command(SET, |file, args| set_generated(file, args, ConfigMap)),
        ("set", "secret") => command(SET, |file, args| set_generated(file, args, Secret)),
        ("set", "image") => command(&[], set_image),
        ("set", "nameprefix") => command(&[], |file, args| Ok(file.set_name_prefix(one(args, "prefix value")?)?)),
        ("set", "namesuffix") => command(&[], |file, args| Ok(file.set_name_suffix(one(args, "suffix value")?)?)),
        ("set", "namespace") => command(&[], |file, args| Ok(file.set_namespace(one(args, "namespace value")?)?)),
        ("set", "replicas") => command(&[], set_replicas),
        _ => return None,
    })
}

/// Runs `kustomize edit ARGS` in the working directory.
pub(crate) fn run(args: &[String]) -> Result {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["-h" | "--help", ..] | [_, "-h" | "--help", ..] => {
            print!("{HELP}");
            Ok(())
        }
        ["fix", ..] => crate::fix::run(&args[1..]),
        [verb, noun, ..] => {
            let command =
                find(verb, noun).ok_or_else(|| format!("unknown command \"{verb} {noun}\" for \"kustomize edit\""))?;
            let args = args::parse(&args[2..], command.flags)?;
            let (path, mut file) = open()?;
            (command.run)(&mut file, &args)?;
            Ok(file.save(&path, Path::new("."))?)
        }
        [verb] => Err(format!("kustomize edit {verb}: what? see kustomize edit --help").into()),
    }
}

/// The kustomization file of the working directory.
pub(crate) fn open() -> Result<(PathBuf, KustomizationFile)> {
    let found: Vec<&str> = KustomizationFile::NAMES.into_iter().filter(|name| Path::new(name).exists()).collect();
    match found.as_slice() {
        [] => Err("missing kustomization file 'kustomization.yaml'".into()),
        [name] => {
            let bytes = Directory::new(".")?.read(Path::new(name), Limits::new().bytes as u64)?;
            let file = KustomizationFile::parse(bytes.to_vec())
                .map_err(|error| Context(format!("cannot edit {name}"), error.into()))?;
            Ok((PathBuf::from(name), file))
        }
        several => Err(format!("found multiple kustomization files: {}", several.join(", ")).into()),
    }
}

/// What was tried, with its cause as the source.
#[derive(Debug)]
pub(crate) struct Context(pub(crate) String, pub(crate) Box<dyn Error>);

impl std::fmt::Display for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.1)
    }
}

// ---- arguments ----

fn some<'a>(args: &'a Args, what: &str) -> Result<&'a [String]> {
    if args.positional.is_empty() { Err(format!("must specify {what}").into()) } else { Ok(&args.positional) }
}

fn one<'a>(args: &'a Args, what: &str) -> Result<&'a str> {
    match args.positional.as_slice() {
        [one] => Ok(one),
        _ => Err(format!("must specify exactly one {what}").into()),
    }
}

fn comma_separated<'a>(args: &'a Args, what: &str) -> Result<Vec<&'a str>> {
    match args.positional.as_slice() {
        [] => Err(format!("must specify {what}").into()),
        [list] if list.split(',').any(str::is_empty) => Err(format!("invalid {what}: '{list}' (name is empty)").into()),
        [list] => Ok(list.split(',').collect()),
        _ => Err(format!("{what}s must be comma-separated, with no spaces").into()),
    }
}

fn build_metadata(args: &Args) -> Result<Vec<&str>> {
    match args.positional.as_slice() {
        [] => Err("must specify a buildMetadata option".into()),
        [list] => Ok(list.split(',').collect()),
        _ => Err("too many arguments: separate several buildMetadata options by commas".into()),
    }
}

/// `key:value` pairs; the value may be quoted, and a key alone has an empty one.
pub(crate) fn pairs(args: &Args, what: &str) -> Result<Vec<(String, String)>> {
    some(args, what)?.iter().map(|arg| pair(arg, what)).collect()
}

pub(crate) fn pair(arg: &str, what: &str) -> Result<(String, String)> {
    let (key, value) = arg.split_once(':').unwrap_or((arg, ""));
    if key.is_empty() {
        return Err(format!("invalid {what}: '{arg}' (need k:v pair where v may be quoted)").into());
    }
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Ok((key.to_owned(), unquoted.to_owned()))
}

// ---- commands ----

fn add_paths(what: &str, paths: Vec<String>, mut add: impl FnMut(&str) -> Result<bool>) -> Result {
    for path in paths.iter().filter(|path| !is_kustomization(path)) {
        if !add(path)? {
            eprintln!("{what} {path} already in kustomization file");
        }
    }
    Ok(())
}

/// A pattern may match the file that is being edited.
fn is_kustomization(path: &str) -> bool {
    KustomizationFile::NAMES.contains(&path)
}

fn set_image(file: &mut KustomizationFile, args: &Args) -> Result {
    if args.positional.is_empty() {
        return Err("no image specified".into());
    }
    let changes: Vec<ImageChange> =
        args.positional.iter().map(|arg| ImageChange::parse(arg)).collect::<std::result::Result<_, _>>()?;
    changes.iter().try_for_each(|change| Ok(file.set_image(change)?))
}

fn set_replicas(file: &mut KustomizationFile, args: &Args) -> Result {
    if args.positional.is_empty() {
        return Err("no replicas specified".into());
    }
    for arg in &args.positional {
        let parsed = arg.split_once('=').and_then(|(name, count)| Some((name, count.parse().ok()?)));
        let (name, count) = parsed.ok_or("invalid format of replica, use the following format: <name>=<count>")?;
        file.set_replicas(name, count)?;
    }
    Ok(())
}

fn add_annotation(file: &mut KustomizationFile, args: &Args) -> Result {
    let pairs = pairs(args, "annotation")?;
    pairs.iter().try_for_each(|(key, value)| Ok(file.add_annotation(key, value, args.is_on("force"))?))
}

fn add_label(file: &mut KustomizationFile, args: &Args) -> Result {
    let include_templates = args.is_on("include-templates");
    let place = match args.is_on("without-selector") {
        true => LabelPlace::WithoutSelectors { include_templates },
        false if include_templates => {
            return Err("--without-selector flag must be specified for --include-templates to work".into());
        }
        false => LabelPlace::Common,
    };
    let pairs = pairs(args, "label")?;
    pairs.iter().try_for_each(|(key, value)| Ok(file.add_label(key, value, place, args.is_on("force"))?))
}

fn add_base(file: &mut KustomizationFile, args: &Args) -> Result {
    for path in one(args, "base directory")?.split(',') {
        if !Path::new(path).exists() {
            return Err(format!("{path} does not exist").into());
        }
        if !file.add_resource(path)? {
            return Err(format!("base {path} already in kustomization file").into());
        }
    }
    Ok(())
}

fn add_build_metadata(file: &mut KustomizationFile, args: &Args) -> Result {
    build_metadata(args)?.iter().try_for_each(|option| Ok(file.add_build_metadata(option)?))
}

fn patch_entry(args: &Args) -> Result<PatchEntry> {
    let (path, patch) = (args.text("path"), args.text("patch"));
    if !path.is_empty() && !patch.is_empty() {
        return Err("patch and path can't be set at the same time".into());
    }
    let entry = if path.is_empty() { PatchEntry::inline(patch) } else { PatchEntry::file(path) };
    Ok(TARGET.iter().fold(entry, |entry, (flag, field)| entry.target(*field, args.text(flag))))
}

fn add_patch(file: &mut KustomizationFile, args: &Args) -> Result {
    if args.text("path").is_empty() && args.text("patch").is_empty() {
        return Err("must provide either patch or path".into());
    }
    if !file.add_patch(&patch_entry(args)?)? {
        eprintln!("patch already in kustomization file");
    }
    Ok(())
}

fn remove_patch(file: &mut KustomizationFile, args: &Args) -> Result {
    if file.remove_patch(&patch_entry(args)?)? == 0 {
        eprintln!("patch {} doesn't exist in kustomization file", args.text("patch"));
    }
    Ok(())
}

fn add_generated(file: &mut KustomizationFile, args: &Args, kind: GeneratorKind) -> Result {
    let mut entry = GeneratorEntry::new(one(args, "name")?);
    entry.namespace = args.text("namespace").to_owned();
    entry.literals = args.all("from-literal").map(str::to_owned).collect();
    entry.files = expand_files(args)?;
    entry.envs = args.get("from-env-file").map(str::to_owned).into_iter().collect();
    entry.behavior = args.text("behavior").to_owned();
    entry.secret_type = args.get("type").unwrap_or("Opaque").to_owned();
    entry.disable_name_suffix_hash = args.is_on("disableNameSuffixHash");
    if entry.envs.is_empty() && entry.files.is_empty() && entry.literals.is_empty() {
        return Err("at least from-env-file, or from-file or from-literal must be set".into());
    }
    let has_others = !entry.files.is_empty() || !entry.literals.is_empty();
    if !entry.envs.is_empty() && has_others {
        return Err("from-env-file cannot be combined with from-file or from-literal".into());
    }
    if !["", "create", "merge", "replace"].contains(&entry.behavior.as_str()) {
        return Err("invalid behavior: must be one of \"create\", \"merge\", or \"replace\"".into());
    }
    file.add_generated(kind, &entry)?;
    check_generated(file, kind, &entry.name, &entry.namespace)
}

/// As kustomize does, makes the resource to see whether it can be made.
fn check_generated(file: &KustomizationFile, kind: GeneratorKind, name: &str, namespace: &str) -> Result {
    let options = BuildOptions::new().remote(Arc::new(repositories()?));
    if let Some(generator) = file.generator(kind, name, namespace)? {
        generator.resource(&Directory::new("/")?, &std::env::current_dir()?, &options)?;
    }
    Ok(())
}

/// `--from-file` takes several, comma-separated, each `[key=]pattern`.
fn expand_files(args: &Args) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for source in args.all("from-file").flat_map(|list| list.split(',')) {
        let parts: Vec<&str> = source.split('=').collect();
        match parts[..] {
            [key, pattern] if !key.is_empty() => match &matching(&[pattern.to_owned()])?[..] {
                [file] => files.push(format!("{key}={file}")),
                found => {
                    return Err(format!("'{source}' catches {} files, should catch only one", found.len()).into());
                }
            },
            ["", pattern] | [pattern, ..] => files.extend(matching(&[pattern.to_owned()])?),
            [] => {}
        }
    }
    Ok(files)
}

fn set_generated(file: &mut KustomizationFile, args: &Args, kind: GeneratorKind) -> Result {
    let name = one(args, "name")?;
    let literals: Vec<&str> = args.all("from-literal").collect();
    let new_namespace = args.get("new-namespace").filter(|namespace| !namespace.is_empty());
    if literals.is_empty() && new_namespace.is_none() {
        return Err("at least one of [--from-literal, --new-namespace] must be specified".into());
    }
    if let Some(literal) = literals.iter().find(|literal| literal.matches('=').count() != 1) {
        return Err(
            format!("invalid format: {literal}: literal values must be specified in the key=value format").into()
        );
    }
    file.set_generated(kind, name, args.text("namespace"), &literals, new_namespace)?;
    check_generated(file, kind, name, new_namespace.unwrap_or(args.text("namespace")))
}

fn remove_generated(file: &mut KustomizationFile, args: &Args, kind: GeneratorKind) -> Result {
    let names = comma_separated(args, "name")?;
    for missing in file.remove_generated(kind, &names, args.text("namespace"))? {
        eprintln!("{missing} doesn't exist in kustomization file");
    }
    Ok(())
}
