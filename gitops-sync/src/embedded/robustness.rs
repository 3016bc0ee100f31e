//! No request makes the server panic, whatever is in it.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::request::ApiRequest;
use super::server::{Answer, Server};
use super::state::State;

/// Any JSON, small.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(1.5)),
        "[a-z$.]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("name|key|\\$patch|replicas", inner, 0..3)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

/// Objects that are right, to be damaged.
fn samples() -> Vec<(&'static str, Value)> {
    let pods = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
        "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}},
            "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "livenessProbe": {"httpGet": {"port": 80}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}]}});
    let workload = json!({"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": pods});
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 1}, "replicas": {"type": "integer"}}}}});
    vec![
        ("/api/v1/namespaces/default/configmaps", json!({"data": {"a": "b"}, "binaryData": {"c": "eA=="}})),
        ("/api/v1/namespaces/default/secrets", json!({"stringData": {"a": "b"}, "data": {"c": "eA=="}})),
        ("/api/v1/namespaces/default/services", json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}})),
        ("/api/v1/namespaces/default/pods", pods.clone()),
        ("/api/v1/namespaces", json!({"spec": {"finalizers": ["kubernetes"]}})),
        ("/apis/apps/v1/namespaces/default/deployments", json!({"spec": workload})),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            json!({"spec": {
            "selector": {"matchLabels": {"a": "b"}}, "template": pods, "volumeClaimTemplates": [{"metadata": {"name": "d"}}]}}),
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            json!({"spec": {"schedule": "* * * * *",
            "jobTemplate": {"spec": {"template": pods}}}}),
        ),
        (
            "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
            json!({"spec": {"maxReplicas": 2,
            "targetCPUUtilizationPercentage": 50}}),
        ),
        (
            "/apis/extensions/v1beta1/namespaces/default/ingresses",
            json!({"spec": {"rules": [{"http": {"paths": [
            {"backend": {"serviceName": "s", "servicePort": 80}}]}}]}}),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({"metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                    "additionalPrinterColumns": [{"name": "S", "type": "integer", "jsonPath": ".spec.size"}],
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas"}}}]}}),
        ),
        ("/apis/example.com/v1/namespaces/default/things", json!({"spec": {"size": 1, "replicas": 2}})),
    ]
}

/// Replaces a part of a value: steps choose the way down.
fn damage(value: &mut Value, steps: &[usize], with: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = step % map.len();
            if let Some((_, below)) = map.iter_mut().nth(at) {
                damage(below, rest, with);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            damage(&mut items[at], rest, with);
        }
        _ => *value = with.clone(),
    }
}

fn send(server: &Arc<Server>, method: &str, path: &str, content_type: &str, body: &Value) -> u16 {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")
        .body(())
        .expect("a valid request");
    let (parts, ()) = request.into_parts();
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    match server.answer(&ApiRequest::new(&parts, body), "localhost") {
        Answer::Document { code, .. } | Answer::Text { code, .. } => code,
        Answer::Events(_) => 200,
    }
}

const PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
];

fn is_handled(code: u16) -> bool {
    matches!(code, 200 | 201 | 400 | 403 | 404 | 405 | 409 | 415 | 422 | 500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn damaged_objects_are_refused_or_stored(
        steps in prop::collection::vec(0usize..8, 0..7),
        with in anything(),
        patch in anything(),
    ) {
        let server = Arc::new(Server::new(State::new(true, 100)));
        for (path, mut sample) in samples() {
            let kept = sample.clone();
            if sample["metadata"]["name"].is_null() {
                sample["metadata"]["name"] = json!("a");
            }
            let name = sample["metadata"]["name"].as_str().unwrap_or("a").to_owned();
            // A sound object first, so that there is something to change.
            let mut codes = vec![send(&server, "POST", path, "application/json", &sample)];
            damage(&mut sample, &steps, &with);
            codes.push(send(&server, "POST", path, "application/json", &sample));
            let one = format!("{path}/{name}");
            for way in ["", "/status", "/scale"] {
                codes.push(send(&server, "PUT", &format!("{one}{way}"), "application/json", &sample));
                for content_type in PATCHES {
                    let target = format!("{one}{way}?fieldManager=m&force=true");
                    codes.push(send(&server, "PATCH", &target, content_type, &sample));
                    codes.push(send(&server, "PATCH", &target, content_type, &patch));
                    let mut partial = kept.clone();
                    damage(&mut partial, &steps, &patch);
                    codes.push(send(&server, "PATCH", &target, content_type, &partial));
                }
                codes.push(send(&server, "GET", &format!("{one}{way}"), "", &Value::Null));
            }
            codes.push(send(&server, "GET", path, "", &Value::Null));
            codes.push(send(&server, "DELETE", &one, "application/json", &patch));
            prop_assert!(codes.iter().all(|code| is_handled(*code)), "{path}: {codes:?}");
        }
    }

    #[test]
    fn any_query_is_answered(labels in ".{0,8}", fields in ".{0,8}", token in "[A-Za-z0-9_=-]{0,12}", limit in any::<i8>()) {
        let server = Arc::new(Server::new(State::new(false, 100)));
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let path = format!(
            "/api/v1/namespaces?labelSelector={}&fieldSelector={}&continue={token}&limit={limit}",
            encode(&labels), encode(&fields),
        );
        let code = send(&server, "GET", &path, "", &Value::Null);
        prop_assert!(matches!(code, 200 | 400 | 410), "{code}");
    }
}
