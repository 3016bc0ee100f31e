//! The whole story in one run: CI pushes image tags, a controller rolls them out.
//!
//!     cargo run --example pipeline [-- --kubeconfig FILE [--context C]] [--serve]
//!
//! In a temporary folder it makes a bare repository with a base and two
//! overlays, sets image tags as CI would, and runs a controller that polls the
//! branch, renders the overlay straight from the Git objects and syncs it to
//! an API server in this process, or to the cluster of a kubeconfig.
//!
//! Exit status: 0 if everything went as it should.

mod ci;
mod cluster;
mod controller;
mod nodes;
mod repository;
mod screen;
mod story;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

type AnyError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
Usage: pipeline [--kubeconfig FILE [--context C]] [--serve]

  --kubeconfig FILE  use this cluster instead of the API server in the process
  --context C        this context of it
  --serve            keep the API server in the process up at the end, for kubectl";

#[derive(Default)]
struct Arguments {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    serve: bool,
}

impl Arguments {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut parsed = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--kubeconfig" => parsed.kubeconfig = Some(value()?.into()),
                "--context" => parsed.context = Some(value()?),
                "--serve" => parsed.serve = true,
                "-h" | "--help" => return Ok(None),
                _ => return Err(format!("{arg} is not an option")),
            }
        }
        match (&parsed.kubeconfig, parsed.serve) {
            (Some(_), true) => Err("--serve is for the API server in the process, not for --kubeconfig".to_owned()),
            _ => Ok(Some(parsed)),
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("pipeline: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads");
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nNot as it should be: {}", screen::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), AnyError> {
    let cluster = match &arguments.kubeconfig {
        Some(file) => cluster::from_kubeconfig(file, arguments.context.as_deref()).await?,
        None => cluster::embedded(),
    };
    story::tell(&cluster).await?;
    if arguments.serve {
        cluster.serve_until_interrupted().await?;
    }
    Ok(())
}
