//! Kustomizations to measure, the same every time.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use kustomize_core::Memory;

/// Files, and the directory among them that is built.
pub struct Workload {
    pub name: String,
    pub root: &'static str,
    pub files: Vec<(String, String)>,
}

impl Workload {
    fn new(name: impl Into<String>, root: &'static str) -> Self {
        Self { name: name.into(), root, files: Vec::new() }
    }

    fn file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// All manifests and kustomizations as one text: what a YAML parser would have to read.
    pub fn text(&self) -> String {
        self.files.iter().map(|(_, text)| format!("---\n{text}")).collect()
    }

    /// The files in memory.
    pub fn memory(&self) -> Memory {
        self.files.iter().fold(Memory::new(), |memory, (path, text)| memory.with(path, text))
    }

    /// The files below `dir`; where to build.
    pub fn write(&self, dir: &Path) -> PathBuf {
        for (path, text) in &self.files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("below dir")).expect("created");
            fs::write(path, text).expect("written");
        }
        dir.join(self.root)
    }
}

/// (a) The overlay of the pipeline example.
pub fn scenario() -> Workload {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipeline/sync/deploy/k8s");
    let mut workload = Workload::new("(a) scenario overlay", "overlays/test");
    for dir in ["base", "overlays/test"] {
        for entry in fs::read_dir(base.join(dir)).expect("the example is part of the project") {
            let entry = entry.expect("listed");
            let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
            workload.files.push((path, fs::read_to_string(entry.path()).expect("read")));
        }
    }
    workload
}

/// One of several kinds of resources that a real application has.
fn resource(index: usize) -> String {
    let name = format!("app-{index}");
    match index % 4 {
        0 => format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels:\n    app: {name}\n    tier: backend\n\
             spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        \
             app: {name}\n    spec:\n      serviceAccountName: default\n      containers:\n      - name: main\n        \
             image: registry.example.com/team/app:1.0.{index}\n        args: [\"--port=8080\", '--name={name}']\n        \
             env:\n        - name: LOG_LEVEL\n          value: info\n        - name: CONFIG\n          valueFrom:\n            \
             configMapKeyRef:\n              name: app-{}\n              key: config\n        ports:\n        - containerPort: 8080\n          \
             name: http\n        resources:\n          requests:\n            cpu: 100m\n            memory: 128Mi\n          \
             limits:\n            memory: 256Mi\n",
            index + 2
        ),
        1 => format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels:\n    app: app-{}\nspec:\n  selector:\n    \
             app: app-{}\n  ports:\n  - name: http\n    port: 80\n    targetPort: http\n",
            index - 1,
            index - 1
        ),
        2 => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  config: |\n    [server]\n    port = 8080\n    \
             name = \"{name}\"\n  level: \"7\"\n  enabled: \"true\"\n"
        ),
        _ => format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  annotations:\n    \
             nginx.ingress.kubernetes.io/proxy-body-size: 8m\nspec:\n  rules:\n  - host: {name}.example.com\n    http:\n      \
             paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            \
             name: app-{}\n            port:\n              name: http\n",
            index - 2
        ),
    }
}

fn resources(count: usize) -> String {
    (0..count).map(resource).collect::<Vec<_>>().join("---\n")
}

const TRANSFORMERS: &str = "namePrefix: dev-\nnameSuffix: -v2\nnamespace: team\nlabels:\n- pairs:\n    team: blue\n  \
    includeSelectors: true\ncommonAnnotations:\n  owner: team@example.com\nimages:\n- name: registry.example.com/team/app\n  \
    newTag: \"2.0\"\nreplicas:\n- name: app-0\n  count: 5\npatches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    \
    metadata:\n      name: any\n    spec:\n      template:\n        spec:\n          containers:\n          - name: main\n            \
    env:\n            - name: EXTRA\n              value: \"1\"\n  target:\n    kind: Deployment\n    name: app-.*0\n";

/// (b) `count` mixed resources in one file, as they are or with every transformer.
pub fn mixed(count: usize, transformers: bool) -> Workload {
    let (how, fields) = if transformers { ("all transformers", TRANSFORMERS) } else { ("plain", "") };
    Workload::new(format!("(b) {count} resources, {how}"), "app")
        .file("app/kustomization.yaml", format!("resources:\n- all.yaml\n{fields}"))
        .file("app/all.yaml", resources(count))
}

fn with_overlays(mut workload: Workload, count: usize) -> Workload {
    workload = workload.file("base/kustomization.yaml", "resources:\n- all.yaml\n").file("base/all.yaml", resources(8));
    for index in 0..count {
        let patch = replica_patch(index % 5 + 1);
        let kustomization = format!(
            "resources:\n- ../../base\nnamePrefix: o{index}-\nnamespace: ns-{index}\npatches:\n- path: patch.yaml\n\
             images:\n- name: registry.example.com/team/app\n  newTag: v{index}\n"
        );
        workload = workload
            .file(format!("overlays/o{index}/kustomization.yaml"), kustomization)
            .file(format!("overlays/o{index}/patch.yaml"), patch);
    }
    workload
}

/// The patch of an overlay.
pub fn replica_patch(replicas: usize) -> String {
    format!("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-0\nspec:\n  replicas: {replicas}\n")
}

/// (c) `count` overlays of one base under one root.
pub fn overlays(count: usize) -> Workload {
    let entries: String = (0..count).map(|index| format!("- ../overlays/o{index}\n")).collect();
    with_overlays(Workload::new(format!("(c) {count} overlays of one base"), "root"), count)
        .file("root/kustomization.yaml", format!("resources:\n{entries}"))
}

/// (d) `count` generated ConfigMaps and Secrets, each used by a Deployment.
pub fn generators(count: usize) -> Workload {
    let mut kustomization = String::from("resources:\n- all.yaml\nconfigMapGenerator:\n");
    let mut manifests = String::new();
    for index in (0..count).filter(|index| index % 2 == 0) {
        writeln!(kustomization, "- name: config-{index}\n  literals:\n  - A={index}\n  - B=two words")
            .expect("written");
    }
    kustomization += "secretGenerator:\n";
    for index in (0..count).filter(|index| index % 2 == 1) {
        writeln!(kustomization, "- name: config-{index}\n  literals:\n  - PASSWORD=secret-{index}").expect("written");
    }
    for index in 0..count {
        let reference = if index % 2 == 0 { "configMapRef" } else { "secretRef" };
        write!(
            manifests,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{index}\nspec:\n  template:\n    spec:\n      \
             containers:\n      - name: main\n        image: app\n        envFrom:\n        - {reference}:\n            \
             name: config-{index}\n"
        )
        .expect("written");
    }
    Workload::new(format!("(d) {count} generators"), "app")
        .file("app/kustomization.yaml", kustomization)
        .file("app/all.yaml", manifests)
}

/// (e) About two megabytes of CustomResourceDefinitions with long descriptions.
pub fn definitions() -> Workload {
    let mut text = String::new();
    for index in 0..3 {
        write!(
            text,
            "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things{index}.example.com\n\
             spec:\n  group: example.com\n  names:\n    kind: Thing{index}\n    plural: things{index}\n  scope: Namespaced\n  versions:\n  \
             - name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
        )
        .expect("written");
        properties(&mut text, 10, 4, &mut (index * 7));
        text.push_str("        type: object\n    served: true\n    storage: true\n");
    }
    Workload::new("(e) 2 MB of CRDs", "app")
        .file("app/kustomization.yaml", "resources:\n- crds.yaml\n")
        .file("app/crds.yaml", text)
}

/// Nested properties, each with a description of a few sentences, in the order in which controller-gen writes them.
fn properties(text: &mut String, indent: usize, depth: usize, seed: &mut usize) {
    const WORDS: [&str; 8] =
        ["selects", "the resource's", "container", "optional", "when it is", "created", "by default", "value"];
    for index in 0..9 {
        let pad = " ".repeat(indent);
        writeln!(text, "{pad}field{index}:").expect("written");
        write!(text, "{pad}  description: |-\n{pad}    Field{index}").expect("written");
        for word in 0..24 {
            *seed = seed.wrapping_mul(31).wrapping_add(word + 7);
            let separator = if word % 12 == 11 { format!("\n{pad}    ") } else { " ".to_owned() };
            write!(text, "{separator}{}", WORDS[*seed % 8]).expect("written");
        }
        text.push('\n');
        if depth > 1 && index % 2 == 0 {
            writeln!(text, "{pad}  properties:").expect("written");
            properties(text, indent + 4, depth - 1, seed);
            writeln!(text, "{pad}  type: object").expect("written");
        } else {
            writeln!(text, "{pad}  format: int-or-string\n{pad}  maxLength: 253\n{pad}  type: string")
                .expect("written");
        }
    }
}

/// (f) `replacements` replacements, each into `targets` Deployments.
pub fn replacements(replacements: usize, targets: usize) -> Workload {
    let mut kustomization = String::from("resources:\n- all.yaml\nreplacements:\n");
    for index in 0..replacements {
        write!(
            kustomization,
            "- source:\n    kind: ConfigMap\n    name: values\n    fieldPath: data.v{index}\n  targets:\n  - select:\n      \
             kind: Deployment\n    fieldPaths:\n    - spec.template.metadata.annotations.a{index}\n    options:\n      create: true\n"
        )
        .expect("written");
    }
    let mut manifests = String::from("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: values\ndata:\n");
    for index in 0..replacements {
        writeln!(manifests, "  v{index}: value-{index}").expect("written");
    }
    for index in 0..targets {
        write!(
            manifests,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{index}\nspec:\n  template:\n    metadata:\n      \
             annotations:\n        x: y\n    spec:\n      containers:\n      - name: main\n        image: app\n"
        )
        .expect("written");
    }
    Workload::new(format!("(f) {replacements} replacements x {targets} targets"), "app")
        .file("app/kustomization.yaml", kustomization)
        .file("app/all.yaml", manifests)
}
