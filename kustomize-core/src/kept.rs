//! What several kustomizations of a build share.

use std::collections::HashMap;
use std::path::PathBuf;

/// A path, and which of the build's file sources it is in.
pub(crate) type Key = (usize, PathBuf);

/// What was made of a file or directory, kept from the second time on. Nearly
/// all are used once; if these were kept, every change to what was made of
/// them would have to copy it first.
#[derive(Debug)]
pub(crate) struct Kept<T>(HashMap<Key, Option<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Kept<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<T> {
        self.0.get(key).cloned().flatten()
    }

    /// Keeps what was made, unless it is the first time.
    pub(crate) fn offer(&mut self, key: Key, made: impl FnOnce() -> T) {
        self.0.entry(key).and_modify(|kept| *kept = Some(made())).or_insert(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Build, BuildOptions, Memory, build};

    #[test]
    fn things_are_kept_from_the_second_time_on() {
        let mut kept = Kept::default();
        let key = (0, PathBuf::from("a"));
        for expected in [None, None, Some(1), Some(2)] {
            assert_eq!(kept.get(&key), expected);
            let made = expected.unwrap_or(0) + 1;
            kept.offer(key.clone(), || made);
        }
    }

    /// Builds four overlays of one base together.
    fn overlays(base: &str) -> (Memory, Build) {
        let mut files = Memory::new()
            .with("base/kustomization.yaml", base)
            .with("base/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
            .with("kustomization.yaml", "resources: [o0, o1, o2, o3]\n");
        for index in 0..4 {
            let patch = format!(r#"[{{"op": "add", "path": "/data", "value": {{"k": "v{index}"}}}}]"#);
            let overlay = format!(
                "resources: [../base]\nnamePrefix: o{index}-\npatches: [{{target: {{kind: ConfigMap}}, patch: '{patch}'}}]\n"
            );
            files.insert(format!("o{index}/kustomization.yaml"), overlay);
        }
        let built = build(&files, "", &BuildOptions::new()).expect("builds");
        (files, built)
    }

    #[test]
    fn overlays_of_one_base_do_not_see_each_other() {
        let (files, together) = overlays("resources: [c.yaml]\nnameSuffix: -s\n");
        let alone = |index| {
            let built = build(&files, format!("o{index}"), &BuildOptions::new()).expect("builds");
            built.resources.to_yaml().expect("printable")
        };
        let alone = [0, 1, 2, 3].map(alone).join("---\n");
        assert_eq!(together.resources.to_yaml().expect("printable"), alone);
    }

    #[test]
    fn a_base_that_warns_does_so_each_time() {
        let (_, together) = overlays("resources: [c.yaml]\ncommonLabels: {a: b}\n");
        assert_eq!(together.warnings.len(), 4);
    }
}
