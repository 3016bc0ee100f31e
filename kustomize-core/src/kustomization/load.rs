//! Finds and reads the kustomization file of a directory.

use std::path::{Path, PathBuf};

use super::{Kustomization, decode, fix};
use crate::edit::KustomizationFile;
use crate::error::BuildError;
use crate::load::Loader;
use crate::options::Warning;
use crate::yaml;

/// A kustomization, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) kustomization: Kustomization,
    /// The file, as the file source knows it.
    pub(crate) path: PathBuf,
    /// One of [`KustomizationFile::NAMES`].
    pub(crate) file_name: &'static str,
}

/// Reads the kustomization of the loader's directory; deprecated fields are
/// moved to their successors, with a warning.
pub(crate) fn load(loader: &Loader<'_>) -> Result<Loaded, BuildError> {
    loader.session.note_kustomization()?;
    let (file_name, path) = find(loader)?;
    let source = loader.resolved_text(&path)?;
    let at = |source| BuildError::Yaml { path: path.clone(), source: Box::new(source) };
    let doc = yaml::parse_v2(source, &loader.session.options.limits.yaml).map_err(at)?;
    let decoded = decode::strict(&doc, doc.root());
    let mut kustomization: Kustomization =
        decoded.map_err(|source| BuildError::Kustomization { path: path.clone(), source })?;
    for (field, instead) in fix::deprecated(&doc) {
        loader.session.warn(Warning::DeprecatedField { kustomization: path.clone(), field, instead });
    }
    kustomization.fix();
    if fix::is_empty(&doc) {
        return Err(BuildError::EmptyKustomization { path });
    }
    check_type(&kustomization, &path)?;
    Ok(Loaded { kustomization, path, file_name })
}

fn find(loader: &Loader<'_>) -> Result<(&'static str, PathBuf), BuildError> {
    let mut found = Vec::new();
    for name in KustomizationFile::NAMES {
        // There should be no other one, so that it is not read next.
        let path = if found.is_empty() { loader.readable_next(name) } else { loader.readable(name) };
        found.extend(path.map(|path| (name, path)));
    }
    let dir = || loader.root().to_owned();
    match (found.pop(), &found[..]) {
        (None, _) => Err(BuildError::NoKustomization { dir: dir() }),
        (Some(only), []) => Ok(only),
        (Some((last, _)), others) => {
            let names = others.iter().map(|(name, _)| *name).chain([last]).collect();
            Err(BuildError::ManyKustomizations { dir: dir(), names })
        }
    }
}

fn check_type(kustomization: &Kustomization, path: &Path) -> Result<(), BuildError> {
    let Some((api_version, kind)) = kustomization.wrong_type() else { return Ok(()) };
    Err(BuildError::WrongType {
        path: path.to_owned(),
        wanted: (api_version.to_owned(), kind.to_owned()),
        found: (kustomization.api_version.clone(), kustomization.kind.clone()),
    })
}
