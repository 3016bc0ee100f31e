//! `kustomize edit fix`: deprecated fields become their successors.

use std::fs;
use std::path::Path;

use kustomize_core::Directory;

use crate::args::{self, switch};
use crate::edit::{self, Result};

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
    file.fix(|patch| Path::new(patch).is_file())?;
    if args.is_on("vars") {
        for change in file.vars_to_replacements(&Directory::new(".")?, Path::new(""))? {
            fs::write(&change.path, &change.text)?;
        }
    }
    print!("{FIXED}{}", if args.is_on("vars") { "  vars -> replacements\n" } else { HINT });
    Ok(file.save(&path, Path::new("."))?)
}
