//! `kustomize edit` and `kustomize create`.

use std::fs;

use crate::place::{POD, Place, ours};

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
