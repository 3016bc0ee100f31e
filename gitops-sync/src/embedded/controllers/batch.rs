//! Jobs.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Behaviour, delete, objects, with_condition};
use crate::embedded::custom::has_condition;
use crate::embedded::state::{State, collection};

/// A job starts, then completes or fails; while it is suspended it waits.
pub(super) fn job(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let (spec, old) = (&object["spec"], &object["status"]);
    if has_condition(object, "Complete") || has_condition(object, "Failed") {
        return None;
    }
    let mut status = old.clone();
    if spec["suspend"] == true {
        add(&mut status, &condition("Suspended", true, "JobSuspended", "Job suspended", now));
        return (status != *old).then_some(status);
    }
    if has_condition(object, "Suspended") {
        add(&mut status, &condition("Suspended", false, "JobResumed", "Job resumed", now));
        return Some(status);
    }
    if old["startTime"].is_null() {
        status["startTime"] = json!(now);
        status["active"] = spec["parallelism"].clone();
        status["ready"] = json!(0);
        return Some(status);
    }
    if behaviour == Behaviour::Stall {
        return None;
    }
    end(&mut status, spec, behaviour == Behaviour::Succeed, now);
    Some(status)
}

fn end(status: &mut Value, spec: &Value, succeeds: bool, now: &str) {
    if let Some(map) = status.as_object_mut() {
        map.remove("active");
    }
    let (first, last, reason, message) = if succeeds {
        status["succeeded"] = json!(spec["completions"].as_i64().unwrap_or(1));
        status["completionTime"] = json!(now);
        ("SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    } else {
        status["failed"] = json!(spec["backoffLimit"].as_i64().unwrap_or(6) + 1);
        ("FailureTarget", "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    };
    for kind in [first, last] {
        add(status, &condition(kind, true, reason, message, now));
    }
}

fn add(status: &mut Value, condition: &Value) {
    status["conditions"] = with_condition(&status["conditions"], condition.clone());
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str, now: &str) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
           "lastProbeTime": now, "lastTransitionTime": now})
}

/// Deletes finished jobs whose time is up. A time of zero is the one that tests can wait for.
pub(super) fn expire(state: &mut State) {
    let Some(resource) = state.resource("batch", "v1", "jobs").cloned() else { return };
    for job in objects(state, &collection("batch", "jobs")) {
        let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { continue };
        let finished = job["status"]["conditions"].as_array().into_iter().flatten().find(|condition| {
            matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
        });
        let since = finished.and_then(|found| found["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok());
        if since.is_some_and(|since| Timestamp::now().as_second() - since.as_second() >= seconds) {
            delete(state, &resource, &job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(mut object: Value, behaviour: Behaviour) -> Value {
        while let Some(status) = job(&object, behaviour, "2026-01-01T00:00:00Z") {
            object["status"] = status;
        }
        object
    }

    #[test]
    fn a_job_waits_while_it_is_suspended_and_then_ends() {
        let object = json!({"spec": {"suspend": true, "completions": 2, "parallelism": 1}, "status": {}});
        let mut waiting = ended(object, Behaviour::Succeed);
        assert!(has_condition(&waiting, "Suspended") && !has_condition(&waiting, "Complete"));
        waiting["spec"]["suspend"] = json!(false);
        let complete = ended(waiting.clone(), Behaviour::Succeed);
        assert!(has_condition(&complete, "Complete") && !has_condition(&complete, "Suspended"));
        assert_eq!(complete["status"]["succeeded"], 2);
        assert!(has_condition(&ended(waiting, Behaviour::Fail), "Failed"));
    }
}
