//! What the run looks like.

use std::error::Error;
use std::io::{IsTerminal, Write, stdout};

use futures::{Stream, StreamExt};
use gitops_sync::{Action, Event, HealthStatus, Outcome, Report};

/// An error and all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

pub fn heading(text: &str) {
    if stdout().is_terminal() {
        println!("\n\x1b[1m{text}\x1b[0m");
    } else {
        println!("\n{text}");
    }
}

pub fn line(who: &str, text: &str) {
    println!("  {who:<11} {text}");
}

/// Text of several lines, such as a diff.
pub fn block(text: &str) {
    for line in text.lines() {
        println!("      {line}");
    }
}

/// Tells what a sync does, while it does it.
pub async fn progress(mut events: impl Stream<Item = Event> + Unpin) {
    let mut waiting = Waiting::default();
    while let Some(event) = events.next().await {
        waiting.clear();
        match event {
            Event::Planned { actions } => {
                let count = |wanted: Action| actions.iter().filter(|(_, action)| *action == wanted).count();
                let counts = [Action::Create, Action::Update, Action::Keep, Action::Prune];
                let counts = counts.map(|action| (action, count(action)));
                let words =
                    counts.iter().filter(|(_, count)| *count > 0).map(|(action, count)| format!("{count} to {action}"));
                line("plan", &words.collect::<Vec<_>>().join(", "));
            }
            Event::Applied { id, action } if action != Action::Keep => line("applied", &format!("{id}")),
            Event::Waiting { id, health } => waiting.show(&format!("{id}: {} {}", health.status, health.message)),
            Event::Ready { id } => line("healthy", &format!("{id}")),
            Event::Failed { id, message } => line("failed", &format!("{id}: {message}")),
            _ => {}
        }
    }
    waiting.clear();
}

/// One line that is written over as long as somebody watches.
#[derive(Default)]
struct Waiting {
    is_shown: bool,
}

impl Waiting {
    fn show(&mut self, text: &str) {
        if stdout().is_terminal() {
            print!("  \x1b[2m{:<11} {text}\x1b[0m", "waiting");
            // A line that is not there yet does no harm.
            let _ = stdout().flush();
            self.is_shown = true;
        } else {
            line("waiting", text);
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            print!("\r\x1b[2K");
        }
    }
}

/// The application as `kubectl get` would show it, and the images that run.
pub fn status(name: &str, report: &Report) {
    let revision = report.revision.as_deref().unwrap_or_default();
    println!("  {name}   {}   {}   revision {}", report.sync, report.health, &revision[..revision.len().min(10)]);
    for resource in &report.resources {
        let sync = resource.sync.map(|code| code.to_string()).unwrap_or_default();
        let health = resource.health.as_ref().map(|health| health.status);
        let health = health.map(|status: HealthStatus| status.to_string()).unwrap_or_default();
        let problem = match &resource.outcome {
            Outcome::Failed { message } => message.as_str(),
            Outcome::Skipped { reason } => reason.as_str(),
            _ => "",
        };
        println!("    {:<46} {sync:<10} {health:<12} {problem}", resource.id.to_string());
    }
    for image in &report.images {
        println!("    runs {image}");
    }
}
