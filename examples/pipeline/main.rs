//! The whole scenario in a temporary folder; being built.

fn main() {}
