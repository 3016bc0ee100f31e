//! The requests the engine makes, each repeated while that can help.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use kube::core::Status;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::discovery::ResourceType;
use super::{Cluster, ClusterError, path_of};
use crate::id::ResourceId;
use crate::object::Live;

const JSON: &str = "application/json";
/// One request, to be sent as often as it takes.
///
/// Everything the engine sends can be repeated: reads, server-side applies
/// (the second one changes nothing), and deletes of one UID.
pub(super) struct Ask {
    pub(super) action: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn get(action: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            method: Method::GET,
            path: path.into(),
            accept: JSON,
            content_type: "",
            body: Vec::new(),
        }
    }

    fn build(&self) -> Result<Request<kube::client::Body>, ClusterError> {
        let mut request = Request::builder().method(&self.method).uri(&self.path).header(header::ACCEPT, self.accept);
        if !self.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, self.content_type);
        }
        request
            .body(kube::client::Body::from(self.body.clone()))
            .map_err(|source| ClusterError::Request { action: self.action.clone(), source })
    }
}

/// How an apply is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApplyMode<'a> {
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

/// What happens to the dependents of what is deleted: the pods of a
/// Deployment, for instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Propagation {
    /// They are deleted afterwards, by the garbage collector.
    #[default]
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

/// How far a deletion has come.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// There is nothing left.
    Gone,
    /// It waits for finalizers, dependents or a grace period.
    Pending(Live),
}

impl Cluster {
    /// The live object, or `None` if there is none.
    pub(crate) async fn get(&self, kind: &ResourceType, id: &ResourceId) -> Result<Option<Live>, ClusterError> {
        match self.ask(Ask::get(format!("read {id}"), path_of(kind, id))).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies `object` with server-side apply; what it is afterwards.
    pub(crate) async fn apply(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
        object: &Value,
        mode: ApplyMode<'_>,
    ) -> Result<Live, ClusterError> {
        let mut path = format!("{}?fieldManager={}", path_of(kind, id), percent_encode(mode.manager));
        if mode.force {
            path.push_str("&force=true");
        }
        if mode.dry_run {
            path.push_str("&dryRun=All");
        }
        self.ask(Ask {
            action: format!("{} {id}", if mode.dry_run { "try to apply" } else { "apply" }),
            method: Method::PATCH,
            path,
            accept: JSON,
            content_type: "application/apply-patch+yaml",
            body: object.to_string().into_bytes(),
        })
        .await
    }

    /// Creates an object.
    pub(crate) async fn create(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
        object: &Value,
    ) -> Result<(), ClusterError> {
        let ask = Ask {
            action: format!("create {id}"),
            method: Method::POST,
            path: kind.collection(id.namespace.as_deref()),
            accept: JSON,
            content_type: "application/json",
            body: object.to_string().into_bytes(),
        };
        self.ask::<IgnoredAny>(ask).await.map(drop)
    }

    /// Changes an object with a JSON patch.
    pub(crate) async fn json_patch(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
        patch: &Value,
        manager: &str,
    ) -> Result<Live, ClusterError> {
        self.ask(Ask {
            action: format!("patch {id}"),
            method: Method::PATCH,
            path: format!("{}?fieldManager={}", path_of(kind, id), percent_encode(manager)),
            accept: JSON,
            content_type: "application/json-patch+json",
            body: patch.to_string().into_bytes(),
        })
        .await
    }

    /// Deletes the object with this UID and no other.
    pub(crate) async fn delete(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
        uid: &str,
        propagation: Propagation,
    ) -> Result<Deleted, ClusterError> {
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let body = json!({
            "kind": "DeleteOptions", "apiVersion": "v1",
            "propagationPolicy": policy, "preconditions": {"uid": uid},
        });
        let answer = self
            .ask::<Value>(Ask {
                action: format!("delete {id}"),
                method: Method::DELETE,
                path: path_of(kind, id),
                accept: JSON,
                content_type: "application/json",
                body: body.to_string().into_bytes(),
            })
            .await;
        match answer {
            // The server answers with the object when it is not gone yet.
            Ok(answer) if answer["kind"] != "Status" => Ok(Deleted::Pending(Live::of_value(&answer))),
            Ok(_) => Ok(Deleted::Gone),
            Err(error) if error.is_not_found() => Ok(Deleted::Gone),
            Err(error) => Err(error),
        }
    }

    /// Sends a request until it is answered for good, or time is up.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ClusterError> {
        self.ask_for(ask, |body| serde_json::from_slice(body)).await
    }

    pub(super) async fn ask_for<T>(
        &self,
        ask: Ask,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<T, ClusterError> {
        let deadline = Instant::now() + self.inner.options.retry_for;
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(&ask, &read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(pause) = failure.pause(attempt).filter(|pause| Instant::now() + *pause < deadline) else {
                return Err(failure.error);
            };
            tracing::debug!(error = %failure.error, attempt, ?pause, "trying again");
            if failure.is_overload() {
                self.inner.limiter.pause(pause).await;
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<T>(&self, ask: &Ask, read: &impl Fn(&[u8]) -> serde_json::Result<T>) -> Result<T, Failure> {
        let request = ask.build()?;
        self.inner.limiter.acquire().await;
        let _permit = self.inner.permits.acquire().await.expect("the semaphore is never closed");
        let limit = self.inner.options.request_timeout;
        let action = || ask.action.clone();
        let exchange = async {
            let response = self.inner.client.send(request).await.map_err(|e| unreachable(action(), e))?;
            let (head, body) = response.into_parts();
            let body = body.collect_bytes().await.map_err(|e| unreachable(action(), e))?;
            read_answer(action, head, &body, read)
        };
        match timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClusterError::Timeout { action: action(), after: limit }.into()),
        }
    }
}

fn unreachable(action: String, error: kube::Error) -> Failure {
    ClusterError::Unreachable { action, source: Box::new(error) }.into()
}

fn read_answer<T>(
    action: impl Fn() -> String,
    head: http::response::Parts,
    body: &[u8],
    read: impl Fn(&[u8]) -> serde_json::Result<T>,
) -> Result<T, Failure> {
    if head.status.is_success() {
        return read(body).map_err(|source| ClusterError::Answer { action: action(), source }.into());
    }
    let after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let status = Box::new(read_status(head.status, body));
    let advised = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
    Err(Failure {
        error: ClusterError::Refused { action: action(), status },
        retry_after: after.or(advised.map(u64::from)).map(Duration::from_secs),
    })
}

/// Proxies and overloaded servers answer in plain text.
fn read_status(code: StatusCode, body: &[u8]) -> Status {
    let mut status: Status = serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
        Status::failure(text.trim(), "")
    });
    if status.message.is_empty() {
        status.message = code.to_string();
    }
    status.code = code.as_u16();
    status
}

struct Failure {
    error: ClusterError,
    retry_after: Option<Duration>,
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self { error, retry_after: None }
    }
}

impl Failure {
    fn is_overload(&self) -> bool {
        self.error.status().is_some_and(|status| status.code == 429)
    }

    /// How long to wait before it is worth another try, if it ever is.
    fn pause(&self, attempt: u32) -> Option<Duration> {
        let may_pass = match &self.error {
            _ if self.error.is_invalid() => false,
            ClusterError::Refused { status, .. } => matches!(status.code, 429 | 500 | 502 | 503 | 504),
            ClusterError::Unreachable { .. } | ClusterError::Timeout { .. } => true,
            // A connection that breaks in the middle of an answer.
            ClusterError::Answer { source, .. } => source.is_eof(),
            ClusterError::Request { .. } => false,
        };
        may_pass.then(|| self.retry_after.unwrap_or_default().max(backoff(attempt)))
    }
}

/// 50 ms, doubled each time up to 5 s, plus or minus a third so that many
/// clients don't come back at once.
fn backoff(attempt: u32) -> Duration {
    let base = Duration::from_millis(50 * 2u64.pow(attempt.min(7))).min(Duration::from_secs(5));
    let random = RandomState::new().hash_one(attempt) % 1000;
    base.mul_f64(0.67 + random as f64 / 1500.0)
}

/// For the value of a query parameter.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in 0..20 {
            let pause = backoff(attempt);
            assert!(pause >= Duration::from_millis(33) && pause < Duration::from_secs(7), "{pause:?}");
        }
        assert!(backoff(7) > backoff(0));
    }

    #[test]
    fn retry_after_is_obeyed_and_refusals_are_final() {
        let failure = |code: u16| Failure {
            error: ClusterError::Refused {
                action: String::new(),
                status: Box::new(Status::failure("", "").with_code(code)),
            },
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(failure(429).pause(0), Some(Duration::from_secs(7)));
        assert_eq!(failure(503).pause(0), Some(Duration::from_secs(7)));
        assert_eq!(failure(403).pause(0), None);
        assert_eq!(failure(409).pause(0), None);
    }

    #[test]
    fn plain_text_answers_become_a_status() {
        let status = read_status(StatusCode::BAD_GATEWAY, b"upstream is down\n");
        assert_eq!((status.code, status.message.as_str()), (502, "upstream is down"));
        assert_eq!(read_status(StatusCode::BAD_GATEWAY, b"").message, "502 Bad Gateway");
    }

    #[test]
    fn parameters_are_encoded() {
        assert_eq!(percent_encode("a=b,c d"), "a%3Db%2Cc%20d");
    }
}
