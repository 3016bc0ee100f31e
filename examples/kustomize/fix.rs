//! `kustomize edit fix`: deprecated fields become their successors.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kustomize_core::{BuildOptions, Directory, Effect, FileChange, effect};

use crate::args::{self, switch};
use crate::edit::{self, Result};
use crate::remote::repositories;

const FIXED: &str = "
Fixed fields:
  patchesJson6902 -> patches
  patchesStrategicMerge -> patches
  commonLabels -> labels
";

const HINT: &str = "
To convert vars -> replacements, run the command `kustomize edit fix --vars`

WARNING: Converting vars to replacements will potentially overwrite many resource files 
and the resulting files may not produce the same output when `kustomize build` is run. 
We recommend doing this in a clean git repository where the change is easy to undo.
";

/// Runs `kustomize edit fix ARGS` in the working directory.
pub(crate) fn run(args: &[String]) -> Result {
    let args = args::parse(args, &[switch("vars")])?;
    let (path, mut file) = edit::open()?;
    let (files, dir) = (Directory::new("/")?, std::env::current_dir()?);
    file.fix(|patch| Path::new(patch).is_file())?;
    let mut changes = Vec::new();
    if args.is_on("vars") {
        changes = file.vars_to_replacements(&files, &dir)?;
    }
    let kustomization = FileChange::new(dir.join(&path), file.text());
    let options = BuildOptions::new().remote(Arc::new(repositories()?));
    let all: Vec<FileChange> = changes.iter().cloned().chain([kustomization]).collect();
    let effect = effect(&files, &dir, &all, &options);
    effect.before.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    print!("{FIXED}{}", if args.is_on("vars") { "  vars -> replacements\n" } else { HINT });
    for change in &changes {
        fs::write(Path::new("/").join(&change.path), &change.text)?;
    }
    file.save(&path, Path::new("."))?;
    warn_of(&effect);
    Ok(())
}

/// Says whether a build gives something else now, as kustomize does.
fn warn_of(effect: &Effect) {
    effect.after.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    match (&effect.before.yaml, &effect.after.yaml) {
        (_, Err(error)) => {
            let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            println!(
                "Warning: 'Fixed' kustomization now produces the error when running `kustomize build`: {error}{causes}"
            );
        }
        (Ok(before), Ok(after)) if before == after => {}
        // There was no output, and there is none.
        (Err(_), Ok(after)) if after.is_empty() => {}
        (_, Ok(after)) => println!(
            "Warning: 'Fixed' kustomization now produces different output when running `kustomize build`:\n...{after}...",
        ),
    }
}
