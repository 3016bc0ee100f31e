use gitops_sync::{Application, ConflictPolicy, NamespaceMetadata, SyncOptions};
use serde_json::json;

use crate::world::{World, config_map, namespace};

#[tokio::test]
async fn a_created_namespace_gets_and_keeps_its_metadata() {
    let mut world = World::new();
    world.options.create_namespace = true;
    world.options.namespace_metadata = Some(NamespaceMetadata::new().label("team", "a").annotation("note", "x"));
    let wanted = [config_map("settings", "a")];
    world.sync(&wanted).await;
    let live = world.live("Namespace", "app").await.unwrap();
    assert_eq!(
        (&live["metadata"]["labels"]["team"], &live["metadata"]["annotations"]),
        (&json!("a"), &json!({"note": "x"}))
    );
    assert!(world.plan(&wanted).await.is_empty());

    // It is nobody's, so what others add stays, and it is never pruned.
    world.change("Namespace", "app", "somebody", json!({"metadata": {"labels": {"team": "b", "theirs": "y"}}})).await;
    world.options.namespace_metadata = Some(NamespaceMetadata::new().label("team", "a"));
    world.sync(&wanted).await;
    let live = world.live("Namespace", "app").await.unwrap();
    let labels = &live["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["theirs"]), (&json!("a"), &json!("y")));
    assert!(live["metadata"].get("annotations").is_none(), "{live}");
}

#[tokio::test]
async fn a_manifest_of_the_namespace_wins() {
    let mut world = World::new();
    world.options.create_namespace = true;
    world.options.namespace_metadata = Some(NamespaceMetadata::new().label("team", "a"));
    world.sync(&[namespace("app"), config_map("settings", "a")]).await;
    assert!(world.live("Namespace", "app").await.unwrap()["metadata"]["labels"].get("team").is_none());
}

#[test]
fn an_application_says_what_its_namespace_is_like() {
    let application = Application::from_yaml(
        "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: app}
spec:
  source: {repoURL: 'https://example.com/a.git', path: p}
  destination: {namespace: app}
  syncPolicy: {syncOptions: [CreateNamespace=true], managedNamespaceMetadata: {labels: {team: a}}}
",
    )
    .unwrap();
    let options = SyncOptions::for_application(&application);
    assert!(options.create_namespace && options.conflicts == ConflictPolicy::TakeOver);
    assert_eq!(options.namespace_metadata, Some(NamespaceMetadata::new().label("team", "a")));
}
