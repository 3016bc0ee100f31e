//! The engine beside kubectl, on a real API server.
//!
//!     KUBEBUILDER_ASSETS=… KUBECTL=… cargo bench -p gitops-sync --bench sync -- [OBJECTS [ROUNDS [MANY]]]
//!
//! `KUBEBUILDER_ASSETS` names a folder with etcd, kube-apiserver and kubectl
//! (or `KUBECTL` names the latter). Every round runs each contender once with
//! OBJECTS (1000), so that a noisy machine is as unfair to all of them; the
//! table shows the medians of ROUNDS (3). Then MANY objects (10000) are
//! planned against a warm cache, by a process of its own, for the CPU time and
//! the memory that it takes.
//! Requests are those that the API server has counted, watches left out.

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
    let number = |place: usize, default: usize| numbers.get(place).copied().unwrap_or(default);
    let (objects, rounds, many) = (number(0, 1000), number(1, 3), number(2, 10_000));
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, url, objects] = &words[..]
        && word == "plan"
    {
        return plan_warm(url, objects.parse().expect("a number")).await;
    }
    let Some(server) = RealCluster::start(false).await else { return };
    let mut results = Results::default();
    for round in 0..rounds {
        kubectl_round(&server, round, objects, &mut results).await;
        our_round(&server, round, objects, &mut results).await;
    }
    results.print(objects, rounds);
    if many > 0 {
        planning(&server, many).await;
    }
}

/// What was measured by contender, in the order of first appearance.
#[derive(Default)]
struct Results {
    order: Vec<String>,
    runs: BTreeMap<String, Vec<Run>>,
}

struct Run {
    time: Duration,
    reads: u64,
    writes: u64,
}

impl Results {
    fn add(&mut self, name: &str, run: Run) {
        if !self.runs.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.runs.entry(name.to_owned()).or_default().push(run);
    }

    fn print(&self, objects: usize, rounds: usize) {
        println!("{objects} objects, median of {rounds} rounds\n");
        println!("| | time | all rounds | reads | writes |\n|---|---:|---|---:|---:|");
        for name in &self.order {
            let runs = &self.runs[name];
            let mut times: Vec<_> = runs.iter().map(|run| run.time.as_secs_f64()).collect();
            times.sort_by(f64::total_cmp);
            let all: Vec<_> = times.iter().map(|time| format!("{time:.3}")).collect();
            let (reads, writes) = runs.last().map_or((0, 0), |run| (run.reads, run.writes));
            println!("| {name} | {:.3} s | {} | {reads} | {writes} |", times[times.len() / 2], all.join(" "));
        }
    }
}

/// Reads and writes that the server has answered so far: of the resources
/// that the contenders work with, so that its own affairs don't count.
async fn counted(server: &RealCluster) -> (u64, u64) {
    let request = http::Request::get("/metrics").body(Vec::new()).expect("a valid request");
    let text = server.client().request_text(request).await.expect("the server tells its metrics");
    let (mut reads, mut writes) = (0, 0);
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        let is_ours =
            ["deployments", "services", "configmaps"].iter().any(|name| line.contains(&format!("resource=\"{name}\"")));
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0) as u64;
        match line.split("verb=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            Some("GET" | "LIST") if is_ours => reads += count,
            Some("WATCH") => {}
            Some(_) if is_ours => writes += count,
            _ => {}
        }
    }
    (reads, writes)
}

/// Runs something and tells how long it took and what it asked for.
async fn measure<T>(server: &RealCluster, work: impl AsyncFnOnce() -> T) -> (T, Run) {
    let before = counted(server).await;
    let start = Instant::now();
    let result = work().await;
    let time = start.elapsed();
    let after = counted(server).await;
    (result, Run { time, reads: after.0 - before.0, writes: after.1 - before.1 })
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
    let changed = kubectl.write("changed", &manifests(&namespace, objects, 10));
    for (name, verb, file) in [
        ("kubectl apply --server-side, first", "apply", &all),
        ("kubectl apply --server-side, no-op", "apply", &all),
        ("kubectl diff --server-side, 10 changed", "diff", &changed),
    ] {
        results.add(name, measure(server, async || kubectl.run(verb, &[file])).await.1);
    }

    let namespace = format!("kubectl8-{round}");
    create_namespace(server, &namespace).await;
    let all = manifests(&namespace, objects, 0);
    let parts: Vec<PathBuf> = all
        .chunks(objects.div_ceil(8))
        .enumerate()
        .map(|(number, part)| kubectl.write(&format!("part-{number}"), part))
        .collect();
    let parts: Vec<&PathBuf> = parts.iter().collect();
    results.add("8 kubectl side by side, first", measure(server, async || kubectl.run("apply", &parts)).await.1);
}

async fn our_round(server: &RealCluster, round: usize, objects: usize, results: &mut Results) {
    let namespace = format!("ours-{round}");
    create_namespace(server, &namespace).await;
    let wanted = manifests(&namespace, objects, 0);
    let options = SyncOptions::new("bench")
        .owner(Owner::inventory("bench", namespace.as_str()))
        .conflicts(ConflictPolicy::TakeOver)
        .no_wait();
    let fresh = || connect(server, ClusterOptions::default());
    results.add("ours, first sync", measure_sync(server, &fresh(), &wanted, &options).await);
    let cluster = fresh();
    results.add("ours, no-op sync, new process", measure_sync(server, &cluster, &wanted, &options).await);
    results.add("ours, no-op sync, same process", measure_sync(server, &cluster, &wanted, &options).await);

    let changed = manifests(&namespace, objects, 10);
    let (cluster, parsed) = (fresh(), parse(&changed));
    let (planned, run) = measure(server, async || plan(&cluster, parsed, &options).await).await;
    let planned = planned.expect("a plan can be made");
    results.add("ours, plan with diff, 10 changed", run);
    assert_eq!(planned.steps.iter().filter(|step| step.action.is_change()).count(), 10);
    assert!(planned.diff().contains("registry.example.com/app:2"));
    results.add("ours, sync of 10 changed", measure_sync(server, &cluster, &changed, &options).await);

    let watched = connect(server, ClusterOptions::default().watch());
    measure_sync(server, &watched, &changed, &options).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    results.add("ours, no-op sync, watched", measure_sync(server, &watched, &changed, &options).await);
}

async fn measure_sync(server: &RealCluster, cluster: &Cluster, wanted: &[Value], options: &SyncOptions) -> Run {
    let manifests = parse(wanted);
    let (report, run) = measure(server, async || sync(cluster, manifests, options).await).await;
    let report = report.expect("a sync can be made");
    assert!(report.succeeded(), "{:?}", report.failed().next());
    run
}

/// Syncs many objects, and lets a process of its own plan them.
async fn planning(server: &RealCluster, objects: usize) {
    create_namespace(server, "many").await;
    let cluster = connect(server, ClusterOptions::default());
    let first = measure_sync(server, &cluster, &manifests("many", objects, 0), &planning_options()).await;
    println!("\n{objects} objects against a warm cache\n\n| | |\n|---|---:|");
    println!("| first sync | {:.1} s |", first.time.as_secs_f64());
    let this = std::env::current_exe().expect("this program has a path");
    let status = Command::new(this).args(["plan", &server.url(), &objects.to_string()]).status();
    assert!(status.expect("this program can be started").success());
}

fn planning_options() -> SyncOptions {
    SyncOptions::new("bench").owner(Owner::inventory("bench", "many")).no_wait()
}

/// Planning many objects against a warm cache: CPU time and memory.
async fn plan_warm(url: &str, objects: usize) {
    let options = ClusterOptions::default().concurrency(32).watch();
    let cluster = Cluster::connect(real_cluster::config_of(url), options).expect("the configuration is complete");
    let wanted = || manifests("many", objects, 0).into_iter().map(|value| Manifest::new(value).expect("it is one"));
    plan(&cluster, wanted().collect(), &planning_options()).await.expect("a plan can be made");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let manifests = wanted().collect();
    let (before, start) = (cpu_seconds(), Instant::now());
    let planned = plan(&cluster, manifests, &planning_options()).await.expect("a plan can be made");
    let (cpu, time) = (cpu_seconds() - before, start.elapsed());
    assert!(planned.is_empty());
    println!("| plan, CPU time | {cpu:.2} s |");
    println!("| plan, time | {:.3} s |", time.as_secs_f64());
    println!("| resident memory of the process, with the manifests and the plan | {} MB |", memory("VmRSS:"));
    println!("| the same, at its peak | {} MB |", memory("VmHWM:"));
}

/// User and system time of this process, from the kernel's clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// What the kernel says about the memory of this process, in megabytes.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024 / 1_000_000
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
    fn run(&self, verb: &str, files: &[&PathBuf]) {
        let children: Vec<Child> = files.iter().map(|file| self.start(verb, file)).collect();
        for mut child in children {
            let status = child.wait().expect("kubectl runs");
            // 1 is what a diff says when there are differences.
            assert!(status.success() || (verb == "diff" && status.code() == Some(1)), "kubectl {verb}: {status}");
        }
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
