//! Any patch on any resource: applied or refused. The input is split at its first NUL byte.
#![no_main]

use kustomize_core::{BuildOptions, Memory, build};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let at = input.iter().position(|byte| *byte == 0).unwrap_or(input.len() / 2);
    let (manifest, patch) = input.split_at(at);
    let patch = patch.strip_prefix(&[0]).unwrap_or(patch);
    for target in ["", "  target: {kind: .*}\n"] {
        let files = Memory::new()
            .with("kustomization.yaml", format!("resources: [all.yaml]\npatches:\n- path: patch.yaml\n{target}"))
            .with("all.yaml", manifest)
            .with("patch.yaml", patch);
        if let Ok(built) = build(&files, "", &BuildOptions::new()) {
            let _ = built.resources.to_yaml();
        }
    }
});
