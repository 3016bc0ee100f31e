//! A folder to run both programs in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - image: web\n    name: web\n";

/// A folder with files in it, and a home of its own.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        for (path, text) in files {
            let path = place.path(path);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
            fs::write(path, text).expect("written");
        }
        place
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A program that writes down what it is called with, and then does this.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        let log = self.path(&format!("{name}.log"));
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n{script}", log.display());
        fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made a program");
        path
    }

    pub(crate) fn run(&self, program: &Path, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new(program)
            .args(args)
            .current_dir(self.0.path())
            .env("HOME", self.path("home"))
            // Nobody is asked for a password.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("XDG_CACHE_HOME")
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .output()
            .expect("the program runs")
    }

    /// What it prints; it has to succeed.
    pub(crate) fn prints(&self, args: &[&str]) -> String {
        let output = self.run(&ours(), args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs ours and, where there is one, the real kustomize, which has to print the same.
    pub(crate) fn prints_the_same(&self, args: &[&str]) -> String {
        let printed = self.prints(args);
        if let Some(real) = real() {
            let output = self.run(&real, args);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(printed, String::from_utf8_lossy(&output.stdout));
        }
        printed
    }

    /// The warnings, which have to be those of the real kustomize if there is one.
    pub(crate) fn warns_the_same(&self, args: &[&str]) -> String {
        let warnings = warnings(&self.run(&ours(), args));
        if let Some(real) = real() {
            assert_eq!(warnings, self::warnings(&self.run(&real, args)));
        }
        warnings
    }

    /// Whether ours succeeds, which the real kustomize has to do just then, if there is one, and
    /// leave the same kustomization file. That is put back afterwards.
    pub(crate) fn edits_the_same(&self, args: &[&str]) -> bool {
        let before = self.read("kustomization.yaml");
        let run = |program: &Path| {
            let output = self.run(program, args);
            let after: serde_yaml::Value = serde_yaml::from_str(&self.read("kustomization.yaml")).expect("YAML");
            fs::write(self.path("kustomization.yaml"), &before).expect("written");
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned(), after)
        };
        let ours = run(&ours());
        if let Some(real) = real() {
            assert_eq!(ours, run(&real), "{args:?}");
        }
        ours.0
    }

    /// As [`Place::fails`], and the real kustomize has to fail too, if there is one.
    pub(crate) fn fails_the_same(&self, args: &[&str]) -> String {
        let error = self.fails(args);
        if let Some(real) = real() {
            assert!(!self.run(&real, args).status.success(), "{args:?}: {error}");
        }
        error
    }

    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let output = self.run(&ours(), args);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

/// Built together with the tests, beside them.
pub(crate) fn ours() -> PathBuf {
    let tests = std::env::current_exe().expect("this program has a path");
    let target = tests.ancestors().nth(2).expect("target/debug/deps/…");
    let program = target.join("examples/kustomize");
    assert!(program.is_file(), "cargo test builds examples too, unless it is told to run one test target only");
    program
}

pub(crate) fn real() -> Option<PathBuf> {
    let named = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| std::env::split_paths(&paths).map(|dir| dir.join("kustomize")).find(|path| path.is_file()))
}

/// What a program says before an error, without the time that kustomize puts before some lines.
pub(crate) fn warnings(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let untimed = |line: &str| {
        let time = line.get(..20).filter(|time| !time.contains(|c: char| !c.is_ascii_digit() && !"/: ".contains(c)));
        format!("{}\n", time.map_or(line, |time| &line[time.len()..]))
    };
    text.lines().take_while(|line| !line.starts_with("Error: ")).map(untimed).collect()
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> bool {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    let status = Command::new("git").args(identity).args(args).current_dir(dir).stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
