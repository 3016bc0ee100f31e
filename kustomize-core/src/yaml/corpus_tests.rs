//! The conformance corpus, where it is at hand: one-resource kustomizations
//! that probe how YAML is read and written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Limits, SourceText, emit, parse};

pub(super) fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"), PathBuf::from);
    root.join("yaml").is_dir().then_some(root)
}

fn build(manifest: &[u8]) -> Result<String, String> {
    let text = String::from_utf8(manifest.to_vec()).map_err(|error| error.to_string())?;
    let documents = parse(Arc::new(SourceText { text }), &Limits::new()).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b"---\n");
        }
        emit(document, document.root(), &mut out).map_err(|error| error.to_string())?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Cases that only list one manifest; the others need the rest of a build, as
/// do those that are about documents and lists.
fn is_plain(case: &Path) -> bool {
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    if ["doc-", "list-"].iter().any(|prefix| name.starts_with(prefix)) {
        return false;
    }
    let kustomization = std::fs::read_to_string(case.join("input/kustomization.yaml")).unwrap_or_default();
    kustomization.trim() == "resources:\n- resource.yaml" && case.join("input/resource.yaml").is_file()
}

#[test]
fn single_manifests_are_printed_as_kustomize_prints_them() {
    let Some(root) = corpus() else {
        return; // skipped where the corpus is not at hand
    };
    let (mut count, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(root.join("yaml")).expect("the corpus").flatten() {
        let case = entry.path();
        if !is_plain(&case) {
            continue;
        }
        count += 1;
        let built = build(&std::fs::read(case.join("input/resource.yaml")).expect("the manifest"));
        let expected = std::fs::read_to_string(case.join("expected.yaml"));
        match (&expected, &built) {
            (Ok(expected), Ok(built)) if expected == built => {}
            (Err(_), Err(_)) => {}
            _ => failures.push(format!("{}\nwant {expected:?}\ngot  {built:?}", case.display())),
        }
    }
    assert!(count > 100, "only {count} cases found");
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}
