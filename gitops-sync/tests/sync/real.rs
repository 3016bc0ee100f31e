//! The same engine on a real API server, where there is one.

use std::time::Duration;

use gitops_sync::{Cluster, ClusterOptions, ConflictPolicy, Owner, PrunePolicy, SyncOptions, plan, sync};
use serde_json::Value;

use crate::real_cluster::RealCluster;
use crate::world::{annotated, config_map, deployment, namespace, parse, service};

fn options() -> SyncOptions {
    SyncOptions::new("us")
        .namespace("app")
        .owner(Owner::tracking_id("app", "app"))
        .conflicts(ConflictPolicy::TakeOver)
        .prune(PrunePolicy::enabled())
        .timeout(Duration::from_secs(20))
        .no_wait()
}

fn wanted(image: &str, maps: usize) -> Vec<Value> {
    let mut wanted = vec![namespace("app"), deployment("web", 2, image), service("web")];
    wanted.extend((0..maps).map(|number| config_map(&format!("settings-{number}"), image)));
    wanted.push(annotated(config_map("late", image), "argocd.argoproj.io/sync-wave", "1"));
    wanted
}

/// Waves wait for health, and without a node nothing becomes healthy; so the
/// Deployment has no pods to wait for.
fn without_pods(mut manifests: Vec<Value>) -> Vec<Value> {
    manifests[1]["spec"]["replicas"] = 0.into();
    manifests
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_drift_prune_and_an_api_server_that_dies() {
    let Some(mut server) = RealCluster::start(true).await else { return };
    let fresh = |server: &RealCluster| {
        let limits =
            ClusterOptions::default().request_timeout(Duration::from_secs(5)).retry_for(Duration::from_secs(20));
        Cluster::with_options(server.client(), limits)
    };
    let cluster = fresh(&server);
    let first = without_pods(wanted("web:1", 10));
    let report = sync(&cluster, parse(&first), &options()).await.unwrap();
    assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    assert!(plan(&fresh(&server), parse(&first), &options()).await.unwrap().is_empty());

    let fewer = without_pods(wanted("web:2", 8));
    let planned = plan(&cluster, parse(&fewer), &options()).await.unwrap();
    assert!(
        planned.diff().contains("+      - image: web:2\n") || planned.diff().contains("web:2"),
        "{}",
        planned.diff()
    );
    let report = sync(&cluster, parse(&fewer), &options()).await.unwrap();
    assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    assert!(plan(&fresh(&server), parse(&fewer), &options()).await.unwrap().is_empty());

    // The API server dies in the middle of a sync and comes back.
    let more = without_pods(wanted("web:3", 300));
    let running = tokio::spawn({
        let (cluster, manifests) = (cluster.clone(), parse(&more));
        async move { sync(&cluster, manifests, &options()).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.stop_api_server();
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.start_api_server().await;
    let interrupted = running.await.unwrap();
    let ended_well = interrupted.as_ref().is_ok_and(|report| report.succeeded());
    if !ended_well {
        let report = sync(&fresh(&server), parse(&more), &options()).await.unwrap();
        assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    }
    assert!(plan(&fresh(&server), parse(&more), &options()).await.unwrap().is_empty());
}
