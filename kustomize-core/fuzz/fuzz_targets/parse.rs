//! Any bytes as a manifest: read or refused, and what was read can be printed and read again.
#![no_main]

use kustomize_core::{BuildOptions, Memory, build};
use libfuzzer_sys::fuzz_target;

fn render(manifest: &[u8]) -> Option<String> {
    let files = Memory::new().with("kustomization.yaml", "resources: [all.yaml]\n").with("all.yaml", manifest);
    build(&files, "", &BuildOptions::new()).ok()?.resources.to_yaml().ok()
}

fuzz_target!(|manifest: &[u8]| {
    // A version without a value is printed as `null`, which sorts as that text the next time, or is refused.
    if let Some(printed) = render(manifest).filter(|printed| !printed.contains("apiVersion: null\n")) {
        assert_eq!(render(printed.as_bytes()).as_deref(), Some(printed.as_str()), "printed otherwise the second time");
    }
});
