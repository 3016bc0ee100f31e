//! A build gives the same on any number of threads.

use std::error::Error;
use std::fmt::Write;

use kustomize_core::{BuildOptions, Memory, build};

/// Enough for several threads.
const RESOURCES: usize = 5000;

fn manifests(broken: &[usize]) -> String {
    let mut all = String::new();
    for index in 0..RESOURCES {
        let _ = match index % 3 {
            _ if broken.contains(&index) => writeln!(all, "kind: Broken\nmetadata: {{names: b{index}}}"),
            0 => writeln!(
                all,
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{index}, labels: {{tier: x}}}}\nspec:\n  template:\n    \
                 spec:\n      containers:\n      - name: main\n        image: app:1\n        envFrom:\n        \
                 - configMapRef: {{name: c{}}}",
                index + 1
            ),
            1 => writeln!(all, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{index}\ndata:\n  a: \"1\""),
            _ => writeln!(
                all,
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: n{index}"
            ),
        };
        all += "---\n";
    }
    all
}

fn rendered(kustomization: &str, manifests: &str, threads: usize) -> Result<String, String> {
    let files = Memory::new().with("kustomization.yaml", kustomization).with("all.yaml", manifests);
    let built = build(&files, "", &BuildOptions::new().threads(threads));
    let text = built.and_then(|built| built.resources.to_yaml());
    text.map_err(|error| {
        let mut told = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            told += &format!("\n{error}");
            cause = error.source();
        }
        told
    })
}

#[test]
fn the_output_and_the_first_error_are_the_same_on_any_number_of_threads() {
    let all = "resources: [all.yaml]\nnamePrefix: p-\nnameSuffix: -s\nnamespace: ns\nlabels: [{pairs: {tier: z}}]\n\
        commonAnnotations: {a: 'true', b: c}\nimages: [{name: app, newTag: '2'}]\nreplicas: [{name: d3, count: 4}]\n\
        patches: [{target: {kind: Deployment, labelSelector: tier=x}, patch: '{apiVersion: apps/v1, kind: Deployment, \
        metadata: {name: x}, spec: {paused: true}}'}]\n";
    let replacements = |[one, all]: [&str; 2]| {
        format!(
            "resources: [all.yaml]\nreplacements:\n- sourceValue: v\n  targets:\n  - {{select: {{kind: Deployment}}, \
             fieldPaths: [spec.a.b, spec.c], options: {{create: true}}}}\n  - {{select: {{name: d3000}}, fieldPaths: [{one}]}}\n\
             - {{sourceValue: w, targets: [{{select: {{kind: Deployment}}, fieldPaths: [{all}]}}]}}\n"
        )
    };
    let (valid, broken) = (manifests(&[]), manifests(&[1500, 4200]));
    let twice = format!("{valid}{}", &valid[..valid.len() / 2]);
    for (kustomization, manifests, is_valid) in [
        (all, &valid, true),
        ("resources: [all.yaml]\nsortOptions: {order: fifo}\n", &valid, true),
        (&replacements(["spec.a.b", "spec.c"]), &valid, true),
        // The first replacement that fails does so in the middle, others at both ends.
        (&replacements(["spec.one", "spec.all"]), &valid, false),
        (all, &broken, false),
        (all, &twice, false),
        ("resources: [all.yaml]\nreplicas: [{name: d1, count: 4}]\n", &valid, false),
        ("resources: [all.yaml]\nnamePrefix: p-\nconfigMapGenerator: [{name: c1}]\n", &valid, false),
    ] {
        let expected = rendered(kustomization, manifests, 1);
        assert_eq!(expected.is_ok(), is_valid, "{kustomization}: {expected:?}");
        for threads in [2, 5] {
            assert!(rendered(kustomization, manifests, threads) == expected, "{threads} threads, {kustomization}");
        }
    }
}
