//! The field specs that kustomize has built in, as tables. The build script
//! includes this file and writes them out one by one, see [`source`].
//!
//! A line is a list of types and a path. A type is `group:Kind@version`, of
//! which only the kind is required, or `*` for all; `{a,b}` in a path stands
//! for either. A leading `+` says that the field is made if it is missing.
//! `%pods` and `%workloads` stand for types together with the place of
//! their pod spec.

use std::collections::HashMap;

use super::type_order::compare_types;

const NAME: &str = "* metadata/name";

const NAMESPACE: &str = "
+ Namespace                                    metadata/name
+ apiregistration.k8s.io:APIService            spec/service/namespace
apiextensions.k8s.io:CustomResourceDefinition  spec/conversion/webhook/clientConfig/service/namespace";

const TEMPLATE_LABELS: &str = "
+ *                                            metadata/labels
+ ReplicationController@v1,Deployment,ReplicaSet,DaemonSet,apps:StatefulSet,batch:Job spec/template/metadata/labels
+ apps:StatefulSet                             spec/volumeClaimTemplates[]/metadata/labels
+ batch:CronJob                                spec/jobTemplate/{metadata,spec/template/metadata}/labels";

const SELECTOR_LABELS: &str = "
+ Service@v1,ReplicationController@v1          spec/selector
+ Deployment,ReplicaSet,DaemonSet,apps:StatefulSet spec/selector/matchLabels
apps:Deployment,apps:StatefulSet               spec/template/spec/affinity/{podAffinity,podAntiAffinity}/{preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm,requiredDuringSchedulingIgnoredDuringExecution}/labelSelector/matchLabels
apps:Deployment,apps:StatefulSet               spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels
batch:Job,policy:PodDisruptionBudget           spec/selector/matchLabels
batch:CronJob                                  spec/jobTemplate/spec/selector/matchLabels
networking.k8s.io:NetworkPolicy                spec/{podSelector,ingress/from/podSelector,egress/to/podSelector}/matchLabels";

const ANNOTATIONS: &str = "
+ *                                            metadata/annotations
+ ReplicationController@v1,Deployment,ReplicaSet,DaemonSet,StatefulSet,batch:Job spec/template/metadata/annotations
+ batch:CronJob                                spec/jobTemplate/{metadata,spec/template/metadata}/annotations";

const IMAGES: &str = "
+ * {spec,spec/template/spec}/{containers[]/image,initContainers[]/image,volumes[]/image/reference}";

const REPLICAS: &str = "
+ Deployment,ReplicationController,ReplicaSet,StatefulSet spec/replicas";

// A CronJob's NFS server lacks a `spec` on its way: kustomize's slip, and so part of what it does.
const VAR_REFERENCES: &str = "
Pod         spec/{containers,initContainers}/{args,command,env/value,volumeMounts/mountPath}
DaemonSet,Deployment,Job,ReplicaSet,StatefulSet spec/template/spec/{containers,initContainers}/{args,command,env/value,volumeMounts/mountPath}
CronJob     spec/jobTemplate/spec/template/spec/{containers,initContainers}/{args,command,env/value,volumeMounts/mountPath}
Pod         spec/volumes/nfs/server
DaemonSet,Deployment,Job,ReplicaSet spec/template/spec/volumes/nfs/server
CronJob     spec/jobTemplate/spec/template/volumes/nfs/server
StatefulSet spec/volumeClaimTemplates/spec/nfs/server
PersistentVolume spec/nfs/server
Deployment  spec/template/metadata/annotations
Ingress     spec/{rules/host,tls/hosts,tls/secretName}
Service     spec/ports/{port,targetPort}
*           metadata/{labels,annotations}";

/// What `%pods` and `%workloads` stand for.
const PLACES: [(&str, &[(&str, &str)]); 2] = [
    (
        "%pods",
        &[
            ("Pod@v1", "spec"),
            ("PodTemplate", "template/spec"),
            ("Deployment,ReplicaSet,DaemonSet,StatefulSet,Job", "spec/template/spec"),
            ("CronJob", "spec/jobTemplate/spec/template/spec"),
        ],
    ),
    (
        "%workloads",
        &[
            ("Pod", "spec"),
            ("StatefulSet,Deployment,ReplicationController,Job,DaemonSet", "spec/template/spec"),
            ("CronJob", "spec/jobTemplate/spec/template/spec"),
        ],
    ),
];

/// For each type that is referred to by name, the fields that do.
///
/// The group of `IngressClass` and the field given twice are kustomize's slips.
const NAME_REFERENCES: &[(&str, &str)] = &[
    ("Deployment", "HorizontalPodAutoscaler spec/scaleTargetRef/name"),
    ("ReplicationController", "HorizontalPodAutoscaler spec/scaleTargetRef/name"),
    ("ReplicaSet", "HorizontalPodAutoscaler spec/scaleTargetRef/name"),
    ("StatefulSet", "HorizontalPodAutoscaler spec/scaleTargetRef/name"),
    (
        "ConfigMap@v1",
        r"
%pods {volumes/configMap,{containers,initContainers}/{env/valueFrom/configMapKeyRef,envFrom/configMapRef},volumes/projected/sources/configMap}/name
Node spec/configSource/configMap
Role,ClusterRole rules/resourceNames
Ingress metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
    ),
    (
        "Secret@v1",
        r"
%pods {volumes/secret/secretName,{containers,initContainers}/{env/valueFrom/secretKeyRef,envFrom/secretRef}/name}
%pods {imagePullSecrets,volumes/projected/sources/secret}/name
Ingress spec/tls/secretName
Ingress metadata/annotations/{ingress.kubernetes.io\/auth-secret,nginx.ingress.kubernetes.io\/{auth-secret,auth-tls-secret}}
Ingress spec/tls/secretName
ServiceAccount imagePullSecrets/name
StorageClass parameters/{secretName,adminSecretName,userSecretName,secretRef}
Role,ClusterRole rules/resourceNames
serving.knative.dev:Service@v1 spec/template/spec/containers/env/valueFrom/secretKeyRef/name
PersistentVolume spec/azureFile/secretName",
    ),
    (
        "Service@v1",
        "
apps:StatefulSet spec/serviceName
Ingress spec/{rules/http/paths/backend,backend}/serviceName
Ingress spec/{rules/http/paths/backend,defaultBackend}/service/name
apiregistration.k8s.io:APIService spec/service/name
admissionregistration.k8s.io:ValidatingWebhookConfiguration,admissionregistration.k8s.io:MutatingWebhookConfiguration webhooks/clientConfig/service",
    ),
    ("rbac.authorization.k8s.io:Role", "rbac.authorization.k8s.io:RoleBinding roleRef/name"),
    (
        "rbac.authorization.k8s.io:ClusterRole",
        "rbac.authorization.k8s.io:RoleBinding,rbac.authorization.k8s.io:ClusterRoleBinding roleRef/name",
    ),
    (
        "ServiceAccount@v1",
        "
rbac.authorization.k8s.io:RoleBinding,rbac.authorization.k8s.io:ClusterRoleBinding subjects
%workloads serviceAccountName",
    ),
    ("PersistentVolumeClaim@v1", "%workloads volumes/persistentVolumeClaim/claimName"),
    ("PersistentVolume@v1", "PersistentVolumeClaim spec/volumeName\nClusterRole rules/resourceNames"),
    (
        "storage.k8s.io:StorageClass@v1",
        "
PersistentVolume,PersistentVolumeClaim spec/storageClassName
StatefulSet spec/volumeClaimTemplates/spec/storageClassName",
    ),
    ("scheduling.k8s.io:PriorityClass@v1", "%workloads priorityClassName"),
    ("networking.k8s.io/v1:IngressClass@v1", "Ingress spec/ingressClassName"),
    (
        "admissionregistration.k8s.io:ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io:ValidatingAdmissionPolicyBinding spec/policyName",
    ),
];

/// A field spec.
struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    path: String,
    create: bool,
}

/// The built-in configuration as Rust source: all field specs one after the
/// other as ranges of one text, and for each list which of them are its own.
pub(crate) fn source() -> String {
    let common_labels = format!("{SELECTOR_LABELS}{TEMPLATE_LABELS}").leak();
    let lists = [
        ("NAME_PREFIX", NAME),
        ("NAME_SUFFIX", NAME),
        ("NAMESPACE", NAMESPACE),
        ("COMMON_LABELS", &*common_labels),
        ("TEMPLATE_LABELS", TEMPLATE_LABELS),
        ("COMMON_ANNOTATIONS", ANNOTATIONS),
        ("VAR_REFERENCES", VAR_REFERENCES),
        ("IMAGES", IMAGES),
        ("REPLICAS", REPLICAS),
    ];
    let mut source = Source::default();
    for (name, rows) in lists {
        source.add_list(name, table(rows));
    }
    let mut targets: Vec<_> = NAME_REFERENCES.iter().map(|(target, rows)| (typed(target), rows)).collect();
    targets.sort_by(|(a, _), (b, _)| compare_types(*a, *b));
    let first = source.count;
    for (target, rows) in &targets {
        source.add_target(*target, table(rows));
    }
    source.lists += &format!("const REFERRERS: Range<usize> = {first}..{};\n", source.count);
    source.write(targets.len())
}

#[derive(Default)]
struct Source {
    /// Every text once, one after the other.
    text: String,
    /// Where in `text` texts are.
    parts: HashMap<String, String>,
    rows: String,
    /// Of the rows.
    count: usize,
    lists: String,
    targets: String,
}

impl Source {
    fn add_list(&mut self, name: &str, mut rows: Vec<Row>) {
        rows.sort_by(|a, b| compare_types((a.group, a.version, a.kind), (b.group, b.version, b.kind)));
        let range = self.add(rows);
        self.lists += &format!("const {name}: Range<usize> = {range};\n");
    }

    fn add_target(&mut self, (group, version, kind): (&str, &str, &str), rows: Vec<Row>) {
        let referrers = self.add(rows);
        let [group, version, kind] = [group, version, kind].map(|part| self.part(part));
        self.targets +=
            &format!("    Target {{ group: {group}, version: {version}, kind: {kind}, referrers: {referrers} }},\n");
    }

    fn write(self, targets: usize) -> String {
        let Self { text, rows, count, lists, targets: lines, .. } = self;
        format!(
            "{lists}static TEXT: &str = {text:?};\n\
             static ROWS: [Row; {count}] = [\n{rows}];\n\
             static TARGETS: [Target; {targets}] = [\n{lines}];\n"
        )
    }

    /// Adds rows; which they are.
    fn add(&mut self, rows: Vec<Row>) -> String {
        let first = self.count;
        self.count += rows.len();
        for Row { group, version, kind, path, create } in rows {
            let [group, version, kind, path] = [group, version, kind, &path].map(|part| self.part(part));
            self.rows += &format!(
                "    Row {{ group: {group}, version: {version}, kind: {kind}, path: {path}, create: {create} }},\n"
            );
        }
        format!("{first}..{}", self.count)
    }

    fn part(&mut self, part: &str) -> String {
        let text = &mut self.text;
        let add = || {
            text.push_str(part);
            format!("({}, {})", text.len() - part.len(), text.len())
        };
        self.parts.entry(part.to_owned()).or_insert_with(add).clone()
    }
}

fn table(rows: &'static str) -> Vec<Row> {
    let mut specs = Vec::new();
    for row in rows.lines().filter(|row| !row.is_empty()) {
        let (create, row) = row.strip_prefix("+ ").map_or((false, row), |row| (true, row));
        let (types, path) = row.split_once(' ').expect("a row has types and a path");
        match PLACES.iter().find(|(name, _)| *name == types) {
            None => add(&mut specs, types, path.trim_start(), create),
            Some((_, places)) => {
                places.iter().for_each(|(types, place)| add(&mut specs, types, &format!("{place}/{path}"), create));
            }
        }
    }
    specs
}

fn add(specs: &mut Vec<Row>, types: &'static str, path: &str, create: bool) {
    for name in types.split(',') {
        let (group, version, kind) = typed(name);
        expand(path, &mut |path| specs.push(Row { group, version, kind, path, create }));
    }
}

/// Group, version and kind of a type as the tables write it.
fn typed(name: &'static str) -> (&'static str, &'static str, &'static str) {
    let (group, name) = name.split_once(':').unwrap_or(("", name));
    let (kind, version) = name.split_once('@').unwrap_or((name, ""));
    (group, version, if kind == "*" { "" } else { kind })
}

/// Calls `each` with every text that `{a,b}` in `path` stands for.
fn expand(path: &str, each: &mut dyn FnMut(String)) {
    let Some(open) = path.find('{') else { return each(path.to_owned()) };
    let mut depth = 0;
    let mut start = open + 1;
    let mut alternatives = Vec::new();
    for (at, byte) in path.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                alternatives.push(&path[start..at]);
                start = at + 1;
            }
            b'}' if depth == 1 => {
                alternatives.push(&path[start..at]);
                let (before, after) = (&path[..open], &path[at + 1..]);
                return alternatives.iter().for_each(|text| expand(&format!("{before}{text}{after}"), each));
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
}
