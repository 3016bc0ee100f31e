//! The built-in transformers, one file each: what a kustomization's fields and
//! the `transformers:` entries of `apiVersion: builtin` do to resources.
//!
//! Each is a struct of its configuration with an `apply`.

#![allow(unused_imports, reason = "the build that uses them is being added")]

mod annotations;
mod entries;
mod field_spec;
mod images;
mod labels;
mod name;
mod namespace;
mod replicas;

pub(crate) use annotations::AnnotationsTransformer;
pub use field_spec::FieldError;
pub(crate) use images::ImageTagTransformer;
pub(crate) use labels::LabelTransformer;
pub(crate) use name::{PrefixTransformer, SuffixTransformer};
pub(crate) use namespace::{NamespaceTransformer, SubjectsMode};
pub(crate) use replicas::ReplicaCountTransformer;

use crate::config::{FieldPath, FieldSpecConflict};
use crate::go_regex::InvalidRegex;
use crate::id::{Gvk, ResourceId};
use crate::resource::Resource;

/// Why a transformer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A field of a resource is not what the transformer can work with.
    #[error("cannot transform the field '{path}' of {resource}")]
    Field {
        /// The resource.
        resource: Box<ResourceId>,
        /// The path of the field spec.
        path: String,
        /// What is wrong with it.
        #[source]
        source: FieldError,
    },
    /// The field specs of a label contradict those of the configuration.
    #[error("cannot merge the field specs of the labels")]
    LabelFields {
        /// The field that they disagree on.
        #[source]
        source: FieldSpecConflict,
    },
    /// Two resources have the same id once their namespace is set.
    #[error("setting the namespace to '{namespace}' gives two resources the id {id}")]
    NamespaceConflict {
        /// The namespace that was set.
        namespace: String,
        /// The id.
        id: Box<ResourceId>,
    },
    /// `setRoleBindingSubjects` has a value that does not exist.
    #[error("'{mode}' is no mode of setRoleBindingSubjects: use defaultOnly, allServiceAccounts or none")]
    SubjectsMode {
        /// The value.
        mode: String,
    },
    /// An entry of `replicas` is for no resource.
    #[error("no resource named '{name}' is of a kind that replicas are set for")]
    NoReplicas {
        /// The name that the entry asks for.
        name: String,
        /// The kinds that have replicas.
        kinds: Vec<Gvk>,
    },
    /// The name of an image, which is a regular expression, is not one.
    #[error("cannot match images of the name '{name}'")]
    ImageName {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: InvalidRegex,
    },
}

/// Says which field of which resource an error is about.
fn at<'a>(resource: &'a Resource, path: &'a FieldPath) -> impl FnOnce(FieldError) -> TransformError + use<'a> {
    move |source| field_error(resource, path.as_str(), source)
}

fn field_error(resource: &Resource, path: &str, source: FieldError) -> TransformError {
    TransformError::Field { resource: Box::new(resource.id()), path: path.to_owned(), source }
}
