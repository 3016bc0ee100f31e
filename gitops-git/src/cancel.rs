use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Ends running operations from another thread.
///
/// It takes effect within a quarter of a second, except while a TCP connection
/// for HTTP is being made, which [`Timeouts::connect`](crate::Timeouts::connect) bounds.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Cancelling>);

#[derive(Default)]
struct Cancelling {
    cancelled: AtomicBool,
    /// The HTTP clients whose connections have to be closed.
    clients: Mutex<Vec<Weak<OnceLock<ureq::Agent>>>>,
}

impl Cancel {
    /// Not cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels every operation of the remotes that hold this or a clone of it,
    /// for good.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for client in self.clients().drain(..).filter_map(|client| client.upgrade()) {
            if let Some(agent) = client.get() {
                agent.clone().shutdown();
            }
        }
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Lets [`Cancel::cancel`] close the connections of this client. One that was
    /// cancelled before notices at its next look at [`Cancel::is_cancelled`].
    pub(crate) fn watch(&self, client: &Arc<OnceLock<ureq::Agent>>) {
        let mut clients = self.clients();
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Arc::downgrade(client));
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Weak<OnceLock<ureq::Agent>>>> {
        // A list of handles: whole after a panic anywhere.
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}
