//! The scenario of the pipeline example, on the embedded API server and on a real one.

#[path = "../examples/pipeline/ci.rs"]
mod ci;
#[allow(dead_code, reason = "the test serves nothing")]
#[path = "../examples/pipeline/cluster.rs"]
mod cluster;
#[path = "../examples/pipeline/controller.rs"]
mod controller;
#[path = "../examples/pipeline/nodes.rs"]
mod nodes;
#[path = "../gitops-sync/tests/support/real_cluster.rs"]
mod real_cluster;
#[path = "../examples/pipeline/repository.rs"]
mod repository;
#[path = "../examples/pipeline/screen.rs"]
mod screen;
#[path = "../examples/pipeline/story.rs"]
mod story;

use std::path::{Path, PathBuf};
use std::process::Command;

use kustomize_core::{BuildOptions, Directory, ImageChange, KustomizationFile, Reorder, build};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test(flavor = "multi_thread")]
async fn the_story_on_the_embedded_api_server() {
    story::tell(&cluster::embedded()).await.expect("the story goes well");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_on_a_real_api_server() {
    let Some(real) = real_cluster::RealCluster::start(true).await else { return };
    let target = cluster::from_kubeconfig(&real.kubeconfig(), None).await.expect("connected");
    story::tell(&target).await.expect("the story goes well");
}

/// What kustomize prints for the overlays, before and after CI has set the tag.
#[test]
fn the_overlays_are_printed_as_kustomize_prints_them() {
    let Some(kustomize) = kustomize() else {
        eprintln!("skipped: no kustomize in KUSTOMIZE or on PATH to compare with");
        return;
    };
    let temp = tempfile::tempdir().expect("a temporary folder can be made");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipeline/sync/deploy/k8s");
    for dir in ["base", "overlays/test", "overlays/prod"] {
        std::fs::create_dir_all(temp.path().join(dir)).expect("created");
        for entry in std::fs::read_dir(source.join(dir)).expect("listed") {
            let entry = entry.expect("listed");
            std::fs::copy(entry.path(), temp.path().join(dir).join(entry.file_name())).expect("copied");
        }
    }
    for environment in ["test", "prod"] {
        let overlay = temp.path().join("overlays").join(environment);
        compare(&kustomize, &overlay);
        let path = overlay.join("kustomization.yml");
        let mut file = KustomizationFile::parse(std::fs::read(&path).expect("read")).expect("parsed");
        let image = format!("registry.example.com/inf/airflow/{environment}/code");
        file.set_image(&ImageChange::new(&image).new_name(&image).new_tag("177839")).expect("set");
        file.save(&path, temp.path()).expect("saved");
        compare(&kustomize, &overlay);
    }
}

fn compare(kustomize: &Path, overlay: &Path) {
    let theirs = Command::new(kustomize).arg("build").arg(overlay).output().expect("kustomize runs");
    // The command's own default, which is not the library's.
    let options = BuildOptions::new().reorder(Reorder::Legacy);
    let files = Directory::new("/").expect("opened");
    let ours = build(&files, overlay, &options).expect("builds").resources.to_yaml().expect("prints");
    assert_eq!(ours, String::from_utf8_lossy(&theirs.stdout));
}

fn kustomize() -> Option<PathBuf> {
    let named = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| std::env::split_paths(&paths).map(|dir| dir.join("kustomize")).find(|path| path.is_file()))
}
