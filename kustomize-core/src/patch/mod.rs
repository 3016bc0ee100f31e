//! Patches: strategic merges and JSON patches, and what they apply to.

mod associative;
mod directive;
mod strategic;

pub use strategic::MergeError;
