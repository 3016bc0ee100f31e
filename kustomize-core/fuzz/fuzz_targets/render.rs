//! Any kustomization over a few files: rendered or refused, the same way twice.
//!
//! The input is split at NUL bytes: the kustomization, a manifest, a base's
//! kustomization, and a file that the others may name.
#![no_main]

use kustomize_core::{BuildOptions, Memory, build};
use libfuzzer_sys::fuzz_target;

const MANIFEST: &[u8] = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: b:1}]}}}\n";

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let files = Memory::new()
        .with("app/kustomization.yaml", next())
        .with("app/all.yaml", MANIFEST)
        .with("app/more.yaml", next())
        .with("base/kustomization.yaml", next())
        .with("base/all.yaml", MANIFEST)
        .with("app/file", next());
    let render = || build(&files, "app", &BuildOptions::new()).ok()?.resources.to_yaml().ok();
    assert_eq!(render(), render());
});
