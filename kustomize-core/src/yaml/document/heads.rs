//! What a resource is, found once: nearly every step of a build asks for it.

use super::{Document, Kind, NONE, NodeId, some};
use crate::id::split_api_version;
use crate::schema::BuiltinType;

/// The fields that say what a resource is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    api_version: Head,
    kind: Head,
    /// `NONE` where there is none.
    metadata: u32,
    name: Head,
    namespace: Head,
    builtin_type: Option<BuiltinType>,
}

/// A field with its text, so that whoever wants the text need not look at the node.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// `NONE` where there is no such field.
    id: u32,
    start: u32,
    len: u32,
}

impl Head {
    const ABSENT: Self = Self { id: NONE, start: 0, len: 0 };
}

impl Document {
    /// The text of `apiVersion`; empty if there is none.
    pub(crate) fn api_version(&self) -> &str {
        self.head_text(self.heads().api_version)
    }

    /// The group and version of `apiVersion`.
    pub(crate) fn group_version(&self) -> (&str, &str) {
        match self.heads().builtin_type {
            Some(known) => (known.group(), known.version()),
            None => split_api_version(self.api_version()),
        }
    }

    /// The text of `kind`; empty if there is none.
    pub(crate) fn resource_kind(&self) -> &str {
        let heads = self.heads();
        match heads.builtin_type {
            Some(known) => known.kind(),
            None => self.head_text(heads.kind),
        }
    }

    /// Its type, if Kubernetes has it.
    pub(crate) fn builtin_type(&self) -> Option<BuiltinType> {
        self.heads().builtin_type
    }

    /// The value of `kind`.
    pub(crate) fn kind_field(&self) -> Option<NodeId> {
        some(self.heads().kind.id)
    }

    /// The value of `metadata`.
    pub(crate) fn metadata(&self) -> Option<NodeId> {
        some(self.heads().metadata)
    }

    /// The value of `metadata.name`.
    pub(crate) fn name_field(&self) -> Option<NodeId> {
        some(self.heads().name.id)
    }

    /// The text of `metadata.name`; empty if there is none.
    pub(crate) fn name(&self) -> &str {
        self.head_text(self.heads().name)
    }

    /// The text of `metadata.namespace`; empty if there is none.
    pub(crate) fn namespace(&self) -> &str {
        self.head_text(self.heads().namespace)
    }

    #[inline]
    fn head_text(&self, head: Head) -> &str {
        self.span(head.start, head.len)
    }

    /// Finds out what it is, which takes less time before it is shared.
    pub(crate) fn find_out(&mut self) {
        if self.heads.get().is_none() {
            self.heads = self.find_heads().into();
        }
    }

    #[inline]
    fn heads(&self) -> &Heads {
        self.heads.get_or_init(|| self.find_heads())
    }

    fn find_heads(&self) -> Heads {
        let at = |map, key| self.get(map, key).map_or(Head::ABSENT, |id| self.head(id));
        let metadata = self.get(self.root, "metadata");
        let below = |key| metadata.map_or(Head::ABSENT, |metadata| at(metadata, key));
        let (api_version, kind) = (at(self.root, "apiVersion"), at(self.root, "kind"));
        let (group, version) = split_api_version(self.head_text(api_version));
        let builtin_type = BuiltinType::find(group, version, self.head_text(kind));
        let metadata = metadata.map_or(NONE, |id| id.0);
        Heads { api_version, kind, metadata, name: below("name"), namespace: below("namespace"), builtin_type }
    }

    fn head(&self, id: NodeId) -> Head {
        let node = self.node(id);
        let (start, len) = if node.kind == Kind::Scalar { (node.a, node.b) } else { (0, 0) };
        Head { id: id.0, start, len }
    }

    /// To be called when the cell `id` has become a scalar or got another text.
    #[inline]
    pub(super) fn note_text(&mut self, id: NodeId) {
        let Some(heads) = self.heads.get() else { return };
        let now = |head: Head| {
            let is_it = head.id != NONE && id == self.cell(NodeId(head.id));
            is_it.then(|| self.head(NodeId(head.id)))
        };
        let (name, namespace) = (now(heads.name), now(heads.namespace));
        if let Some(heads) = self.heads.get_mut() {
            heads.name = name.unwrap_or(heads.name);
            heads.namespace = namespace.unwrap_or(heads.namespace);
        }
        self.forget_heads(id);
    }

    /// To be called before the cell `id` becomes another value or loses children.
    #[inline]
    pub(super) fn forget_heads(&mut self, id: NodeId) {
        let Some(heads) = self.heads.get() else { return };
        let is_at = |head: u32| head != NONE && id == self.cell(NodeId(head));
        if is_at(self.root.0) || [heads.metadata, heads.api_version.id, heads.kind.id].into_iter().any(is_at) {
            self.heads.take();
        }
    }

    /// To be called when the cell `id` has got one entry more.
    #[inline]
    pub(super) fn note_entry(&mut self, id: NodeId, key: NodeId, value: NodeId) {
        let Some(heads) = self.heads.get() else { return };
        if heads.metadata == NONE || id != self.cell(NodeId(heads.metadata)) {
            return self.forget_absent_heads(id);
        }
        let (is_name, is_namespace) = (self.text(key) == "name", self.text(key) == "namespace");
        let found = self.head(value);
        let Some(heads) = self.heads.get_mut() else { return };
        for (head, is_it) in [(&mut heads.name, is_name), (&mut heads.namespace, is_namespace)] {
            if is_it && head.id == NONE {
                *head = found;
            }
        }
    }

    /// To be called before the cell `id` gets one child more, which hides none of those it has.
    #[inline]
    pub(super) fn forget_absent_heads(&mut self, id: NodeId) {
        let Some(heads) = self.heads.get() else { return };
        let is_at = |head: u32| head != NONE && id == self.cell(NodeId(head));
        let may_be_in_root = [heads.api_version.id, heads.kind.id, heads.metadata].contains(&NONE);
        let may_be_in_metadata = [heads.name.id, heads.namespace.id].contains(&NONE);
        if may_be_in_root && is_at(self.root.0) || may_be_in_metadata && is_at(heads.metadata) {
            self.heads.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::Scope;
    use crate::yaml::Scalar;

    #[test]
    fn entries_of_metadata_are_noted_as_they_come() {
        let mut doc = Document::new(Arc::default());
        let metadata = doc.new_mapping();
        doc.set(doc.root(), "metadata", metadata);
        let heads = |doc: &Document| [doc.name(), doc.namespace()].join(",");
        assert_eq!(heads(&doc), ",");
        let labels = doc.new_mapping();
        doc.set_value(labels, "name", Scalar::plain("l"));
        for (key, text, expected) in
            [("namespace", "s", ",s"), ("x", "y", ",s"), ("name", "n", "n,s"), ("name", "m", "n,s")]
        {
            let (key, value) = (doc.new_scalar(Scalar::plain(key)), doc.new_scalar(Scalar::plain(text)));
            doc.push_entry(metadata, key, value);
            assert_eq!(heads(&doc), expected);
        }
        doc.set(metadata, "labels", labels);
        assert_eq!(heads(&doc), "n,s");
    }

    #[test]
    fn what_a_resource_is_follows_every_change() {
        let mut doc = Document::new(Arc::default());
        let heads = |doc: &Document| [doc.api_version(), doc.resource_kind(), doc.name(), doc.namespace()].join(",");
        let scope = |doc: &Document| doc.builtin_type().and_then(BuiltinType::scope);
        assert_eq!((heads(&doc).as_str(), doc.metadata()), (",,,", None));
        doc.set_value(doc.root(), "kind", Scalar::plain("K"));
        doc.set_value(doc.root(), "metadata", Scalar::plain(""));
        assert_eq!(heads(&doc), ",K,,");
        let metadata = doc.new_mapping();
        doc.set(doc.root(), "metadata", metadata);
        assert_eq!(heads(&doc), ",K,,");
        let metadata = doc.metadata().expect("just set");
        doc.set_value(metadata, "name", Scalar::plain("n"));
        assert_eq!(heads(&doc), ",K,n,");
        doc.set_value(metadata, "name", Scalar::plain("m"));
        doc.set_value(metadata, "namespace", Scalar::plain("s"));
        doc.set_value(doc.root(), "apiVersion", Scalar::plain("v1"));
        assert_eq!((heads(&doc).as_str(), heads(&doc.clone()).as_str()), ("v1,K,m,s", "v1,K,m,s"));
        assert_eq!(scope(&doc), None);
        let kind = doc.get(doc.root(), "kind").expect("set before");
        doc.set_text(kind, "Node");
        assert_eq!((scope(&doc), doc.resource_kind()), (Some(Scope::Cluster), "Node"));
        doc.set_value(doc.root(), "kind", Scalar::plain("Pod"));
        assert_eq!(scope(&doc), Some(Scope::Namespaced));
        doc.set_value(doc.root(), "apiVersion", Scalar::plain("v2"));
        assert_eq!(scope(&doc), None);
        doc.set_value(doc.root(), "kind", Scalar::plain("K"));
        doc.set_value(doc.root(), "apiVersion", Scalar::plain("v1"));
        let name = doc.get(metadata, "name").expect("set before");
        doc.set_text(name, "t");
        assert_eq!(heads(&doc), "v1,K,t,s");
        let other = doc.new_scalar(Scalar::plain("o"));
        doc.replace(name, other);
        assert_eq!(heads(&doc), "v1,K,o,s");
        doc.remove(metadata, "name");
        assert_eq!(heads(&doc), "v1,K,,s");
        doc.set_children(metadata, &[]);
        assert_eq!(heads(&doc), "v1,K,,");
        let root = doc.new_mapping();
        doc.set_root(root);
        assert_eq!((heads(&doc).as_str(), doc.metadata()), (",,,", None));
    }
}
