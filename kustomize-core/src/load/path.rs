//! Paths as kustomizations write them.

use std::path::{Component, Path, PathBuf};

use crate::source::is_normal;

/// The directory that a path is in, and its name there.
pub(super) fn entry_of(path: &Path) -> Option<(&Path, &str)> {
    let mut components = path.components();
    let Component::Normal(name) = components.next_back()? else { return None };
    Some((components.as_path(), name.to_str()?))
}

/// Whether `path` is `dir` or below it.
pub(super) fn is_within(path: &Path, dir: &Path) -> bool {
    // Mostly it is the very directory, and comparing by component takes longer.
    dir.as_os_str().is_empty() || path.as_os_str() == dir.as_os_str() || path.starts_with(dir)
}

/// `path` as seen from `root`, with `.` and `..` taken out by name, as Go's
/// `filepath.Join` does: a `..` after a symbolic link does not follow the link.
pub(super) fn join(root: &Path, path: &str) -> PathBuf {
    join_plain(root, path).unwrap_or_else(|| join_any(root, path))
}

/// As [`join_any`], for the paths that kustomizations are made of: names with
/// `..` before them, as far as `root` goes up.
fn join_plain(root: &Path, path: &str) -> Option<PathBuf> {
    let (mut dir, mut below) = (root, path);
    while let Some(rest) = below.strip_prefix("../") {
        (dir, below) = (dir.parent()?, rest);
    }
    let root = root.as_os_str().as_encoded_bytes();
    let is_plain = is_normal(root.strip_prefix(b"/").unwrap_or(root)) && is_normal(below.as_bytes());
    if !is_plain || below.is_empty() {
        return None;
    }
    let mut joined = PathBuf::with_capacity(dir.as_os_str().len() + 1 + below.len());
    joined.push(dir);
    joined.push(below);
    Some(joined)
}

fn join_any(root: &Path, path: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match joined.components().next_back() {
                Some(Component::Normal(_)) => {
                    joined.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => joined.push(".."),
            },
            other => joined.push(other),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_joined_by_name() {
        for (root, path, joined) in [
            ("/a/b", "../c", "/a/c"),
            ("/a", "../../../c", "/c"),
            ("a", "../../c", "../c"),
            ("a/b", "./c/../d/", "a/b/d"),
            ("/a", "/x/y", "/x/y"),
            ("a", "", "a"),
        ] {
            assert_eq!(join(Path::new(root), path), Path::new(joined), "{root} {path}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_to_a_path_leads_where_the_long_one_does(
            root in "/?([ab.]{0,2}/){0,3}[ab.]{0,2}", path in "/?([ab.]{0,2}/){0,4}[ab.]{0,2}"
        ) {
            let (root, path) = (Path::new(&root), path.as_str());
            prop_assert_eq!(join(root, path).into_os_string(), join_any(root, path).into_os_string());
        }
    }
}
