//! The server on a loopback port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::server::Server;
use super::service::serve;

/// A listener; dropping it closes the port and every connection.
#[derive(Debug)]
#[must_use = "dropping it closes the port"]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn bind(server: Arc<Server>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, server));
        Ok(Self { address, task })
    }

    /// The address in use; the port is a free one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `kubectl --server` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    // Connections end with the listener, as the set aborts them when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // A connection that broke before it was accepted concerns nobody else.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let server = server.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| serve(server.clone(), request));
            // Errors are the client's: it hung up or sent no HTTP.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
