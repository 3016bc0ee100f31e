//! Who owns which field.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Fixture, causes, managers, version};

pub(crate) async fn applied_fields_are_owned_and_dropped_ones_go(fixture: Fixture) {
    let maps = fixture.config_maps();
    let first = maps.apply("a", "alpha", json!({"data": {"x": "1", "y": "2"}})).await.unwrap();
    assert_eq!(managers(&first), [("alpha Apply".to_owned(), json!({"f:data": {"f:x": {}, "f:y": {}}}))]);
    let again = maps.apply("a", "alpha", json!({"data": {"x": "1", "y": "2"}})).await.unwrap();
    assert_eq!(version(&again), version(&first), "the same again writes nothing");
    let dropped = maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    assert_eq!(dropped["data"], json!({"x": "1"}));
    let labelled = json!({"metadata": {"labels": {"l": "1"}}, "data": {"q": "1"}});
    let other = maps.apply("a", "beta", labelled).await.unwrap();
    assert_eq!(other["data"], json!({"q": "1", "x": "1"}), "others' fields stay");
    assert_eq!(managers(&other)[1].1, json!({"f:data": {"f:q": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}));
    let bare = maps.apply("a", "beta", json!({"data": {"q": "1"}})).await.unwrap();
    assert!(bare["metadata"]["labels"].is_null());
}

pub(crate) async fn a_conflict_names_manager_and_field(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    let refused = maps.apply("a", "beta", json!({"data": {"x": "2"}})).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"alpha\": .data.x");
    assert_eq!(causes(&refused), [".data.x: conflict with \"alpha\""]);
    assert_eq!(maps.get("a").await.unwrap()["data"]["x"], "1");
}

pub(crate) async fn several_conflicts_are_listed(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"data": {"x": "1", "y": "1"}})).await.unwrap();
    let refused = maps.apply("a", "beta", json!({"data": {"x": "2", "y": "2", "z": "2"}})).await.unwrap_err();
    assert_eq!(refused.message, "Apply failed with 2 conflicts: conflicts with \"alpha\":\n- .data.x\n- .data.y");
    assert_eq!(causes(&refused).len(), 2);
}

pub(crate) async fn a_shared_value_survives_one_of_its_owners(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    let shared = maps.apply("a", "beta", json!({"data": {"x": "1"}})).await.unwrap();
    assert_eq!(managers(&shared).len(), 2);
    let released = maps.apply("a", "alpha", json!({"data": {"z": "3"}})).await.unwrap();
    assert_eq!(released["data"], json!({"x": "1", "z": "3"}));
    let gone = maps.apply("a", "beta", json!({"data": {}})).await.unwrap();
    assert_eq!(gone["data"], json!({"z": "3"}));
}

pub(crate) async fn force_takes_fields_over(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"data": {"x": "1", "y": "1"}})).await.unwrap();
    let taken = maps.force("a", "beta", json!({"data": {"x": "2"}})).await.unwrap();
    assert_eq!(taken["data"], json!({"x": "2", "y": "1"}));
    assert_eq!(
        managers(&taken),
        [
            ("alpha Apply".to_owned(), json!({"f:data": {"f:y": {}}})),
            ("beta Apply".to_owned(), json!({"f:data": {"f:x": {}}})),
        ]
    );
    let refused = maps.apply("a", "alpha", json!({"data": {"x": "1", "y": "1"}})).await.unwrap_err();
    assert_eq!(causes(&refused), [".data.x: conflict with \"beta\""]);
}

pub(crate) async fn a_dry_run_stores_nothing(fixture: Fixture) {
    let maps = fixture.config_maps();
    let stored = maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    let how = PatchParams::apply("alpha").dry_run();
    let wanted = maps.named("a", json!({"data": {"x": "2"}}));
    let shown = maps.patch("a", &how, Patch::Apply(wanted)).await.unwrap();
    assert_eq!(shown["data"]["x"], "2");
    assert_eq!(version(&shown), version(&stored), "a dry run shows the version that is there");
    assert_eq!(maps.get("a").await.unwrap(), stored);
    let ghost = maps.named("ghost", json!({"data": {"x": "1"}}));
    let shown = maps.patch("ghost", &how, Patch::Apply(ghost)).await.unwrap();
    assert!(shown["metadata"]["uid"].is_string() && shown["metadata"]["resourceVersion"].is_null());
    assert_eq!(maps.get("ghost").await.unwrap_err().code, 404);
}

pub(crate) async fn updates_are_tracked_and_conflict(fixture: Fixture) {
    let maps = fixture.config_maps();
    let created = maps.create("poster", "a", json!({"data": {"x": "1", "y": "1"}})).await.unwrap();
    let owned = json!({"f:data": {".": {}, "f:x": {}, "f:y": {}}});
    assert_eq!(managers(&created), [("poster Update".to_owned(), owned)]);
    let refused = maps.apply("a", "alpha", json!({"data": {"x": "2"}})).await.unwrap_err();
    assert_eq!(causes(&refused), [".data.x: conflict with \"poster\" using v1"]);
    let patched = maps.merge("a", "patcher", json!({"data": {"x": "9", "w": "1"}})).await.unwrap();
    assert_eq!(
        managers(&patched),
        [
            ("patcher Update".to_owned(), json!({"f:data": {"f:w": {}, "f:x": {}}})),
            ("poster Update".to_owned(), json!({"f:data": {".": {}, "f:y": {}}})),
        ]
    );
    let removed = maps.merge("a", "patcher", json!({"data": {"w": null}})).await.unwrap();
    assert_eq!(managers(&removed)[0].1, json!({"f:data": {"f:x": {}}}));
}

pub(crate) async fn managers_can_be_reset(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    let reset = maps.merge("a", "who", json!({"metadata": {"managedFields": [{}]}})).await.unwrap();
    assert!(managers(&reset).is_empty());
    let untracked = maps.merge("a", "who", json!({"data": {"y": "1"}})).await.unwrap();
    assert!(managers(&untracked).is_empty(), "tracking starts again with the next apply");
    let refused = maps.apply("a", "alpha", json!({"data": {"x": "2"}})).await.unwrap_err();
    assert_eq!(causes(&refused), [".data.x: conflict with \"before-first-apply\" using v1"]);
    let applied = maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    assert_eq!(managers(&applied)[1].0, "before-first-apply Update");
}

/// How fields move from one manager to another without a conflict in between.
pub(crate) async fn managers_can_be_edited(fixture: Fixture) {
    let maps = fixture.config_maps();
    let created = maps.create("legacy", "a", json!({"data": {"x": "1", "y": "1"}})).await.unwrap();
    let mut entries = created["metadata"]["managedFields"].clone();
    entries[0]["manager"] = json!("alpha");
    entries[0]["operation"] = json!("Apply");
    let edit = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version(&created)},
    ]);
    let edit: Patch<Value> = Patch::Json(serde_json::from_value(edit).unwrap());
    let how = PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() };
    let edited = maps.patch("a", &how, edit.clone()).await.unwrap();
    let owned = json!({"f:data": {".": {}, "f:x": {}, "f:y": {}}});
    assert_eq!(managers(&edited), [("alpha Apply".to_owned(), owned)]);
    assert_eq!(maps.patch("a", &how, edit).await.unwrap_err().code, 409, "the version is a precondition");
    let applied = maps.apply("a", "alpha", json!({"data": {"x": "2"}})).await.unwrap();
    assert_eq!(applied["data"], json!({"x": "2"}), "what it was given it can change and drop");
}

pub(crate) async fn kubectl_takes_over_what_it_applied_before(fixture: Fixture) {
    let maps = fixture.config_maps();
    let last = maps.named("a", json!({"data": {"x": "1", "y": "1"}})).to_string();
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let content = json!({"metadata": {"annotations": annotations}, "data": {"x": "1", "y": "1"}});
    maps.create("kubectl-client-side-apply", "a", content).await.unwrap();
    let wanted = json!({"data": {"x": "2", "y": "1"}});
    assert_eq!(maps.apply("a", "other", wanted.clone()).await.unwrap_err().code, 409);
    let taken = maps.apply("a", "kubectl", wanted).await.unwrap();
    assert_eq!(taken["data"]["x"], "2", "what it set itself is no conflict");
    let written = taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str();
    let written: Value = serde_json::from_str(written.unwrap()).unwrap();
    assert_eq!(written["data"]["x"], "2", "and the annotation follows");
    maps.merge("a", "someone", json!({"data": {"y": "9"}})).await.unwrap();
    let refused = maps.apply("a", "kubectl", json!({"data": {"x": "2", "y": "1"}})).await.unwrap_err();
    // Servers of 1.20 name the client-side manager as well: it still owns the map, which they
    // take for one that used to be atomic.
    assert!(causes(&refused).contains(&".data.y: conflict with \"someone\" using v1".to_owned()), "{refused:?}");
}

pub(crate) async fn an_empty_apply_gives_everything_up(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.apply("a", "alpha", json!({"metadata": {"labels": {"l": "1"}}, "data": {"x": "1"}})).await.unwrap();
    maps.apply("a", "beta", json!({"data": {"y": "1"}})).await.unwrap();
    let given_up = maps.apply("a", "alpha", json!({})).await.unwrap();
    assert_eq!(given_up["data"], json!({"y": "1"}));
    let names: Vec<_> = managers(&given_up).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["beta Apply"]);
}

pub(crate) async fn an_apply_must_be_well_formed(fixture: Fixture) {
    let maps = fixture.config_maps();
    let how = PatchParams::apply("alpha");
    let other = maps.named("b", json!({"data": {}}));
    let refused = maps.patch("a", &how, Patch::Apply(other)).await.unwrap_err();
    assert_eq!(refused.message, "the name of the object (b) does not match the name on the URL (a)");
    let managed = json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Apply"}]}});
    assert_eq!(maps.apply("a", "alpha", managed).await.unwrap_err().message, "metadata.managedFields must be nil");
    maps.apply("a", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"x": "2"}});
    assert_eq!(maps.apply("a", "alpha", stale).await.unwrap_err().code, 409);
    let refused = maps.apply("a", "alpha", json!({"data": {"x": 1}})).await.unwrap_err();
    assert!(refused.message.contains(".data.x: expected string"), "{}", refused.message);
}
