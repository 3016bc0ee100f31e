//! `edit fix --vars`: vars become replacements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};
use crate::id::split_api_version;
use crate::source::{FileSource, lexically_normal};
use crate::yaml::{self, Document, Kind, Limits, NodeId, SourceText};

/// Larger files are passed over, as files that cannot be read are.
const MAX_FILE: u64 = 64 << 20;

/// A file that changes together with the kustomization file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileChange {
    /// The file, relative to the source's root.
    pub path: PathBuf,
    /// Its new content.
    pub text: String,
}

impl FileChange {
    /// A file with this content.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A file in which a var may be used, and the patch entry that names it.
struct Touched {
    path: PathBuf,
    patch: Option<Value>,
}

impl KustomizationFile {
    /// Turns `vars` into `replacements`, as `kustomize edit fix --vars` does:
    /// every `$(NAME)` in the resource and patch files becomes
    /// `NAME_PLACEHOLDER`, and a replacement is written for the field that holds it.
    ///
    /// `dir` is where the kustomization file is. The changes of the other
    /// files are returned; nothing is written.
    ///
    /// # Errors
    ///
    /// [`EditError::Invalid`] if a var stands in the middle of a text without
    /// the same delimiter on both sides.
    pub fn vars_to_replacements(&mut self, files: &dyn FileSource, dir: &Path) -> Result<Vec<FileChange>, EditError> {
        let vars = self.list("vars")?;
        if vars.is_empty() {
            return Ok(Vec::new());
        }
        let touched = touched(files, dir, &self.fields());
        let mut texts: Vec<Option<String>> = touched.iter().map(|file| read(files, &file.path)).collect();
        let original = texts.clone();
        let mut replacements = Vec::new();
        for var in &vars {
            let name = var.get("name").and_then(Value::as_str).unwrap_or_default();
            let marker = format!("$({name})");
            let mut targets = Vec::new();
            for (file, text) in touched.iter().zip(&mut texts) {
                let Some(text) = text else { continue };
                targets.extend(targets_in(file, text, &marker)?);
                *text = text.replace(&marker, &format!("{name}_PLACEHOLDER"));
            }
            replacements.push(replacement(var, targets));
        }
        self.set_fields(vec![("replacements", Some(Value::Array(replacements))), ("vars", None)])?;
        let changed = touched.into_iter().zip(texts).zip(original).filter(|((_, text), original)| text != original);
        let change =
            |((file, text), _): ((Touched, Option<String>), _)| Some(FileChange { path: file.path, text: text? });
        Ok(changed.filter_map(change).collect())
    }
}

fn read(files: &dyn FileSource, path: &Path) -> Option<String> {
    String::from_utf8(files.read(path, MAX_FILE).ok()?.to_vec()).ok()
}

/// Resource and patch files of a kustomization and of those below it.
fn touched(files: &dyn FileSource, dir: &Path, fields: &Map<String, Value>) -> Vec<Touched> {
    let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for entry in list("resources").iter().chain(&list("bases")).filter_map(Value::as_str) {
        let path = lexically_normal(&dir.join(entry));
        for name in KustomizationFile::NAMES {
            let below = read(files, &path.join(name)).and_then(|text| KustomizationFile::parse(text).ok());
            if let Some(file) = below {
                found.extend(touched(files, &path, &file.fields()));
            }
        }
        found.push(Touched { path, patch: None });
    }
    for patch in list("patches") {
        if let Some(path) = patch.get("path").and_then(Value::as_str).filter(|path| !path.is_empty()) {
            found.push(Touched { path: lexically_normal(&dir.join(path)), patch: Some(patch) });
        }
    }
    found
}

fn replacement(var: &Value, targets: Vec<Value>) -> Value {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let reference = |field: &str| text(var.get("objref").and_then(|objref| objref.get(field)));
    let api_version = reference("apiVersion");
    let (group, version) = split_api_version(&api_version);
    let mut source = Map::new();
    put(&mut source, "group", group);
    put(&mut source, "version", version);
    put(&mut source, "kind", &reference("kind"));
    put(&mut source, "name", &reference("name"));
    put(&mut source, "namespace", &reference("namespace"));
    put(&mut source, "fieldPath", &text(var.get("fieldref").and_then(|fieldref| fieldref.get("fieldPath"))));
    let mut replacement = json!({"source": source});
    if !targets.is_empty() {
        replacement["targets"] = Value::Array(targets);
    }
    replacement
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), json!(text));
    }
}

/// A target for each field of the file that holds the marker.
fn targets_in(file: &Touched, text: &str, marker: &str) -> Result<Vec<Value>, EditError> {
    let source = Arc::new(SourceText { text: text.to_owned() });
    let mut targets = Vec::new();
    for doc in yaml::parse(source, &Limits::new()).unwrap_or_default() {
        let mut fields = Vec::new();
        find_marker(&doc, doc.root(), marker, &mut Vec::new(), &mut fields);
        for (path, text) in fields {
            let mut target = json!({"select": select(&doc, file.patch.as_ref()), "fieldPaths": [path]});
            let options = options(&text, marker).ok_or_else(|| EditError::Invalid {
                problem: format!("{}: {marker} in {text:?} is not delimited", file.path.display()),
            })?;
            if !options.is_empty() {
                target["options"] = Value::Object(options);
            }
            targets.push(target);
        }
    }
    Ok(targets)
}

/// The resource itself, or what the patch's target says.
fn select(doc: &Document, patch: Option<&Value>) -> Map<String, Value> {
    let text = |path: &[&str]| doc.get_path(doc.root(), path).map(|id| doc.text(id)).unwrap_or_default();
    let allows = |patch: &Value, option: &str| {
        patch.get("options").and_then(|options| options.get(option)) == Some(&json!(true))
    };
    let mut select = Map::new();
    match patch {
        Some(patch) if !(allows(patch, "allowNameChange") && allows(patch, "allowKindChange")) => {
            select = patch.get("target").and_then(Value::as_object).cloned().unwrap_or_default();
            if allows(patch, "allowNameChange") {
                put(&mut select, "name", text(&["metadata", "name"]));
            }
            if allows(patch, "allowKindChange") {
                put(&mut select, "kind", text(&["kind"]));
            }
        }
        _ => {
            let (group, version) = split_api_version(text(&["apiVersion"]));
            put(&mut select, "group", group);
            put(&mut select, "version", version);
            put(&mut select, "kind", text(&["kind"]));
            put(&mut select, "name", text(&["metadata", "name"]));
        }
    }
    put(&mut select, "namespace", text(&["metadata", "namespace"]));
    select
}

/// Collects (field path, text) of the scalars that hold the marker.
fn find_marker(doc: &Document, id: NodeId, marker: &str, path: &mut Vec<String>, found: &mut Vec<(String, String)>) {
    let mut visit = |part: String, child: NodeId, path: &mut Vec<String>| {
        path.push(part);
        find_marker(doc, child, marker, path, found);
        path.pop();
    };
    match doc.kind(id) {
        Kind::Sequence => doc.items(id).enumerate().for_each(|(index, item)| visit(index.to_string(), item, path)),
        Kind::Mapping => doc.entries(id).for_each(|(key, value)| {
            let key = doc.text(key);
            visit(if key.contains('.') { format!("[{key}]") } else { key.to_owned() }, value, path);
        }),
        Kind::Scalar if doc.text(id).contains(marker) => found.push((path.join("."), doc.text(id).to_owned())),
        Kind::Scalar => {}
    }
}

/// How to find the marker's place again once it is gone; `None` if that cannot be said.
fn options(text: &str, marker: &str) -> Option<Map<String, Value>> {
    let (before, after) = text.split_once(marker)?;
    let delimiter = match (before.chars().next_back(), after.chars().next()) {
        (None, None) => return Some(Map::new()),
        (Some(char), None) | (None, Some(char)) => char,
        (Some(left), Some(right)) if left == right => left,
        _ => return None,
    };
    let index = match (before.is_empty(), after.is_empty()) {
        (true, _) => 0,
        (_, true) => text.split(delimiter).count() - 1,
        _ => text.split(delimiter).position(|part| part == marker)?,
    };
    let mut options = Map::new();
    options.insert("delimiter".to_owned(), json!(delimiter));
    if index > 0 {
        options.insert("index".to_owned(), json!(index));
    }
    Some(options)
}
