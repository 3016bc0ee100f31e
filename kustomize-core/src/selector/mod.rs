//! Which resources a patch or a replacement is for.

mod labels;

use self::labels::Requirements;
use crate::go_regex::{AnchoredRegex, InvalidRegex, is_literal};
use crate::id::ResourceId;
use crate::kustomization::Selector;
use crate::resource::{Resource, effective_namespace};
use crate::schema::Schema;
use crate::yaml::NodeId;

/// Why a selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// A part of the id is not a regular expression.
    #[error("the {field} of a selector cannot be used")]
    Regex {
        /// The selector's field.
        field: &'static str,
        /// What is wrong with it.
        source: InvalidRegex,
    },
    /// A label or annotation selector is malformed.
    #[error("the {field} `{given}` cannot be used: {problem}")]
    Labels {
        /// `labelSelector` or `annotationSelector`.
        field: &'static str,
        /// The selector as it was written.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A selector with its expressions compiled.
#[derive(Debug)]
pub(crate) struct CompiledSelector {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    annotations: Requirements,
    labels: Requirements,
}

impl CompiledSelector {
    pub(crate) fn new(selector: &Selector) -> Result<Self, SelectorError> {
        let pattern = |field, text: &str| Pattern::new(text).map_err(|source| SelectorError::Regex { field, source });
        let requirements = |field, text: &str| {
            let labels = |problem| SelectorError::Labels { field, given: text.to_owned(), problem };
            Requirements::parse(text).map_err(labels)
        };
        Ok(Self {
            group: pattern("group", &selector.group)?,
            version: pattern("version", &selector.version)?,
            kind: pattern("kind", &selector.kind)?,
            name: pattern("name", &selector.name)?,
            namespace: pattern("namespace", &selector.namespace)?,
            annotations: requirements("annotationSelector", &selector.annotation_selector)?,
            labels: requirements("labelSelector", &selector.label_selector)?,
        })
    }

    /// Whether the type of the resource is selected.
    pub(crate) fn matches_type(&self, group: &str, version: &str, kind: &str) -> bool {
        self.kind.matches(kind) && self.group.matches(group) && self.version.matches(version)
    }

    /// Whether the name is selected.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        self.name.matches(name)
    }

    /// Whether the namespace is selected.
    pub(crate) fn matches_namespace(&self, namespace: &str) -> bool {
        self.namespace.matches(namespace)
    }

    /// Whether type, name and namespace are selected.
    pub(crate) fn matches_id(&self, id: &ResourceId) -> bool {
        self.matches_type(&id.gvk.group, &id.gvk.version, &id.gvk.kind)
            && self.matches_name(&id.name)
            && self.matches_namespace(&id.namespace)
    }

    /// Whether labels and annotations are selected.
    pub(crate) fn matches_metadata(&self, resource: &Resource) -> bool {
        let get = |field: &str, key: &str| {
            let doc = resource.doc();
            let map: NodeId = doc.get(resource.metadata()?, field)?;
            doc.get(map, key).map(|value| doc.text(value).to_owned())
        };
        self.annotations.matches(|key| get("annotations", key)) && self.labels.matches(|key| get("labels", key))
    }

    /// Whether a resource is selected by its present type, labels and
    /// annotations, and by its present or first name and namespace.
    pub(crate) fn selects(&self, resource: &Resource, schema: &Schema) -> bool {
        let (group, version) = resource.group_version();
        if !self.matches_type(group, version, resource.kind()) {
            return false;
        }
        let (name, namespace) = match resource.history().previous.first() {
            Some(first) => (first.name, first.namespace),
            None => (resource.name(), resource.namespace()),
        };
        let is_cluster_scoped = resource.is_cluster_scoped(schema);
        let effective = |namespace| effective_namespace(namespace, is_cluster_scoped);
        (self.matches_namespace(effective(namespace)) || self.matches_namespace(effective(resource.namespace())))
            && (self.matches_name(name) || self.matches_name(resource.name()))
            && self.matches_metadata(resource)
    }

    /// Whether it says anything about type, name or namespace.
    pub(crate) fn has_id(&self) -> bool {
        [&self.group, &self.version, &self.kind, &self.name, &self.namespace]
            .iter()
            .any(|pattern| !matches!(pattern, Pattern::Any))
    }

    /// Whether it says anything about labels or annotations.
    pub(crate) fn has_metadata(&self) -> bool {
        !self.annotations.is_empty() || !self.labels.is_empty()
    }

    /// The only name that it selects, if there is only one.
    pub(crate) fn literal_name(&self) -> Option<&str> {
        match &self.name {
            Pattern::Literal(name) => Some(name),
            _ => None,
        }
    }
}

/// An anchored regular expression; none at all matches everything.
#[derive(Debug)]
enum Pattern {
    Any,
    /// Without special characters, which is most of them: no engine is needed.
    Literal(String),
    Regex(Box<AnchoredRegex>),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, InvalidRegex> {
        match text {
            "" => Ok(Self::Any),
            _ if is_literal(text) => Ok(Self::Literal(text.to_owned())),
            _ => AnchoredRegex::new(text).map(|regex| Self::Regex(Box::new(regex))),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => literal == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Document, Scalar};

    fn resource(labels: &[(&str, &str)]) -> Resource {
        let mut doc = Document::new(Arc::default());
        let (root, metadata, map) = (doc.root(), doc.new_mapping(), doc.new_mapping());
        for (key, value) in labels {
            doc.set_value(map, key, Scalar::string(value));
        }
        doc.set(metadata, "labels", map);
        doc.set(root, "metadata", metadata);
        Resource::new(doc)
    }

    #[test]
    fn patterns_match_the_whole_text() {
        let selector = |name: &str| Selector { name: name.into(), ..Selector::default() };
        for (pattern, name, expected) in [
            ("", "web", true),
            ("web", "web", true),
            ("web", "web-1", false),
            ("web.*", "web-1", true),
            ("e", "web", false),
        ] {
            let compiled = CompiledSelector::new(&selector(pattern)).expect(pattern);
            assert_eq!(compiled.matches_name(name), expected, "{pattern} {name}");
        }
        assert!(matches!(CompiledSelector::new(&selector("(")), Err(SelectorError::Regex { field: "name", .. })));
    }

    #[test]
    fn labels_are_looked_up_in_the_manifest() {
        let selector = Selector { label_selector: "app=web,!old".into(), ..Selector::default() };
        let compiled = CompiledSelector::new(&selector).expect("valid");
        assert!(compiled.matches_metadata(&resource(&[("app", "web")])));
        assert!(!compiled.matches_metadata(&resource(&[("app", "web"), ("old", "")])));
        assert!(!compiled.matches_metadata(&resource(&[])));
        assert!(compiled.has_metadata() && !compiled.has_id());
    }
}
