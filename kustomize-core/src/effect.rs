//! What a change of files does to what a kustomization renders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::{Attempt, attempt};
use crate::edit::FileChange;
use crate::error::BuildError;
use crate::options::{BuildOptions, Warning};
use crate::source::{ContentId, FileSource, ReadError, Resolved};

/// What a kustomization renders without and with a change; see [`effect`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Effect {
    /// Without the change.
    pub before: Rendered,
    /// With the change.
    pub after: Rendered,
}

impl Effect {
    /// Whether both can be rendered and give the same.
    pub fn is_none(&self) -> bool {
        matches!((&self.before.yaml, &self.after.yaml), (Ok(before), Ok(after)) if before == after)
    }
}

/// One of the two builds of an [`Effect`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Rendered {
    /// What is printed, or why nothing is.
    pub yaml: Result<String, BuildError>,
    /// What could be done better.
    pub warnings: Vec<Warning>,
}

impl From<Attempt> for Rendered {
    fn from(attempt: Attempt) -> Self {
        let yaml = attempt.resources.and_then(|resources| resources.to_yaml());
        Self { yaml, warnings: attempt.warnings }
    }
}

/// Builds the kustomization in the directory `root` of `files` as it is, and as
/// it would be with `changes`; nothing is written.
///
/// Tells what an edit does before it is made. That a build fails is part of
/// the answer. Programs that [`BuildOptions`] allow see the files without the changes.
///
/// ```
/// use kustomize_core::{BuildOptions, Memory, edit_all, effect};
///
/// let files = Memory::new()
///     .with("app/kustomization.yaml", "resources: [map.yaml]\n")
///     .with("app/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n");
/// let changes = edit_all(&files, ["app"], |file| file.set_name_prefix("x-"))?;
/// let effect = effect(&files, "app", &changes, &BuildOptions::new());
/// assert!(!effect.is_none());
/// assert_eq!(effect.after.yaml?, effect.before.yaml?.replace("name: a", "name: x-a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn effect(
    files: &dyn FileSource,
    root: impl AsRef<Path>,
    changes: &[FileChange],
    options: &BuildOptions,
) -> Effect {
    let root = root.as_ref();
    let before = attempt(files, root, options).into();
    let after = attempt(&Changed::new(files, changes), root, options).into();
    Effect { before, after }
}

/// Files with some of them changed or added.
struct Changed<'a> {
    files: &'a dyn FileSource,
    /// By where they are or will be, without symbolic links.
    changes: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl<'a> Changed<'a> {
    fn new(files: &'a dyn FileSource, changes: &[FileChange]) -> Self {
        let changes = changes.iter().map(|change| (real_path(files, &change.path), change.text.as_bytes().into()));
        Self { files, changes: changes.collect() }
    }

    fn has_below(&self, dir: &Path) -> bool {
        self.changes.keys().any(|path| path.starts_with(dir))
    }
}

fn real_path(files: &dyn FileSource, path: &Path) -> PathBuf {
    if let Ok(found) = files.resolve(path) {
        return found.path;
    }
    match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) => real_path(files, dir).join(name),
        _ => path.to_owned(),
    }
}

impl FileSource for Changed<'_> {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        self.files.resolve(path).or_else(|error| match real_path(self.files, path) {
            added if self.changes.contains_key(&added) => Ok(Resolved::new(added, false)),
            dir if self.has_below(&dir) => Ok(Resolved::new(dir, true)),
            _ => Err(error),
        })
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        match self.changes.get(&real_path(self.files, path)) {
            Some(bytes) if bytes.len() as u64 > limit => Err(ReadError::TooLarge { path: path.to_owned(), limit }),
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.files.read(path, limit),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        let real = real_path(self.files, dir);
        let added = self.changes.keys().filter_map(|path| path.strip_prefix(&real).ok()?.iter().next());
        let mut names: Vec<String> = added.map(|name| name.to_string_lossy().into_owned()).collect();
        match self.files.list(dir) {
            Ok(others) => names.extend(others),
            Err(error) if names.is_empty() => return Err(error),
            Err(_) => {}
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        self.files.local_path(path)
    }

    fn content_id(&self, path: &Path) -> Option<ContentId> {
        if self.has_below(&real_path(self.files, path)) { None } else { self.files.content_id(path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

    fn files() -> Memory {
        Memory::new()
            .with("app/kustomization.yaml", "resources: [../base]\n")
            .with("base/kustomization.yaml", "commonLabels: {}\nresources: [map.yaml]\n")
            .with("base/map.yaml", MAP)
    }

    fn of(changes: &[(&str, &str)]) -> Effect {
        let changes: Vec<FileChange> = changes.iter().map(|(path, text)| FileChange::new(*path, *text)).collect();
        effect(&files(), "app", &changes, &BuildOptions::new())
    }

    #[test]
    fn changed_and_added_files_are_seen() {
        assert!(of(&[]).is_none());
        assert!(of(&[("base/kustomization.yaml", "resources: [./map.yaml]\n")]).is_none());
        let added = [
            ("app/kustomization.yaml", "resources: [../base, ../new/base]\n"),
            ("new/base/kustomization.yaml", "namePrefix: x-\nresources: [map.yaml]\n"),
            ("new/base/map.yaml", MAP),
        ];
        let after = of(&added).after.yaml.expect("built");
        assert_eq!(after, format!("{MAP}---\n{}", MAP.replace(": a\n", ": x-a\n")));
    }

    #[test]
    fn a_failure_is_an_effect_with_its_warnings() {
        let effect = of(&[("base/map.yaml", "kind: ConfigMap\n")]);
        assert!(!effect.is_none() && effect.before.yaml.is_ok() && effect.after.yaml.is_err());
        assert_eq!((effect.before.warnings.len(), effect.after.warnings.len()), (1, 1));
    }

    #[test]
    fn names_of_both_are_listed() {
        let files = files();
        let changes = [FileChange::new("base/new.yaml", ""), FileChange::new("base/dir/new.yaml", "")];
        let changed = Changed::new(&files, &changes);
        let names = changed.list(Path::new("app/../base")).expect("listed");
        assert_eq!(names, ["dir", "kustomization.yaml", "map.yaml", "new.yaml"]);
        assert!(changed.list(Path::new("none")).is_err());
        assert!(changed.resolve(Path::new("base/dir")).is_ok_and(|found| found.is_dir));
        assert!(changed.read(Path::new("base/dir/new.yaml"), 0).is_ok());
    }
}
