//! The status and the generation.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, Objects, answer, version};

fn deployment() -> Value {
    json!({"spec": {"selector": {"matchLabels": {"app": "w"}}, "template": {
        "metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "main", "image": "i:1"}]}}}})
}

async fn merge_status(deployments: &Objects<Deployment>, patch: Value) -> Answer {
    answer(deployments.0.patch_status("w", &PatchParams::default(), &Patch::Merge(patch)).await)
}

pub(crate) async fn a_status_has_its_own_way_in(fixture: Fixture) {
    let deployments = fixture.deployments();
    deployments.apply("w", "alpha", deployment()).await.unwrap();
    let ready = json!({"status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": 1}});
    let written = merge_status(&deployments, ready).await.unwrap();
    assert_eq!(written["status"]["readyReplicas"], 1);
    assert_eq!(written["metadata"]["generation"], 1);
    let both = merge_status(&deployments, json!({"spec": {"replicas": 7}, "status": {"replicas": 1}})).await.unwrap();
    assert_eq!(both["spec"]["replicas"], 1, "a status request changes no specification");
    let ignored = deployments.merge("w", "who", json!({"status": {"replicas": 9}})).await.unwrap();
    assert_eq!(ignored["status"]["replicas"], 1, "and no other request changes the status");
}

pub(crate) async fn the_generation_counts_specifications(fixture: Fixture) {
    let deployments = fixture.deployments();
    let first = deployments.apply("w", "alpha", deployment()).await.unwrap();
    assert_eq!(first["metadata"]["generation"], 1);
    let labelled = deployments.merge("w", "who", json!({"metadata": {"labels": {"z": "1"}}})).await.unwrap();
    assert_eq!(labelled["metadata"]["generation"], 1);
    assert_ne!(version(&labelled), version(&first));
    let paused = deployments.merge("w", "who", json!({"spec": {"paused": true}})).await.unwrap();
    assert_eq!(paused["metadata"]["generation"], 2);
    let scaled: Value = answer(
        deployments.0.patch_scale("w", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 5}}))).await,
    )
    .unwrap();
    assert_eq!(scaled["spec"]["replicas"], 5);
    assert_eq!(deployments.get("w").await.unwrap()["metadata"]["generation"], 3);
}
