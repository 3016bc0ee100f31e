//! A kustomization file: its fields, and how they are read.

pub(crate) mod decode;
pub(crate) mod fields;
pub(crate) mod fix;
pub(crate) mod load;

pub use decode::DecodeError;
pub(crate) use fields::*;
