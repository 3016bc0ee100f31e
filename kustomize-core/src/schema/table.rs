//! How a schema is stored: three sorted tables that refer to each other by index.

use std::borrow::Cow;

/// Index of a [`Node`].
pub(super) type NodeIndex = u32;

type Text = Cow<'static, str>;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) nodes: Cow<'static, [Node]>,
    /// Names of fields and their schemas; each node has a sorted range of them.
    pub(super) fields: Cow<'static, [(Text, NodeIndex)]>,
    /// Schemas by the names by which others refer to them, sorted.
    pub(super) definitions: Cow<'static, [(Text, NodeIndex)]>,
    /// Sorted by [`Type::order`].
    pub(super) types: Cow<'static, [Type]>,
}

/// The schema of one value.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Its properties: a range of [`Table::fields`].
    pub(super) fields: (u32, u32),
    /// The schema of what is under any other key.
    pub(super) values: Option<NodeIndex>,
    /// The schema of a list's items.
    pub(super) items: Option<NodeIndex>,
    /// Of a list that a patch merges: what tells its items apart; nothing for a list of plain values.
    pub(super) merge_keys: Option<Cow<'static, [Text]>>,
}

impl Node {
    pub(super) const LEAF: Self = Self { fields: (0, 0), values: None, items: None, merge_keys: None };
}

/// A kind of resource.
#[derive(Debug, Clone)]
pub(super) struct Type {
    /// Kind, group and version.
    pub(super) key: (Text, Text, Text),
    pub(super) scope: Option<Scope>,
    pub(super) schema: Option<NodeIndex>,
}

impl Type {
    /// By the length of the kind first, which tells most of them apart without a look at the text.
    pub(super) fn order(&self) -> (usize, &str, &str, &str) {
        let (kind, group, version) = &self.key;
        (kind.len(), kind, group, version)
    }
}

/// Whether resources of a type have a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespaced,
}

impl Table {
    pub(super) fn find(&self, group: &str, version: &str, kind: &str) -> Option<&Type> {
        let wanted = (kind.len(), kind, group, version);
        self.types.binary_search_by(|of| of.order().cmp(&wanted)).ok().map(|index| &self.types[index])
    }

    pub(super) fn definition(&self, name: &str) -> Option<NodeIndex> {
        let index = self.definitions.binary_search_by(|(definition, _)| (**definition).cmp(name)).ok()?;
        Some(self.definitions[index].1)
    }

    pub(super) fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn field(&self, node: &Node, name: &str) -> Option<NodeIndex> {
        let fields = &self.fields[node.fields.0 as usize..node.fields.1 as usize];
        match fields.binary_search_by(|(field, _)| (**field).cmp(name)) {
            Ok(index) => Some(fields[index].1),
            Err(_) => node.values,
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/kubernetes_schema.rs"));
