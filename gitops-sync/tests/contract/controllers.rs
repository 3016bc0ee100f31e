//! What controllers do: the embedded ones and the real ones.

use std::time::Duration;

use gitops_sync::embedded::{ControllerOptions, EmbeddedCluster};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Objects};
use crate::real_cluster::RealCluster;

#[tokio::test]
async fn on_the_embedded_server() {
    let cluster = EmbeddedCluster::new();
    let _controllers = cluster.start_controllers(&ControllerOptions::new().step(Duration::from_millis(1)));
    all(cluster.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_server() {
    let Some(cluster) = RealCluster::start(true).await else { return };
    all(cluster.client()).await;
}

async fn all(client: Client) {
    dependents_go_with_their_owner(Fixture::new(client.clone(), "background").await).await;
    foreground_waits_for_dependents(Fixture::new(client.clone(), "foreground").await).await;
    orphans_stay(Fixture::new(client.clone(), "orphans").await).await;
    a_namespace_takes_its_contents_along(Fixture::new(client, "emptied").await).await;
}

async fn until_gone(maps: &Objects<ConfigMap>, name: &str) {
    for _ in 0..600 {
        if maps.get(name).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} is still there");
}

/// Creates `owner` and `dependent`.
async fn family(maps: &Objects<ConfigMap>) -> Value {
    let owner = maps.create("poster", "owner", json!({"data": {"x": "1"}})).await.unwrap();
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"],
                           "blockOwnerDeletion": true});
    let dependent = json!({"metadata": {"ownerReferences": [reference]}});
    maps.create("poster", "dependent", dependent).await.unwrap()
}

async fn delete_owner(maps: &Objects<ConfigMap>, policy: PropagationPolicy) {
    let how = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
    maps.0.delete("owner", &how).await.unwrap();
}

async fn dependents_go_with_their_owner(fixture: Fixture) {
    let maps = fixture.config_maps();
    family(&maps).await;
    delete_owner(&maps, PropagationPolicy::Background).await;
    assert_eq!(maps.get("owner").await.unwrap_err().code, 404);
    until_gone(&maps, "dependent").await;
}

async fn foreground_waits_for_dependents(fixture: Fixture) {
    let maps = fixture.config_maps();
    family(&maps).await;
    maps.merge("dependent", "m", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await.unwrap();
    delete_owner(&maps, PropagationPolicy::Foreground).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(maps.get("owner").await.is_ok(), "it waits for what is held");
    maps.merge("dependent", "m", json!({"metadata": {"finalizers": null}})).await.unwrap();
    until_gone(&maps, "dependent").await;
    until_gone(&maps, "owner").await;
}

async fn orphans_stay(fixture: Fixture) {
    let maps = fixture.config_maps();
    family(&maps).await;
    delete_owner(&maps, PropagationPolicy::Orphan).await;
    until_gone(&maps, "owner").await;
    let orphan = maps.get("dependent").await.unwrap();
    assert!(orphan["metadata"]["ownerReferences"].is_null());
}

async fn a_namespace_takes_its_contents_along(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.create("poster", "a", json!({"data": {"x": "1"}})).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(fixture.client.clone());
    namespaces.delete(&fixture.namespace, &DeleteParams::default()).await.unwrap();
    until_gone(&maps, "a").await;
    for _ in 0..600 {
        if namespaces.get_opt(&fixture.namespace).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the namespace is still there");
}
