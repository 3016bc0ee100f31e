//! How a file quotes its scalars.

use serde_json::Value;

use super::render;
use super::tree::{Content, Node};
use crate::yaml::Style;

/// The quoted scalars of a file, in order.
pub(super) struct Quotes(Vec<Quoted>);

struct Quoted {
    offset: usize,
    quote: char,
    is_needed: bool,
}

impl Quotes {
    pub(super) fn of(root: Option<&Node>) -> Self {
        let mut found = Vec::new();
        if let Some(root) = root {
            collect(root, &mut found);
        }
        Self(found)
    }

    /// The quote for a new scalar: that of the first one, else the double one, as kustomize prints it.
    pub(super) fn usual(&self) -> char {
        self.0.first().map_or('"', |quoted| quoted.quote)
    }

    /// Whether `node` is quoted just as it would be if it were new.
    pub(super) fn only_where_needed(&self, node: &Node) -> bool {
        let (own, others): (Vec<&Quoted>, Vec<&Quoted>) =
            self.0.iter().partition(|quoted| quoted.offset == node.span.start);
        let usual = others.first().map_or('"', |quoted| quoted.quote);
        own.iter().all(|quoted| quoted.is_needed && quoted.quote == usual)
    }
}

fn collect(node: &Node, found: &mut Vec<Quoted>) {
    match &node.content {
        Content::Scalar { value: Value::String(text), style } => {
            let quote = match style {
                Style::SingleQuoted => '\'',
                Style::DoubleQuoted => '"',
                _ => return,
            };
            found.push(Quoted { offset: node.span.start, quote, is_needed: !render::is_plain(text) });
        }
        Content::Mapping { entries, .. } => entries.iter().for_each(|(_, value)| collect(value, found)),
        Content::Sequence { items, .. } => items.iter().for_each(|item| collect(item, found)),
        Content::Scalar { .. } | Content::Alias { .. } => {}
    }
}
