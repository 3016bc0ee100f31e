//! Serves an embedded API server until it is interrupted.
//!
//! ```text
//! cargo run -p gitops-sync --features embedded --example api_server -- [--legacy-apis] [--controllers] [ADDRESS]
//! kubectl --server http://127.0.0.1:8001 get namespaces
//! ```

use std::net::SocketAddr;

use gitops_sync::embedded::{ControllerOptions, EmbeddedCluster, EmbeddedOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = EmbeddedOptions::new();
    let mut controlled = false;
    let mut address: SocketAddr = ([127, 0, 0, 1], 8001).into();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--controllers" => controlled = true,
            "--legacy-apis" => options = options.legacy_apis(true),
            text => address = text.parse()?,
        }
    }
    let cluster = EmbeddedCluster::with_options(&options);
    let _controllers = controlled.then(|| cluster.start_controllers(&ControllerOptions::new()));
    let listener = cluster.serve(address).await?;
    #[allow(clippy::print_stdout, reason = "this is a program")]
    {
        println!("serving on {}; try: kubectl --server {} get namespaces", listener.url(), listener.url());
    }
    std::future::pending::<()>().await;
    Ok(())
}
