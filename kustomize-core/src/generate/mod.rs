//! ConfigMaps and Secrets made from literals, files and env files.

mod hash;
mod key_values;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use self::key_values::{Pair, Sources};
use crate::history::{Behavior, History};
use crate::id::ResourceId;
use crate::kustomization::{ConfigMapArgs, GeneratorOptions, SecretArgs};
use crate::resource::Resource;
use crate::yaml::{Document, EmitError, NodeId, Scalar, Style, Tag};

pub(crate) use hash::add_hashes;

/// What a file source or hook of the caller reports.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Reads a file named in a generator, as its kustomization may.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, BoxError>;

/// Why a ConfigMap or Secret could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Every generator needs a name.
    #[error("a {kind} generator has no name")]
    NoName {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
    },
    /// What is wrong with one generator.
    #[error("cannot generate the {kind} {name}")]
    Generator {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Its name, without prefix, suffix and hash.
        name: String,
        /// What is wrong.
        source: Box<GenerateError>,
    },
    /// A file of `files` or `envs` could not be read.
    #[error("cannot read {file}")]
    Read {
        /// As the generator names it.
        file: String,
        /// What the file source says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An entry of `literals` is not `key=value`.
    #[error("the literal `{literal}` is not of the form key=value")]
    Literal {
        /// The entry.
        literal: String,
    },
    /// An entry of `files` is not `[key=]path`.
    #[error("the file entry `{entry}` is not of the form [key=]path: {problem}")]
    FileEntry {
        /// The entry.
        entry: String,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// A line of an env file is not UTF-8.
    #[error("{file}:{line}: not valid UTF-8")]
    EnvNotUtf8 {
        /// As the generator names it.
        file: String,
        /// 1-based.
        line: usize,
    },
    /// A line of an env file is so long that kustomize would silently stop there.
    #[error("{file}:{line}: longer than {limit} bytes")]
    EnvLineTooLong {
        /// As the generator names it.
        file: String,
        /// 1-based.
        line: usize,
        /// In bytes.
        limit: usize,
    },
    /// Two entries give the same key.
    #[error("the key `{key}` is given twice")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// YAML has another use for the key, so that it could not be printed.
    #[error("the key `{key}` cannot be printed")]
    MergeKey {
        /// The key.
        key: String,
    },
    /// The content cannot be written as JSON, which the name's hash is made of.
    #[error("cannot hash the content of {resource}")]
    Hash {
        /// The resource.
        resource: Box<ResourceId>,
        /// What is wrong with it.
        source: EmitError,
    },
}

/// Makes the ConfigMap that an entry of `configMapGenerator` describes.
pub(crate) fn config_map(
    args: &ConfigMapArgs,
    global: Option<&GeneratorOptions>,
    read_file: ReadFile<'_>,
) -> Result<Resource, GenerateError> {
    static EMPTY: LazyLock<Document> = LazyLock::new(|| empty("ConfigMap"));
    let sources = Sources { envs: &args.envs, literals: &args.literals, files: &args.files };
    let data = data_of("ConfigMap", &args.name, sources, read_file)?;
    let mut doc = named(&EMPTY, &args.name, &args.namespace, &data);
    add_config_map_data(&mut doc, &data);
    Ok(finish(doc, &merged_options(args.options.as_ref(), global), &args.behavior))
}

/// Makes the Secret that an entry of `secretGenerator` describes.
pub(crate) fn secret(
    args: &SecretArgs,
    global: Option<&GeneratorOptions>,
    read_file: ReadFile<'_>,
) -> Result<Resource, GenerateError> {
    static EMPTY: LazyLock<Document> = LazyLock::new(|| {
        let mut doc = empty("Secret");
        let root = doc.root();
        push_string(&mut doc, root, "type", "Opaque", Style::Plain);
        doc
    });
    let sources = Sources { envs: &args.envs, literals: &args.literals, files: &args.files };
    let data = data_of("Secret", &args.name, sources, read_file)?;
    let mut doc = named(&EMPTY, &args.name, &args.namespace, &data);
    if !args.kind.is_empty() {
        let root = doc.root();
        doc.set_value(root, "type", Scalar::string(&args.kind));
    }
    add_secret_data(&mut doc, &data);
    Ok(finish(doc, &merged_options(args.options.as_ref(), global), &args.behavior))
}

/// Values by key, in the order of the keys, which is the order in which they are added.
type Data<'a> = [Pair<'a>];

fn data_of<'a>(
    kind: &'static str,
    name: &str,
    sources: Sources<'a>,
    read_file: ReadFile<'_>,
) -> Result<Vec<Pair<'a>>, GenerateError> {
    if name.is_empty() {
        return Err(GenerateError::NoName { kind });
    }
    let sorted = key_values::read(sources, read_file).and_then(|mut data| {
        check_keys(&data)?;
        data.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
        Ok(data)
    });
    sorted.map_err(|source| GenerateError::Generator { kind, name: name.to_owned(), source: Box::new(source) })
}

/// Finds the first key that cannot be used.
fn check_keys(data: &Data<'_>) -> Result<(), GenerateError> {
    let is_merge = |key: &str| key == "<<";
    let is_in_order = data.is_sorted_by(|(key, _), (next, _)| key < next);
    if is_in_order && !data.iter().any(|(key, _)| is_merge(key)) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for (key, _) in data {
        if !seen.insert(key) {
            return Err(GenerateError::RepeatedKey { key: key.to_string() });
        }
        if is_merge(key) {
            return Err(GenerateError::MergeKey { key: key.to_string() });
        }
    }
    Ok(())
}

/// What a resource needs besides what [`empty`] has and its data, if it has no labels or
/// annotations: nodes, and bytes of text without its name and that with the hash.
const OTHER_NODES: usize = 2;
const OTHER_TEXT: usize = 16;

/// The fields that all resources of a kind begin with.
fn empty(kind: &str) -> Document {
    let mut doc = Document::sourceless();
    let root = doc.root();
    for (key, text) in [("apiVersion", "v1"), ("kind", kind)] {
        push_string(&mut doc, root, key, text, Style::Plain);
    }
    let metadata = push_mapping(&mut doc, root, "metadata");
    push_string(&mut doc, metadata, "name", "", Style::Plain);
    // So that it is known of all copies.
    doc.find_out();
    doc
}

/// A copy with this name, with room for the data.
fn named(empty: &Document, name: &str, namespace: &str, data: &Data<'_>) -> Document {
    let data_text: usize = data.iter().map(|(key, value)| key.len() + value.len() * 4 / 3 + 4).sum();
    let mut doc = empty.with_room(OTHER_NODES + 2 * data.len(), OTHER_TEXT + 2 * name.len() + data_text);
    let field = doc.name_field().expect("`empty` made it");
    doc.set_text(field, name);
    if !namespace.is_empty() {
        let metadata = doc.metadata().expect("`empty` made it");
        push_string(&mut doc, metadata, "namespace", namespace, Style::Plain);
    }
    doc
}

fn add_config_map_data(doc: &mut Document, data: &Data<'_>) {
    let root = doc.root();
    let (mut text_map, mut binary_map) = (None, None);
    for (key, value) in data {
        let (field, map, text) = match std::str::from_utf8(value) {
            Ok(text) => ("data", &mut text_map, text.into()),
            Err(_) => ("binaryData", &mut binary_map, Cow::Owned(wrapped_base64(value))),
        };
        let map = *map.get_or_insert_with(|| push_mapping(doc, root, field));
        push_string(doc, map, key, &text, style_of(&text));
    }
}

/// All data of a Secret is base64, whether it is text or not.
fn add_secret_data(doc: &mut Document, data: &Data<'_>) {
    let root = doc.root();
    let map = push_mapping(doc, root, "data");
    for (key, value) in data {
        let text = wrapped_base64(value);
        push_string(doc, map, key, &text, style_of(&text));
    }
}

fn style_of(text: &str) -> Style {
    if text.contains('\n') { Style::Literal } else { Style::Plain }
}

/// Base64, with a line end after every 70 characters (and the last) if it has that many.
fn wrapped_base64(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let encoded = BASE64_STANDARD.encode(bytes);
    if encoded.len() < LINE {
        return encoded;
    }
    let mut wrapped = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    for start in (0..encoded.len()).step_by(LINE) {
        wrapped.push_str(&encoded[start..encoded.len().min(start + LINE)]);
        wrapped.push('\n');
    }
    wrapped
}

/// The generator's own options; a global label or annotation does not
/// replace one of its own, a global `true` cannot be taken back.
fn merged_options(own: Option<&GeneratorOptions>, global: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut merged = own.cloned().unwrap_or_default();
    let Some(global) = global else { return merged };
    for (own, global) in [(&mut merged.labels, &global.labels), (&mut merged.annotations, &global.annotations)] {
        for (key, value) in global {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    merged.immutable |= global.immutable;
    merged
}

/// Adds labels, annotations and `immutable`, and notes what the build is to do with it.
fn finish(mut doc: Document, options: &GeneratorOptions, behavior: &str) -> Resource {
    let metadata = doc.metadata().expect("`empty` made it");
    for (field, pairs) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        if pairs.is_empty() {
            continue;
        }
        let map = push_mapping(&mut doc, metadata, field);
        for (key, value) in pairs {
            push_string(&mut doc, map, key, value, Style::SingleQuoted);
        }
    }
    if options.immutable {
        let root = doc.root();
        let value = doc.new_scalar(Scalar { tag: Tag::Bool, ..Scalar::plain("true") });
        push(&mut doc, root, "immutable", value);
    }
    let (needs_hash, behavior) = (!options.disable_name_suffix_hash, Behavior::named(behavior));
    Resource::with_history(doc, History { needs_hash, behavior, ..History::default() })
}

/// Appends an entry. Like kustomize's setters, gives the key no tag, so a key
/// that looks like a number or a boolean is one, and fails when it is printed.
fn push(doc: &mut Document, map: NodeId, key: &str, value: NodeId) {
    let key = doc.new_scalar(Scalar::plain(key));
    doc.push_entry(map, key, value);
}

fn push_string(doc: &mut Document, map: NodeId, key: &str, text: &str, style: Style) {
    let value = doc.new_scalar(Scalar { style, ..Scalar::string(text) });
    push(doc, map, key, value);
}

fn push_mapping(doc: &mut Document, map: NodeId, key: &str) -> NodeId {
    let value = doc.new_mapping();
    push(doc, map, key, value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(args: &ConfigMapArgs) -> Result<Resource, GenerateError> {
        config_map(args, None, &|file| match file {
            "binary" => Ok(vec![0xff, 0xfe]),
            "text" => Ok(b"a\nb\n".to_vec()),
            _ => Err("no such file".into()),
        })
    }

    fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    fn at<'a>(resource: &'a Resource, path: &[&str]) -> Option<&'a str> {
        let doc = resource.doc();
        doc.get_path(doc.root(), path).map(|node| doc.text(node))
    }

    #[test]
    fn text_and_binary_data_are_told_apart() {
        let args = ConfigMapArgs {
            name: "c".into(),
            literals: texts(["k='v'"]),
            files: texts(["binary", "t=text"]),
            ..ConfigMapArgs::default()
        };
        let made = generated(&args).expect("generated");
        assert_eq!(at(&made, &["data", "k"]), Some("v"));
        assert_eq!(at(&made, &["data", "t"]), Some("a\nb\n"));
        assert_eq!(at(&made, &["binaryData", "binary"]), Some("//4="));
        assert!(made.history().needs_hash);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |args: &ConfigMapArgs| {
            let error = generated(args).expect_err("refused");
            let source = std::error::Error::source(&error).map(ToString::to_string);
            (error.to_string(), source.unwrap_or_default())
        };
        let mut args = ConfigMapArgs { name: "c".into(), literals: texts(["k=1", "k=2"]), ..Default::default() };
        let place = "cannot generate the ConfigMap c".to_owned();
        assert_eq!(message(&args), (place.clone(), "the key `k` is given twice".to_owned()));
        args.files = texts(["missing"]);
        assert_eq!(message(&args), (place, "cannot read missing".to_owned()));
        args.name.clear();
        assert_eq!(message(&args).0, "a ConfigMap generator has no name");
    }

    #[test]
    fn data_is_sorted_and_the_first_key_that_cannot_be_used_is_told() {
        let data = |literals: &[&str]| {
            let literals: Vec<String> = literals.iter().map(|text| (*text).to_owned()).collect();
            let sources = Sources { envs: &[], literals: &literals, files: &[] };
            let data = data_of("Secret", "s", sources, &|_| Err("unused".into()));
            let told = |error| std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            data.map(|data| data.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(" ")).map_err(told)
        };
        let cannot = |what: &str| Err(what.to_owned());
        assert_eq!(data(&["c=1", "a=2", "b=3"]), Ok("a b c".to_owned()));
        assert_eq!(data(&["<<=1"]), cannot("the key `<<` cannot be printed"));
        assert_eq!(data(&["b=1", "<<=2", "b=3"]), cannot("the key `<<` cannot be printed"));
        assert_eq!(data(&["b=1", "a=2", "b=3", "<<=4", "a=5"]), cannot("the key `b` is given twice"));
    }

    #[test]
    fn a_secret_is_base64_and_opaque() {
        let args = SecretArgs { name: "s".into(), literals: texts(["k=v"]), ..SecretArgs::default() };
        let made = secret(&args, None, &|_| Err("unused".into())).expect("generated");
        assert_eq!(at(&made, &["type"]), Some("Opaque"));
        assert_eq!(at(&made, &["data", "k"]), Some("dg=="));
    }

    #[test]
    fn global_options_fill_in_and_booleans_win() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let own = GeneratorOptions { labels: pairs(&[("a", "own")]), ..Default::default() };
        let global = GeneratorOptions {
            labels: pairs(&[("a", "global"), ("b", "global")]),
            immutable: true,
            disable_name_suffix_hash: true,
            ..Default::default()
        };
        let merged = merged_options(Some(&own), Some(&global));
        assert_eq!(merged.labels, pairs(&[("a", "own"), ("b", "global")]));
        assert!(merged.immutable && merged.disable_name_suffix_hash);
    }

    #[test]
    fn long_base64_is_wrapped_after_70_characters() {
        assert_eq!(wrapped_base64(&[0; 51]).len(), 68);
        let wrapped = wrapped_base64(&[0; 54]);
        assert_eq!(wrapped.split('\n').map(str::len).collect::<Vec<_>>(), [70, 2, 0]);
    }
}
