use std::time::Duration;

use gitops_sync::embedded::{Behaviour, Fault, FaultRule};
use gitops_sync::{
    Action, ClusterOptions, ConflictPolicy, GroupKind, HealthStatus, IgnoreRule, Outcome, SyncCode, SyncError, sync,
};
use serde_json::json;

use crate::world::{World, annotated, config_map, deployment, namespace, outcome, parse, service};

#[tokio::test]
async fn a_first_sync_creates_everything_and_a_second_one_nothing() {
    let world = World::new();
    let wanted = [deployment("web", 2, "web:1"), service("web"), config_map("settings", "a"), namespace("app")];
    let report = world.sync(&wanted).await;
    assert_eq!((report.sync, report.health), (SyncCode::Synced, HealthStatus::Healthy));
    assert_eq!(report.images, ["web:1"]);
    let order: Vec<_> = report.resources.iter().map(|resource| resource.id.kind.as_str()).collect();
    assert_eq!(order, ["Namespace", "ConfigMap", "Service", "Deployment"]);

    assert!(world.plan(&wanted).await.is_empty());
    let before = world.embedded.resource_version();
    world.sync(&wanted).await;
    assert_eq!(world.embedded.resource_version(), before, "a second sync writes nothing");
    assert_eq!(world.embedded.requests().dry_runs, 0, "and has no doubts");
}

#[tokio::test]
async fn a_warm_sync_makes_no_requests() {
    let world = World::with(ClusterOptions::default().watch());
    let wanted = [namespace("app"), deployment("web", 1, "web:1"), service("web"), config_map("settings", "a")];
    world.sync(&wanted).await;
    // The first one after the apply lists and begins to watch.
    world.sync(&wanted).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = world.embedded.requests();
    let report = world.sync(&wanted).await;
    assert_eq!(world.embedded.requests(), before);
    assert_eq!((report.sync, report.health), (SyncCode::Synced, HealthStatus::Healthy));

    world.change("ConfigMap", "settings", "kubectl", json!({"data": {"key": "drifted"}})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.planned(&wanted).await, ["update ConfigMap app/settings: 1 field differs"]);
}

#[tokio::test]
async fn drift_is_shown_and_healed() {
    let world = World::new();
    let wanted = [namespace("app"), deployment("web", 2, "web:1")];
    world.sync(&wanted).await;
    world.change("apps/Deployment", "web", "kubectl", json!({"spec": {"replicas": 7}})).await;

    let plan = world.plan(&wanted).await;
    let step = plan.steps.iter().find(|step| step.action == Action::Update).unwrap();
    assert_eq!(step.changes[0].path, "spec.replicas");
    assert!(plan.diff().contains("-  replicas: 7\n+  replicas: 2\n"), "{}", plan.diff());

    world.sync(&wanted).await;
    assert_eq!(world.live("apps/Deployment", "web").await.unwrap()["spec"]["replicas"], 2);
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn what_others_add_is_no_difference() {
    let world = World::new();
    let wanted = [namespace("app"), deployment("web", 1, "web:1")];
    world.sync(&wanted).await;
    let sidecar = json!({"metadata": {"labels": {"seen": "yes"}}, "spec": {"template": {"metadata": {"annotations": {"restarted": "today"}}}}});
    world.change("apps/Deployment", "web", "somebody", sidecar).await;
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn conflicts_name_manager_and_field() {
    let mut world = World::new();
    world.options.conflicts = ConflictPolicy::Respect;
    let wanted = [namespace("app"), deployment("web", 2, "web:1"), config_map("other", "a")];
    world.sync(&wanted).await;
    world.change("apps/Deployment", "web", "autoscaler", json!({"spec": {"replicas": 7}})).await;
    let changed = [namespace("app"), deployment("web", 2, "web:1"), config_map("other", "b")];
    let report = world.try_sync(&changed).await;
    let expected = "conflict: spec.replicas is owned by autoscaler".to_owned();
    assert_eq!(outcome(&report, "web").outcome, Outcome::Failed { message: expected });
    assert_eq!(outcome(&report, "other").outcome, Outcome::Done, "one failure does not stop the others");
    assert_eq!(report.sync, SyncCode::OutOfSync);

    world.options.conflicts = ConflictPolicy::Take(["spec.replicas".to_owned()].into());
    world.sync(&changed).await;
    assert_eq!(world.live("apps/Deployment", "web").await.unwrap()["spec"]["replicas"], 2);
}

#[tokio::test]
async fn a_field_that_is_no_longer_wanted_goes() {
    let world = World::new();
    let mut map = config_map("settings", "a");
    map["data"]["old"] = json!("x");
    world.sync(&[namespace("app"), map]).await;
    world.change("ConfigMap", "settings", "somebody", json!({"data": {"theirs": "y"}})).await;
    let wanted = [namespace("app"), config_map("settings", "a")];
    let plan = world.plan(&wanted).await;
    assert!(plan.diff().contains("-  old: x\n"), "{}", plan.diff());
    world.sync(&wanted).await;
    let live = world.live("ConfigMap", "settings").await.unwrap();
    assert_eq!(live["data"], json!({"key": "a", "theirs": "y"}));
}

#[tokio::test]
async fn definitions_come_before_what_they_define() {
    let world = World::new();
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]},
    });
    let widget =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}});
    let wanted = [widget, crd, namespace("app")];
    let report = world.sync(&wanted).await;
    assert_eq!(outcome(&report, "w").outcome, Outcome::Done);
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn nothing_is_written_when_the_desired_state_is_invalid() {
    let world = World::new();
    let good = [namespace("app"), deployment("web", 1, "web:1"), config_map("settings", "a")];
    world.sync(&good).await;
    let before = world.embedded.resource_version();

    let mut typo = deployment("web", 1, "web:2");
    typo["spec"]["replcas"] = json!(3);
    let error =
        sync(&world.cluster, parse(&[namespace("app"), typo, config_map("settings", "b")]), &world.options).await;
    let error = error.unwrap_err();
    assert!(matches!(error, SyncError::Invalid { .. }) && error.to_string().contains("replcas"), "{error}");

    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    let twice = config_map("settings", "c");
    let all = parse(&[namespace("app"), unknown, twice, config_map("settings", "b")]);
    let error = sync(&world.cluster, all, &world.options).await.unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        text.contains("no kind Gadget") && text.contains("ConfigMap app/settings is wanted more than once"),
        "{text}"
    );
    assert_eq!(world.embedded.resource_version(), before);
}

#[tokio::test]
async fn immutable_fields_are_an_error_or_recreated() {
    let mut world = World::new();
    let before = [namespace("app"), deployment("web", 1, "web:1")];
    world.sync(&before).await;
    let uid = world.live("apps/Deployment", "web").await.unwrap()["metadata"]["uid"].clone();
    let mut other = deployment("web", 1, "web:1");
    other["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    let wanted = [namespace("app"), other];
    let report = world.try_sync(&wanted).await;
    let Outcome::Failed { message } = &outcome(&report, "web").outcome else { panic!("{report:#?}") };
    assert!(message.contains("cannot be changed"), "{message}");

    world.options.recreate = vec![GroupKind::new("apps", "Deployment")];
    world.sync(&wanted).await;
    let live = world.live("apps/Deployment", "web").await.unwrap();
    assert_ne!(live["metadata"]["uid"], uid);
    assert_eq!(live["spec"]["selector"]["matchLabels"]["app"], "other");
}

#[tokio::test]
async fn fields_of_kubectl_apply_become_ours() {
    let world = World::new();
    world.sync(&[namespace("app")]).await;
    let last = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"key":"a","old":"x"}}"#;
    let mut map = config_map("settings", "a");
    map["data"]["old"] = json!("x");
    map["metadata"]["namespace"] = json!("app");
    let map = annotated(map, "kubectl.kubernetes.io/last-applied-configuration", last);
    let params =
        kube::api::PostParams { field_manager: Some("kubectl-client-side-apply".to_owned()), ..Default::default() };
    world.api("ConfigMap").create(&params, &serde_json::from_value(map).unwrap()).await.unwrap();

    let wanted = [namespace("app"), config_map("settings", "a")];
    assert!(world.plan(&wanted).await.diff().contains("-  old: x\n"));
    let plan = world.plan(&wanted).await;
    let changes = plan.steps.iter().flat_map(|step| &step.changes).map(|change| change.path.as_str());
    let changes: Vec<_> = changes.filter(|path| !path.starts_with("metadata.annotations[")).collect();
    assert_eq!(changes, ["data.old"], "the rest is ours as it is");
    world.sync(&wanted).await;
    let live = world.live("ConfigMap", "settings").await.unwrap();
    assert_eq!(live["data"], json!({"key": "a"}));
    assert!(live["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none());
    let managers: Vec<_> =
        live["metadata"]["managedFields"].as_array().unwrap().iter().map(|m| m["manager"].clone()).collect();
    assert_eq!(managers, ["us"]);
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn ignored_fields_are_left_alone() {
    let mut world = World::new();
    let wanted = [namespace("app"), deployment("web", 2, "web:1")];
    world.options.ignore = vec![IgnoreRule::new("apps", "Deployment").pointer("/spec/replicas")];
    world.sync(&wanted).await;
    world.change("apps/Deployment", "web", "autoscaler", json!({"spec": {"replicas": 5}})).await;
    world.sync(&wanted).await;
    assert_eq!(world.live("apps/Deployment", "web").await.unwrap()["spec"]["replicas"], 5);
    assert!(world.plan(&wanted).await.is_empty());
    world.sync(&[namespace("app"), deployment("web", 2, "web:2")]).await;
    let live = world.live("apps/Deployment", "web").await.unwrap();
    assert_eq!(
        (&live["spec"]["replicas"], &live["spec"]["template"]["spec"]["containers"][0]["image"]),
        (&json!(5), &json!("web:2"))
    );
}

#[tokio::test]
async fn what_does_not_become_healthy_is_reported() {
    let mut world = World::new();
    world.options.timeout = Duration::from_millis(300);
    world.controllers.script("Deployment", "slow", Behaviour::Stall);
    world.controllers.script("Deployment", "broken", Behaviour::Fail);
    let wanted =
        [namespace("app"), deployment("slow", 1, "a"), deployment("broken", 1, "b"), deployment("fine", 1, "c")];
    let report = world.try_sync(&wanted).await;
    let message = |name: &str| match &outcome(&report, name).outcome {
        Outcome::Unhealthy { message } => message.clone(),
        other => format!("{other:?}"),
    };
    assert!(message("slow").starts_with("not ready after 0.3 s: Progressing"), "{}", message("slow"));
    assert!(message("broken").contains("progress deadline"), "{}", message("broken"));
    assert_eq!(outcome(&report, "fine").outcome, Outcome::Done);
    assert_eq!((report.sync, report.health, report.succeeded()), (SyncCode::Synced, HealthStatus::Degraded, false));
}

#[tokio::test]
async fn faults_are_survived() {
    let world = World::with(ClusterOptions::default().request_timeout(Duration::from_millis(300)));
    for (fault, share) in [
        (Fault::TooManyRequests { retry_after: 0 }, 0.1),
        (Fault::Refuse { code: 503 }, 0.1),
        (Fault::LoseAnswer { code: 504 }, 0.1),
        (Fault::Hang, 0.05),
        (Fault::DropWatch { after: 1 }, 0.5),
    ] {
        world.embedded.inject(FaultRule::new(fault).share(share));
    }
    let mut wanted = vec![namespace("app")];
    for number in 0..8 {
        wanted.push(deployment(&format!("web-{number}"), 1, "web:1"));
        wanted.push(config_map(&format!("settings-{number}"), "a"));
    }
    let report = world.sync(&wanted).await;
    assert_eq!(report.health, HealthStatus::Healthy);
    world.embedded.heal_all();
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn a_failure_stops_what_needs_it_and_a_second_sync_finishes() {
    let world = World::with(ClusterOptions::default().retry_for(Duration::ZERO));
    let depends = "/namespaces/app/ConfigMap/first";
    let wanted = [
        namespace("app"),
        config_map("first", "a"),
        annotated(config_map("second", "a"), "config.kubernetes.io/depends-on", depends),
        config_map("other", "a"),
    ];
    let world = World {
        cluster: gitops_sync::Cluster::with_options(
            world.embedded.client(),
            ClusterOptions::default().retry_for(Duration::ZERO),
        ),
        ..world
    };
    let rule = world.embedded.inject(FaultRule::new(Fault::Refuse { code: 503 }).verb("PATCH").name("first"));
    let report = world.try_sync(&wanted).await;
    assert!(matches!(outcome(&report, "first").outcome, Outcome::Failed { .. }));
    let reason = "ConfigMap app/first did not succeed".to_owned();
    assert_eq!(outcome(&report, "second").outcome, Outcome::Skipped { reason });
    assert_eq!(outcome(&report, "other").outcome, Outcome::Done);
    world.embedded.heal(rule);
    world.sync(&wanted).await;
    assert!(world.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn a_kind_that_moves_is_found_again() {
    let world = World::new();
    world.sync(&[namespace("app"), racks_definition()]).await;
    let rack = json!({"apiVersion": "example.com/v1", "kind": "Rack", "metadata": {"name": "r"}});
    let wanted = [namespace("app"), racks_definition(), rack.clone()];
    world.sync(&wanted).await;
    // Somebody serves the kind under another name, without a word to us.
    let mut moved = racks_definition();
    moved["metadata"]["name"] = json!("shelves.example.com");
    moved["spec"]["names"] = json!({"kind": "Rack", "plural": "shelves", "singular": "shelf", "listKind": "RackList"});
    world
        .api("apiextensions.k8s.io/CustomResourceDefinition")
        .delete("racks.example.com", &Default::default())
        .await
        .unwrap();
    world.create("apiextensions.k8s.io/CustomResourceDefinition", moved).await;
    let wanted = [namespace("app"), rack];
    world.try_sync(&wanted).await;
    world.sync(&wanted).await;
}

#[tokio::test]
async fn nothing_is_applied_that_the_inventory_cannot_list() {
    let world = World::with(ClusterOptions::default());
    world.sync(&[namespace("app")]).await;
    let rule = world.embedded.inject(FaultRule::new(Fault::Refuse { code: 403 }).verb("PATCH").name("app.inventory"));
    let wanted = [namespace("app"), config_map("settings", "a")];
    let report = world.try_sync(&wanted).await;
    let Outcome::Failed { message } = &outcome(&report, "settings").outcome else { panic!("{report:#?}") };
    assert!(message.starts_with("the inventory could not be written: "), "{message}");
    assert!(!report.succeeded() && world.live("ConfigMap", "settings").await.is_none());
    world.embedded.heal(rule);
    world.sync(&wanted).await;
}

#[tokio::test]
async fn list_keys_of_custom_resources_come_from_the_cluster() {
    let mut world = World::new();
    world.sync(&[namespace("app"), racks_definition()]).await;
    let rack = |height: i64| {
        json!({"apiVersion": "example.com/v1", "kind": "Rack", "metadata": {"name": "r"},
            "spec": {"slots": [{"slot": 2, "name": "same", "height": height}, {"slot": 1, "name": "same", "height": 1}]}})
    };
    world.options.ignore = vec![IgnoreRule::new("example.com", "Rack").pointer("/spec/slots/[slot=1]/height")];
    world.sync(&[namespace("app"), racks_definition(), rack(1)]).await;
    let others = json!({"spec": {"slots": [{"slot": 1, "name": "same", "height": 7}, {"slot": 2, "name": "same", "height": 1}]}});
    world.change("example.com/Rack", "r", "somebody", others).await;
    // By name both slots would be the same.
    world.sync(&[namespace("app"), racks_definition(), rack(3)]).await;
    let live = world.live("example.com/Rack", "r").await.unwrap();
    let height = |slot: i64| {
        let slots = live["spec"]["slots"].as_array().unwrap();
        slots.iter().find(|found| found["slot"] == slot).unwrap()["height"].clone()
    };
    assert_eq!((height(1), height(2)), (json!(7), json!(3)));
}

pub(crate) fn racks_definition() -> serde_json::Value {
    let slot = json!({"type": "object", "required": ["slot"], "properties": {
        "slot": {"type": "integer"}, "name": {"type": "string"}, "height": {"type": "integer"}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "racks.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Rack", "plural": "racks", "singular": "rack", "listKind": "RackList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"slots": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["slot"], "items": slot}}}}}}}]},
    })
}
