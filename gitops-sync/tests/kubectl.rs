//! A real kubectl works with the embedded server, where there is one: named by `KUBECTL`, in the
//! folder `KUBEBUILDER_ASSETS`, or on the path.

#![cfg(feature = "embedded")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// A kubectl that talks to the server and reads no configuration of whoever runs the tests.
struct Kubectl {
    program: PathBuf,
    server: String,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn find(server: String) -> Option<Self> {
        let named = std::env::var_os("KUBECTL").map(PathBuf::from);
        let in_assets = std::env::var_os("KUBEBUILDER_ASSETS").map(|folder| Path::new(&folder).join("kubectl"));
        let candidates = [named, in_assets, Some(PathBuf::from("kubectl"))];
        let program = candidates.into_iter().flatten().find(is_recent)?;
        Some(Self { program, server, home: tempfile::tempdir().expect("a temporary folder can be made") })
    }

    /// Runs kubectl and returns what it prints.
    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(&self.program)
            .args(["--server", &self.server])
            .args(arguments)
            .env("HOME", self.home.path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it ran before");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Older ones validate with OpenAPI v2, which the embedded server does not have.
fn is_recent(program: &PathBuf) -> bool {
    let Ok(output) = Command::new(program).args(["version", "--client", "--output=json"]).output() else {
        return false;
    };
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let minor = version["clientVersion"]["minor"].as_str().unwrap_or("").trim_end_matches('+').parse::<u32>();
    minor.is_ok_and(|minor| minor >= 30)
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_looks_around_and_deletes() {
    let cluster = EmbeddedCluster::new();
    let _controllers = cluster.start_controllers(&ControllerOptions::new());
    let listener = cluster.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let Some(kubectl) = Kubectl::find(listener.url()) else {
        #[allow(clippy::print_stderr, reason = "whoever runs the tests should know what did not run")]
        {
            eprintln!("skipped: there is no kubectl of 1.30 or later");
        }
        return;
    };
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
