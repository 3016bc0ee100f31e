//! Helm, docker and functions, with stand-ins that write down what they are called with.

use std::fs;

use crate::place::{POD, Place, real};

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

#[test]
fn what_helm_prints_is_taken_as_kustomize_takes_it() {
    let place = Place::new(&[("kustomization.yaml", "helmCharts: [{name: web}]\n"), ("charts/web/values.yaml", "")]);
    place.program("bin/helm", "case \"$1\" in version) echo v4.0.0;; template) cat printed;; esac\n");
    let args = ["build", "--enable-helm"];
    let list = "apiVersion: x/v1\nitems:\n- kind: Pod\nkind: FooList\nmetadata:\n  name: l\n";
    let local = "kind: Pod\nmetadata:\n  name: b\n  annotations: {config.kubernetes.io/local-config: 'yes'}\n";
    for (printed, expected) in [
        (format!("# Source: web\n{POD}"), Some(POD.to_owned())),
        (format!("{POD}---\n# nothing\n---\n{local}"), Some(POD.to_owned())),
        (
            format!("apiVersion: v1\nkind: PodList\nitems:\n- {}", POD.trim_end().replace('\n', "\n  ")),
            Some(POD.to_owned()),
        ),
        // Lists whose items are no resources stay lists.
        (list.to_owned(), Some(list.to_owned())),
        (format!("{POD}---\n{list}---\n{local}"), Some(format!("{list}---\n{POD}"))),
        ("kind: FooList\nitems: {a: b}\n".to_owned(), Some("items:\n  a: b\nkind: FooList\nmetadata: {}\n".to_owned())),
        // What is in front of the first manifest is none, whatever it says.
        (format!("Pulled: example.com/web:1\n---\n{POD}"), None),
        (format!("a warning\n---\n{POD}"), None),
        ("kind: Pod\n".to_owned(), None),
    ] {
        fs::write(place.path("printed"), &printed).expect("written");
        match expected {
            Some(expected) => assert_eq!(place.prints_the_same(&args), expected, "{printed}"),
            None => assert!(place.fails_the_same(&args).contains("helmCharts"), "{printed}"),
        }
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
