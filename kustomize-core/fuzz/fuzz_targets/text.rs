//! Any text as a YAML document in a ConfigMap that a replacement changes: comments,
//! anchors and aliases are found and printed, or the text is refused.
#![no_main]

use kustomize_core::{BuildOptions, Memory, build};
use libfuzzer_sys::fuzz_target;

const KUSTOMIZATION: &str = "resources: [map.yaml]\nreplacements:\n- sourceValue: new\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: [data.text.key]\n    options: {create: true}\n";

fuzz_target!(|text: &str| {
    for text in [text.to_owned(), format!("key: old\n{text}")] {
        let map = format!("{{kind: ConfigMap, metadata: {{name: a}}, data: {{text: {text:?}}}}}");
        let files = Memory::new().with("kustomization.yaml", KUSTOMIZATION).with("map.yaml", map);
        if let Ok(built) = build(&files, "", &BuildOptions::new()) {
            let _ = built.resources.to_yaml();
        }
    }
});
