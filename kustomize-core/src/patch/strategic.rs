//! Strategic merge, as kyaml's `merge2` over its `walk` does it.
//!
//! The whole target is walked, not only what the patch mentions: kyaml drops
//! keys without a value (`a:`, though not `a: null`) on the way, and merges
//! every associative list of the target with itself.

use crate::schema::{Schema, SchemaNode};
use crate::yaml::resolve::is_special_v2;
use crate::yaml::{Document, Kind, NodeId, Style, Tag};

use super::directive::{self, Directive};

/// What is left of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merged {
    Kept,
    /// The patch deletes the whole of it.
    Deleted,
}

/// Why a patch does not fit its target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// For example a list where the other has a map.
    #[error("at {}: a {wanted} and a {found} cannot be merged", at(path))]
    Kind {
        /// Keys from the resource's root, innermost first.
        path: Vec<String>,
        /// What one of the two has.
        wanted: &'static str,
        /// What the other has.
        found: &'static str,
    },
    /// A `$patch` that is neither `merge`, `replace` nor `delete`.
    #[error("at {}: unknown directive `$patch: {directive}`", at(path))]
    Directive {
        /// Keys from the resource's root, innermost first.
        path: Vec<String>,
        /// The value of `$patch`.
        directive: String,
    },
}

fn at(path: &[String]) -> String {
    match path {
        [] => "the root".to_owned(),
        path => path.iter().rev().map(String::as_str).collect::<Vec<_>>().join("."),
    }
}

impl MergeError {
    pub(super) fn kind(wanted: Kind, found: Kind) -> Self {
        let name = |kind| match kind {
            Kind::Scalar => "scalar",
            Kind::Mapping => "map",
            Kind::Sequence => "list",
        };
        Self::Kind { path: Vec::new(), wanted: name(wanted), found: name(found) }
    }

    fn below(mut self, key: &str) -> Self {
        let (Self::Kind { path, .. } | Self::Directive { path, .. }) = &mut self;
        path.push(key.to_owned());
        self
    }
}

/// Merges `patch` into `target`.
///
/// # Errors
///
/// See [`MergeError`]; the target is then half merged.
pub(crate) fn merge(target: &mut Document, patch: &Document, schema: &Schema) -> Result<Merged, MergeError> {
    let dest = target.root();
    let origin = target.copy_from(patch, patch.root());
    let mut merge = Merge::new(target, schema);
    // A `$patch: replace` at the root makes the walk return the patch instead of
    // the target; kustomize looks only whether there is anything at all.
    match merge.walk(Sources { dest: Some(dest), origin: Some(origin) }, None)? {
        Walked::Nothing => Ok(Merged::Deleted),
        Walked::Node(_) | Walked::KeptNull => Ok(Merged::Kept),
    }
}

pub(super) struct Merge<'a> {
    /// The target; the patch was copied into it.
    pub(super) doc: &'a mut Document,
    schema: &'a Schema,
}

/// The values at the same place of target and patch. Where the target had
/// none, both are the patch's, so that directives and nulls below take effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources {
    pub(super) dest: Option<NodeId>,
    pub(super) origin: Option<NodeId>,
}

/// What a walk makes of the [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    Nothing,
    Node(NodeId),
    /// A null of the target that was spelled out and therefore stays.
    KeptNull,
}

impl Walked {
    fn of(node: Option<NodeId>) -> Self {
        node.map_or(Self::Nothing, Self::Node)
    }
}

impl<'a> Merge<'a> {
    pub(super) fn new(doc: &'a mut Document, schema: &'a Schema) -> Self {
        Self { doc, schema }
    }

    pub(super) fn walk(&mut self, sources: Sources, schema: Option<SchemaNode<'a>>) -> Result<Walked, MergeError> {
        let schema = schema.or_else(|| self.schema_of(sources));
        let Some(kind) = self.kind(sources)? else { return self.walk_map(sources, schema) };
        let either = Walked::of(sources.origin.or(sources.dest));
        match kind {
            Kind::Mapping => self.walk_map(sources, schema),
            Kind::Scalar => Ok(either),
            Kind::Sequence => match schema.and_then(SchemaNode::merge_keys) {
                Some(keys) => self.walk_associative(sources, keys, schema.and_then(SchemaNode::items)),
                None => Ok(either),
            },
        }
    }

    /// The kind of both values; `None` if neither is more than a null.
    fn kind(&self, sources: Sources) -> Result<Option<Kind>, MergeError> {
        let mut kinds = [sources.dest, sources.origin].into_iter().flatten().filter(|id| !self.doc.is_null(*id));
        let Some(first) = kinds.next().map(|id| self.doc.kind(id)) else { return Ok(None) };
        match kinds.next().map(|id| self.doc.kind(id)) {
            Some(second) if second != first => Err(MergeError::kind(first, second)),
            _ => Ok(Some(first)),
        }
    }

    /// The schema of a resource inside one that has none, such as the
    /// Deployment in some custom resource's field.
    fn schema_of(&self, sources: Sources) -> Option<SchemaNode<'a>> {
        [sources.dest, sources.origin].into_iter().flatten().find_map(|map| {
            let (kind, api_version) = (self.doc.get_text(map, "kind")?, self.doc.get_text(map, "apiVersion")?);
            let (group, version) = crate::id::split_api_version(api_version);
            self.schema.for_gvk(group, version, kind)
        })
    }

    fn walk_map(&mut self, mut sources: Sources, schema: Option<SchemaNode<'a>>) -> Result<Walked, MergeError> {
        let visited = self.visit_map(sources)?;
        let Walked::Node(dest) = visited else { return Ok(visited) };
        sources.dest = Some(dest);
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let mut visit = |merge: &mut Self, field: Field| {
            match merge.walk_field(field, schema)? {
                Set::Kept => {}
                Set::New(key, value) => added.push((key, value)),
                Set::Removed => removed.push(field.key),
            }
            Ok(())
        };
        if sources.origin.is_none() {
            // Most of the target, of which the patch says nothing; its entries stay where they are meanwhile.
            let mut next = self.doc.first_child(dest);
            while let Some(key) = next {
                let Some(value) = self.doc.next_sibling(key) else { break };
                visit(self, Field { key, sources: Sources { dest: Some(value), origin: None } })?;
                next = self.doc.next_sibling(value);
            }
        } else {
            self.fields(sources).into_iter().try_for_each(|field| visit(self, field))?;
        }
        self.remove_fields(dest, removed);
        for (key, value) in added {
            self.doc.push_entry(dest, key, value);
        }
        Ok(visited)
    }

    fn walk_field(&mut self, field: Field, schema: Option<SchemaNode<'a>>) -> Result<Set, MergeError> {
        let below = schema.and_then(|schema| schema.field(self.doc.text(field.key)));
        let value = self.walk(field.sources, below).map_err(|error| error.below(self.doc.text(field.key)))?;
        Ok(self.set_field(field, value))
    }

    fn remove_fields(&mut self, map: NodeId, mut keys: Vec<NodeId>) {
        if keys.is_empty() {
            return;
        }
        keys.sort_unstable();
        let kept = self.doc.entries(map).filter(|(key, _)| keys.binary_search(key).is_err());
        let kept: Vec<_> = kept.flat_map(|(key, value)| [key, value]).collect();
        self.doc.set_children(map, &kept);
    }

    /// What becomes of a map as a whole: the target's, the patch's, or nothing.
    fn visit_map(&mut self, sources: Sources) -> Result<Walked, MergeError> {
        self.set_flow(sources);
        let Sources { dest, origin } = sources;
        let Some(dest) = dest.filter(|dest| !self.doc.is_null(*dest)) else {
            // An unknown directive stays in the output here.
            if origin.is_some_and(|origin| directive::of_map(self.doc, origin) == Ok(Directive::Delete)) {
                return Ok(Walked::Nothing);
            }
            let spelled_out = dest.is_some_and(|dest| !self.doc.text(dest).is_empty());
            return Ok(if origin.is_none() && spelled_out { Walked::KeptNull } else { Walked::of(origin) });
        };
        let Some(origin) = origin else { return Ok(Walked::Node(dest)) };
        if self.doc.is_null(origin) {
            return Ok(Walked::Nothing);
        }
        Ok(match directive::of_map(self.doc, origin)? {
            Directive::Delete => Walked::Nothing,
            Directive::Replace => Walked::Node(origin),
            Directive::Merge => Walked::Node(dest),
        })
    }

    /// Writes an empty collection of the target in the style of the patch's.
    /// In flow style, an item without a value is an empty text and not a null.
    pub(super) fn set_flow(&mut self, sources: Sources) {
        if let Sources { dest: Some(dest), origin: Some(origin) } = sources
            && !self.doc.is_scalar(dest)
            && self.doc.is_empty(dest)
        {
            self.doc.set_flow(dest, self.doc.is_flow(origin));
        }
    }

    /// The fields of both maps, sorted by name.
    fn fields(&self, sources: Sources) -> Vec<Field> {
        let of = |id: Option<NodeId>| id.into_iter().flat_map(|id| self.doc.entries(id));
        let Some(origin) = sources.origin.filter(|origin| sources.dest != Some(*origin)) else {
            let both = |value| Sources { dest: Some(value), origin: sources.origin.map(|_| value) };
            return of(sources.dest).map(|(key, value)| Field { key, sources: both(value) }).collect();
        };
        let dest = of(sources.dest).map(|(key, value)| (key, Sources { dest: Some(value), origin: None }));
        let origin = of(Some(origin)).map(|(key, value)| (key, Sources { dest: None, origin: Some(value) }));
        let mut fields: Vec<_> = dest.chain(origin).map(|(key, sources)| Field { key, sources }).collect();
        // Stable, so that the target's key of a name comes first and is the one that stays.
        fields.sort_by(|a, b| self.doc.text(a.key).cmp(self.doc.text(b.key)));
        fields.dedup_by(|next, first| {
            let same = self.doc.text(next.key) == self.doc.text(first.key);
            if same {
                let Sources { dest, origin } = &mut first.sources;
                *dest = dest.or(next.sources.dest);
                *origin = origin.or(next.sources.origin);
            }
            same
        });
        fields
    }

    /// Puts a value at a field of the target, as kyaml's `FieldSetter` does.
    fn set_field(&mut self, field: Field, value: Walked) -> Set {
        let value = match value {
            Walked::Nothing => return Set::Removed,
            Walked::KeptNull => return Set::Kept,
            Walked::Node(value) if self.doc.is_null(value) => return Set::Removed,
            Walked::Node(value) => value,
        };
        self.quote_if_special(value);
        match field.sources.dest {
            Some(old) if old == value => Set::Kept,
            Some(old) => {
                // A list made of the target's items is not copied: values that
                // the target shares between places stay shared.
                let patched = field.sources.origin == Some(value);
                let value = if patched && !self.doc.is_scalar(value) { self.doc.copy(value) } else { value };
                self.overwrite(old, value);
                Set::Kept
            }
            // The patch may be visited again (an item of a list with several
            // keys is), so its nodes stay where they are.
            None => Set::New(self.doc.copy(field.key), self.doc.copy(value)),
        }
    }

    /// A string that YAML 1.1 reads as something else gets quotes; as later
    /// values take them over, they matter.
    pub(super) fn quote_if_special(&mut self, value: NodeId) {
        if self.doc.is_scalar(value)
            && !self.doc.is_word(value)
            && self.doc.style(value) == Style::Plain
            && is_special_v2(self.doc.text(value))
            && self.doc.is_string(value)
        {
            self.doc.set_style(value, Style::DoubleQuoted);
        }
    }

    /// The old value's place and style with the new value's type and text:
    /// an integer put over a quoted string comes out as a string.
    fn overwrite(&mut self, old: NodeId, value: NodeId) {
        if !self.doc.is_scalar(value) {
            let flow = self.doc.is_flow(old);
            self.doc.replace(old, value);
            return self.doc.set_flow(old, flow);
        }
        // The tag is settled before the style changes; quotes would settle it otherwise.
        let (tag, style) = (self.doc.tag(value), self.doc.style(old));
        self.doc.replace(old, value);
        if tag != Tag::Custom {
            self.doc.set_tag(old, tag);
        }
        self.doc.set_style(old, style);
    }
}

/// A key and what target and patch have there.
#[derive(Debug, Clone, Copy)]
struct Field {
    key: NodeId,
    sources: Sources,
}

enum Set {
    /// The target's node stays, perhaps with another value.
    Kept,
    /// A key and value that the target did not have.
    New(NodeId, NodeId),
    Removed,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{self, Limits, SourceText};

    fn parse(text: &str) -> Document {
        let source = Arc::new(SourceText { text: text.to_owned() });
        yaml::parse(source, &Limits::default()).expect("test YAML").remove(0)
    }

    fn merged(target: &str, patch: &str) -> Result<String, MergeError> {
        let mut target = parse(target);
        if merge(&mut target, &parse(patch), &Schema::builtin())? == Merged::Deleted {
            return Ok("(deleted)".to_owned());
        }
        let mut out = Vec::new();
        yaml::emit(&target, target.root(), &mut out).expect("printable");
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn fields_are_merged_added_and_deleted() {
        let target = "{apiVersion: v1, kind: A, a: 1, b: {c: x, d: null, e: }, l: [1, 2]}";
        let patch = "{a: null, b: {c: y, n: {x: null}}, l: [3]}";
        assert_eq!(
            merged(target, patch).as_deref(),
            Ok("apiVersion: v1\nb:\n  c: \"y\"\n  d: null\n  \"n\": {}\nkind: A\nl:\n- 3\n"),
        );
    }

    #[test]
    fn a_new_value_takes_over_the_quotes_of_the_old() {
        assert_eq!(merged("{a: \"x\", b: x}", "{a: 5, b: \"5\"}").as_deref(), Ok("a: \"5\"\nb: \"5\"\n"));
    }

    #[test]
    fn directives_delete_and_replace_maps() {
        let target = "{a: {x: 1, y: 2}, b: {x: 1}, c: {x: 1}}";
        let patch = "{a: {$patch: replace, z: 3}, b: {$patch: delete}, c: {$patch: merge, y: 2}}";
        assert_eq!(merged(target, patch).as_deref(), Ok("a:\n  z: 3\nc:\n  x: 1\n  \"y\": 2\n"));
        assert_eq!(merged(target, "{$patch: delete}").as_deref(), Ok("(deleted)"));
        let error = merged(target, "{a: {$patch: other}}").expect_err("unknown");
        assert_eq!(error.to_string(), "at a: unknown directive `$patch: other`");
        assert!(matches!(merged(target, "{a: [1]}"), Err(MergeError::Kind { .. })));
    }

    /// A Deployment whose pod has this list.
    fn pod(list: &str) -> String {
        format!("{{apiVersion: apps/v1, kind: Deployment, spec: {{template: {{spec: {list}}}}}}}")
    }

    fn merged_pods(target: &str, patch: &str) -> String {
        let merged = merged(&pod(target), &pod(patch)).expect("merges");
        let (_, spec) = merged.split_once("    spec:\n").expect("a spec");
        spec.lines().map(str::trim_start).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn items_with_a_key_are_merged_and_patched_ones_come_first() {
        let target = "{containers: [{name: a, image: a}, {name: b, image: b}, {name: c, image: c}]}";
        let patch = "{containers: [{name: new}, {name: c, image: d}, {name: a, $patch: delete}]}";
        assert_eq!(merged_pods(target, patch), "containers:|- name: new|- image: d|name: c|- image: b|name: b");
    }

    #[test]
    fn a_list_can_be_replaced_or_deleted() {
        let target = "{containers: [{name: a}, {name: b}], volumes: [{name: v}]}";
        let patch = "{containers: [{name: b, image: x}, {$patch: replace}], volumes: [{$patch: delete}]}";
        assert_eq!(merged_pods(target, patch), "containers:|- image: x|name: b");
    }

    #[test]
    fn a_port_without_protocol_is_not_found_by_one_with_it() {
        let target = "{containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]}]}";
        let patch = "{containers: [{name: a, ports: [{containerPort: 80, protocol: TCP, name: h}]}]}";
        assert_eq!(
            merged_pods(target, patch),
            "containers:|- name: a|ports:|- containerPort: 80|- containerPort: 81|protocol: UDP"
        );
    }
}
