//! Whole processes, side by side with the real kustomize: CPU time, wall time and peak memory.
//!
//! ```text
//! cargo bench --bench versus [-- FILTER]
//! ```
//!
//! `KUSTOMIZE` names the peer; without it the one on `PATH` is taken, and
//! without that ours is measured alone. Runs are interleaved, so that a noisy
//! machine is noisy for both, and each follows one of the same program that is
//! not measured, so that neither pays for what the other left in the
//! processor's caches. With `--cold` they strictly alternate. Prints a Markdown
//! table of medians and ratios.
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a program, not a library")]

#[allow(dead_code, reason = "not every bench measures every workload")]
mod workloads;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use workloads::Workload;

/// A peer that needs more CPU time for one run is not measured on this workload.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often ours is measured for each time that the peer is: a run of a few
/// milliseconds differs more from the next one.
const OURS: usize = 5;

#[derive(Clone, Copy)]
struct Usage {
    cpu: Duration,
    wall: Duration,
    /// In bytes.
    peak: u64,
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some(command) = args.strip_prefix(&["--measure".to_owned()]) {
        return measure_child(command);
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let is_cold = args.iter().any(|arg| arg == "--cold");
    let programs = Programs { ours: build_ours(), peer: find_peer(), is_cold };
    let temp = tempfile::tempdir().expect("temporary directory");
    println!("| workload | | CPU | wall | peak memory | CPU ratio | memory ratio |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for (index, (workload, rounds)) in workloads().into_iter().enumerate() {
        if filter.is_none_or(|filter| workload.name.contains(filter.as_str())) {
            let dir = temp.path().join(index.to_string());
            let root = workload.write(&dir);
            let root = root.to_string_lossy();
            programs.compare(&workload.name, None, rounds, &mut || vec!["build".into(), root.to_string()]);
        }
    }
    if filter.is_none_or(|filter| "edit set image".contains(filter.as_str())) {
        let root = workloads::scenario().write(&temp.path().join("edit"));
        // Another tag each time, so that each run has something to write.
        let mut runs = 0;
        let mut args = || {
            runs += 1;
            let image = format!("registry.example.com/inf/airflow/test/code:{runs}");
            ["edit", "set", "image", &image].map(str::to_owned).to_vec()
        };
        programs.compare("edit set image", Some(&root), 25, &mut args);
    }
}

/// Each with how often both are run.
fn workloads() -> Vec<(Workload, usize)> {
    vec![
        (workloads::scenario(), 25),
        (workloads::mixed(100, false), 5),
        (workloads::mixed(100, true), 5),
        (workloads::mixed(1_000, false), 3),
        (workloads::mixed(1_000, true), 3),
        (workloads::mixed(10_000, false), 3),
        (workloads::mixed(10_000, true), 3),
        (workloads::mixed(100_000, true), 1),
        (workloads::overlays(200), 3),
        (workloads::generators(1_000), 3),
        (workloads::definitions(), 3),
        (workloads::replacements(200, 1_000), 1),
    ]
}

struct Programs {
    ours: PathBuf,
    peer: Option<PathBuf>,
    /// Whether each run follows one of the other program.
    is_cold: bool,
}

impl Programs {
    /// Runs both in turn, each time with new arguments.
    fn compare(&self, name: &str, dir: Option<&Path>, rounds: usize, args: &mut dyn FnMut() -> Vec<String>) {
        let mut measure = |program: &Path| {
            if !self.is_cold {
                run(program, &args(), dir)?;
            }
            run(program, &args(), dir)
        };
        let (mut our_runs, mut peer_runs) = (Vec::new(), Vec::new());
        let mut peer = self.peer.as_deref();
        for _ in 0..rounds {
            our_runs.extend((0..if self.is_cold { 1 } else { OURS }).filter_map(|_| measure(&self.ours)));
            if let Some(program) = peer {
                match measure(program) {
                    Some(usage) => peer_runs.push(usage),
                    None => peer = None,
                }
            }
        }
        let Some(our) = median(&our_runs) else { return println!("| {name} | ours | failed | | | | |") };
        row(name, "ours", &our, None);
        match median(&peer_runs) {
            Some(peer) => row("", "kustomize", &peer, Some(&our)),
            None if self.peer.is_some() => println!("| | kustomize | more than {} s | | | | |", PATIENCE.as_secs()),
            None => {}
        }
    }
}

fn row(name: &str, who: &str, usage: &Usage, ours: Option<&Usage>) {
    let (cpu, memory) = ours.map_or_else(Default::default, |ours| {
        let cpu = usage.cpu.as_secs_f64() / ours.cpu.as_secs_f64().max(1e-6);
        (format!("{cpu:.0}"), format!("{:.1}", usage.peak as f64 / ours.peak as f64))
    });
    let (milliseconds, mebibytes) = (|time: Duration| time.as_secs_f64() * 1e3, usage.peak as f64 / f64::from(1 << 20));
    println!(
        "| {name} | {who} | {:.1} ms | {:.1} ms | {mebibytes:.1} MiB | {cpu} | {memory} |",
        milliseconds(usage.cpu),
        milliseconds(usage.wall)
    );
}

fn median(runs: &[Usage]) -> Option<Usage> {
    let of = |key: fn(&Usage) -> u128| {
        let mut values: Vec<u128> = runs.iter().map(key).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    let time = |nanoseconds: u128| Duration::from_nanos(nanoseconds as u64);
    Some(Usage {
        cpu: time(of(|run| run.cpu.as_nanos())?),
        wall: time(of(|run| run.wall.as_nanos())?),
        peak: of(|run| u128::from(run.peak))? as u64,
    })
}

/// Runs a program below a process of its own, whose only child it is: that
/// is how the kernel tells its CPU time and peak memory apart.
fn run(program: &Path, args: &[String], dir: Option<&Path>) -> Option<Usage> {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.arg("--measure").arg(program).args(args).stdin(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let output = command.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.lines().last()?.split(' ').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    Some(Usage { cpu: Duration::from_micros(next()?), wall: Duration::from_micros(next()?), peak: next()? })
}

fn measure_child(command: &[String]) {
    // The kernel ends a child that takes too long. To look again and again
    // whether it has ended would take the processor, and its caches, from it.
    let limit = PATIENCE.as_secs();
    setrlimit(Resource::RLIMIT_CPU, limit, limit).expect("a limit may be lowered");
    let start = Instant::now();
    let mut child = Command::new(&command[0]);
    let status = child.args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("started");
    let wall = start.elapsed();
    if !status.success() {
        return println!("failed");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    println!("{cpu} {} {}", wall.as_micros(), usage.max_rss() as u64 * 1024);
}

/// Ours as one would ship it (README.md): static, at a fixed address, and with musl
/// where Rust has it, else with the C library that there is.
fn build_ours() -> PathBuf {
    // …/release/deps/versus-hash is this program.
    let release = env::current_exe().expect("this program has a path").ancestors().nth(2).expect("in deps").to_owned();
    let musl = format!("{}-unknown-linux-musl", env::consts::ARCH);
    if cfg!(target_os = "linux") && is_built(&["--target", &musl], &[]) {
        return release.with_file_name(musl).join("release/examples/kustomize");
    }
    eprintln!("the target {musl} or its C compiler is not installed: measuring a program that takes longer to start");
    let flags = ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"];
    let can_be_static = cfg!(all(target_os = "linux", target_env = "gnu"));
    let built = can_be_static && is_built(&[], &flags) || is_built(&[], &[]);
    assert!(built, "the kustomize example does not build");
    release.join("examples/kustomize")
}

fn is_built(args: &[&str], rustc: &[&str]) -> bool {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["rustc", "--quiet", "--release", "--example", "kustomize"]).args(args).arg("--").args(rustc);
    cargo.status().expect("cargo runs").success()
}

fn find_peer() -> Option<PathBuf> {
    let named = env::var_os("KUSTOMIZE").map(PathBuf::from);
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| env::split_paths(&paths).map(|dir| dir.join("kustomize")).find(|path| path.is_file()));
    if found.is_none() {
        eprintln!("no kustomize found (KUSTOMIZE, PATH): measuring ours alone");
    }
    found
}
