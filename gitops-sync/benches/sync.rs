//! The engine beside kubectl, on a real API server.
//!
//!     KUBEBUILDER_ASSETS=… cargo bench -p gitops-sync --bench sync -- [OBJECTS [ROUNDS]]
//!
//! `KUBEBUILDER_ASSETS` names a folder with etcd, kube-apiserver and kubectl
//! (or `KUBECTL` names the latter). Every round runs each contender once, so
//! that a noisy machine is as unfair to all of them; the table shows medians.
//! With 10,000 objects or more only the planning is measured.

#![allow(clippy::print_stdout, reason = "a bench is a program")]

#[path = "../tests/support/real_cluster.rs"]
mod real_cluster;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitops_sync::{Cluster, ClusterOptions, ConflictPolicy, Manifest, Owner, SyncOptions, plan, sync};
use real_cluster::RealCluster;
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let objects = numbers.first().copied().unwrap_or(1000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let Some(server) = RealCluster::start(false).await else { return };
    if objects >= 10_000 {
        return planning(&server, objects).await;
    }
    let mut results = Results::default();
    for round in 0..rounds {
        kubectl_round(&server, round, objects, &mut results).await;
        our_round(&server, round, objects, &mut results).await;
    }
    results.print(objects, rounds);
}

/// Medians by contender, in the order of first appearance.
#[derive(Default)]
struct Results {
    order: Vec<String>,
    times: BTreeMap<String, Vec<Duration>>,
}

impl Results {
    fn add(&mut self, name: &str, time: Duration) {
        if !self.times.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.times.entry(name.to_owned()).or_default().push(time);
    }

    fn print(&self, objects: usize, rounds: usize) {
        println!("{objects} objects, median of {rounds} rounds (all rounds)");
        for name in &self.order {
            let mut times = self.times[name].clone();
            times.sort();
            let all: Vec<_> = times.iter().map(|time| format!("{:.3}", time.as_secs_f64())).collect();
            println!("{name:<44} {:>8.3} s   ({})", times[times.len() / 2].as_secs_f64(), all.join(" "));
        }
    }
}

/// A third each of Deployments, Services and ConfigMaps.
fn manifests(namespace: &str, count: usize, changed: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let name = format!("item-{number:05}");
            let version = if number < changed { 2 } else { 1 };
            let metadata = json!({"name": name, "namespace": namespace, "labels": {"app": name, "team": "bench"}});
            match number % 3 {
                0 => json!({
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                    "spec": {
                        "replicas": 2, "selector": {"matchLabels": {"app": name}},
                        "template": {
                            "metadata": {"labels": {"app": name}},
                            "spec": {"containers": [{
                                "name": "main", "image": format!("registry.example.com/app:{version}"),
                                "env": [{"name": "MODE", "value": "fast"}, {"name": "LEVEL", "value": "info"}],
                                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                            }]},
                        },
                    },
                }),
                1 => json!({
                    "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                    "spec": {"selector": {"app": name, "version": version.to_string()}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]},
                }),
                _ => json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                    "data": {"mode": "fast", "version": version.to_string(), "text": "a line\nanother line\n"},
                }),
            }
        })
        .collect()
}

fn parse(values: &[Value]) -> Vec<Manifest> {
    values.iter().map(|value| Manifest::new(value.clone()).expect("it is a manifest")).collect()
}

fn connect(server: &RealCluster, options: ClusterOptions) -> Cluster {
    Cluster::connect(server.config(), options).expect("the configuration is complete")
}

async fn create_namespace(server: &RealCluster, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let report =
        sync(&connect(server, ClusterOptions::default()), parse(&[namespace]), &SyncOptions::new("bench")).await;
    assert!(report.expect("a namespace can be created").succeeded());
}

async fn kubectl_round(server: &RealCluster, round: usize, objects: usize, results: &mut Results) {
    let kubectl = Kubectl::new(server);
    let namespace = format!("kubectl-{round}");
    create_namespace(server, &namespace).await;
    let all = kubectl.write("all", &manifests(&namespace, objects, 0));
    results.add("kubectl apply --server-side, first", kubectl.run("apply", &[&all]));
    results.add("kubectl apply --server-side, no-op", kubectl.run("apply", &[&all]));
    let changed = kubectl.write("changed", &manifests(&namespace, objects, 10));
    results.add("kubectl diff --server-side, 10 changed", kubectl.run("diff", &[&changed]));

    let namespace = format!("kubectl8-{round}");
    create_namespace(server, &namespace).await;
    let all = manifests(&namespace, objects, 0);
    let parts: Vec<PathBuf> = all
        .chunks(objects.div_ceil(8))
        .enumerate()
        .map(|(number, part)| kubectl.write(&format!("part-{number}"), part))
        .collect();
    let parts: Vec<&PathBuf> = parts.iter().collect();
    results.add("8 kubectl side by side, first", kubectl.run("apply", &parts));
}

async fn our_round(server: &RealCluster, round: usize, objects: usize, results: &mut Results) {
    let namespace = format!("ours-{round}");
    create_namespace(server, &namespace).await;
    let wanted = manifests(&namespace, objects, 0);
    let options = SyncOptions::new("bench")
        .owner(Owner::inventory("bench", namespace.as_str()))
        .conflicts(ConflictPolicy::TakeOver)
        .no_wait();
    let cluster = connect(server, ClusterOptions::default());
    results.add("ours, first sync", time_sync(&cluster, &wanted, &options).await);
    let cluster = connect(server, ClusterOptions::default());
    results.add("ours, no-op sync, new process", time_sync(&cluster, &wanted, &options).await);
    results.add("ours, no-op sync, same process", time_sync(&cluster, &wanted, &options).await);

    let changed = manifests(&namespace, objects, 10);
    let cluster = connect(server, ClusterOptions::default());
    let start = Instant::now();
    let planned = plan(&cluster, parse(&changed), &options).await.expect("a plan can be made");
    results.add("ours, plan with diff, 10 changed", start.elapsed());
    assert_eq!(planned.steps.iter().filter(|step| step.action.is_change()).count(), 10);
    assert!(planned.diff().contains("registry.example.com/app:2"));

    let watched = connect(server, ClusterOptions::default().watch());
    time_sync(&watched, &wanted, &options).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    results.add("ours, no-op sync, watched", time_sync(&watched, &wanted, &options).await);
}

async fn time_sync(cluster: &Cluster, wanted: &[Value], options: &SyncOptions) -> Duration {
    let manifests = parse(wanted);
    let start = Instant::now();
    let report = sync(cluster, manifests, options).await.expect("a sync can be made");
    let time = start.elapsed();
    assert!(report.succeeded(), "{:?}", report.failed().next());
    time
}

/// Planning many objects against a warm cache: CPU time and memory.
async fn planning(server: &RealCluster, objects: usize) {
    create_namespace(server, "many").await;
    let wanted = manifests("many", objects, 0);
    // The inventory of that many would not fit into a ConfigMap.
    let options = SyncOptions::new("bench").no_wait();
    let cluster = connect(server, ClusterOptions::default().concurrency(32).watch());
    let first = time_sync(&cluster, &wanted, &options).await;
    println!("first sync of {objects} objects: {:.1} s", first.as_secs_f64());
    time_sync(&cluster, &wanted, &options).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let manifests = parse(&wanted);
    drop(wanted);
    let before = cpu_seconds();
    let start = Instant::now();
    let planned = plan(&cluster, manifests, &options).await.expect("a plan can be made");
    let (cpu, wall) = (cpu_seconds() - before, start.elapsed());
    assert!(planned.is_empty());
    println!("plan of {objects} objects, warm: {cpu:.3} s CPU, {:.3} s", wall.as_secs_f64());
    println!("resident memory, with the manifests and the plan: {} MB", resident_bytes() / 1_000_000);
}

/// User and system time of this process, from the kernel's clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    dir: tempfile::TempDir,
}

impl Kubectl {
    fn new(server: &RealCluster) -> Self {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from).unwrap_or_default();
        let program = std::env::var_os("KUBECTL").map_or_else(|| assets.join("kubectl"), PathBuf::from);
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        Self { program, kubeconfig: server.kubeconfig(), dir }
    }

    fn write(&self, name: &str, manifests: &[Value]) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.yaml"));
        let documents: Vec<_> =
            manifests.iter().map(|manifest| serde_yaml::to_string(manifest).expect("JSON is YAML")).collect();
        std::fs::write(&path, documents.join("---\n")).expect("the folder is ours");
        path
    }

    /// One process for each file, all at once.
    fn run(&self, verb: &str, files: &[&PathBuf]) -> Duration {
        let start = Instant::now();
        let children: Vec<Child> = files.iter().map(|file| self.start(verb, file)).collect();
        for mut child in children {
            let status = child.wait().expect("kubectl runs");
            // 1 is what a diff says when there are differences.
            assert!(status.success() || (verb == "diff" && status.code() == Some(1)), "kubectl {verb}: {status}");
        }
        start.elapsed()
    }

    fn start(&self, verb: &str, file: &Path) -> Child {
        Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args([verb, "--server-side", "-f"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("kubectl can be started")
    }
}
