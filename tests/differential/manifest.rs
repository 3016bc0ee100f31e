//! Manifests, and the patches for them.

use proptest::prelude::*;
use proptest::sample::select;

use super::yaml::{Yaml, any, map, map_of, maybe, odd, scalar, string};

pub(crate) const NAMES: &[&str] = &["web", "db"];

/// The kinds that manifests are of, with their `apiVersion`.
pub(crate) const KINDS: &[(&str, &str)] = &[
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("example.com/v1", "Widget"),
];

/// Type, name and, for a few, the namespace.
pub(crate) type Key = (&'static str, &'static str, &'static str, Option<&'static str>);

pub(crate) fn key(names: &'static [&'static str]) -> impl Strategy<Value = Key> {
    // Workloads have the most that can go wrong, so they come more often.
    let kind = prop_oneof![3 => select(KINDS), 2 => Just(("apps/v1", "Deployment")), 1 => Just(("v1", "ConfigMap"))];
    let namespace = prop::option::weighted(0.1, select(vec!["x", "default"]));
    (kind, select(names), namespace)
        .prop_map(|((api_version, kind), name, namespace)| (api_version, kind, name, namespace))
}

/// A whole manifest.
pub(crate) fn manifest(key: Key) -> BoxedStrategy<Yaml> {
    let (api_version, kind, name, namespace) = key;
    let metadata = (maybe(0.4, labels()), maybe(0.3, map_of(&["note", "url", "example.com/x"], odd().boxed())));
    (metadata, fields(kind))
        .prop_map(move |((labels, annotations), fields)| {
            let metadata = map([
                ("name", Some(scalar(name))),
                ("namespace", namespace.map(scalar)),
                ("labels", labels),
                ("annotations", annotations),
            ]);
            let head = [("apiVersion", scalar(api_version)), ("kind", scalar(kind)), ("metadata", metadata)];
            let head = head.into_iter().map(|(key, value)| (key.to_owned(), value));
            Yaml::Map(head.chain(fields).collect())
        })
        .boxed()
}

/// What a manifest has besides `apiVersion`, `kind` and `metadata`.
fn fields(kind: &'static str) -> BoxedStrategy<Vec<(String, Yaml)>> {
    let spec = |spec: BoxedStrategy<Yaml>| spec.prop_map(|spec| vec![("spec".to_owned(), spec)]).boxed();
    match kind {
        "ConfigMap" => data(string().boxed()),
        "Secret" => data(select(vec!["aGk=", "\"\""]).prop_map(scalar).boxed()),
        "Service" => spec(service()),
        "Deployment" | "StatefulSet" => spec(workload()),
        "CronJob" => spec(cron_job()),
        "Ingress" => spec(ingress()),
        "HorizontalPodAutoscaler" => spec(autoscaler()),
        "RoleBinding" => role_binding(),
        "Widget" => spec(widget()),
        _ => Just(Vec::new()).boxed(),
    }
}

pub(crate) fn labels() -> BoxedStrategy<Yaml> {
    map_of(&["app", "tier", "version"], string().boxed())
}

fn data(values: BoxedStrategy<Yaml>) -> BoxedStrategy<Vec<(String, Yaml)>> {
    map_of(&["key", "file.txt", "a", "yes"], values).prop_map(|data| vec![("data".to_owned(), data)]).boxed()
}

fn service() -> BoxedStrategy<Yaml> {
    let port =
        (select(vec!["80", "443"]), maybe(0.5, select(vec!["TCP", "UDP"]).prop_map(scalar)), maybe(0.4, string()))
            .prop_map(|(port, protocol, name)| {
                map([("port", Some(scalar(port))), ("protocol", protocol), ("name", name)])
            });
    (maybe(0.6, labels()), maybe(0.7, list(port, 0..3)))
        .prop_map(|(selector, ports)| map([("selector", selector), ("ports", ports)]))
        .boxed()
}

fn workload() -> BoxedStrategy<Yaml> {
    (maybe(0.5, select(vec!["1", "3"]).prop_map(scalar)), maybe(0.5, labels()), pod_template())
        .prop_map(|(replicas, labels, template)| {
            let selector = labels.map(|labels| map([("matchLabels", Some(labels))]));
            map([("replicas", replicas), ("selector", selector), ("template", Some(template))])
        })
        .boxed()
}

fn cron_job() -> BoxedStrategy<Yaml> {
    pod_template()
        .prop_map(|template| {
            let job = map([("template", Some(template))]);
            map([("schedule", Some(scalar("\"* * * * *\""))), ("jobTemplate", Some(map([("spec", Some(job))])))])
        })
        .boxed()
}

fn pod_template() -> BoxedStrategy<Yaml> {
    let name = || maybe(0.3, select(NAMES).prop_map(scalar));
    let spec = (
        maybe(0.85, list(container(), 0..3)),
        maybe(0.2, list(container(), 0..2)),
        maybe(0.4, list(volume(), 0..3)),
        name(),
    );
    (maybe(0.4, labels()), spec)
        .prop_map(|(labels, (containers, init, volumes, account))| {
            let spec = map([
                ("containers", containers),
                ("initContainers", init),
                ("volumes", volumes),
                ("serviceAccountName", account),
            ]);
            map([("metadata", labels.map(|labels| map([("labels", Some(labels))]))), ("spec", Some(spec))])
        })
        .boxed()
}

fn container() -> BoxedStrategy<Yaml> {
    let images = [
        "nginx",
        "nginx:1.2",
        "r.io:5000/nginx:1.2",
        "busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "app:v1",
    ];
    let port =
        (select(vec!["80", "81"]), maybe(0.4, select(vec!["TCP", "UDP"]).prop_map(scalar)), maybe(0.3, string()))
            .prop_map(|(port, protocol, name)| {
                map([("containerPort", Some(scalar(port))), ("protocol", protocol), ("name", name)])
            });
    let parts = (
        select(vec!["a", "b", "c"]),
        maybe(0.7, select(images.to_vec()).prop_map(scalar)),
        maybe(0.5, list(env(), 0..4)),
        maybe(0.3, list(port, 0..3)),
        maybe(0.3, list(string(), 0..3)),
        maybe(0.2, any()),
    );
    parts
        .prop_map(|(name, image, env, ports, args, resources)| {
            map([
                ("name", Some(scalar(name))),
                ("image", image),
                ("env", env),
                ("ports", ports),
                ("args", args),
                ("resources", resources.filter(|resources| matches!(resources, Yaml::Map(_)))),
            ])
        })
        .boxed()
}

fn env() -> BoxedStrategy<Yaml> {
    let reference = (select(vec!["configMapKeyRef", "secretKeyRef"]), select(NAMES)).prop_map(|(kind, name)| {
        map([(kind, Some(map([("name", Some(scalar(name))), ("key", Some(scalar("key")))])))])
    });
    (select(vec!["A", "B", "C"]), maybe(0.7, string()), maybe(0.3, reference))
        .prop_map(|(name, value, from)| {
            let value = if from.is_some() { None } else { value };
            map([("name", Some(scalar(name))), ("value", value), ("valueFrom", from)])
        })
        .boxed()
}

fn volume() -> BoxedStrategy<Yaml> {
    (select(vec!["v", "w"]), select(NAMES), 0..3)
        .prop_map(|(volume, name, kind)| {
            let source = match kind {
                0 => ("configMap", map([("name", Some(scalar(name)))])),
                1 => ("secret", map([("secretName", Some(scalar(name)))])),
                _ => ("persistentVolumeClaim", map([("claimName", Some(scalar(name)))])),
            };
            map([("name", Some(scalar(volume))), (source.0, Some(source.1))])
        })
        .boxed()
}

fn ingress() -> BoxedStrategy<Yaml> {
    select(NAMES)
        .prop_map(|name| {
            let service = map([("name", Some(scalar(name))), ("port", Some(map([("number", Some(scalar("80")))])))]);
            map([("defaultBackend", Some(map([("service", Some(service))])))])
        })
        .boxed()
}

fn autoscaler() -> BoxedStrategy<Yaml> {
    select(NAMES)
        .prop_map(|name| {
            let target = map([
                ("apiVersion", Some(scalar("apps/v1"))),
                ("kind", Some(scalar("Deployment"))),
                ("name", Some(scalar(name))),
            ]);
            map([("scaleTargetRef", Some(target)), ("maxReplicas", Some(scalar("3")))])
        })
        .boxed()
}

/// A custom resource; a field has the same type in all of them, so that patches fit.
fn widget() -> BoxedStrategy<Yaml> {
    let anything = || any().prop_map(|value| map([("inner", Some(value))]));
    let items = || prop::collection::vec(map_of(&["name", "value"], odd().boxed()), 0..3).prop_map(Yaml::List);
    (maybe(0.6, odd()), maybe(0.5, anything()), maybe(0.5, items()), maybe(0.3, labels()))
        .prop_map(|(size, anything, items, selector)| {
            map([("size", size), ("anything", anything), ("items", items), ("selector", selector)])
        })
        .boxed()
}

fn role_binding() -> BoxedStrategy<Vec<(String, Yaml)>> {
    let subject = (select(vec!["web", "db", "default"]), maybe(0.5, select(vec!["x", "default"]).prop_map(scalar)))
        .prop_map(|(name, namespace)| {
            map([("kind", Some(scalar("ServiceAccount"))), ("name", Some(scalar(name))), ("namespace", namespace)])
        });
    (select(NAMES), list(subject, 0..3))
        .prop_map(|(role, subjects)| {
            let role = map([
                ("apiGroup", Some(scalar("rbac.authorization.k8s.io"))),
                ("kind", Some(scalar("ClusterRole"))),
                ("name", Some(scalar(role))),
            ]);
            vec![("roleRef".to_owned(), role), ("subjects".to_owned(), subjects)]
        })
        .boxed()
}

pub(crate) fn list(
    items: impl Strategy<Value = Yaml> + 'static,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Yaml> {
    prop::collection::vec(items, count).prop_map(Yaml::List)
}

/// A strategic merge patch: a manifest of the same type in which a value is
/// here and there a null, or a map or item has a directive.
pub(crate) fn patch(key: Key) -> BoxedStrategy<Yaml> {
    (manifest(key), prop::collection::vec(change(), 0..3))
        .prop_map(|(mut patch, changes)| {
            for (path, change) in changes {
                apply(&mut patch, &path, change, true);
            }
            patch
        })
        .boxed()
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Null,
    Directive(&'static str),
}

fn change() -> impl Strategy<Value = (Vec<prop::sample::Index>, Change)> {
    let directive = select(vec!["delete", "replace", "merge"]).prop_map(Change::Directive);
    (
        prop::collection::vec(proptest::arbitrary::any::<prop::sample::Index>(), 1..6),
        prop_oneof![Just(Change::Null), directive],
    )
}

/// Walks down along `path` and changes what is there; never the id of the patch.
fn apply(at: &mut Yaml, path: &[prop::sample::Index], change: Change, is_root: bool) {
    match (at, path) {
        (Yaml::Map(entries), [index, rest @ ..]) => {
            let skip = if is_root { 3 } else { 0 };
            if entries.len() > skip {
                let entry = skip + index.index(entries.len() - skip);
                apply(&mut entries[entry].1, rest, change, false);
            }
        }
        (Yaml::List(items), [index, rest @ ..]) if !items.is_empty() => {
            let item = index.index(items.len());
            apply(&mut items[item], rest, change, false);
        }
        (Yaml::Map(entries), []) => match change {
            // One is enough: a key that is given twice we refuse sooner than kustomize does.
            Change::Directive(directive) if entries.iter().all(|(key, _)| key != "$patch") => {
                entries.push(("$patch".to_owned(), scalar(directive)));
            }
            Change::Directive(_) => {}
            Change::Null => entries.iter_mut().take(1).for_each(|(_, value)| *value = scalar("null")),
        },
        (Yaml::List(items), []) => match change {
            Change::Directive(directive) => items.push(map([("$patch", Some(scalar(directive)))])),
            Change::Null => {}
        },
        (value, _) => {
            if matches!(change, Change::Null) {
                *value = scalar("null");
            }
        }
    }
}
