//! Any bytes as a manifest: read or refused, and what was read can be printed and read again. In a large
//! document, what is printed as it stands is copied: with a long comment before it, it is printed as without.
#![no_main]

use kustomize_core::{BuildOptions, Memory, build};
use libfuzzer_sys::fuzz_target;

fn render(manifest: &[u8]) -> Option<String> {
    let files = Memory::new().with("kustomization.yaml", "resources: [all.yaml]\n").with("all.yaml", manifest);
    build(&files, "", &BuildOptions::new()).ok()?.resources.to_yaml().ok()
}

/// Byte order marks, directives and separators mean something else behind a comment.
fn begins_with_a_key(manifest: &[u8]) -> bool {
    manifest.first().is_some_and(u8::is_ascii_alphabetic)
}

fuzz_target!(|manifest: &[u8]| {
    if begins_with_a_key(manifest) {
        let comment = format!("# {}\n", "x".repeat(4096));
        let large = [comment.as_bytes(), manifest].concat();
        assert_eq!(render(&large), render(manifest), "printed otherwise behind a comment");
    }
    // A version without a value is printed as `null`, which sorts as that text the next time, or is refused.
    if let Some(printed) = render(manifest).filter(|printed| !printed.contains("apiVersion: null\n")) {
        assert_eq!(render(printed.as_bytes()).as_deref(), Some(printed.as_str()), "printed otherwise the second time");
    }
});
