//! Patches in a build, as the three fields of a kustomization write them.

use crate::{BuildOptions, Memory, build};

const WEB: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app: web}}, spec: {replicas: 1}}";

/// What the overlay's fields make of [`WEB`] and a ConfigMap `web` in its base.
fn patched(fields: &str) -> Result<String, String> {
    let files = Memory::new()
        .with("base/kustomization.yaml", "namePrefix: my-\nresources: [web.yaml, config.yaml]\n")
        .with("base/web.yaml", WEB)
        .with("base/config.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}")
        .with("overlay/kustomization.yaml", format!("resources: [../base]\nsortOptions: {{order: fifo}}\n{fields}"));
    let built = build(&files, "overlay", &BuildOptions::new()).map_err(|error| chain(&error))?;
    built.resources.to_yaml().map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn assert_patched(fields: &str, wanted: &str) {
    let got = patched(fields).expect(fields);
    assert!(got.contains(wanted), "{fields}\ngives\n{got}\nwithout\n{wanted}");
}

#[test]
fn a_patch_finds_its_target_by_any_id_it_had() {
    for name in ["web", "my-web"] {
        let patch =
            format!("{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: 2}}}}");
        assert_patched(&format!("patches: [{{patch: '{patch}'}}]"), "  name: my-web\nspec:\n  replicas: 2\n");
        assert_patched(&format!("patchesStrategicMerge: ['{patch}']"), "  name: my-web\nspec:\n  replicas: 2\n");
    }
}

#[test]
fn only_without_a_target_does_a_patch_delete_labels() {
    let patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app: null}}}";
    assert_patched(&format!("patches: [{{patch: '{patch}'}}]"), "  labels: {}\n");
    let with_target = format!("patches: [{{patch: '{patch}', target: {{kind: Deploy.*}}}}]");
    assert_patched(&with_target, "  labels:\n    app: \"null\"\n");
}

#[test]
fn a_patch_changes_name_and_kind_only_where_it_may() {
    let patch = "{apiVersion: v1, kind: StatefulSet, metadata: {name: other}, x: 1}";
    let target = "target: {name: web, kind: Deployment}";
    assert_patched(
        &format!("patches: [{{patch: '{patch}', {target}}}]"),
        "kind: Deployment\nmetadata:\n  labels:\n    app: web\n  name: my-web\n",
    );
    let options = "options: {allowNameChange: true, allowKindChange: true}";
    assert_patched(
        &format!("patches: [{{patch: '{patch}', {target}, {options}}}]"),
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  labels:\n    app: web\n  name: other\n",
    );
}

#[test]
fn a_resource_can_be_deleted() {
    let patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, $patch: delete}";
    let left = patched(&format!("patches: [{{patch: '{patch}'}}]")).expect("builds");
    assert_eq!(left, "apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n  name: my-web\n");
}

#[test]
fn operations_can_add_to_annotations_that_are_not_there() {
    let operation = "[{\"op\": \"add\", \"path\": \"/metadata/annotations/a\", \"value\": 5}]";
    let target = "target: {kind: ConfigMap}";
    assert_patched(&format!("patches: [{{patch: '{operation}', {target}}}]"), "  annotations:\n    a: \"5\"\n");
    let zero = "- {op: add, path: /metadata/annotations/a, value: -0.0}";
    assert_patched(&format!("patches: [{{patch: '{zero}', {target}}}]"), "  annotations:\n    a: \"-0\"\n");
    let remove = "[{\"op\": \"remove\", \"path\": \"/data/a\"}]";
    let json = format!("patchesJson6902: [{{patch: '{remove}', target: {{kind: ConfigMap, version: v1, name: web}}}}]");
    assert_patched(&json, "data: {}\nkind: ConfigMap\n");
}

#[test]
fn a_component_cannot_make_two_resources_the_same() {
    let component = "{apiVersion: kustomize.config.k8s.io/v1alpha1, kind: Component, patches: \
        [{patch: '[{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"x\"}]', target: {kind: A}}]}";
    let files = Memory::new()
        .with("component/kustomization.yaml", component)
        .with(
            "app/a.yaml",
            "{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n{apiVersion: v1, kind: A, metadata: {name: b}}",
        )
        .with("app/kustomization.yaml", "resources: [a.yaml]\ncomponents: [../component]\n");
    let error = build(&files, "app", &BuildOptions::new()).expect_err("two of them");
    assert!(chain(&error).contains("A.v1.[noGrp]/x.[noNs] is there twice"), "{}", chain(&error));
}

#[test]
fn what_cannot_be_done_is_explained() {
    for (fields, message) in [
        ("patches: [{target: {kind: A}}]", "a patch needs either a patch or a path"),
        ("patches: [{patch: a, path: b}]", "a patch has either a patch or the path b, not both"),
        ("patches: [{path: none.yaml}]", "cannot read the patch none.yaml"),
        ("patches: [{patch: 'x: 1'}]", "the inline patch is not a strategic merge patch, and not a JSON patch either"),
        ("patches: [{patch: '- {op: remove, path: /a}'}]", "the inline patch is a JSON patch and needs a target"),
        (
            "patches: [{patch: '- {op: remove, path: /spec/x}', target: {kind: Deployment}}]",
            "operation 1 of the JSON patch, remove /spec/x: there is no key `x`",
        ),
        (
            "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: my-weg}}'}]",
            "the inline patch is for ConfigMap.v1.[noGrp]/my-weg.[noNs], which does not exist; \
             did you mean ConfigMap.v1.[noGrp]/my-web.[noNs]?",
        ),
        (
            "patchesStrategicMerge: ['{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: [1]}']",
            "cannot merge the inline patch into Deployment.v1.apps/my-web.[noNs]: at spec: a map and a list",
        ),
        ("patchesJson6902: [{patch: '[]', target: {kind: A}}]", "the target of the inline patch has no name"),
        ("patches: [{patch: '[]', target: {name: '('}}]", "the target of the inline patch cannot be used"),
    ] {
        let error = patched(fields).expect_err(fields);
        assert!(error.contains(message), "{fields}: {error}");
    }
}
