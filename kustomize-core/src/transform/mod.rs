//! The built-in transformers, one file each: what a kustomization's fields and
//! the `transformers:` entries of `apiVersion: builtin` do to resources.
//!
//! Each is a struct of its configuration with an `apply`.

mod annotations;
mod entries;
mod field_spec;
mod images;
mod labels;
mod name;
mod namespace;
mod replicas;
mod wanted;

pub(crate) use annotations::AnnotationsTransformer;
pub use field_spec::FieldError;
pub(crate) use field_spec::{Found, push_entry, require_kind, style_of_new};
pub(crate) use images::ImageTagTransformer;
pub(crate) use labels::LabelTransformer;
pub(crate) use name::{PrefixTransformer, SuffixTransformer};
pub(crate) use namespace::{NamespaceTransformer, SubjectsMode};
pub(crate) use replicas::ReplicaCountTransformer;
pub(crate) use wanted::WantedNames;

use crate::config::{FieldSpecConflict, PathTree};
use crate::generate::BoxError;
use crate::go_regex::InvalidRegex;
use crate::id::{Gvk, ResourceId};
use crate::resource::Resource;

/// A transformer at work that looks at one resource at a time, so that several
/// can be done with a resource before the next one is looked at.
pub(crate) trait EachResource: Send + Sync {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError>;

    /// The same for other resources, on another thread. `None` if what it does
    /// to one resource depends on those before.
    fn fork(&self) -> Option<Box<dyn EachResource + '_>>;

    /// Says what was wrong with all of them, once all were transformed.
    fn finish(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

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
    /// A reference by name may be to any of several resources.
    #[error(
        "the name '{name}' in the field '{path}' of {referrer} may stand for several resources: {}",
        join(candidates)
    )]
    AmbiguousReference {
        /// The resource that refers.
        referrer: Box<ResourceId>,
        /// The field that holds the name.
        path: String,
        /// The name.
        name: String,
        /// The resources that had the name.
        candidates: Vec<ResourceId>,
    },
    /// A resource that can refer to others has a null as its `apiVersion`.
    #[error("the apiVersion of {resource} is null, but its kind can refer to other resources")]
    NullVersion {
        /// The resource.
        resource: Box<ResourceId>,
    },
    /// The path of a name reference leads to a mapping that holds no name.
    #[error("the field '{path}' of {resource} is to refer to a resource, but has no 'name'")]
    NoName {
        /// The resource that is to refer.
        resource: Box<ResourceId>,
        /// The path of the field.
        path: String,
    },
    /// A service account among the subjects of a role binding has a namespace that is no string.
    #[error("the namespace of a service account in the subjects of {resource} is not a string")]
    SubjectNamespace {
        /// The role binding.
        resource: Box<ResourceId>,
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

fn join(ids: &[ResourceId]) -> String {
    ids.iter().map(ResourceId::to_string).collect::<Vec<_>>().join(", ")
}

/// Says which field of which resource an error is about.
fn failed_at(resource: &Resource, tree: &PathTree, (spec, source): field_spec::Failed) -> TransformError {
    field_error(resource, tree.spec(spec).path.as_str(), source)
}

pub(crate) fn field_error(resource: &Resource, path: &str, source: FieldError) -> TransformError {
    TransformError::Field { resource: Box::new(resource.id()), path: path.to_owned(), source }
}
