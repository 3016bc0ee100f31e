use gitops_sync::{Action, Outcome, Plan, apply};
use serde_json::json;

use crate::world::{World, config_map, deployment, namespace, outcome};

#[tokio::test]
async fn a_plan_can_be_written_down_and_carried_out_later() {
    let world = World::new();
    world.sync(&[namespace("app"), deployment("web", 1, "web:1")]).await;
    let plan = world.plan(&[namespace("app"), deployment("web", 1, "web:2"), config_map("new", "a")]).await;
    let text = serde_json::to_string(&plan).unwrap();
    let plan: Plan = serde_json::from_str(&text).unwrap();
    // Somebody touches what the plan does not change.
    world.change("apps/Deployment", "web", "somebody", json!({"metadata": {"labels": {"seen": "yes"}}})).await;
    let report = apply(&world.cluster, &plan, &world.options).await.unwrap();
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(report.images, ["web:2"]);
}

#[tokio::test]
async fn a_plan_is_refused_where_the_cluster_has_moved() {
    let world = World::new();
    world.sync(&[namespace("app"), deployment("web", 1, "web:1")]).await;
    let plan = world.plan(&[namespace("app"), deployment("web", 1, "web:2")]).await;
    world.change("apps/Deployment", "web", "somebody", json!({"spec": {"replicas": 9}})).await;
    let report = apply(&world.cluster, &plan, &world.options).await.unwrap();
    let Outcome::Failed { message } = &outcome(&report, "web").outcome else { panic!("{report:#?}") };
    assert!(message.contains("changed since the plan"), "{message}");
    assert_eq!(world.live("apps/Deployment", "web").await.unwrap()["spec"]["replicas"], 9);
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_are_shown() {
    let world = World::new();
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value, "user": "u"}});
    world.sync(&[namespace("app"), secret("geheim")]).await;
    assert!(world.plan(&[namespace("app"), secret("geheim")]).await.is_empty());
    let plan = world.plan(&[namespace("app"), secret("anders")]).await;
    let step = plan.steps.iter().find(|step| step.action == Action::Update).unwrap();
    assert_eq!(step.changes.len(), 1);
    let shown = format!("{}{}", plan.diff(), serde_json::to_string(&step.changes).unwrap());
    // "geheim" and "anders" in base64.
    assert!(!shown.contains("Z2VoZWlt") && !shown.contains("YW5kZXJz"), "{shown}");
    assert!(shown.contains("password") && shown.contains("++++++++"), "{shown}");
    let create = world
        .plan(&[
            namespace("app"),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": {"a": "Z2VoZWlt"}}),
        ])
        .await;
    assert!(!create.diff().contains("Z2VoZWlt"));
}
