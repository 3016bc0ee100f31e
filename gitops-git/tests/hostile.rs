//! Repositories that no honest git would make, written as raw objects.
//!
//! `GITOPS_GIT_ENTRIES=1000000` makes a directory with so many entries.

mod support;

use std::ops::ControlFlow;
use std::path::Path;

use gitops_git::{
    EntryKind, ExportError, ExportOptions, Limits, Mirror, MirrorOptions, ReadError, Remote, Revision, TreeReader,
};
use support::{Fixture, git_with_input};

struct Hostile {
    fixture: Fixture,
}

impl Hostile {
    fn new() -> Self {
        Self { fixture: Fixture::new(0) }
    }

    fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let arguments = ["hash-object", "-t", kind, "-w", "--stdin", "--literally"];
        git_with_input(&self.fixture.repository(), &arguments, bytes)
    }

    fn blob(&self, text: &str) -> String {
        self.object("blob", text.as_bytes())
    }

    fn tree(&self, entries: &[(&str, &str, &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend((0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()));
        }
        self.object("tree", &bytes)
    }

    /// Makes a commit of the tree, fetches it, and reads it.
    fn read_with(&self, tree: &str, limits: Limits) -> TreeReader {
        let commit = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
        let commit = self.object("commit", commit.as_bytes());
        self.fixture.git(&["update-ref", "refs/heads/main", &commit]);
        let options = MirrorOptions::new().limits(limits);
        let mirror = Mirror::open(self.fixture.cache("m"), Remote::new(self.fixture.file_url()), options).unwrap();
        let commit = mirror.fetch(&Revision::branch("main")).unwrap();
        mirror.tree(commit.id).unwrap()
    }

    fn read(&self, tree: &str) -> TreeReader {
        self.read_with(tree, Limits::new())
    }

    fn export(&self, tree: &TreeReader) -> Result<(), ExportError> {
        let target = self.fixture.dir.path().join("out").join("export");
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let result = tree.export("".as_ref(), &target, &ExportOptions::new().replace(true));
        if result.is_err() {
            assert!(!target.exists(), "whole or not at all");
            assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 0, "nothing stays behind");
        }
        result
    }
}

fn walk(tree: &TreeReader) -> Result<usize, ReadError> {
    let mut count = 0;
    tree.walk("".as_ref(), &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[test]
fn names_that_would_escape_are_refused() {
    let hostile = Hostile::new();
    let blob = hostile.blob("pwned\n");
    for name in [".git", ".GIT", "git~1", ".git ", ".g\u{200c}it", "..", ".", "a/b", "../x", "a\\b", "/etc"] {
        let tree = hostile.read(&hostile.tree(&[("100644", name, &blob)]));
        let listed = tree.list("".as_ref());
        assert!(matches!(listed, Err(ReadError::UnsafeName { .. })), "{name:?} {listed:?}");
        assert!(matches!(walk(&tree), Err(ReadError::UnsafeName { .. })), "{name:?}");
        let exported = hostile.export(&tree);
        assert!(matches!(exported, Err(ExportError::Read { .. })), "{name:?} {exported:?}");
    }
}

#[test]
fn a_directory_named_git_is_refused_below_the_root_too() {
    let hostile = Hostile::new();
    let blob = hostile.blob("[core]\n\tfsmonitor = id\n");
    let git = hostile.tree(&[("100644", "config", &blob)]);
    let sub = hostile.tree(&[("40000", ".git", &git)]);
    let tree = hostile.read(&hostile.tree(&[("40000", "sub", &sub)]));
    assert!(matches!(hostile.export(&tree), Err(ExportError::Read { .. })));
}

#[test]
fn links_are_followed_inside_the_tree_only() {
    let hostile = Hostile::new();
    let blob = hostile.blob("inside\n");
    let link = |target: &str| hostile.blob(target);
    let sub = hostile.tree(&[
        ("100644", "file", &blob),
        ("120000", "up", &link("../file")),
        ("120000", "upup", &link("../../outside")),
    ]);
    let tree = hostile.read(&hostile.tree(&[
        ("120000", "absolute", &link("/etc/passwd")),
        ("120000", "chain", &link("dir/up")),
        ("120000", "dir", &link("sub")),
        ("100644", "file", &blob),
        ("120000", "loop", &link("pool")),
        ("120000", "out", &link("sub/../../../etc/passwd")),
        ("120000", "pool", &link("loop")),
        ("40000", "sub", &sub),
    ]));
    let read = |path: &str| tree.read(Path::new(path));
    assert_eq!(read("chain").unwrap(), b"inside\n");
    assert_eq!(read("dir/./up").unwrap(), b"inside\n");
    assert_eq!(read("/sub/../file").unwrap(), b"inside\n");
    assert_eq!(tree.canonical_path("dir/file".as_ref()).unwrap(), Path::new("sub/file"));
    for path in ["absolute", "out", "sub/upup", "dir/upup", "../x", "sub/../../x"] {
        assert!(matches!(read(path), Err(ReadError::Outside { .. })), "{path} {:?}", read(path));
    }
    assert!(matches!(read("loop"), Err(ReadError::LinkLoop { .. })));
    assert!(matches!(read("sub"), Err(ReadError::WrongKind { found: EntryKind::Directory, .. })));
    assert!(matches!(read("file/x"), Err(ReadError::NotFound { .. })));
    let exported = hostile.export(&tree);
    assert!(matches!(exported, Err(ExportError::Outside { .. })), "{exported:?}");
}

#[test]
fn a_long_chain_of_links_ends() {
    let hostile = Hostile::new();
    let names: Vec<String> = (0..100).map(|number| format!("link{number:03}")).collect();
    let targets: Vec<String> = (1..=100).map(|number| hostile.blob(&format!("link{number:03}"))).collect();
    let entries: Vec<_> = names.iter().zip(&targets).map(|(name, id)| ("120000", name.as_str(), id.as_str())).collect();
    let tree = hostile.read(&hostile.tree(&entries));
    assert!(matches!(tree.read("link000".as_ref()), Err(ReadError::LinkLoop { .. })));
}

#[test]
fn a_link_and_a_directory_of_one_name_write_nothing_outside() {
    let hostile = Hostile::new();
    let blob = hostile.blob("pwned\n");
    let sub = hostile.tree(&[("100644", "file", &blob)]);
    let out = hostile.blob("..");
    let tree = hostile.read(&hostile.tree(&[("120000", "a", &out), ("40000", "a", &sub)]));
    assert!(hostile.export(&tree).is_err());
    assert!(!hostile.fixture.dir.path().join("file").exists());
}

#[test]
fn names_that_are_one_name_elsewhere_are_refused() {
    let hostile = Hostile::new();
    let (blob, out) = (hostile.blob("pwned\n"), hostile.blob(".."));
    let sub = hostile.tree(&[("100644", "file", &blob)]);
    for entries in [
        [("120000", "A", out.as_str()), ("40000", "a", &sub)],
        [("100644", "README", &blob), ("100644", "readme", &blob)],
    ] {
        let tree = hostile.read(&hostile.tree(&entries));
        let refused = hostile.export(&tree);
        assert!(matches!(refused, Err(ExportError::CaseCollision { .. })), "{refused:?}");
    }
    let tree = hostile.read(&hostile.tree(&[("100644", "README", &blob), ("100644", "readme", &blob)]));
    let target = hostile.fixture.dir.path().join("allowed");
    tree.export("".as_ref(), &target, &ExportOptions::new().allow_case_collisions(true)).unwrap();
    assert_eq!(std::fs::read_dir(target).unwrap().count(), 2);
}

#[test]
fn a_path_that_no_file_can_have_is_not_found() {
    let hostile = Hostile::new();
    let blob = hostile.blob("text\n");
    let tree = hostile.read(&hostile.tree(&[("100644", "file", &blob)]));
    for path in ["fi\0le", "file\0", "\0", "a/\0/b"] {
        assert!(matches!(tree.read(path.as_ref()), Err(ReadError::NotFound { .. })), "{path:?}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let hostile = Hostile::new();
    let entries: usize = std::env::var("GITOPS_GIT_ENTRIES").map_or(20_000, |n| n.parse().expect("a number"));
    let big = hostile.object("blob", &vec![b'a'; 3 << 20]);
    let id: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&big[at..at + 2], 16).unwrap()).collect();
    let mut many = Vec::new();
    for number in 0..entries {
        many.extend_from_slice(format!("100644 f{number:07}\0").as_bytes());
        many.extend_from_slice(&id);
    }
    let many = hostile.object("tree", &many);
    let mut deep = many.clone();
    for _ in 0..200 {
        deep = hostile.tree(&[("40000", "d", &deep)]);
    }
    let limits = Limits::new().max_file_bytes(1 << 20).max_entries(entries - 1);
    let root = hostile.tree(&[("100644", "big", &big), ("40000", "deep", &deep), ("40000", "many", &many)]);
    let tree = hostile.read_with(&root, limits);
    let large = |result: Result<(), ReadError>, of: &str| {
        assert!(matches!(&result, Err(ReadError::TooLarge { unit, .. }) if *unit == of), "{of} {result:?}");
    };
    large(tree.read("big".as_ref()).map(drop), "bytes");
    large(tree.list("many".as_ref()).map(drop), "entries");
    large(tree.read("many/f0000001".as_ref()).map(drop), "entries");
    large(walk(&tree).map(drop), "directories");
    large(
        tree.list(Path::new(&"d/".repeat(150)).strip_prefix("d").map(|p| Path::new("deep").join(p)).unwrap().as_ref())
            .map(drop),
        "directories",
    );
}

#[test]
fn an_honest_tree_is_exported_as_it_is() {
    let hostile = Hostile::new();
    let blob = hostile.blob("text\n");
    let link = hostile.blob("../a");
    let sub = hostile.tree(&[("120000", "link", &link), ("100755", "run", &blob)]);
    let tree = hostile.read(&hostile.tree(&[
        ("100644", "a", &blob),
        ("160000", "module", &"1".repeat(40)),
        ("40000", "sub", &sub),
    ]));
    hostile.export(&tree).unwrap();
    let out = hostile.fixture.dir.path().join("out/export");
    assert_eq!(std::fs::read(out.join("sub/link")).unwrap(), b"text\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&out.join("sub/run").metadata().unwrap().permissions());
    assert_eq!(mode & 0o111, 0o111);
    assert!(out.join("module").is_dir());
    std::fs::write(out.join("left over"), "").unwrap();
    hostile.export(&tree).unwrap();
    assert!(!out.join("left over").exists(), "replaced as a whole");
    assert_eq!(std::fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "nothing stays behind");
    let again = tree.export("".as_ref(), &out, &ExportOptions::new());
    assert!(matches!(again, Err(ExportError::Write { .. })), "{again:?}");
}
