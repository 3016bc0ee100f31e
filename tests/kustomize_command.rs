//! The `kustomize` example as a program: what it takes from the outside (other
//! repositories, HTTP, helm, docker, programs) with stand-ins on this machine,
//! and beside the real kustomize where there is one.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - image: web\n    name: web\n";

/// A folder with files in it, and a home of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        for (path, text) in files {
            let path = place.path(path);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
            fs::write(path, text).expect("written");
        }
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A program that writes down what it is called with, and then does this.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        let log = self.path(&format!("{name}.log"));
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n{script}", log.display());
        fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made a program");
        path
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new(program)
            .args(args)
            .current_dir(self.0.path())
            .env("HOME", self.path("home"))
            .env_remove("XDG_CACHE_HOME")
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .output()
            .expect("the program runs")
    }

    /// What it prints; it has to succeed.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.run(&ours(), args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs ours and, where there is one, the real kustomize, which has to print the same.
    fn prints_the_same(&self, args: &[&str]) -> String {
        let printed = self.prints(args);
        if let Some(real) = real() {
            let output = self.run(&real, args);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(printed, String::from_utf8_lossy(&output.stdout));
        }
        printed
    }

    /// The warnings, which have to be those of the real kustomize if there is one.
    fn warns_the_same(&self, args: &[&str]) -> String {
        let warnings = warnings(&self.run(&ours(), args));
        if let Some(real) = real() {
            assert_eq!(warnings, self::warnings(&self.run(&real, args)));
        }
        warnings
    }

    /// Whether ours succeeds, which the real kustomize has to do just then, if there is one, and
    /// leave the same kustomization file. That is put back afterwards.
    fn edits_the_same(&self, args: &[&str]) -> bool {
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

    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(&ours(), args);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

/// Built together with the tests, beside them.
fn ours() -> PathBuf {
    let tests = std::env::current_exe().expect("this program has a path");
    let target = tests.ancestors().nth(2).expect("target/debug/deps/…");
    let program = target.join("examples/kustomize");
    assert!(program.is_file(), "cargo test builds examples too, unless it is told to run one test target only");
    program
}

fn real() -> Option<PathBuf> {
    let named = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    named.or_else(|| std::env::split_paths(&paths).map(|dir| dir.join("kustomize")).find(|path| path.is_file()))
}

/// What a program says before an error, without the time that kustomize puts before some lines.
fn warnings(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let untimed = |line: &str| {
        let time = line.get(..20).filter(|time| !time.contains(|c: char| !c.is_ascii_digit() && !"/: ".contains(c)));
        format!("{}\n", time.map_or(line, |time| &line[time.len()..]))
    };
    text.lines().take_while(|line| !line.starts_with("Error: ")).map(untimed).collect()
}

fn git(dir: &Path, args: &[&str]) -> bool {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    let status =
        Command::new("git").args(identity).args(args).current_dir(dir).stdout(std::process::Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_base_in_another_repository() {
    let place = Place::new(&[("repo/base/kustomization.yaml", "resources: [pod.yaml]\n"), ("repo/base/pod.yaml", POD)]);
    let repo = place.path("repo");
    if !git(&repo, &["init", "--quiet", "--initial-branch=main"]) {
        eprintln!("skipped: no git to make a repository with");
        return;
    }
    assert!(
        git(&repo, &["add", "."]) && git(&repo, &["commit", "--quiet", "-m", "first"]) && git(&repo, &["tag", "v1"])
    );
    let url = format!("file://{}//base?ref=v1", repo.display());
    fs::create_dir(place.path("app")).expect("created");
    fs::write(place.path("app/kustomization.yaml"), format!("namePrefix: x-\nresources:\n- {url}\n")).expect("written");
    assert!(place.prints_the_same(&["build", "app"]).contains("name: x-a\n"));
    assert!(place.prints_the_same(&["build", &url]).contains("name: a\n"));
    assert!(place.fails(&["build", &url.replace("v1", "v2")]).contains("v2"));
}

#[test]
fn a_url_is_added_if_something_is_there() {
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let place = Place::new(&[
        ("kustomization.yaml", text),
        ("pod.yaml", POD),
        ("repo/base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("repo/base/pod.yaml", POD),
    ]);
    let repo = place.path("repo");
    if !git(&repo, &["init", "--quiet", "--initial-branch=main"]) {
        eprintln!("skipped: no git to make a repository with");
        return;
    }
    assert!(git(&repo, &["add", "."]) && git(&repo, &["commit", "--quiet", "-m", "first"]));
    let url = format!("file://{}", repo.display());
    for noun in ["resource", "component"] {
        let adds = |path: &str| place.edits_the_same(&["edit", "add", noun, path]);
        assert!(adds(&url) && adds(&format!("{url}//base?ref=main")) && adds("base.yaml") == adds("none"));
        for missing in ["//none", "//base/pod.yaml", "//base?ref=other", "-other", "/../other"] {
            assert!(!adds(&format!("{url}{missing}")), "{missing}");
        }
        assert!(!place.edits_the_same(&["edit", "add", noun, "pod.yaml", &format!("{url}-other")]));
    }
    assert!(place.edits_the_same(&["edit", "add", "resource", "--no-verify", "http://127.0.0.1:1/a/b"]));
    fs::remove_file(place.path("kustomization.yaml")).expect("removed");
    place.prints(&["create", "--resources", &format!("{url}//base")]);
    assert!(place.prints(&["build"]).contains("name: a"));
}

#[test]
fn a_file_behind_a_url() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let is_there = request[..read].starts_with(b"GET /pod.yaml ");
            let (status, body) = if is_there { ("200 OK", POD) } else { ("404 Not Found", "") };
            let length = body.len();
            // A client that has gone away needs no answer.
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    let place = Place::new(&[("kustomization.yaml", &format!("resources:\n- http://{address}/pod.yaml\n"))]);
    assert_eq!(place.prints_the_same(&["build"]), POD);
    fs::write(place.path("kustomization.yaml"), format!("resources:\n- http://{address}/none.yaml\n"))
        .expect("written");
    assert!(place.fails(&["build"]).contains("404"));
}

#[test]
fn a_chart_is_rendered_by_the_user_s_helm() {
    let chart = "helmCharts:\n- name: web\n  version: 1.2.3\n  releaseName: mine\n  namespace: team\n  valuesInline: {a: 1}\n  includeCRDs: true\n";
    let place = Place::new(&[("kustomization.yaml", chart), ("charts/web/values.yaml", "b: 2\n")]);
    let script = format!("case \"$1\" in version) echo v3.14.0;; template) cat <<'E'\n---\n{POD}E\n;; esac\n");
    place.program("bin/helm", &script);
    assert!(place.fails(&["build"]).contains("helm"), "off unless it is asked for");
    assert_eq!(place.read("bin/helm.log"), "");
    assert_eq!(place.prints(&["build", "--enable-helm"]), POD);
    let ours = without_temporary_names(&place.read("bin/helm.log"));
    assert!(
        ours.contains("template mine") && ours.contains("--namespace team") && ours.contains("--include-crds"),
        "{ours}"
    );
    if let Some(real) = real() {
        fs::remove_file(place.path("bin/helm.log")).expect("removed");
        assert_eq!(String::from_utf8_lossy(&place.run(&real, &["build", "--enable-helm"]).stdout), POD);
        assert_eq!(ours, without_temporary_names(&place.read("bin/helm.log")));
    }
}

/// Values and configuration are in folders with a name of their own each time.
fn without_temporary_names(log: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        Some((_, name)) if word.starts_with('/') => format!("…/{name}"),
        _ => word.to_owned(),
    };
    log.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// Adds a label to everything it is given.
const FUNCTION: &str = "sed 's/^\\( *\\)name: a$/\\1name: a\\n\\1labels: {by: function}/'\n";

#[test]
fn functions_run_only_where_they_are_allowed() {
    let place =
        Place::new(&[("kustomization.yaml", "resources: [pod.yaml]\ntransformers: [f.yaml]\n"), ("pod.yaml", POD)]);
    let program = place.program("f.sh", FUNCTION);
    let function = "apiVersion: example.com/v1\nkind: Label\nmetadata:\n  name: f\n  annotations:\n    config.kubernetes.io/function: |\n";
    fs::write(place.path("f.yaml"), format!("{function}      exec:\n        path: ./f.sh\n")).expect("written");
    assert!(!place.fails(&["build"]).is_empty());
    assert!(!place.fails(&["build", "--enable-alpha-plugins"]).is_empty());
    assert_eq!(place.read("f.sh.log"), "");
    let printed = place.prints_the_same(&["build", "--enable-alpha-plugins", "--enable-exec"]);
    assert!(printed.contains("by: function"), "{printed}");

    place.program("bin/docker", &format!("exec '{}'\n", program.display()));
    fs::write(place.path("f.yaml"), format!("{function}      container:\n        image: example.com/f:1\n"))
        .expect("written");
    let args = ["build", "--enable-alpha-plugins", "--network", "--env", "A=1"];
    assert!(place.prints(&args).contains("by: function"));
    let ours = place.read("bin/docker.log");
    assert!(ours.starts_with("run --rm -i ") && ours.trim_end().ends_with("example.com/f:1"), "{ours}");
    if let Some(real) = real() {
        fs::remove_file(place.path("bin/docker.log")).expect("removed");
        place.run(&real, &args);
        assert_eq!(ours, place.read("bin/docker.log"));
    }
}

#[test]
fn output_goes_to_a_file_or_one_file_a_resource() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: b\n";
    let place = Place::new(&[
        ("kustomization.yaml", "resources: [pod.yaml, service.yaml]\n"),
        ("pod.yaml", POD),
        ("service.yaml", service),
    ]);
    let printed = place.prints_the_same(&["build", "."]);
    assert_eq!(place.prints(&["build", "-o", "all.yaml"]), "");
    assert_eq!(place.read("all.yaml"), printed);
    fs::create_dir(place.path("each")).expect("created");
    place.prints(&["build", "--output=each", "."]);
    assert_eq!(
        (place.read("each/v1_pod_a.yaml").as_str(), place.read("each/v1_service_b.yaml").as_str()),
        (POD, service)
    );
}

#[test]
fn warnings_are_told_whatever_comes_of_the_build() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
    let vars = "vars: [{name: X, objref: {apiVersion: v1, kind: ConfigMap, name: a}}]\n";
    let place = Place::new(&[
        ("app/kustomization.yaml", "commonLabels: {a: b}\nbases: [base]\n"),
        ("app/base/kustomization.yaml", "commonLabels: {c: d}\nresources: [none.yaml]\n"),
        ("sorted/kustomization.yaml", "resources: [map.yaml]\nsortOptions: {order: fifo}\n"),
        ("sorted/map.yaml", map),
        ("unsorted/kustomization.yaml", &format!("resources: [map.yaml]\nsortOptions: {{order: any}}\n{vars}")),
        ("unsorted/map.yaml", map),
    ]);
    assert_eq!(place.warns_the_same(&["build", "app"]).matches("'commonLabels' is deprecated").count(), 2);
    assert!(place.fails(&["build", "app"]).contains("none.yaml"));
    for order in ["legacy", "none"] {
        assert!(place.warns_the_same(&["build", "sorted", "--reorder", order]).contains("order is set both"));
    }
    assert_eq!(place.warns_the_same(&["build", "sorted"]), "");
    let warnings = place.warns_the_same(&["build", "unsorted", "--reorder=none"]);
    assert!(warnings.contains("never replaced: X\nWarning: Sorting order is set both"), "{warnings}");
    assert_eq!(place.warns_the_same(&["build", "--reorder=any", "--enable-managedby-label"]).lines().count(), 2);
}

#[test]
fn a_generator_is_added_if_a_resource_can_be_made_of_it() {
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let broken =
        "configMapGenerator:\n- {name: broken, files: [none]}\nsecretGenerator:\n- {name: broken, envs: [none]}\n";
    let place = Place::new(&[
        ("kustomization.yaml", &format!("{text}{broken}")),
        ("a.txt", "text"),
        ("b.txt", "text"),
        ("a.env", "a=1\n"),
    ]);
    fs::write(place.path("bad.env"), b"a=1\n\xff=2\n").expect("written");
    let elsewhere = Place::new(&[("a.env", "a=1\n")]);
    let outside = elsewhere.path("a.env").display().to_string();
    for noun in ["configmap", "secret"] {
        let adds = |args: &[&str]| place.edits_the_same(&[&["edit", "add", noun, "new"], args].concat());
        for good in ["--from-literal=a=b", "--from-file=a.txt", "--from-file=k=a.t*", "--from-env-file=a.env"] {
            assert!(adds(&[good]), "{good}");
        }
        for bad in [
            "--from-literal=a",
            "--from-file=none",
            "--from-file=k=*.txt",
            &format!("--from-file={outside}"),
            "--from-env-file=none",
            "--from-env-file=bad.env",
            &format!("--from-env-file={outside}"),
        ] {
            assert!(!adds(&[bad]), "{bad}");
        }
        assert!(!adds(&["--from-file=k=a.txt", "--from-literal=k=b"]));
        assert!(!place.edits_the_same(&["edit", "add", noun, "broken", "--from-literal=a=b"]));
        assert!(!place.edits_the_same(&["edit", "set", noun, "broken", "--new-namespace=team"]));
    }
}

#[test]
fn fix_warns_if_a_build_gives_something_else() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: b\n";
    let patch = |value| format!("'{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{a: {value}}}}}'");
    let lists =
        [format!("patches: [{{patch: {}}}]\n", patch("one")), format!("patchesStrategicMerge: [{}]\n", patch("two"))];
    for (text, warning) in [
        ("resources: [map.yaml]\ncommonLabels: {a: b}\n".to_owned(), None),
        // Patches are applied after strategic merge patches, but are in front of them in the new list.
        (format!("resources: [map.yaml]\n{}", lists.concat()), Some("different output")),
        ("commonLabels: {a: b}\nresources: [map.yaml, none.yaml]\n".to_owned(), Some("none.yaml")),
    ] {
        let place = Place::new(&[("kustomization.yaml", text.as_str()), ("map.yaml", map)]);
        let output = place.run(&ours(), &["edit", "fix"]);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success());
        assert_eq!(printed.contains("\nWarning: "), warning.is_some(), "{printed}");
        assert!(printed.contains(warning.unwrap_or_default()), "{printed}");
        fs::write(place.path("kustomization.yaml"), &text).expect("written");
        // What is wrong with a build is told in other words.
        assert!(warning == Some("none.yaml") || place.edits_the_same(&["edit", "fix"]));
    }
}

#[test]
fn edits_are_made_in_the_working_directory() {
    let text = "images:   # by CI\n- name: web\n  newTag: v1   # the tag\n";
    let place = Place::new(&[("kustomization.yaml", text)]);
    place.prints(&["edit", "set", "image", "web:v2"]);
    assert_eq!(place.read("kustomization.yaml"), text.replace("v1", "v2"));
    assert!(place.fails(&["edit", "set", "image", "web"]).contains("image"));
    assert!(place.fails(&["edit", "add", "resource", "none.yaml"]).contains("none.yaml"));
    assert_eq!(place.read("kustomization.yaml"), text.replace("v1", "v2"));

    let place = Place::new(&[("pod.yaml", POD)]);
    place.prints(&["create", "--autodetect", "--nameprefix", "x-"]);
    assert!(place.prints_the_same(&["build"]).contains("name: x-a\n"));
    assert!(place.fails(&["create"]).contains("exists"));
}
