//! Rendering in the process: every workload from memory, beside what libyaml
//! needs merely to tell the events of the same text; overlays from a checkout
//! and from Git's objects, once and by a renderer that knows them from before.
//!
//! ```text
//! cargo bench --bench render [-- FILTER]
//! ```
#![allow(missing_docs, reason = "a program, not a library")]

#[allow(dead_code, reason = "not every bench measures every workload")]
mod workloads;

use std::path::Path;
use std::process::Command;

use divan::{Bencher, black_box};
use gitops_git::{Mirror, MirrorOptions, Remote, RepoUrl, Revision, TreeReader};
use kustomize_core::{BuildOptions, Directory, FileSource, Memory, Renderer, build};
use tempfile::TempDir;
use workloads::Workload;

/// As in the example `kustomize`; libyaml has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn render(bencher: Bencher, workload: &Workload) {
    render_with(bencher, workload, &BuildOptions::new());
}

fn render_with(bencher: Bencher, workload: &Workload, options: &BuildOptions) {
    let files = workload.memory();
    bencher.counter(divan::counter::BytesCount::of_str(&workload.text())).bench_local(|| {
        let built = build(black_box(&files), workload.root, options).expect("builds");
        built.resources.to_yaml().expect("prints").len()
    });
}

#[divan::bench]
fn a_scenario(bencher: Bencher) {
    render(bencher, &workloads::scenario());
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000], sample_count = 10)]
fn b_plain(bencher: Bencher, count: usize) {
    render(bencher, &workloads::mixed(count, false));
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000], sample_count = 10)]
fn b_all_transformers(bencher: Bencher, count: usize) {
    render(bencher, &workloads::mixed(count, true));
}

/// 10,000 resources with all transformers, on one thread and on more.
#[divan::bench(args = [1, 2, 4], sample_count = 30)]
fn b_threads(bencher: Bencher, threads: usize) {
    render_with(bencher, &workloads::mixed(10_000, true), &BuildOptions::new().threads(threads));
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000], sample_count = 10)]
fn b_libyaml_events(bencher: Bencher, count: usize) {
    libyaml_events(bencher, &workloads::mixed(count, true).text());
}

#[divan::bench(sample_count = 20)]
fn c_overlays(bencher: Bencher) {
    render(bencher, &workloads::overlays(200));
}

fn render_again(renderer: &Renderer, files: &dyn FileSource, root: &str) -> usize {
    let built = renderer.build(black_box(files), root, &BuildOptions::new()).expect("builds");
    built.resources.to_yaml().expect("prints").len()
}

#[divan::bench]
fn c_renderer_nothing_changed(bencher: Bencher) {
    let workload = workloads::overlays(200);
    let (files, renderer) = (workload.memory(), Renderer::new());
    render_again(&renderer, &files, workload.root);
    bencher.bench_local(|| render_again(&renderer, &files, workload.root));
}

#[divan::bench]
fn c_renderer_one_of_200_changed(bencher: Bencher) {
    let workload = workloads::overlays(200);
    let (mut files, renderer) = (workload.memory(), Renderer::new());
    render_again(&renderer, &files, workload.root);
    let mut edits = 0;
    let edited = || -> Memory {
        edits += 1;
        // Never the same twice: the renderer would know it.
        files.insert(format!("overlays/o{}/patch.yaml", edits % 200), workloads::replica_patch(edits));
        files.clone()
    };
    bencher.with_inputs(edited).bench_local_refs(|files| render_again(&renderer, files, workload.root));
}

/// (g) Files in a checkout, and the same in a mirror's objects.
struct Repository {
    _dir: TempDir,
    checkout: Directory,
    tree: TreeReader,
}

impl Repository {
    fn of(workload: &Workload) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let checkout = dir.path().join("checkout");
        workload.write(&checkout);
        git(&checkout, &["init", "--quiet", "--initial-branch=main"]);
        git(&checkout, &["add", "--all"]);
        git(&checkout, &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=x"]);
        let remote = Remote::new(RepoUrl::from_path(&checkout).expect("a path"));
        let mirror = Mirror::open(dir.path().join("mirror"), remote, MirrorOptions::new()).expect("opened");
        let commit = mirror.fetch(&Revision::Head).expect("fetched");
        let tree = mirror.tree(commit.id).expect("read");
        Self { checkout: Directory::new(checkout).expect("opened"), tree, _dir: dir }
    }
}

fn git(dir: &Path, arguments: &[&str]) {
    let status = Command::new("git").current_dir(dir).args(arguments).status().expect("git runs");
    assert!(status.success(), "git {arguments:?}");
}

fn render_overlays(bencher: Bencher, files: impl Fn(&Repository) -> &dyn FileSource) {
    let workload = workloads::overlays(200);
    let repository = Repository::of(&workload);
    let options = BuildOptions::new();
    bencher.bench_local(|| {
        let built = build(black_box(files(&repository)), workload.root, &options).expect("builds");
        built.resources.to_yaml().expect("prints").len()
    });
}

#[divan::bench(sample_count = 20)]
fn g_checkout(bencher: Bencher) {
    render_overlays(bencher, |repository| &repository.checkout);
}

#[divan::bench(sample_count = 20)]
fn g_git_objects(bencher: Bencher) {
    render_overlays(bencher, |repository| &repository.tree);
}

fn render_overlays_again(bencher: Bencher, files: impl Fn(&Repository) -> &dyn FileSource) {
    let workload = workloads::overlays(200);
    let (repository, renderer) = (Repository::of(&workload), Renderer::new());
    render_again(&renderer, files(&repository), workload.root);
    bencher.bench_local(|| render_again(&renderer, files(&repository), workload.root));
}

#[divan::bench(sample_count = 20)]
fn g_renderer_checkout_nothing_changed(bencher: Bencher) {
    render_overlays_again(bencher, |repository| &repository.checkout);
}

#[divan::bench]
fn g_renderer_git_objects_nothing_changed(bencher: Bencher) {
    render_overlays_again(bencher, |repository| &repository.tree);
}

#[divan::bench(sample_count = 20)]
fn d_generators(bencher: Bencher) {
    render(bencher, &workloads::generators(1_000));
}

#[divan::bench(sample_count = 20)]
fn e_definitions(bencher: Bencher) {
    render(bencher, &workloads::definitions());
}

#[divan::bench(sample_count = 20)]
fn e_libyaml_events(bencher: Bencher) {
    libyaml_events(bencher, &workloads::definitions().text());
}

#[divan::bench(sample_count = 10)]
fn f_replacements(bencher: Bencher) {
    render(bencher, &workloads::replacements(200, 1_000));
}

fn libyaml_events(bencher: Bencher, text: &str) {
    bencher.counter(divan::counter::BytesCount::of_str(text)).bench_local(|| libyaml::events(black_box(text)));
}

/// The C library's parser, translated; an unsafe interface needs unsafe code.
#[allow(unsafe_code, reason = "unsafe-libyaml has libyaml's own interface")]
mod libyaml {
    use std::mem::MaybeUninit;

    use unsafe_libyaml::{
        YAML_STREAM_END_EVENT, yaml_event_delete, yaml_event_t, yaml_parser_delete, yaml_parser_initialize,
        yaml_parser_parse, yaml_parser_set_input_string, yaml_parser_t,
    };

    /// How many events the text has.
    pub(super) fn events(text: &str) -> usize {
        // SAFETY: parser and event are initialised by libyaml before they are
        // read and deleted after; the input outlives the parser.
        unsafe {
            let mut parser = MaybeUninit::<yaml_parser_t>::uninit();
            let parser = parser.as_mut_ptr();
            assert!(yaml_parser_initialize(parser).ok);
            yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
            let mut count = 0;
            loop {
                let mut event = MaybeUninit::<yaml_event_t>::uninit();
                let event = event.as_mut_ptr();
                assert!(yaml_parser_parse(parser, event).ok, "libyaml cannot read the workload");
                let kind = (*event).type_;
                yaml_event_delete(event);
                count += 1;
                if kind == YAML_STREAM_END_EVENT {
                    break;
                }
            }
            yaml_parser_delete(parser);
            count
        }
    }
}
