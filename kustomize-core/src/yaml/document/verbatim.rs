//! The parts of a document that are printed as they stand in its source.
//!
//! Definitions of custom resources are mostly written by the same printer as
//! kustomize's. The fast parser notes which parts of a large document are as
//! they will be printed; until one of their nodes is written to, they are
//! copied instead of being printed.

use super::{Document, NodeId};

/// A block collection that is printed as it stands in the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    collection: u32,
    /// Its nodes are those from here …
    first: u32,
    /// … up to here.
    end: u32,
    /// The text, from its first key or item to the end of its last line.
    text: (u32, u32),
}

impl Document {
    /// Notes that a collection, which has just been parsed, is printed as the source
    /// has it in `text`, the last line feed left out. Its nodes are the last ones,
    /// from `first` on.
    pub(crate) fn note_verbatim(&mut self, collection: NodeId, first: NodeId, text: std::ops::Range<usize>) {
        let end = self.nodes.len() as u32;
        let inner = self.verbatim.iter().rev().take_while(|part| part.first >= first.0).count();
        self.verbatim.truncate(self.verbatim.len() - inner);
        let text = (text.start as u32, text.end as u32);
        self.verbatim.push(Part { collection: collection.0, first: first.0, end, text });
    }

    /// What a collection is printed as if it begins in the column that it has in the
    /// source, and that column.
    #[inline]
    pub(crate) fn verbatim(&self, collection: NodeId) -> Option<(&str, usize)> {
        if self.verbatim.is_empty() { None } else { self.find_verbatim(collection) }
    }

    fn find_verbatim(&self, collection: NodeId) -> Option<(&str, usize)> {
        let at = self.verbatim.binary_search_by_key(&collection.0, |part| part.collection).ok()?;
        let (start, end) = self.verbatim[at].text;
        let before = &self.source.text[..start as usize];
        let column = before.len() - before.rfind('\n').map_or(0, |line_feed| line_feed + 1);
        Some((&self.source.text[start as usize..end as usize], column))
    }

    /// How much of it is printed as it stands in the source, in bytes.
    pub(crate) fn verbatim_len(&self) -> usize {
        self.verbatim.iter().map(|part| (part.text.1 - part.text.0) as usize).sum()
    }

    /// To be called before a node is written to.
    #[inline]
    pub(super) fn forget_verbatim(&mut self, id: NodeId) {
        // New nodes come behind all parts.
        if self.verbatim.last().is_some_and(|last| id.0 < last.end) {
            self.forget_part(id);
        }
    }

    #[cold]
    fn forget_part(&mut self, id: NodeId) {
        self.verbatim.retain(|part| !(part.first..part.end).contains(&id.0));
    }
}
