//! `namespace` and the `NamespaceTransformer`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use super::field_spec::{FieldError, Make, find_or_make, push_entry, require_kind, set_scalar};
use super::{TransformError, at, field_error};
use crate::config::{FieldSpecs, PathSpec};
use crate::kustomization::FieldSpec;
use crate::resource::{Resource, effective_namespace};
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

static METADATA_NAMESPACE: LazyLock<PathSpec> = LazyLock::new(|| {
    PathSpec::new(&FieldSpec { path: "metadata/namespace".into(), create: true, ..FieldSpec::default() })
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
        let mut fields = Vec::new();
        for resource in resources.iter_mut() {
            // Helm is told the namespace when it renders.
            if !resource.history.helm_generated && !resource.doc().is_empty(resource.doc().root()) {
                self.move_one(resource, schema, &mut fields)?;
            }
        }
        self.check_ids(resources, schema)
    }

    fn move_one(
        &self,
        resource: &mut Resource,
        schema: &Schema,
        fields: &mut Vec<NodeId>,
    ) -> Result<(), TransformError> {
        let (group, version) = resource.group_version();
        let cluster_scoped = schema.is_cluster_scoped(group, version, resource.kind());
        resource.store_previous_id(cluster_scoped);
        if !cluster_scoped {
            self.set_field(resource, &METADATA_NAMESPACE, Tag::Implicit, fields)?;
        }
        let role_binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
        if role_binding {
            self.move_subjects(resource)?;
        }
        let api_version = resource.api_version().to_owned();
        for spec in self.specs.matching(&api_version, resource.kind()) {
            let applies = match spec.path.as_str() {
                "metadata/namespace" => false,
                // Not the name of a Namespace that is none of the core group.
                "metadata/name" => api_version == "v1",
                "subjects/namespace" => !role_binding || spec.kind.is_empty(),
                _ => true,
            };
            if applies {
                self.set_field(resource, spec, Tag::Str, fields)?;
            }
        }
        Ok(())
    }

    fn set_field(
        &self,
        resource: &mut Resource,
        spec: &PathSpec,
        tag: Tag,
        fields: &mut Vec<NodeId>,
    ) -> Result<(), TransformError> {
        let doc = resource.doc_mut();
        let done = find_or_make(doc, spec, Make::Scalar(tag), fields)
            .and_then(|()| fields.iter().try_for_each(|field| self.set(doc, *field, spec.create)));
        done.map_err(|error| at(resource, &spec.path)(error))
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
    fn check_ids(&self, resources: &ResourceSet, schema: &Schema) -> Result<(), TransformError> {
        let mut ids = HashSet::with_capacity(resources.len());
        for resource in resources {
            let (group, version) = resource.group_version();
            let cluster_scoped = schema.is_cluster_scoped(group, version, resource.kind());
            let namespace = effective_namespace(resource.namespace(), cluster_scoped);
            if !ids.insert((group, version, resource.kind(), resource.name(), namespace)) {
                let (namespace, id) = (self.namespace.clone(), Box::new(resource.id()));
                return Err(TransformError::NamespaceConflict { namespace, id });
            }
        }
        Ok(())
    }
}
