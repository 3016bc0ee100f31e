//! What every edit of a kustomization file keeps, on files in many styles, and
//! that it means what the same edit by the real kustomize means.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says when it is skipped")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kustomize_core::{
    BuildOptions, Directory, GeneratorEntry, GeneratorKind, ImageChange, KustomizationFile, LabelPlace, PatchEntry,
    build,
};
use proptest::prelude::*;
use proptest::sample::select;

/// An edit, and where there is one the edit that takes it back.
#[derive(Debug, Clone)]
enum Edit {
    Image(&'static str, &'static str),
    Namespace(&'static str),
    Prefix(&'static str),
    AddResource(&'static str),
    AddComponent(&'static str),
    AddLabel(&'static str, &'static str),
    SetAnnotation(&'static str, &'static str),
    Replicas(&'static str, i64),
    AddConfigMap(&'static str, &'static str),
    AddPatch(&'static str),
}

impl Edit {
    fn apply(&self, file: &mut KustomizationFile) {
        match self {
            Self::Image(name, tag) => {
                file.set_image(&ImageChange::new(*name).new_name("*").digest("*").new_tag(*tag)).expect("set");
            }
            Self::Namespace(text) => file.set_namespace(text).expect("set"),
            Self::Prefix(text) => file.set_name_prefix(text).expect("set"),
            Self::AddResource(path) => drop(file.add_resource(path).expect("added")),
            Self::AddComponent(path) => drop(file.add_component(path).expect("added")),
            Self::AddLabel(key, value) => file.add_label(key, value, LabelPlace::Common, true).expect("added"),
            Self::SetAnnotation(key, value) => file.set_annotation(key, value).expect("set"),
            Self::Replicas(name, count) => file.set_replicas(name, *count).expect("set"),
            Self::AddConfigMap(name, literal) => {
                let mut entry = GeneratorEntry::new(*name);
                entry.literals.push((*literal).to_owned());
                // The key may be there already; then nothing may change.
                let _ = file.add_generated(GeneratorKind::ConfigMap, &entry);
            }
            Self::AddPatch(path) => drop(file.add_patch(&PatchEntry::file(*path)).expect("added")),
        }
    }

    /// The same edit as arguments of `kustomize edit`.
    fn args(&self) -> Vec<String> {
        let words: Vec<String> = match self {
            Self::Image(name, tag) => vec!["set".into(), "image".into(), format!("{name}=*:{tag}@*")],
            Self::Namespace(text) => vec!["set".into(), "namespace".into(), "--".into(), (*text).into()],
            Self::Prefix(text) => vec!["set".into(), "nameprefix".into(), "--".into(), (*text).into()],
            Self::AddResource(path) => vec!["add".into(), "resource".into(), (*path).into()],
            Self::AddComponent(path) => vec!["add".into(), "component".into(), (*path).into()],
            Self::AddLabel(key, value) => vec!["add".into(), "label".into(), "-f".into(), format!("{key}:{value}")],
            Self::SetAnnotation(key, value) => vec!["set".into(), "annotation".into(), format!("{key}:{value}")],
            Self::Replicas(name, count) => vec!["set".into(), "replicas".into(), format!("{name}={count}")],
            Self::AddConfigMap(name, literal) => {
                vec!["add".into(), "configmap".into(), (*name).into(), format!("--from-literal={literal}")]
            }
            Self::AddPatch(path) => vec!["add".into(), "patch".into(), "--path".into(), (*path).into()],
        };
        std::iter::once("edit".to_owned()).chain(words).collect()
    }

    /// Takes back what `apply` added to `file`; false if it changed something that was there.
    fn undo(&self, before: &KustomizationFile, file: &mut KustomizationFile) -> bool {
        let had = |field: &str| before.field(field).filter(|value| !value.is_null());
        match self {
            Self::Image(name, _) => match had("images").as_ref().and_then(|images| tag_of(images, name)) {
                Some(tag) => {
                    let change = ImageChange::new(*name).new_name("*").digest("*").new_tag(tag);
                    file.set_image(&change).expect("set");
                    true
                }
                None => false,
            },
            Self::Namespace(_) => undo_text(had("namespace"), |text| file.set_namespace(text).expect("set")),
            Self::Prefix(_) => undo_text(had("namePrefix"), |text| file.set_name_prefix(text).expect("set")),
            Self::AddResource(path) if !lists(had("resources"), path) => {
                file.remove_resources(path).expect("removed");
                true
            }
            Self::AddLabel(key, _) if had("commonLabels").is_none_or(|labels| labels.get(*key).is_none()) => {
                file.remove_labels(&[key], false).expect("removed");
                true
            }
            Self::SetAnnotation(key, _) if had("commonAnnotations").is_none_or(|pairs| pairs.get(*key).is_none()) => {
                file.remove_annotations(&[key], false).expect("removed");
                true
            }
            Self::AddPatch(path) if !had("patches").is_some_and(|patches| patches.to_string().contains(path)) => {
                file.remove_patch(&PatchEntry::file(*path)).expect("removed");
                true
            }
            _ => false,
        }
    }
}

fn tag_of(images: &serde_json::Value, name: &str) -> Option<String> {
    let image = images.as_array()?.iter().find(|image| image["name"] == name)?;
    Some(image.get("newTag")?.as_str()?.to_owned())
}

fn undo_text(before: Option<serde_json::Value>, mut set: impl FnMut(&str)) -> bool {
    set(before.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default());
    true
}

fn lists(list: Option<serde_json::Value>, item: &str) -> bool {
    list.is_some_and(|list| list.as_array().is_some_and(|items| items.iter().any(|other| other == item)))
}

fn edits() -> impl Strategy<Value = Edit> {
    let word = || select(vec!["web", "db", "other", "registry.example.com:5000/a/b"]);
    let text = || select(vec!["v2", "2", "1.10", "true", "yes", "a b", "x: y", "-dash", "~", "it's", "#hash"]);
    prop_oneof![
        (word(), select(vec!["v2", "2", "1.10", "true", "0644"])).prop_map(|(name, tag)| Edit::Image(name, tag)),
        text().prop_map(Edit::Namespace),
        text().prop_map(Edit::Prefix),
        select(vec!["a.yaml", "new.yaml", "../base", "dir/with space"]).prop_map(Edit::AddResource),
        select(vec!["comp", "../other"]).prop_map(Edit::AddComponent),
        // On the command line the first colon ends the key.
        (select(vec!["app", "web", "example.com/x"]), text()).prop_map(|(key, value)| Edit::AddLabel(key, value)),
        (select(vec!["note", "example.com/x"]), text()).prop_map(|(key, value)| Edit::SetAnnotation(key, value)),
        (word(), 0..5_i64).prop_map(|(name, count)| Edit::Replicas(name, count)),
        (word(), select(vec!["A=1", "B=two words", "C="]))
            .prop_map(|(name, literal)| Edit::AddConfigMap(name, literal)),
        select(vec!["patch.yaml", "p2.yaml"]).prop_map(Edit::AddPatch),
    ]
}

/// A top-level field as some people write it.
fn field(name: &'static str) -> BoxedStrategy<String> {
    let block = |key: &'static str, items: &'static [&'static str]| {
        (select(vec![0, 2]), any::<bool>(), any::<bool>()).prop_map(move |(indent, inline, own_line)| {
            let pad = " ".repeat(indent);
            let mut text = format!("{key}:{}\n", if inline { "   # about it" } else { "" });
            for item in items {
                if own_line {
                    text += &format!("{pad}# {}\n", item.replace('\n', " "));
                }
                text += &format!(
                    "{pad}- {}{}\n",
                    item.replace('\n', &format!("\n{pad}")),
                    if inline { "  # why" } else { "" }
                );
            }
            text
        })
    };
    match name {
        "resources" => prop_oneof![
            block("resources", &["a.yaml", "\"b.yaml\"", "../base"]),
            Just("resources: [a.yaml, 'b.yaml']  # flow\n".to_owned()),
            Just("resources:\n- a.yaml\n\n# the second\n- b.yaml\n".to_owned()),
        ]
        .boxed(),
        "images" => prop_oneof![
            block(
                "images",
                &["name: web\n  newTag: '1'", "name: db\n  # pinned\n  newTag: \"3\"", "newTag: v1\n  name: other"]
            ),
            block("images", &["name: db\n  newName: x/db"]),
            Just("images: [{name: db, newTag: \"3\"}, {name: web, newTag: v1}]\n".to_owned()),
            Just("images:\n- {name: web, newTag: v1}   # one line\n".to_owned()),
        ]
        .boxed(),
        "namespace" => select(vec!["namespace: prod # here\n", "namespace: 'prod'\n", "\"namespace\": \"prod\"\n"])
            .prop_map(str::to_owned)
            .boxed(),
        "namePrefix" => {
            select(vec!["namePrefix: dev-\n", "namePrefix:   'dev-'   # why\n"]).prop_map(str::to_owned).boxed()
        }
        "commonLabels" => select(vec![
            "commonLabels:\n  app: x   # one\n  # two\n  tier: \"1\"\n",
            "commonLabels: {app: x}\n",
            "commonLabels:\n    web: old\n",
        ])
        .prop_map(str::to_owned)
        .boxed(),
        "patches" => block(
            "patches",
            &["path: patch.yaml\n  target: {kind: Deployment}", "patch: |-\n    - op: remove\n      path: /a"],
        )
        .boxed(),
        _ => block("configMapGenerator", &["name: web\n  literals:\n  - A=1 # first\n  - B=2"]).boxed(),
    }
}

/// A whole file: some fields in any order, with comments and blank lines around them.
fn files() -> impl Strategy<Value = String> {
    let names = vec!["resources", "images", "namespace", "namePrefix", "commonLabels", "patches", "configMapGenerator"];
    let some = proptest::sample::subsequence(names.clone(), 0..=names.len()).prop_shuffle();
    let fields = some.prop_flat_map(|names| names.into_iter().map(field).collect::<Vec<_>>());
    let around = select(vec!["", "# a comment\n", "\n", "\n# far\n\n"]);
    let style = (any::<bool>(), any::<bool>(), any::<bool>(), select(vec!["", "---\n", "# top\n---\n"]));
    (fields, around, style).prop_map(|(fields, around, (crlf, bom, ends, start))| {
        let mut text = format!("{start}{}", fields.join(around));
        text += around;
        if !ends && text.ends_with('\n') && !text.ends_with("---\n") {
            text.pop();
        }
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        if bom { format!("\u{feff}{text}") } else { text }
    })
}

/// How many lines of `old` are not in `new`, in order.
fn lines_lost(old: &str, new: &str) -> usize {
    let mut rest = new.lines();
    let mut lost = 0;
    for line in old.lines() {
        let ahead = rest.clone();
        if !rest.by_ref().any(|other| other == line) {
            rest = ahead;
            lost += 1;
        }
    }
    lost
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_is_idempotent_and_changes_one_line_at_most(text in files(), edit in edits()) {
        let before = KustomizationFile::parse(text.clone()).expect("the strategy writes valid files");
        let mut once = before.clone();
        edit.apply(&mut once);
        let mut twice = once.clone();
        edit.apply(&mut twice);
        prop_assert_eq!(once.text(), twice.text());
        prop_assert!(lines_lost(&text, once.text()) <= 1, "{:?}\n{}\n{}", edit, text, once.text());
        let crlf = text.contains("\r\n");
        prop_assert_eq!(once.text().matches("\r\n").count(), if crlf { once.text().matches('\n').count() } else { 0 });
    }

    #[test]
    fn an_edit_and_its_inverse_give_the_original_bytes(text in files(), edit in edits()) {
        let before = KustomizationFile::parse(text.clone()).expect("the strategy writes valid files");
        let mut file = before.clone();
        edit.apply(&mut file);
        // A scalar that gets quotes it needs cannot tell whether it had some before that it did not need.
        let has_needless_quotes = text.contains("'prod'") || text.contains("\"prod\"") || text.contains("'dev-'");
        if !has_needless_quotes && edit.undo(&before, &mut file) {
            prop_assert_eq!(file.text(), text);
        }
    }

    #[test]
    fn no_text_makes_an_edit_panic(text in "[a-c:\\-\\[\\]{}#\"'|!%>&*, \n\tñ]{0,40}", edit in edits()) {
        if let Ok(file) = KustomizationFile::parse(format!("resources:\n{text}\nnamespace: x\n")) {
            let _ = std::hint::black_box({
                let mut file = file;
                let _ = file.set_image(&ImageChange::new("web").new_tag("1"));
                let _ = file.add_resource("new.yaml");
                let _ = file.set_namespace("y");
                let _ = &edit;
                file
            });
        }
    }
}

/// The real kustomize, if there is one.
fn kustomize() -> Option<PathBuf> {
    let named = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| std::env::split_paths(&paths).map(|dir| dir.join("kustomize")).find(|path| path.is_file()))
}

/// Everything that the files of the strategy name, and the file itself.
fn write_tree(root: &Path, kustomization: &str) {
    let deployment = |name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      \
             containers:\n      - {{name: a, image: web:0}}\n      - {{name: b, image: db:0}}\n"
        )
    };
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {paused: true}\n";
    for (path, text) in [
        ("app/kustomization.yaml", kustomization.to_owned()),
        ("app/a.yaml", deployment("web")),
        ("app/b.yaml", deployment("db")),
        ("app/new.yaml", deployment("other")),
        ("app/dir/with space", deployment("spaced")),
        ("app/patch.yaml", patch.to_owned()),
        ("app/p2.yaml", patch.to_owned()),
        ("app/comp/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned()),
        ("base/kustomization.yaml", "resources: [c.yaml]\n".to_owned()),
        ("base/c.yaml", deployment("based")),
        ("other/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned()),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("created");
        fs::write(path, text).expect("written");
    }
}

/// What the directory renders to; `None` if it does not.
fn rendered(root: &Path) -> Option<String> {
    let files = Directory::new("/").expect("opened");
    let built = build(&files, root.join("app"), &BuildOptions::new()).ok()?;
    built.resources.to_yaml().ok()
}

#[test]
fn a_build_after_an_edit_is_the_build_after_kustomize_s() {
    let Some(kustomize) = kustomize() else {
        eprintln!("skipped: no kustomize in KUSTOMIZE or on PATH to compare with");
        return;
    };
    let cases = std::env::var("KUSTOMIZE_DIFFERENTIAL_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let result = runner.run(&(files(), edits()), |(text, edit)| {
        let (ours, theirs) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        write_tree(ours.path(), &text);
        write_tree(theirs.path(), &text);
        let edited =
            Command::new(&kustomize).args(edit.args()).current_dir(theirs.path().join("app")).output().expect("runs");
        if !edited.status.success() {
            return Ok(());
        }
        let mut file = KustomizationFile::parse(text.clone()).expect("the strategy writes valid files");
        edit.apply(&mut file);
        fs::write(ours.path().join("app/kustomization.yaml"), file.text()).expect("written");
        prop_assert_eq!(rendered(ours.path()), rendered(theirs.path()), "{:?}\n{}\n{}", edit, text, file.text());
        Ok(())
    });
    result.expect("the builds are the same");
}
