//! The engine on the embedded API server.

mod apply;
mod hooks;
mod model;
mod owners;
mod plans;
mod prune;
mod world;
