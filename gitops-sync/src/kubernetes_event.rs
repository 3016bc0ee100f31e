//! What a sync did, as Events that `kubectl describe` and `kubectl events` show.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError, ResourceType};
use crate::id::ResourceId;
use crate::options::SyncOptions;
use crate::plan::Plan;
use crate::report::{Outcome, Report, ResourceReport};

/// So many failed resources get an Event of their own.
const MOST_FAILURES: usize = 20;
/// A sync that is done does not wait longer for what only tells about it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The API server takes no longer notes.
const LONGEST_NOTE: usize = 1024;

/// Writes an Event for the sync as a whole, about the inventory, and one for
/// each resource that failed. A sync that changes nothing writes nothing.
pub(crate) async fn record(cluster: &Cluster, plan: &Plan, report: &Report, options: &SyncOptions) {
    if !options.record_events || !is_worth_telling(report) {
        return;
    }
    let (failures, uids) = (report.resources.iter(), plan.steps.iter().map(|step| step.basis.as_ref()));
    let failures = failures.zip(uids).filter_map(|(resource, basis)| {
        let message = failure(resource)?;
        let uid = basis.map(|basis| basis.uid.as_str());
        let about = about(&resource.id, &resource.api_version, uid);
        Some(event(options, &about, ("Warning", "SyncFailed", resource.action.to_string()), &message))
    });
    let summary = options.owner.as_ref().map(|owner| {
        let (kind, reason) = if report.succeeded() { ("Normal", "Synced") } else { ("Warning", "SyncFailed") };
        event(options, &about(&owner.inventory_id(), "v1", None), (kind, reason, "sync".to_owned()), &tell(report))
    });
    let events = failures.take(MOST_FAILURES).chain(summary);
    let written = join_all(events.map(|event| write(cluster, event)));
    let Ok(written) = tokio::time::timeout(PATIENCE, written).await else {
        tracing::warn!("the Events about the sync could not be written in time");
        return;
    };
    for error in written.into_iter().filter_map(Result::err) {
        tracing::warn!(error = &error as &dyn std::error::Error, "an Event about the sync could not be written");
    }
}

fn is_worth_telling(report: &Report) -> bool {
    let is_dull = |outcome: &Outcome| matches!(outcome, Outcome::Kept | Outcome::Skipped { .. });
    report.resources.iter().any(|resource| !is_dull(&resource.outcome))
}

fn failure(resource: &ResourceReport) -> Option<String> {
    match &resource.outcome {
        Outcome::Failed { message } | Outcome::Unhealthy { message } => Some(message.clone()),
        _ => None,
    }
}

/// `2 created, 1 updated, 1 failed at 1a2b3c`.
fn tell(report: &Report) -> String {
    use crate::plan::Action;
    let done = |action: Action| {
        let is_done = |resource: &&ResourceReport| resource.action == action && resource.outcome == Outcome::Done;
        report.resources.iter().filter(is_done).count()
    };
    let failed = report.resources.iter().filter(|resource| failure(resource).is_some()).count();
    let counts = [
        (done(Action::Create), "created"),
        (done(Action::Update), "updated"),
        (done(Action::Replace), "replaced"),
        (done(Action::Prune), "pruned"),
        (done(Action::Run), "run"),
        (failed, "failed"),
    ];
    let counts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let at = report.revision.as_ref().map(|revision| format!(" at {revision}")).unwrap_or_default();
    format!("{}{at}", counts.join(", "))
}

fn about(id: &ResourceId, api_version: &str, uid: Option<&str>) -> Value {
    json!({"apiVersion": api_version, "kind": id.kind, "namespace": id.namespace, "name": id.name, "uid": uid})
}

fn event(options: &SyncOptions, about: &Value, (kind, reason, action): (&str, &str, String), note: &str) -> Value {
    let now = Timestamp::now();
    // Events about what is in no namespace have to be in this one.
    let namespace = about["namespace"].as_str().unwrap_or("default");
    let name = about["name"].as_str().unwrap_or_default();
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        // As client-go names them: what they are about, and when.
        "metadata": {"name": format!("{name}.{:x}", now.as_nanosecond()), "namespace": namespace},
        "eventTime": format!("{now:.6}"),
        "reportingController": options.field_manager, "reportingInstance": options.field_manager,
        "type": kind, "reason": reason, "action": action,
        "regarding": about, "note": shorten(note),
    })
}

fn shorten(note: &str) -> &str {
    let end = (0..=LONGEST_NOTE.min(note.len())).rev().find(|end| note.is_char_boundary(*end));
    &note[..end.unwrap_or(0)]
}

async fn write(cluster: &Cluster, event: Value) -> Result<(), ClusterError> {
    let kind = ResourceType {
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
        watchable: true,
    };
    let text = |field: &str| event["metadata"][field].as_str().unwrap_or_default();
    let id = ResourceId::new("events.k8s.io", "Event", text("name")).in_namespace(text("namespace"));
    match cluster.create(&kind, &id, &event).await {
        // The first answer was lost.
        Err(error) if error.is_conflict() => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        let note = "ä".repeat(LONGEST_NOTE);
        assert_eq!(shorten(&note).len(), LONGEST_NOTE);
        assert_eq!(shorten(&format!("x{note}")).len(), LONGEST_NOTE - 1);
        assert_eq!(shorten("short"), "short");
    }
}
