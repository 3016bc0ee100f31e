//! ApplySets that kubectl and we look after by turns, on both servers.

use gitops_sync::embedded::EmbeddedCluster;
use gitops_sync::{Cluster, ConflictPolicy, Manifest, Owner, PrunePolicy, SyncError, SyncOptions, sync};

use crate::program::Kubectl;
use crate::real_cluster::RealCluster;

const TOOLING: &str = "applyset.kubernetes.io/tooling";
const APPLY: [&str; 10] = [
    "apply",
    "--server-side",
    "--force-conflicts",
    "--prune",
    "--applyset=set",
    "--namespace=demo",
    "--validate=false",
    "--output=name",
    "--filename",
    "-",
];

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_kubectls_on_the_embedded_server() {
    let server = EmbeddedCluster::new();
    let listener = server.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let Some(kubectl) = Kubectl::find(&["--server", &listener.url()]) else { return };
    take_turns(&kubectl, &Cluster::new(server.client())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_kubectls_on_a_real_server() {
    let Some(server) = RealCluster::start(false).await else { return };
    let kubeconfig = server.kubeconfig().display().to_string();
    let Some(kubectl) = Kubectl::find(&["--kubeconfig", &kubeconfig]) else { return };
    take_turns(&kubectl, &Cluster::new(server.client())).await;
}

async fn take_turns(kubectl: &Kubectl, cluster: &Cluster) {
    kubectl.run(&["create", "namespace", "demo"], "");
    let mut options = SyncOptions::new("us")
        .namespace("demo")
        .owner(Owner::apply_set("set", "demo"))
        .conflicts(ConflictPolicy::TakeOver)
        .prune(PrunePolicy::enabled());

    // Ours: kubectl sees a set, and whose it is.
    let report = sync(cluster, manifests(&["a", "b"]), &options).await.unwrap();
    assert!(report.succeeded(), "{report:#?}");
    let refusal = kubectl.fail(&APPLY, &yaml(&["a"]));
    assert!(refusal.contains("gitops-sync"), "{refusal}");
    assert_eq!(names(kubectl), ["a", "b"]);

    // Handed over, kubectl prunes what we have applied.
    let tooling = format!("{TOOLING}=kubectl/v1.36.0");
    kubectl.run(&["annotate", "secret", "set", "--namespace=demo", "--overwrite", &tooling], "");
    kubectl.run(&APPLY, &yaml(&["a", "c"]));
    assert_eq!(names(kubectl), ["a", "c"]);

    // Now it is kubectl's, until we are told to take it over.
    let error = sync(cluster, manifests(&["a"]), &options).await.unwrap_err();
    assert!(matches!(error, SyncError::Plan(_)), "{error}");
    assert_eq!(names(kubectl), ["a", "c"]);
    options = options.adopt_foreign();
    let report = sync(cluster, manifests(&["a", "d"]), &options).await.unwrap();
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(names(kubectl), ["a", "d"]);
    let refusal = kubectl.fail(&APPLY, &yaml(&["a"]));
    assert!(refusal.contains("gitops-sync"), "{refusal}");
}

fn yaml(names: &[&str]) -> String {
    let map = |name: &&str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: demo}}\ndata: {{key: value}}\n"
        )
    };
    names.iter().map(map).collect()
}

fn manifests(names: &[&str]) -> Vec<Manifest> {
    Manifest::from_yaml(&yaml(names), None).unwrap()
}

/// The members of the set that there are.
fn names(kubectl: &Kubectl) -> Vec<String> {
    let selector = "--selector=applyset.kubernetes.io/part-of";
    let found = kubectl.run(&["get", "configmaps", "--namespace=demo", "--output=name", selector], "");
    found.lines().filter_map(|line| line.strip_prefix("configmap/")).map(str::to_owned).collect()
}
