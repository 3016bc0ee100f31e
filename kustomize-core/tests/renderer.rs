//! Whatever is edited in whatever order, a renderer gives what a build from nothing gives.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kustomize_core::{
    BuildError, BuildLimits, BuildOptions, ContentId, Directory, FileSource, ImageChange, LoadRestriction, Memory,
    Overrides, ReadError, ReadFile, Remote, RemoteBase, RemoteError, RemoteLimits, Renderer, Reorder, Resolved,
    Warning, build,
};
use proptest::prelude::*;

const ALL: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: main, image: app, envFrom: [{configMapRef: {name: settings}}, {configMapRef: {name: made}}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: account}
";

const BINDING: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}
subjects: [{kind: ServiceAccount, name: account, namespace: ns-1}]
";

const CLUSTER_ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: role}
rules: []
";

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: space}\n";

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n";

const COMPONENT: &str = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";

const OVERLAYS: usize = 3;

/// The files that are edited, each with what may stand in it; nothing where it is missing.
fn pool() -> Vec<(String, Vec<Option<String>>)> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
    let or_none = |mut texts: Vec<Option<String>>| {
        texts.push(None);
        texts
    };
    let mut pool = vec![
        (
            "base/kustomization.yaml".to_owned(),
            texts(&[
                "resources: [all.yaml]\n",
                "resources: [all.yaml, extra.yaml]\n",
                "resources: [all.yaml]\nnamePrefix: b-\n",
                "resources: [all.yaml]\nconfigMapGenerator: [{name: made, files: [made.txt]}]\n",
                "resources: [../inner, all.yaml]\n",
                "resources: [all.yaml]\ncommonLabels: {l: v}\n",
                "resources: [all.yaml\n",
            ]),
        ),
        ("base/Kustomization".to_owned(), vec![None, None, None, None, Some("resources: []\n".to_owned())]),
        (
            "base/all.yaml".to_owned(),
            texts(&[ALL, &ALL.replace("a: b", "a: c"), &ALL.replace("name: web", "name: front"), "kind: Broken\n"]),
        ),
        ("base/extra.yaml".to_owned(), or_none(texts(&[NAMESPACE, BINDING, CLUSTER_ROLE, "# nothing\n"]))),
        ("base/made.txt".to_owned(), or_none(texts(&["1", "2"]))),
        ("inner/kustomization.yaml".to_owned(), or_none(texts(&["resources: [map.yaml]\n", "resources: [../base]\n"]))),
        ("inner/map.yaml".to_owned(), texts(&["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made}\n"])),
        (
            "component/kustomization.yaml".to_owned(),
            or_none(texts(&[COMPONENT, &format!("{COMPONENT}namePrefix: c-\n")])),
        ),
        (
            "root/kustomization.yaml".to_owned(),
            texts(&[
                "resources: [../o0, ../o1, ../o2]\n",
                "resources: [../o2, ../o0]\n",
                "resources: [../o0, ../o1]\nsortOptions: {order: fifo}\n",
                "resources: [../o0, ../o1]\nnamePrefix: r-\n",
                "resources: [../o0, ../o1, ../inner]\nbuildMetadata: [originAnnotations]\n",
                "resources: [../o1, own.yaml, ../o0]\n",
            ]),
        ),
        ("root/own.yaml".to_owned(), texts(&[NAMESPACE, CLUSTER_ROLE])),
    ];
    for index in 0..OVERLAYS {
        let next = (index + 1) % OVERLAYS;
        let base = format!("resources: [../base]\nnamespace: ns-{index}\n");
        let kustomizations = [
            base.clone(),
            format!("{base}patches: [{{path: patch.yaml}}]\n"),
            format!("{base}images: [{{name: app, newTag: v{index}}}]\nnamePrefix: o{index}-\n"),
            format!("{base}components: [../component]\n"),
            format!("resources: [../base]\nnamespace: ns-{next}\n"),
            format!("resources: [../base]\nnamePrefix: o{index}-\n"),
            format!("resources: [../o{next}]\nnamespace: ns-{index}\n"),
            format!("{base}openapi: {{path: schema.json}}\n"),
            format!("{base}vars: [{{name: V{index}, objref: {{apiVersion: v1, kind: ConfigMap, name: settings}}}}]\n"),
            format!("{base}configurations: [config.yaml]\n"),
            format!("{base}configMapGenerator: [{{name: made, literals: [x=y]}}]\n"),
            format!("{base}patchesStrategicMerge: [patch.yaml]\n"),
        ];
        let kustomizations = kustomizations.into_iter().map(Some).collect();
        pool.push((format!("o{index}/kustomization.yaml"), kustomizations));
        let patches = texts(&[PATCH, &PATCH.replace("1}", "2}"), "[]\n"]);
        pool.push((format!("o{index}/patch.yaml"), or_none(patches)));
        pool.push((format!("o{index}/schema.json"), texts(&["{\"definitions\": {}}"])));
        pool.push((
            format!("o{index}/config.yaml"),
            texts(&["namespace: [{path: metadata/labels/n, create: true}]\n"]),
        ));
    }
    pool
}

/// The first text of each file: a tree that can be built.
fn first_state(pool: &[(String, Vec<Option<String>>)]) -> Memory {
    let files = pool.iter().filter_map(|(path, texts)| Some((path, texts[0].as_ref()?)));
    files.fold(Memory::new(), |memory, (path, text)| memory.with(path, text))
}

fn options(which: usize) -> BuildOptions {
    let options = BuildOptions::new();
    match which {
        0 => options.overrides(Overrides::new().image(ImageChange::new("app").new_tag("override"))),
        1 => options.reorder(Reorder::None),
        2 => options.managed_by_label(),
        3 => options.load_restriction(LoadRestriction::None),
        4 => options.overrides(Overrides::new().namespace("elsewhere")),
        _ => options,
    }
}

/// Files that say nothing about their content.
struct WithoutIds<'a>(&'a Memory);

impl FileSource for WithoutIds<'_> {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        self.0.resolve(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.0.read(path, limit)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        self.0.list(dir)
    }
}

/// Files of which only those themselves have ids, but not directories.
struct WithoutTreeIds<'a>(&'a Memory);

impl FileSource for WithoutTreeIds<'_> {
    fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        self.0.resolve(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.0.read(path, limit)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, ReadError> {
        self.0.list(dir)
    }

    fn content_id(&self, path: &Path) -> Option<ContentId> {
        self.0.content_id(path).filter(|_| self.0.resolve(path).is_ok_and(|found| !found.is_dir))
    }
}

/// What a build gives, to be compared.
type Told = Result<(String, Vec<Warning>, Vec<PathBuf>), String>;

fn told(error: &BuildError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, "\n  {error}").expect("written");
        cause = error.source();
    }
    text
}

fn paths(read: &[ReadFile]) -> Vec<PathBuf> {
    read.iter().map(|file| file.path.clone()).collect()
}

fn cold(files: &dyn FileSource, root: &str, options: &BuildOptions) -> Told {
    let built = build(files, root, options).map_err(|error| told(&error))?;
    Ok((built.resources.to_yaml().map_err(|error| told(&error))?, built.warnings, paths(&built.read)))
}

fn warm(renderer: &Renderer, files: &dyn FileSource, root: &str, options: &BuildOptions) -> Told {
    let built = renderer.build(files, root, options).map_err(|error| told(&error))?;
    let yaml = built.resources.to_yaml().map_err(|error| told(&error))?;
    // One by one, the resources are the same as together.
    let each = built.resources.iter().map(|resource| resource.to_yaml().expect("printable"));
    assert_eq!(
        (each.collect::<Vec<_>>().join("---\n"), built.resources.iter().count()),
        (yaml.clone(), built.resources.len())
    );
    Ok((yaml, built.warnings.clone(), paths(&built.read)))
}

/// An edit, and what is built after it.
#[derive(Debug, Clone)]
struct Edit {
    file: prop::sample::Index,
    text: prop::sample::Index,
    /// Goes back to an earlier state instead.
    back: Option<prop::sample::Index>,
    root: usize,
    options: usize,
}

fn edit() -> impl Strategy<Value = Edit> {
    let back = prop::option::weighted(0.15, any::<prop::sample::Index>());
    // More often than not, what only gathers is built without options.
    let root = prop_oneof![3 => Just(0), 1 => 0..5_usize];
    let options = prop_oneof![3 => Just(9), 1 => 0..5_usize];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), back, root, options)
        .prop_map(|(file, text, back, root, options)| Edit { file, text, back, root, options })
}

const ROOTS: [&str; 5] = ["root", "o0", "o1", "base", "inner"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_renderer_gives_what_a_build_from_nothing_gives(edits in prop::collection::vec(edit(), 1..25)) {
        let pool = pool();
        let mut states = vec![first_state(&pool)];
        // The small budget makes room all the time.
        let [renderer, small, by_hash, by_file] =
            [256 << 20, 40 << 10, 256 << 20, 256 << 20].map(Renderer::with_budget);
        for edit in edits {
            let mut files = match &edit.back {
                Some(back) => states[back.index(states.len())].clone(),
                None => states.last().expect("there is a first one").clone(),
            };
            if edit.back.is_none() {
                let (path, texts) = &pool[edit.file.index(pool.len())];
                match &texts[edit.text.index(texts.len())] {
                    Some(text) => files.insert(path, text),
                    None => files.remove(path),
                }
            }
            let (root, options) = (ROOTS[edit.root], options(edit.options));
            let expected = cold(&files, root, &options);
            prop_assert_eq!(&warm(&renderer, &files, root, &options), &expected);
            prop_assert_eq!(&warm(&renderer, &files, root, &options), &expected);
            prop_assert_eq!(&warm(&small, &files, root, &options), &expected);
            prop_assert_eq!(&warm(&by_hash, &WithoutIds(&files), root, &options), &expected);
            prop_assert_eq!(&warm(&by_file, &WithoutTreeIds(&files), root, &options), &expected);
            prop_assert!(small.bytes() <= 40 << 10);
            states.push(files);
        }
    }
}

/// How many overlays a gathered root is made of in the tests below.
fn gathered() -> Memory {
    let pool = pool();
    (0..OVERLAYS).fold(first_state(&pool), |files, index| {
        let text = format!("resources: [../base]\nnamespace: ns-{index}\nnamePrefix: o{index}-\n");
        files.with(format!("o{index}/kustomization.yaml"), text)
    })
}

#[test]
fn nothing_is_made_again_if_nothing_changed() {
    let (files, renderer, options) = (gathered(), Renderer::new(), BuildOptions::new());
    let first = renderer.build(&files, "root", &options).expect("builds");
    let overlays = ["o0", "o1", "o2", "root"].map(|dir| format!("{dir}/kustomization.yaml"));
    let read = ["base/all.yaml", "base/kustomization.yaml"].map(str::to_owned).into_iter().chain(overlays);
    assert_eq!(paths(&first.read), read.map(PathBuf::from).collect::<Vec<_>>());
    // What is read by nobody makes no difference.
    for files in [files.clone(), files.with("elsewhere", "x")] {
        let again = renderer.build(&files, "root", &options).expect("builds");
        assert!(Arc::ptr_eq(&first, &again));
    }
    renderer.clear();
    assert_eq!(renderer.bytes(), 0);
}

/// More overlays than resources are kept together.
#[test]
fn many_overlays_change_one_by_one() {
    const MANY: usize = 40;
    let kustomization = |index| format!("resources: [../base, extra.yaml]\nnamespace: ns-{index}\n");
    let root: Vec<_> = (0..MANY).map(|index| format!("../o{index}")).collect();
    let files = Memory::new()
        .with("base/kustomization.yaml", "resources: [all.yaml]\n")
        .with("base/all.yaml", ALL)
        .with("root/kustomization.yaml", format!("resources: [{}]\n", root.join(", ")));
    let files = (0..MANY).fold(files, |files, index| {
        files
            .with(format!("o{index}/kustomization.yaml"), kustomization(index))
            .with(format!("o{index}/extra.yaml"), MAP)
    });
    let other = MAP.replace("name: map", "name: other");
    let edits = [
        ("o0/extra.yaml", format!("{MAP}data: {{a: b}}\n")),
        ("o17/extra.yaml", format!("{MAP}data: {{a: b}}\n")),
        ("o39/extra.yaml", format!("{MAP}data: {{a: c}}\n")),
        // In another place, and so are those behind it.
        ("o20/extra.yaml", other.clone()),
        ("o3/extra.yaml", "# nothing\n".to_owned()),
        ("o3/extra.yaml", format!("{MAP}---\n{other}")),
        ("o17/kustomization.yaml", kustomization(16)),
        ("o17/kustomization.yaml", kustomization(17)),
        ("base/all.yaml", ALL.replace("a: b", "a: c")),
        ("root/kustomization.yaml", format!("resources: [{}]\n", root[5..].join(", "))),
    ];
    let mut states = vec![files];
    for (path, text) in edits {
        let files = states.last().expect("there is a first one").clone();
        states.push(files.with(path, text));
    }
    let given = in_turn(&states, "root", &BuildOptions::new());
    assert_eq!(given.iter().filter(|given| given.is_err()).count(), 1, "two overlays in one namespace");
}

#[test]
fn what_is_kept_counts_as_if_it_were_read() {
    let files = gathered().with("o0/extra.yaml", MAP).with("o2/extra.yaml", MAP);
    let more = |files: &Memory, index: usize| {
        let text = format!("resources: [../base, extra.yaml]\nnamespace: ns-{index}\n");
        files.clone().with(format!("o{index}/kustomization.yaml"), text)
    };
    let states = [files.clone(), more(&files, 0), more(&files, 2)];
    // Each of the overlays reads its kustomization and two files of the base.
    for limit in 8..=12 {
        let options = BuildOptions::new().limits(BuildLimits::new().files(limit));
        let given = in_turn(&states, "root", &options);
        assert_eq!(
            given.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [limit >= 10, limit >= 11, limit >= 11],
            "{limit}"
        );
    }
}

#[test]
fn a_link_that_leads_nowhere_may_lead_somewhere_later() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = temp.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, text).expect("written");
    };
    write("base/kustomization.yaml", "resources: [map.yaml]\n");
    write("base/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    write("app/kustomization.yaml", "resources: [../base]\n");
    std::os::unix::fs::symlink("../elsewhere/kustomization.yml", temp.path().join("app/kustomization.yml"))
        .expect("linked");
    let files = Directory::new(temp.path()).expect("opened");
    let (renderer, options) = (Renderer::new(), BuildOptions::new().load_restriction(LoadRestriction::None));
    let same = || {
        let expected = cold(&files, "app", &options);
        assert_eq!(warm(&renderer, &files, "app", &options), expected);
        expected.is_ok()
    };
    assert!(same());
    assert!(same());
    write("elsewhere/kustomization.yml", "resources: []\n");
    assert!(!same(), "there are two kustomization files now");
    fs::remove_file(temp.path().join("elsewhere/kustomization.yml")).expect("removed");
    assert!(same());
    // The same length, and perhaps the same time.
    write("base/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n");
    assert!(same());
}

#[test]
fn threads_share_a_renderer() {
    let (files, renderer, options) = (gathered(), Renderer::new(), BuildOptions::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (files, renderer, options) = (&files, &renderer, &options);
            scope.spawn(move || {
                for round in 0..8 {
                    let text = format!("resources: [../base]\nnamespace: t{}\n", (round + thread) % 5);
                    let files = files.clone().with(format!("o{}/kustomization.yaml", round % OVERLAYS), text);
                    assert_eq!(warm(renderer, &files, "root", options), cold(&files, "root", options));
                }
            });
        }
    });
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n";

/// Builds the same root of several states in turn, twice, as a build from nothing does.
fn in_turn(states: &[Memory], root: &str, options: &BuildOptions) -> Vec<Told> {
    let renderer = Renderer::new();
    let expected: Vec<Told> = states.iter().map(|files| cold(files, root, options)).collect();
    for _ in 0..2 {
        for (files, expected) in states.iter().zip(&expected) {
            assert_eq!(&warm(&renderer, files, root, options), expected);
        }
    }
    expected
}

#[test]
fn an_account_in_another_namespace_is_a_tie() {
    let binding = BINDING.replace("name: role}", "name: r}");
    let files = Memory::new()
        .with("a/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-0\n")
        .with("a/all.yaml", &binding)
        .with("b/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-1\nnamePrefix: one-\n")
        .with("b/all.yaml", ALL)
        .with("kustomization.yaml", "resources: [a, b]\n");
    let renamed =
        files.clone().with("b/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-1\nnamePrefix: x-\n");
    let given = in_turn(&[files, renamed], "", &BuildOptions::new());
    assert!(given[0].as_ref().is_ok_and(|(yaml, ..)| yaml.contains("- kind: ServiceAccount\n  name: one-account\n")));
}

#[test]
fn what_has_no_namespace_is_a_tie() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\n\
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role}\n";
    let files = Memory::new()
        .with("a/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-0\n")
        .with("a/all.yaml", role)
        .with("b/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-1\nnamePrefix: one-\n")
        .with("b/all.yaml", CLUSTER_ROLE)
        .with("kustomization.yaml", "resources: [a, b]\n");
    let given = in_turn(std::slice::from_ref(&files), "", &BuildOptions::new());
    assert!(given[0].as_ref().is_ok_and(|(yaml, ..)| yaml.contains("kind: ClusterRole\n  name: one-role\n")));
    // Two of the same name without namespace, which no reference would tell.
    let twice = files
        .with("a/all.yaml", NAMESPACE)
        .with("b/all.yaml", NAMESPACE)
        .with("b/kustomization.yaml", "resources: [all.yaml]\nnamespace: ns-0\n");
    assert!(in_turn(&[twice], "", &BuildOptions::new())[0].is_err());
}

#[test]
fn a_base_that_is_kept_is_part_of_a_cycle_all_the_same() {
    let files = Memory::new()
        .with("app/kustomization.yaml", "resources: [../middle]\n")
        .with("middle/kustomization.yaml", "resources: [../base]\n")
        .with("base/kustomization.yaml", "resources: [map.yaml]\n")
        .with("base/map.yaml", MAP)
        .with("base/below/kustomization.yaml", "resources: [../../middle]\n");
    let (renderer, options) = (Renderer::new(), BuildOptions::new());
    assert!(warm(&renderer, &files, "app", &options).is_ok());
    let cycle = warm(&renderer, &files, "base/below", &options);
    assert!(cycle.is_err());
    assert_eq!(cycle, cold(&files, "base/below", &options));
}

/// Says that the parts of a `W` are merged by name.
const SCHEMA: &str = r#"{"definitions": {"W": {
    "properties": {"parts": {"type": "array", "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge", "items": {"properties": {"name": {"type": "string"}}}}},
    "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "W"}]}}}"#;

fn with_part(name: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: W\nmetadata: {{name: w}}\nparts: [{{name: {name}}}]\n")
}

#[test]
fn a_schema_of_its_own_is_for_one_build() {
    let files = Memory::new()
        .with("base/kustomization.yaml", "resources: [w.yaml]\npatches: [{path: patch.yaml}]\n")
        .with("base/w.yaml", with_part("a"))
        .with("base/patch.yaml", with_part("b"))
        .with("with/kustomization.yaml", "resources: [../base]\nopenapi: {path: schema.json}\n")
        .with("with/schema.json", SCHEMA)
        .with("without/kustomization.yaml", "resources: [../base]\n");
    let (renderer, options) = (Renderer::new(), BuildOptions::new());
    for root in ["with", "without", "with"] {
        assert_eq!(warm(&renderer, &files, root, &options), cold(&files, root, &options), "{root}");
    }
    assert_ne!(cold(&files, "with", &options), cold(&files, "without", &options));
}

#[test]
fn the_schema_of_one_base_is_for_the_next_ones() {
    let files = Memory::new()
        .with("a/kustomization.yaml", "openapi: {path: schema.json}\n")
        .with("a/schema.json", SCHEMA)
        .with("b/kustomization.yaml", "resources: [w.yaml]\npatches: [{path: patch.yaml}]\n")
        .with("b/w.yaml", with_part("a"))
        .with("b/patch.yaml", with_part("b"))
        .with("root/kustomization.yaml", "resources: [../a, ../b]\n");
    let states = [
        files.clone(),
        files.clone().with("b/patch.yaml", with_part("c")),
        files.clone().with("a/schema.json", "{\"definitions\": {}}"),
        files.with("root/kustomization.yaml", "resources: [../b, ../a]\n"),
    ];
    let given = in_turn(&states, "root", &BuildOptions::new());
    assert!(given[0].is_ok() && given[0] != given[2], "the schema makes a difference");
}

#[test]
fn a_schema_that_comes_later_is_for_bases_that_are_kept() {
    let files = Memory::new()
        .with("a/kustomization.yaml", "namespace: ns-0\nresources: [map.yaml]\n")
        .with("a/map.yaml", MAP)
        .with("a/schema.json", SCHEMA)
        .with("b/kustomization.yaml", "namespace: ns-1\nresources: [w.yaml]\npatches: [{path: patch.yaml}]\n")
        .with("b/w.yaml", with_part("a"))
        .with("b/patch.yaml", with_part("b"))
        .with("root/kustomization.yaml", "resources: [../a, ../b]\n");
    let schema = "namespace: ns-0\nresources: [map.yaml]\nopenapi: {path: schema.json}\n";
    let states = [files.clone(), files.with("a/kustomization.yaml", schema)];
    let given = in_turn(&states, "root", &BuildOptions::new());
    assert!(given[0].is_ok() && given[0] != given[1], "the schema makes a difference");
}

#[test]
fn files_of_other_directories_count() {
    let files = Memory::new()
        .with("app/kustomization.yaml", "resources: [../base]\n")
        .with("base/kustomization.yaml", "resources: [all.yaml]\npatches: [{path: ../shared/patch.yaml}]\n")
        .with("base/all.yaml", ALL)
        .with("shared/patch.yaml", PATCH);
    let changed = files.clone().with("shared/patch.yaml", PATCH.replace("1}", "2}"));
    let given = in_turn(&[files, changed], "app", &BuildOptions::new().load_restriction(LoadRestriction::None));
    assert!(given[0].is_ok() && given[0] != given[1]);
}

/// Counts what is fetched, and gives something else each time.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Remote for Counting {
    fn repository(&self, _: &RemoteBase) -> Result<Arc<dyn FileSource>, RemoteError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let text = format!("resources: [map.yaml]\nnamePrefix: fetched-{count}-\n");
        Ok(Arc::new(Memory::new().with("kustomization.yaml", text).with("map.yaml", MAP)))
    }

    fn file(&self, _: &str, _: RemoteLimits) -> Result<Vec<u8>, RemoteError> {
        Err(RemoteError::Status { code: 404 })
    }
}

#[test]
fn what_is_fetched_is_fetched_each_time() {
    let files = Memory::new()
        .with("base/kustomization.yaml", "resources: ['https://example.com/a/b.git']\n")
        .with("app/kustomization.yaml", "resources: [../base]\n")
        .with("kustomization.yaml", "resources: [app]\n");
    let (renderer, options) = (Renderer::new(), BuildOptions::new().remote(Arc::new(Counting::default())));
    for count in 0..3 {
        let built = renderer.build(&files, "", &options).expect("builds");
        let yaml = built.resources.to_yaml().expect("printable");
        assert!(yaml.contains(&format!("name: fetched-{count}-map")), "{yaml}");
    }
}
