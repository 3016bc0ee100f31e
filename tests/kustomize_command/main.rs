//! The `kustomize` example as a program: what it takes from the outside (other
//! repositories, HTTP, helm, docker, programs) with stand-ins on this machine,
//! and beside the real kustomize where there is one.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod edits;
mod place;
mod programs;
mod remote;
/// The servers of gitops-git's tests.
#[path = "../../gitops-git/tests/support/mod.rs"]
mod support;

use std::fs;

use place::{POD, Place};

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
