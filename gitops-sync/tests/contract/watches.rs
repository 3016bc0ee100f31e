//! Lists and watches.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::fixture::{Fixture, Objects};

/// What a watch from `version` sees within a second, as `TYPE name value`.
async fn events(maps: &Objects<ConfigMap>, how: &WatchParams, version: &str) -> Vec<String> {
    let stream = maps.0.watch(&how.clone().timeout(1), version).await.expect("the watch starts");
    let seen = stream.filter_map(|event| async {
        let (kind, object) = match event.expect("events are well-formed") {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
            WatchEvent::Bookmark(_) => return None,
            WatchEvent::Error(status) => panic!("{status:?}"),
        };
        let value = object.data.unwrap_or_default().remove("i").unwrap_or_default();
        Some(format!("{kind} {} {value}", object.metadata.name.unwrap_or_default()))
    });
    seen.collect().await
}

async fn write_some(maps: &Objects<ConfigMap>) -> String {
    maps.create("poster", "w0", json!({"data": {"i": "0"}})).await.unwrap();
    let list = maps.0.list(&ListParams::default().fields("metadata.name=w0")).await.unwrap();
    maps.create("poster", "w1", json!({"metadata": {"labels": {"on": "1"}}, "data": {"i": "1"}})).await.unwrap();
    maps.merge("w1", "m", json!({"data": {"i": "2"}})).await.unwrap();
    maps.merge("w1", "m", json!({"metadata": {"labels": {"on": null}}})).await.unwrap();
    maps.0.delete("w1", &Default::default()).await.unwrap();
    list.metadata.resource_version.expect("lists have a version")
}

pub(crate) async fn changes_arrive_in_order(fixture: Fixture) {
    let maps = fixture.config_maps();
    let version = write_some(&maps).await;
    let seen = events(&maps, &WatchParams::default().fields("metadata.name=w1"), &version).await;
    assert_eq!(seen, ["ADDED w1 1", "MODIFIED w1 2", "MODIFIED w1 2", "DELETED w1 2"]);
    let present = events(&maps, &WatchParams::default().fields("metadata.name=w0"), "0").await;
    assert_eq!(present, ["ADDED w0 0"], "from version 0, what is there comes first");
}

pub(crate) async fn a_selection_is_left_by_a_deletion(fixture: Fixture) {
    let maps = fixture.config_maps();
    let version = write_some(&maps).await;
    let seen = events(&maps, &WatchParams::default().labels("on=1"), &version).await;
    assert_eq!(seen, ["ADDED w1 1", "MODIFIED w1 2", "DELETED w1 2"]);
}

pub(crate) async fn lists_come_in_pages(fixture: Fixture) {
    let maps = fixture.config_maps();
    for n in 0..5 {
        maps.create("poster", &format!("c{n}"), json!({"metadata": {"labels": {"page": "1"}}})).await.unwrap();
    }
    let mut how = ListParams::default().labels("page=1").limit(2);
    let mut pages = Vec::new();
    loop {
        let page = maps.0.list(&how).await.unwrap();
        pages.push(page.items.len());
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => how = how.continue_token(&token),
            None => break,
        }
        // What is written between pages is not in them.
        let late = format!("c9{}", pages.len());
        maps.create("poster", &late, json!({"metadata": {"labels": {"page": "1"}}})).await.unwrap();
    }
    assert_eq!(pages, [2, 2, 1]);
}
