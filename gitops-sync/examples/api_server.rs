//! Serves an embedded API server until it is interrupted.
//!
//! ```text
//! cargo run -p gitops-sync --features embedded --example api_server -- [--legacy-apis] [ADDRESS]
//! kubectl --server http://127.0.0.1:8001 get namespaces
//! ```

use std::net::SocketAddr;

use gitops_sync::embedded::{EmbeddedCluster, EmbeddedOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = EmbeddedOptions::new();
    let mut address: SocketAddr = ([127, 0, 0, 1], 8001).into();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--legacy-apis" => options = options.legacy_apis(true),
            text => address = text.parse()?,
        }
    }
    let listener = EmbeddedCluster::with_options(&options).serve(address).await?;
    #[allow(clippy::print_stdout, reason = "this is a program")]
    {
        println!("serving on {}; try: kubectl --server {} get namespaces", listener.url(), listener.url());
    }
    std::future::pending::<()>().await;
    Ok(())
}
