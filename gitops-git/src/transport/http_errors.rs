//! What a failed HTTP exchange means.

use std::error::Error;
use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Body, Timeout};

use crate::remote_error::{Phase, RemoteError};
use crate::transport::session::Session;

/// How much of an error page is read for the server's words.
const WORDS: u64 = 8_192;

/// The error for a status other than success.
pub(crate) fn status(session: &Session, response: Response<Body>) -> RemoteError {
    let status = response.status();
    let retry_after = retry_after(&response);
    let server = words(session, response);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            RemoteError::Unauthorized { given: session.credentials.is_some(), server }
        }
        StatusCode::FORBIDDEN => RemoteError::Forbidden { server },
        StatusCode::NOT_FOUND | StatusCode::GONE => RemoteError::NotFound { server },
        StatusCode::TOO_MANY_REQUESTS => throttled(status, retry_after),
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => throttled(status, retry_after),
        _ => RemoteError::Status { status: status.as_u16(), server },
    }
}

fn throttled(status: StatusCode, retry_after: Option<Duration>) -> RemoteError {
    RemoteError::Throttled { status: status.as_u16(), retry_after }
}

/// The seconds form of `Retry-After`; Git servers do not use the date form.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The start of a plain answer; a web page says nothing that fits in a line.
fn words(session: &Session, response: Response<Body>) -> String {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.contains("html")) {
        return String::new();
    }
    let mut bytes = Vec::new();
    // A failure to read the explanation leaves an empty one.
    let _ = response.into_body().into_reader().take(WORDS).read_to_end(&mut bytes);
    session.clean(&String::from_utf8_lossy(&bytes))
}

/// The error for a request that got no answer.
pub(crate) fn request_failed(session: &Session, error: ureq::Error) -> RemoteError {
    let timeouts = &session.remote.timeouts;
    let timeout = |phase, after| RemoteError::Timeout { phase, after };
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => timeout(Phase::Connect, timeouts.connect),
        ureq::Error::Timeout(Timeout::Global | Timeout::PerCall) => timeout(Phase::Total, timeouts.total),
        ureq::Error::Timeout(_) => timeout(Phase::Stall, timeouts.stall),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => {
            connect(session, error)
        }
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => certificate(error),
        ureq::Error::Io(error) => io_failed(session, error),
        other => interrupted_by(session, Box::new(other)),
    }
}

/// The error for an answer that ended too early.
pub(crate) fn interrupted(session: &Session, error: io::Error) -> RemoteError {
    match error.downcast::<ureq::Error>() {
        Ok(error) => request_failed(session, error),
        Err(error) => interrupted_by(session, Box::new(error)),
    }
}

fn io_failed(session: &Session, error: io::Error) -> RemoteError {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error.kind() {
        ConnectionRefused | HostUnreachable | NetworkUnreachable => connect(session, error),
        // rustls reports a refused certificate through the stream it wraps.
        io::ErrorKind::InvalidData if error.to_string().contains("certificate") => certificate(error),
        _ => interrupted(session, error),
    }
}

fn connect(session: &Session, source: impl Error + Send + Sync + 'static) -> RemoteError {
    RemoteError::Connect { address: session.remote.url.authority(), source: Box::new(source) }
}

fn certificate(source: impl Error + Send + Sync + 'static) -> RemoteError {
    RemoteError::Certificate { source: Box::new(source) }
}

fn interrupted_by(session: &Session, source: Box<dyn Error + Send + Sync>) -> RemoteError {
    RemoteError::Interrupted { server: session.words(), source: Some(source) }
}
