//! The engine on the embedded API server.

mod apply;
#[path = "../support/faults.rs"]
mod faults;
mod faulty;
mod hooks;
mod model;
mod namespaces;
mod owners;
mod plans;
mod prune;
mod real;
#[path = "../support/real_cluster.rs"]
mod real_cluster;
mod record;
mod requests;
mod wait;
mod world;
