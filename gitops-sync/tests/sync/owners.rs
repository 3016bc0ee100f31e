use gitops_sync::{Action, Block, Owner};
use serde_json::json;

use crate::world::{World, config_map, namespace};

#[tokio::test]
async fn every_kind_of_owner_prunes_its_own() {
    let owners = [
        Owner::tracking_id("mine", "app"),
        Owner::instance_label("mine", "app"),
        Owner::apply_set("mine", "app"),
        Owner::flux("mine", "app"),
        Owner::inventory("mine", "app"),
    ];
    for owner in owners {
        let mut world = World::new();
        world.create("Namespace", namespace("app")).await;
        world.options.owner = Some(owner.clone());
        world.sync(&[config_map("keep", "a"), config_map("old", "a")]).await;
        assert!(world.plan(&[config_map("keep", "a"), config_map("old", "a")]).await.is_empty(), "{owner:?}");
        world.sync(&[config_map("keep", "a")]).await;
        assert!(world.live("ConfigMap", "old").await.is_none(), "{owner:?}");
        assert!(world.live("ConfigMap", "keep").await.is_some(), "{owner:?}");
    }
}

#[tokio::test]
async fn resources_of_another_owner_are_left_alone() {
    let mut world = World::new();
    world.create("Namespace", namespace("app")).await;
    world.sync(&[config_map("theirs", "a")]).await;
    world.options.owner = Some(Owner::tracking_id("other", "app"));
    let plan = world.plan(&[config_map("theirs", "b")]).await;
    assert_eq!(plan.steps[0].action, Action::Blocked);
    assert_eq!(plan.steps[0].block, Some(Block::Foreign { owner: "app".to_owned() }));
    world.options.adopt_foreign = true;
    world.sync(&[config_map("theirs", "b")]).await;

    // The former owner lets go of it, and does not delete it.
    world.options.owner = Some(Owner::tracking_id("app", "app"));
    world.options.adopt_foreign = false;
    world.sync(&[config_map("mine", "a")]).await;
    assert_eq!(world.live("ConfigMap", "theirs").await.unwrap()["data"], json!({"key": "b"}));
}
