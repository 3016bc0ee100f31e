//! The field specs that kustomize has built in.

use std::borrow::Cow;

use super::{FieldSpecs, NameReference, NameReferences, TransformerConfig};
use crate::id::Gvk;
use crate::kustomization::FieldSpec;

/// The tables of `builtin_rows.rs`, written out by the build script.
const LINES: &str = include_str!(concat!(env!("OUT_DIR"), "/builtin_config.txt"));

/// What applies where no `configurations` file says otherwise.
pub(super) fn config() -> TransformerConfig {
    let mut config = TransformerConfig::default();
    let mut references = Vec::new();
    let mut lines = LINES.lines().peekable();
    while let Some(head) = lines.next() {
        let specs = std::iter::from_fn(|| lines.next_if(|line| line.starts_with(['\t', '+']))).map(spec);
        let list = match head {
            "namePrefix" => &mut config.name_prefix,
            "nameSuffix" => &mut config.name_suffix,
            "namespace" => &mut config.namespace,
            "commonLabels" => &mut config.common_labels,
            "templateLabels" => &mut config.template_labels,
            "commonAnnotations" => &mut config.common_annotations,
            "varReference" => &mut config.var_references,
            "images" => &mut config.images,
            "replicas" => &mut config.replicas,
            reference => {
                let [_, group, version, kind] = parts(reference);
                let target = Gvk { group: group.into(), version: version.into(), kind: kind.into() };
                references.push(NameReference { target, referrers: specs.collect() });
                continue;
            }
        };
        *list = FieldSpecs::new(specs.collect()).into();
    }
    config.name_references = NameReferences::new(references).into();
    config
}

fn spec(line: &'static str) -> FieldSpec {
    let [create, group, version, kind, path] = parts(line);
    let [group, version, kind, path] = [group, version, kind, path].map(Cow::Borrowed);
    FieldSpec { group, version, kind, path, create: create == "+" }
}

fn parts<const N: usize>(mut line: &'static str) -> [&'static str; N] {
    std::array::from_fn(|_| {
        let end = line.bytes().position(|byte| byte == b'\t').unwrap_or(line.len());
        let part = &line[..end];
        line = line.get(end + 1..).unwrap_or_default();
        part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_as_many_fields_as_kustomize() {
        let config = config();
        let referrers = config.name_references.as_slice().iter().map(|reference| reference.referrers.len());
        assert_eq!((config.name_references.as_slice().len(), referrers.sum::<usize>()), (16, 167));
        assert_eq!(config.var_references.as_slice().len(), 72);
        assert_eq!(config.common_labels.as_slice().len(), 32);
        assert_eq!(config.template_labels.as_slice().len(), 10);
        assert_eq!(config.common_annotations.as_slice().len(), 9);
        assert_eq!(config.images.as_slice().len(), 6);
        assert_eq!(config.replicas.as_slice().len(), 4);
    }
}
