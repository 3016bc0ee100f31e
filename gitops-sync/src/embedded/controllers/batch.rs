//! Jobs.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Behaviour, delete, objects, with_condition};
use crate::embedded::custom::has_condition;
use crate::embedded::state::{State, collection};

/// A job starts, then completes or fails.
pub(super) fn job(object: &Value, behaviour: Behaviour, now: &str) -> Option<Value> {
    let (spec, old) = (&object["spec"], &object["status"]);
    if has_condition(object, "Complete") || has_condition(object, "Failed") {
        return None;
    }
    let mut status = old.clone();
    if spec["suspend"] == true {
        let suspended = json!({"type": "Suspended", "status": "True", "reason": "JobSuspended",
                               "message": "Job suspended", "lastProbeTime": now, "lastTransitionTime": now});
        status["conditions"] = with_condition(&old["conditions"], suspended);
        return (status != *old).then_some(status);
    }
    if old["startTime"].is_null() {
        status["startTime"] = json!(now);
        status["active"] = spec["parallelism"].clone();
        status["ready"] = json!(0);
        return Some(status);
    }
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": message,
               "lastProbeTime": now, "lastTransitionTime": now})
    };
    let ended = match behaviour {
        Behaviour::Stall => return None,
        Behaviour::Succeed => {
            status["succeeded"] = json!(spec["completions"].as_i64().unwrap_or(1));
            status["completionTime"] = json!(now);
            let message = "Reached expected number of succeeded pods";
            [
                condition("SuccessCriteriaMet", "CompletionsReached", message),
                condition("Complete", "CompletionsReached", message),
            ]
        }
        Behaviour::Fail => {
            status["failed"] = json!(spec["backoffLimit"].as_i64().unwrap_or(6) + 1);
            let message = "Job has reached the specified backoff limit";
            [
                condition("FailureTarget", "BackoffLimitExceeded", message),
                condition("Failed", "BackoffLimitExceeded", message),
            ]
        }
    };
    if let Some(map) = status.as_object_mut() {
        map.remove("active");
    }
    status["conditions"] = ended.into_iter().fold(old["conditions"].clone(), |all, one| with_condition(&all, one));
    Some(status)
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
