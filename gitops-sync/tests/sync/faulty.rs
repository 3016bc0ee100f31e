//! One request in five fails or hangs, on both servers.

use std::collections::BTreeSet;
use std::time::Duration;

use gitops_sync::embedded::{ControllerOptions, EmbeddedCluster};
use gitops_sync::{Action, Cluster, ClusterOptions, Outcome, Report, plan, sync};
use kube::client::ClientBuilder;
use serde_json::Value;

use crate::faults::Faults;
use crate::real::options;
use crate::real_cluster::RealCluster;
use crate::world::{annotated, config_map, deployment, namespace, parse, service};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_server_behind_a_bad_connection() {
    let server = EmbeddedCluster::new();
    let _controllers = server.start_controllers(&ControllerOptions::new());
    let listener = server.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    survives(&kube::Config::new(listener.url().parse().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_behind_a_bad_connection() {
    let Some(server) = RealCluster::start(true).await else { return };
    survives(&server.config()).await;
}

async fn survives(config: &kube::Config) {
    with_retries(config).await;
    without_retries(config).await;
}

fn connect(config: &kube::Config, faults: &Faults, retry_for: Duration) -> Cluster {
    let mut config = config.clone();
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).unwrap().with_layer(faults).build();
    let limits = ClusterOptions::default().request_timeout(Duration::from_secs(1)).retry_for(retry_for);
    Cluster::with_options(client, limits)
}

fn wanted(text: &str, maps: usize) -> Vec<Value> {
    let mut wanted = vec![namespace("app"), deployment("web", 0, text), service("web")];
    wanted.extend((0..maps).map(|number| config_map(&format!("settings-{number}"), text)));
    wanted.push(annotated(config_map("late", text), "argocd.argoproj.io/sync-wave", "1"));
    wanted
}

/// With time to try again, everything goes well.
async fn with_retries(config: &kube::Config) {
    let faults = Faults::one_in(5);
    let cluster = connect(config, &faults, Duration::from_secs(30));
    for (text, maps) in [("a:1", 40), ("a:2", 30)] {
        let manifests = wanted(text, maps);
        let report = sync(&cluster, parse(&manifests), &options()).await.unwrap();
        assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
        assert!(plan(&cluster, parse(&manifests), &options()).await.unwrap().is_empty());
    }
}

/// Without, the report says what is left, and a second sync finishes it.
async fn without_retries(config: &kube::Config) {
    let faults = Faults::one_in(5);
    let manifests = wanted("a:3", 20);
    let cluster = connect(config, &faults, Duration::ZERO);
    let mut report = None;
    for _ in 0..200 {
        // Most of the time there is not even a plan, and then nothing was written.
        report = sync(&cluster, parse(&manifests), &options()).await.ok();
        if report.is_some() {
            break;
        }
    }
    let report = report.expect("there is a plan once in a while");
    faults.heal();
    assert!(!report.succeeded(), "one in five has failed");
    let cluster = connect(config, &faults, Duration::ZERO);
    let rest = plan(&cluster, parse(&manifests), &options()).await.unwrap();
    let left: BTreeSet<_> =
        rest.steps.iter().filter(|step| step.action != Action::Keep).map(|step| step.id.to_string()).collect();
    assert!(left.is_subset(&undone(&report)), "left: {left:?}, told: {:?}", undone(&report));
    let report = sync(&cluster, parse(&manifests), &options()).await.unwrap();
    assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    assert!(plan(&cluster, parse(&manifests), &options()).await.unwrap().is_empty());
}

fn undone(report: &Report) -> BTreeSet<String> {
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::Kept);
    report
        .resources
        .iter()
        .filter(|resource| !is_done(&resource.outcome))
        .map(|resource| resource.id.to_string())
        .collect()
}
