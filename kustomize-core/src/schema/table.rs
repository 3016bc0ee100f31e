//! How a schema is stored: three sorted tables that refer to each other by index.

use std::borrow::Cow;

use super::fingerprint::fingerprint;
use crate::short_text::same;

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
    /// Sorted by their fingerprint.
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
    /// Of the key.
    pub(super) fingerprint: u64,
    /// Kind, group and version.
    pub(super) key: (Text, Text, Text),
    pub(super) scope: Option<Scope>,
    pub(super) schema: Option<NodeIndex>,
}

impl Type {
    pub(super) fn new(key: (Text, Text, Text), scope: Option<Scope>, schema: Option<NodeIndex>) -> Self {
        let (kind, group, version) = &key;
        Self { fingerprint: fingerprint(group, version, kind), key, scope, schema }
    }

    fn is(&self, group: &str, version: &str, kind: &str) -> bool {
        same(&self.key.0, kind) && same(&self.key.1, group) && same(&self.key.2, version)
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
        let wanted = fingerprint(group, version, kind);
        let from = self.types.partition_point(|of| of.fingerprint < wanted);
        let alike = self.types[from..].iter().take_while(|of| of.fingerprint == wanted);
        alike.into_iter().find(|of| of.is(group, version, kind))
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
