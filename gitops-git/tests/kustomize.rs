//! A kustomization is built straight from a commit, remote bases included.

mod support;

use std::sync::Arc;

use gitops_git::{MirrorOptions, Remote, Repositories, Revision};
use kustomize_core::{BuildOptions, FileSource, build};
use support::{Fixture, git_with_input};

fn commit(fixture: &Fixture, files: &[(&str, &str, &str)]) {
    let mut import = String::from(
        "commit refs/heads/main\ncommitter A <a@example.com> 1700000009 +0000\ndata 1\nx\nfrom refs/heads/main^0\n",
    );
    for (mode, path, text) in files {
        import.push_str(&format!("M {mode} inline {path}\ndata {}\n{text}\n", text.len()));
    }
    git_with_input(&fixture.repository(), &["fast-import", "--quiet"], format!("{import}\n").as_bytes());
}

const BASE: &str = "resources:\n- map.yml\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";

fn rendered(fixture: &Fixture, root: &str, options: &BuildOptions) -> String {
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let commit = mirror.fetch(&Revision::Head).unwrap();
    let tree = mirror.tree(commit.id).unwrap();
    build(&tree, root, options).unwrap().resources.to_yaml().unwrap()
}

#[test]
fn an_overlay_on_a_base_behind_a_link() {
    let fixture = Fixture::new(1);
    commit(
        &fixture,
        &[
            ("100644", "base/kustomization.yml", BASE),
            ("100644", "base/map.yml", MAP),
            ("120000", "common", "base"),
            ("100644", "prod/kustomization.yaml", "namePrefix: prod-\nresources:\n- ../common\n"),
        ],
    );
    let text = rendered(&fixture, "prod", &BuildOptions::new());
    assert_eq!(text, MAP.replace("settings", "prod-settings"));
}

#[test]
fn content_ids_change_with_the_content_only() {
    let fixture = Fixture::new(1);
    commit(&fixture, &[("100644", "base/map.yml", MAP)]);
    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let ids = || {
        let tree = mirror.tree(mirror.fetch(&Revision::Head).unwrap().id).unwrap();
        ["base", "base/map.yml", "deploy"].map(|path| tree.content_id(path.as_ref()).unwrap())
    };
    let before = ids();
    commit(&fixture, &[("100644", "base/map.yml", "kind: Other\n")]);
    let after = ids();
    assert_ne!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(before[2], after[2]);
}

#[test]
fn remote_bases_come_from_mirrors() {
    let base = Fixture::new(1);
    commit(&base, &[("100644", "base/kustomization.yml", BASE), ("100644", "base/map.yml", MAP)]);
    let fixture = Fixture::new(1);
    let address = format!("{}//base?ref=main", base.file_url());
    commit(&fixture, &[("100644", "prod/kustomization.yaml", &format!("nameSuffix: -x\nresources:\n- {address}\n"))]);
    let repositories = Repositories::new(fixture.cache("bases"), Remote::new(fixture.file_url()), MirrorOptions::new());
    let options = |repositories: Repositories| BuildOptions::new().remote(Arc::new(repositories));
    let text = rendered(&fixture, "prod", &options(repositories.clone()));
    assert_eq!(text, MAP.replace("settings", "settings-x"));

    let mirror = fixture.mirror(Remote::new(fixture.file_url()));
    let tree = mirror.tree(mirror.fetch(&Revision::Head).unwrap().id).unwrap();
    let refused = build(&tree, "prod", &options(repositories.allow(|_| false)));
    assert!(refused.is_err());
}
