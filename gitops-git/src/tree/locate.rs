use std::path::{Component, Path, PathBuf};

use git2::Repository;

use crate::id::ObjectId;
use crate::tree::entry::{Entry, EntryKind, is_safe};
use crate::tree::trees::Trees;
use crate::tree::{Limits, ReadError, read_blob};

/// Links that one path may lead through, as many as Linux allows.
const MAX_LINKS: usize = 40;

/// A link's target longer than this names no file on any system.
const MAX_LINK_BYTES: u64 = 4096;

pub(crate) struct Located {
    /// Without symbolic links, `.` and `..`.
    pub(crate) path: PathBuf,
    pub(crate) entry: Entry,
}

/// Where a path leads.
pub(crate) enum Place {
    Here(Located),
    /// Into another repository.
    Submodule {
        /// Where it is mounted.
        at: PathBuf,
        /// The way from there.
        rest: PathBuf,
    },
}

/// What is at `path` below the tree `root`, symbolic links followed.
pub(crate) fn locate(
    repository: &Repository,
    trees: &Trees,
    root: ObjectId,
    path: &Path,
    limits: &Limits,
) -> Result<Place, ReadError> {
    let mut walk = Walk { repository, trees, limits, path, at: vec![directory("", root)], links: 0 };
    let mut ahead = components(path, path)?;
    while let Some(name) = ahead.pop() {
        if walk.here().kind == EntryKind::Submodule && name != ".." {
            ahead.push(name);
            if let Some(rest) = inside(&mut ahead) {
                return Ok(Place::Submodule { at: walk.found().path, rest });
            }
            walk.up()?;
            continue;
        }
        match name.as_str() {
            ".." => walk.up()?,
            name => ahead.extend(walk.down(name)?),
        }
    }
    Ok(Place::Here(walk.found()))
}

/// The components that stay in the submodule where the path is now; `None` if
/// the path leaves it again, and then only what comes after that is left ahead.
fn inside(ahead: &mut Vec<String>) -> Option<PathBuf> {
    let mut rest = PathBuf::new();
    let mut depth = 0_usize;
    while let Some(name) = ahead.pop() {
        depth = match (name.as_str(), depth) {
            ("..", 0) => return None,
            ("..", depth) => depth - 1,
            (_, depth) => depth + 1,
        };
        rest.push(name);
    }
    Some(rest)
}

/// `path` without a leading `/` and `.`, if it has no `..`.
pub(crate) fn normal_path(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => normal.push(name.to_str().filter(|name| is_safe(name))?),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (!normal.as_os_str().is_empty()).then_some(normal)
}

fn directory(name: &str, id: ObjectId) -> Entry {
    Entry { name: name.to_owned(), kind: EntryKind::Directory, id }
}

/// The components of `path` in reverse; the error names `asked`.
fn components(path: &Path, asked: &Path) -> Result<Vec<String>, ReadError> {
    let not_found = || ReadError::NotFound { path: asked.to_owned() };
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir => names.push("..".to_owned()),
            // git2 panics on a name with a NUL.
            Component::Normal(name) => {
                let name = name.to_str().filter(|name| !name.contains('\0'));
                names.push(name.ok_or_else(not_found)?.to_owned());
            }
            Component::Prefix(_) => return Err(not_found()),
        }
    }
    names.reverse();
    Ok(names)
}

struct Walk<'a> {
    repository: &'a Repository,
    trees: &'a Trees,
    limits: &'a Limits,
    /// What was asked for.
    path: &'a Path,
    /// The entries from the root to where we are; never empty.
    at: Vec<Entry>,
    links: usize,
}

impl Walk<'_> {
    fn here(&self) -> &Entry {
        self.at.last().expect("the root is never left")
    }

    fn up(&mut self) -> Result<(), ReadError> {
        if self.here().kind != EntryKind::Submodule {
            self.here().expect_kind(self.path, EntryKind::Directory)?;
        }
        if self.at.len() == 1 {
            return Err(ReadError::Outside { path: self.path.to_owned() });
        }
        self.at.pop();
        Ok(())
    }

    /// Enters `name`; if it is a link, returns the components it adds to the way.
    fn down(&mut self, name: &str) -> Result<Vec<String>, ReadError> {
        let not_found = || ReadError::NotFound { path: self.path.to_owned() };
        match self.here().kind {
            EntryKind::Directory => {}
            // As the file system says for a path below a file.
            kind if kind.is_file() => return Err(not_found()),
            found => {
                let wanted = EntryKind::Directory;
                return Err(ReadError::WrongKind { path: self.path.to_owned(), found, wanted });
            }
        }
        let found = self.trees.entry(self.repository, self.here().id, name, self.path, self.limits)?;
        let (id, kind) = found.ok_or_else(not_found)?;
        if kind == EntryKind::Symlink {
            return self.follow(id);
        }
        if self.at.len() > self.limits.max_depth {
            return Err(ReadError::TooLarge {
                path: self.path.to_owned(),
                limit: self.limits.max_depth as u64,
                unit: "directories",
            });
        }
        self.at.push(Entry { name: name.to_owned(), kind, id });
        Ok(Vec::new())
    }

    fn follow(&mut self, link: ObjectId) -> Result<Vec<String>, ReadError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(ReadError::LinkLoop { path: self.path.to_owned() });
        }
        let outside = || ReadError::Outside { path: self.path.to_owned() };
        let target = read_blob(self.repository, link, self.path, MAX_LINK_BYTES)?;
        let target = String::from_utf8(target).map_err(|_| outside())?;
        if target.starts_with('/') || target.is_empty() {
            return Err(outside());
        }
        components(Path::new(&target), self.path)
    }

    fn found(mut self) -> Located {
        let path = self.at.iter().skip(1).map(|entry| entry.name.as_str()).collect();
        let entry = self.at.pop().expect("the root is never left");
        Located { path, entry }
    }
}
