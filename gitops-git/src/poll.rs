use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::SpooledTempFile;

use crate::protocol::advertisement::{self, Advertisement};
use crate::protocol::{ls_refs, pkt_line};
use crate::refs::{RefFilter, RefSnapshot, RemoteRef};
use crate::remote::Remote;
use crate::remote_error::RemoteError;
use crate::revision::{ResolveError, Resolved, Revision};
use crate::transport::session::Session;
use crate::transport::{Service, Version, http, library, process};
use crate::url::{RepoUrl, Scheme};

/// Why the refs of a repository could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// The conversation with the server failed.
    #[error("cannot list the refs of {url}")]
    Remote {
        /// The repository.
        url: RepoUrl,
        /// Why not.
        source: RemoteError,
    },
    /// The repository has no such revision.
    #[error("cannot resolve a revision in {url}")]
    Resolve {
        /// The repository.
        url: RepoUrl,
        /// Why not.
        source: ResolveError,
    },
}

impl Remote {
    /// Lists the refs that `filter` wants: the cheap way to see whether
    /// anything has changed.
    ///
    /// With a server that speaks protocol version 2, which is nearly every one
    /// since 2018, only those refs are sent, and from the second call on an
    /// HTTP server gets a single request. Older servers send all refs.
    ///
    /// ```no_run
    /// use gitops_git::{RefFilter, Remote};
    /// let remote = Remote::new("https://github.com/o/r.git".parse()?);
    /// let refs = remote.list_refs(&RefFilter::branch("main"))?;
    /// for reference in refs.iter() {
    ///     println!("{} {}", reference.id, reference.name);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, refuses, or is too slow. A repository
    /// without refs is not an error.
    pub fn list_refs(&self, filter: &RefFilter) -> Result<RefSnapshot, PollError> {
        self.try_list(filter).map_err(|source| self.poll_error(source))
    }

    pub(crate) fn try_list(&self, filter: &RefFilter) -> Result<RefSnapshot, RemoteError> {
        let refs = list(&Session::start(self)?, filter)?;
        Ok(RefSnapshot::new(refs.into_iter().filter(|r| filter.matches(&r.name)).collect()))
    }

    pub(crate) fn poll_error(&self, source: RemoteError) -> PollError {
        PollError::Remote { url: self.url.clone(), source }
    }

    /// Finds the commit that `revision` means at this moment, with one request.
    ///
    /// A full commit id means itself and asks nobody.
    ///
    /// # Errors
    ///
    /// As [`Remote::list_refs`], and when no ref fits `revision`. An abbreviated
    /// commit id that is no tip of a ref can only be resolved by
    /// [`Mirror::fetch`](crate::Mirror::fetch).
    pub fn resolve(&self, revision: &Revision) -> Result<Resolved, PollError> {
        if let Revision::Commit(commit) = revision {
            return Ok(Resolved::commit(*commit));
        }
        let refs = self.list_refs(&revision.filter())?;
        let resolved = revision.resolve(&refs);
        resolved.map_err(|source| PollError::Resolve { url: self.url.clone(), source })
    }
}

fn list(session: &Arc<Session>, filter: &RefFilter) -> Result<Vec<RemoteRef>, RemoteError> {
    if session.remote.uses_library() {
        return Ok(library::list(session)?.iter().cloned().collect());
    }
    match session.remote.url.scheme() {
        Scheme::Http | Scheme::Https => Ok(list_http(session, filter, &mut io::sink())?.0),
        Scheme::File if !process::git_is_installed() => list_directory(session),
        _ => list_stream(session, filter),
    }
}

/// The refs, in the version that the server chose; in version 0 those are all,
/// and `copy` gets the answer as it came.
fn list_http(
    session: &Arc<Session>,
    filter: &RefFilter,
    copy: &mut dyn Write,
) -> Result<(Vec<RemoteRef>, Version), RemoteError> {
    let speaks_v2 = &session.remote.speaks_v2;
    if speaks_v2.load(Ordering::Relaxed) {
        use RemoteError::{Interrupted, Protocol, Redirect, Status};
        match ask_http(session, filter) {
            // The server was replaced, a redirect has to be followed again, or
            // the connection was kept alive for longer than the server does.
            Err(Interrupted { .. } | Protocol { .. } | Redirect { .. } | Status { .. }) => {
                speaks_v2.store(false, Ordering::Relaxed);
                session.start_over();
            }
            result => return Ok((result?, Version::V2)),
        }
    }
    let mut answer = Tee { stream: http::advertisement(session, Service::UploadPack, Version::V2)?, copy };
    let first = advertisement::read(&mut answer).map_err(|error| session.explain_io(error))?;
    match first {
        Advertisement::Refs(refs) => Ok((refs, Version::V0)),
        Advertisement::Version2 => {
            drop(answer);
            let refs = ask_http(session, filter)?;
            // A redirected base is known to this session only.
            if session.http_base().is_some_and(|base| base == http::base_of(&session.remote.url)) {
                speaks_v2.store(true, Ordering::Relaxed);
            }
            Ok((refs, Version::V2))
        }
    }
}

/// Keeps a copy of what is read.
struct Tee<'a, R> {
    stream: R,
    copy: &'a mut dyn Write,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.copy.write_all(&buffer[..length])?;
        Ok(length)
    }
}

/// What libgit2, which speaks version 0, has to be told over HTTP to fetch the
/// refs that `filter` wants.
///
/// Its request for objects stands alone there, so the server need not have said
/// this itself: with version 2 it lists those refs only, and does not know that
/// the request that follows comes from the same client.
pub(crate) fn advertisement(session: &Arc<Session>, filter: &RefFilter) -> Result<Vec<u8>, RemoteError> {
    let mut version0 = Vec::new();
    match list_http(session, filter, &mut version0)? {
        (_, Version::V0) => Ok(version0),
        (refs, Version::V2) => Ok(advertisement::version0(&refs)),
    }
}

fn ask_http(session: &Arc<Session>, filter: &RefFilter) -> Result<Vec<RemoteRef>, RemoteError> {
    let mut body = SpooledTempFile::new(1 << 16);
    body.write_all(&ls_refs::request(filter.as_slice())).map_err(|e| session.explain_io(e))?;
    let mut answer = http::call(session, Service::UploadPack, Version::V2, &mut body)?;
    ls_refs::read_answer(&mut answer).map_err(|error| session.explain_io(error))
}

fn list_stream(session: &Arc<Session>, filter: &RefFilter) -> Result<Vec<RemoteRef>, RemoteError> {
    let mut stream = session.open(Service::UploadPack, Version::V2)?;
    let explain = |error| session.explain_io(error);
    let refs = match advertisement::read(&mut stream).map_err(explain)? {
        Advertisement::Refs(refs) => refs,
        Advertisement::Version2 => {
            stream.write_all(&ls_refs::request(filter.as_slice())).map_err(explain)?;
            ls_refs::read_answer(&mut stream).map_err(explain)?
        }
    };
    // Says goodbye, so that the server does not log a broken connection. If it
    // has gone already, we have what we came for.
    let _ = stream.write_all(pkt_line::FLUSH);
    Ok(refs)
}

/// Reads the refs of a local repository without the `git` program.
fn list_directory(session: &Session) -> Result<Vec<RemoteRef>, RemoteError> {
    let mut remote = git2::Remote::create_detached(session.remote.url.to_string()).map_err(RemoteError::library)?;
    remote.connect(git2::Direction::Fetch).map_err(|error| session.explain(error))?;
    Ok(from_libgit2(remote.list().map_err(RemoteError::library)?))
}

/// The refs that libgit2 was told.
pub(crate) fn from_libgit2(heads: &[git2::RemoteHead<'_>]) -> Vec<RemoteRef> {
    let mut refs: Vec<RemoteRef> = Vec::new();
    for head in heads {
        let id = crate::id::ObjectId::from_git(head.oid());
        match (head.name().strip_suffix("^{}"), refs.last_mut()) {
            (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(id),
            (Some(_), _) => {}
            (None, _) => {
                let mut reference = RemoteRef::new(head.name(), id);
                reference.symref_target = head.symref_target().map(str::to_owned);
                refs.push(reference);
            }
        }
    }
    refs
}
