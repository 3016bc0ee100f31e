//! A namespace to work in, and the few calls that the cases are made of.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A client and a namespace of one's own.
pub(crate) struct Fixture {
    pub(crate) client: kube::Client,
    pub(crate) namespace: String,
}

impl Fixture {
    /// Creates the namespace, named for the case.
    pub(crate) async fn new(client: kube::Client, case: &str) -> Self {
        let namespace = case.replace('_', "-");
        let wanted = Namespace {
            metadata: ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &wanted).await.expect("the namespace is new");
        Self { client, namespace }
    }

    pub(crate) fn config_maps(&self) -> Objects<ConfigMap> {
        Objects(Api::namespaced(self.client.clone(), &self.namespace))
    }

    pub(crate) fn deployments(&self) -> Objects<Deployment> {
        Objects(Api::namespaced(self.client.clone(), &self.namespace))
    }
}

/// An `Api` whose calls speak JSON, so that cases read like the wire.
pub(crate) struct Objects<K>(pub(crate) Api<K>);

pub(crate) type Answer = Result<Value, Box<Status>>;

impl<K> Objects<K>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Serialize + kube::Resource,
    K: k8s_openapi::Resource,
{
    /// Adds what every object of the kind says of itself.
    pub(crate) fn named(&self, name: &str, mut content: Value) -> Value {
        content["apiVersion"] = json!(<K as k8s_openapi::Resource>::API_VERSION);
        content["kind"] = json!(<K as k8s_openapi::Resource>::KIND);
        content["metadata"]["name"] = json!(name);
        content
    }

    pub(crate) async fn apply(&self, name: &str, manager: &str, content: Value) -> Answer {
        self.patch(name, &PatchParams::apply(manager), Patch::Apply(self.named(name, content))).await
    }

    pub(crate) async fn force(&self, name: &str, manager: &str, content: Value) -> Answer {
        self.patch(name, &PatchParams::apply(manager).force(), Patch::Apply(self.named(name, content))).await
    }

    pub(crate) async fn merge(&self, name: &str, manager: &str, patch: Value) -> Answer {
        self.patch(
            name,
            &PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() },
            Patch::Merge(patch),
        )
        .await
    }

    pub(crate) async fn patch(&self, name: &str, how: &PatchParams, patch: Patch<Value>) -> Answer {
        answer(self.0.patch(name, how, &patch).await)
    }

    pub(crate) async fn create(&self, manager: &str, name: &str, content: Value) -> Answer {
        let object: K = serde_json::from_value(self.named(name, content)).expect("the content fits the kind");
        let how = PostParams { field_manager: Some(manager.into()), ..PostParams::default() };
        answer(self.0.create(&how, &object).await)
    }

    pub(crate) async fn get(&self, name: &str) -> Answer {
        answer(self.0.get(name).await)
    }
}

/// The object or the status; anything else is a failure of the test.
pub(crate) fn answer<T: Serialize>(result: kube::Result<T>) -> Answer {
    match result {
        Ok(object) => Ok(serde_json::to_value(object).expect("objects are JSON")),
        Err(kube::Error::Api(status)) => Err(status),
        Err(other) => panic!("no answer from the API server: {other:?}"),
    }
}

/// What each manager manages: `manager operation [subresource]` and its `fieldsV1`.
pub(crate) fn managers(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut managers: Vec<_> = entries
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or("").to_owned();
            (format!("{} {}", text("manager"), text("operation")), entry["fieldsV1"].clone())
        })
        .collect();
    managers.sort_by(|a, b| a.0.cmp(&b.0));
    managers
}

pub(crate) fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a stored object has a version").to_owned()
}

/// The causes of a refusal, as `field: message`.
pub(crate) fn causes(status: &Status) -> Vec<String> {
    let details = status.details.as_ref().expect("the refusal has details");
    details.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}
