//! A real kubectl works with the embedded server, where there is one: named by `KUBECTL`, in the
//! folder `KUBEBUILDER_ASSETS`, or on the path.

#![cfg(feature = "embedded")]

mod apply_set;
mod program;
#[path = "../support/real_cluster.rs"]
mod real_cluster;

use program::Kubectl;

use gitops_sync::embedded::{ControllerOptions, EmbeddedCluster};

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: demo}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'example.com/web:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_looks_around_and_deletes() {
    let cluster = EmbeddedCluster::new();
    let _controllers = cluster.start_controllers(&ControllerOptions::new());
    let listener = cluster.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let Some(kubectl) = Kubectl::find(&["--server", &listener.url()]) else { return };
    tokio::task::spawn_blocking(move || look_around(&kubectl)).await.unwrap();
}

fn look_around(kubectl: &Kubectl) {
    assert!(kubectl.run(&["create", "namespace", "demo"], "").contains("namespace/demo created"));
    let applied = kubectl.run(&["apply", "--server-side", "-f", "-"], MANIFESTS);
    assert!(applied.contains("deployment.apps/web serverside-applied"), "{applied}");
    kubectl.run(&["rollout", "status", "deployment/web", "-n", "demo", "--timeout=20s"], "");
    let deployments = kubectl.run(&["get", "deployments", "-A"], "");
    assert!(deployments.contains("demo        web    2/2"), "{deployments}");
    let yaml = kubectl.run(&["get", "service", "web", "-n", "demo", "-o", "yaml"], "");
    assert!(yaml.contains("clusterIP: 10.96."), "{yaml}");
    let again = MANIFESTS.replace("web:1", "web:2");
    kubectl.run(&["apply", "--server-side", "-f", "-"], &again);
    let image = kubectl.run(&["get", "deployment", "web", "-n", "demo", "-o", "jsonpath={..image}"], "");
    assert_eq!(image, "example.com/web:2");
    let gone = kubectl.run(&["delete", "deployment", "web", "-n", "demo"], "");
    assert!(gone.contains("\"web\" deleted"), "{gone}");
    assert!(kubectl.run(&["delete", "namespace", "demo", "--timeout=20s"], "").contains("\"demo\" deleted"));
}
