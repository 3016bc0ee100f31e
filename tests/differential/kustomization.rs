//! Kustomizations that make use of every field a build in process carries out.

use proptest::prelude::*;
use proptest::sample::select;

use super::Files;
use super::manifest::{self, Key, NAMES, list, manifest};
use super::yaml::{Yaml, map, map_of, maybe, odd, plain, scalar};

/// A base, a component and an overlay that uses both.
pub(crate) fn files() -> impl Strategy<Value = Files> {
    let keys = prop::collection::btree_set(manifest::key(NAMES), 1..6);
    keys.prop_flat_map(|keys| {
        let keys: Vec<Key> = keys.into_iter().collect();
        let base: Vec<_> = keys.iter().map(|key| manifest(*key)).collect();
        let own = prop::collection::btree_set(manifest::key(&["own"]), 0..2)
            .prop_flat_map(|keys| keys.into_iter().map(manifest).collect::<Vec<_>>());
        let layers = (layer(keys.clone()), prop::option::weighted(0.3, layer(keys.clone())), layer(keys));
        (base, own, layers).prop_map(|(base, own, (below, component, above))| {
            let mut files = Files::default();
            let mut extra = vec![("resources", list_of(["../base"]))];
            if let Some(component) = component {
                component.write("component", "Component", Vec::new(), &[], &mut files);
                extra.push(("components", list_of(["../component"])));
            }
            below.write("base", "Kustomization", Vec::new(), &base, &mut files);
            above.write("overlay", "Kustomization", extra, &own, &mut files);
            files
        })
    })
}

fn list_of<const N: usize>(texts: [&str; N]) -> Yaml {
    Yaml::List(texts.into_iter().map(scalar).collect())
}

/// What a kustomization has besides its resources.
#[derive(Debug, Clone)]
struct Layer {
    fields: Vec<(&'static str, Yaml)>,
    /// Entries of `patches` and the texts of their files.
    patches: Vec<(Yaml, String)>,
    /// Texts of the files in `patchesStrategicMerge`.
    merges: Vec<String>,
}

impl Layer {
    fn write(self, dir: &str, kind: &str, extra: Vec<(&'static str, Yaml)>, manifests: &[Yaml], files: &mut Files) {
        let mut add = |name: &str, text: String| files.0.insert(format!("{dir}/{name}"), text);
        let mut fields = extra;
        fields.extend(self.fields);
        if !manifests.is_empty() {
            let texts: Vec<_> = manifests.iter().map(Yaml::text).collect();
            add("manifests.yaml", texts.join("---\n"));
            match fields.iter_mut().find(|(field, _)| *field == "resources") {
                Some((_, Yaml::List(resources))) => resources.push(scalar("manifests.yaml")),
                _ => fields.push(("resources", list_of(["manifests.yaml"]))),
            }
        }
        let mut patches = Vec::new();
        for (index, (entry, text)) in self.patches.into_iter().enumerate() {
            let path = format!("patch-{index}.yaml");
            add(&path, text);
            let Yaml::Map(mut entry) = entry else { continue };
            entry.push(("path".to_owned(), scalar(path)));
            patches.push(Yaml::Map(entry));
        }
        let mut merges = Vec::new();
        for (index, text) in self.merges.into_iter().enumerate() {
            let path = format!("merge-{index}.yaml");
            add(&path, text);
            merges.push(scalar(path));
        }
        add("file.txt", "some\ntext\n".to_owned());
        add("some.env", "A=1\n# comment\nB=x=y\n".to_owned());
        let version = if kind == "Component" { "v1alpha1" } else { "v1beta1" };
        let mut all = vec![
            ("apiVersion".to_owned(), scalar(format!("kustomize.config.k8s.io/{version}"))),
            ("kind".to_owned(), scalar(kind)),
        ];
        all.extend(fields.into_iter().map(|(field, value)| (field.to_owned(), value)));
        for (field, entries) in [("patches", patches), ("patchesStrategicMerge", merges)] {
            if !entries.is_empty() {
                all.push((field.to_owned(), Yaml::List(entries)));
            }
        }
        add("kustomization.yaml", Yaml::Map(all).text());
    }
}

fn layer(keys: Vec<Key>) -> BoxedStrategy<Layer> {
    let fields: Vec<BoxedStrategy<Option<(&'static str, Yaml)>>> = vec![
        field("namePrefix", 0.2, select(vec!["p-", "x"]).prop_map(scalar)),
        field("nameSuffix", 0.15, Just(scalar("-s"))),
        field("namespace", 0.2, select(vec!["x", "prod"]).prop_map(scalar)),
        field("labels", 0.25, list(label(), 1..3)),
        field("commonLabels", 0.1, plain_labels()),
        field("commonAnnotations", 0.15, map_of(&["note", "owner"], plain().boxed())),
        field("images", 0.2, list(image(), 1..3)),
        field("replicas", 0.03, list(replica(), 1..2)),
        field("replacements", 0.2, list(replacement(keys.clone()), 1..3)),
        field("configMapGenerator", 0.25, list(generator(), 1..3)),
        field("secretGenerator", 0.15, list(generator(), 1..2)),
        field("generatorOptions", 0.15, generator_options()),
        field("vars", 0.05, list(var(keys.clone()), 1..2)),
        field(
            "sortOptions",
            0.1,
            select(vec!["fifo", "legacy"]).prop_map(|order| map([("order", Some(scalar(order)))])),
        ),
        field("buildMetadata", 0.1, build_metadata()),
    ];
    let patches = prop::collection::vec(patch(keys.clone()), 0..3);
    let merges = prop::collection::vec(merge(keys), 0..2);
    (fields, patches, merges)
        .prop_map(|(fields, patches, merges)| Layer { fields: fields.into_iter().flatten().collect(), patches, merges })
        .boxed()
}

fn field(
    name: &'static str,
    probability: f64,
    value: impl Strategy<Value = Yaml> + 'static,
) -> BoxedStrategy<Option<(&'static str, Yaml)>> {
    maybe(probability, value).prop_map(move |value| value.map(|value| (name, value))).boxed()
}

fn flag() -> BoxedStrategy<Option<Yaml>> {
    maybe(0.3, select(vec!["true", "false"]).prop_map(scalar))
}

fn plain_labels() -> BoxedStrategy<Yaml> {
    map_of(&["app", "tier", "team"], plain().boxed())
}

fn label() -> impl Strategy<Value = Yaml> {
    (plain_labels(), flag(), flag()).prop_map(|(pairs, selectors, templates)| {
        map([("pairs", Some(pairs)), ("includeSelectors", selectors), ("includeTemplates", templates)])
    })
}

fn image() -> impl Strategy<Value = Yaml> {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let names = select(vec!["nginx", "busybox", "r.io:5000/nginx", "app"]);
    let tag = maybe(0.6, select(vec!["v2", "\"1.10\""]).prop_map(scalar));
    let new_name = maybe(0.4, select(vec!["other", "r.io/other"]).prop_map(scalar));
    (names, new_name, tag, maybe(0.15, Just(scalar(digest))), maybe(0.1, Just(scalar("-x")))).prop_map(
        |(name, new_name, tag, digest, suffix)| {
            map([
                ("name", Some(scalar(name))),
                ("newName", new_name),
                ("newTag", tag),
                ("digest", digest),
                ("tagSuffix", suffix),
            ])
        },
    )
}

fn replica() -> impl Strategy<Value = Yaml> {
    select(NAMES).prop_map(|name| map([("name", Some(scalar(name))), ("count", Some(scalar("5")))]))
}

fn generator() -> impl Strategy<Value = Yaml> {
    let name = prop_oneof![6 => select(vec!["gen", "settings", "keys", "more", "rest"]), 1 => select(NAMES)];
    let literals = vec!["a=b", "key=\"x\"", "quoted='y z'", "n=5", "t=a<b"];
    let literals = prop::sample::subsequence(literals, 1..3).prop_map(|literals| {
        Yaml::List(literals.into_iter().map(|text| scalar(format!("'{}'", text.replace('\'', "''")))).collect())
    });
    let behavior = maybe(0.1, select(vec!["create", "merge", "replace"]).prop_map(scalar));
    let files = maybe(0.3, select(vec!["file.txt", "other=file.txt"]).prop_map(|file| list_of([file])));
    let envs = maybe(0.2, Just(list_of(["some.env"])));
    (name, behavior, maybe(0.7, literals), files, envs, maybe(0.2, generator_options())).prop_map(
        |(name, behavior, literals, files, envs, options)| {
            map([
                ("name", Some(scalar(name))),
                ("behavior", behavior),
                ("literals", literals),
                ("files", files),
                ("envs", envs),
                ("options", options),
            ])
        },
    )
}

fn generator_options() -> impl Strategy<Value = Yaml> {
    (flag(), flag(), maybe(0.3, plain_labels()), maybe(0.3, plain_labels())).prop_map(
        |(no_hash, immutable, labels, annotations)| {
            map([
                ("disableNameSuffixHash", no_hash),
                ("immutable", immutable),
                ("labels", labels),
                ("annotations", annotations),
            ])
        },
    )
}

fn build_metadata() -> impl Strategy<Value = Yaml> {
    let options = vec!["originAnnotations", "transformerAnnotations", "managedByLabel"];
    prop::sample::subsequence(options, 1..3).prop_map(|options| Yaml::List(options.into_iter().map(scalar).collect()))
}

const PATHS: &[&str] = &[
    "metadata.name",
    "metadata.labels.app",
    "metadata.annotations.note",
    "data.key",
    "spec.replicas",
    "spec.template.spec.containers.0.image",
    "spec.template.spec.containers.[name=a].image",
    "spec.template.spec.containers.*.name",
    "spec.selector.app",
];

fn replacement(keys: Vec<Key>) -> impl Strategy<Value = Yaml> {
    let delimiter = maybe(0.3, select(vec!["'.'", "'-'", "':'", "/"]).prop_map(scalar));
    let index = maybe(0.3, select(vec!["0", "1", "-1"]).prop_map(scalar));
    let options = (delimiter, index, maybe(0.9, Just(scalar("true"))))
        .prop_map(|(delimiter, index, create)| map([("delimiter", delimiter), ("index", index), ("create", create)]));
    let target_path = prop_oneof![
        6 => select(vec!["metadata.annotations.note", "metadata.labels.app", "metadata.annotations.[example.com/x]"]),
        1 => select(PATHS),
    ];
    let target = (selector(keys.clone()), target_path, maybe(0.9, options)).prop_map(|(select, path, options)| {
        map([("select", Some(select)), ("fieldPaths", Some(list_of([path]))), ("options", options)])
    });
    let source_path = prop_oneof![4 => select(vec!["metadata.name", "kind"]), 1 => select(PATHS)];
    let source = (select(keys), prop::option::weighted(0.7, source_path)).prop_map(|((_, kind, name, _), path)| {
        map([("kind", Some(scalar(kind))), ("name", Some(scalar(name))), ("fieldPath", path.map(scalar))])
    });
    (source, list(target, 1..3))
        .prop_map(|(source, targets)| map([("source", Some(source)), ("targets", Some(targets))]))
}

fn var(keys: Vec<Key>) -> impl Strategy<Value = Yaml> {
    (select(keys), prop::option::weighted(0.4, select(PATHS))).prop_map(|((api_version, kind, name, _), path)| {
        let object = map([
            ("apiVersion", Some(scalar(api_version))),
            ("kind", Some(scalar(kind))),
            ("name", Some(scalar(name))),
        ]);
        let field = path.map(|path| map([("fieldpath", Some(scalar(path)))]));
        map([("name", Some(scalar("VALUE"))), ("objref", Some(object)), ("fieldref", field)])
    })
}

fn selector(keys: Vec<Key>) -> BoxedStrategy<Yaml> {
    let kind =
        prop_oneof![4 => select(keys).prop_map(|key| key.1), 1 => select(vec!["Deploy.*", ".*", "ConfigMap|Secret"])];
    let name = select(vec!["web", "db", "w.*", ".*", "gen"]).prop_map(scalar);
    let labels = select(vec!["app", "app=web", "app!=x", "tier in (x,web),!version", "version notin (v1)"]);
    let labels = maybe(0.2, labels.prop_map(scalar));
    (
        maybe(0.8, kind.prop_map(scalar)),
        maybe(0.4, name),
        maybe(0.1, select(vec!["x", "default"]).prop_map(scalar)),
        labels,
    )
        .prop_map(|(kind, name, namespace, labels)| {
            map([("kind", kind), ("name", name), ("namespace", namespace), ("labelSelector", labels)])
        })
        .boxed()
}

fn merge(keys: Vec<Key>) -> BoxedStrategy<String> {
    select(keys).prop_flat_map(manifest::patch).prop_map(|patch| patch.text()).boxed()
}

/// An entry of `patches` without its path, and the text of its file.
fn patch(keys: Vec<Key>) -> BoxedStrategy<(Yaml, String)> {
    let options = maybe(
        0.1,
        (flag(), flag()).prop_map(|(name, kind)| map([("allowNameChange", name), ("allowKindChange", kind)])),
    );
    let merge = (merge(keys.clone()), maybe(0.4, selector(keys.clone())), options)
        .prop_map(|(text, target, options)| (map([("target", target), ("options", options)]), text));
    let json = (list(operation(), 1..3), selector(keys))
        .prop_map(|(operations, target)| (map([("target", Some(target))]), operations.text()));
    prop_oneof![3 => merge, 2 => json].boxed()
}

/// An operation; mostly one that fits any resource.
fn operation() -> impl Strategy<Value = Yaml> {
    let labels = || map_of(&["app", "name"], odd().boxed());
    let whole = (select(vec!["/metadata/labels", "/metadata/annotations", "/data", "/extra"]), labels());
    let whole = whole.prop_map(|(path, value)| operation_of("add", path, None, Some(value)));
    let part = (select(vec!["/a~1b", "/extra", "/kind2"]), odd());
    let part = part.prop_map(|(path, value)| operation_of("add", path, None, Some(value)));
    let copy = (select(vec!["/kind", "/metadata/name"]), select(vec!["/copied", "/metadata/annotations"]));
    let copy = copy.prop_map(|(from, path)| operation_of("copy", path, Some(from), None));
    let name = odd().prop_map(|value| operation_of("replace", "/metadata/name", None, Some(value)));
    prop_oneof![8 => whole, 6 => part, 2 => copy, 1 => name, 2 => picky_operation()]
}

/// An operation that only fits if the resource has the right fields.
fn picky_operation() -> impl Strategy<Value = Yaml> {
    let path = || {
        select(vec![
            "/metadata/labels/app",
            "/metadata/annotations/note",
            "/data/key",
            "/spec",
            "/spec/replicas",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/-1/name",
            "/spec/template/spec/containers/-",
            "/spec/ports/0",
        ])
    };
    let kind = select(vec!["add", "replace", "remove", "test", "copy", "move"]);
    (kind, path(), path(), odd()).prop_map(|(kind, path, from, value)| match kind {
        "add" | "replace" | "test" => operation_of(kind, path, None, Some(value)),
        "copy" | "move" => operation_of(kind, path, Some(from), None),
        _ => operation_of(kind, path, None, None),
    })
}

fn operation_of(kind: &str, path: &str, from: Option<&str>, value: Option<Yaml>) -> Yaml {
    map([("op", Some(scalar(kind))), ("path", Some(scalar(path))), ("from", from.map(scalar)), ("value", value)])
}
