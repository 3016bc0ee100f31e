//! Structured merge: who owns which field, and what an apply makes of an object.
//!
//! This is the algorithm behind server-side apply, as Kubernetes' structured-merge-diff
//! defines it: a [`Type`] says how lists and maps merge, a [`FieldSet`] names fields
//! (`fieldsV1` on the wire), and [`ManagedFields`] keeps one set per manager.
//!
//! The parts, in the order data flows: [`Type`] (from the built-in table or a JSON schema),
//! [`field_set`] and [`compare`] of typed values, [`merge`] and [`remove`], then
//! [`ManagedFields::apply`] and [`ManagedFields::update`], which combine them.
//!
//! # Example
//!
//! ```
//! use gitops_sync::structured_merge::{builtin_type, field_set};
//! use serde_json::json;
//!
//! let deployment = builtin_type("apps/v1", "Deployment").expect("a built-in kind");
//! let applied = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "i:1"}]}}}});
//! let owned = field_set(&deployment, &applied);
//! assert_eq!(
//!     owned.to_fields_v1(),
//!     json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
//!         "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}}),
//! );
//! ```

mod builtin;
mod compare;
mod conflict;
mod field_set;
mod fields_v1;
mod json_schema;
mod last_applied;
mod managed;
mod managed_wire;
mod manager;
mod merge;
mod path;
#[cfg(test)]
mod properties;
mod reconcile;
mod remove;
mod schema;
mod set;
mod validate;
mod value;

pub use builtin::{builtin_kinds, builtin_type, builtin_type_name};
pub use compare::{Comparison, compare};
pub use conflict::{ApplyError, Conflict};
pub use field_set::field_set;
pub use fields_v1::FieldsError;
pub use json_schema::type_from_json_schema;
pub use last_applied::fields_of_last_applied;
pub use managed::{ApplyRequest, ManagedFields, Versions};
pub use manager::{Manager, ManagerFields, Operation};
pub use merge::{MergeError, merge};
pub use path::{Path, PathElement};
pub use remove::remove;
pub use schema::{Field, ListKind, ListType, MapType, PatchStrategy, Presence, Scalar, Type};
pub use set::FieldSet;
pub use validate::{TypeError, validate};
pub(crate) use value::equal;
