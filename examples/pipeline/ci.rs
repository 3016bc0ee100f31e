//! What a CI job does after it has built an image: one file, one commit, one push.

use std::path::{Path, PathBuf};

use gitops_git::{CommitOptions, Mirror, MirrorOptions, ObjectId, PushOutcome, Remote, RepoUrl};
use kustomize_core::{ImageChange, KustomizationFile};

use crate::AnyError;
use crate::repository::{BRANCH, OVERLAY};

pub struct Ci {
    mirror: Mirror,
}

impl Ci {
    pub fn new(dir: &Path, url: RepoUrl) -> Result<Self, AnyError> {
        Ok(Self { mirror: Mirror::open(dir.join("ci"), Remote::new(url), MirrorOptions::new())? })
    }

    /// Sets the tag of an image in the overlay: what `bump` does in a real job.
    pub fn set_image(&self, image: &str, tag: &str) -> Result<ObjectId, AnyError> {
        let change = ImageChange::new(image).new_name(image).new_tag(tag);
        self.commit("[skip ci]update image tag", "kustomization.yml", |text| {
            let mut file = KustomizationFile::parse(text)?;
            file.set_image(&change)?;
            Ok(file.into_bytes())
        })
    }

    /// Replaces one file of the overlay, by hand and unchecked.
    pub fn write(&self, message: &str, name: &str, text: &str) -> Result<ObjectId, AnyError> {
        self.commit(message, name, |_| Ok(text.as_bytes().to_vec()))
    }

    /// What the overlay's file holds now.
    pub fn read(&self, name: &str) -> Result<String, AnyError> {
        let commit = self.mirror.fetch(&gitops_git::Revision::branch(BRANCH))?;
        Ok(String::from_utf8(self.mirror.tree(commit.id)?.read(&path(name))?)?)
    }

    fn commit(
        &self,
        message: &str,
        name: &str,
        mut edit: impl FnMut(Vec<u8>) -> Result<Vec<u8>, AnyError>,
    ) -> Result<ObjectId, AnyError> {
        let options = CommitOptions::new(message, "CI <ci@example.com>".parse()?);
        let outcome = self.mirror.commit_and_push(BRANCH, &options, |tree| {
            let edited = edit(tree.read(&path(name))?)?;
            Ok::<_, AnyError>(tree.write(&path(name), edited)?)
        })?;
        match outcome {
            PushOutcome::Pushed { commit, .. } => Ok(commit),
            _ => Err("there was nothing to change".into()),
        }
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(OVERLAY).join(name)
}
