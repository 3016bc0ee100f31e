//! Our transports as libgit2 sees them.
//!
//! libgit2 knows a transport by the scheme of its URL. Ours has a scheme of its
//! own, `gitops-session://`, followed by the number of a [`Session`]. So other
//! users of libgit2 in the same process keep their transports, and no URL of
//! ours, with what it may hide, ever reaches libgit2.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use git2::transport::{Service as Action, SmartSubtransport, SmartSubtransportStream, Transport};

use crate::poll;
use crate::protocol::narrow::narrow;
use crate::remote_error::RemoteError;
use crate::transport::session::Session;
use crate::transport::{Duplex, Service, Version, http};

const SCHEME: &str = "gitops-session";

static SESSIONS: Mutex<BTreeMap<u64, Arc<Session>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A session that libgit2 can reach under [`Registered::url`] until this is dropped.
pub(crate) struct Registered(u64);

impl Registered {
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        register_transport();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        sessions().insert(number, Arc::clone(session));
        Self(number)
    }

    pub(crate) fn url(&self) -> String {
        format!("{SCHEME}://{}", self.0)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        sessions().remove(&self.0);
    }
}

fn sessions() -> MutexGuard<'static, BTreeMap<u64, Arc<Session>>> {
    // A map of handles: whole after a panic anywhere.
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(unsafe_code)]
fn register_transport() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `register` must not run while another thread creates a
        // transport. `Once` lets it run once, and every transport of this crate
        // is created after it. A transport that other code creates in the same
        // instant only reads libgit2's list of custom transports, to which this
        // appends; programs that use libgit2 themselves and start with threads
        // can rule out even that by creating a `Mirror` first.
        let registered = unsafe {
            git2::transport::register(SCHEME, |remote| {
                let session = remote
                    .url()
                    .ok()
                    .and_then(|url| url.rsplit('/').next()?.parse().ok())
                    .and_then(|number: u64| sessions().get(&number).cloned())
                    .ok_or_else(|| git2::Error::from_str("unknown session"))?;
                Transport::smart(remote, session.is_stateless(), Bridge(session))
            })
        };
        registered.expect("the scheme is registered nowhere else");
    });
}

struct Bridge(Arc<Session>);

impl Bridge {
    fn start(&self, action: Action) -> Result<Box<dyn Duplex>, RemoteError> {
        let service = match action {
            Action::UploadPackLs | Action::UploadPack => Service::UploadPack,
            Action::ReceivePackLs | Action::ReceivePack => Service::ReceivePack,
        };
        if !self.0.is_stateless() {
            return self.0.open(service, Version::V0);
        }
        match action {
            Action::UploadPackLs | Action::ReceivePackLs => {
                Ok(Box::new(http::advertisement(&self.0, service, Version::V0)?))
            }
            Action::UploadPack | Action::ReceivePack => Ok(Box::new(http::Call::new(Arc::clone(&self.0), service))),
        }
    }
}

impl Bridge {
    /// The stream, with an advertisement at its start that has no more refs than
    /// are needed, as far as the server lets us.
    fn narrowed(&self, action: Action) -> Result<BridgeStream, RemoteError> {
        if let (Action::UploadPackLs, Some(wanted), true) = (action, self.0.wanted_refs(), self.0.is_stateless()) {
            let start = poll::advertisement(&self.0, wanted)?;
            return Ok(BridgeStream { start: Cursor::new(start), stream: Box::new(std::io::empty()) });
        }
        let mut stream = self.start(action)?;
        let start = match (action, self.0.kept_refs()) {
            (Action::ReceivePackLs, Some(keep)) => {
                narrow(&mut stream, keep).map_err(|error| self.0.explain_io(error))?
            }
            _ => Vec::new(),
        };
        Ok(BridgeStream { start: Cursor::new(start), stream })
    }
}

impl SmartSubtransport for Bridge {
    fn action(&self, _url: &str, action: Action) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match self.narrowed(action) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                self.0.fail(error);
                Err(git2::Error::from_str("the transport failed"))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

struct BridgeStream {
    /// What comes before the rest of the stream.
    start: Cursor<Vec<u8>>,
    stream: Box<dyn Duplex>,
}

impl Read for BridgeStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.start.read(buffer)? {
            0 => self.stream.read(buffer),
            length => Ok(length),
        }
    }
}

impl Write for BridgeStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}
