//! What a YAML text says besides values: comments, anchors and aliases, each of
//! the node that it has in go-yaml v3's decoder.

use std::collections::{HashMap, HashSet};

use super::NodeId;
pub(crate) use super::scan::Comments;

/// What a document leaves out of the text that it was read from.
#[derive(Debug, Default)]
pub(crate) struct Presentation {
    /// The comments above and below all nodes.
    pub(crate) document: Comments,
    comments: HashMap<NodeId, Comments>,
    /// The names of nodes.
    anchors: HashMap<NodeId, String>,
    /// Which nodes stand for others.
    aliases: HashSet<NodeId>,
}

impl Presentation {
    pub(crate) fn comments(&self, node: NodeId) -> Option<&Comments> {
        self.comments.get(&node)
    }

    pub(crate) fn anchor(&self, node: NodeId) -> Option<&str> {
        self.anchors.get(&node).map(String::as_str)
    }

    /// Whether the node is an alias; its text is the name then.
    pub(crate) fn is_alias(&self, node: NodeId) -> bool {
        self.aliases.contains(&node)
    }

    /// Another node takes the place of this one.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.comments.remove(&node);
        self.anchors.remove(&node);
        self.aliases.remove(&node);
    }

    fn take_foot(&mut self, node: NodeId) -> String {
        self.comments.get_mut(&node).map(|comments| std::mem::take(&mut comments.foot)).unwrap_or_default()
    }

    fn set_foot(&mut self, node: NodeId, foot: String) {
        if !foot.is_empty() {
            self.comments.entry(node).or_default().foot = foot;
        }
    }

    fn has_foot(&self, node: NodeId) -> bool {
        self.comments(node).is_some_and(|comments| !comments.foot.is_empty())
    }
}

/// Fills a table on the way through the events of a document.
#[derive(Debug, Default)]
pub(super) struct Placing {
    pub(super) found: Presentation,
    open: Vec<Level>,
}

/// A collection whose end has not been seen.
#[derive(Debug)]
struct Level {
    node: NodeId,
    is_mapping: bool,
    is_flow: bool,
    children: usize,
    /// The last key, and the one before it.
    keys: [Option<NodeId>; 2],
}

impl Placing {
    pub(super) fn anchor(&mut self, node: NodeId, name: String) {
        self.found.anchors.insert(node, name);
    }

    pub(super) fn alias(&mut self, node: NodeId) {
        self.found.aliases.insert(node);
    }

    /// A scalar or an alias.
    pub(super) fn leaf(&mut self, node: NodeId, comments: Comments) {
        self.set(node, comments);
        self.child(node);
    }

    fn set(&mut self, node: NodeId, comments: Comments) {
        if comments != Comments::default() {
            self.found.comments.insert(node, comments);
        }
    }

    pub(super) fn begin(&mut self, node: NodeId, is_mapping: bool, is_flow: bool, comments: Comments) {
        self.set(node, comments);
        self.open.push(Level { node, is_mapping, is_flow, children: 0, keys: [None, None] });
    }

    /// What is below the last entry of a block mapping is below its key.
    pub(super) fn end(&mut self, comments: Comments) {
        let Some(level) = self.open.pop() else { return };
        let head = self.found.comments.remove(&level.node).map(|comments| comments.head).unwrap_or_default();
        self.set(level.node, Comments { head, ..comments });
        if let Some(key) = level.keys[0].filter(|_| level.is_mapping && !level.is_flow) {
            let foot = self.found.take_foot(level.node);
            self.found.set_foot(key, foot);
        }
        self.child(level.node);
    }

    /// What is below a value is below its key; what is below a key of a block
    /// mapping is below the key before, as it is less indented than that one's value.
    fn child(&mut self, node: NodeId) {
        let Some(level) = self.open.last_mut() else { return };
        level.children += 1;
        if !level.is_mapping {
            return;
        }
        if level.children % 2 == 1 {
            level.keys = [Some(node), level.keys[0]];
        }
        let to = match (level.children % 2, level.keys) {
            (1, [_, before]) => before.filter(|_| !level.is_flow),
            (_, [key, _]) => key.filter(|key| !self.found.has_foot(*key)),
        };
        if let Some(to) = to {
            let foot = self.found.take_foot(node);
            self.found.set_foot(to, foot);
        }
    }
}
