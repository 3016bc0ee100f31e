//! Tables, which kubectl prints.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::read::metadata_only;
use super::resource::Resource;

/// What the API's own documentation says of the fields, which real servers send along.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some \
resources may allow a client to request the generation of an appropriate name automatically. Name is primarily \
intended for creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It \
is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is \
represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const DATA: &str = "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' \
or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap \
with the keys in the BinaryData field, this is enforced during validation process.";

/// A column with the way to fill it.
struct Column {
    name: String,
    kind: &'static str,
    format: &'static str,
    description: String,
    priority: i64,
    cell: Cell,
}

enum Cell {
    /// The value below a path of fields.
    At(&'static str),
    /// The value at a JSON path of a custom resource, of that type.
    Path(String, String),
    Computed(fn(&Value) -> Value),
}

/// A table of objects of one kind.
pub(crate) fn of(resource: &Resource, objects: &[Value], metadata: Value) -> Value {
    let columns = columns(resource);
    let definitions: Vec<_> = columns
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
                   "description": column.description, "priority": column.priority})
        })
        .collect();
    let rows: Vec<_> = objects
        .iter()
        .map(|object| {
            let cells: Vec<_> = columns.iter().map(|column| column.cell.fill(object)).collect();
            json!({"cells": cells, "object": metadata_only(object)})
        })
        .collect();
    let list = ["resourceVersion", "continue", "remainingItemCount"];
    let metadata: serde_json::Map<_, _> =
        list.iter().filter_map(|field| Some(((*field).to_owned(), metadata.get(*field)?.clone()))).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
           "columnDefinitions": definitions, "rows": rows})
}

impl Cell {
    fn fill(&self, object: &Value) -> Value {
        match self {
            Self::At(path) => at(object, path).clone(),
            Self::Computed(f) => f(object),
            Self::Path(path, kind) => {
                let found = at(object, path.trim_start_matches('.'));
                match (kind.as_str(), found) {
                    ("date", Value::String(time)) => json!(age(time)),
                    (_, found) => found.clone(),
                }
            }
        }
    }
}

/// Follows field names and, in brackets, positions or quoted names.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let mut found = object;
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => {
                let end = rest.replace("\\.", "\0\0").find(['.', '[']).unwrap_or(rest.len());
                (&rest[..end], &rest[end..])
            }
        };
        rest = after.strip_prefix('.').unwrap_or(after);
        let name = step.trim_matches(['\'', '"']).replace("\\.", ".");
        found = match name.parse::<usize>() {
            Ok(index) if found.is_array() => &found[index],
            _ => &found[name.as_str()],
        };
    }
    found
}

fn column(name: &str, cell: Cell) -> Column {
    let number = matches!(name, "Data" | "Desired" | "Current" | "Secrets");
    let kind = if number && name != "Data" { "integer" } else { "string" };
    Column { name: name.to_owned(), kind, format: "", description: String::new(), priority: 0, cell }
}

fn name_column() -> Column {
    Column { format: "name", description: NAME.into(), ..column("Name", Cell::At("metadata.name")) }
}

fn age_column() -> Column {
    let cell = Cell::Computed(|object| json!(age(object["metadata"]["creationTimestamp"].as_str().unwrap_or(""))));
    Column { description: CREATED.into(), ..column("Age", cell) }
}

/// Names, between which the columns of a kind stand.
fn columns(resource: &Resource) -> Vec<Column> {
    let mut columns = vec![name_column()];
    match &resource.custom {
        Some(custom) if !custom.columns.is_empty() => columns.extend(custom.columns.iter().map(custom_column)),
        Some(_) => columns.push(age_column()),
        None => {
            columns.extend(builtin(resource));
            columns.push(age_column());
        }
    }
    columns
}

fn custom_column(definition: &Value) -> Column {
    let text = |field: &str| definition[field].as_str().unwrap_or("").to_owned();
    let path = text("jsonPath");
    let description = match text("description") {
        none if none.is_empty() => format!("Custom resource definition column (in JSONPath format): {path}"),
        given => given,
    };
    let kind = match text("type").as_str() {
        "integer" => "integer",
        "number" => "number",
        "boolean" => "boolean",
        "date" => "date",
        _ => "string",
    };
    Column {
        name: text("name"),
        kind,
        format: "",
        description,
        priority: definition["priority"].as_i64().unwrap_or(0),
        cell: Cell::Path(path, text("type")),
    }
}

fn builtin(resource: &Resource) -> Vec<Column> {
    let plain = |columns: &[(&str, &'static str)]| -> Vec<Column> {
        columns.iter().map(|(name, path)| column(name, Cell::At(path))).collect()
    };
    let computed = |name: &str, f: fn(&Value) -> Value| column(name, Cell::Computed(f));
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "ConfigMap") => {
            let data = computed("Data", |object| json!(entries(&object["data"]) + entries(&object["binaryData"])));
            vec![Column { description: DATA.into(), ..data }]
        }
        ("", "Secret") => {
            let mut columns = plain(&[("Type", "type")]);
            columns.push(computed("Data", |object| json!(entries(&object["data"]))));
            columns
        }
        ("", "Namespace") => plain(&[("Status", "status.phase")]),
        ("", "Pod") => vec![
            computed("Ready", |pod| {
                let states = pod["status"]["containerStatuses"].as_array();
                let ready = states.into_iter().flatten().filter(|state| state["ready"] == true).count();
                json!(format!("{ready}/{}", length(&pod["spec"]["containers"])))
            }),
            computed("Status", |pod| match &pod["metadata"]["deletionTimestamp"] {
                Value::Null => pod["status"]["phase"].clone(),
                _ => json!("Terminating"),
            }),
            computed("Restarts", |pod| {
                let states = pod["status"]["containerStatuses"].as_array();
                json!(
                    states
                        .into_iter()
                        .flatten()
                        .filter_map(|state| state["restartCount"].as_u64())
                        .sum::<u64>()
                        .to_string()
                )
            }),
        ],
        ("", "Service") => vec![
            column("Type", Cell::At("spec.type")),
            computed("Cluster-IP", |service| or_none(&service["spec"]["clusterIP"])),
            computed("External-IP", |service| or_none(&service["status"]["loadBalancer"]["ingress"][0]["ip"])),
            computed("Port(s)", service_ports),
        ],
        ("apps", "Deployment") => vec![
            computed("Ready", |object| {
                json!(format!("{}/{}", count(&object["status"]["readyReplicas"]), count(&object["spec"]["replicas"])))
            }),
            computed("Up-to-date", |object| json!(count(&object["status"]["updatedReplicas"]))),
            computed("Available", |object| json!(count(&object["status"]["availableReplicas"]))),
        ],
        ("apps", "StatefulSet") => vec![computed("Ready", |object| {
            json!(format!("{}/{}", count(&object["status"]["readyReplicas"]), count(&object["spec"]["replicas"])))
        })],
        ("apps", "ReplicaSet") | ("", "ReplicationController") => vec![
            computed("Desired", |object| json!(count(&object["spec"]["replicas"]))),
            computed("Current", |object| json!(count(&object["status"]["replicas"]))),
            computed("Ready", |object| json!(count(&object["status"]["readyReplicas"]))),
        ],
        ("apps", "DaemonSet") => vec![
            computed("Desired", |object| json!(count(&object["status"]["desiredNumberScheduled"]))),
            computed("Current", |object| json!(count(&object["status"]["currentNumberScheduled"]))),
            computed("Ready", |object| json!(count(&object["status"]["numberReady"]))),
        ],
        ("batch", "Job") => vec![
            computed("Status", |job| json!(job_state(job))),
            computed("Completions", |job| {
                json!(format!("{}/{}", count(&job["status"]["succeeded"]), count(&job["spec"]["completions"])))
            }),
        ],
        ("batch", "CronJob") => plain(&[("Schedule", "spec.schedule"), ("Suspend", "spec.suspend")]),
        (_, "Ingress") => vec![
            computed("Class", |ingress| or_none(&ingress["spec"]["ingressClassName"])),
            computed("Hosts", |ingress| {
                let rules = ingress["spec"]["rules"].as_array();
                let hosts: Vec<_> = rules.into_iter().flatten().filter_map(|rule| rule["host"].as_str()).collect();
                json!(if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") })
            }),
            computed("Address", |ingress| {
                let first = &ingress["status"]["loadBalancer"]["ingress"][0];
                json!(first["ip"].as_str().or(first["hostname"].as_str()).unwrap_or(""))
            }),
        ],
        ("", "PersistentVolumeClaim") => plain(&[("Status", "status.phase"), ("Volume", "spec.volumeName")]),
        ("", "ServiceAccount") => vec![computed("Secrets", |object| json!(length(&object["secrets"])))],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => plain(&[("Created At", "metadata.creationTimestamp")]),
        ("", "Event") => plain(&[
            ("Last Seen", "lastTimestamp"),
            ("Type", "type"),
            ("Reason", "reason"),
            ("Object", "involvedObject.name"),
            ("Message", "message"),
        ]),
        ("storage.k8s.io", "StorageClass") => {
            plain(&[("Provisioner", "provisioner"), ("ReclaimPolicy", "reclaimPolicy")])
        }
        ("coordination.k8s.io", "Lease") => plain(&[("Holder", "spec.holderIdentity")]),
        _ => Vec::new(),
    }
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn entries(value: &Value) -> usize {
    value.as_object().map_or(0, |map| map.len())
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn or_none(value: &Value) -> Value {
    json!(value.as_str().unwrap_or("<none>"))
}

fn service_ports(service: &Value) -> Value {
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_u64() {
            Some(node) => format!("{}:{node}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    };
    let ports: Vec<_> = service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect();
    json!(if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") })
}

fn job_state(job: &Value) -> &'static str {
    let has = |kind| super::custom::has_condition(job, kind);
    match (has("Complete"), has("Failed"), has("Suspended")) {
        (true, ..) => "Complete",
        (_, true, _) => "Failed",
        (.., true) => "Suspended",
        _ => "Running",
    }
}

/// How long ago a time was, as kubectl prints it.
fn age(time: &str) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return "<unknown>".into() };
    let seconds = Timestamp::now().as_second() - time.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        i64::MIN..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        120..10800 => format!("{minutes}m"),
        10800..28800 if minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
        10800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 > 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_reach_into_lists_and_dotted_names() {
        let object = json!({"a": [{"b.c": 1}], "d": {"e": 2}});
        assert_eq!(*at(&object, r"a[0].b\.c"), 1);
        assert_eq!(*at(&object, "d['e']"), 2);
    }
}
