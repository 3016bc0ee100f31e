//! Any text as a kustomization file: edited or refused, and an edit made twice is made once.
#![no_main]

use kustomize_core::{ImageChange, KustomizationFile, LabelPlace, PatchEntry};
use libfuzzer_sys::fuzz_target;

fn edit(file: &mut KustomizationFile) {
    // Each may be refused; then the file has to be as it was.
    let _ = file.set_image(&ImageChange::new("web").new_tag("2"));
    let _ = file.add_resource("new.yaml");
    let _ = file.set_namespace("prod");
    let _ = file.add_label("a", "b: c", LabelPlace::Common, true);
    let _ = file.set_replicas("web", 3);
    let _ = file.add_patch(&PatchEntry::inline("- op: remove\n  path: /a\n").target("kind", "Deployment"));
}

fuzz_target!(|input: &[u8]| {
    let Ok(mut file) = KustomizationFile::parse(input) else { return };
    assert_eq!(file.text().as_bytes(), input);
    edit(&mut file);
    let once = file.text().to_owned();
    KustomizationFile::parse(once.clone()).expect("what an edit writes can be read");
    edit(&mut file);
    assert_eq!(file.text(), once);
    let _ = file.fix(|patch| patch.ends_with(".yaml"));
    let _ = file.remove_resources("*");
});
