//! What only the embedded server has: faults, scripts, counters, legacy APIs; and what a client
//! of any server meets only after a while: bookmarks, expiry, streamed lists.

#![cfg(feature = "embedded")]

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use gitops_sync::embedded::{Behaviour, ControllerOptions, EmbeddedCluster, EmbeddedOptions, Fault, FaultRule};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, Config};
use serde_json::{Value, json};

fn config_maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

async fn apply_map(client: &Client, name: &str, value: &str) -> kube::Result<ConfigMap> {
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"i": value}});
    config_maps(client).patch(name, &PatchParams::apply("test"), &Patch::Apply(&wanted)).await
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "i:1"}]}}}})
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "it never came to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn http_and_the_direct_client_see_the_same_cluster() {
    let cluster = EmbeddedCluster::new();
    let listener = cluster.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let remote = Client::try_from(Config::new(listener.url().parse().unwrap())).unwrap();
    apply_map(&remote, "a", "1").await.unwrap();
    let found = config_maps(&cluster.client()).get("a").await.unwrap();
    assert_eq!(found.data.unwrap()["i"], "1");
    let address = listener.address();
    drop(listener);
    until(async || tokio::net::TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn discovery_finds_what_is_served() {
    let cluster = EmbeddedCluster::new();
    let discovery = kube::Discovery::new(cluster.client()).run_aggregated().await.unwrap();
    let apps = discovery.get("apps").expect("the group");
    let names: Vec<_> = apps.recommended_resources().into_iter().map(|(resource, _)| resource.plural).collect();
    assert!(names.contains(&"deployments".to_owned()), "{names:?}");
    let legacy = kube::Discovery::new(cluster.client()).run().await.unwrap();
    assert!(legacy.has_group("apps") && !legacy.has_group("extensions"));
}

#[tokio::test]
async fn requests_are_counted() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    let before = cluster.requests();
    apply_map(&client, "a", "1").await.unwrap();
    config_maps(&client).get("a").await.unwrap();
    let made = cluster.requests() - before;
    assert_eq!((made.writes, made.reads, made.total()), (1, 1, 2));
    let version = cluster.resource_version();
    apply_map(&client, "a", "1").await.unwrap();
    assert_eq!(cluster.resource_version(), version, "the same again writes nothing");
}

#[tokio::test]
async fn faults_strike_and_heal() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    cluster.inject(FaultRule::new(Fault::Refuse { code: 500 }).verb("PATCH").resource("configmaps").times(1));
    assert!(apply_map(&client, "a", "1").await.is_err());
    apply_map(&client, "a", "1").await.unwrap();
    let rule = cluster.inject(FaultRule::new(Fault::LoseAnswer { code: 504 }).name("a"));
    assert!(apply_map(&client, "a", "2").await.is_err());
    cluster.heal(rule);
    let found = config_maps(&client).get("a").await.unwrap();
    assert_eq!(found.data.unwrap()["i"], "2", "the answer was lost, the write was not");
    cluster.inject(FaultRule::new(Fault::Hang).verb("GET"));
    let hangs = tokio::time::timeout(Duration::from_millis(50), config_maps(&client).get("a")).await;
    assert!(hangs.is_err());
    cluster.heal_all();
    config_maps(&client).get("a").await.unwrap();
}

#[tokio::test]
async fn a_watch_that_drops_can_resume_until_history_is_gone() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    let version = cluster.resource_version().to_string();
    for n in 0..3 {
        apply_map(&client, &format!("c{n}"), "1").await.unwrap();
    }
    let rule = cluster.inject(FaultRule::new(Fault::DropWatch { after: 1 }));
    let watch = |version: String| {
        let maps = config_maps(&client);
        async move {
            let events: Vec<_> = maps.watch(&WatchParams::default().timeout(1), &version).await?.collect().await;
            events.into_iter().collect::<kube::Result<Vec<WatchEvent<ConfigMap>>>>()
        }
    };
    let first = watch(version.clone()).await.unwrap();
    let [WatchEvent::Added(seen)] = &first[..] else { panic!("one event: {first:?}") };
    cluster.heal(rule);
    let rest = watch(seen.metadata.resource_version.clone().unwrap()).await.unwrap();
    assert_eq!(rest.len(), 2);
    cluster.compact();
    let expired = watch(version).await.unwrap();
    let [WatchEvent::Error(status)] = &expired[..] else { panic!("an error: {expired:?}") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn pages_of_a_list_expire_with_its_history() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    for n in 0..3 {
        apply_map(&client, &format!("c{n}"), "1").await.unwrap();
    }
    let page = config_maps(&client).list(&ListParams::default().limit(2)).await.unwrap();
    let token = page.metadata.continue_.unwrap();
    apply_map(&client, "late", "1").await.unwrap();
    cluster.compact();
    let refused = config_maps(&client).list(&ListParams::default().limit(2).continue_token(&token)).await;
    let Err(kube::Error::Api(status)) = refused else { panic!("refused: {refused:?}") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn a_streamed_list_ends_with_a_mark() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    apply_map(&client, "a", "1").await.unwrap();
    let how = WatchParams::default().initial_events().timeout(1);
    let stream = config_maps(&client).watch(&how, "0").await.unwrap();
    let events: Vec<WatchEvent<ConfigMap>> = stream.try_collect().await.unwrap();
    let [WatchEvent::Added(_), WatchEvent::Bookmark(mark)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(mark.metadata.annotations["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn rollouts_succeed_stall_and_fail_by_script() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    let controllers = cluster.start_controllers(&ControllerOptions::new().step(Duration::from_millis(1)));
    controllers.script("Deployment", "stuck", Behaviour::Stall);
    controllers.script("Job", "broken", Behaviour::Fail);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    for name in ["fine", "stuck"] {
        deployments.patch(name, &PatchParams::apply("test"), &Patch::Apply(deployment(name))).await.unwrap();
    }
    let ready = async |name: &str| {
        let status = deployments.get(name).await.unwrap().status.unwrap_or_default();
        status.observed_generation == Some(1) && status.available_replicas == Some(2)
    };
    until(async || ready("fine").await).await;
    assert!(!ready("stuck").await);
    controllers.script("Deployment", "stuck", Behaviour::Succeed);
    until(async || ready("stuck").await).await;
    let jobs: Api<Job> = Api::namespaced(client.clone(), "default");
    for name in ["works", "broken"] {
        let job: Job = serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "i:1"}]}}}}))
        .unwrap();
        jobs.create(&PostParams::default(), &job).await.unwrap();
    }
    let ended = async |name: &str, with: &str| {
        let conditions = jobs.get(name).await.unwrap().status.and_then(|status| status.conditions);
        conditions.unwrap_or_default().iter().any(|condition| condition.type_ == with && condition.status == "True")
    };
    until(async || ended("works", "Complete").await && ended("broken", "Failed").await).await;
}

/// One Ingress at two versions: each manager's fields are known at the version it wrote.
#[tokio::test]
async fn versions_of_a_kind_share_objects_and_managers() {
    let cluster = EmbeddedCluster::with_options(&EmbeddedOptions::new().legacy_apis(true));
    let ingresses = |version: &str, group: &str| -> Api<DynamicObject> {
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: format!("{group}/{version}"),
            kind: "Ingress".into(),
            plural: "ingresses".into(),
        };
        Api::namespaced_with(cluster.client(), "default", &resource)
    };
    let (legacy, current) = (ingresses("v1beta1", "extensions"), ingresses("v1", "networking.k8s.io"));
    let old = json!({"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [
            {"path": "/", "backend": {"serviceName": "web", "servicePort": 80}}]}}]}});
    legacy.patch("web", &PatchParams::apply("old"), &Patch::Apply(&old)).await.unwrap();
    let seen = current.get("web").await.unwrap();
    let path = &seen.data["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"], json!({"service": {"name": "web", "port": {"number": 80}}}));
    assert_eq!(path["pathType"], "ImplementationSpecific");
    let new = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "b.example.com"}]}});
    let Err(kube::Error::Api(status)) = current.patch("web", &PatchParams::apply("new"), &Patch::Apply(&new)).await
    else {
        panic!("a conflict")
    };
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"old\": .spec.rules");
    let forced = current.patch("web", &PatchParams::apply("new").force(), &Patch::Apply(&new)).await.unwrap();
    let managers: Vec<_> =
        forced.metadata.managed_fields.unwrap().into_iter().map(|entry| (entry.manager, entry.api_version)).collect();
    assert_eq!(managers, [(Some("new".to_owned()), Some("networking.k8s.io/v1".to_owned()))]);
}

#[tokio::test]
async fn unknown_fields_are_warned_of_or_refused() {
    let cluster = EmbeddedCluster::new();
    let client = cluster.client();
    let send = async |validation: &str| {
        let body = json!({"metadata": {"generateName": "a-"}, "dada": {"x": "1"}}).to_string();
        let uri = format!("/api/v1/namespaces/default/configmaps?fieldValidation={validation}");
        let request = http::Request::post(uri).body(body.into_bytes()).unwrap();
        client.request_text(request).await
    };
    assert!(send("Warn").await.is_ok());
    let Err(kube::Error::Api(status)) = send("Strict").await else { panic!("refused") };
    assert!(status.message.ends_with("strict decoding error: unknown field \"dada\""), "{}", status.message);
}
