use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::{ContentId, FileSource, ReadError, Resolved, is_normal, lexically_normal};

/// Files in memory: for tests, and for callers that have their own storage.
///
/// Cheap to clone: copies share what is the same in both. Content ids are
/// SHA-256 digests, made when somebody asks and kept until something changes.
///
/// ```
/// use kustomize_core::{FileSource, Memory};
/// let files = Memory::new().with("app/kustomization.yaml", "resources: []\n");
/// assert!(files.resolve("app".as_ref())?.is_dir);
/// assert_ne!(files.content_id("app".as_ref()), files.clone().with("app/x", "").content_id("app".as_ref()));
/// # Ok::<(), kustomize_core::ReadError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Memory {
    root: Arc<Folder>,
}

#[derive(Debug, Default)]
struct Folder {
    entries: BTreeMap<String, Node>,
    id: OnceLock<Id>,
}

#[derive(Debug, Clone)]
enum Node {
    File(Arc<File>),
    Folder(Arc<Folder>),
}

#[derive(Debug)]
struct File {
    bytes: Arc<[u8]>,
    id: OnceLock<Id>,
}

/// A content id, and the digest that it says, which takes half the time to digest again.
#[derive(Debug)]
struct Id {
    digest: [u8; 32],
    content: ContentId,
}

impl Id {
    fn of(digest: Sha256) -> Self {
        let digest = digest.finalize().into();
        Self { digest, content: ContentId::of_digest(&digest) }
    }
}

/// Folders are copied to be changed, so the copy has no id.
impl Clone for Folder {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), id: OnceLock::new() }
    }
}

impl Memory {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    #[must_use]
    pub fn with(mut self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        self.insert(path, content);
        self
    }

    /// Adds or replaces a file. A file that stands where one of its directories
    /// should be goes away, and so does a directory that stands in its own place.
    pub fn insert(&mut self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let file = File { bytes: content.as_ref().into(), id: OnceLock::new() };
        let normal = lexically_normal(path.as_ref());
        let names: Vec<String> = names(&normal).collect();
        if let [dirs @ .., name] = &names[..] {
            make_folder(&mut self.root, dirs).entries.insert(name.clone(), Node::File(Arc::new(file)));
        }
    }

    /// Removes a file; nothing happens if it is not there.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let normal = lexically_normal(path.as_ref());
        if matches!(self.node(&normal), Some(Node::File(_))) {
            let names: Vec<String> = names(&normal).collect();
            remove(&mut self.root, &names);
        }
    }

    /// What is at a path without `.` and `..`; `None` for the root too.
    fn node(&self, normal: &Path) -> Option<&Node> {
        let mut names = normal.to_str()?.split(std::path::is_separator);
        let mut node = self.root.entries.get(names.next()?)?;
        for name in names {
            let Node::Folder(folder) = node else { return None };
            node = folder.entries.get(name)?;
        }
        Some(node)
    }

    fn folder(&self, normal: &Path) -> Option<&Folder> {
        match self.node(normal) {
            Some(Node::Folder(folder)) => Some(folder),
            None if normal.as_os_str().is_empty() => Some(&self.root),
            _ => None,
        }
    }
}

/// See [`lexically_normal`].
fn normal(path: &Path) -> Cow<'_, Path> {
    let is_normal = is_normal(path.as_os_str().as_encoded_bytes());
    if is_normal { Cow::Borrowed(path) } else { Cow::Owned(lexically_normal(path)) }
}

/// The components of a normal path; a file whose name is no UTF-8 can never be asked for by a kustomization.
fn names(normal: &Path) -> impl Iterator<Item = String> {
    normal.iter().map(|name| name.to_string_lossy().into_owned())
}

/// Folders are empty only for a moment, as in Git.
fn remove(folder: &mut Arc<Folder>, names: &[String]) {
    let Some((name, below)) = names.split_first() else { return };
    let folder = Arc::make_mut(folder);
    folder.id.take();
    let is_gone = match folder.entries.get_mut(name) {
        Some(Node::Folder(inner)) if !below.is_empty() => {
            remove(inner, below);
            inner.entries.is_empty()
        }
        _ => below.is_empty(),
    };
    if is_gone {
        folder.entries.remove(name);
    }
}

/// The folder below `folder`, for writing.
fn make_folder<'a>(folder: &'a mut Arc<Folder>, names: &[String]) -> &'a mut Folder {
    let folder = Arc::make_mut(folder);
    folder.id.take();
    let Some((name, below)) = names.split_first() else { return folder };
    let node = folder.entries.entry(name.clone()).or_insert_with(Node::empty_folder);
    if let Node::File(_) = node {
        *node = Node::empty_folder();
    }
    match node {
        Node::Folder(inner) => make_folder(inner, below),
        Node::File(_) => unreachable!("a file was replaced just now"),
    }
}

impl Node {
    fn empty_folder() -> Self {
        Self::Folder(Arc::default())
    }

    fn id(&self) -> &Id {
        match self {
            Self::File(file) => file.id.get_or_init(|| Id::of(Sha256::new_with_prefix(&file.bytes))),
            Self::Folder(folder) => folder.id(),
        }
    }
}

impl Folder {
    /// A digest of the names and ids in it, with what each of them is.
    fn id(&self) -> &Id {
        self.id.get_or_init(|| {
            let mut digest = Sha256::new();
            for (name, node) in &self.entries {
                let kind = if matches!(node, Node::File(_)) { "file " } else { "folder " };
                // No name has a slash, and digests are of one length.
                [kind.as_bytes(), &node.id().digest, name.as_bytes(), b"/"].iter().for_each(|part| digest.update(part));
            }
            Id::of(digest)
        })
    }
}

impl FileSource for Memory {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        let normal = lexically_normal(path);
        match self.node(&normal) {
            Some(node) => Ok(Resolved::new(normal, matches!(node, Node::Folder(_)))),
            None if normal.as_os_str().is_empty() => Ok(Resolved::new(normal, true)),
            None => Err(ReadError::NotFound { path: path.to_owned() }),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let normal = lexically_normal(path);
        match self.node(&normal) {
            Some(Node::File(file)) if file.bytes.len() as u64 <= limit => Ok(file.bytes.to_vec()),
            Some(Node::File(_)) => Err(ReadError::TooLarge { path: path.to_owned(), limit }),
            None if !normal.as_os_str().is_empty() => Err(ReadError::NotFound { path: path.to_owned() }),
            _ => Err(ReadError::WrongKind { path: path.to_owned(), wanted: "regular file" }),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        let normal = lexically_normal(dir);
        match self.folder(&normal) {
            Some(folder) => Ok(folder.entries.keys().cloned().collect()),
            None if self.node(&normal).is_none() => Err(ReadError::NotFound { path: dir.to_owned() }),
            None => Err(ReadError::WrongKind { path: dir.to_owned(), wanted: "directory" }),
        }
    }

    fn content_id(&self, path: &Path) -> Option<ContentId> {
        let normal = normal(path);
        match self.node(&normal) {
            Some(node) => Some(node.id().content.clone()),
            None => normal.as_os_str().is_empty().then(|| self.root.id().content.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(files: &Memory, path: &str) -> ContentId {
        files.content_id(Path::new(path)).expect("something is there")
    }

    #[test]
    fn memory_knows_its_directories() {
        let files = Memory::new().with("a/b/c.yaml", "").with("a-b/d.yaml", "");
        assert_eq!(files.list(Path::new("a")).expect("listed"), ["b"]);
        assert_eq!(files.list(Path::new("")).expect("listed"), ["a", "a-b"]);
        assert!(files.resolve(Path::new("a/../a-b/./d.yaml")).is_ok_and(|found| !found.is_dir));
        assert!(matches!(files.resolve(Path::new("a/x")), Err(ReadError::NotFound { .. })));
        assert!(matches!(files.resolve(Path::new("a-b/d.yaml/x")), Err(ReadError::NotFound { .. })));
        assert!(matches!(files.list(Path::new("a-b/d.yaml")), Err(ReadError::WrongKind { .. })));
    }

    #[test]
    fn limits_are_kept() {
        let files = Memory::new().with("a", "12345");
        assert!(matches!(files.read(Path::new("a"), 4), Err(ReadError::TooLarge { limit: 4, .. })));
        assert!(files.read(Path::new("a"), 5).is_ok());
    }

    #[test]
    fn a_directory_is_gone_with_its_last_file() {
        let mut files = Memory::new().with("a/b/c", "1").with("a/d", "2");
        let before = id(&files, "");
        files.remove("a/b");
        assert_eq!(id(&files, ""), before);
        files.remove("a/b/c");
        assert_eq!(files.list(Path::new("a")).expect("listed"), ["d"]);
        files.insert("a/b/c", "1");
        assert_eq!(id(&files, ""), before);
    }

    #[test]
    fn ids_change_with_the_content_only() {
        let one = Memory::new().with("a/b", "1").with("c/d", "2");
        let two = one.clone().with("c/d", "3");
        assert_eq!(id(&one, "a"), id(&two, "a"));
        for path in ["", "c", "c/d"] {
            assert_ne!(id(&one, path), id(&two, path), "{path}");
        }
        assert_eq!(id(&two.with("c/d", "2"), ""), id(&one, ""));
        assert_ne!(id(&Memory::new().with("a", ""), ""), id(&Memory::new().with("a/a", ""), ""));
    }
}
