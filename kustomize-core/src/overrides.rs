//! Changes to a kustomization for one build, which leave its file alone.

use crate::edit::{ImageChange, PatchEntry};
use crate::kustomization::{Image, Kustomization, Patch, Selector};

/// What a build changes of the kustomization it starts with, as if
/// `kustomize edit` had changed the file before. Its bases stay as they are.
///
/// ```
/// use kustomize_core::{BuildOptions, ImageChange, Memory, Overrides, build};
/// let files = Memory::new()
///     .with("kustomization.yaml", "resources: [pod.yaml]\n")
///     .with("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{image: web}]}\n");
/// let overrides = Overrides::new().image(ImageChange::parse("web:1.2")?).name_prefix("pr-7-");
/// let built = build(&files, "", &BuildOptions::new().overrides(overrides))?;
/// let yaml = built.resources.to_yaml()?;
/// assert!(yaml.contains("image: web:1.2") && yaml.contains("name: pr-7-a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overrides {
    /// Each replaces the entry of `images` with its name, or becomes a new one.
    pub images: Vec<ImageChange>,
    /// Replaces `namespace`.
    pub namespace: Option<String>,
    /// Replaces `namePrefix`.
    pub name_prefix: Option<String>,
    /// Replaces `nameSuffix`.
    pub name_suffix: Option<String>,
    /// Come after the `patches`.
    pub patches: Vec<PatchEntry>,
}

impl Overrides {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes an image.
    #[must_use]
    pub fn image(mut self, change: ImageChange) -> Self {
        self.images.push(change);
        self
    }

    /// Sets the namespace.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// Sets the name prefix.
    #[must_use]
    pub fn name_prefix(self, prefix: impl Into<String>) -> Self {
        Self { name_prefix: Some(prefix.into()), ..self }
    }

    /// Sets the name suffix.
    #[must_use]
    pub fn name_suffix(self, suffix: impl Into<String>) -> Self {
        Self { name_suffix: Some(suffix.into()), ..self }
    }

    /// Adds a patch.
    #[must_use]
    pub fn patch(mut self, patch: PatchEntry) -> Self {
        self.patches.push(patch);
        self
    }

    pub(crate) fn apply(&self, kustomization: &mut Kustomization) {
        let replace = |field: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                field.clone_from(new);
            }
        };
        replace(&mut kustomization.namespace, &self.namespace);
        replace(&mut kustomization.name_prefix, &self.name_prefix);
        replace(&mut kustomization.name_suffix, &self.name_suffix);
        self.images.iter().for_each(|change| set_image(&mut kustomization.images, change));
        kustomization.patches.extend(self.patches.iter().map(patch));
    }
}

fn set_image(images: &mut Vec<Image>, change: &ImageChange) {
    let at = images.iter().rposition(|image| image.name == change.name);
    let old = at.map(|at| images[at].clone()).unwrap_or_default();
    let keep = |new: &Option<String>, old: String| match new.as_deref() {
        Some("*") => old,
        new => new.unwrap_or_default().to_owned(),
    };
    let image = Image {
        name: change.name.clone(),
        new_name: keep(&change.new_name, old.new_name),
        tag_suffix: String::new(),
        new_tag: keep(&change.new_tag, old.new_tag),
        digest: keep(&change.digest, old.digest),
    };
    match at {
        Some(at) => images[at] = image,
        None => images.push(image),
    }
}

fn patch(entry: &PatchEntry) -> Patch {
    let mut target = Selector::default();
    for (field, value) in &entry.target {
        let field = match field.as_str() {
            "group" => &mut target.group,
            "version" => &mut target.version,
            "kind" => &mut target.kind,
            "name" => &mut target.name,
            "namespace" => &mut target.namespace,
            "labelSelector" => &mut target.label_selector,
            "annotationSelector" => &mut target.annotation_selector,
            _ => continue,
        };
        field.clone_from(value);
    }
    let target = (!entry.target.is_empty()).then_some(target);
    Patch { path: entry.path.clone(), patch: entry.patch.clone(), target, options: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_replaced_as_edit_set_image_does() {
        let image = |name: &str, tag: &str| Image { name: name.into(), new_tag: tag.into(), ..Image::default() };
        let mut kustomization = Kustomization { images: vec![image("a", "1"), image("b", "2")], ..Default::default() };
        let overrides = Overrides::new()
            .image(ImageChange::new("a").digest("sha256:0"))
            .image(ImageChange::new("b").new_name("c").new_tag("*"))
            .image(ImageChange::new("d").new_tag("4"));
        overrides.apply(&mut kustomization);
        let parts: Vec<_> =
            kustomization.images.iter().map(|i| [&*i.name, &i.new_name, &i.new_tag, &i.digest]).collect();
        assert_eq!(parts, [["a", "", "", "sha256:0"], ["b", "c", "2", ""], ["d", "", "4", ""]]);
    }

    #[test]
    fn what_is_not_given_stays() {
        let mut kustomization = Kustomization { namespace: "n".into(), name_prefix: "p-".into(), ..Default::default() };
        Overrides::new().name_prefix("").patch(PatchEntry::inline("x").target("kind", "Pod")).apply(&mut kustomization);
        assert_eq!((kustomization.namespace.as_str(), kustomization.name_prefix.as_str()), ("n", ""));
        let target = kustomization.patches[0].target.clone().expect("a target");
        assert_eq!((target.kind.as_str(), kustomization.patches[0].patch.as_str()), ("Pod", "x"));
    }
}
