//! What the real kustomize 5.8.1 printed for some thousand files, rendered in process.
//!
//! The corpora are not part of the repository. They are looked for in the
//! directory that `GITOPS_CONFORMANCE` names and in `../shared/conformance`;
//! without them these tests say so and pass. `GITOPS_CASE` picks the cases
//! whose id contains its value.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use kustomize_core::{BuildOptions, Directory, LoadRestriction, Reorder};
use serde_json::Value;

/// What a case may need that a build in process does not have.
const LEFT_OUT: &[&str] = &["helm", "network", "exec-plugin", "go-plugin", "container-fn", "starlark", "absolute-path"];

struct Case {
    id: String,
    /// What the build may see.
    tree: PathBuf,
    /// The kustomization in it.
    path: String,
    options: BuildOptions,
    /// What kustomize prints; `None` if it fails.
    expected: Option<PathBuf>,
}

#[test]
fn krusty() {
    check("krusty", folder_cases);
}

#[test]
fn yaml() {
    check("yaml", folder_cases);
}

#[test]
fn realworld() {
    check("realworld", repository_cases);
}

fn check(corpus: &str, cases: fn(&Path) -> Vec<Case>) {
    let Some(root) = corpora() else {
        println!("skipped: no conformance corpora (set GITOPS_CONFORMANCE)");
        return;
    };
    let only = std::env::var("GITOPS_CASE").unwrap_or_default();
    let cases: Vec<Case> = cases(&root.join(corpus)).into_iter().filter(|case| case.id.contains(&only)).collect();
    assert!(!cases.is_empty() || !only.is_empty(), "{} has no cases", root.join(corpus).display());
    let failures: Vec<String> = cases.iter().filter_map(failure).collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failed == 0, "{failed} of {all} cases of {corpus} differ\n\n{}", failures.join("\n"));
}

fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let named = std::env::var_os("GITOPS_CONFORMANCE").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_dir(), "GITOPS_CONFORMANCE names {}, which is no directory", named.display());
    }
    named.or_else(|| beside.is_dir().then_some(beside))
}

/// How the case differs from what kustomize does, if it does.
fn failure(case: &Case) -> Option<String> {
    let files = match Directory::new(&case.tree) {
        Ok(files) => files,
        // Git keeps no empty directories, and an empty one is an error to build.
        Err(_) => return case.expected.as_ref().map(|_| format!("{}: no input", case.id)),
    };
    let printed = kustomize_core::build(&files, &case.path, &case.options)
        .map_err(|error| chain(&error))
        .and_then(|built| built.resources.to_yaml().map_err(|error| chain(&error)));
    match (&case.expected, printed) {
        (None, Err(_)) => None,
        (None, Ok(_)) => Some(format!("--- {}\nkustomize fails, but this renders", case.id)),
        (Some(_), Err(error)) => Some(format!("--- {}\nfails: {error}", case.id)),
        (Some(expected), Ok(printed)) => {
            let expected = fs::read_to_string(expected).expect("the expected output is readable");
            (expected != printed).then(|| format!("--- {}\n{}", case.id, first_difference(&expected, &printed)))
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// The first lines that differ, with one line before them.
fn first_difference(expected: &str, printed: &str) -> String {
    let (expected, printed): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), printed.lines().collect());
    let at = expected.iter().zip(&printed).take_while(|(a, b)| a == b).count();
    let around = |lines: &[&str], mark: char| -> String {
        lines.iter().skip(at).take(4).map(|line| format!("{mark}{line}\n")).collect()
    };
    let before = at.checked_sub(1).map_or(String::new(), |before| format!(" {}\n", expected[before]));
    format!("line {}:\n{before}{}{}", at + 1, around(&expected, '-'), around(&printed, '+'))
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_left_out(case: &Value) -> bool {
    let unusual = matches!(case["kustomize_5_8_1"].as_str(), Some("errors" | "not-run"));
    unusual || texts(&case["needs"]).iter().any(|need| LEFT_OUT.contains(need))
}

/// The directories in `dir` that have a file of this name, sorted.
fn directories_with(dir: &Path, file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    dirs.retain(|dir| dir.join(file).is_file());
    dirs.sort();
    dirs
}

/// A folder for each case, with its own `input`.
fn folder_cases(corpus: &Path) -> Vec<Case> {
    directories_with(corpus, "case.json").iter().filter_map(|dir| folder_case(dir)).collect()
}

fn folder_case(dir: &Path) -> Option<Case> {
    let case = json(&dir.join("case.json"));
    if is_left_out(&case) {
        return None;
    }
    let special = dir.join("expected_5_8_1.yaml");
    let expected = if special.exists() { special } else { dir.join("expected.yaml") };
    Some(Case {
        id: dir.file_name()?.to_string_lossy().into_owned(),
        tree: dir.join("input"),
        path: case["path"].as_str().unwrap_or_default().to_owned(),
        options: options(&texts(&case["flags"])),
        expected: (case["outcome"] == "ok").then_some(expected),
    })
}

/// The options that these flags of `kustomize build` stand for.
fn options(flags: &[&str]) -> BuildOptions {
    let mut options = BuildOptions::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        options = match *flag {
            "--reorder" if flags.next() == Some(&"none") => options.reorder(Reorder::None),
            "--load-restrictor" if flags.next() == Some(&"LoadRestrictionsNone") => {
                options.load_restriction(LoadRestriction::None)
            }
            "--enable-managedby-label" => options.managed_by_label(),
            _ => options,
        };
    }
    options
}

/// A tree for each repository, with many cases in it.
fn repository_cases(corpus: &Path) -> Vec<Case> {
    directories_with(corpus, "cases.json").iter().flat_map(|dir| cases_of_repository(dir)).collect()
}

fn cases_of_repository(dir: &Path) -> Vec<Case> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cases = json(&dir.join("cases.json"));
    let case = |case: &Value| {
        let restriction = match case["load_restrictor"].as_str() {
            Some("none") => LoadRestriction::None,
            _ => LoadRestriction::RootOnly,
        };
        Case {
            id: format!("{name}/{}", case["id"].as_str().unwrap_or_default()),
            tree: dir.join("tree"),
            path: case["path"].as_str().unwrap_or_default().to_owned(),
            options: BuildOptions::new().load_restriction(restriction),
            expected: case["expected"].as_str().map(|expected| dir.join(expected)),
        }
    };
    cases.as_array().into_iter().flatten().filter(|case| !is_left_out(case)).map(case).collect()
}
