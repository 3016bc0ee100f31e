//! How a schema is stored: sorted tables that refer to each other by index, and to one text.
//! There is no pointer in them, so a program that starts has nothing to do for the built-in one.

use std::borrow::Cow;

use super::fingerprint::fingerprint;
use crate::short_text::same;

/// Index of a [`Node`].
pub(super) type NodeIndex = u32;

/// Of so many names one is found sooner by looking at all of them.
const FEW: usize = 64;

/// From and to where something is in another table.
pub(super) type Range = (u32, u32);

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// All names, which the other tables hold as ranges of it.
    pub(super) text: Cow<'static, str>,
    pub(super) nodes: Cow<'static, [Node]>,
    /// Names of fields and their schemas; each node has a sorted range of them.
    pub(super) fields: Cow<'static, [(Range, NodeIndex)]>,
    /// The merge keys of all lists, as names.
    pub(super) merge_keys: Cow<'static, [Range]>,
    /// Schemas by the names by which others refer to them, sorted.
    pub(super) definitions: Cow<'static, [(Range, NodeIndex)]>,
    /// Sorted by their fingerprint.
    pub(super) types: Cow<'static, [Type]>,
}

/// The schema of one value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Node {
    /// Its properties: a range of [`Table::fields`].
    pub(super) fields: Range,
    /// The schema of what is under any other key.
    pub(super) values: Option<NodeIndex>,
    /// The schema of a list's items.
    pub(super) items: Option<NodeIndex>,
    /// Of a list that a patch merges: what tells its items apart, as a range of
    /// [`Table::merge_keys`]; an empty one for a list of plain values.
    pub(super) merge_keys: Option<Range>,
}

impl Node {
    pub(super) const LEAF: Self = Self { fields: (0, 0), values: None, items: None, merge_keys: None };
}

/// A kind of resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    /// Of the names.
    pub(super) fingerprint: u64,
    pub(super) kind: Range,
    pub(super) group: Range,
    pub(super) version: Range,
    pub(super) scope: Option<Scope>,
    pub(super) schema: Option<NodeIndex>,
}

/// Whether resources of a type have a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Cluster,
    Namespaced,
}

impl Table {
    pub(super) fn find(&self, group: &str, version: &str, kind: &str) -> Option<&Type> {
        self.position(group, version, kind).map(|at| &self.types[at])
    }

    /// Where a type is in [`Table::types`].
    pub(super) fn position(&self, group: &str, version: &str, kind: &str) -> Option<usize> {
        let wanted = fingerprint(group, version, kind);
        let from = self.types.partition_point(|of| of.fingerprint < wanted);
        let mut alike = self.types[from..].iter().take_while(|of| of.fingerprint == wanted);
        let is_it = |of: &Type| {
            same(self.name(of.kind), kind) && same(self.name(of.group), group) && same(self.name(of.version), version)
        };
        alike.position(is_it).map(|at| from + at)
    }

    pub(super) fn definition(&self, name: &str) -> Option<NodeIndex> {
        self.look_up(&self.definitions, name)
    }

    pub(super) fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn field(&self, node: &Node, name: &str) -> Option<NodeIndex> {
        self.look_up(part(&self.fields, node.fields), name).or(node.values)
    }

    pub(super) fn merge_keys(&self, node: &Node) -> Option<Vec<&str>> {
        Some(part(&self.merge_keys, node.merge_keys?).iter().map(|key| self.name(*key)).collect())
    }

    pub(super) fn name(&self, range: Range) -> &str {
        &self.text[range.0 as usize..range.1 as usize]
    }

    fn look_up(&self, sorted: &[(Range, NodeIndex)], name: &str) -> Option<NodeIndex> {
        if sorted.len() <= FEW {
            // Most names have another length.
            let is_it = |of: &Range| (of.1 - of.0) as usize == name.len() && same(self.name(*of), name);
            return sorted.iter().find(|(of, _)| is_it(of)).map(|(_, index)| *index);
        }
        let index = sorted.binary_search_by(|(other, _)| self.name(*other).cmp(name)).ok()?;
        Some(sorted[index].1)
    }
}

fn part<T>(table: &[T], range: Range) -> &[T] {
    &table[range.0 as usize..range.1 as usize]
}

include!(concat!(env!("OUT_DIR"), "/kubernetes_schema.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_among_few_and_among_many() {
        for count in [0, 1, FEW, FEW + 1] {
            let name = |index: usize| format!("field-{index:02}{}", "x".repeat(index % 3));
            let (mut text, mut fields) = (String::new(), Vec::new());
            for index in 0..count {
                let start = text.len() as u32;
                text += &name(index);
                fields.push(((start, text.len() as u32), index as NodeIndex));
            }
            let node = Node { fields: (0, count as u32), ..Node::LEAF };
            let table = Table { text: text.into(), fields: fields.into(), ..Table::default() };
            for index in 0..count {
                assert_eq!(table.field(&node, &name(index)), Some(index as NodeIndex));
            }
            assert_eq!(table.field(&node, &name(count)), None);
        }
    }
}
