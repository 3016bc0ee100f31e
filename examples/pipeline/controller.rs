//! The pull side: sees a commit, renders it, syncs it. This is a whole
//! deployment controller but for its loop and its logs.

use std::path::Path;

use gitops_git::{Mirror, MirrorOptions, ObjectId, Remote, Revision, TreeReader};
use gitops_sync::{Application, Cluster, Manifest, Plan, Report, Source, SyncOptions, plan, sync};
use kustomize_core::{BuildOptions, Renderer};

use crate::AnyError;

pub struct Controller {
    application: Application,
    source: Source,
    mirror: Mirror,
    cluster: Cluster,
    /// Keeps what a commit left as it was.
    renderer: Renderer,
    seen: Option<ObjectId>,
}

/// A commit that the controller has not seen before.
pub struct Change {
    pub commit: ObjectId,
    tree: TreeReader,
}

impl Controller {
    pub fn new(dir: &Path, application: Application, cluster: Cluster) -> Result<Self, AnyError> {
        let source = application.sources().first().ok_or("the application has no source")?.clone();
        let remote = Remote::new(source.repo_url.parse()?);
        let mirror = Mirror::open(dir.join("controller"), remote, MirrorOptions::new())?;
        Ok(Self { application, source, mirror, cluster, renderer: Renderer::new(), seen: None })
    }

    /// One cheap request; the new commit, if the branch has moved.
    pub fn poll(&mut self) -> Result<Option<Change>, AnyError> {
        let revision: Revision = self.source.target_revision.parse()?;
        let commit = self.mirror.remote().resolve(&revision)?.commit;
        if self.seen == Some(commit) {
            return Ok(None);
        }
        let commit = self.mirror.fetch(&revision)?.id;
        self.seen = Some(commit);
        Ok(Some(Change { commit, tree: self.mirror.tree(commit)? }))
    }

    /// The commit that was seen last.
    pub fn current(&self) -> Result<Change, AnyError> {
        let commit = self.seen.ok_or("no commit has been seen yet")?;
        Ok(Change { commit, tree: self.mirror.tree(commit)? })
    }

    /// Renders the overlay from the objects of the commit; no file is written.
    pub fn render(&self, change: &Change) -> Result<Vec<Manifest>, AnyError> {
        let built = self.renderer.build(&change.tree, &self.source.path, &BuildOptions::new())?;
        built.resources.iter().map(manifest).collect()
    }

    /// What a sync would do now.
    pub async fn plan(&self, manifests: Vec<Manifest>) -> Result<Plan, AnyError> {
        Ok(plan(&self.cluster, manifests, &self.options()).await?)
    }

    /// Makes the cluster what the manifests say.
    pub async fn sync(&self, manifests: Vec<Manifest>, options: SyncOptions) -> Result<Report, AnyError> {
        Ok(sync(&self.cluster, manifests, &options).await?)
    }

    pub fn options(&self) -> SyncOptions {
        SyncOptions::for_application(&self.application)
    }
}

fn manifest(resource: &kustomize_core::Resource) -> Result<Manifest, AnyError> {
    let manifest = Manifest::new(serde_json::Value::try_from(resource)?)?;
    Ok(match resource.origin() {
        Some(origin) => manifest.with_origin(match origin.line {
            Some(line) => format!("{}:{line}", origin.path.display()),
            None => origin.path.display().to_string(),
        }),
        None => manifest,
    })
}
