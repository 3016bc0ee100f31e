//! What kubectl prints of each built-in kind, between its name and its age.

use serde_json::Value;

use super::resource::Resource;
use super::table::{Cell, Column};

const DATA: &str = "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' \
or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap \
with the keys in the BinaryData field, this is enforced during validation process.";

/// The columns of a kind; those of priority 1 come after the age, and only with `-o wide`.
pub(crate) fn of(resource: &Resource) -> Vec<Column> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "ConfigMap") => {
            let data = number("Data", |object| entries(&object["data"]) + entries(&object["binaryData"]));
            // Real servers call it a string, and send a number.
            vec![Column { description: DATA.into(), kind: "string", ..data }]
        }
        ("", "Secret") => vec![at("Type", "type"), number("Data", |object| entries(&object["data"]))],
        ("", "Namespace") => vec![at("Status", "status.phase")],
        ("", "Pod") => pod(),
        ("", "Service") => service(),
        ("", "ServiceAccount") => vec![number("Secrets", |object| length(&object["secrets"]))],
        ("", "PersistentVolumeClaim") => vec![at("Status", "status.phase"), at("Volume", "spec.volumeName")],
        ("", "Event") => vec![
            at("Last Seen", "lastTimestamp"),
            at("Type", "type"),
            at("Reason", "reason"),
            at("Object", "involvedObject.name"),
            at("Message", "message"),
        ],
        ("apps" | "", "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" | "ReplicationController") => {
            workload(&resource.kind)
        }
        ("batch", "Job") => vec![
            text("Status", |job| job_state(job).to_owned()),
            text("Completions", |job| of_total(&job["status"]["succeeded"], &job["spec"]["completions"])),
        ],
        ("batch", "CronJob") => vec![
            at("Schedule", "spec.schedule"),
            Column { kind: "boolean", ..at("Suspend", "spec.suspend") },
            number("Active", |job| length(&job["status"]["active"])),
        ],
        (_, "Ingress") => ingress(),
        ("autoscaling", "HorizontalPodAutoscaler") => vec![
            text("Reference", |scaler| {
                let target = &scaler["spec"]["scaleTargetRef"];
                format!("{}/{}", plain(&target["kind"]), plain(&target["name"]))
            }),
            number("MinPods", |scaler| count(&scaler["spec"]["minReplicas"])),
            number("MaxPods", |scaler| count(&scaler["spec"]["maxReplicas"])),
            number("Replicas", |scaler| count(&scaler["status"]["currentReplicas"])),
        ],
        ("policy", "PodDisruptionBudget") => vec![
            text("Min Available", |budget| or(&budget["spec"]["minAvailable"], "N/A")),
            text("Max Unavailable", |budget| or(&budget["spec"]["maxUnavailable"], "N/A")),
            number("Allowed Disruptions", |budget| count(&budget["status"]["disruptionsAllowed"])),
        ],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => vec![at("Created At", "metadata.creationTimestamp")],
        ("storage.k8s.io", "StorageClass") => {
            vec![at("Provisioner", "provisioner"), at("ReclaimPolicy", "reclaimPolicy")]
        }
        ("coordination.k8s.io", "Lease") => vec![at("Holder", "spec.holderIdentity")],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => vec![text("Role", |binding| {
            format!("{}/{}", plain(&binding["roleRef"]["kind"]), plain(&binding["roleRef"]["name"]))
        })],
        _ => Vec::new(),
    }
}

fn at(name: &str, path: &'static str) -> Column {
    Column::new(name, "string", Cell::At(path))
}

fn text(name: &str, f: fn(&Value) -> String) -> Column {
    Column::new(name, "string", Cell::Text(f))
}

fn number(name: &str, f: fn(&Value) -> i64) -> Column {
    Column::new(name, "integer", Cell::Number(f))
}

fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

fn pod() -> Vec<Column> {
    vec![
        text("Ready", |pod| {
            let states = pod["status"]["containerStatuses"].as_array();
            let ready = states.into_iter().flatten().filter(|state| state["ready"] == true).count();
            format!("{ready}/{}", length(&pod["spec"]["containers"]))
        }),
        text("Status", |pod| match &pod["metadata"]["deletionTimestamp"] {
            Value::Null => plain(&pod["status"]["phase"]),
            _ => "Terminating".into(),
        }),
        text("Restarts", |pod| {
            let states = pod["status"]["containerStatuses"].as_array();
            states.into_iter().flatten().map(|state| count(&state["restartCount"])).sum::<i64>().to_string()
        }),
        wide(text("IP", |pod| or(&pod["status"]["podIP"], "<none>"))),
        wide(text("Node", |pod| or(&pod["spec"]["nodeName"], "<none>"))),
    ]
}

fn service() -> Vec<Column> {
    vec![
        at("Type", "spec.type"),
        text("Cluster-IP", |service| or(&service["spec"]["clusterIP"], "<none>")),
        text("External-IP", |service| or(&service["status"]["loadBalancer"]["ingress"][0]["ip"], "<none>")),
        text("Port(s)", service_ports),
        wide(text("Selector", |service| labels(&service["spec"]["selector"]))),
    ]
}

fn ingress() -> Vec<Column> {
    vec![
        text("Class", |ingress| or(&ingress["spec"]["ingressClassName"], "<none>")),
        text("Hosts", |ingress| {
            let rules = ingress["spec"]["rules"].as_array();
            let hosts: Vec<_> = rules.into_iter().flatten().filter_map(|rule| rule["host"].as_str()).collect();
            if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }
        }),
        text("Address", |ingress| {
            let first = &ingress["status"]["loadBalancer"]["ingress"][0];
            first["ip"].as_str().or(first["hostname"].as_str()).unwrap_or("").to_owned()
        }),
        text("Ports", |ingress| if length(&ingress["spec"]["tls"]) > 0 { "80, 443".into() } else { "80".into() }),
    ]
}

/// Counts of pods, and with `-o wide` what they run.
fn workload(kind: &str) -> Vec<Column> {
    let ready = || text("Ready", |object| of_total(&object["status"]["readyReplicas"], &object["spec"]["replicas"]));
    let mut columns = match kind {
        "Deployment" => vec![
            ready(),
            number("Up-to-date", |object| count(&object["status"]["updatedReplicas"])),
            number("Available", |object| count(&object["status"]["availableReplicas"])),
        ],
        "StatefulSet" => vec![ready()],
        "DaemonSet" => vec![
            number("Desired", |object| count(&object["status"]["desiredNumberScheduled"])),
            number("Current", |object| count(&object["status"]["currentNumberScheduled"])),
            number("Ready", |object| count(&object["status"]["numberReady"])),
            number("Up-to-date", |object| count(&object["status"]["updatedNumberScheduled"])),
            number("Available", |object| count(&object["status"]["numberAvailable"])),
        ],
        _ => vec![
            number("Desired", |object| count(&object["spec"]["replicas"])),
            number("Current", |object| count(&object["status"]["replicas"])),
            number("Ready", |object| count(&object["status"]["readyReplicas"])),
        ],
    };
    columns.push(wide(text("Containers", |object| of_containers(object, "name"))));
    columns.push(wide(text("Images", |object| of_containers(object, "image"))));
    columns.push(wide(text("Selector", |object| {
        let selector = &object["spec"]["selector"];
        labels(selector.get("matchLabels").unwrap_or(selector))
    })));
    columns
}

fn of_containers(object: &Value, field: &str) -> String {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().map(|container| plain(&container[field])).collect::<Vec<_>>().join(",")
}

fn labels(labels: &Value) -> String {
    let labels: Vec<_> =
        labels.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", plain(value))).collect();
    if labels.is_empty() { "<none>".into() } else { labels.join(",") }
}

fn of_total(part: &Value, total: &Value) -> String {
    format!("{}/{}", count(part), count(total))
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn entries(value: &Value) -> i64 {
    value.as_object().map_or(0, |map| map.len() as i64)
}

fn length(value: &Value) -> i64 {
    value.as_array().map_or(0, |list| list.len() as i64)
}

fn plain(value: &Value) -> String {
    or(value, "")
}

fn or(value: &Value, none: &str) -> String {
    match value {
        Value::Null => none.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn service_ports(service: &Value) -> String {
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_u64() {
            Some(node) => format!("{}:{node}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    };
    let ports: Vec<_> = service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect();
    if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
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
