//! The team's repository: a base, an overlay for each environment, on branch `dev`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use gitops_git::{CommitOptions, Mirror, MirrorOptions, PushMode, Remote, RepoUrl, Revision};

use crate::AnyError;

pub const BRANCH: &str = "dev";
pub const OVERLAY: &str = "deploy/k8s/overlays/test";

/// A bare repository as a Git server has it, with the first commit in it.
pub fn create(dir: &Path) -> Result<RepoUrl, AnyError> {
    let path = dir.join("sync.git");
    let mut options = git2::RepositoryInitOptions::new();
    git2::Repository::init_opts(&path, options.bare(true).initial_head(BRANCH))?;
    let url = RepoUrl::from_path(&path)?;
    let mirror = Mirror::open(dir.join("admin"), Remote::new(url.clone()), MirrorOptions::new())?;
    let commit = CommitOptions::new("Deploy airflow", "Admin <admin@example.com>".parse()?)
        .mode(PushMode::Create { from: Revision::Head });
    mirror.commit_and_push(BRANCH, &commit, |tree| {
        for file in files()? {
            tree.write(&Path::new("deploy/k8s").join(&file), fs::read(source().join(&file))?)?;
        }
        Ok::<_, AnyError>(())
    })?;
    Ok(url)
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipeline/sync/deploy/k8s")
}

fn files() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in ["base", "overlays/test", "overlays/prod"] {
        for entry in fs::read_dir(source().join(dir))? {
            files.push(Path::new(dir).join(entry?.file_name()));
        }
    }
    files.sort();
    Ok(files)
}
