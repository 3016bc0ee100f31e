//! Renders, patches and edits Kubernetes kustomizations, byte for byte as kustomize 5.8.1 does.
#![allow(dead_code, reason = "the parts that use it are being added")]

mod build;
mod config;
mod edit;
mod error;
mod generate;
mod generators;
mod go_regex;
mod helm;
mod id;
mod kustomization;
mod load;
mod manifest;
mod merge_metadata;
mod metadata;
mod options;
mod order;
mod overrides;
mod patch;
mod plugin;
mod program;
mod references;
mod remote;
mod replacement;
mod resource;
mod resource_set;
mod schema;
mod selector;
mod source;
mod transform;
mod transformers;
mod vars;
mod yaml;

pub use build::{Build, build};
pub use config::{ConfigError, FieldSpecConflict};
pub use edit::{
    EditAllError, EditError, FileChange, GeneratorEntry, GeneratorKind, Glob, ImageChange, KustomizationFile,
    LabelPlace, PatchEntry, SaveError, edit_all,
};
pub use error::BuildError;
pub use generate::GenerateError;
pub use go_regex::InvalidRegex;
pub use helm::{Helm, HelmError};
pub use id::{Gvk, ResourceId};
pub use kustomization::DecodeError;
pub use options::{BuildLimits, BuildOptions, LoadRestriction, ReadFile, Reorder, Warning};
pub use order::OrderError;
pub use overrides::Overrides;
pub use patch::{JsonPatchError, MergeError, PatchError, PatchSource};
pub use plugin::{PluginError, Plugins};
pub use program::{ProgramCall, ProgramError, ProgramOutput, Programs, SystemPrograms};
pub use remote::{NotARemoteBase, Remote, RemoteBase, RemoteError, RemoteLimits};
pub use replacement::{PartError, PathError, ReplacementError};
pub use resource::{Origin, Resource};
pub use resource_set::ResourceSet;
pub use schema::{Schema, SchemaError};
pub use selector::SelectorError;
pub use source::{ContentId, Directory, FileSource, Memory, ReadError, Resolved};
pub use transform::{FieldError, TransformError};
pub use vars::VarError;
pub use yaml::{EmitError, Limits, ParseError, Position};
