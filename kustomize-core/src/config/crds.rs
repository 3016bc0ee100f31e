//! Field specs from the OpenAPI definitions that a kustomization lists under
//! `crds`, as kustomize's `LoadConfigFromCRDs` reads them.

use std::sync::Arc;

use serde::de::Error as _;

use super::{ConfigError, FieldSpecs, NameReference, TransformerConfig, names};
use crate::id::Gvk;
use crate::kustomization::{DecodeError, FieldSpec};
use crate::yaml::{Document, NodeId};

const ANNOTATION: &str = "x-kubernetes-annotation";
const LABEL_SELECTOR: &str = "x-kubernetes-label-selector";
const IDENTITY: &str = "x-kubernetes-identity";
const REF_VERSION: &str = "x-kubernetes-object-ref-api-version";
const REF_KIND: &str = "x-kubernetes-object-ref-kind";
const REF_NAME_KEY: &str = "x-kubernetes-object-ref-name-key";

/// A field counts once for every way that leads to it, and a few types that
/// refer to each other twice can make any number of ways.
const MAX_FIELDS: usize = 1_000_000;
const MAX_LEVELS: usize = 500;

/// The definitions of one file, and the fields they mark.
struct Definitions<'a> {
    doc: &'a Document,
    types: Vec<(&'a str, NodeId)>,
    annotations: Vec<FieldSpec>,
    labels: Vec<FieldSpec>,
    names: Vec<FieldSpec>,
    references: Vec<NameReference>,
    visited: usize,
}

/// Where in a resource the walk is.
struct Place<'a> {
    kind: &'a str,
    path: Vec<&'a str>,
    /// The types that lead here.
    types: Vec<&'a str>,
}

pub(super) fn config(doc: &Document, root: NodeId) -> Result<TransformerConfig, ConfigError> {
    let mut definitions = Definitions::new(doc, root)?;
    for (name, definition) in definitions.types.clone() {
        if definitions.is_resource(definition) {
            let kind = name.rsplit('.').next().unwrap_or(name);
            definitions.visit(name, &mut Place { kind, path: Vec::new(), types: Vec::new() })?;
        }
    }
    definitions.into_config()
}

impl<'a> Definitions<'a> {
    fn new(doc: &'a Document, root: NodeId) -> Result<Self, ConfigError> {
        let invalid = |name: &str, what: &str| ConfigError::Definition {
            name: name.to_owned(),
            source: DecodeError::custom(what),
        };
        if !doc.is_mapping(root) && !doc.is_null(root) {
            return Err(invalid("", "the file must be a mapping of type names to definitions"));
        }
        let mut types = Vec::new();
        for (key, definition) in doc.entries(root) {
            if !doc.is_mapping(definition) && !doc.is_null(definition) {
                return Err(invalid(doc.text(key), "a definition must be a mapping"));
            }
            types.push((doc.text(key), definition));
        }
        Ok(Self { doc, types, annotations: vec![], labels: vec![], names: vec![], references: vec![], visited: 0 })
    }

    fn properties(&self, definition: NodeId) -> impl Iterator<Item = (&'a str, NodeId)> + use<'a> {
        let doc = self.doc;
        let properties = doc.get_path(definition, &["Schema", "properties"]);
        let entries = properties.map(|properties| doc.entries(properties));
        entries.into_iter().flatten().map(|(key, property)| (doc.text(key), property))
    }

    fn is_resource(&self, definition: NodeId) -> bool {
        ["apiVersion", "kind", "metadata"]
            .iter()
            .all(|field| self.properties(definition).any(|(name, _)| name == *field))
    }

    /// An `x-` extension; its name matches whatever its case.
    fn extension(&self, property: NodeId, name: &str) -> Option<&'a str> {
        let mut entries = self.doc.entries(property);
        let (_, value) = entries.find(|(key, _)| self.doc.text(*key).eq_ignore_ascii_case(name))?;
        (self.doc.tag(value) == crate::yaml::Tag::Str).then(|| self.doc.text(value))
    }

    fn visit(&mut self, name: &'a str, place: &mut Place<'a>) -> Result<(), ConfigError> {
        let Some((name, definition)) = self.types.iter().find(|(known, _)| *known == name).copied() else {
            return Ok(());
        };
        if place.types.contains(&name) {
            return Err(ConfigError::Recursive { name: name.to_owned(), path: place.path.join("/") });
        }
        place.types.push(name);
        for (field, property) in self.properties(definition) {
            self.visited += 1;
            if self.visited > MAX_FIELDS || place.types.len() > MAX_LEVELS {
                let (name, fields, levels) = (name.to_owned(), MAX_FIELDS, MAX_LEVELS);
                return Err(ConfigError::TooLarge { name, fields, levels });
            }
            place.path.push(field);
            self.record(property, place);
            if let Some(reference) = self.doc.get_text(property, "$ref") {
                self.visit(reference, place)?;
            }
            place.path.pop();
        }
        place.types.pop();
        Ok(())
    }

    fn record(&mut self, property: NodeId, place: &Place<'_>) {
        let spec = || FieldSpec {
            kind: place.kind.to_owned().into(),
            path: place.path.join("/").into(),
            ..FieldSpec::default()
        };
        if self.extension(property, ANNOTATION).is_some() {
            self.annotations.push(spec());
        }
        if self.extension(property, LABEL_SELECTOR).is_some() {
            self.labels.push(spec());
        }
        if self.extension(property, IDENTITY).is_some() {
            self.names.push(spec());
        }
        let (version, kind) = (self.extension(property, REF_VERSION), self.extension(property, REF_KIND));
        if let (Some(version), Some(kind)) = (version, kind) {
            let key = self.extension(property, REF_NAME_KEY).unwrap_or("name");
            let mut referrer = spec();
            referrer.path = format!("{}/{key}", referrer.path).into();
            self.references.push(NameReference {
                target: Gvk { group: String::new(), version: version.to_owned(), kind: kind.to_owned() },
                referrers: FieldSpecs::new(vec![referrer]),
            });
        }
    }

    fn into_config(self) -> Result<TransformerConfig, ConfigError> {
        let list = |specs| Arc::new(FieldSpecs::new(specs));
        let found = TransformerConfig {
            common_annotations: list(self.annotations),
            common_labels: list(self.labels),
            name_prefix: list(self.names),
            name_references: names(self.references),
            ..TransformerConfig::default()
        };
        // Merging into an empty one drops what is there twice.
        let mut config = TransformerConfig::default();
        config.merge(&found)?;
        Ok(config)
    }
}
