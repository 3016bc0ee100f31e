use std::cell::Cell;
use std::sync::Arc;

use git2::{AutotagOption, Direction, ErrorCode, FetchOptions, Oid, RemoteCallbacks, Repository};

use crate::id::ObjectId;
use crate::mirror::generation::{self, Generation};
use crate::mirror::{Depth, Mirror, MirrorError, stats};
use crate::poll::from_libgit2;
use crate::refs::{RefFilter, RefSnapshot};
use crate::remote::{Progress, Remote};
use crate::remote_error::RemoteError;
use crate::revision::{ResolveError, Resolved, Revision, is_abbreviated};
use crate::transport::register::Registered;
use crate::transport::session::Session;
use crate::transport::{library, process};
use crate::url::{RepoUrl, Scheme};

/// A commit that a mirror has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// The id of its tree: equal ids mean equal files.
    pub tree: ObjectId,
    /// The full name of the ref that it was found by.
    pub ref_name: Option<String>,
    /// The object of the annotated tag that it was found by.
    pub tag_object: Option<ObjectId>,
}

/// Why a revision could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The conversation with the server failed.
    #[error("cannot fetch {revision} from {url}")]
    Remote {
        /// What was asked for.
        revision: String,
        /// From where.
        url: RepoUrl,
        /// Why it failed.
        source: RemoteError,
    },
    /// The repository has no such revision.
    #[error("cannot fetch {revision} from {url}")]
    Resolve {
        /// What was asked for.
        revision: String,
        /// From where.
        url: RepoUrl,
        /// Why it failed.
        source: ResolveError,
    },
    /// The directory of the mirror cannot be used.
    #[error("cannot fetch {revision} into the mirror of {url}")]
    Mirror {
        /// What was asked for.
        revision: String,
        /// From where.
        url: RepoUrl,
        /// Why it failed.
        source: MirrorError,
    },
}

/// What went wrong inside, before it is told which revision and repository.
pub(crate) enum Failure {
    Remote(RemoteError),
    Resolve(ResolveError),
    Mirror(MirrorError),
    /// The objects do not fit together; a new generation will.
    Corrupt(git2::Error),
}

impl Failure {
    pub(crate) fn into_fetch_error(self, revision: &Revision, url: &RepoUrl) -> FetchError {
        let (revision, url) = (revision.to_string(), url.clone());
        match self {
            Self::Remote(source) => FetchError::Remote { revision, url, source },
            Self::Resolve(source) => FetchError::Resolve { revision, url, source },
            Self::Mirror(source) => FetchError::Mirror { revision, url, source },
            Self::Corrupt(error) => FetchError::Remote { revision, url, source: RemoteError::library(error) },
        }
    }
}

impl FetchError {
    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Remote { source, .. } => source.hint(),
            Self::Resolve { source, .. } => source.hint(),
            Self::Mirror { .. } => None,
        }
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        Self::Mirror(error)
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

impl Mirror {
    /// Finds out what `revision` means now, and fetches what the mirror lacks of it.
    ///
    /// If nothing has changed, that is one request. A full commit id that the
    /// mirror has asks nobody.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, refuses, or is too slow; when it has
    /// no such revision; when the mirror's directory cannot be used.
    pub fn fetch(&self, revision: &Revision) -> Result<Commit, FetchError> {
        let fetched = self.lock().map_err(Failure::from).and_then(|_lock| {
            let (_, commit) = self.fetch_locked(revision)?;
            Ok(commit)
        });
        fetched.map_err(|failure| failure.into_fetch_error(revision, &self.remote.url))
    }

    /// The same for a caller that holds the lock.
    pub(crate) fn fetch_locked(&self, revision: &Revision) -> Result<(Generation, Commit), Failure> {
        let current = Generation::current(&self.root)?;
        generation::sweep(&self.root, current.as_ref())?;
        if let Some(generation) = current.filter(|current| !self.is_overgrown(current)) {
            match self.fetch_into(&generation, revision) {
                Err(Failure::Corrupt(_)) => {}
                fetched => return Ok((generation, fetched?)),
            }
        }
        let fresh = Generation::create(&self.root)?;
        let commit = self.fetch_into(&fresh, revision)?;
        fresh.publish(&self.root)?;
        generation::sweep(&self.root, Some(&fresh))?;
        Ok((fresh, commit))
    }

    /// libgit2 never repacks: each fetch adds a pack, each commit loose objects.
    fn is_overgrown(&self, generation: &Generation) -> bool {
        let stats = stats::of(generation.path());
        stats.packs + stats.loose_objects / 100 > self.options.max_packs
    }

    fn fetch_into(&self, generation: &Generation, revision: &Revision) -> Result<Commit, Failure> {
        let opened = generation.repository();
        let repository = opened.map_err(|source| MirrorError::library(generation.path(), source))?;
        if let Revision::Commit(id) = revision
            && is_published(&repository, *id)
        {
            return read_commit(&repository, Resolved::commit(*id));
        }
        let filter = match revision {
            Revision::Commit(_) => RefFilter::all(),
            revision => revision.filter(),
        };
        let mut fetch = Fetch::connect(self, &repository, filter)?;
        let resolved = fetch.resolve(revision)?;
        fetch.complete(resolved)
    }
}

/// One fetch: a connection, and what the server has.
struct Fetch<'a> {
    repository: &'a Repository,
    mirror: &'a Mirror,
    session: Arc<Session>,
    _registered: Option<Registered>,
    remote: git2::Remote<'a>,
    /// Those that the server was asked for, and maybe all others.
    refs: RefSnapshot,
    asked: RefFilter,
}

impl<'a> Fetch<'a> {
    fn connect(mirror: &'a Mirror, repository: &'a Repository, asked: RefFilter) -> Result<Self, Failure> {
        let session = Session::start(&mirror.remote)?;
        // Whether a server gives commits by their ids stands in its own answer
        // only, which is also the cheaper one when all refs are wanted.
        if !asked.is_all() {
            session.want_refs(asked.clone());
        }
        let (url, registered) = libgit2_url(&session);
        let remote = repository.remote_anonymous(&url).map_err(RemoteError::library)?;
        let refs = RefSnapshot::default();
        let mut fetch = Self { repository, mirror, session, _registered: registered, remote, refs, asked };
        if mirror.remote.uses_library() {
            // Its credentials come with the download, which connects again.
            fetch.refs = library::list(&fetch.session)?;
            return Ok(fetch);
        }
        // The connection stays open for the download that may follow.
        fetch.remote.connect(Direction::Fetch).map_err(|error| fetch.session.explain(error))?;
        fetch.refs = RefSnapshot::new(from_libgit2(fetch.remote.list().map_err(RemoteError::library)?));
        Ok(fetch)
    }

    /// Connects again, to see all refs.
    fn widen(&mut self) -> Result<(), Failure> {
        let _ = self.remote.disconnect();
        *self = Self::connect(self.mirror, self.repository, RefFilter::all())?;
        Ok(())
    }

    /// The commit that `revision` means; everything is fetched if only that can tell.
    fn resolve(&mut self, revision: &Revision) -> Result<Resolved, Failure> {
        let mut resolved = revision.resolve(&self.refs);
        if resolved.is_err() && !self.asked.is_all() && self.session.is_stateless() {
            // An error should name what there is instead.
            self.widen()?;
            resolved = revision.resolve(&self.refs);
        }
        match resolved {
            Err(ResolveError::NoSuchRevision { revision: digits, candidates }) if is_abbreviated(&digits) => {
                self.download_everything()?;
                let short = digits.to_ascii_lowercase();
                let odb = self.repository.odb().map_err(Failure::Corrupt)?;
                let padded = Oid::from_str(&format!("{short:0<40}")).map_err(Failure::Corrupt)?;
                match odb.exists_prefix(padded, short.len()) {
                    Ok(id) => Ok(Resolved::commit(ObjectId::from_git(id))),
                    Err(error) if error.code() == ErrorCode::Ambiguous => {
                        Err(Failure::Resolve(ResolveError::Ambiguous { revision: digits }))
                    }
                    Err(_) => Err(Failure::Resolve(ResolveError::NoSuchRevision { revision: digits, candidates })),
                }
            }
            resolved => resolved.map_err(Failure::Resolve),
        }
    }

    fn complete(mut self, resolved: Resolved) -> Result<Commit, Failure> {
        if is_published(self.repository, resolved.commit) {
            return read_commit(self.repository, resolved);
        }
        self.download(&resolved)?;
        let commit = read_commit(self.repository, resolved)?;
        publish(self.repository, commit.id).map_err(Failure::Corrupt)?;
        Ok(commit)
    }

    fn download(&mut self, resolved: &Resolved) -> Result<(), Failure> {
        let source = match &resolved.ref_name {
            Some(name) => name.clone(),
            None => resolved.commit.to_string(),
        };
        match self.download_refspecs(&[format!("+{source}:refs/gitops/fetched")], self.depth()) {
            Err(Failure::Remote(RemoteError::Library { source }))
                if resolved.ref_name.is_none() && is_not_allowed(source.as_ref()) =>
            {
                self.find_in_everything(resolved)
            }
            // A server that has no such object says so only now.
            Err(Failure::Remote(RemoteError::Refused { .. } | RemoteError::Interrupted { .. }))
                if resolved.ref_name.is_none() && !self.session.remote.cancel.is_cancelled() =>
            {
                self.widen()?;
                self.find_in_everything(resolved)
            }
            result => result,
        }
    }

    /// Servers may refuse to send a commit that is no tip; its branch they send.
    fn find_in_everything(&mut self, resolved: &Resolved) -> Result<(), Failure> {
        self.download_everything()?;
        match self.repository.find_commit(resolved.commit.to_git()) {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::Resolve(ResolveError::NoSuchRevision {
                revision: resolved.commit.to_string(),
                candidates: Vec::new(),
            })),
        }
    }

    fn download_everything(&mut self) -> Result<(), Failure> {
        let all = ["+refs/heads/*:refs/gitops/fetched/*", "+refs/tags/*:refs/gitops/fetched/*"];
        let depth = if self.repository.is_shallow() { UNSHALLOW } else { 0 };
        self.download_refspecs(&all.map(str::to_owned), depth)
    }

    fn depth(&self) -> i32 {
        match self.mirror.options.depth {
            Depth::Full => 0,
            // libgit2's own transport for local paths cannot do it.
            _ if !has_own_transport(&self.session.remote) => 0,
            Depth::Commits(commits) => i32::try_from(commits.get()).unwrap_or(UNSHALLOW),
        }
    }

    fn download_refspecs(&mut self, refspecs: &[String], depth: i32) -> Result<(), Failure> {
        let limit = self.mirror.options.max_fetch_bytes;
        let session = &self.session;
        let too_large = Cell::new(false);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|stats| {
            let progress = Progress::of(&stats);
            if let Some(report) = &session.remote.progress {
                report(progress);
            }
            too_large.set(progress.bytes as u64 > limit);
            !too_large.get() && session.remaining().is_ok()
        });
        callbacks.sideband_progress(|bytes| {
            session.hear(bytes);
            true
        });
        let mut options = FetchOptions::new();
        if session.remote.uses_library() {
            library::answer(&mut callbacks, session);
            options.proxy_options(library::proxy(&session.remote.proxy));
        }
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None).depth(depth);
        let downloaded = self.remote.download(refspecs, Some(&mut options));
        drop(options);
        downloaded.map_err(|error| match session.remaining() {
            _ if too_large.get() => Failure::Remote(RemoteError::TooLarge { limit }),
            Err(deadline) if !session.has_failed() => Failure::Remote(deadline),
            _ if is_damage(&error) && !session.has_failed() => Failure::Corrupt(error),
            _ => Failure::Remote(session.explain(error)),
        })
    }
}

/// Whether the objects that we have are the trouble, rather than those that come.
fn is_damage(error: &git2::Error) -> bool {
    use git2::ErrorClass::{Object, Odb, Zlib};
    matches!(error.class(), Odb | Object | Zlib)
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        // The server may have closed the connection already.
        let _ = self.remote.disconnect();
    }
}

/// libgit2's depth for "all there is".
const UNSHALLOW: i32 = i32::MAX;

fn has_own_transport(remote: &Remote) -> bool {
    remote.url.scheme() != Scheme::File || process::git_is_installed()
}

/// The URL by which libgit2 reaches the session's repository.
///
/// Local repositories without a `git` program are left to libgit2's own
/// transport, which is slower and knows no depth.
pub(crate) fn libgit2_url(session: &Arc<Session>) -> (String, Option<Registered>) {
    if session.remote.uses_library() {
        (library::url(&session.remote.url), None)
    } else if has_own_transport(&session.remote) {
        let registered = Registered::new(session);
        (registered.url(), Some(registered))
    } else {
        (session.remote.url.path().to_owned(), None)
    }
}

fn is_not_allowed(error: &(dyn std::error::Error + 'static)) -> bool {
    error.to_string().contains("cannot fetch a specific object")
}

/// The ref that says that a commit is here with all that belongs to it.
///
/// It is written last, so that a fetch that was killed does not count.
fn published_name(commit: ObjectId) -> String {
    format!("refs/gitops/{commit}")
}

fn is_published(repository: &Repository, commit: ObjectId) -> bool {
    repository.refname_to_id(&published_name(commit)).is_ok()
        && repository.find_commit(commit.to_git()).is_ok_and(|commit| commit.tree().is_ok())
}

/// Records `commit` as complete. The next fetch builds on it.
pub(crate) fn publish(repository: &Repository, commit: ObjectId) -> Result<(), git2::Error> {
    let name = published_name(commit);
    repository.reference(&name, commit.to_git(), true, "complete").map(drop)
}

fn read_commit(repository: &Repository, resolved: Resolved) -> Result<Commit, Failure> {
    let object = repository.find_object(resolved.commit.to_git(), None);
    let commit = object.and_then(|object| object.peel_to_commit()).map_err(Failure::Corrupt)?;
    let tree = commit.tree().map_err(Failure::Corrupt)?;
    Ok(Commit {
        id: ObjectId::from_git(commit.id()),
        tree: ObjectId::from_git(tree.id()),
        ref_name: resolved.ref_name,
        tag_object: resolved.tag_object,
    })
}
