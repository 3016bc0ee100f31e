//! Where the application goes: an API server in this process, or a real one.

use std::path::Path;
use std::time::Duration;

use gitops_sync::embedded::{ControllerOptions, Controllers, EmbeddedCluster, EmbeddedOptions};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use crate::AnyError;
use crate::nodes::Nodes;

pub struct Target {
    pub client: kube::Client,
    /// As a person would call it.
    pub name: String,
    kind: Kind,
}

enum Kind {
    Embedded { server: EmbeddedCluster, _controllers: Controllers },
    Real { _nodes: Option<Nodes> },
}

/// An API server in this process, with controllers that make progress one can watch.
pub fn embedded() -> Target {
    let server = EmbeddedCluster::with_options(&EmbeddedOptions::new().legacy_apis(true));
    let controllers = server.start_controllers(&ControllerOptions::new().step(Duration::from_millis(150)));
    let client = server.client();
    Target {
        client,
        name: "an API server in this process".to_owned(),
        kind: Kind::Embedded { server, _controllers: controllers },
    }
}

/// The cluster of a kubeconfig. One without nodes, such as a lone
/// kube-apiserver, runs nothing; then the part of the nodes is played here.
pub async fn from_kubeconfig(file: &Path, context: Option<&str>) -> Result<Target, AnyError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?;
    let url = config.cluster_url.to_string();
    let client = kube::Client::try_from(config)?;
    let version = client.apiserver_version().await?.git_version;
    let nodes = Nodes::play_if_missing(&client).await?;
    let played = if nodes.is_some() { "; it has no nodes, so their part is played here" } else { "" };
    Ok(Target { client, name: format!("{url} ({version}{played})"), kind: Kind::Real { _nodes: nodes } })
}

impl Target {
    pub async fn serve_until_interrupted(&self) -> Result<(), AnyError> {
        let Kind::Embedded { server, .. } = &self.kind else { return Ok(()) };
        let listener = server.serve("127.0.0.1:0".parse()?).await?;
        println!("\nThe API server stays up until you press Ctrl-C. To look around:\n");
        println!("    kubectl --server {} --namespace airflow get deployments,services,ingresses\n", listener.url());
        Ok(tokio::signal::ctrl_c().await?)
    }
}
