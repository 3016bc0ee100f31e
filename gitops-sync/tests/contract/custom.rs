//! Custom resources.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, answer, causes, managers};

/// A definition for one case, so that cases do not meet.
struct Things {
    definitions: Api<CustomResourceDefinition>,
    name: String,
    things: Api<DynamicObject>,
    kind: ApiResource,
}

impl Things {
    async fn define(fixture: &Fixture, group: &str) -> Self {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "minimum": 1},
                "mode": {"type": "string", "default": "plain", "enum": ["plain", "fancy"]},
                "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": {
                        "name": {"type": "string"}, "value": {"type": "string"}}}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "string"}}}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
        let name = format!("things.{group}");
        let definition: CustomResourceDefinition = serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                     "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                                   "schema": {"openAPIV3Schema": schema}}]}}))
        .unwrap();
        let definitions: Api<CustomResourceDefinition> = Api::all(fixture.client.clone());
        definitions.create(&Default::default(), &definition).await.expect("the definition is new");
        let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", "Thing"), "things");
        let things = Api::namespaced_with(fixture.client.clone(), &fixture.namespace, &kind);
        let defined = Self { definitions, name, things, kind };
        defined.wait_until_served(true).await;
        defined
    }

    async fn wait_until_served(&self, wanted: bool) {
        for _ in 0..200 {
            let established = self.definitions.get(&self.name).await.is_ok_and(|found| {
                let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
                conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
            });
            if established == wanted && self.things.list(&Default::default()).await.is_ok() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} never got there", self.name);
    }

    async fn apply(&self, name: &str, manager: &str, spec: Value) -> Answer {
        let wanted =
            json!({"apiVersion": self.kind.api_version, "kind": "Thing", "metadata": {"name": name}, "spec": spec});
        answer(self.things.patch(name, &PatchParams::apply(manager), &Patch::Apply(wanted)).await)
    }

    async fn create(&self, name: &str, spec: Value) -> Answer {
        let mut object = DynamicObject::new(name, &self.kind);
        object.data = json!({"spec": spec});
        answer(self.things.create(&Default::default(), &object).await)
    }
}

pub(crate) async fn a_definition_is_served(fixture: Fixture) {
    let things = Things::define(&fixture, "served.example.com").await;
    let resources = fixture.client.list_api_group_resources("served.example.com/v1").await.unwrap();
    let names: Vec<_> = resources.resources.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["things", "things/status"]);
    things.create("t", json!({"size": 1})).await.unwrap();
    things.definitions.delete(&things.name, &DeleteParams::default()).await.unwrap();
    things.wait_until_served(false).await;
}

pub(crate) async fn custom_resources_are_pruned_defaulted_and_checked(fixture: Fixture) {
    let things = Things::define(&fixture, "checked.example.com").await;
    let pruned = things.create("p", json!({"size": 1, "nope": 1})).await.unwrap();
    assert_eq!(pruned["spec"], json!({"size": 1, "mode": "plain"}));
    let refused = things.create("u", json!({})).await.unwrap_err();
    assert_eq!(causes(&refused), ["spec.size: Required value"]);
    let refused = things.apply("t", "alpha", json!({"size": 0})).await.unwrap_err();
    let expected = "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1";
    assert_eq!(causes(&refused), [expected]);
    let refused = things.apply("t", "alpha", json!({"size": 1, "mode": "odd"})).await.unwrap_err();
    assert_eq!(causes(&refused), ["spec.mode: Unsupported value: \"odd\": supported values: \"plain\", \"fancy\""]);
    let refused = things.apply("t", "alpha", json!({"size": 1, "nope": 1})).await.unwrap_err();
    assert!(refused.message.ends_with(".spec.nope: field not declared in schema"), "{}", refused.message);
}

pub(crate) async fn custom_lists_merge_by_their_schema(fixture: Fixture) {
    let things = Things::define(&fixture, "merged.example.com").await;
    let item = |name: &str| json!([{"name": name, "value": "1"}]);
    let first = json!({"size": 1, "items": item("a"), "tags": ["x"], "plain": ["p"]});
    let applied = things.apply("t", "alpha", first).await.unwrap();
    let owned = json!({"f:spec": {"f:size": {}, "f:plain": {}, "f:tags": {"v:\"x\"": {}},
                       "f:items": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:value": {}}}}});
    assert_eq!(managers(&applied), [("alpha Apply".to_owned(), owned)]);
    let both = things.apply("t", "beta", json!({"size": 1, "items": item("b"), "tags": ["y"]})).await.unwrap();
    assert_eq!(both["spec"]["tags"], json!(["x", "y"]));
    assert_eq!(both["spec"]["items"].as_array().unwrap().len(), 2);
    assert_eq!(both["metadata"]["generation"], 2);
    let refused = things.apply("t", "beta", json!({"size": 1, "plain": ["q"]})).await.unwrap_err();
    assert_eq!(causes(&refused), [".spec.plain: conflict with \"alpha\""]);
    let status = Patch::Merge(json!({"status": {"ready": true}}));
    let written = answer(things.things.patch_status("t", &PatchParams::default(), &status).await).unwrap();
    assert_eq!(
        (written["status"]["ready"].as_bool(), written["metadata"]["generation"].as_i64()),
        (Some(true), Some(2))
    );
}
