//! Sends one commit, and finds out what became of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use git2::{ErrorCode, PushOptions, RemoteCallbacks};

use crate::commit::base::Base;
use crate::commit::options::{CommitOptions, PushMode};
use crate::id::ObjectId;
use crate::mirror::libgit2_url;
use crate::protocol::narrow::Keep;
use crate::remote_error::RemoteError;
use crate::transport::library;
use crate::transport::session::Session;
use crate::tree::TreeReader;

/// What became of a commit that was sent.
pub(crate) enum Sent {
    Landed,
    /// The branch was elsewhere, at `found`, before anything was sent.
    Moved {
        found: Option<ObjectId>,
    },
    /// Someone else was faster.
    TooLate {
        server: String,
    },
    /// The server does not want it.
    Declined {
        reason: String,
        server: String,
    },
    /// The conversation failed; the commit may have arrived or not.
    Unknown(RemoteError),
}

/// What the callbacks saw.
#[derive(Default)]
struct Seen {
    moved: Option<ObjectId>,
    status: Option<Result<(), String>>,
}

/// Moves `branch` from where `base` expects it to the commit of `draft`, or
/// creates it there.
pub(crate) fn push(
    session: &Arc<Session>,
    draft: &TreeReader,
    branch: &str,
    base: &Base,
    options: &CommitOptions,
) -> Result<(ObjectId, Sent), RemoteError> {
    let commit = draft.commit().expect("a draft is a commit");
    let repository = draft.repository();
    let (url, _registered) = libgit2_url(session);
    let mut libgit2 = repository.remote_anonymous(&url).map_err(RemoteError::library)?;
    let reference = format!("refs/heads/{branch}");
    session.keep_refs(Keep { name: reference.clone(), base: base.tip });
    let seen = RefCell::new(Seen::default());
    let mut callbacks = RemoteCallbacks::new();
    callbacks.push_negotiation(|updates| {
        let found = updates.first().map(|update| ObjectId::from_git(update.src()));
        let found = found.filter(|id| !id.is_zero());
        if found != base.expected {
            seen.borrow_mut().moved = Some(found.unwrap_or(ObjectId::ZERO));
            return Err(git2::Error::from_str("the branch has moved"));
        }
        Ok(())
    });
    callbacks.push_update_reference(|name, status| {
        if name == reference {
            seen.borrow_mut().status = Some(status.map_or(Ok(()), |s| Err(s.to_owned())));
        }
        Ok(())
    });
    callbacks.sideband_progress(|bytes| {
        session.hear(bytes);
        true
    });
    let mut push_options = PushOptions::new();
    if session.remote.uses_library() {
        library::answer(&mut callbacks, session);
        push_options.proxy_options(library::proxy(&session.remote.proxy));
    }
    let server_options: Vec<&str> = options.push_options.iter().map(String::as_str).collect();
    push_options.remote_callbacks(callbacks).remote_push_options(&server_options);
    // The lease is kept by `push_negotiation`, and by the server from then on.
    let force = if matches!(options.mode, PushMode::Replace { .. }) { "+" } else { "" };
    let refspec = format!("{force}{commit}:{reference}");
    // git2 panics on a status that is not UTF-8, and the server chooses it.
    let pushed = catch_unwind(AssertUnwindSafe(|| libgit2.push(&[refspec.as_str()], Some(&mut push_options))));
    drop(push_options);
    let pushed = pushed.map_err(|_| RemoteError::Protocol { reason: "the status of a ref is not UTF-8".to_owned() })?;
    // The server may have closed the connection already.
    let _ = libgit2.disconnect();
    Ok((commit, verdict(session, seen.into_inner(), pushed)?))
}

fn verdict(session: &Session, seen: Seen, pushed: Result<(), git2::Error>) -> Result<Sent, RemoteError> {
    if let Some(found) = seen.moved {
        return Ok(Sent::Moved { found: Some(found).filter(|id| !id.is_zero()) });
    }
    match (seen.status, pushed) {
        (Some(Ok(())), _) => Ok(Sent::Landed),
        (Some(Err(reason)), _) => {
            let (reason, server) = (session.clean(&reason), session.words());
            Ok(match is_race(&reason) {
                true => Sent::TooLate { server: reason },
                false => Sent::Declined { reason, server },
            })
        }
        (None, Err(error)) if error.code() == ErrorCode::NotFastForward => Ok(Sent::TooLate { server: String::new() }),
        (None, Err(error)) => match session.explain(error) {
            error if error.is_transient() => Ok(Sent::Unknown(error)),
            error => Err(error),
        },
        // No server in use is silent about a ref; looking again tells.
        (None, Ok(())) => Ok(Sent::Unknown(RemoteError::Interrupted { server: session.words(), source: None })),
    }
}

/// How servers say that the branch is not where it was when the push began.
fn is_race(reason: &str) -> bool {
    const WORDS: &[&str] = &[
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "incorrect old value",
        "stale info",
        "fetch first",
        "non-fast-forward",
        "reference already exists",
    ];
    let reason = reason.to_lowercase();
    WORDS.iter().any(|words| reason.contains(words))
}

/// Whether the server declined because the branch is protected.
pub(crate) fn is_protection(reason: &str, server: &str) -> bool {
    let text = format!("{reason} {server}").to_lowercase();
    let words = ["protected branch", "protected ref", "branch is protected", "tf402455", "gh006"];
    words.iter().any(|words| text.contains(words))
}
