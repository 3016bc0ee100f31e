//! The content hash that goes into the name of a generated resource.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::GenerateError;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::yaml::{Document, EmitError, Kind, NodeId, SourceText, Style, Tag, json};

/// Appends the hash to the names of the generated resources that want one, as
/// kustomize's HashTransformer does.
pub(crate) fn add_hashes(resources: &mut ResourceSet, schema: &Schema) -> Result<(), GenerateError> {
    for resource in resources.iter_mut().filter(|resource| resource.history.needs_hash) {
        let hash =
            hash(resource).map_err(|source| GenerateError::Hash { resource: Box::new(resource.id()), source })?;
        let name = format!("{}-{hash}", resource.name());
        resource.store_previous_id(resource.is_cluster_scoped(schema));
        resource.set_name(&name);
    }
    Ok(())
}

fn hash(resource: &Resource) -> Result<String, EmitError> {
    let (doc, root) = (resource.doc(), resource.doc().root());
    let content = match resource.kind() {
        "ConfigMap" => fields(doc, "ConfigMap", &["binaryData", "data", "kind", "name"])?,
        "Secret" => fields(doc, "Secret", &["data", "kind", "name", "stringData", "type"])?,
        _ => nodes(doc, root),
    };
    Ok(short_hash(content.as_bytes()))
}

/// The JSON of a ConfigMap or Secret that kustomize hashes; `names` is sorted.
///
/// The name stays empty in it: kustomize looks for a field `metadata/name`.
fn fields(doc: &Document, kind: &str, names: &[&str]) -> Result<String, EmitError> {
    let mut out = String::from("{");
    for name in names {
        let value = match *name {
            "kind" => quoted(kind),
            "name" => quoted(""),
            "binaryData" | "stringData" => match doc.get(doc.root(), name).filter(|node| !doc.is_scalar(*node)) {
                Some(map) => map_json(doc, map)?,
                None => continue,
            },
            _ => match doc.get(doc.root(), name) {
                Some(node) if doc.is_scalar(node) => quoted(doc.text(node)),
                Some(node) => map_json(doc, node)?,
                None => quoted(""),
            },
        };
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&format!("\"{name}\":{value}"));
    }
    out.push('}');
    Ok(out)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::write_string(&mut out, text, true);
    out
}

/// A mapping by way of Go's JSON, where all numbers are floats; anything else is no mapping there.
fn map_json(doc: &Document, node: NodeId) -> Result<String, EmitError> {
    if !doc.is_mapping(node) {
        return Ok("null".to_owned());
    }
    let text = json::write_go(doc, node, true)?;
    if doc.entries(node).all(|(_, value)| doc.is_scalar(value) && doc.tag(value) == Tag::Str) {
        return Ok(text);
    }
    let mut again = Document::new(Arc::new(SourceText::default()));
    match json::read(&text, &mut again) {
        Ok(node) => json::write_go(&again, node, true),
        Err(_) => Ok(text),
    }
}

/// The JSON of the `yaml.Node` that a resource of another kind is in kustomize.
///
/// # Deviation
///
/// Comments, which are part of it there, are not kept.
fn nodes(doc: &Document, id: NodeId) -> String {
    let (line, column) = doc.position(id).unwrap_or_default();
    let content = match doc.children(id).map(|child| nodes(doc, child)).collect::<Vec<_>>() {
        children if children.is_empty() => "null".to_owned(),
        children => format!("[{}]", children.join(",")),
    };
    let (kind, style) = kind_and_style(doc, id);
    let (tag, value) = (quoted(tag_name(doc, id)), quoted(doc.text(id)));
    format!(
        "{{\"Kind\":{kind},\"Style\":{style},\"Tag\":{tag},\"Value\":{value},\"Anchor\":\"\",\"Alias\":null,\
         \"Content\":{content},\"HeadComment\":\"\",\"LineComment\":\"\",\"FootComment\":\"\",\"Line\":{line},\
         \"Column\":{column}}}"
    )
}

/// go-yaml's numbers for the two.
fn kind_and_style(doc: &Document, id: NodeId) -> (u8, u8) {
    let flow = if doc.is_flow(id) { 32 } else { 0 };
    match (doc.kind(id), doc.style(id)) {
        (Kind::Mapping, _) => (4, flow),
        (Kind::Sequence, _) => (2, flow),
        (Kind::Scalar, Style::Plain) => (8, 0),
        (Kind::Scalar, Style::DoubleQuoted) => (8, 2),
        (Kind::Scalar, Style::SingleQuoted) => (8, 4),
        (Kind::Scalar, Style::Literal) => (8, 8),
        (Kind::Scalar, Style::Folded) => (8, 16),
    }
}

/// What a parser settles stays; what a build made without a tag has none.
fn tag_name(doc: &Document, id: NodeId) -> &str {
    if doc.is_untagged(id) {
        return "";
    }
    match doc.tag(id) {
        Tag::Implicit => "",
        Tag::Null => "!!null",
        Tag::Bool => "!!bool",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Str => "!!str",
        Tag::Timestamp => "!!timestamp",
        Tag::Binary => "!!binary",
        Tag::Merge => "!!merge",
        Tag::Map => "!!map",
        Tag::Seq => "!!seq",
        Tag::Custom => doc.custom_tag(id).unwrap_or_default(),
    }
}

/// kustomize's short form of a SHA-256: ten hexadecimal digits with those
/// that could spell words, or look like others, replaced.
fn short_hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 0xf]);
    hex.map(|nibble| char::from(b"gh2k456789mbcdtf"[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Limits};

    fn hash_of(text: &str) -> String {
        let source = Arc::new(SourceText { text: text.to_owned() });
        let doc = yaml::parse_text(source, &Limits::new()).expect("valid").expect("a document");
        hash(&Resource::new(doc)).expect("hashed")
    }

    #[test]
    fn digits_are_replaced_as_kubectl_does() {
        assert_eq!(short_hash(b""), "tkbgc44298");
    }

    #[test]
    fn hashes_are_those_of_kustomize() {
        for (manifest, hash) in [
            ("kind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}", "hmg6f82fh6"),
            ("kind: ConfigMap\nmetadata: {name: other}\ndata: {x: '1'}", "hmg6f82fh6"),
            ("kind: Secret\ntype: Opaque\ndata: {x: MQ==}", "bf2648c599"),
            ("kind: Secret\ntype: Opaque\ndata: {x: PCY+4oCow6kBCQ==}", "h9hk8m44k6"),
            ("kind: Secret\ntype: Opaque\ndata: {}", "46f8b28mk5"),
        ] {
            assert_eq!(hash_of(manifest), hash, "{manifest}");
        }
    }

    #[test]
    fn only_content_counts() {
        assert_ne!(hash_of("kind: ConfigMap\ndata: {x: a}"), hash_of("kind: ConfigMap\nbinaryData: {x: a}"));
        assert_eq!(hash_of("kind: ConfigMap\ndata: {x: 1.0}"), hash_of("kind: ConfigMap\ndata: {x: 1}"));
        assert_ne!(hash_of("kind: T\na: 1"), hash_of("kind: T\n\na: 1"));
    }
}
