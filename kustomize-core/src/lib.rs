//! Renders kustomizations byte for byte as kustomize 5.8.1 prints them, and
//! edits kustomization files without losing a comment.
//!
//! ```
//! use kustomize_core::{BuildOptions, ImageChange, KustomizationFile, Memory, build};
//!
//! let mut file = KustomizationFile::parse(
//!     "resources: [pod.yaml]   # one for now\nimages:\n- name: web\n  newTag: v1   # set by CI\n",
//! )?;
//! file.set_image(&ImageChange::parse("web:v2")?)?;
//! assert!(file.text().contains("newTag: v2   # set by CI"));
//!
//! let files = Memory::new()
//!     .with("app/kustomization.yaml", file.text())
//!     .with("app/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{image: web}]}\n");
//! let built = build(&files, "app", &BuildOptions::new())?;
//! assert!(built.resources.to_yaml()?.contains("image: web:v2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the order in which data flows:
//!
//! 1. A [`FileSource`] is where files are: a [`Directory`], [`Memory`], or the
//!    tree of a Git commit (gitops-git's `TreeReader`).
//! 2. [`build`] renders the kustomization in one of its directories, by
//!    [`BuildOptions`]; with [`Overrides`] as if the file had been edited before.
//!    A [`Renderer`] does so again and again, and does again only what a change touches.
//! 3. A [`Build`] (or an [`Attempt`], which may have failed) has the [`ResourceSet`], [`Warning`]s, and what was read. A
//!    [`Resource`] converts to and from JSON and YAML values and says where it
//!    came from; [`ResourceSet::to_yaml`] is what `kustomize build` prints.
//! 4. A [`KustomizationFile`] is edited as `kustomize edit` does, but in place;
//!    [`edit_all`] edits many as one change; [`effect()`] tells what a change does to what is rendered.
//!
//! Nothing runs a program or opens a connection unless [`BuildOptions`] say so:
//! [`Remote`] brings bases and files from elsewhere, [`Helm`] and [`Plugins`]
//! allow programs. No state is global; everything can be used from many threads.
//!
//! # Limitations
//!
//! - The specification is kustomize 5.8.1 alone; where it crashes, hangs or
//!   loses data, an error stands instead (`docs/compatibility.md` lists them).
//! - `kustomize localize`, `cfg` and `fn` have no counterpart yet.
//! - Error messages are not kustomize's own.

mod ahead;
mod build;
mod by_address;
mod cache;
mod config;
mod edit;
mod effect;
mod error;
mod generate;
mod generators;
mod go_regex;
mod helm;
mod history;
mod id;
mod kustomization;
mod last_look;
mod load;
mod manifest;
mod merge_metadata;
mod metadata;
mod options;
mod order;
mod origin;
mod overrides;
mod parts;
mod patch;
mod pieces;
mod plugin;
mod positions;
mod program;
mod record;
mod references;
mod remote;
mod renderer;
mod replacement;
mod resource;
mod resource_set;
mod schema;
mod selector;
mod session;
mod short_text;
mod source;
mod threads;
mod transform;
mod transformers;
mod vars;
mod yaml;

pub use build::{Attempt, Build, attempt, build};
pub use config::{ConfigError, FieldSpecConflict};
pub use edit::{
    EditAllError, EditError, FileChange, Generator, GeneratorEntry, GeneratorKind, Glob, ImageChange,
    KustomizationFile, LabelPlace, PatchEntry, SaveError, edit_all,
};
pub use effect::{Effect, Rendered, effect};
pub use error::BuildError;
pub use generate::GenerateError;
pub use go_regex::InvalidRegex;
pub use helm::{Helm, HelmError};
pub use id::{Gvk, ResourceId};
pub use kustomization::DecodeError;
pub use options::{BuildLimits, BuildOptions, LoadRestriction, ReadFile, Reorder, Warning};
pub use order::OrderError;
pub use origin::Origin;
pub use overrides::Overrides;
pub use patch::{JsonPatchError, MergeError, PatchError, PatchSource};
pub use plugin::{PluginError, Plugins};
pub use program::{ProgramCall, ProgramError, ProgramOutput, Programs, SystemPrograms};
pub use record::ReadFiles;
pub use remote::{NotARemoteBase, Remote, RemoteBase, RemoteError, RemoteLimits};
pub use renderer::Renderer;
pub use replacement::{PartError, PathError, ReplacementError};
pub use resource::Resource;
pub use resource_set::ResourceSet;
pub use schema::{Schema, SchemaError};
pub use selector::SelectorError;
pub use source::{ContentId, Directory, FileSource, Memory, ReadError, Resolved};
pub use transform::{FieldError, TransformError};
pub use vars::VarError;
pub use yaml::{EmitError, Limits, ParseError, Position};
