//! Defaults of controllers of pods.

use serde_json::{Value, json};

use super::{default, default_below, given, items, pod, text};

pub(super) fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    default_below(spec, "strategy", "type", "RollingUpdate");
    if text(&spec["strategy"], "type") == "RollingUpdate" {
        default_below(&mut spec["strategy"], "rollingUpdate", "maxUnavailable", "25%");
        default_below(&mut spec["strategy"], "rollingUpdate", "maxSurge", "25%");
    }
    pod::template(&mut spec["template"]);
}

pub(super) fn stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "podManagementPolicy", "OrderedReady");
    default_below(spec, "updateStrategy", "type", "RollingUpdate");
    if text(&spec["updateStrategy"], "type") == "RollingUpdate" {
        default_below(&mut spec["updateStrategy"], "rollingUpdate", "partition", 0);
    }
    default_below(spec, "persistentVolumeClaimRetentionPolicy", "whenDeleted", "Retain");
    default_below(spec, "persistentVolumeClaimRetentionPolicy", "whenScaled", "Retain");
    for claim in items(spec, "volumeClaimTemplates") {
        // Written by the API server although nobody sent it.
        default(claim, "apiVersion", "v1");
        default(claim, "kind", "PersistentVolumeClaim");
        super::settings::volume_claim(&mut claim["spec"]);
        default_below(claim, "status", "phase", "Pending");
    }
    pod::template(&mut spec["template"]);
}

pub(super) fn daemon_set(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "revisionHistoryLimit", 10);
    default_below(spec, "updateStrategy", "type", "RollingUpdate");
    if text(&spec["updateStrategy"], "type") == "RollingUpdate" {
        default_below(&mut spec["updateStrategy"], "rollingUpdate", "maxUnavailable", 1);
        default_below(&mut spec["updateStrategy"], "rollingUpdate", "maxSurge", 0);
    }
    pod::template(&mut spec["template"]);
}

pub(super) fn replica_set(object: &mut Value) {
    default(&mut object["spec"], "replicas", 1);
    if let Some(template) = given(&mut object["spec"], "template") {
        pod::template(template);
    }
}

pub(super) fn replication_controller(object: &mut Value) {
    let labels = pod::labels(&object["spec"]["template"]);
    if let Some(labels) = labels {
        default(&mut object["spec"], "selector", labels.clone());
        default(&mut object["metadata"], "labels", labels);
    }
    replica_set(object);
}

pub(super) fn job(object: &mut Value) {
    let labels = pod::labels(&object["spec"]["template"]);
    if let Some(labels) = labels {
        default(&mut object["metadata"], "labels", labels);
    }
    let spec = &mut object["spec"];
    job_spec(spec);
    pod::template(&mut spec["template"]);
}

fn job_spec(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    default(spec, "backoffLimit", limit);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    let replacement = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    default(spec, "podReplacementPolicy", replacement);
}

pub(super) fn cron_job(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
    if let Some(template) = spec.get_mut("jobTemplate").and_then(|job| given(job, "spec")) {
        // A job template gets the defaults of its pods, not those of a job.
        let pods = &mut template["template"];
        pod::template(pods);
    }
}

/// What the server adds to a new job so that its pods can be found.
pub(in crate::embedded) fn select_by_uid(object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (object["metadata"]["name"].clone(), object["metadata"]["uid"].clone());
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "controller-uid": uid, "job-name": name,
    });
    // Labels that were copied from the template are shared with it in real servers.
    let shared = object["metadata"]["labels"] == object["spec"]["template"]["metadata"]["labels"];
    for (label, value) in labels.as_object().into_iter().flatten() {
        default_below(&mut object["spec"]["template"]["metadata"], "labels", label, value.clone());
        if shared && object["metadata"]["labels"].is_object() {
            default_below(&mut object["metadata"], "labels", label, value.clone());
        }
    }
    if object["spec"]["selector"].is_null() {
        object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
}
