use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use tower::{BoxError, ServiceBuilder};

use super::{Cluster, ClusterOptions};

/// Why no connection can be made as a configuration says: a certificate
/// that does not parse, for instance.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the cluster as the configuration says")]
#[non_exhaustive]
pub struct ConnectError {
    /// What is wrong with it.
    #[source]
    pub source: Box<kube::Error>,
}

impl From<kube::Error> for ConnectError {
    fn from(source: kube::Error) -> Self {
        Self { source: Box::new(source) }
    }
}

impl Cluster {
    /// The cluster that `config` leads to.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use gitops_sync::{Cluster, ClusterOptions};
    ///
    /// let cluster = Cluster::connect(kube::Config::infer().await?, ClusterOptions::default())?;
    /// # let _ = cluster;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// In contrast to `kube::Client::try_from`, the client has no retries of
    /// its own, and sends what it has at once: otherwise every new
    /// connection waits about 40 ms for the server to acknowledge the
    /// handshake. With a proxy or an exec plugin in the configuration the
    /// connections are kube's own.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid. Nothing is sent yet.
    pub fn connect(mut config: kube::Config, options: ClusterOptions) -> Result<Self, ConnectError> {
        config.default_retry = false;
        let is_plain = config.proxy_url.is_none() && config.auth_info.exec.is_none();
        let client = if is_plain { plain_client(&config)? } else { kube::Client::try_from(config)? };
        Ok(Self::with_options(client, options))
    }
}

fn plain_client(config: &kube::Config) -> Result<kube::Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(HttpClient::builder(TokioExecutor::new()).build(connector));
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}
