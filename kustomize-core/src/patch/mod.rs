//! Patches: strategic merges and JSON patches, and what they apply to.

mod associative;
mod directive;
mod error;
mod json6902;
mod lazy_json;
pub(crate) mod strategic;
mod target;
#[cfg(test)]
mod tests;
mod transformer;

pub use error::{PatchError, PatchSource};
pub use json6902::JsonPatchError;
pub use strategic::MergeError;
pub(crate) use target::is_deleted;
pub(crate) use transformer::{PatchJson6902Transformer, PatchStrategicMergeTransformer, PatchTransformer};
