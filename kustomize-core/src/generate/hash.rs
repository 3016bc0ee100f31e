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
    let (mut content, mut name) = (String::new(), String::new());
    for resource in resources.iter_mut().filter(|resource| resource.history().needs_hash) {
        content.clear();
        write_content(&mut content, resource)
            .map_err(|source| GenerateError::Hash { resource: Box::new(resource.id()), source })?;
        name.clear();
        name.extend([resource.name(), "-"]);
        name.extend(short_hash(content.as_bytes()));
        resource.store_previous_id(resource.is_cluster_scoped(schema));
        resource.set_name(&name);
    }
    Ok(())
}

/// What kustomize hashes of a resource: of a ConfigMap or Secret, JSON of some of its fields.
///
/// The name stays empty in it: kustomize looks for a field `metadata/name`.
fn write_content(out: &mut String, resource: &Resource) -> Result<(), EmitError> {
    let doc = resource.doc();
    let field = |name| doc.get(doc.root(), name);
    let collection = |name| field(name).filter(|node| !doc.is_scalar(*node));
    match resource.kind() {
        "ConfigMap" => {
            out.push('{');
            if let Some(binary) = collection("binaryData") {
                write_field(out, "\"binaryData\":", doc, Some(binary))?;
                out.push(',');
            }
            write_field(out, "\"data\":", doc, field("data"))?;
            out.push_str(r#","kind":"ConfigMap","name":""}"#);
        }
        "Secret" => {
            write_field(out, "{\"data\":", doc, field("data"))?;
            out.push_str(r#","kind":"Secret","name":"""#);
            if let Some(strings) = collection("stringData") {
                write_field(out, ",\"stringData\":", doc, Some(strings))?;
            }
            write_field(out, ",\"type\":", doc, field("type"))?;
            out.push('}');
        }
        _ => out.push_str(&nodes(doc, doc.root())),
    }
    Ok(())
}

/// Writes `key` and the value of that field, which is empty text if there is none.
fn write_field(out: &mut String, key: &str, doc: &Document, value: Option<NodeId>) -> Result<(), EmitError> {
    out.push_str(key);
    match value {
        Some(node) if !doc.is_scalar(node) => write_map(out, doc, node)?,
        scalar => json::write_string(out, scalar.map_or("", |node| doc.text(node)), true),
    }
    Ok(())
}

fn write_map(out: &mut String, doc: &Document, node: NodeId) -> Result<(), EmitError> {
    let start = out.len();
    if !write_sorted_strings(out, doc, node) {
        out.truncate(start);
        out.push_str(&map_json(doc, node)?);
    }
    Ok(())
}

/// As [`map_json`] for a mapping of strings with its keys in order, which is
/// what a generator makes. Says no at the first thing that is something else.
fn write_sorted_strings(out: &mut String, doc: &Document, node: NodeId) -> bool {
    let is_text = |node| doc.is_scalar(node) && doc.tag(node) == Tag::Str && doc.style(node) != Style::Folded;
    let mut last = None;
    out.push('{');
    for (key, value) in doc.entries(node) {
        let (key_text, text) = (doc.text(key), doc.text(value));
        let is_next = last.is_none_or(|last| last < key_text);
        // What begins with a tab is not always printed as it is.
        if !is_next || !is_text(key) || !is_text(value) || text.starts_with('\t') {
            return false;
        }
        if last.is_some() {
            out.push(',');
        }
        json::write_string(out, key_text, true);
        out.push(':');
        json::write_string(out, text, true);
        last = Some(key_text);
    }
    out.push('}');
    doc.is_mapping(node)
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

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::write_string(&mut out, text, true);
    out
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
fn short_hash(content: &[u8]) -> impl Iterator<Item = char> {
    let hex = Sha256::digest(content).into_iter().take(5).flat_map(|byte| [byte >> 4, byte & 0xf]);
    hex.map(|nibble| char::from(b"gh2k456789mbcdtf"[usize::from(nibble)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Limits};

    fn hash_of(text: &str) -> String {
        let source = Arc::new(SourceText { text: text.to_owned() });
        let doc = yaml::parse_text(source, &Limits::new()).expect("valid").expect("a document");
        let mut content = String::new();
        write_content(&mut content, &Resource::new(doc)).expect("hashed");
        short_hash(content.as_bytes()).collect()
    }

    #[test]
    fn digits_are_replaced_as_kubectl_does() {
        assert_eq!(short_hash(b"").collect::<String>(), "tkbgc44298");
    }

    #[test]
    fn hashes_are_those_of_kustomize() {
        for (manifest, hash) in [
            ("kind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}", "hmg6f82fh6"),
            ("kind: ConfigMap\nmetadata: {name: other}\ndata: {x: '1'}", "hmg6f82fh6"),
            ("kind: ConfigMap\nbinaryData: {b: AAA=}\ndata: {x: '1'}", "km8tt24h6k"),
            ("kind: ConfigMap\nbinaryData: {b: AAA=}", "hhtk6842ck"),
            ("kind: Secret\nstringData: {b: AAA=}\ndata: {x: MQ==}", "m75kcb2952"),
            ("kind: Secret\nstringData: text\ntype: T", "k9cg64ff57"),
            ("kind: Secret\ntype: Opaque\ndata: {x: MQ==}", "bf2648c599"),
            ("kind: Secret\ntype: Opaque\ndata: {x: PCY+4oCow6kBCQ==}", "h9hk8m44k6"),
            ("kind: Secret\ntype: Opaque\ndata: {}", "46f8b28mk5"),
        ] {
            assert_eq!(hash_of(manifest), hash, "{manifest}");
        }
    }

    #[test]
    fn strings_in_order_are_written_as_any_mapping_is() {
        for (text, is_simple) in [
            ("{}", true),
            ("{a: x, b: 'y <&> \"', c: \"\\u2028\\n\"}", true),
            ("a: |\n  two\n  lines\nb: |-\n  x\n\"c\": ''", true),
            ("a: >\n  folded\n  text\n", false),
            ("a: \"\\tx\"", false),
            ("{b: x, a: y}", false),
            ("{a: x, b: 1}", false),
            ("{a: ~, b: 2020-01-01}", false),
            ("{1: x}", false),
            ("{a: {b: c}}", false),
            ("[a]", false),
        ] {
            let source = Arc::new(SourceText { text: text.to_owned() });
            let doc = yaml::parse_text(source, &Limits::new()).expect("valid").expect("a document");
            let mut out = String::new();
            assert_eq!(write_sorted_strings(&mut out, &doc, doc.root()), is_simple, "{text}");
            let expected = map_json(&doc, doc.root());
            assert!(!is_simple || expected == Ok(out), "{text}: {expected:?}");
        }
    }

    #[test]
    fn only_content_counts() {
        assert_ne!(hash_of("kind: ConfigMap\ndata: {x: a}"), hash_of("kind: ConfigMap\nbinaryData: {x: a}"));
        assert_eq!(hash_of("kind: ConfigMap\ndata: {x: 1.0}"), hash_of("kind: ConfigMap\ndata: {x: 1}"));
        assert_ne!(hash_of("kind: T\na: 1"), hash_of("kind: T\n\na: 1"));
    }
}
