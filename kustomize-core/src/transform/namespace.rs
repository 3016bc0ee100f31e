//! `namespace` and the `NamespaceTransformer`.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use foldhash::{HashSet, HashSetExt};

use super::field_spec::{Field, FieldError, Make, find_or_make, push_entry, require_kind, set_scalar};
use super::{EachResource, TransformError, failed_at, field_error};
use crate::config::{FieldSpecs, PathTree, Specs, bits, is_in_head};
use crate::generate::BoxError;
use crate::kustomization::FieldSpec;
use crate::resource::Resource;
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::yaml::{Document, Kind, NodeId, Scalar, Tag};

/// Moves resources into a namespace.
#[derive(Debug, Clone)]
pub(crate) struct NamespaceTransformer {
    pub(crate) namespace: String,
    pub(crate) specs: Arc<FieldSpecs>,
    /// Leave namespaces alone that are set already.
    pub(crate) unset_only: bool,
    pub(crate) subjects: SubjectsMode,
}

/// Which subjects of role bindings move along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SubjectsMode {
    /// Those named `default`, of whatever kind.
    #[default]
    DefaultOnly,
    AllServiceAccounts,
    None,
}

impl SubjectsMode {
    /// The mode of this name; an empty one is the default.
    pub(crate) fn named(mode: &str) -> Result<Self, TransformError> {
        match mode {
            "" | "defaultOnly" => Ok(Self::DefaultOnly),
            "allServiceAccounts" => Ok(Self::AllServiceAccounts),
            "none" => Ok(Self::None),
            mode => Err(TransformError::SubjectsMode { mode: mode.to_owned() }),
        }
    }
}

static METADATA_NAMESPACE: LazyLock<FieldSpecs> = LazyLock::new(|| {
    FieldSpecs::new(vec![FieldSpec { path: "metadata/namespace".into(), create: true, ..FieldSpec::default() }])
});

impl NamespaceTransformer {
    /// As the kustomization's field has it.
    pub(crate) fn new(namespace: String, specs: Arc<FieldSpecs>) -> Self {
        Self { namespace, specs, unset_only: false, subjects: SubjectsMode::default() }
    }

    pub(crate) fn apply(&self, resources: &mut ResourceSet, schema: &Schema) -> Result<(), TransformError> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let (hasher, threads) = (RandomState::default(), resources.threads());
        let parts = threads.map(resources.as_mut_vec(), |part| {
            let mut moving = self.moving(schema);
            let move_one = |resource: &mut Resource| {
                moving.move_one(resource)?;
                Ok(hasher.hash_one(id(resource, schema)))
            };
            part.iter_mut().map(move_one).collect::<Result<Vec<_>, _>>()
        });
        self.check_ids(resources, &parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat(), schema)
    }

    /// The transformer at work on resources of a [distinct](ResourceSet::is_distinct) set,
    /// of which no two can get the same id. `None` if a field spec leads to what makes up an
    /// id, other than the name of a Namespace.
    pub(crate) fn each_of_distinct<'a>(&'a self, schema: &'a Schema) -> Option<impl EachResource + 'a> {
        let keeps_ids = |spec: &FieldSpec| match &*spec.path {
            "metadata/namespace" => true,
            "metadata/name" => spec.kind == "Namespace",
            path => !is_in_head(path),
        };
        self.specs.as_slice().iter().all(keeps_ids).then(|| self.moving(schema))
    }

    fn moving<'a>(&'a self, schema: &'a Schema) -> Moving<'a> {
        Moving { transformer: self, schema, fields: Vec::new() }
    }

    fn move_one(
        &self,
        resource: &mut Resource,
        cluster_scoped: bool,
        fields: &mut Vec<Field>,
    ) -> Result<(), TransformError> {
        resource.store_previous_id(cluster_scoped);
        if !cluster_scoped {
            for tree in METADATA_NAMESPACE.trees("") {
                self.set_field(resource, tree, 1, Tag::Implicit, fields)?;
            }
        }
        let role_binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
        if role_binding {
            self.move_subjects(resource)?;
        }
        for tree in self.specs.trees(resource.kind()) {
            for bit in bits(tree.for_version(resource.api_version())) {
                let spec = tree.spec(bit);
                let applies = match spec.path.as_str() {
                    "metadata/namespace" => false,
                    // Not the name of a Namespace that is none of the core group.
                    "metadata/name" => resource.api_version() == "v1",
                    "subjects/namespace" => !role_binding || spec.kind.is_empty(),
                    _ => true,
                };
                if applies {
                    self.set_field(resource, tree, bit, Tag::Str, fields)?;
                }
            }
        }
        Ok(())
    }

    fn set_field(
        &self,
        resource: &mut Resource,
        tree: &PathTree,
        spec: Specs,
        tag: Tag,
        fields: &mut Vec<Field>,
    ) -> Result<(), TransformError> {
        let doc = resource.doc_mut();
        let turned = tree.making(spec) != 0;
        let done = find_or_make(doc, tree, spec, Make::Scalar(tag), fields).and_then(|()| {
            fields.iter().try_for_each(|(_, field)| self.set(doc, *field, turned).map_err(|error| (spec, error)))
        });
        done.map_err(|failed| failed_at(resource, tree, failed))
    }

    /// With `turned`, a null counts as the text it is written with, because the
    /// search for the field took its tag away.
    fn set(&self, doc: &mut Document, field: NodeId, turned: bool) -> Result<(), FieldError> {
        let unset = doc.text(field).is_empty() || (!turned && doc.is_null(field));
        if self.unset_only && doc.is_scalar(field) && !unset {
            return Ok(());
        }
        set_scalar(doc, field, Tag::Str, &self.namespace)
    }

    fn move_subjects(&self, resource: &mut Resource) -> Result<(), TransformError> {
        let (key, value) = match self.subjects {
            SubjectsMode::None => return Ok(()),
            SubjectsMode::DefaultOnly => ("name", "default"),
            SubjectsMode::AllServiceAccounts => ("kind", "ServiceAccount"),
        };
        let doc = resource.doc_mut();
        let Some(subjects) = doc.get(doc.root(), "subjects").filter(|subjects| !doc.is_null(*subjects)) else {
            return Ok(());
        };
        let done = require_kind(doc, subjects, Kind::Sequence).and_then(|()| {
            let mut next = doc.first_child(subjects);
            while let Some(subject) = next {
                self.move_subject(doc, subject, key, value)?;
                next = doc.next_sibling(subject);
            }
            Ok(())
        });
        done.map_err(|error| field_error(resource, "subjects", error))
    }

    fn move_subject(&self, doc: &mut Document, subject: NodeId, key: &str, value: &str) -> Result<(), FieldError> {
        if doc.is_null(subject) {
            return Ok(());
        }
        require_kind(doc, subject, Kind::Mapping)?;
        let Some(found) = doc.get(subject, key).filter(|found| !doc.is_null(*found)) else { return Ok(()) };
        require_kind(doc, found, Kind::Scalar)?;
        if doc.text(found) != value {
            return Ok(());
        }
        let namespace = doc.get(subject, "namespace").unwrap_or_else(|| {
            let namespace = doc.new_scalar(Scalar::plain(""));
            push_entry(doc, subject, "namespace", namespace);
            namespace
        });
        self.set(doc, namespace, false)
    }

    /// Kustomize compares after each resource; at the end there are the same conflicts.
    fn check_ids(&self, resources: &ResourceSet, hashes: &[u64], schema: &Schema) -> Result<(), TransformError> {
        let resources = resources.as_slice();
        let mut hashes: Vec<(u64, usize)> = hashes.iter().copied().zip(0..).collect();
        hashes.sort_unstable();
        let alike = hashes.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1);
        let second = alike.filter_map(|alike| {
            let mut seen = HashSet::new();
            alike.iter().map(|hash| hash.1).find(|index| !seen.insert(id(&resources[*index], schema)))
        });
        if let Some(index) = second.min() {
            let (namespace, id) = (self.namespace.clone(), Box::new(resources[index].id()));
            return Err(TransformError::NamespaceConflict { namespace, id });
        }
        Ok(())
    }
}

/// The transformer at work.
struct Moving<'a> {
    transformer: &'a NamespaceTransformer,
    schema: &'a Schema,
    fields: Vec<Field>,
}

impl Moving<'_> {
    fn move_one(&mut self, resource: &mut Resource) -> Result<(), TransformError> {
        // Helm is told the namespace when it renders.
        if resource.history().helm_generated || resource.doc().is_empty(resource.doc().root()) {
            return Ok(());
        }
        let cluster_scoped = resource.is_cluster_scoped(self.schema);
        self.transformer.move_one(resource, cluster_scoped, &mut self.fields)
    }
}

impl EachResource for Moving<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        if self.transformer.namespace.is_empty() {
            return Ok(());
        }
        Ok(self.move_one(resource)?)
    }

    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        Some(Box::new(self.transformer.moving(self.schema)))
    }
}

/// By what kustomize tells resources apart once they are moved.
fn id<'a>(resource: &'a Resource, schema: &Schema) -> [&'a str; 4] {
    [resource.name(), resource.effective_namespace(schema), resource.kind(), resource.api_version()]
}
