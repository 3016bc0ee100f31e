//! Plays the nodes and the ingress controller of a cluster that has none, by
//! writing the status that they would write.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const NAMESPACE: &str = "airflow";

/// Runs until it is dropped.
pub struct Nodes(JoinHandle<()>);

impl Drop for Nodes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Nodes {
    pub async fn play_if_missing(client: &Client) -> kube::Result<Option<Self>> {
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default().limit(1)).await?;
        Ok(nodes.items.is_empty().then(|| Self(tokio::spawn(play(client.clone())))))
    }
}

async fn play(client: Client) {
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // What cannot be written now is written the next time round.
        let _ = start_pods(&client).await;
        let _ = complete_deployments(&client).await;
        let _ = publish_ingresses(&client).await;
    }
}

/// With kube-controller-manager there are Pods; all they lack is a node.
async fn start_pods(client: &Client) -> kube::Result<()> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    for pod in pods.list(&ListParams::default()).await? {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if phase != Some("Running") {
            let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": null});
            let status = json!({"status": {"phase": "Running", "conditions": [ready]}});
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        }
    }
    Ok(())
}

/// Without it nobody observes a Deployment.
async fn complete_deployments(client: &Client) -> kube::Result<()> {
    let sets = kube::Api::<k8s_openapi::api::apps::v1::ReplicaSet>::namespaced(client.clone(), NAMESPACE);
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    if !sets.list(&ListParams::default().limit(1)).await?.items.is_empty() {
        return Ok(());
    }
    for deployment in deployments.list(&ListParams::default()).await? {
        let replicas = deployment.spec.replicas.unwrap_or(1);
        let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
        if observed != deployment.metadata.generation {
            let status = json!({"status": {
                "observedGeneration": deployment.metadata.generation, "replicas": replicas,
                "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
                "conditions": [{"type": "Available", "status": "True"}],
            }});
            deployments.patch_status(&deployment.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        }
    }
    Ok(())
}

async fn publish_ingresses(client: &Client) -> kube::Result<()> {
    let kind = GroupVersionKind::gvk("extensions", "v1beta1", "Ingress");
    let resource = ApiResource::from_gvk_with_plural(&kind, "ingresses");
    let ingresses = Api::<DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &resource);
    for ingress in ingresses.list(&ListParams::default()).await? {
        if ingress.data.pointer("/status/loadBalancer/ingress").is_none_or(Value::is_null) {
            let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
            ingresses.patch_status(&ingress.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        }
    }
    Ok(())
}

/// The namespace that the application expects to be there.
pub async fn create_namespace(client: &Client) -> kube::Result<()> {
    use k8s_openapi::api::core::v1::Namespace;
    let namespaces = Api::<Namespace>::all(client.clone());
    if namespaces.get_opt(NAMESPACE).await?.is_none() {
        let metadata = ObjectMeta { name: Some(NAMESPACE.to_owned()), ..ObjectMeta::default() };
        namespaces.create(&Default::default(), &Namespace { metadata, ..Namespace::default() }).await?;
    }
    Ok(())
}
