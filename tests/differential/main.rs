//! Random kustomizations, rendered in process and by the real kustomize 5.8.1.
//!
//! The program is the one that `KUSTOMIZE` names or the `kustomize` on `PATH`;
//! without one the test says so and passes. `KUSTOMIZE_DIFFERENTIAL_CASES`
//! sets how many cases are tried, 20 if it is not set. A case is a base, a
//! component and an overlay; what they have to agree on is success and, if
//! both succeed, every byte of the output. Another test has texts with comments.

mod comments;
mod kustomization;
mod manifest;
mod yaml;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs, io};

use kustomize_core::{BuildOptions, Memory};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The files of a case by their paths.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, String>);

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(path, text)| write!(f, "\n=== {path}\n{text}"))
    }
}

#[test]
fn random_kustomizations_render_as_with_kustomize() {
    let Some((cases, rendered)) = try_all(&kustomization::files()) else { return };
    println!("{rendered} of {cases} cases could be rendered");
    assert!(rendered > cases / 5, "too few cases could be rendered to say anything");
}

#[test]
fn comments_in_texts_stay_where_kustomize_has_them() {
    let Some((cases, rendered)) = try_all(&comments::files()) else { return };
    assert_eq!(rendered, cases);
}

/// How many cases were tried, and how many of them could be rendered; `None` without kustomize.
fn try_all(files: &impl Strategy<Value = Files>) -> Option<(u32, u32)> {
    let Some(kustomize) = kustomize() else {
        println!("skipped: no kustomize (set KUSTOMIZE)");
        return None;
    };
    let cases = env::var("KUSTOMIZE_DIFFERENTIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(20);
    let config = Config {
        cases,
        max_shrink_iters: 200,
        max_global_rejects: cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rendered = Cell::new(0);
    let result = TestRunner::new(config).run(files, |files| {
        let succeeds = compare(&kustomize, &files)?;
        rendered.set(rendered.get() + u32::from(succeeds));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    Some((cases, rendered.get()))
}

fn kustomize() -> Option<PathBuf> {
    let named = env::var_os("KUSTOMIZE").map(PathBuf::from);
    let on_path =
        || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join("kustomize")).find(|path| path.is_file());
    named.filter(|path| path.is_file()).or_else(on_path)
}

/// Whether both succeed, if they agree.
fn compare(kustomize: &Path, files: &Files) -> Result<bool, TestCaseError> {
    let has = |text: &str| files.0.values().any(|file| file.contains(text));
    if has("Generator:") && has("allowKindChange: true") {
        // The hash of what is neither ConfigMap nor Secret differs; see docs/compatibility.md.
        return Err(TestCaseError::reject("a patch may change the kind of a generated resource"));
    }
    let theirs = run(kustomize, files).map_err(|error| TestCaseError::fail(error.to_string()))?;
    if theirs.as_ref().is_err_and(|message| message.contains("goroutine ")) {
        return Err(TestCaseError::reject("kustomize crashed"));
    }
    let memory = files.0.iter().fold(Memory::new(), |memory, (path, text)| memory.with(path, text));
    let built = kustomize_core::build(&memory, "overlay", &BuildOptions::new()).map_err(|error| chain(&error));
    let ours = built.and_then(|built| built.resources.to_yaml().map_err(|error| chain(&error)));
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Ok(true),
        (Err(_), Err(_)) => Ok(false),
        (theirs, ours) => Err(TestCaseError::fail(format!("{}{files:?}", difference(theirs, ours)))),
    }
}

/// What kustomize prints, on stdout or on stderr.
fn run(kustomize: &Path, files: &Files) -> io::Result<Result<String, String>> {
    let dir = tempfile::tempdir()?;
    for (path, text) in &files.0 {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("below the directory"))?;
        fs::write(path, text)?;
    }
    let output = Command::new(kustomize).arg("build").arg(dir.path().join("overlay")).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn difference(theirs: Result<String, String>, ours: Result<String, String>) -> String {
    let (theirs, ours) = match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(error), _) => return format!("only kustomize fails: {error}\n"),
        (_, Err(error)) => return format!("only we fail: {error}\n"),
    };
    let lines = || theirs.lines().zip(ours.lines());
    let at = lines().position(|(theirs, ours)| theirs != ours).unwrap_or_else(|| lines().count());
    let part = |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
    format!("from line {at} on kustomize has\n{}\nand we have\n{}\n", part(&theirs), part(&ours))
}
