//! What an application changes of the kustomization it renders, without a
//! file being written.

use std::path::{Path, PathBuf};

use gitops_sync::{Kustomize, KustomizePatch};
use kustomize_core::{
    ContentId, FileSource, ImageChange, KustomizationFile, LabelPlace, PatchEntry, ReadError, Resolved,
};

use crate::AnyError;

/// The largest kustomization file to edit, in bytes.
const LIMIT: u64 = 1 << 20;

/// Files of which one reads as if `kustomize edit` had changed it.
pub struct Overridden<'a, F> {
    files: &'a F,
    path: PathBuf,
    text: Vec<u8>,
}

impl<'a, F: FileSource> Overridden<'a, F> {
    /// The kustomization in `dir` with the changes of an application.
    pub fn new(files: &'a F, dir: &Path, changes: &Kustomize) -> Result<Self, AnyError> {
        let names = KustomizationFile::NAMES.iter().map(|name| dir.join(name));
        let mut found = names.filter_map(|path| files.resolve(&path).ok());
        let path = found.next().ok_or_else(|| format!("no kustomization in {}", dir.display()))?.path;
        let mut file = KustomizationFile::parse(files.read(&path, LIMIT)?)?;
        let exists = |component: &str| files.resolve(&dir.join(component)).is_ok();
        change(&mut file, changes, exists)?;
        Ok(Self { files, path, text: file.into_bytes() })
    }
}

/// In the order in which Argo CD calls `kustomize edit`.
fn change(file: &mut KustomizationFile, wanted: &Kustomize, exists: impl Fn(&str) -> bool) -> Result<(), AnyError> {
    if !wanted.name_prefix.is_empty() {
        file.set_name_prefix(&wanted.name_prefix)?;
    }
    if !wanted.name_suffix.is_empty() {
        file.set_name_suffix(&wanted.name_suffix)?;
    }
    for image in &wanted.images {
        file.set_image(&ImageChange::parse(image)?)?;
    }
    for replica in &wanted.replicas {
        let count = replica.number().ok_or_else(|| format!("replicas of {}: not a number", replica.name))?;
        file.set_replicas(&replica.name, count)?;
    }
    let place = match wanted.label_without_selector {
        true => LabelPlace::WithoutSelectors { include_templates: wanted.label_include_templates },
        false => LabelPlace::Common,
    };
    for (key, value) in &wanted.common_labels {
        file.add_label(key, value, place, wanted.force_common_labels)?;
    }
    for (key, value) in &wanted.common_annotations {
        file.add_annotation(key, value, wanted.force_common_annotations)?;
    }
    if !wanted.namespace.is_empty() {
        file.set_namespace(&wanted.namespace)?;
    }
    for entry in &wanted.patches {
        file.add_patch(&patch(entry)?)?;
    }
    for component in wanted.components.iter().filter(|path| !wanted.ignore_missing_components || exists(path)) {
        file.add_component(component)?;
    }
    Ok(())
}

fn patch(entry: &KustomizePatch) -> Result<PatchEntry, AnyError> {
    if entry.options.values().any(|allowed| *allowed) {
        return Err("patches with options are not supported in an application".into());
    }
    let patch = if entry.path.is_empty() { PatchEntry::inline(&entry.patch) } else { PatchEntry::file(&entry.path) };
    let target = entry.target.iter().flatten();
    Ok(target.fold(patch, |patch, (field, value)| patch.target(field, value)))
}

impl<F: FileSource> FileSource for Overridden<'_, F> {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        self.files.resolve(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        if self.files.resolve(path)?.path == self.path {
            return Ok(self.text.clone());
        }
        self.files.read(path, limit)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        self.files.list(dir)
    }

    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        self.files.local_path(path)
    }

    /// The ids of the edited file, and of the folders that hold it, are no
    /// longer those of the tree.
    fn content_id(&self, path: &Path) -> Option<ContentId> {
        let is_changed = self.path.starts_with(path);
        if is_changed { None } else { self.files.content_id(path) }
    }
}

#[cfg(test)]
mod tests {
    use kustomize_core::{BuildOptions, Memory, build};

    use super::*;

    const BASE: &str = "# ours\nresources: [pod.yaml]\nimages: [{name: web, newTag: '1'}]\n";
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: web}]}\n";
    const COMPONENT: &str =
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {component: seen}\n";

    fn render(kustomize: &str) -> Result<String, AnyError> {
        let files = Memory::new()
            .with("deploy/kustomization.yml", BASE)
            .with("deploy/pod.yaml", POD)
            .with("extra/kustomization.yaml", COMPONENT);
        let changes: Kustomize = serde_json::from_value(serde_yaml::from_str(kustomize)?)?;
        let files = Overridden::new(&files, Path::new("deploy"), &changes)?;
        Ok(build(&files, "deploy", &BuildOptions::new())?.resources.to_yaml()?)
    }

    #[test]
    fn every_field_changes_what_is_rendered() {
        let yaml = render(
            "{namePrefix: p-, nameSuffix: -s, namespace: ns, images: ['web=registry/web:2'], commonLabels: {l: x},
              labelWithoutSelector: true, commonAnnotations: {a: b}, components: [../extra, ../none], ignoreMissingComponents: true,
              patches: [{target: {kind: Pod}, patch: '[{\"op\": \"add\", \"path\": \"/spec/hostname\", \"value\": \"h\"}]'}]}",
        )
        .unwrap();
        let expected = "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    a: b\n    component: seen\n  labels:\n    l: x\n  \
                        name: p-a-s\n  namespace: ns\nspec:\n  containers:\n  - image: registry/web:2\n    name: c\n  hostname: h\n";
        assert_eq!(yaml, expected);
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        assert!(render("{components: [../none]}").is_err());
        assert!(render("{replicas: [{name: a, count: many}]}").is_err());
        assert!(render("{patches: [{path: x, options: {allowNameChange: true}}]}").is_err());
    }
}
