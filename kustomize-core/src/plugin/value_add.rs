//! Kustomize's ValueAddTransformer: puts one value into fields of many resources.

use std::path::Path;

use serde::Deserialize;

use super::PluginError;
use crate::config::FieldSpecs;
use crate::generate::{BoxError, ReadFile};
use crate::kustomization::{Selector, decode};
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::selector::CompiledSelector;
use crate::transform::NamespaceTransformer;
use crate::yaml::{self, Document, Kind, Limits, NodeId, Scalar};

/// What the transformer's configuration says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    value: String,
    targets: Vec<TargetConfig>,
    target_file_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TargetConfig {
    selector: Option<Selector>,
    field_path: String,
    file_path_position: i64,
}

/// Adds a value to fields.
#[derive(Debug)]
pub(crate) struct ValueAddTransformer {
    value: String,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    select: Option<CompiledSelector>,
    path: String,
    fields: Vec<String>,
    /// Where the value goes in a field that is a file's path, counted from 1; 0 to replace the field.
    position: usize,
}

impl ValueAddTransformer {
    /// The value is the name of the kustomization's directory if none is given.
    pub(super) fn new(mut config: Config, root: &Path, read_file: ReadFile<'_>) -> Result<Self, BoxError> {
        let mut value = config.value.trim().to_owned();
        if value.is_empty() {
            value = root.file_name().map_or("/".into(), |name| name.to_string_lossy().into_owned());
        }
        if !config.target_file_path.is_empty() {
            config.targets.extend(read_targets(&config.target_file_path, read_file)?);
        }
        if config.targets.is_empty() {
            return Err(incomplete("it has no targets").into());
        }
        let targets = config.targets.into_iter().map(Target::new).collect::<Result<_, _>>()?;
        Ok(Self { value, targets })
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), BoxError> {
        self.targets.iter().try_for_each(|target| target.apply(&self.value, resources, schema))
    }
}

fn incomplete(problem: &str) -> PluginError {
    PluginError::Incomplete { problem: problem.to_owned() }
}

fn read_targets(path: &str, read_file: ReadFile<'_>) -> Result<Vec<TargetConfig>, BoxError> {
    let limits = Limits::new();
    let doc = yaml::parse_v2(yaml::decode(read_file(path)?, &limits)?, &limits)?;
    let config: Config = decode::lenient(&doc, doc.root()).map_err(|source| PluginError::Decode { source })?;
    Ok(config.targets)
}

impl Target {
    fn new(config: TargetConfig) -> Result<Self, BoxError> {
        if config.field_path.is_empty() {
            return Err(incomplete("a target has no fieldPath").into());
        }
        let position = usize::try_from(config.file_path_position);
        Ok(Self {
            select: config.selector.as_ref().map(CompiledSelector::new).transpose()?,
            fields: split(&config.field_path),
            path: config.field_path,
            position: position.map_err(|_| incomplete("a filePathPosition is negative"))?,
        })
    }

    fn apply(&self, value: &str, resources: &mut ResourceSet, schema: &Schema) -> Result<(), BoxError> {
        for resource in resources.iter_mut() {
            if self.select.as_ref().is_some_and(|select| !select.selects(resource, schema)) {
                continue;
            }
            if self.path == "metadata/namespace" {
                set_namespace(resource, value, schema)?;
            } else {
                self.set(resource, value)?;
            }
        }
        Ok(())
    }

    fn set(&self, resource: &mut Resource, value: &str) -> Result<(), PluginError> {
        let doc = resource.doc_mut();
        let failed = match find_or_make(doc, &self.fields) {
            Ok(None) => return Ok(()),
            Ok(Some(node)) if doc.is_scalar(node) => {
                let text = match self.position {
                    0 => value.to_owned(),
                    position => with_part(doc.text(node), position - 1, value),
                };
                let style = doc.style(node);
                doc.set_scalar(node, Scalar { style, ..Scalar::plain(&text) });
                return Ok(());
            }
            Ok(Some(_)) => "it is not a single value".to_owned(),
            Err(problem) => problem,
        };
        Err(PluginError::Field { resource: Box::new(resource.id()), field: self.path.clone(), problem: failed })
    }
}

/// As the NamespaceTransformer without field specs does it to a single resource.
fn set_namespace(resource: &mut Resource, namespace: &str, schema: &Schema) -> Result<(), BoxError> {
    let transformer = NamespaceTransformer::new(namespace.to_owned(), FieldSpecs::default().into());
    let mut alone = ResourceSet::default();
    alone.as_mut_vec().push(resource.clone());
    transformer.apply(&mut alone, schema)?;
    if let Some(changed) = alone.as_mut_vec().pop() {
        let history = std::mem::take(resource.history_mut());
        *resource = changed;
        *resource.history_mut() = history;
    }
    Ok(())
}

/// Splits at slashes that are not escaped (`\/`).
fn split(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in path.split('/') {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('/');
                last.push_str(piece);
            }
            _ => parts.push(piece.to_owned()),
        }
    }
    parts
}

/// Follows the fields, and makes those that are missing; nothing is found below a null.
fn find_or_make(doc: &mut Document, fields: &[String]) -> Result<Option<NodeId>, String> {
    let fields: Vec<&str> = fields.iter().map(|field| field.trim()).filter(|field| !field.is_empty()).collect();
    let mut node = doc.root();
    for (at, field) in fields.iter().enumerate() {
        if doc.is_null(node) {
            return Ok(None);
        }
        let kind = match fields.get(at + 1) {
            None => Kind::Scalar,
            Some(next) if is_item(next) || next.parse::<usize>().is_ok() => Kind::Sequence,
            Some(_) => Kind::Mapping,
        };
        match step(doc, node, field, kind)? {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

fn is_item(field: &str) -> bool {
    field.starts_with('[') && field.ends_with(']')
}

fn step(doc: &mut Document, node: NodeId, field: &str, kind: Kind) -> Result<Option<NodeId>, String> {
    let is_list = is_item(field) || field == "-" || field.parse::<usize>().is_ok();
    match (is_list, doc.kind(node)) {
        (false, Kind::Mapping) => Ok(Some(doc.get(node, field).unwrap_or_else(|| make_field(doc, node, field, kind)))),
        (true, Kind::Sequence) if is_item(field) => item(doc, node, field).map(Some),
        (true, Kind::Sequence) => {
            let index = field.parse::<usize>().ok();
            Ok(index.map_or_else(|| doc.items(node).last(), |index| doc.items(node).nth(index)))
        }
        (false, _) => Err(format!("`{field}` is looked for in something that is not a mapping")),
        (true, _) => Err(format!("`{field}` is looked for in something that is not a list")),
    }
}

fn make_field(doc: &mut Document, map: NodeId, field: &str, kind: Kind) -> NodeId {
    let value = match kind {
        Kind::Scalar => doc.new_scalar(Scalar::plain("")),
        Kind::Mapping => doc.new_mapping(),
        Kind::Sequence => doc.new_sequence(),
    };
    let key = doc.new_scalar(Scalar::plain(field));
    doc.push_entry(map, key, value);
    value
}

/// The first item that `[field=value]` or `[=value]` fits; a new one if there is none.
fn item(doc: &mut Document, list: NodeId, element: &str) -> Result<NodeId, String> {
    let inside = element.trim_start_matches('[').trim_end_matches(']');
    let (field, value) =
        inside.split_once('=').ok_or_else(|| format!("`{element}` is not of the form [field=value]"))?;
    let text_of = |item: NodeId| if field.is_empty() { Some(item) } else { doc.get(item, field) };
    let found = doc.items(list).find(|item| text_of(*item).is_some_and(|node| doc.text(node) == value));
    if let Some(found) = found {
        return Ok(found);
    }
    let text = doc.new_scalar(Scalar::plain(value));
    let item = if field.is_empty() { text } else { doc.new_mapping() };
    if !field.is_empty() {
        let key = doc.new_scalar(Scalar::plain(field));
        doc.push_entry(item, key, text);
    }
    doc.push(list, item);
    Ok(item)
}

/// A file's path with another part at `position`, at most at the end.
fn with_part(path: &str, position: usize, part: &str) -> String {
    let (root, relative) = path.strip_prefix('/').map_or(("", path), |relative| ("/", relative));
    let mut parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_into_a_path() {
        for (path, position, expected) in [
            ("", 0, "PEACH"),
            ("/", 5, "/PEACH"),
            ("pie", 0, "PEACH/pie"),
            ("/pie", 0, "/PEACH/pie"),
            ("/raw", 1, "/raw/PEACH"),
            ("a/nice/warm/pie", 3, "a/nice/warm/PEACH/pie"),
            ("/a/nice/warm/pie", 9, "/a/nice/warm/pie/PEACH"),
        ] {
            assert_eq!(with_part(path, position, "PEACH"), expected, "{path} {position}");
        }
    }

    #[test]
    fn escaped_slashes_do_not_split() {
        assert_eq!(split(r"metadata/annotations/a\/b"), ["metadata", "annotations", "a/b"]);
    }
}
