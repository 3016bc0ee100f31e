//! Input made to break a build: a clear error, soon, and little memory.
#![cfg(unix)]

use std::error::Error;
use std::fs::{self, File};
use std::iter::successors;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use kustomize_core::{BuildLimits, BuildOptions, Directory, EditError, KustomizationFile, Limits, Resource, build};
use tempfile::TempDir;

/// A directory whose kustomization names `a.yaml`, which is not there yet.
fn app() -> TempDir {
    let dir = tempfile::tempdir().expect("made");
    fs::write(dir.path().join("kustomization.yaml"), "resources: [a.yaml]\n").expect("written");
    dir
}

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(dir.join(name), content).expect("written");
}

/// The chain of errors, one to a line; paths without the directory.
fn error(dir: &Path, root: &str) -> String {
    error_with(dir, root, BuildLimits::new())
}

fn error_with(dir: &Path, root: &str, limits: BuildLimits) -> String {
    let files = Directory::new(dir).expect("opened");
    let Err(error) = build(&files, root, &BuildOptions::new().limits(limits)) else { panic!("it was built") };
    let chain = successors(Some(&error as &dyn Error), |error: &&dyn Error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn error_of_manifest(content: impl AsRef<[u8]>) -> String {
    let dir = app();
    write(dir.path(), "a.yaml", content);
    error(dir.path(), "")
}

const ENTRY: &str = "kustomization.yaml: cannot use `a.yaml` of resources\n";

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let dir = app();
    // All of it is a hole, so it takes no space.
    File::create(dir.path().join("a.yaml")).and_then(|file| file.set_len(1 << 30)).expect("created");
    assert_eq!(error(dir.path(), ""), format!("{ENTRY}a.yaml is larger than the limit of 536870912 bytes"));
}

#[test]
fn a_fifo_is_not_waited_for() {
    for (field, fails) in [
        ("resources: [fifo]", "cannot use `fifo` of resources"),
        ("configMapGenerator: [{name: a, files: [fifo]}]", "cannot apply configMapGenerator"),
        ("configMapGenerator: [{name: a, envs: [fifo]}]", "cannot apply configMapGenerator"),
        ("patches: [{path: fifo}]", "cannot apply patches"),
        ("crds: [fifo]", "cannot use `fifo` of crds"),
    ] {
        let dir = tempfile::tempdir().expect("made");
        write(dir.path(), "kustomization.yaml", field);
        let made = Command::new("mkfifo").arg(dir.path().join("fifo")).status().expect("mkfifo runs");
        assert!(made.success());
        let error = error(dir.path(), "");
        assert!(error.starts_with(&format!("kustomization.yaml: {fails}\n")), "{error}");
        assert!(error.ends_with("fifo is not a regular file"), "{error}");
    }
}

#[test]
fn links_and_bases_in_a_circle_are_told() {
    let dir = app();
    symlink("a.yaml", dir.path().join("a.yaml")).expect("linked");
    let told = error(dir.path(), "");
    assert!(told.starts_with(&format!("{ENTRY}cannot read a.yaml\n")), "{told}");

    for (base, other) in [("a", "b"), ("b", "a")] {
        fs::create_dir(dir.path().join(base)).expect("created");
        write(&dir.path().join(base), "kustomization.yaml", format!("resources: [../{other}]\n"));
    }
    let told = error(dir.path(), "a");
    assert!(told.ends_with("building on a goes in a circle, as it contains a"), "{told}");
}

#[test]
fn components_that_include_each_other_again_and_again_are_stopped() {
    let dir = tempfile::tempdir().expect("made");
    for level in 0..40 {
        fs::create_dir(dir.path().join(level.to_string())).expect("created");
        let (kind, next) = (if level == 0 { "Kustomization" } else { "Component" }, level + 1);
        let text = format!("kind: {kind}\ncomponents: [../{next}, ../{next}]\n");
        write(&dir.path().join(level.to_string()), "kustomization.yaml", text);
    }
    fs::create_dir(dir.path().join("40")).expect("created");
    write(&dir.path().join("40"), "kustomization.yaml", "kind: Component\nnamePrefix: a\n");
    let told = error_with(dir.path(), "0", BuildLimits::new().kustomizations(2_000));
    assert!(told.ends_with("the build needs more than 2000 kustomizations"), "{told}");
}

#[test]
fn what_is_not_text_or_endless_has_a_line() {
    let start = "apiVersion: v1\nkind: ConfigMap\n";
    let block: String = (0..1_100).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for (manifest, place) in [
        (
            format!("{start}metadata: {{name: a\0}}").into_bytes(),
            "line 3, column 19: control character U+0000 is not allowed",
        ),
        ([start.as_bytes(), b"metadata: {name: \xff}"].concat(), "line 3, column 18: invalid UTF-8"),
        (format!("{start}data: &a {{b: *a}}").into_bytes(), "line 3, column 14: anchor \"a\" contains itself"),
        (
            format!("{start}data: {}", "[".repeat(100_000)).into_bytes(),
            "line 3, column 1006: more than 1000 levels of nesting",
        ),
        (format!("{start}{block}").into_bytes(), "line 1003, column 1001: more than 1000 levels of nesting"),
    ] {
        assert_eq!(error_of_manifest(manifest), format!("{ENTRY}a.yaml is not valid YAML\n{place}"));
    }
}

#[test]
fn a_patch_in_the_kustomization_is_named_in_its_errors() {
    let dir = tempfile::tempdir().expect("made");
    write(dir.path(), "kustomization.yaml", "patches: [{patch: 'a: {'}]\n");
    let told = error(dir.path(), "");
    assert!(told.contains("\nthe inline patch is not valid YAML\n"), "{told}");
}

/// Does something on a thread with as much stack as threads have in Rust.
fn on_a_thread(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("started").join().expect("no panic");
}

#[test]
fn a_resource_as_deep_as_is_allowed_is_no_danger_to_the_stack() {
    let depth = Limits::new().depth;
    // The resource itself is a level, too.
    let (lists, maps) = ((depth - 1) / 2, (depth - 1).div_ceil(2));
    let deep = |value: &str| {
        format!("{}{}{value}{}{}", "[".repeat(lists), "{a: ".repeat(maps), "}".repeat(maps), "]".repeat(lists))
    };
    let manifest = |name: &str, value: &str| {
        format!("apiVersion: v1\nkind: A\nmetadata:\n  name: {name}\nspec: {}\n", deep(value))
    };
    let dir = tempfile::tempdir().expect("made");
    for overlay in ["one", "two", "both", "base"] {
        fs::create_dir(dir.path().join(overlay)).expect("created");
    }
    write(dir.path(), "base/kustomization.yaml", "resources: [a.yaml]\n");
    write(dir.path(), "base/a.yaml", manifest("a", "x"));
    write(dir.path(), "both/kustomization.yaml", "resources: [../one, ../two]\n");
    let copied = "[{select: {kind: A}, fieldPaths: [copy], options: {create: true}}]";
    let overlay = format!(
        "resources: [../base]\npatches: [{{path: patch.yaml}}]\nimages: [{{name: x, newTag: v1}}]\ncommonLabels: {{a: b}}\n\
         namespace: team\nreplacements: [{{source: {{kind: A, fieldPath: spec}}, targets: {copied}}}]\n"
    );
    for name in ["one", "two"] {
        write(&dir.path().join(name), "kustomization.yaml", format!("namePrefix: {name}-\n{overlay}"));
        write(&dir.path().join(name), "patch.yaml", manifest("a", name));
    }
    write(dir.path(), "kustomization.yaml", "resources: [a.yaml]\n");
    write(dir.path(), "a.yaml", manifest("a", "[]"));
    assert!(error(dir.path(), "").contains("levels of nesting"), "one more is too much");
    let tree = dir.path().to_owned();
    on_a_thread(move || {
        let built = build(&Directory::new(tree).expect("opened"), "both", &BuildOptions::new()).expect("built");
        for (resource, value) in built.resources.iter().zip(["one", "two"]) {
            let resource = resource.clone();
            let yaml = resource.to_yaml().expect("printable");
            assert_eq!(yaml.matches(&format!("a: {value}\n")).count(), 2);
            let json = serde_json::Value::try_from(&resource).expect("printable");
            assert!(serde_json::to_string(&resource).expect("printable").contains(value));
            assert!(Resource::try_from(json).is_ok_and(|again| again.to_yaml().as_deref() == Ok(&yaml)));
            let value = serde_yaml::Value::try_from(&resource).expect("printable");
            assert!(Resource::try_from(value).is_ok_and(|again| again.to_yaml().as_deref() == Ok(&yaml)));
        }
    });
}

#[test]
fn aliases_cannot_stop_the_editor() {
    let mut text = "x0: &x0 [a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*x{}", level - 1); 8].join(", ");
        text += &format!("x{level}: &x{level} [{aliases}]\n");
    }
    let error = KustomizationFile::parse(text).expect_err("refused");
    assert!(matches!(error, EditError::ExcessiveAliasing { line: 6, .. }), "{error}");
}

#[test]
fn what_doubles_itself_is_stopped() {
    let text = "- source: {kind: ConfigMap, fieldPath: data.x}\n  targets:\n  - select: {kind: ConfigMap}\n    \
        fieldPaths: [data.x]\n    options: {delimiter: ' ', index: 0}\n";
    let mapping = "- source: {kind: ConfigMap, fieldPath: data}\n  targets:\n  - select: {kind: ConfigMap}\n    \
        fieldPaths: [data.m, data.n]\n    options: {create: true}\n";
    let copies: Vec<_> = (0..40).map(|_| r#"{"op": "copy", "from": "/data", "path": "/data/x/-"}"#).collect();
    let list = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: [a, a]}\n";
    for (fields, manifest, expected) in [
        (
            format!("replacements:\n{}", text.repeat(40)),
            list.replace("[a, a]", "a a"),
            "replacements make ConfigMap.v1.[noGrp]/a.[noNs] larger than 67108864 bytes",
        ),
        (
            format!("replacements:\n{}", mapping.repeat(40)),
            list.replace("[a, a]", "a"),
            "replacements make ConfigMap.v1.[noGrp]/a.[noNs] larger than 67108864 bytes",
        ),
        (
            format!("patches:\n- target: {{kind: ConfigMap}}\n  patch: '[{}]'\n", copies.join(", ")),
            list.to_owned(),
            "the patch copies more than 16777216 bytes",
        ),
    ] {
        let dir = app();
        write(dir.path(), "kustomization.yaml", format!("resources: [a.yaml]\n{fields}"));
        write(dir.path(), "a.yaml", manifest);
        let told = error(dir.path(), "");
        assert!(told.ends_with(expected), "{told}");
    }
}

#[test]
fn what_moves_into_each_other_is_stopped() {
    let turn = |from, to| {
        format!(
            r#"{{"op": "add", "path": "/{to}", "value": {{}}}}, {{"op": "move", "from": "/{from}", "path": "/{to}/x"}}"#
        )
    };
    let turns = format!("[{}]", vec![format!("{}, {}", turn("a", "b"), turn("b", "a")); 10_000].join(",\n"));
    let dir = app();
    write(
        dir.path(),
        "kustomization.yaml",
        "resources: [a.yaml]\npatches: [{path: moves, target: {kind: ConfigMap}}]\n",
    );
    write(dir.path(), "a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na: {}\n");
    write(dir.path(), "moves", turns);
    let told = error(dir.path(), "");
    assert!(told.ends_with("move /b to /a/x: that nests more than 256 levels"), "{told}");
}

#[test]
fn types_that_refer_to_each_other_again_and_again_are_stopped() {
    let refer = |level: usize| format!(r##"{{"x": {{"$ref": "t{level}"}}, "y": {{"$ref": "t{level}"}}}}"##);
    let mut types = r#""t0": {"Schema": {"properties": {"apiVersion": {}, "kind": {}, "metadata": {}, "#.to_owned();
    types += &format!("{}}}}}", &refer(1)[1..]);
    for level in 1..40 {
        types += &format!(",\n\"t{level}\": {{\"Schema\": {{\"properties\": {}}}}}", refer(level + 1));
    }
    let dir = tempfile::tempdir().expect("made");
    write(dir.path(), "kustomization.yaml", "crds: [crds.json]\n");
    write(dir.path(), "crds.json", format!("{{{types}}}"));
    let told = error(dir.path(), "");
    assert!(told.ends_with("leads to more than 1000000 fields, or 500 levels deep"), "{told}");
}
