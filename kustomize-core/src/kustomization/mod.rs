//! A kustomization file: its fields, and how they are read.

pub(crate) mod decode;
pub(crate) mod fields;

pub use decode::DecodeError;
pub(crate) use fields::*;
