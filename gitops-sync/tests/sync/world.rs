//! A cluster to sync to, and manifests to sync.

use std::time::Duration;

use gitops_sync::embedded::{ControllerOptions, Controllers, EmbeddedCluster, EmbeddedOptions};
use gitops_sync::{
    Action, Cluster, ClusterOptions, ConflictPolicy, Manifest, Owner, Plan, PrunePolicy, Report, ResourceReport,
    SyncOptions, plan, sync,
};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) embedded: EmbeddedCluster,
    pub(crate) cluster: Cluster,
    pub(crate) controllers: Controllers,
    pub(crate) options: SyncOptions,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ClusterOptions::default())
    }

    pub(crate) fn with(options: ClusterOptions) -> Self {
        let embedded = EmbeddedCluster::with_options(&EmbeddedOptions::new());
        let controllers = embedded.start_controllers(&ControllerOptions::new().step(Duration::from_millis(5)));
        let cluster = Cluster::with_options(embedded.client(), options.retry_for(Duration::from_secs(10)));
        let options = SyncOptions::new("us")
            .namespace("app")
            .owner(Owner::tracking_id("app", "app"))
            .conflicts(ConflictPolicy::TakeOver)
            .prune(PrunePolicy::enabled())
            .timeout(Duration::from_secs(10));
        Self { embedded, cluster, controllers, options }
    }

    pub(crate) async fn sync(&self, manifests: &[Value]) -> Report {
        let report = self.try_sync(manifests).await;
        assert!(report.succeeded(), "{:#?}", report.failed().collect::<Vec<_>>());
        report
    }

    pub(crate) async fn try_sync(&self, manifests: &[Value]) -> Report {
        sync(&self.cluster, parse(manifests), &self.options).await.unwrap()
    }

    pub(crate) async fn plan(&self, manifests: &[Value]) -> Plan {
        plan(&self.cluster, parse(manifests), &self.options).await.unwrap()
    }

    /// The plan as a user reads it: everything but what is kept.
    pub(crate) async fn planned(&self, manifests: &[Value]) -> Vec<String> {
        let plan = self.plan(manifests).await;
        let steps = plan.steps.iter().filter(|step| step.action != Action::Keep);
        steps.map(|step| format!("{} {}: {}", step.action, step.id, step.reason())).collect()
    }

    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version, kind) = match kind.split('/').collect::<Vec<_>>()[..] {
            [group, kind] => (group, "v1", kind),
            _ => ("", "v1", kind),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match kind {
            "Namespace" | "CustomResourceDefinition" => Api::all_with(self.embedded.client(), &resource),
            _ => Api::namespaced_with(self.embedded.client(), "app", &resource),
        }
    }

    pub(crate) async fn live(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await.unwrap();
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    /// Somebody else changes something by hand.
    pub(crate) async fn change(&self, kind: &str, name: &str, manager: &str, patch: Value) {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.api(kind).patch(name, &params, &Patch::Merge(&patch)).await.unwrap();
    }

    /// Somebody else creates something.
    pub(crate) async fn create(&self, kind: &str, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let params = PostParams { field_manager: Some("somebody".to_owned()), ..PostParams::default() };
        self.api(kind).create(&params, &object).await.unwrap();
    }
}

pub(crate) fn parse(manifests: &[Value]) -> Vec<Manifest> {
    manifests.iter().map(|manifest| Manifest::new(manifest.clone()).unwrap()).collect()
}

pub(crate) fn outcome<'a>(report: &'a Report, name: &str) -> &'a ResourceReport {
    report.resources.iter().find(|resource| resource.id.name == name).unwrap()
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

pub(crate) fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]},
            },
        },
    })
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

pub(crate) fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "job:1"}]}}},
    })
}

pub(crate) fn annotated(mut manifest: Value, key: &str, value: &str) -> Value {
    manifest["metadata"]["annotations"][key] = value.into();
    manifest
}
