//! The document model: one manifest as an arena of nodes.
//!
//! Scalars are kept as (tag, style, text), the way go-yaml v3 keeps them, and
//! resolved to a type only when somebody asks. Text that came from a file is
//! a span of that file; only what a build adds is stored in the document. A
//! document is plain data without pointers, so copying one (the
//! copy-on-write step of a shared base) is two `memcpy`s.
//!
//! One value may stand in several places, see [`Document::new_link`].

mod heads;
mod verbatim;

use std::sync::{Arc, LazyLock, OnceLock};

use heads::Heads;

use super::{print, resolve};
use crate::ahead;
use crate::short_text::{push_str, same};

/// A file's text, shared by the documents that were parsed from it. Aligned so
/// that threads that count references to it don't take it out of the cache of
/// those that read it.
#[derive(Debug, Default, PartialEq, Eq)]
#[repr(align(128))]
pub(crate) struct SourceText {
    pub(crate) text: String,
}

/// A node of one [`Document`]; means nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

const NONE: u32 = u32::MAX;
/// Marks a text span as one of [`Document::owned`] instead of the source's.
const OWNED: u32 = 1 << 31;

/// The room that a document makes at first for text of its own, in bytes.
const FIRST_OWNED: usize = 96;

/// Memory for the nodes and the text of a document that is being parsed.
#[derive(Debug, Default)]
pub(crate) struct Room {
    nodes: Vec<Node>,
    owned: String,
}

/// The room for a document of so many nodes and for those that transformers add.
fn roomy(nodes: usize) -> usize {
    nodes + nodes / 8 + 12
}

/// Flags of a node: a collection written in flow style (`{}`, `[]`).
const FLOW: u8 = 1;
/// Flags of a node: it stands for the node at `a`.
const LINK: u8 = 2;
/// Flags of a node: its tag was written out, which makes it hold even for quoted text; scalars only.
const TAGGED: u8 = 4;
/// Flags of a node: a scalar whose text is a word, see [`Document::is_word`].
const WORD: u8 = 8;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Mapping,
    Sequence,
}

/// How a scalar was written. Matters because a setter of kustomize keeps it,
/// and because only a plain scalar is resolved to a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// A node's tag. `Implicit` stands for "as the text resolves", see [`Document::tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Implicit,
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
    Binary,
    Merge,
    Map,
    Seq,
    /// A tag of another kind, kept in [`Document::custom_tags`].
    Custom,
}

/// The parts of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scalar<'a> {
    pub(crate) tag: Tag,
    pub(crate) style: Style,
    pub(crate) text: &'a str,
}

impl<'a> Scalar<'a> {
    /// A plain scalar that is resolved from its text.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self { tag: Tag::Implicit, style: Style::Plain, text }
    }

    /// A scalar that is a string whatever it looks like.
    pub(crate) fn string(text: &'a str) -> Self {
        Self { tag: Tag::Str, style: Style::Plain, text }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    style: Style,
    tag: Tag,
    flags: u8,
    /// Where it starts in the source, in bytes; `NONE` for what a build made.
    offset: u32,
    /// Scalar: start of the text. Collection: first child.
    a: u32,
    /// Scalar: length of the text, with `OWNED`. Collection: last child.
    b: u32,
    /// The next sibling. A mapping's children are key, value, key, value, …
    next: u32,
}

fn some(id: u32) -> Option<NodeId> {
    (id != NONE).then_some(NodeId(id))
}

fn word_flag(style: Style, text: &str) -> u8 {
    let is_word = style == Style::Plain && text.bytes().all(print::is_word_byte) && print::is_word(text);
    if is_word { WORD } else { 0 }
}

/// One YAML document without anchors and aliases (the parser expands them).
#[derive(Debug)]
pub(crate) struct Document {
    source: Arc<SourceText>,
    owned: String,
    nodes: Vec<Node>,
    root: NodeId,
    custom_tags: Vec<(NodeId, Box<str>)>,
    /// Found when somebody asks, and forgotten when they may be others.
    heads: OnceLock<Heads>,
    /// In the order of their nodes.
    verbatim: Vec<verbatim::Part>,
}

/// Documents are copied to be written to, so the copy has room for more.
impl Clone for Document {
    fn clone(&self) -> Self {
        self.with_room(roomy(self.nodes.len()) - self.nodes.len(), FIRST_OWNED)
    }
}

impl Document {
    /// An empty document over `source`, with an empty mapping as root.
    pub(crate) fn new(source: Arc<SourceText>) -> Self {
        Self::over(source, Room { nodes: Vec::with_capacity(1), owned: String::new() })
    }

    /// An empty document that comes from no file.
    pub(crate) fn sourceless() -> Self {
        static NO_SOURCE: LazyLock<Arc<SourceText>> = LazyLock::new(Arc::default);
        Self::new(Arc::clone(&NO_SOURCE))
    }

    /// As [`new`](Self::new), in memory that was there before, until [`leave_room`](Self::leave_room).
    pub(crate) fn in_room(source: Arc<SourceText>, room: &mut Room) -> Self {
        Self::over(source, std::mem::take(room))
    }

    fn over(source: Arc<SourceText>, Room { mut nodes, mut owned }: Room) -> Self {
        nodes.clear();
        owned.clear();
        nodes.push(Node {
            kind: Kind::Mapping,
            style: Style::Plain,
            tag: Tag::Map,
            flags: 0,
            offset: NONE,
            a: NONE,
            b: NONE,
            next: NONE,
        });
        let (custom_tags, verbatim) = (Vec::new(), Vec::new());
        Self { source, owned, nodes, root: NodeId(0), custom_tags, heads: OnceLock::new(), verbatim }
    }

    /// A copy with room for so many more nodes, and bytes of text.
    pub(crate) fn with_room(&self, more_nodes: usize, more_text: usize) -> Self {
        let (nodes, owned) = self.copied(more_nodes, more_text);
        let (source, custom_tags) = (Arc::clone(&self.source), self.custom_tags.clone());
        let (heads, verbatim) = (self.heads.clone(), self.verbatim.clone());
        Self { source, owned, nodes, root: self.root, custom_tags, heads, verbatim }
    }

    fn copied(&self, more_nodes: usize, more_text: usize) -> (Vec<Node>, String) {
        let mut nodes = Vec::with_capacity(self.nodes.len() + more_nodes);
        nodes.extend_from_slice(&self.nodes);
        let mut owned = String::new();
        // What it makes room for by itself can wait until there is some.
        if !self.owned.is_empty() || more_text > FIRST_OWNED {
            owned.reserve(self.owned.len() + more_text);
            owned.push_str(&self.owned);
        }
        (nodes, owned)
    }

    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    pub(crate) fn set_root(&mut self, root: NodeId) {
        self.heads.take();
        self.root = root;
    }

    // ---- reading ----

    #[inline]
    pub(crate) fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    pub(crate) fn is_mapping(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Mapping
    }

    pub(crate) fn is_sequence(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Sequence
    }

    pub(crate) fn is_scalar(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Scalar
    }

    /// A scalar's text as YAML sees it (unquoted, unescaped, unfolded); empty for a collection.
    #[inline]
    pub(crate) fn text(&self, id: NodeId) -> &str {
        let node = self.node(id);
        if node.kind != Kind::Scalar { "" } else { self.span(node.a, node.b) }
    }

    /// The text at `start`; `len` may have `OWNED`.
    #[inline]
    fn span(&self, start: u32, len: u32) -> &str {
        let (start, end) = (start as usize, (start + (len & !OWNED)) as usize);
        &self.buffer(len)[start..end]
    }

    /// As [`text`](Self::text), for those who only copy it.
    #[inline]
    pub(crate) fn bytes(&self, id: NodeId) -> &[u8] {
        let node = self.node(id);
        if node.kind != Kind::Scalar { b"" } else { self.span_bytes(node.a, node.b) }
    }

    /// The bytes from where the text of a scalar begins, and how many of them are its text.
    #[inline]
    pub(crate) fn bytes_on(&self, id: NodeId) -> (&[u8], usize) {
        let node = self.node(id);
        if node.kind != Kind::Scalar {
            return (b"", 0);
        }
        (&self.buffer(node.b).as_bytes()[node.a as usize..], (node.b & !OWNED) as usize)
    }

    #[inline]
    fn span_bytes(&self, start: u32, len: u32) -> &[u8] {
        let (start, end) = (start as usize, (start + (len & !OWNED)) as usize);
        &self.buffer(len).as_bytes()[start..end]
    }

    fn buffer(&self, len: u32) -> &str {
        if len & OWNED != 0 { &self.owned } else { &self.source.text }
    }

    pub(crate) fn style(&self, id: NodeId) -> Style {
        self.node(id).style
    }

    pub(crate) fn is_flow(&self, id: NodeId) -> bool {
        self.node(id).flags & FLOW != 0
    }

    /// The tag as written or set, `Implicit` if neither.
    pub(crate) fn raw_tag(&self, id: NodeId) -> Tag {
        self.node(id).tag
    }

    /// The tag after resolution, never `Implicit`.
    pub(crate) fn tag(&self, id: NodeId) -> Tag {
        let node = self.node(id);
        if node.flags & WORD != 0 && node.tag == Tag::Implicit {
            return Tag::Str;
        }
        match (node.tag, node.kind, node.style) {
            (Tag::Implicit, Kind::Mapping, _) => Tag::Map,
            (Tag::Implicit, Kind::Sequence, _) => Tag::Seq,
            (Tag::Implicit, Kind::Scalar, Style::Plain) => resolve::tag(self.text(id)),
            (Tag::Implicit, Kind::Scalar, _) => Tag::Str,
            (tag, ..) => tag,
        }
    }

    /// Whether it is a string that is printed plain, as it is. Known of most
    /// keys and values since they were parsed, so that nothing need be found
    /// out about them again.
    #[inline]
    pub(crate) fn is_word(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.flags & WORD != 0 && matches!(node.tag, Tag::Implicit | Tag::Str)
    }

    /// Whether a build made it without a tag. What a parser makes has the tag
    /// that it resolved to.
    pub(crate) fn is_untagged(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.tag == Tag::Implicit && node.offset == NONE
    }

    /// Whether kyaml's `IsYNodeString` takes it for a string: what has no tag is
    /// one, whatever it looks like.
    pub(crate) fn is_string(&self, id: NodeId) -> bool {
        self.is_scalar(id) && (self.tag(id) == Tag::Str || self.is_untagged(id))
    }

    /// Whether the tag was written out in the source (`!!int "5"` is a number, a
    /// setter's integer in double quotes is not).
    pub(crate) fn is_tagged(&self, id: NodeId) -> bool {
        self.node(id).flags & TAGGED != 0
    }

    /// The text of a [`Tag::Custom`].
    pub(crate) fn custom_tag(&self, id: NodeId) -> Option<&str> {
        let id = self.cell(id);
        self.custom_tags.iter().find(|(node, _)| *node == id).map(|(_, tag)| &**tag)
    }

    /// Whether the node is a null: `null`, `~`, nothing at all, or tagged so.
    #[inline]
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        self.is_scalar(id) && self.tag(id) == Tag::Null
    }

    /// The byte of the source the node starts at, if it came from a file.
    pub(crate) fn offset(&self, id: NodeId) -> Option<usize> {
        let offset = self.node(id).offset;
        (offset != NONE).then_some(offset as usize)
    }

    /// The 1-based line the node starts on, if it came from a file.
    pub(crate) fn line(&self, id: NodeId) -> Option<usize> {
        let offset = self.node(id).offset;
        (offset != NONE).then(|| {
            let before = &self.source.text.as_bytes()[..(offset as usize).min(self.source.text.len())];
            1 + before.iter().filter(|byte| **byte == b'\n').count()
        })
    }

    /// The 1-based line and column (in characters) the node starts at, if it came from a file.
    pub(crate) fn position(&self, id: NodeId) -> Option<(usize, usize)> {
        let offset = self.node(id).offset;
        let before = self.source.text.get(..offset as usize).filter(|_| offset != NONE)?;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Some((1 + before.matches('\n').count(), 1 + column))
    }

    /// The children of a sequence, or keys and values of a mapping in turn.
    pub(crate) fn children(&self, id: NodeId) -> Children<'_> {
        let node = self.node(id);
        Children { doc: self, next: if node.kind == Kind::Scalar { NONE } else { node.a } }
    }

    /// The items of a sequence; nothing for other kinds.
    pub(crate) fn items(&self, id: NodeId) -> Children<'_> {
        let next = if self.is_sequence(id) { self.node(id).a } else { NONE };
        Children { doc: self, next }
    }

    /// The (key, value) pairs of a mapping in order; nothing for other kinds.
    pub(crate) fn entries(&self, id: NodeId) -> Entries<'_> {
        let next = if self.is_mapping(id) { self.node(id).a } else { NONE };
        Entries(Children { doc: self, next })
    }

    /// The first item of a collection; with [`next_sibling`](Self::next_sibling)
    /// for a walk that writes as it goes.
    pub(crate) fn first_child(&self, id: NodeId) -> Option<NodeId> {
        self.children(id).next()
    }

    /// What follows a node in its collection.
    pub(crate) fn next_sibling(&self, id: NodeId) -> Option<NodeId> {
        some(self.place(id).next)
    }

    /// How many items a sequence or entries a mapping has.
    pub(crate) fn len(&self, id: NodeId) -> usize {
        let children = self.children(id).count();
        if self.is_mapping(id) { children / 2 } else { children }
    }

    pub(crate) fn is_empty(&self, id: NodeId) -> bool {
        self.children(id).next().is_none()
    }

    /// The value of `key` in a mapping.
    pub(crate) fn get(&self, map: NodeId, key: &str) -> Option<NodeId> {
        let map = self.node(map);
        let mut next = if map.kind == Kind::Mapping { map.a } else { NONE };
        while let Some(at) = self.nodes.get(next as usize) {
            if self.text_is(if at.flags & LINK == 0 { at } else { self.node(NodeId(next)) }, key) {
                return Some(NodeId(at.next));
            }
            next = self.nodes.get(at.next as usize)?.next;
        }
        None
    }

    /// Whether a scalar has this text. Lengths first, in which most keys differ.
    #[inline]
    fn text_is(&self, node: &Node, text: &str) -> bool {
        let is_as_long = (node.b & !OWNED) as usize == text.len() && node.kind == Kind::Scalar;
        is_as_long && same(self.span_bytes(node.a, node.b), text)
    }

    /// The value below a path of mapping keys.
    pub(crate) fn get_path(&self, map: NodeId, path: &[&str]) -> Option<NodeId> {
        path.iter().try_fold(map, |node, key| self.get(node, key))
    }

    /// The text of the scalar at `key`; `None` if absent or not a scalar.
    pub(crate) fn get_text(&self, map: NodeId, key: &str) -> Option<&str> {
        self.get(map, key).filter(|id| self.is_scalar(*id)).map(|id| self.text(id))
    }

    /// Whether both places hold one value, so that who writes to one writes to the other.
    pub(crate) fn is_linked(&self, one: NodeId, other: NodeId) -> bool {
        self.cell(one) == self.cell(other)
    }

    // ---- writing ----

    /// A scalar that is in no collection yet.
    pub(crate) fn new_scalar(&mut self, scalar: Scalar<'_>) -> NodeId {
        let node = self.scalar_node(scalar, NONE);
        self.push_node(node)
    }

    /// The text of its own, for a parser to append to; to be given back to
    /// [`new_appended_scalar`](Self::new_appended_scalar).
    pub(crate) fn lend_text(&mut self) -> String {
        std::mem::take(&mut self.owned)
    }

    /// A scalar without a tag, in no plain style, whose text is `text[start..]`.
    pub(crate) fn new_appended_scalar(&mut self, style: Style, text: String, start: usize) -> NodeId {
        let (a, b) = (start as u32, (text.len() - start) as u32 | OWNED);
        self.owned = text;
        let (kind, tag) = (Kind::Scalar, Tag::Implicit);
        self.push_node(Node { kind, style, tag, flags: 0, offset: NONE, a, b, next: NONE })
    }

    fn scalar_node(&mut self, Scalar { tag, style, text }: Scalar<'_>, next: u32) -> Node {
        let (a, b) = self.own(text);
        Node { kind: Kind::Scalar, style, tag, flags: word_flag(style, text), offset: NONE, a, b, next }
    }

    /// A plain scalar as [`new_source_scalar`](Self::new_source_scalar) makes it, of
    /// whose text the parser says whether it is a [word](Self::is_word).
    pub(crate) fn new_plain_scalar(&mut self, start: usize, len: usize, is_word: bool) -> NodeId {
        let (start, len, flags) = (start as u32, len as u32, if is_word { WORD } else { 0 });
        let (kind, style, tag) = (Kind::Scalar, Style::Plain, Tag::Implicit);
        self.push_node(Node { kind, style, tag, flags, offset: start, a: start, b: len, next: NONE })
    }

    /// A scalar without a tag whose text is `source[start..start + len]`; for parsers.
    pub(crate) fn new_source_scalar(&mut self, style: Style, start: usize, len: usize) -> NodeId {
        debug_assert!(self.source.text.is_char_boundary(start) && self.source.text.is_char_boundary(start + len));
        self.push_node(Node {
            kind: Kind::Scalar,
            style,
            tag: Tag::Implicit,
            flags: 0,
            offset: start as u32,
            a: start as u32,
            b: len as u32,
            next: NONE,
        })
    }

    pub(crate) fn new_mapping(&mut self) -> NodeId {
        self.new_collection(Kind::Mapping)
    }

    pub(crate) fn new_sequence(&mut self) -> NodeId {
        self.new_collection(Kind::Sequence)
    }

    fn new_collection(&mut self, kind: Kind) -> NodeId {
        self.push_node(Node {
            kind,
            style: Style::Plain,
            tag: Tag::Implicit,
            flags: 0,
            offset: NONE,
            a: NONE,
            b: NONE,
            next: NONE,
        })
    }

    /// Another place for the value `of`: a write to one is a write to both.
    ///
    /// Kustomize puts one and the same Go pointer into every map to which a
    /// transformer adds a label or annotation. Overlays see it: a later
    /// change of such a label in `metadata` changes the selector too. A copy
    /// of the tree has separate values.
    pub(crate) fn new_link(&mut self, of: NodeId) -> NodeId {
        let of = self.cell(of);
        self.push_node(Node { flags: LINK, a: of.0, b: NONE, offset: NONE, next: NONE, ..*self.place(of) })
    }

    /// Appends `child`, which is new, to `parent`, whose last child is `last`; `child` again.
    pub(crate) fn append(&mut self, parent: NodeId, last: Option<NodeId>, child: NodeId) -> NodeId {
        match last {
            Some(last) => self.nodes[last.0 as usize].next = child.0,
            None => self.nodes[parent.0 as usize].a = child.0,
        }
        self.nodes[parent.0 as usize].b = child.0;
        child
    }

    /// Leaves the memory to the next document and takes as much as this one and
    /// its transformers need.
    pub(crate) fn leave_room(&mut self, room: &mut Room) {
        let (nodes, owned) = self.copied(roomy(self.nodes.len()) - self.nodes.len(), FIRST_OWNED);
        room.nodes = std::mem::replace(&mut self.nodes, nodes);
        room.owned = std::mem::replace(&mut self.owned, owned);
    }

    /// Makes room for this many nodes.
    pub(crate) fn reserve(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// Makes room for this many bytes of text.
    pub(crate) fn reserve_text(&mut self, bytes: usize) {
        self.owned.reserve(bytes);
    }

    /// Asks for its own memory, see [`ahead`].
    pub(crate) fn fetch(&self) {
        ahead::fetch_line(&self.nodes);
        ahead::fetch_line(&self.heads);
    }

    /// Asks for its nodes and texts.
    pub(crate) fn fetch_content(&self) {
        ahead::fetch(&self.nodes);
        ahead::fetch(self.owned.as_bytes());
    }

    /// How many nodes there are, those without a place included.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many bytes it takes besides its source: more with each change.
    pub(crate) fn own_size(&self) -> usize {
        self.owned.len() + self.nodes.len() * size_of::<Node>()
    }

    pub(crate) fn set_flow(&mut self, id: NodeId, flow: bool) {
        let flags = &mut self.node_mut(id).flags;
        *flags = if flow { *flags | FLOW } else { *flags & !FLOW };
    }

    pub(crate) fn set_offset(&mut self, id: NodeId, offset: usize) {
        self.node_mut(id).offset = offset as u32;
    }

    pub(crate) fn set_tag(&mut self, id: NodeId, tag: Tag) {
        self.node_mut(id).tag = tag;
    }

    pub(crate) fn set_tagged(&mut self, id: NodeId) {
        self.node_mut(id).flags |= TAGGED;
    }

    pub(crate) fn set_custom_tag(&mut self, id: NodeId, tag: &str) {
        self.node_mut(id).tag = Tag::Custom;
        self.custom_tags.push((self.cell(id), tag.into()));
    }

    pub(crate) fn set_style(&mut self, id: NodeId, style: Style) {
        self.node_mut(id).style = style;
    }

    /// Replaces a scalar's text and keeps its tag and style. The tag is the one
    /// that the old text resolved to, as go-yaml settles it while it parses.
    pub(crate) fn set_text(&mut self, id: NodeId, text: &str) {
        let tag = if self.place(self.cell(id)).offset == NONE { self.raw_tag(id) } else { self.tag(id) };
        let (a, b) = self.own(text);
        let node = self.node_mut(id);
        (node.a, node.b, node.tag) = (a, b, tag);
        node.flags = node.flags & !WORD | word_flag(node.style, text);
        self.note_text(self.cell(id));
    }

    /// Makes the node this scalar, whatever it was.
    pub(crate) fn set_scalar(&mut self, id: NodeId, scalar: Scalar<'_>) {
        let next = self.node(id).next;
        *self.node_mut(id) = self.scalar_node(scalar, next);
        self.note_text(self.cell(id));
    }

    /// Makes `id` what `with` is (same children), in its own place; `with` must not be used afterwards.
    pub(crate) fn replace(&mut self, id: NodeId, with: NodeId) {
        let (id, with) = (self.cell(id), self.cell(with));
        if id == with {
            return;
        }
        let (next, new) = (self.node(id).next, *self.node(with));
        *self.node_mut(id) = Node { next, ..new };
        self.note_text(id);
        if new.tag == Tag::Custom
            && let Some(tag) = self.custom_tag(with).map(Box::from)
        {
            self.custom_tags.retain(|(node, _)| *node != id);
            self.custom_tags.push((id, tag));
        }
    }

    /// Appends an item to a sequence (or a raw child to a mapping under construction).
    pub(crate) fn push(&mut self, parent: NodeId, child: NodeId) {
        self.forget_absent_heads(self.cell(parent));
        self.link(parent, child);
    }

    fn link(&mut self, parent: NodeId, child: NodeId) {
        self.place_mut(child).next = NONE;
        let last = self.node(parent).b;
        if last == NONE {
            self.node_mut(parent).a = child.0;
        } else {
            self.place_mut(NodeId(last)).next = child.0;
        }
        self.node_mut(parent).b = child.0;
    }

    /// Appends an entry without looking for one of the same key.
    pub(crate) fn push_entry(&mut self, map: NodeId, key: NodeId, value: NodeId) {
        self.link(map, key);
        self.link(map, value);
        self.note_entry(self.cell(map), key, value);
    }

    /// Sets `key` to `value`, in place if the key is there, else at the end.
    pub(crate) fn set(&mut self, map: NodeId, key: &str, value: NodeId) {
        match self.get(map, key) {
            Some(old) => self.replace(old, value),
            None => {
                let key = self.new_scalar(Scalar::string(key));
                self.push_entry(map, key, value);
            }
        }
    }

    /// Sets `key` to a scalar.
    pub(crate) fn set_value(&mut self, map: NodeId, key: &str, scalar: Scalar<'_>) {
        match self.get(map, key) {
            Some(old) => self.set_scalar(old, scalar),
            None => {
                let value = self.new_scalar(scalar);
                self.set(map, key, value);
            }
        }
    }

    /// Takes `key` out of a mapping; its value, if it was there.
    pub(crate) fn remove(&mut self, map: NodeId, key: &str) -> Option<NodeId> {
        let index = self.entries(map).position(|(k, _)| self.text(k) == key)?;
        let value = self.remove_child(map, 2 * index + 1);
        self.remove_child(map, 2 * index);
        value
    }

    /// Makes the collection's children these; raw children (key, value, …) for a mapping.
    pub(crate) fn set_children(&mut self, parent: NodeId, children: &[NodeId]) {
        self.forget_heads(self.cell(parent));
        let node = self.node_mut(parent);
        (node.a, node.b) = (NONE, NONE);
        for child in children {
            self.push(parent, *child);
        }
    }

    fn remove_child(&mut self, parent: NodeId, index: usize) -> Option<NodeId> {
        let before = index.checked_sub(1).and_then(|before| self.children(parent).nth(before));
        let child = self.children(parent).nth(index)?;
        self.forget_heads(self.cell(parent));
        let next = self.place(child).next;
        match before {
            Some(before) => self.place_mut(before).next = next,
            None => self.node_mut(parent).a = next,
        }
        if self.node(parent).b == child.0 {
            self.node_mut(parent).b = before.map_or(NONE, |id| id.0);
        }
        self.place_mut(child).next = NONE;
        Some(child)
    }

    /// A deep copy of a node of another document (or of this one, cloned before).
    pub(crate) fn copy_from(&mut self, other: &Document, id: NodeId) -> NodeId {
        let node = *other.node(id);
        let shared = Arc::ptr_eq(&self.source, &other.source);
        let copy = match node.kind {
            Kind::Scalar if shared && node.b & OWNED == 0 => self.push_node(Node { next: NONE, ..node }),
            Kind::Scalar => {
                let (a, b) = self.own(other.text(id));
                // Without an offset the copy no longer says that its tag was settled when it was parsed.
                let tag = if node.offset == NONE { node.tag } else { other.tag(id) };
                self.push_node(Node { a, b, tag, offset: NONE, next: NONE, ..node })
            }
            _ => {
                let offset = if shared { node.offset } else { NONE };
                let copy = self.push_node(Node { a: NONE, b: NONE, offset, next: NONE, ..node });
                for child in other.children(id) {
                    let child = self.copy_from(other, child);
                    self.push(copy, child);
                }
                copy
            }
        };
        if let Some(tag) = other.custom_tag(id) {
            self.set_custom_tag(copy, tag);
        }
        copy
    }

    /// A deep copy of a node of this document.
    pub(crate) fn copy(&mut self, id: NodeId) -> NodeId {
        let node = *self.node(id);
        let copy = self.push_node(Node { next: NONE, ..node });
        if node.kind != Kind::Scalar {
            let children: Vec<NodeId> = self.children(id).map(|child| child.0).map(NodeId).collect();
            self.set_children(copy, &[]);
            for child in children {
                let child = self.copy(child);
                self.push(copy, child);
            }
        }
        if let Some(tag) = self.custom_tag(id).map(str::to_owned) {
            self.set_custom_tag(copy, &tag);
        }
        copy
    }

    pub(crate) fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    fn own(&mut self, text: &str) -> (u32, u32) {
        if self.owned.capacity() == 0 {
            // More texts usually follow the first one.
            self.owned.reserve(text.len().max(FIRST_OWNED));
        }
        let start = self.owned.len() as u32;
        push_str(&mut self.owned, text);
        (start, text.len() as u32 | OWNED)
    }

    fn push_node(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    /// What stands at `id`: the node itself, or the one it is a link to.
    #[inline]
    fn cell(&self, id: NodeId) -> NodeId {
        let place = self.place(id);
        if place.flags & LINK == 0 { id } else { NodeId(place.a) }
    }

    #[inline]
    fn node(&self, id: NodeId) -> &Node {
        let place = &self.nodes[id.0 as usize];
        if place.flags & LINK == 0 { place } else { &self.nodes[place.a as usize] }
    }

    #[inline]
    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let cell = self.cell(id);
        self.place_mut(cell)
    }

    /// The place in the tree, which a link does not share: its `next`.
    #[inline]
    fn place(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    #[inline]
    fn place_mut(&mut self, id: NodeId) -> &mut Node {
        self.forget_verbatim(id);
        &mut self.nodes[id.0 as usize]
    }
}

/// See [`Document::children`].
#[derive(Clone)]
pub(crate) struct Children<'a> {
    doc: &'a Document,
    next: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.next == NONE {
            return None;
        }
        let id = NodeId(self.next);
        self.next = self.doc.place(id).next;
        Some(id)
    }
}

/// See [`Document::entries`].
#[derive(Clone)]
pub(crate) struct Entries<'a>(Children<'a>);

impl Iterator for Entries<'_> {
    type Item = (NodeId, NodeId);

    fn next(&mut self) -> Option<(NodeId, NodeId)> {
        Some((self.0.next()?, self.0.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(doc: &Document) -> Vec<String> {
        doc.entries(doc.root()).map(|(k, v)| format!("{}={}", doc.text(k), doc.text(v))).collect()
    }

    #[test]
    fn entries_are_set_in_place_appended_and_removed() {
        let mut doc = Document::new(Arc::default());
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")] {
            doc.set_value(doc.root(), key, Scalar::plain(value));
        }
        assert_eq!(keys(&doc), ["a=1", "b=4", "c=3"]);
        doc.remove(doc.root(), "c");
        doc.set_value(doc.root(), "d", Scalar::plain("5"));
        doc.remove(doc.root(), "a");
        assert_eq!(keys(&doc), ["b=4", "d=5"]);
    }

    #[test]
    fn a_link_is_written_from_either_place_and_a_copy_from_neither() {
        let mut doc = Document::new(Arc::default());
        doc.set_value(doc.root(), "a", Scalar::string("1"));
        let link = doc.new_link(doc.get(doc.root(), "a").expect("just set"));
        doc.set(doc.root(), "b", link);
        doc.set_value(doc.root(), "c", Scalar::string("9"));
        doc.set_value(doc.root(), "b", Scalar::string("2"));
        assert_eq!(keys(&doc), ["a=2", "b=2", "c=9"]);
        doc.set_value(doc.root(), "a", Scalar::string("3"));
        assert_eq!(keys(&doc), ["a=3", "b=3", "c=9"]);
        doc.remove(doc.root(), "a");
        assert_eq!(keys(&doc), ["b=3", "c=9"]);

        let copy = doc.copy(link);
        doc.set(doc.root(), "d", copy);
        doc.set_value(doc.root(), "d", Scalar::string("4"));
        assert_eq!(keys(&doc), ["b=3", "c=9", "d=4"]);
    }

    #[test]
    fn a_copy_shares_nothing_with_its_origin() {
        let mut other = Document::new(Arc::default());
        let list = other.new_sequence();
        let item = other.new_scalar(Scalar::string("x"));
        other.push(list, item);
        other.set(other.root(), "list", list);

        let mut doc = Document::new(Arc::new(SourceText { text: "elsewhere".into() }));
        let copied = doc.copy_from(&other, other.root());
        let list = doc.get(copied, "list").expect("copied");
        let item = doc.items(list).next().expect("copied");
        assert_eq!((doc.text(item), doc.tag(item)), ("x", Tag::Str));
        let twin = doc.copy(list);
        doc.set_text(item, "y");
        assert_eq!(doc.items(twin).map(|id| doc.text(id)).collect::<Vec<_>>(), ["x"]);
    }
}
