//! How many requests a sync makes: what a cluster with many of them has to bear.

use gitops_sync::Cluster;
use gitops_sync::embedded::RequestCounts;
use serde_json::Value;

use crate::world::{World, config_map, deployment, namespace, service};

const OBJECTS: u64 = 31;

fn wanted(text: &str) -> Vec<Value> {
    let mut wanted = vec![namespace("app")];
    for number in 0..10 {
        let name = format!("r{number}");
        wanted.extend([deployment(&name, 1, text), service(&name), config_map(&name, text)]);
    }
    wanted
}

/// What a new process needs for a sync.
async fn requests_of_a_sync(world: &mut World, wanted: &[Value]) -> RequestCounts {
    let before = world.embedded.requests();
    world.cluster = Cluster::new(world.embedded.client());
    world.sync(wanted).await;
    world.embedded.requests() - before
}

#[tokio::test]
async fn a_create_takes_one_an_update_two_and_the_rest_nothing() {
    let mut world = World::new();
    world.options = world.options.no_wait();
    let first = requests_of_a_sync(&mut world, &wanted("a:1")).await;
    // The inventory is written before, and with the UIDs after.
    assert_eq!((first.writes, first.dry_runs), (OBJECTS + 2, 0));

    let again = requests_of_a_sync(&mut world, &wanted("a:1")).await;
    assert_eq!((again.writes, again.dry_runs), (0, 0));
    // Two versions of groups, the inventory, three lists and the namespace.
    assert_eq!((again.discovery, again.reads), (2, 5));

    let changed = requests_of_a_sync(&mut world, &wanted("a:2")).await;
    assert_eq!((changed.writes, changed.dry_runs), (20, 20), "ten Deployments and as many ConfigMaps");
}
