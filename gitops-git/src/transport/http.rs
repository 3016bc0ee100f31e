//! Git's smart HTTP on `ureq` and `rustls`.

use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use tempfile::SpooledTempFile;
use ureq::Body;
use ureq::http::{Response, header};

use crate::credentials::{self, Credentials};
use crate::remote_error::RemoteError;
use crate::transport::http_errors::{self, interrupted, request_failed};
use crate::transport::session::Session;
use crate::transport::{Service, Version, http_agent};
use crate::url::RepoUrl;

/// Some servers send their web page to clients that do not look like git.
const USER_AGENT: &str = concat!("git/2.0 (gitops-git ", env!("CARGO_PKG_VERSION"), ")");

/// Redirects that are followed; git follows as many before it gives up.
const REDIRECTS: usize = 20;

/// A request body larger than this goes through a temporary file.
const IN_MEMORY: usize = 1 << 20;

/// How much of an answer is still read when nobody listens any more.
const DRAINED: u64 = 1 << 20;

/// Asks what the server has: `GET <base>/info/refs?service=<service>`.
pub(crate) fn advertisement(session: &Arc<Session>, service: Service, version: Version) -> Result<Answer, RemoteError> {
    let query = format!("/info/refs?service={}", service.name());
    let mut base = base(session);
    for _ in 0..=REDIRECTS {
        let request = http_agent::of(&session.remote, &base)?.get(format!("{base}{query}"));
        let request = with_headers(session, request, &base, version)?;
        let response = request.call().map_err(|error| request_failed(session, error))?;
        if response.status().is_redirection() {
            base = redirected(session, &base, &response, &query)?;
            continue;
        }
        let expected = format!("application/x-{}-advertisement", service.name());
        let response = accepted(session, response, &expected)?;
        session.set_http_base(base);
        return Ok(Answer::new(session, response));
    }
    Err(RemoteError::Redirect { to: "too many other places".into() })
}

/// Sends a whole request: `POST <base>/<service>`.
pub(crate) fn call(
    session: &Arc<Session>,
    service: Service,
    version: Version,
    body: &mut SpooledTempFile,
) -> Result<Answer, RemoteError> {
    let base = base(session);
    let agent = http_agent::of(&session.remote, &base)?;
    let rewound = body.stream_position().and_then(|length| body.rewind().map(|()| length));
    let length = rewound.map_err(|error| interrupted(session, error))?;
    let request = agent
        .post(format!("{base}/{}", service.name()))
        .header(header::CONTENT_TYPE, format!("application/x-{}-request", service.name()))
        .header(header::ACCEPT, format!("application/x-{}-result", service.name()))
        .header(header::CONTENT_LENGTH, length);
    let request = with_headers(session, request, &base, version)?;
    let sent = request.send(ureq::SendBody::from_reader(body));
    let response = sent.map_err(|error| request_failed(session, error))?;
    if let Some(to) = response.headers().get(header::LOCATION)
        && response.status().is_redirection()
    {
        let to = to.to_str().unwrap_or("somewhere");
        return Err(RemoteError::Redirect { to: session.clean(without_secrets(to)) });
    }
    let expected = format!("application/x-{}-result", service.name());
    Ok(Answer::new(session, accepted(session, response, &expected)?))
}

/// The URL without what only we need to know, or where a redirect led.
fn base(session: &Session) -> String {
    session.http_base().unwrap_or_else(|| base_of(&session.remote.url))
}

pub(crate) fn base_of(url: &RepoUrl) -> String {
    let scheme = if url.scheme() == crate::url::Scheme::Https { "https" } else { "http" };
    format!("{scheme}://{}{}", url.authority(), url.path().trim_end_matches('/'))
}

fn with_headers<T>(
    session: &Session,
    request: ureq::RequestBuilder<T>,
    base: &str,
    version: Version,
) -> Result<ureq::RequestBuilder<T>, RemoteError> {
    let timeouts = &session.remote.timeouts;
    let mut request = request
        .config()
        .timeout_global(Some(session.remaining()?))
        .timeout_connect(Some(timeouts.connect))
        .timeout_per_read(Some(timeouts.stall))
        .timeout_per_write(Some(timeouts.stall))
        .build()
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CACHE_CONTROL, "no-cache");
    if version == Version::V2 {
        request = request.header("Git-Protocol", "version=2");
    }
    // Credentials are for the server of the URL, wherever it redirects to.
    if let Some(value) = session.credentials.as_ref().and_then(authorization)
        && base.parse().is_ok_and(|base| session.remote.url.same_server(&base))
    {
        request = request.header(header::AUTHORIZATION, value);
    }
    Ok(request)
}

fn authorization(credentials: &Credentials) -> Option<String> {
    match credentials {
        Credentials::Basic { username, password } => {
            Some(format!("Basic {}", credentials::basic(username, password).expose()))
        }
        Credentials::Bearer(token) => Some(format!("Bearer {}", token.expose())),
        Credentials::SshKey(_) => None,
    }
}

/// A URL up to the parts that may hold a token: all of it before a `?`, and
/// nothing of one with a user.
fn without_secrets(url: &str) -> &str {
    match url.split(['?', '#']).next() {
        Some(url) if !url.contains('@') => url,
        _ => "a URL with credentials",
    }
}

/// The base that a redirect of `<base><query>` leads to, as git works it out.
fn redirected(session: &Session, base: &str, response: &Response<Body>, query: &str) -> Result<String, RemoteError> {
    let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let to = location.unwrap_or("nowhere");
    let refused = || RemoteError::Redirect { to: session.clean(without_secrets(to)) };
    let absolute = match (to.strip_prefix('/'), base.split_once("://")) {
        (Some(path), Some((scheme, rest))) if !path.starts_with('/') => {
            let authority = rest.split('/').next().unwrap_or(rest);
            format!("{scheme}://{authority}/{path}")
        }
        _ => to.to_owned(),
    };
    let new_base = absolute.strip_suffix(query).ok_or_else(refused)?;
    let parsed: RepoUrl = new_base.parse().map_err(|_| refused())?;
    match parsed.scheme() {
        crate::url::Scheme::Https => Ok(base_of(&parsed)),
        crate::url::Scheme::Http if !base.starts_with("https:") => Ok(base_of(&parsed)),
        _ => Err(refused()),
    }
}

fn accepted(session: &Session, response: Response<Body>, expected: &str) -> Result<Response<Body>, RemoteError> {
    if !response.status().is_success() {
        return Err(http_errors::status(session, response));
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    if essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected)) {
        return Ok(response);
    }
    let kind = session.clean(kind.unwrap_or("nothing"));
    Err(RemoteError::Protocol { reason: format!("its content type is {kind}, as that of a web page might be") })
}

/// The body of an answer, being received.
pub(crate) struct Answer {
    session: Arc<Session>,
    body: ureq::BodyReader<'static>,
}

impl Answer {
    fn new(session: &Arc<Session>, response: Response<Body>) -> Self {
        Self { session: Arc::clone(session), body: response.into_body().into_reader() }
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.session.remote.cancel.is_cancelled() {
            return Err(self.session.fail(RemoteError::Cancelled));
        }
        let read = self.body.read(buffer);
        read.map_err(|error| self.session.fail(interrupted(&self.session, error)))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.session.has_failed() {
            return;
        }
        // After a push the server may still be running its hooks, and would be
        // stopped by a closed connection. Read to its end, the connection can
        // also be used again.
        let _ = io::copy(&mut self.take(DRAINED), &mut io::sink());
    }
}

/// libgit2 treats both directions as one stream, but nothing is written here.
impl Write for Answer {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request that libgit2 is writing, and then its answer.
///
/// The whole request is kept until the first read, so that it goes out with a
/// length: some servers and proxies refuse chunked requests.
pub(crate) struct Call {
    session: Arc<Session>,
    service: Service,
    request: SpooledTempFile,
    answer: Option<Answer>,
}

impl Call {
    pub(crate) fn new(session: Arc<Session>, service: Service) -> Self {
        Self { session, service, request: SpooledTempFile::new(IN_MEMORY), answer: None }
    }
}

impl Write for Call {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Call {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let sent = call(&self.session, self.service, Version::V0, &mut self.request);
            self.answer = Some(sent.map_err(|error| self.session.fail(error))?);
        }
        match &mut self.answer {
            Some(answer) => answer.read(buffer),
            None => Ok(0),
        }
    }
}
