//! How objects go.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Preconditions, PropagationPolicy};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, Objects, answer, managers};

async fn delete(maps: &Objects<ConfigMap>, name: &str, how: &DeleteParams) -> Answer {
    match maps.0.delete(name, how).await {
        Ok(either) => Ok(either.either(|object| serde_json::to_value(object).unwrap(), |_| json!("deleted"))),
        Err(error) => answer::<Value>(Err(error)),
    }
}

fn with_uid(uid: &str) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions { uid: Some(uid.into()), resource_version: None })
}

pub(crate) async fn preconditions_hold(fixture: Fixture) {
    let maps = fixture.config_maps();
    let created = maps.create("poster", "a", json!({"data": {"x": "1"}})).await.unwrap();
    let other = "00000000-0000-0000-0000-000000000000";
    let refused = delete(&maps, "a", &with_uid(other)).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert!(refused.message.contains("the UID in the precondition"), "{}", refused.message);
    let dry = delete(&maps, "a", &DeleteParams::default().dry_run()).await.unwrap();
    assert_eq!(dry, "deleted");
    assert_eq!(maps.get("a").await.unwrap(), created, "a dry run deletes nothing");
    assert_eq!(delete(&maps, "a", &with_uid(created["metadata"]["uid"].as_str().unwrap())).await.unwrap(), "deleted");
    assert_eq!(maps.get("a").await.unwrap_err().code, 404);
    assert_eq!(delete(&maps, "a", &DeleteParams::default()).await.unwrap_err().code, 404);
}

pub(crate) async fn finalizers_hold_an_object(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.create("poster", "f", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await.unwrap();
    let marked = delete(&maps, "f", &DeleteParams::default()).await.unwrap();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}});
    let refused = maps.merge("f", "who", more).await.unwrap_err();
    assert_eq!(refused.code, 422);
    maps.merge("f", "who", json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert_eq!(maps.get("f").await.unwrap_err().code, 404);
}

pub(crate) async fn a_policy_is_written_down(fixture: Fixture) {
    let maps = fixture.config_maps();
    for (policy, finalizer) in
        [(PropagationPolicy::Foreground, "foregroundDeletion"), (PropagationPolicy::Orphan, "orphan")]
    {
        maps.create("poster", "a", json!({"data": {"x": "1"}})).await.unwrap();
        let how = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        let marked = delete(&maps, "a", &how).await.unwrap();
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        maps.merge("a", "who", json!({"metadata": {"finalizers": null}})).await.unwrap();
    }
}

pub(crate) async fn a_selection_is_deleted(fixture: Fixture) {
    let maps = fixture.config_maps();
    for n in 0..4 {
        let labels = json!({"metadata": {"labels": {"even": (n % 2 == 0).to_string()}}});
        maps.create("poster", &format!("c{n}"), labels).await.unwrap();
    }
    maps.0.delete_collection(&DeleteParams::default(), &ListParams::default().labels("even=true")).await.unwrap();
    let left = maps.0.list(&ListParams::default().labels("even")).await.unwrap();
    let names: Vec<_> = left.items.iter().filter_map(|found| found.metadata.name.clone()).collect();
    assert_eq!(names, ["c1", "c3"]);
}

pub(crate) async fn namespaces_must_exist(fixture: Fixture) {
    let maps: Objects<ConfigMap> = Objects(Api::namespaced(fixture.client.clone(), "no-such-namespace"));
    let refused = maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (404, "namespaces \"no-such-namespace\" not found"));
    assert_eq!(maps.get("a").await.unwrap_err().message, "configmaps \"a\" not found");
    let here = fixture.config_maps().create("poster", "a", json!({})).await.unwrap();
    assert!(managers(&here).is_empty(), "who sets nothing manages nothing");
}
