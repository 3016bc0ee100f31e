//! Why a patch cannot be carried out.

use std::fmt;

use crate::error::BuildError;
use crate::id::ResourceId;
use crate::selector::SelectorError;

use super::{JsonPatchError, MergeError};

/// Where the text of a patch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchSource {
    /// In the kustomization file, or in a transformer's configuration.
    Inline,
    /// In a file of its own, by the path that the kustomization gives.
    File(String),
}

impl fmt::Display for PatchSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("the inline patch"),
            Self::File(path) => write!(f, "the patch {path}"),
        }
    }
}

/// Why a patch cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// Neither a text nor a file.
    #[error("a patch needs either a patch or a path")]
    NoText,
    /// Both a text and a file.
    #[error("a patch has either a patch or the path {path}, not both")]
    TwoTexts {
        /// The file.
        path: String,
    },
    /// The patch says nothing.
    #[error("{patch} is empty")]
    Empty {
        /// The patch.
        patch: PatchSource,
    },
    /// The patch's file cannot be read.
    #[error("cannot read {patch}")]
    Read {
        /// The patch.
        patch: PatchSource,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The patch is no strategic merge patch, and nothing else is allowed there.
    #[error("{patch} is not a strategic merge patch")]
    NotAMerge {
        /// The patch.
        patch: PatchSource,
        /// What is wrong with it.
        source: Box<BuildError>,
    },
    /// The patch is no JSON patch, and nothing else is allowed there.
    #[error("{patch} is not a JSON patch")]
    NotJson {
        /// The patch.
        patch: PatchSource,
        /// What is wrong with it.
        source: JsonPatchError,
    },
    /// The patch is of neither kind.
    #[error("{patch} is not a strategic merge patch, and not a JSON patch either ({json})")]
    NeitherKind {
        /// The patch.
        patch: PatchSource,
        /// Why it is no JSON patch.
        json: JsonPatchError,
        /// Why it is no strategic merge patch.
        source: Box<BuildError>,
    },
    /// The patch could be of both kinds.
    #[error("{patch} is a strategic merge patch and a JSON patch at once")]
    BothKinds {
        /// The patch.
        patch: PatchSource,
    },
    /// Several patches in one text, which cannot have one target.
    #[error("{patch} consists of {count} patches, so it cannot have a target")]
    ManyWithTarget {
        /// The patch.
        patch: PatchSource,
        /// How many there are.
        count: usize,
    },
    /// A JSON patch does not say itself what it is for.
    #[error("{patch} is a JSON patch and needs a target")]
    NoTarget {
        /// The patch.
        patch: PatchSource,
    },
    /// An entry of `patchesJson6902` needs the name of its target.
    #[error("the target of {patch} has no name")]
    NoTargetName {
        /// The patch.
        patch: PatchSource,
    },
    /// The target is not a valid selector.
    #[error("the target of {patch} cannot be used")]
    Selector {
        /// The patch.
        patch: PatchSource,
        /// What is wrong with it.
        source: SelectorError,
    },
    /// Nothing has or had the id of the patch.
    #[error("{patch} is for {id}, which does not exist{}", hint(closest))]
    NotFound {
        /// The patch.
        patch: PatchSource,
        /// What it is for.
        id: Box<ResourceId>,
        /// A resource of the same kind with a similar name, or of the same name.
        closest: Option<Box<ResourceId>>,
    },
    /// Several resources have or had the id of the patch.
    #[error("{patch} is for {id}, which {first} and {second} both are or were")]
    Ambiguous {
        /// The patch.
        patch: PatchSource,
        /// What it is for.
        id: Box<ResourceId>,
        /// One of the resources.
        first: Box<ResourceId>,
        /// Another one.
        second: Box<ResourceId>,
    },
    /// The patch does not fit its target.
    #[error("cannot merge {patch} into {resource}")]
    Merge {
        /// The patch.
        patch: PatchSource,
        /// The target.
        resource: Box<ResourceId>,
        /// Why.
        source: MergeError,
    },
    /// An operation of the patch does not fit its target.
    #[error("cannot apply {patch} to {resource}")]
    Json {
        /// The patch.
        patch: PatchSource,
        /// The target.
        resource: Box<ResourceId>,
        /// Why.
        source: JsonPatchError,
    },
    /// The patch makes its target the same as another resource.
    #[error("{patch} gives a second resource the id {id}")]
    Duplicate {
        /// The patch.
        patch: PatchSource,
        /// The id.
        id: Box<ResourceId>,
    },
}

fn hint(closest: &Option<Box<ResourceId>>) -> String {
    closest.as_ref().map(|id| format!("; did you mean {id}?")).unwrap_or_default()
}
