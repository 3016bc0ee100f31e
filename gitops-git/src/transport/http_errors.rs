//! What a failed HTTP exchange means.

use std::error::Error;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use ureq::http::{Response, StatusCode, header};
use ureq::{Body, Timeout};

use crate::remote_error::{Phase, RemoteError};
use crate::transport::session::Session;

/// How much of an error page is read for the server's words.
const WORDS: u64 = 8_192;

/// No server that is in use means more than a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

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

/// How long to wait: `Retry-After` has seconds, or a date.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let until = || Some(Duration::from_secs(unix_time(value)?).saturating_sub(now));
    value.parse().ok().map(Duration::from_secs).or_else(until).map(|wait| wait.min(LONGEST_WAIT))
}

/// Seconds since 1970 of a date like `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that HTTP servers may send.
fn unix_time(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words[..] else { return None };
    let number = |word: &str| word.parse::<u64>().ok().filter(|number| *number < 10_000);
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    // Counted in years that begin in March, so that the leap day is the last.
    let months = (number(year)? * 12 + month).checked_sub(2)?;
    let (year, month) = (months / 12, months % 12);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + number(day)?;
    let seconds = (number(hour)? * 60 + number(minute)?) * 60 + number(second)?;
    Some(days.checked_sub(719_469)? * 86_400 + seconds)
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
    // It closed the connection, which looks like any other end of one.
    if session.remote.cancel.is_cancelled() {
        return RemoteError::Cancelled;
    }
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
        Err(_) if session.remote.cancel.is_cancelled() => RemoteError::Cancelled,
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

#[cfg(test)]
mod tests {
    use super::unix_time;

    #[test]
    fn dates_are_counted() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2028 12:00:00 GMT", 1_835_438_400),
        ] {
            assert_eq!(unix_time(date), Some(seconds), "{date}");
        }
        for text in ["", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "a, 1 Jan 0 0:0:0 GMT", "a, 1 Jan 99999999 0:0:0 GMT"]
        {
            assert_eq!(unix_time(text), None, "{text}");
        }
    }
}
