//! Patches: strategic merges and JSON patches, and what they apply to.

mod associative;
mod directive;
pub(crate) mod strategic;

pub use strategic::MergeError;
