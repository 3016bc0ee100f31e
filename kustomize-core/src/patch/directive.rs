//! `$patch`: what a patch wants done with a map or list as a whole.

use crate::yaml::{Document, NodeId};

use super::strategic::MergeError;

/// The key of directives.
pub(super) const KEY: &str = "$patch";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

impl Directive {
    fn named(name: &str) -> Result<Self, MergeError> {
        match name {
            "merge" => Ok(Self::Merge),
            "replace" => Ok(Self::Replace),
            "delete" => Ok(Self::Delete),
            _ => Err(MergeError::Directive { path: Vec::new(), directive: name.to_owned() }),
        }
    }
}

/// The directive in a map; it is taken out.
pub(super) fn of_map(doc: &mut Document, map: NodeId) -> Result<Directive, MergeError> {
    let Some(value) = doc.get(map, KEY) else { return Ok(Directive::Merge) };
    let directive = Directive::named(doc.text(value))?;
    doc.remove(map, KEY);
    Ok(directive)
}

/// The directive of a list, and its name: that of the first item with a
/// `$patch`, if the item has nothing else. It is not taken out.
pub(super) fn of_list(doc: &Document, items: &[NodeId]) -> Result<Option<(Directive, String)>, MergeError> {
    let first = items.iter().find_map(|item| Some((*item, doc.get(*item, KEY)?)));
    let Some((_, value)) = first.filter(|(item, _)| doc.len(*item) == 1) else { return Ok(None) };
    let name = doc.text(value);
    Ok(Some((Directive::named(name)?, name.to_owned())))
}
