//! Bringing a recorded field set in line with a schema that changed since.

use super::path::PathElement;
use super::schema::{ListKind, Type};
use super::set::FieldSet;

/// The set with every field below an atomic list or map replaced by that list or map.
///
/// The other way, a list or map that was atomic once is left as it is; servers before 1.22
/// spread it over what is in it.
pub(crate) fn reconcile(ty: &Type, set: &FieldSet) -> FieldSet {
    let mut out = FieldSet { members: set.members.clone(), ..FieldSet::default() };
    for (element, child) in &set.children {
        let below = match element {
            PathElement::Field(name) => ty.field_type(name),
            _ => ty.item_type(),
        };
        match below.as_deref() {
            Some(below) if is_atomic(below) => {
                out.members.insert(element.clone());
            }
            Some(below) => {
                out.children.insert(element.clone(), reconcile(below, child));
            }
            None => {
                out.children.insert(element.clone(), child.clone());
            }
        }
    }
    out
}

fn is_atomic(ty: &Type) -> bool {
    match ty {
        Type::List(list) => list.kind == ListKind::Atomic,
        Type::Map(map) => map.atomic,
        Type::Scalar(_) | Type::Any => false,
    }
}
