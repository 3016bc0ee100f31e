//! From the text of a manifest file to its resources.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::error::BuildError;
use crate::origin::{ManifestFile, Place};
use crate::resource::Resource;
use crate::threads::Threads;
use crate::yaml::{self, Document, Limits, NodeId, SourceText, json};

/// The resources in a file.
pub(crate) fn read(bytes: Vec<u8>, path: &Path, limits: &Limits) -> Result<Vec<Resource>, BuildError> {
    let at = |source| BuildError::Yaml { path: path.to_owned(), source: Box::new(source) };
    read_text(yaml::decode(bytes, limits).map_err(at)?, path, limits)
}

/// The resources in a text that was read from a file.
pub(crate) fn read_text(text: Arc<SourceText>, path: &Path, limits: &Limits) -> Result<Vec<Resource>, BuildError> {
    read_text_on(Threads::ONE, text, path, limits)
}

/// As [`read_text`], with several manifests at a time.
pub(crate) fn read_text_on(
    threads: Threads,
    text: Arc<SourceText>,
    path: &Path,
    limits: &Limits,
) -> Result<Vec<Resource>, BuildError> {
    Manifests::new(threads, path, limits).read(text)
}

/// The resources in what helm printed. As in kustomize, lists whose items are
/// no resources stay as they are there, and so do all others then.
pub(crate) fn read_helm(bytes: Vec<u8>, path: &Path, limits: &Limits) -> Result<Vec<Resource>, BuildError> {
    let at = |source| BuildError::Yaml { path: path.to_owned(), source: Box::new(source) };
    let text = yaml::decode(bytes, limits).map_err(at)?;
    let manifests = Manifests::new(Threads::ONE, path, limits);
    let mut resources = manifests.read(Arc::clone(&text)).or_else(|error| {
        let mut resources = manifests.documents(text).map_err(|_| error)?;
        resources.retain(|resource| !crate::metadata::is_local_config(resource));
        Ok(resources)
    })?;
    resources.iter_mut().for_each(mark_as_helm_s);
    Ok(resources)
}

/// kustomize does so by an annotation, for which a list without metadata is given some.
fn mark_as_helm_s(resource: &mut Resource) {
    resource.set_place(None);
    resource.history_mut().helm_generated = true;
    if resource.doc().get(resource.doc().root(), "metadata").is_none() {
        let doc = resource.doc_mut();
        let metadata = doc.new_mapping();
        doc.set(doc.root(), "metadata", metadata);
    }
}

/// The resources in a text that stands in a kustomization file.
pub(crate) fn read_inline(text: &str, path: &Path, limits: &Limits) -> Result<Vec<Resource>, BuildError> {
    read_text(Arc::new(SourceText { text: text.to_owned() }), path, limits)
}

struct Manifests<'a> {
    path: &'a Path,
    limits: &'a Limits,
    threads: Threads,
    /// The file, with the text of the first document that was read.
    file: OnceLock<Arc<ManifestFile>>,
    /// Whether a kind ends in `List`.
    has_lists: AtomicBool,
}

impl<'a> Manifests<'a> {
    fn new(threads: Threads, path: &'a Path, limits: &'a Limits) -> Self {
        Self { path, limits, threads, file: OnceLock::new(), has_lists: AtomicBool::new(false) }
    }

    fn read(&self, source: Arc<SourceText>) -> Result<Vec<Resource>, BuildError> {
        let documents = self.documents(source)?;
        if self.has_lists.load(Relaxed) { self.expand_lists(documents) } else { Ok(documents) }
    }

    /// The documents that say something. A file with a single `List` stands for its items.
    fn documents(&self, source: Arc<SourceText>) -> Result<Vec<Resource>, BuildError> {
        let at = |source| BuildError::Yaml { path: self.path.to_owned(), source: Box::new(source) };
        let read = |document| self.resource(document);
        let mut documents = yaml::parse_each(self.threads, source, self.limits, read).map_err(at)?;
        if let [Read::Resource(only)] = &documents[..]
            && let Some(items) = unwrapped(only.doc())
        {
            documents = items.into_iter().map(read).collect();
        }
        documents.into_iter().filter_map(|read| self.checked(read)).collect()
    }

    /// All that is to be found out about a document, while it is in the processor's cache.
    fn resource(&self, doc: Document) -> Read {
        if is_nothing(&doc, doc.root()) {
            return Read::Nothing;
        }
        if let Some(problem) = problem(&doc) {
            return Read::Problem(Box::new((doc, problem)));
        }
        if doc.resource_kind().ends_with("List") {
            self.has_lists.store(true, Relaxed);
        }
        let file = self.file.get_or_init(|| ManifestFile::new(self.path, Arc::clone(doc.source())));
        // Items of lists have a text of their own, and so no line in the file.
        let offset = doc.offset(doc.root()).filter(|_| file.is_of(doc.source()));
        let mut resource = Resource::at(Place::new(file, offset), doc);
        crate::metadata::adopt_build_annotations(&mut resource);
        Read::Resource(resource)
    }

    fn checked(&self, read: Read) -> Option<Result<Resource, BuildError>> {
        match read {
            Read::Nothing => None,
            Read::Resource(resource) => Some(Ok(resource)),
            Read::Problem(problem) => {
                let (doc, problem) = *problem;
                let line = doc.line(doc.root());
                Some(Err(BuildError::NotAResource { path: self.path.to_owned(), line, problem }))
            }
        }
    }

    /// Replaces every resource whose kind ends in `List` by its items. They come
    /// after the rest of the file, and by way of JSON, as in kustomize.
    fn expand_lists(&self, documents: Vec<Resource>) -> Result<Vec<Resource>, BuildError> {
        let mut expanded = Vec::with_capacity(documents.len());
        let mut queue = VecDeque::from(documents);
        while let Some(document) = queue.pop_front() {
            let (doc, kind) = (document.doc(), document.kind());
            let items = if kind.ends_with("List") { doc.get(doc.root(), "items") } else { None };
            match items {
                None => expanded.push(document),
                Some(items) if doc.is_null(items) => {}
                Some(items) if doc.is_sequence(items) => {
                    for item in doc.items(items) {
                        queue.extend(self.item(doc, item)?);
                    }
                }
                Some(items) => {
                    let problem = format!("the items of the {kind} are not a list");
                    let line = doc.line(items);
                    return Err(BuildError::NotAResource { path: self.path.to_owned(), line, problem });
                }
            }
        }
        Ok(expanded)
    }

    fn item(&self, list: &Document, item: NodeId) -> Result<Vec<Resource>, BuildError> {
        let at = |source| BuildError::Unprintable { path: self.path.to_owned(), source };
        let text = json::write_go(list, item, true).map_err(at)?;
        self.documents(Arc::new(SourceText { text }))
    }
}

/// What a document turns out to be.
enum Read {
    Nothing,
    Resource(Resource),
    /// None, although it says something.
    Problem(Box<(Document, String)>),
}

/// What a resource lacks: kustomize asks for a kind, and for a name unless it is a list.
pub(crate) fn problem(doc: &Document) -> Option<String> {
    let text = |value: Option<NodeId>| {
        let value = value.filter(|value| !is_nothing(doc, *value));
        value.map(|value| doc.text(value)).unwrap_or_default()
    };
    let (kind, name) = (text(doc.kind_field()), text(doc.name_field()));
    match () {
        () if !doc.is_mapping(doc.root()) => Some("not a resource, as it is no mapping".to_owned()),
        () if kind.is_empty() => Some("the resource has no kind".to_owned()),
        () if name.is_empty() && !kind.ends_with("List") => Some(format!("the {kind} has no metadata.name")),
        () => None,
    }
}

/// The items of a `List` or `ResourceList`.
fn unwrapped(list: &Document) -> Option<Vec<Document>> {
    let root = list.root();
    let kind = list.get_text(root, "kind")?;
    let is_list = matches!(kind, "List" | "ResourceList");
    if !is_list || (list.get(root, "items").is_none() && list.get(root, "functionConfig").is_none()) {
        return None;
    }
    let items = list.get(root, "items").into_iter().flat_map(|items| list.items(items));
    Some(items.map(|item| part(list, item)).collect())
}

/// A node of a document as a document of its own.
fn part(whole: &Document, node: NodeId) -> Document {
    let mut part = Document::new(Arc::clone(whole.source()));
    let root = part.copy_from(whole, node);
    part.set_root(root);
    part
}

/// Whether kustomize takes the node for missing: null, `{}` or `[]`.
fn is_nothing(doc: &Document, node: NodeId) -> bool {
    doc.is_null(node) || (!doc.is_scalar(node) && doc.is_empty(node))
}
