//! The same engine on a real API server, where there is one.

use std::time::Duration;

use gitops_sync::{
    Cluster, ClusterOptions, ConflictPolicy, IgnoreRule, NamespaceMetadata, Owner, PrunePolicy, SyncOptions, plan, sync,
};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::apply::racks_definition;
use crate::real_cluster::RealCluster;
use crate::world::{annotated, config_map, deployment, namespace, parse, service};

pub(crate) fn options() -> SyncOptions {
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

#[tokio::test(flavor = "multi_thread")]
async fn events_namespaces_and_list_keys() {
    let Some(server) = RealCluster::start(false).await else { return };
    let cluster = Cluster::new(server.client());
    let mut options = options().create_namespace().record_events();
    options.namespace_metadata = Some(NamespaceMetadata::new().label("team", "a"));
    let rack = |height: i64| {
        json!({"apiVersion": "example.com/v1", "kind": "Rack", "metadata": {"name": "r"}, "spec": {"slots": [
            {"slot": 2, "name": "same", "height": height}, {"slot": 1, "name": "same", "height": 1}]}})
    };
    let report = sync(&cluster, parse(&[racks_definition(), rack(1)]), &options).await.unwrap();
    assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    let live = |group: &'static str, kind: &'static str, version: &'static str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::<DynamicObject>::all_with(server.client(), &resource)
    };
    let namespace = live("", "Namespace", "v1").get("app").await.unwrap();
    assert_eq!(namespace.metadata.labels.unwrap()["team"], "a");
    let events = live("events.k8s.io", "Event", "v1").list(&Default::default()).await.unwrap();
    let notes: Vec<_> =
        events.iter().filter(|event| event.data["reason"] == "Synced").map(|e| &e.data["note"]).collect();
    assert_eq!(notes, [&json!("3 created")]);

    // By name both slots would be the same; the keys follow the definition after a moment.
    let api: Api<DynamicObject> = Api::namespaced_with(
        server.client(),
        "app",
        &ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Rack")),
    );
    let others = json!({"spec": {"slots": [{"slot": 1, "name": "same", "height": 7}, {"slot": 2, "name": "same", "height": 1}]}});
    api.patch("r", &PatchParams::default(), &Patch::Merge(others)).await.unwrap();
    wait_for_schema(&server.client()).await;
    options = options.ignore([IgnoreRule::new("example.com", "Rack").pointer("/spec/slots/[slot=1]/height")]);
    let report = sync(&cluster, parse(&[racks_definition(), rack(3)]), &options).await.unwrap();
    assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
    let slots = &api.get("r").await.unwrap().data["spec"]["slots"];
    let height =
        |slot: i64| slots.as_array().unwrap().iter().find(|found| found["slot"] == slot).unwrap()["height"].clone();
    assert_eq!((height(1), height(2)), (json!(7), json!(3)));
}

async fn wait_for_schema(client: &kube::Client) {
    for _ in 0..100 {
        let request = http::Request::get("/openapi/v2").body(Vec::new()).unwrap();
        if client.request_text(request).await.unwrap().contains("\"Rack\"") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the definition is not published");
}
