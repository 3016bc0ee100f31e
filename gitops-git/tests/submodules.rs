//! Submodules, at their pinned commits and only where they are allowed.

mod support;

use std::path::Path;

use gitops_git::{
    EntryKind, MirrorOptions, ReadError, Remote, RepoUrl, Repositories, Revision, SubmoduleError, TreeReader,
};
use support::{Fixture, git, git_with_input};

/// `app.git` with the submodule `lib` in `vendor/lib`, as `.gitmodules` says.
fn nested(gitmodules: &str) -> (Fixture, String) {
    let fixture = Fixture::new(1);
    let root = fixture.dir.path();
    git(root, &["init", "-q", "--bare", "-b", "main", "lib.git"]);
    let import = "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n\
                  M 100644 inline base/web.yml\ndata 8\nkind: X\n\nM 120000 inline link\ndata 12\nbase/web.yml\n\
                  M 120000 inline out\ndata 10\n../VERSION\n\n";
    git_with_input(&root.join("lib.git"), &["fast-import", "--quiet"], import.as_bytes());
    let pinned = git(&root.join("lib.git"), &["rev-parse", "main"]);
    let import = format!(
        "commit refs/heads/main\ncommitter A <a@example.com> 1700000001 +0000\ndata 1\nx\nfrom refs/heads/main^0\n\
         M 100644 inline .gitmodules\ndata {}\n{gitmodules}\nM 160000 {pinned} vendor/lib\n\n",
        gitmodules.len()
    );
    git_with_input(&fixture.repository(), &["fast-import", "--quiet"], import.as_bytes());
    // What comes later in the submodule is not what is pinned.
    let import = "commit refs/heads/main\ncommitter A <a@example.com> 1700000002 +0000\ndata 1\nx\n\
                  from refs/heads/main^0\nM 100644 inline base/web.yml\ndata 8\nkind: Y\n\n";
    git_with_input(&root.join("lib.git"), &["fast-import", "--quiet"], import.as_bytes());
    (fixture, pinned)
}

fn read(fixture: &Fixture) -> TreeReader {
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let commit = mirror.fetch(&Revision::Head).unwrap();
    mirror.tree(commit.id).unwrap()
}

fn repositories(fixture: &Fixture) -> Repositories {
    Repositories::new(fixture.cache("submodules"), Remote::new(fixture.file_url()), MirrorOptions::new())
}

#[test]
fn files_are_read_at_the_pinned_commit() {
    let (fixture, pinned) = nested("[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n");
    let tree = read(&fixture);
    let listed = tree.submodules(&fixture.file_url()).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].commit.to_string(), pinned);
    let off = tree.read("vendor/lib/base/web.yml".as_ref());
    assert!(matches!(off, Err(ReadError::WrongKind { found: EntryKind::Submodule, .. })), "{off:?}");

    let tree = tree.with_submodules(&fixture.file_url(), &repositories(&fixture)).unwrap();
    for path in ["vendor/lib/base/web.yml", "vendor/lib/link", "vendor/lib/base/../../lib/base/web.yml"] {
        assert_eq!(tree.read(path.as_ref()).unwrap(), b"kind: X\n", "{path}");
    }
    assert_eq!(tree.read("vendor/lib/../../VERSION".as_ref()).unwrap(), b"0001");
    assert_eq!(tree.canonical_path("vendor/lib/link".as_ref()).unwrap(), Path::new("vendor/lib/base/web.yml"));
    let names: Vec<_> = tree.list("vendor/lib".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["base", "link", "out"]);
    assert!(matches!(tree.read("vendor/lib/out".as_ref()), Err(ReadError::Outside { .. })));
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    for (address, allowed) in [
        ("https://internal.example/secret.git", true),
        ("--upload-pack=touch pwned", false),
        ("ext::sh -c touch% pwned", false),
        ("ssh://-oProxyCommand=touch%20pwned/x", false),
        ("../../../../../../../../../../../../../x", false),
        ("../a\\n/../../b", false),
    ] {
        let list = format!("[submodule \"x\"]\n\tpath = vendor/lib\n\turl = {address}\n");
        let (fixture, _) = nested(&list);
        let result = read(&fixture).with_submodules(&fixture.file_url(), &repositories(&fixture));
        match (result, allowed) {
            (Err(SubmoduleError::NotAllowed { .. }), true) | (Err(SubmoduleError::Url { .. }), false) => {}
            (other, _) => panic!("{address}: {other:?}"),
        }
    }
}

#[test]
fn a_list_that_is_a_link_is_refused_and_wrong_paths_are_nothing() {
    let (fixture, _) = nested("[submodule \"x\"]\n\tpath = ../../vendor/lib\n\turl = ../lib.git\n");
    assert!(read(&fixture).submodules(&fixture.file_url()).unwrap().is_empty());
    let import = "commit refs/heads/main\ncommitter A <a@example.com> 1700000009 +0000\ndata 1\nx\n\
                  from refs/heads/main^0\nM 120000 inline .gitmodules\ndata 7\nVERSION\n\n";
    git_with_input(&fixture.repository(), &["fast-import", "--quiet"], import.as_bytes());
    let refused = read(&fixture).submodules(&fixture.file_url());
    assert!(matches!(refused, Err(SubmoduleError::Read { .. })), "{refused:?}");
}

#[test]
fn an_allow_list_decides_instead_of_the_host() {
    let (fixture, _) = nested("[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n");
    let nothing = repositories(&fixture).allow(|_| false);
    let refused = read(&fixture).with_submodules(&fixture.file_url(), &nothing);
    assert!(matches!(refused, Err(SubmoduleError::NotAllowed { .. })), "{refused:?}");
    let https: RepoUrl = "https://other.example/x".parse().unwrap();
    assert!(!repositories(&fixture).allows(&https));
    assert!(repositories(&fixture).allow(|url| url.host() == "other.example").allows(&https));
}
