use futures::StreamExt;
use gitops_sync::embedded::Behaviour;
use gitops_sync::{Event, Outcome, events};

use crate::world::{World, annotated, config_map, deployment, job, namespace, outcome};

const HOOK: &str = "argocd.argoproj.io/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const DELETE: &str = "argocd.argoproj.io/hook-delete-policy";

#[tokio::test]
async fn phases_and_waves_follow_one_another() {
    let mut world = World::new();
    let (sender, stream) = events();
    world.options.events = Some(sender);
    let wanted = [
        annotated(job("after"), HOOK, "PostSync"),
        annotated(deployment("late", 1, "b"), WAVE, "2"),
        deployment("early", 1, "a"),
        annotated(job("migrate"), HOOK, "PreSync"),
        annotated(job("cry"), HOOK, "SyncFail"),
        namespace("app"),
    ];
    let report = world.sync(&wanted).await;
    assert_eq!(outcome(&report, "cry").outcome, Outcome::Skipped { reason: "nothing has failed".to_owned() });
    world.options.events = None;
    let seen: Vec<_> = stream
        .filter_map(|event| async move {
            match event {
                Event::Started { id, .. } => Some(format!("start {}", id.name)),
                Event::Ready { id } => Some(format!("ready {}", id.name)),
                _ => None,
            }
        })
        .collect()
        .await;
    let expected = ["app", "migrate", "early", "late", "after"];
    let expected: Vec<_> =
        expected.iter().flat_map(|name| [format!("start {name}"), format!("ready {name}")]).collect();
    assert_eq!(seen, expected);
    // Hooks run with a change only.
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn a_failed_hook_stops_the_sync_and_runs_the_one_for_it() {
    let world = World::new();
    world.sync(&[namespace("app")]).await;
    world.controllers.script("Job", "migrate", Behaviour::Fail);
    let wanted = [
        namespace("app"),
        annotated(job("migrate"), HOOK, "PreSync"),
        annotated(job("cry"), HOOK, "SyncFail"),
        config_map("settings", "a"),
    ];
    let report = world.try_sync(&wanted).await;
    assert!(matches!(outcome(&report, "migrate").outcome, Outcome::Unhealthy { .. }), "{report:#?}");
    assert!(matches!(outcome(&report, "settings").outcome, Outcome::Skipped { .. }));
    assert_eq!(outcome(&report, "cry").outcome, Outcome::Done);
    assert!(world.live("ConfigMap", "settings").await.is_none());

    world.controllers.script("Job", "migrate", Behaviour::Succeed);
    let report = world.sync(&wanted).await;
    assert_eq!(outcome(&report, "settings").outcome, Outcome::Done, "the old job is deleted and run anew");
}

#[tokio::test]
async fn hooks_are_deleted_when_they_have_succeeded() {
    let world = World::new();
    let hook = annotated(annotated(job("migrate"), HOOK, "PreSync"), DELETE, "HookSucceeded");
    world.sync(&[namespace("app"), hook, config_map("settings", "a")]).await;
    assert!(world.live("batch/Job", "migrate").await.is_none());
}
