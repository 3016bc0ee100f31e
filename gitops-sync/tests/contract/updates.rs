//! Everything that writes but apply.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::fixture::{Fixture, answer, causes};

pub(crate) async fn patches_of_all_kinds(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.create("poster", "a", json!({"data": {"x": "1", "y": "1"}})).await.unwrap();
    let merged = maps.merge("a", "m", json!({"data": {"x": "2", "y": null}})).await.unwrap();
    assert_eq!(merged["data"], json!({"x": "2"}));
    let json_patch = |operations| Patch::Json::<()>(serde_json::from_value(operations).unwrap());
    let replace =
        json!([{"op": "test", "path": "/data/x", "value": "2"}, {"op": "replace", "path": "/data/x", "value": "3"}]);
    let how = PatchParams::default();
    let replaced = answer(maps.0.patch("a", &how, &json_patch(replace)).await).unwrap();
    assert_eq!(replaced["data"]["x"], "3");
    let failing = json!([{"op": "test", "path": "/data/x", "value": "nope"}]);
    let refused = answer(maps.0.patch("a", &how, &json_patch(failing)).await).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    let deployments = fixture.deployments();
    let containers = json!([{"name": "main", "image": "i:1"}, {"name": "side", "image": "s:1"}]);
    let spec = json!({"selector": {"matchLabels": {"app": "w"}}, "template": {
        "metadata": {"labels": {"app": "w"}}, "spec": {"containers": containers}}});
    deployments.create("poster", "w", json!({"spec": spec})).await.unwrap();
    let strategic = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": "i:2"}, {"name": "side", "$patch": "delete"}]}}}});
    let patched = deployments.patch("w", &how, Patch::Strategic(strategic)).await.unwrap();
    let containers = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!((containers.as_array().unwrap().len(), containers[0]["image"].as_str()), (1, Some("i:2")));
    assert_eq!(maps.merge("none", "m", json!({})).await.unwrap_err().code, 404);
}

pub(crate) async fn a_stale_version_is_refused(fixture: Fixture) {
    let maps = fixture.config_maps();
    maps.create("poster", "a", json!({"data": {"x": "1"}})).await.unwrap();
    let mut seen: ConfigMap = maps.0.get("a").await.unwrap();
    maps.merge("a", "m", json!({"data": {"x": "2"}})).await.unwrap();
    seen.data.as_mut().unwrap().insert("x".into(), "3".into());
    let refused = answer(maps.0.replace("a", &PostParams::default(), &seen).await).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert!(refused.message.contains("the object has been modified"), "{}", refused.message);
    seen.metadata.resource_version = None;
    let replaced = answer(maps.0.replace("a", &PostParams::default(), &seen).await).unwrap();
    assert_eq!(replaced["data"]["x"], "3", "without a version the last one wins");
    assert_eq!(maps.create("poster", "a", json!({})).await.unwrap_err().reason, "AlreadyExists");
}

pub(crate) async fn immutable_fields_stay(fixture: Fixture) {
    let deployments = fixture.deployments();
    let wanted = |app: &str| {
        json!({"spec": {"selector": {"matchLabels": {"app": app}}, "template": {
            "metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "main", "image": "i:1"}]}}}})
    };
    deployments.apply("w", "alpha", wanted("w")).await.unwrap();
    let refused = deployments.apply("w", "alpha", wanted("other")).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    let [cause] = &causes(&refused)[..] else { panic!("one cause: {refused:?}") };
    assert!(cause.starts_with("spec.selector: ") && cause.ends_with("field is immutable"), "{cause}");
}
