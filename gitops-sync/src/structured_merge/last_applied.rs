//! The way from client-side apply to server-side apply.

use serde_json::Value;

use super::compare::compare;
use super::field_set::field_set;
use super::schema::Type;
use super::set::FieldSet;

/// Where kubectl's client-side apply keeps what it applied.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that kubectl's client-side apply set and that still have the value it gave them.
///
/// Taking these over is no takeover from someone else, so the API server lets the manager
/// `kubectl` do it without force. Nothing is returned when the annotation is missing or is of
/// another version.
pub fn fields_of_last_applied(ty: &Type, live: &Value) -> Option<FieldSet> {
    let annotation = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let applied: Value = serde_json::from_str(annotation).ok()?;
    if applied["apiVersion"] != live["apiVersion"] {
        return None;
    }
    let change = compare(ty, &applied, live);
    Some(field_set(ty, &applied).difference(&change.modified).difference(&change.added).difference(&change.removed))
}
