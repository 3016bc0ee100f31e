//! Whole builds: one folder in `testdata/build` for each case.
//!
//! `input/` is what is built, in the directory that `path` names if it exists;
//! `expected.yaml` is the output, or `expected_error.txt` the chain of errors.
//! `UPDATE=1` writes these files anew. What kustomize itself prints is compared
//! too if `KUSTOMIZE` names the program.
#![allow(clippy::print_stdout, reason = "says what is skipped")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kustomize_core::{BuildError, BuildOptions, Directory, build};

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/build");
    let entries = fs::read_dir(dir).expect("the cases are part of the crate");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    cases.sort();
    cases
}

/// The directory in `input/` that is built.
fn root(case: &Path) -> String {
    fs::read_to_string(case.join("path")).map_or_else(|_| String::new(), |path| path.trim().to_owned())
}

fn render(case: &Path) -> Result<String, String> {
    let files = Directory::new(case.join("input")).expect("every case has an input");
    let built = build(&files, root(case), &BuildOptions::new()).map_err(|error| told(&error))?;
    built.resources.to_yaml().map_err(|error| told(&error))
}

/// The error, its causes below it, and the hint.
fn told(error: &BuildError) -> String {
    let mut text = format!("{error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("  {error}\n");
        cause = error.source();
    }
    text + &error.hint().map_or_else(String::new, |hint| format!("hint: {hint}\n"))
}

#[test]
fn every_case_renders_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let (file, text) = match render(&case) {
            Ok(yaml) => ("expected.yaml", yaml),
            Err(error) => ("expected_error.txt", error),
        };
        if update {
            fs::write(case.join(file), &text).expect("the case is writable");
        }
        let expected = fs::read_to_string(case.join(file)).unwrap_or_default();
        if expected != text {
            wrong.push(format!("--- {}/{file}\nexpected:\n{expected}\nbut it is:\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_case_has_one_outcome() {
    let outcome = |case: &Path| ["expected.yaml", "expected_error.txt"].map(|file| case.join(file).exists());
    for case in cases() {
        assert!(matches!(outcome(&case), [true, false] | [false, true]), "{}", case.display());
    }
}

#[test]
fn kustomize_agrees() {
    let Some(kustomize) = std::env::var_os("KUSTOMIZE") else {
        println!("skipped: KUSTOMIZE does not name the program");
        return;
    };
    for case in cases() {
        let mut command = Command::new(&kustomize);
        command.args(["build", &format!("./{}", root(&case))]).current_dir(case.join("input"));
        let output = command.stdin(Stdio::null()).output().expect("KUSTOMIZE names a program");
        let expected = fs::read_to_string(case.join("expected.yaml")).ok();
        let printed = output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned());
        assert_eq!(printed, expected, "{}: {}", case.display(), String::from_utf8_lossy(&output.stderr));
    }
}
