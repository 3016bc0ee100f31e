//! Controllers of pods.

use serde_json::{Value, json};

use super::{Behaviour, with_condition};

/// How far a rollout is: none, one or all of its pods.
fn steps(wanted: i64, done: i64, behaviour: Behaviour) -> i64 {
    match (behaviour, done) {
        (Behaviour::Succeed, 0) => wanted.min(1),
        (Behaviour::Succeed, _) => wanted,
        _ => done.min(wanted),
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn unless_same(object: &Value, status: Value) -> Option<Value> {
    (object["status"] != status).then_some(status)
}

/// Drops zeroes, which these types do not write.
fn counts(status: &mut Value, fields: &[(&str, i64)]) {
    for (field, count) in fields {
        match (*count, status.as_object_mut()) {
            (0, Some(map)) => {
                map.remove(*field);
            }
            (count, _) => status[*field] = json!(count),
        }
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str, now: &str) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
           "lastUpdateTime": now, "lastTransitionTime": now})
}

/// Where a rollout of a Deployment is.
struct Rollout {
    wanted: i64,
    updated: i64,
    ready: i64,
    /// The generation was not seen before.
    fresh: bool,
}

impl Rollout {
    /// Old pods serve until new ones are ready, so what was available stays so.
    fn next(object: &Value, behaviour: Behaviour) -> Self {
        let old = &object["status"];
        let wanted = number(&object["spec"]["replicas"]);
        let before = number(&old["updatedReplicas"]);
        let fresh = old["observedGeneration"] != object["metadata"]["generation"];
        let updated = if fresh { 0 } else { steps(wanted, before, behaviour) };
        let all_updated = !fresh && before >= wanted && behaviour == Behaviour::Succeed;
        let ready = if all_updated { wanted } else { number(&old["readyReplicas"]).min(wanted) };
        Self { wanted, updated, ready, fresh }
    }

    fn progressing(&self, name: &str, behaviour: Behaviour, now: &str) -> Value {
        let complete = !self.fresh && self.updated >= self.wanted && self.ready >= self.wanted;
        let (holds, reason, what) = match behaviour {
            _ if complete => (true, "NewReplicaSetAvailable", "has successfully progressed"),
            Behaviour::Fail if !self.fresh => (false, "ProgressDeadlineExceeded", "has timed out progressing"),
            _ => (true, "ReplicaSetUpdated", "is progressing"),
        };
        condition("Progressing", holds, reason, &format!("ReplicaSet for {name:?} {what}."), now)
    }

    /// A quarter may be missing, as by default during an update.
    fn available(&self, now: &str) -> Value {
        if self.ready * 4 >= self.wanted * 3 {
            let message = "Deployment has minimum availability.";
            condition("Available", true, "MinimumReplicasAvailable", message, now)
        } else {
            let message = "Deployment does not have minimum availability.";
            condition("Available", false, "MinimumReplicasUnavailable", message, now)
        }
    }
}

pub(super) fn deployment(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let old = &object["status"];
    let rollout = Rollout::next(object, behaviour);
    if object["spec"]["paused"] == true && !rollout.fresh {
        return None;
    }
    let mut status = old.clone();
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    counts(
        &mut status,
        &[
            ("replicas", rollout.wanted),
            ("updatedReplicas", rollout.updated),
            ("readyReplicas", rollout.ready),
            ("availableReplicas", rollout.ready),
            ("unavailableReplicas", rollout.wanted - rollout.ready),
        ],
    );
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let conditions = with_condition(&old["conditions"], rollout.available(now));
    status["conditions"] = with_condition(&conditions, rollout.progressing(name, behaviour, now));
    unless_same(object, status)
}

/// A name that changes with the template.
fn revision(object: &Value) -> String {
    let text = object["spec"]["template"].to_string();
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{}-{:010x}", object["metadata"]["name"].as_str().unwrap_or(""), hash >> 24)
}

pub(super) fn stateful_set(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    let old = &object["status"];
    let wanted = number(&object["spec"]["replicas"]);
    let generation = &object["metadata"]["generation"];
    let revision = revision(object);
    let mut status = old.clone();
    let changed = old["updateRevision"] != revision.as_str();
    let before = if changed { 0 } else { number(&old["updatedReplicas"]) };
    let updated = if changed { 0 } else { steps(wanted, before, behaviour) };
    let done = updated >= wanted && before >= wanted && !changed && behaviour == Behaviour::Succeed;
    let ready = if done { wanted } else { number(&old["readyReplicas"]).min(wanted) };
    status["observedGeneration"] = generation.clone();
    status["updateRevision"] = json!(revision);
    status["collisionCount"] = json!(0);
    status["replicas"] = json!(wanted);
    status["availableReplicas"] = json!(ready);
    if status["currentRevision"].is_null() || done {
        status["currentRevision"] = json!(revision);
    }
    let current = if done || status["currentRevision"] == revision.as_str() { updated } else { wanted - updated };
    counts(&mut status, &[("readyReplicas", ready), ("updatedReplicas", updated), ("currentReplicas", current)]);
    unless_same(object, status)
}

/// There is one node.
pub(super) fn daemon_set(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    let old = &object["status"];
    let generation = &object["metadata"]["generation"];
    let fresh = old["observedGeneration"] != *generation;
    let updated = if fresh { 0 } else { steps(1, number(&old["updatedNumberScheduled"]), behaviour) };
    let done = !fresh && number(&old["updatedNumberScheduled"]) == 1 && behaviour == Behaviour::Succeed;
    let ready = if done { 1 } else { number(&old["numberReady"]) };
    let mut status = old.clone();
    status["observedGeneration"] = generation.clone();
    status["desiredNumberScheduled"] = json!(1);
    status["currentNumberScheduled"] = json!(1);
    status["numberMisscheduled"] = json!(0);
    status["numberReady"] = json!(ready);
    let optional = [("updatedNumberScheduled", updated), ("numberAvailable", ready), ("numberUnavailable", 1 - ready)];
    counts(&mut status, &optional);
    unless_same(object, status)
}

pub(super) fn replica_set(object: &Value, behaviour: Behaviour, _now: &str) -> Option<Value> {
    let old = &object["status"];
    let wanted = number(&object["spec"]["replicas"]);
    let fresh = old["observedGeneration"] != object["metadata"]["generation"];
    let ready = if fresh {
        number(&old["readyReplicas"]).min(wanted)
    } else {
        steps(wanted, number(&old["readyReplicas"]), behaviour)
    };
    let mut status = old.clone();
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    status["replicas"] = json!(wanted);
    counts(&mut status, &[("fullyLabeledReplicas", wanted), ("readyReplicas", ready), ("availableReplicas", ready)]);
    unless_same(object, status)
}

/// Pods that restart keep running; others come to an end.
pub(super) fn pod(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let status = &object["status"];
    let restarts = object["spec"]["restartPolicy"] == "Always";
    let next = match (status["phase"].as_str().unwrap_or("Pending"), behaviour) {
        ("Pending", _) => "Running",
        ("Running", Behaviour::Succeed) if !restarts => "Succeeded",
        ("Running", Behaviour::Fail) if !restarts => "Failed",
        ("Running", _) if status["containerStatuses"].is_null() => "Running",
        _ => return None,
    };
    let first = status["phase"] == "Pending" || status["phase"].is_null();
    let ready = next == "Running" && behaviour == Behaviour::Succeed && !first;
    let mut new = status.clone();
    new["phase"] = json!(next);
    if new["startTime"].is_null() {
        new["startTime"] = json!(now);
    }
    if !first {
        new["containerStatuses"] = container_statuses(object, next, ready, behaviour, now);
    }
    let condition = |kind: &str, holds: bool| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now});
    new["conditions"] = [("PodScheduled", true), ("Initialized", true), ("ContainersReady", ready), ("Ready", ready)]
        .iter()
        .fold(status["conditions"].clone(), |all, (kind, holds)| with_condition(&all, condition(kind, *holds)));
    unless_same(object, new)
}

fn container_statuses(object: &Value, phase: &str, ready: bool, behaviour: Behaviour, now: &str) -> Value {
    let state = match (phase, behaviour) {
        ("Succeeded", _) => {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}})
        }
        ("Failed", _) => json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}}),
        (_, Behaviour::Fail) => {
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}})
        }
        _ => json!({"running": {"startedAt": now}}),
    };
    object["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": ready,
                   "started": ready, "restartCount": 0, "state": state})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolled_out(mut object: Value, behaviour: Behaviour) -> Value {
        for _ in 0..10 {
            match deployment(&object, behaviour, "2026-01-01T00:00:00Z") {
                Some(status) => object["status"] = status,
                None => return object,
            }
        }
        panic!("it never settles: {object}");
    }

    #[test]
    fn a_deployment_gets_ready_or_fails_and_then_settles() {
        let object = json!({"metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 3}, "status": {}});
        let ready = rolled_out(object.clone(), Behaviour::Succeed);
        assert_eq!(ready["status"]["availableReplicas"], 3);
        assert_eq!(ready["status"]["conditions"][1]["reason"], "NewReplicaSetAvailable");
        let failed = rolled_out(object.clone(), Behaviour::Fail);
        assert_eq!(failed["status"]["conditions"][1]["reason"], "ProgressDeadlineExceeded");
        let stalled = rolled_out(object, Behaviour::Stall);
        assert_eq!(stalled["status"]["unavailableReplicas"], 3);
        let idle = json!({"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {}});
        assert_eq!(rolled_out(idle, Behaviour::Succeed)["status"]["conditions"][0]["status"], "True");
    }
}
