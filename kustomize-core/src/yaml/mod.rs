//! YAML as kustomize reads and prints it.

pub(crate) mod document;
pub(crate) mod resolve;

pub(crate) use document::{Document, Kind, NodeId, Scalar, SourceText, Style, Tag};
