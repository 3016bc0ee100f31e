//! How lists merge.

use serde_json::{Value, json};

use crate::fixture::{Fixture, causes, managers};

fn deployment(containers: Value) -> Value {
    json!({"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "w"}},
                    "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": containers}}}})
}

fn only_containers(containers: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

fn containers(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"]
}

fn container<'a>(object: &'a Value, name: &str) -> &'a Value {
    containers(object).as_array().unwrap().iter().find(|found| found["name"] == name).unwrap_or(&Value::Null)
}

fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<_> = list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

pub(crate) async fn items_of_a_list_map_belong_to_their_managers(fixture: Fixture) {
    let deployments = fixture.deployments();
    let main =
        json!([{"name": "main", "image": "i:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]);
    deployments.apply("w", "alpha", deployment(main)).await.unwrap();
    let side = json!([{"name": "side", "image": "s:1"}, {"name": "main", "env": [{"name": "C", "value": "3"}]}]);
    let both = deployments.apply("w", "beta", only_containers(side)).await.unwrap();
    assert_eq!(names(containers(&both)), ["main", "side"]);
    assert_eq!(names(&container(&both, "main")["env"]), ["A", "B", "C"]);
    let owned = &managers(&both)[1].1["f:spec"]["f:template"]["f:spec"]["f:containers"];
    assert_eq!(
        *owned,
        json!({
            "k:{\"name\":\"main\"}": {".": {}, "f:name": {},
                "f:env": {"k:{\"name\":\"C\"}": {".": {}, "f:name": {}, "f:value": {}}}},
            "k:{\"name\":\"side\"}": {".": {}, "f:image": {}, "f:name": {}},
        })
    );
    let conflicting = json!([{"name": "main", "env": [{"name": "A", "value": "other"}]}]);
    let refused = deployments.apply("w", "gamma", only_containers(conflicting)).await.unwrap_err();
    let field = ".spec.template.spec.containers[name=\"main\"].env[name=\"A\"].value";
    assert_eq!(causes(&refused), [format!("{field}: conflict with \"alpha\"")]);
    let fewer = json!([{"name": "main", "image": "i:2", "env": [{"name": "A", "value": "1"}]}]);
    let after = deployments.apply("w", "alpha", deployment(fewer)).await.unwrap();
    assert_eq!(names(&container(&after, "main")["env"]), ["A", "C"]);
    let none = json!([{"name": "main", "env": [{"name": "C", "value": "3"}]}]);
    let after = deployments.apply("w", "beta", only_containers(none)).await.unwrap();
    assert_eq!(names(containers(&after)), ["main"]);
}

pub(crate) async fn sets_are_shared(fixture: Fixture) {
    let maps = fixture.config_maps();
    let held = |finalizer: &str| json!({"metadata": {"finalizers": [finalizer]}});
    maps.apply("f", "alpha", held("example.com/a")).await.unwrap();
    let both = maps.apply("f", "beta", held("example.com/b")).await.unwrap();
    assert_eq!(both["metadata"]["finalizers"], json!(["example.com/a", "example.com/b"]));
    let owned = json!({"f:metadata": {"f:finalizers": {"v:\"example.com/b\"": {}}}});
    assert_eq!(managers(&both)[1].1, owned);
    let one = maps.apply("f", "alpha", json!({"data": {"x": "1"}})).await.unwrap();
    assert_eq!(one["metadata"]["finalizers"], json!(["example.com/b"]));
    maps.merge("f", "end", json!({"metadata": {"finalizers": null}})).await.unwrap();
}

pub(crate) async fn atomic_lists_conflict_as_a_whole(fixture: Fixture) {
    let deployments = fixture.deployments();
    let main = json!([{"name": "main", "image": "i:1", "args": ["a", "b"]}]);
    deployments.apply("w", "alpha", deployment(main)).await.unwrap();
    let other = only_containers(json!([{"name": "main", "args": ["c"]}]));
    let refused = deployments.apply("w", "beta", other.clone()).await.unwrap_err();
    assert_eq!(causes(&refused), [".spec.template.spec.containers[name=\"main\"].args: conflict with \"alpha\""]);
    let taken = deployments.force("w", "beta", other).await.unwrap();
    assert_eq!(container(&taken, "main")["args"], json!(["c"]));
}

pub(crate) async fn ports_are_told_apart_by_two_keys(fixture: Fixture) {
    let deployments = fixture.deployments();
    let port = |protocol: &str, name: &str| json!([{"containerPort": 80, "protocol": protocol, "name": name}]);
    let main = json!([{"name": "main", "image": "i:1", "ports": port("TCP", "t")}]);
    deployments.apply("w", "alpha", deployment(main)).await.unwrap();
    let udp = only_containers(json!([{"name": "main", "ports": port("UDP", "u")}]));
    let both = deployments.apply("w", "beta", udp).await.unwrap();
    assert_eq!(names(&container(&both, "main")["ports"]), ["t", "u"]);
}

pub(crate) async fn what_nobody_wants_returns_to_its_default(fixture: Fixture) {
    let deployments = fixture.deployments();
    let mut wanted = deployment(json!([{"name": "main", "image": "i:1"}]));
    let applied = deployments.apply("w", "alpha", wanted.clone()).await.unwrap();
    assert_eq!(applied["spec"]["replicas"], 2);
    assert_eq!(container(&applied, "main")["imagePullPolicy"], "IfNotPresent");
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    let released = deployments.apply("w", "alpha", wanted).await.unwrap();
    assert_eq!(released["spec"]["replicas"], 1);
}

pub(crate) async fn duplicate_keys_are_refused(fixture: Fixture) {
    let deployments = fixture.deployments();
    let twice = json!([{"name": "D", "value": "3"}, {"name": "D", "value": "4"}]);
    let main = json!([{"name": "main", "image": "i:1", "env": twice}]);
    let refused = deployments.apply("w", "alpha", deployment(main)).await.unwrap_err();
    assert_eq!(refused.code, 500);
    let expected = ".spec.template.spec.containers[name=\"main\"].env: duplicate entries for key [name=\"D\"]";
    assert!(refused.message.ends_with(expected), "{}", refused.message);
}

pub(crate) async fn unknown_fields_are_refused(fixture: Fixture) {
    let refused = fixture.deployments().apply("w", "alpha", json!({"spec": {"nonsense": 1}})).await.unwrap_err();
    assert_eq!(refused.code, 500);
    assert!(refused.message.ends_with(".spec.nonsense: field not declared in schema"), "{}", refused.message);
}
