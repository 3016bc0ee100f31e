//! Edits a kustomization file and leaves every byte alone that nobody meant to change.
//!
//! Every edit works alike: read the field's value, compute the value that it
//! should have, and let [`splice`] change the text where the two differ. The
//! result is parsed again and has to mean what was asked for; if it does not,
//! the edit is refused and the file stays as it was.

mod error;
mod file;
mod fix;
mod generator;
mod generators;
mod glob;
mod image;
mod lists;
mod metadata;
mod patches;
mod quotes;
mod render;
mod replicas;
mod save;
mod scalar;
mod several;
mod splice;
mod tree;
mod vars;

pub use error::EditError;
pub use file::KustomizationFile;
pub use generator::Generator;
pub use generators::{GeneratorEntry, GeneratorKind};
pub use glob::Glob;
pub use image::ImageChange;
pub use metadata::LabelPlace;
pub use patches::PatchEntry;
pub use save::SaveError;
pub use several::{EditAllError, edit_all};
pub use vars::FileChange;
