//! A drop-in for the `kustomize` command: `build`, `edit`, `create` and `version`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a program, not a library")]

mod args;
mod build;
mod create;
mod edit;
mod fix;
mod paths;
mod programs;
mod remote;

use std::process::ExitCode;

/// A short build spends much of its time on memory that it touches for the
/// first time; this one asks the kernel for huge pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Manages declarative configuration of Kubernetes.

Usage:
  kustomize build [DIR]     print the resources of a kustomization
  kustomize edit            change the kustomization file of the working directory
  kustomize create          make a kustomization in the working directory
  kustomize version
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = args.split_first().map_or(("help", &args[..]), |(command, rest)| (command.as_str(), rest));
    let result = match command {
        "build" => build::run(rest),
        "edit" => edit::run(rest),
        "create" | "init" => create::run(rest),
        "version" => {
            println!("v5.8.1");
            Ok(())
        }
        "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => Err(format!("unknown command \"{unknown}\" for \"kustomize\"").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&*error);
            ExitCode::FAILURE
        }
    }
}

/// One line for the error, and one for each cause below it.
fn report(error: &dyn std::error::Error) {
    eprintln!("Error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  {error}");
        cause = error.source();
    }
}
