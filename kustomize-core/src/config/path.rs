//! Paths of field specs: `spec/containers[]/image`.

use std::borrow::Cow;
use std::fmt;

/// A field spec's path, split into steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    text: Cow<'static, str>,
    steps: Box<[Step]>,
}

/// One step of a path, into a field of a mapping. Lists on the way take no
/// step: every item is visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: Cow<'static, str>,
    /// Written with `[]`: the field is a list, never to be created.
    pub(crate) list: bool,
    /// An index or a match of a list item, which kustomize's lookup of a
    /// field takes for one although a mapping has none.
    pub(crate) indexes: bool,
}

impl FieldPath {
    /// Splits at `/`; `\/` stands for a slash within a key.
    pub(crate) fn new(path: Cow<'static, str>) -> Self {
        let steps = match &path {
            Cow::Borrowed(path) if !path.contains('\\') => {
                path.strip_prefix('/').unwrap_or(path).split('/').map(|key| Step::new(key.into())).collect()
            }
            Cow::Borrowed(path) => split(path).into_iter().map(Step::new).collect(),
            Cow::Owned(path) => split(path).into_iter().map(|key| Step::new(key.into_owned().into())).collect(),
        };
        Self { text: path, steps }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether a path may lead to what a resource is, its type, or into its metadata.
pub(crate) fn is_in_head(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    ["apiVersion", "kind", "metadata"].iter().any(|key| path.starts_with(key))
}

/// The keys of a path.
fn split(path: &str) -> Vec<Cow<'_, str>> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let mut keys: Vec<Cow<'_, str>> = Vec::new();
    for part in relative.split('/') {
        match keys.last_mut() {
            Some(last) if last.ends_with('\\') => {
                let last = last.to_mut();
                last.pop();
                last.push('/');
                last.push_str(part);
            }
            _ => keys.push(part.into()),
        }
    }
    keys
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    fn new(text: Cow<'static, str>) -> Self {
        let list = text.ends_with("[]");
        let key: Cow<'static, str> = match text {
            Cow::Borrowed(text) => text.strip_suffix("[]").unwrap_or(text).trim().into(),
            Cow::Owned(text) => text.strip_suffix("[]").unwrap_or(&text).trim().to_owned().into(),
        };
        let bracketed = key.starts_with('[') && key.ends_with(']');
        let indexes = bracketed || matches!(&*key, "-" | "*") || key.parse::<i64>().is_ok();
        Self { key, list, indexes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str) -> Vec<String> {
        FieldPath::new(path.to_owned().into()).steps().iter().map(|step| step.key.to_string()).collect()
    }

    #[test]
    fn a_path_splits_at_slashes_that_are_not_escaped() {
        assert_eq!(keys("spec/a"), ["spec", "a"]);
        assert_eq!(keys("/spec/a"), ["spec", "a"]);
        assert_eq!(keys(r"metadata/annotations/a.b\/c\/d"), ["metadata", "annotations", "a.b/c/d"]);
        assert_eq!(keys("a//b"), ["a", "", "b"]);
        assert_eq!(keys(""), [""]);
    }

    #[test]
    fn brackets_mark_a_list() {
        let path = FieldPath::new("spec/containers[]/image".into());
        assert_eq!(path.steps().iter().map(|step| step.list).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(&*path.steps()[1].key, "containers");
    }
}
