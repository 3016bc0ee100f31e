//! The field specs that kustomize has built in.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{FieldSpecs, NameReference, NameReferences, TransformerConfig};
use crate::id::Gvk;
use crate::kustomization::FieldSpec;

// The tables of `builtin_rows.rs`, written out by the build script.
include!(concat!(env!("OUT_DIR"), "/builtin_config.rs"));

/// Where in `TEXT` something is.
type Part = (u16, u16);

/// A field spec. There is no pointer in it, so a program that starts has
/// nothing to do for it.
#[derive(Debug)]
pub(super) struct Row {
    group: Part,
    version: Part,
    kind: Part,
    path: Part,
    create: bool,
}

/// A type that is referred to by name.
struct Target {
    group: Part,
    version: Part,
    kind: Part,
    /// The fields that do, among the rows.
    referrers: Range<usize>,
}

impl Row {
    pub(super) fn spec(&self) -> FieldSpec {
        let [group, version, kind, path] =
            [self.group, self.version, self.kind, self.path].map(|part| Cow::Borrowed(text(part)));
        FieldSpec { group, version, kind, path, create: self.create }
    }
}

fn text((start, end): Part) -> &'static str {
    &TEXT[usize::from(start)..usize::from(end)]
}

/// What applies where no `configurations` file says otherwise.
pub(super) fn config() -> TransformerConfig {
    let list = |rows| Arc::new(FieldSpecs::builtin(&ROWS[rows]));
    TransformerConfig {
        name_prefix: list(NAME_PREFIX),
        name_suffix: list(NAME_SUFFIX),
        namespace: list(NAMESPACE),
        common_labels: list(COMMON_LABELS),
        labels: Arc::default(),
        template_labels: list(TEMPLATE_LABELS),
        common_annotations: list(COMMON_ANNOTATIONS),
        name_references: Arc::new(name_references()),
        var_references: list(VAR_REFERENCES),
        images: list(IMAGES),
        replicas: list(REPLICAS),
    }
}

fn name_references() -> NameReferences {
    let reference = |target: &Target| {
        let [group, version, kind] = [target.group, target.version, target.kind].map(|part| text(part).to_owned());
        let referrers = FieldSpecs::builtin(&ROWS[target.referrers.clone()]);
        NameReference { target: Gvk { group, version, kind }, referrers }
    };
    NameReferences::builtin(TARGETS.iter().map(reference).collect(), FieldSpecs::builtin(&ROWS[REFERRERS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_as_many_fields_as_kustomize() {
        let config = config();
        let referrers = config.name_references.as_slice().iter().map(|reference| reference.referrers.as_slice().len());
        assert_eq!((config.name_references.as_slice().len(), referrers.sum::<usize>()), (16, 167));
        assert_eq!(config.var_references.as_slice().len(), 72);
        assert_eq!(config.common_labels.as_slice().len(), 32);
        assert_eq!(config.template_labels.as_slice().len(), 10);
        assert_eq!(config.common_annotations.as_slice().len(), 9);
        assert_eq!(config.images.as_slice().len(), 6);
        assert_eq!(config.replicas.as_slice().len(), 4);
    }

    #[test]
    fn the_referrers_of_all_targets_stand_together_and_in_order() {
        let builtin = name_references();
        let sorted = NameReferences::new(builtin.as_slice().to_vec());
        assert_eq!(builtin, sorted);
        assert_eq!(*builtin.referrers(), *sorted.referrers());
    }
}
