use gitops_sync::{GroupKind, Outcome, PrunePolicy, SyncCode};
use serde_json::json;

use crate::world::{World, annotated, config_map, deployment, namespace, outcome};

#[tokio::test]
async fn what_is_no_longer_wanted_goes_and_nothing_else() {
    let world = World::new();
    let all = [namespace("app"), config_map("keep", "a"), config_map("old", "a"), deployment("old", 1, "o")];
    world.sync(&all).await;
    world
        .create(
            "ConfigMap",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": "app"}}),
        )
        .await;
    let wanted = [namespace("app"), config_map("keep", "a")];
    assert_eq!(
        world.planned(&wanted).await,
        ["prune ConfigMap app/old: it is no longer wanted", "prune apps/Deployment app/old: it is no longer wanted",]
    );
    world.sync(&wanted).await;
    assert!(world.live("ConfigMap", "old").await.is_none() && world.live("apps/Deployment", "old").await.is_none());
    assert!(world.live("ConfigMap", "foreign").await.is_some());
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn without_pruning_it_is_out_of_sync() {
    let mut world = World::new();
    world.sync(&[namespace("app"), config_map("old", "a"), config_map("keep", "a")]).await;
    world.options.prune = PrunePolicy::default();
    let report = world.try_sync(&[namespace("app"), config_map("keep", "a")]).await;
    assert!(report.succeeded());
    assert_eq!((report.sync, outcome(&report, "old").sync), (SyncCode::OutOfSync, Some(SyncCode::OutOfSync)));
    let status = report.application_status("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    assert!(status.resources.iter().any(|resource| resource.name == "old" && resource.requires_pruning));
    // It is still known, and goes when it may.
    world.options.prune = PrunePolicy::enabled();
    world.sync(&[namespace("app"), config_map("keep", "a")]).await;
    assert!(world.live("ConfigMap", "old").await.is_none());
}

#[tokio::test]
async fn an_object_of_the_same_name_by_somebody_else_stays() {
    let world = World::new();
    world.sync(&[namespace("app"), config_map("old", "a"), config_map("keep", "a")]).await;
    world.api("ConfigMap").delete("old", &Default::default()).await.unwrap();
    // Even with a copy of our mark: the UID is another.
    let mark = "app:/ConfigMap:app/old";
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": "app"}});
    world.create("ConfigMap", annotated(copy, "argocd.argoproj.io/tracking-id", mark)).await;
    world.sync(&[namespace("app"), config_map("keep", "a")]).await;
    assert!(world.live("ConfigMap", "old").await.is_some());
    assert!(world.plan(&[namespace("app"), config_map("keep", "a")]).await.is_empty());
}

#[tokio::test]
async fn nothing_is_pruned_after_a_failure() {
    let world = World::new();
    let before = [namespace("app"), config_map("old", "a"), deployment("web", 1, "w")];
    world.sync(&before).await;
    let mut immutable = deployment("web", 1, "w");
    immutable["spec"]["selector"]["matchLabels"]["app"] = json!("x");
    immutable["spec"]["template"]["metadata"]["labels"]["app"] = json!("x");
    let report = world.try_sync(&[namespace("app"), immutable]).await;
    assert!(matches!(outcome(&report, "old").outcome, Outcome::Skipped { .. }), "{report:#?}");
    assert!(world.live("ConfigMap", "old").await.is_some());
}

#[tokio::test]
async fn an_empty_desired_state_prunes_nothing() {
    let mut world = World::new();
    world.sync(&[namespace("app"), config_map("old", "a")]).await;
    let report = world.try_sync(&[]).await;
    assert!(report.resources.iter().all(|resource| matches!(resource.outcome, Outcome::Skipped { .. })));
    assert!(world.live("ConfigMap", "old").await.is_some());

    world.options.prune = PrunePolicy::enabled().allow_empty().protected(vec![GroupKind::new("", "Namespace")]);
    world.try_sync(&[]).await;
    assert!(world.live("ConfigMap", "old").await.is_none());
    assert!(world.live("Namespace", "app").await.is_some(), "protected");
}
