use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use gitops_sync::embedded::Behaviour;
use gitops_sync::{Event, GroupKind, Health, HealthCheck, HealthRules, HealthStatus, Outcome, events};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::world::{World, annotated, config_map, deployment, namespace, outcome};

fn widgets() -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}}}]},
    })
}

fn widget(size: i64) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size}})
}

async fn set_status(world: &World, status: Value) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let api: Api<DynamicObject> = Api::namespaced_with(world.embedded.client(), "app", &resource);
    api.patch_status("w", &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
}

fn condition(status: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": status}]})
}

#[tokio::test]
async fn the_status_of_an_earlier_spec_is_not_believed() {
    let mut world = World::new();
    world.options = world.options.health(HealthRules::Kstatus).settle(Duration::from_millis(1500));
    world.sync(&[namespace("app"), widgets(), widget(1)]).await;
    set_status(&world, condition("True")).await;

    // Its controller takes a while to notice that there is a new spec.
    let is_done = Arc::new(AtomicBool::new(false));
    let work = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        set_status(&world, condition("False")).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        is_done.store(true, Ordering::SeqCst);
        set_status(&world, condition("True")).await;
    };
    let wanted = [namespace("app"), widgets(), widget(2)];
    let sync = async {
        world.sync(&wanted).await;
        assert!(is_done.load(Ordering::SeqCst), "the sync has waited for the new status");
    };
    tokio::join!(sync, work);
}

#[tokio::test]
async fn a_check_tells_the_health_of_its_kind() {
    let mut world = World::new();
    let check = HealthCheck::new(GroupKind::new("example.com", "Widget"), |live| {
        let status = match live["spec"]["size"].as_i64() {
            Some(0) => HealthStatus::Degraded,
            _ => HealthStatus::Healthy,
        };
        Some(Health::new(status, "by its size"))
    });
    world.options = world.options.health_check(check).settle(Duration::ZERO);
    world.sync(&[namespace("app"), widgets(), widget(1)]).await;
    let report = world.try_sync(&[namespace("app"), widgets(), widget(0)]).await;
    let expected = "it is Degraded: by its size".to_owned();
    assert_eq!(outcome(&report, "w").outcome, Outcome::Unhealthy { message: expected });
    assert_eq!(report.health, HealthStatus::Degraded);
}

#[cfg(feature = "cel")]
#[tokio::test]
async fn expressions_tell_the_health_of_their_kind() {
    let mut world = World::new();
    let expressions = gitops_sync::HealthExpressions::new("spec.size > 0").failed("spec.size < 0");
    let check = expressions.check(GroupKind::new("example.com", "Widget")).unwrap();
    world.options = world.options.health_check(check).settle(Duration::ZERO).timeout(Duration::from_millis(200));
    assert_eq!(world.sync(&[namespace("app"), widgets(), widget(1)]).await.health, HealthStatus::Healthy);
    let report = world.try_sync(&[namespace("app"), widgets(), widget(-1)]).await;
    assert_eq!(report.health, HealthStatus::Degraded);
    let report = world.try_sync(&[namespace("app"), widgets(), widget(0)]).await;
    assert_eq!(report.health, HealthStatus::Progressing);
}

#[tokio::test]
async fn a_sync_that_is_stopped_says_what_is_left_and_the_next_one_finishes_it() {
    let mut world = World::new();
    world.controllers.script("Deployment", "slow", Behaviour::Stall);
    let wanted = [
        namespace("app"),
        config_map("first", "a"),
        deployment("slow", 1, "a"),
        annotated(config_map("late", "a"), "argocd.argoproj.io/sync-wave", "1"),
    ];
    let (sender, mut stream) = events();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = world.options.clone();
    world.options = world.options.events(sender).stop_when(async { drop(stopped.await) });
    let watch = async {
        while let Some(event) = stream.next().await {
            if matches!(&event, Event::Waiting { id, .. } if id.name == "slow") {
                break;
            }
        }
        drop(stop);
    };
    let (report, ()) = tokio::join!(world.try_sync(&wanted), watch);
    assert_eq!(outcome(&report, "first").outcome, Outcome::Done);
    assert_eq!(outcome(&report, "slow").outcome, Outcome::Unhealthy { message: "the sync was stopped".to_owned() });
    assert!(matches!(outcome(&report, "late").outcome, Outcome::Skipped { .. }), "{report:#?}");

    world.options = options;
    world.controllers.script("Deployment", "slow", Behaviour::Succeed);
    world.sync(&wanted).await;
    assert!(world.plan(&wanted).await.is_empty());
}
