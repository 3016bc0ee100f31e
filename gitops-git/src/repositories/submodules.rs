use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::id::ObjectId;
use crate::mirror::{FetchError, MirrorError};
use crate::repositories::Repositories;
use crate::revision::Revision;
use crate::tree::{EntryKind, ReadError, TreeReader, normal_path};
use crate::url::{RepoUrl, UrlError};

/// A repository that a commit has in one of its directories.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submodule {
    /// The directory.
    pub path: PathBuf,
    /// Where the repository is.
    pub url: RepoUrl,
    /// The commit that belongs there.
    pub commit: ObjectId,
}

/// Why the submodules of a commit cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmoduleError {
    /// The list of submodules cannot be read.
    #[error("cannot read the list of submodules")]
    Read {
        /// Why not.
        source: ReadError,
    },
    /// The URL of a submodule is none.
    #[error("the submodule in {} has no usable URL", path.display())]
    Url {
        /// Its directory.
        path: PathBuf,
        /// What is wrong with it.
        source: UrlError,
    },
    /// The repository may not be opened.
    #[error("the submodule in {} is at {url}, which is not allowed", path.display())]
    NotAllowed {
        /// Its directory.
        path: PathBuf,
        /// Where it is.
        url: RepoUrl,
    },
    /// The commit could not be fetched.
    #[error("cannot fetch the submodule in {}", path.display())]
    Fetch {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        source: Box<FetchError>,
    },
    /// The submodule's mirror cannot be used.
    #[error("cannot open a mirror for the submodule in {}", path.display())]
    Mirror {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        source: MirrorError,
    },
    /// Submodules have submodules without end.
    #[error("the submodule in {} is nested too deeply", path.display())]
    TooDeep {
        /// Its directory.
        path: PathBuf,
    },
}

/// Submodules of submodules are followed this far.
const MAX_DEPTH: usize = 5;

/// Larger files are no honest list of submodules.
const MAX_LIST_BYTES: u64 = 1 << 20;

impl TreeReader {
    /// The submodules of the commit, which is in the repository at `url`.
    ///
    /// Nothing is fetched. A submodule without an entry in `.gitmodules` is left
    /// out, and so is an entry whose directory is no submodule.
    ///
    /// # Errors
    ///
    /// When `.gitmodules` is a symbolic link or cannot be read, or has a URL
    /// that could do harm.
    pub fn submodules(&self, url: &RepoUrl) -> Result<Vec<Submodule>, SubmoduleError> {
        let read = |source| SubmoduleError::Read { source };
        let list = Path::new(".gitmodules");
        let root = self.list("".as_ref()).map_err(read)?;
        match root.iter().find(|entry| entry.name == ".gitmodules") {
            None => return Ok(Vec::new()),
            // A link could make git and us read different lists.
            Some(entry) => entry.expect_kind(list, EntryKind::File).map_err(read)?,
        }
        let text = self.read_limited(list, MAX_LIST_BYTES).map_err(read)?;
        let mut submodules = Vec::new();
        for (path, address) in parse(&String::from_utf8_lossy(&text)) {
            let Some(entry) = normal_path(Path::new(&path)).and_then(|path| self.entry(&path).ok()) else { continue };
            if entry.kind == EntryKind::Submodule {
                let path = PathBuf::from(path);
                let url = url.relative(&address);
                let url = url.map_err(|source| SubmoduleError::Url { path: path.clone(), source })?;
                submodules.push(Submodule { path, url, commit: entry.id });
            }
        }
        Ok(submodules)
    }

    /// The same tree, in which the files of submodules can be read too.
    ///
    /// Each submodule is fetched at the commit that is pinned, and so are theirs.
    /// Links in a submodule stay inside it. [`TreeReader::walk`] and
    /// [`TreeReader::export`] do not enter submodules, but can start in one.
    ///
    /// # Errors
    ///
    /// When a submodule may not be opened ([`Repositories::allow`]), cannot be
    /// fetched, or submodules are nested too deeply.
    pub fn with_submodules(&self, url: &RepoUrl, repositories: &Repositories) -> Result<Self, SubmoduleError> {
        self.with_submodules_below(url, repositories, 1)
    }

    fn with_submodules_below(
        &self,
        url: &RepoUrl,
        repositories: &Repositories,
        depth: usize,
    ) -> Result<Self, SubmoduleError> {
        let mut trees = BTreeMap::new();
        for Submodule { path, url, commit } in self.submodules(url)? {
            if depth > MAX_DEPTH {
                return Err(SubmoduleError::TooDeep { path });
            }
            if !repositories.allows(&url) {
                return Err(SubmoduleError::NotAllowed { path, url });
            }
            let mirror = repositories.mirror(&url);
            let mirror = mirror.map_err(|source| SubmoduleError::Mirror { path: path.clone(), source })?;
            mirror
                .fetch(&Revision::Commit(commit))
                .map_err(|source| SubmoduleError::Fetch { path: path.clone(), source: Box::new(source) })?;
            let tree = mirror.tree(commit).map_err(|source| SubmoduleError::Read { source })?;
            trees.insert(path, tree.with_submodules_below(&url, repositories, depth + 1)?);
        }
        self.mount(trees).map_err(|source| SubmoduleError::Read { source })
    }
}

/// Path and URL of each section, in the order of the file.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(Option<String>, Option<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.starts_with("[submodule ");
            if inside {
                sections.push((None, None));
            }
        } else if let (true, Some((key, value)), Some(section)) = (inside, line.split_once('='), sections.last_mut()) {
            let value = value.trim().trim_matches('"').to_owned();
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => section.0 = Some(value),
                "url" => section.1 = Some(value),
                _ => {}
            }
        }
    }
    sections.into_iter().filter_map(|(path, url)| Some((path?, url?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_in_any_form() {
        let text = "# x\n[core]\n\tpath = no\n[submodule \"a\"]\n\tpath = lib/a\n\turl = ../a.git\n\
                    [submodule \"b\"]\nURL=\"https://h.example/b\"\nPath = b\n[submodule \"c\"]\npath = c\n";
        let expected = [("lib/a", "../a.git"), ("b", "https://h.example/b")];
        assert_eq!(parse(text), expected.map(|(path, url)| (path.to_owned(), url.to_owned())));
    }
}
