//! Paths and patterns of paths among the arguments.

use std::fs;
use std::path::Path;

use kustomize_core::{Glob, Remote, RemoteBase, Warning};

use crate::args::Args;
use crate::edit::{Context, Result};
use crate::remote::repositories;

/// The paths below the working directory that a pattern matches, sorted.
pub(crate) fn glob(pattern: &str) -> Result<Vec<String>> {
    let mut found: Vec<String> = vec![String::new()];
    for (index, part) in pattern.split('/').enumerate() {
        let glob = Glob::parse(part)?;
        let mut next = Vec::new();
        for base in found {
            let join = |name: &str| if index == 0 { name.to_owned() } else { format!("{base}/{name}") };
            if !glob.is_pattern() {
                next.push(join(part));
                continue;
            }
            let folder = if base.is_empty() { "." } else { &base };
            let names = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            next.extend(names.iter().filter(|name| glob.matches(name)).map(|name| join(name)));
        }
        found = next;
    }
    found.retain(|path| Path::new(if path.is_empty() { "/" } else { path }).symlink_metadata().is_ok());
    Ok(found)
}

/// The paths that patterns match, and what is no file but can be a base. It
/// has to be there, unless `--no-verify` is given.
pub(crate) fn must_exist(args: &Args, patterns: &[String]) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let found = if args.is_on("no-verify") { Vec::new() } else { glob(pattern)? };
        if found.is_empty() && !args.is_on("no-verify") {
            check_base(pattern).map_err(|error| Context(format!("{pattern} has no match"), error))?;
        }
        let none = found.is_empty().then(|| pattern.clone());
        paths.extend(found.into_iter().chain(none));
    }
    Ok(paths)
}

/// As kustomize does, fetches the repository to see whether the directory is there.
fn check_base(address: &str) -> Result {
    let Ok(base) = RemoteBase::parse(address) else {
        let is_local = Path::new(address).is_dir() && !Path::new(address).is_absolute();
        return if is_local { Ok(()) } else { Err("there is no such file or directory".into()) };
    };
    if base.has_git_prefix {
        eprintln!("{}", Warning::GitPrefix { address: address.to_owned() });
    }
    let files = repositories()?.repository(&base)?;
    let found = files.resolve(Path::new(&base.path))?;
    if found.is_dir { Ok(()) } else { Err(format!("{} is not a directory", base.path).into()) }
}

/// The paths that patterns match. That one matches none is said, and no error.
pub(crate) fn matching(patterns: &[String]) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let found = glob(pattern)?;
        if found.is_empty() {
            eprintln!("{pattern} has no match");
        }
        paths.extend(found);
    }
    Ok(paths)
}
