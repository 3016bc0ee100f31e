use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::world::{World, config_map, deployment, namespace};

async fn recorded(world: &World) -> Vec<Value> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
    let api: Api<DynamicObject> = Api::all_with(world.embedded.client(), &resource);
    let found = api.list(&Default::default()).await.unwrap();
    found.into_iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[tokio::test]
async fn events_tell_of_changes_and_failures_and_nothing_else() {
    let mut world = World::new();
    world.options = world.options.record_events().revision("1a2b3c");
    let wanted = [namespace("app"), config_map("a", "1"), deployment("web", 1, "web:1")];
    world.sync(&wanted).await;
    let events = recorded(&world).await;
    assert_eq!(events.len(), 1, "{events:#?}");
    let (event, inventory) = (&events[0], &events[0]["regarding"]);
    assert_eq!((&event["type"], &event["reason"]), (&json!("Normal"), &json!("Synced")));
    assert_eq!(event["note"], "3 created at 1a2b3c");
    assert_eq!((&inventory["kind"], &inventory["name"]), (&json!("ConfigMap"), &json!("app.inventory")));

    world.sync(&wanted).await;
    assert_eq!(recorded(&world).await.len(), 1, "nothing has changed");

    let mut immutable = deployment("web", 1, "web:1");
    immutable["spec"]["selector"]["matchLabels"]["app"] = json!("x");
    immutable["spec"]["template"]["metadata"]["labels"]["app"] = json!("x");
    world.try_sync(&[namespace("app"), config_map("a", "2"), immutable]).await;
    let events = recorded(&world).await;
    let find =
        |kind: &str| events.iter().filter(|event| event["type"] == "Warning").find(|e| e["regarding"]["kind"] == kind);
    let failure = find("Deployment").unwrap();
    assert!(failure["note"].as_str().unwrap().contains("cannot be changed"), "{failure:#}");
    assert_eq!(failure["regarding"]["apiVersion"], "apps/v1");
    assert_eq!(find("ConfigMap").unwrap()["note"], "1 updated, 1 failed at 1a2b3c");
}
