//! Lists of field specs: which fields of which types a transformer touches.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::path::FieldPath;
use crate::id::split_api_version;
use crate::kustomization::FieldSpec;

/// Field specs in order, as kustomize's `FsSlice`.
#[derive(Debug, Default)]
pub(crate) struct FieldSpecs {
    list: Vec<FieldSpec>,
    index: OnceLock<Index>,
}

/// The list as transformers use it: paths split once, specs found by kind.
#[derive(Debug, Default)]
struct Index {
    specs: Vec<PathSpec>,
    /// For each kind that a spec names: its specs and those for every kind, in list order.
    by_kind: HashMap<Box<str>, Vec<u32>>,
    any_kind: Vec<u32>,
}

/// A field spec with its path split.
#[derive(Debug)]
pub(crate) struct PathSpec {
    pub(crate) group: Box<str>,
    pub(crate) version: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) path: FieldPath,
    /// Make the field if it is missing.
    pub(crate) create: bool,
}

/// Two specs for the same field disagree on whether to make it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field spec '{path}' of kind '{kind}' says `create: {create}`, another one for the same field says otherwise")]
pub struct FieldSpecConflict {
    /// The path of the field.
    pub path: String,
    /// The kind that the later spec is for; empty for every kind.
    pub kind: String,
    /// What the later spec says.
    pub create: bool,
}

impl FieldSpecs {
    pub(crate) fn new(list: Vec<FieldSpec>) -> Self {
        Self { list, index: OnceLock::new() }
    }

    pub(crate) fn as_slice(&self) -> &[FieldSpec] {
        &self.list
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The specs for resources of this type, in order.
    pub(crate) fn matching<'a, 'b>(
        &'a self,
        api_version: &'b str,
        kind: &str,
    ) -> impl Iterator<Item = &'a PathSpec> + use<'a, 'b> {
        let (group, version) = split_api_version(api_version);
        let index = self.index();
        let candidates = index.by_kind.get(kind).unwrap_or(&index.any_kind);
        candidates
            .iter()
            .map(|at| &index.specs[*at as usize])
            .filter(move |spec| selects(&spec.group, group) && selects(&spec.version, version))
    }

    /// Adds `incoming` to the list.
    ///
    /// A spec whose field the list has already is passed over, and "has" is
    /// asymmetric, as in kustomize: an incoming spec for every kind counts as
    /// present if there is one with the same path for any kind.
    pub(crate) fn merge<'a>(
        &mut self,
        incoming: impl IntoIterator<Item = &'a FieldSpec>,
    ) -> Result<(), FieldSpecConflict> {
        self.index = OnceLock::new();
        incoming.into_iter().try_for_each(|spec| merge_one(&mut self.list, spec))
    }

    /// Kustomize's order of field specs: by kind, in the order of installation.
    pub(crate) fn sort(&mut self) {
        self.index = OnceLock::new();
        self.list.sort_by(|a, b| compare_types((&a.group, &a.version, &a.kind), (&b.group, &b.version, &b.kind)));
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.list))
    }
}

impl Clone for FieldSpecs {
    fn clone(&self) -> Self {
        Self::new(self.list.clone())
    }
}

impl PartialEq for FieldSpecs {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Index {
    fn new(list: &[FieldSpec]) -> Self {
        let mut index = Self::default();
        for (at, spec) in list.iter().enumerate() {
            let at = at as u32;
            if spec.kind.is_empty() {
                index.any_kind.push(at);
                index.by_kind.values_mut().for_each(|specs| specs.push(at));
            } else {
                let any_kind = &index.any_kind;
                index.by_kind.entry(spec.kind.as_str().into()).or_insert_with(|| any_kind.clone()).push(at);
            }
            index.specs.push(PathSpec::new(spec));
        }
        index
    }
}

impl PathSpec {
    pub(crate) fn new(spec: &FieldSpec) -> Self {
        Self {
            group: spec.group.as_str().into(),
            version: spec.version.as_str().into(),
            kind: spec.kind.as_str().into(),
            path: FieldPath::new(&spec.path),
            create: spec.create,
        }
    }
}

/// Whether a part of a type is what a spec asks for; an empty one asks for nothing.
fn selects(wanted: &str, part: &str) -> bool {
    wanted.is_empty() || wanted == part
}

fn merge_one(list: &mut Vec<FieldSpec>, incoming: &FieldSpec) -> Result<(), FieldSpecConflict> {
    let present = list.iter().find(|old| {
        old.path == incoming.path
            && selects(&incoming.group, &old.group)
            && selects(&incoming.version, &old.version)
            && selects(&incoming.kind, &old.kind)
    });
    match present {
        None => list.push(incoming.clone()),
        Some(old) if old.create == incoming.create => {}
        Some(_) => {
            return Err(FieldSpecConflict {
                path: incoming.path.clone(),
                kind: incoming.kind.clone(),
                create: incoming.create,
            });
        }
    }
    Ok(())
}

const FIRST_KINDS: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST_KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Orders (group, version, kind) as kustomize's `Gvk.IsLessThan` does.
pub(super) fn compare_types(a: (&str, &str, &str), b: (&str, &str, &str)) -> Ordering {
    let rank = |kind: &str| match FIRST_KINDS.iter().position(|first| *first == kind) {
        Some(position) => position,
        None => 100 + LAST_KINDS.iter().position(|last| *last == kind).map_or(0, |position| 1 + position),
    };
    let or = |text: &str, missing: &str| if text.is_empty() { missing.to_owned() } else { text.to_owned() };
    let text = |(group, version, kind)| format!("{}_{}_{}", or(group, "~G"), or(version, "~V"), or(kind, "~K"));
    rank(a.2).cmp(&rank(b.2)).then_with(|| text(a).cmp(&text(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec { kind: kind.into(), path: path.into(), create, ..FieldSpec::default() }
    }

    #[test]
    fn a_spec_for_every_kind_is_taken_to_be_there_if_one_kind_has_it() {
        let mut specs = FieldSpecs::new(vec![spec("Foo", "metadata/labels", true)]);
        specs.merge(&[spec("", "metadata/labels", true), spec("Bar", "metadata/labels", true)]).expect("no conflict");
        assert_eq!(specs.as_slice(), [spec("Foo", "metadata/labels", true), spec("Bar", "metadata/labels", true)]);
    }

    #[test]
    fn specs_that_disagree_on_creation_conflict() {
        let mut specs = FieldSpecs::new(vec![spec("Foo", "a/b", true)]);
        let conflict = specs.merge(&[spec("", "a/b", false)]).expect_err("create differs");
        assert_eq!(conflict, FieldSpecConflict { path: "a/b".into(), kind: String::new(), create: false });
    }

    #[test]
    fn specs_are_found_by_type_in_list_order() {
        let mut list =
            vec![spec("", "a", false), spec("Foo", "b", false), spec("", "c", false), spec("Foo", "d", false)];
        list[3].group = "apps".into();
        let specs = FieldSpecs::new(list);
        let paths =
            |api_version, kind| specs.matching(api_version, kind).map(|spec| spec.path.to_string()).collect::<Vec<_>>();
        assert_eq!(paths("v1", "Bar"), ["a", "c"]);
        assert_eq!(paths("v1", "Foo"), ["a", "b", "c"]);
        assert_eq!(paths("apps/v1", "Foo"), ["a", "b", "c", "d"]);
    }
}
