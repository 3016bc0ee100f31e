use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::poll::PollError;
use crate::refs::{RefFilter, RefSnapshot};
use crate::remote::Remote;
use crate::remote_error::RemoteError;

/// Polls one repository for many users, without asking its server too often.
///
/// All users of one repository and credential share a poller, behind an `Arc`.
/// However many ask at the same time, one request is made, and an answer younger
/// than the interval is given without one. After an error the server is left
/// alone for longer each time, and for as long as it asks with `Retry-After`.
///
/// ```no_run
/// use gitops_git::{Poller, RefFilter, Remote};
/// use std::time::Duration;
/// let remote = Remote::new("https://github.com/o/r.git".parse()?);
/// let poller = Poller::new(remote, RefFilter::branch("main"), Duration::from_secs(60));
/// loop {
///     let refs = poller.refs()?;
///     println!("{:?}", refs.get("refs/heads/main"));
///     std::thread::sleep(poller.next_in());
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Poller {
    remote: Remote,
    filter: RefFilter,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    refs: Option<Arc<RefSnapshot>>,
    /// When the server may be asked again.
    next: Instant,
    failures: u32,
    /// The last error, for those who ask while the server is left alone.
    error: Option<Arc<PollError>>,
}

/// However often it fails, the server is asked again after this long.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

impl Poller {
    /// Polls `remote` for the refs that `filter` wants, no more often than once
    /// every `interval`.
    pub fn new(remote: Remote, filter: RefFilter, interval: Duration) -> Self {
        let state = State { refs: None, next: Instant::now(), failures: 0, error: None };
        Self { remote, filter, interval, state: Mutex::new(state) }
    }

    /// The refs, at most one interval old.
    ///
    /// # Errors
    ///
    /// The error of the last request, also to those who ask before the server
    /// may be asked again.
    pub fn refs(&self) -> Result<Arc<RefSnapshot>, Arc<PollError>> {
        // Held during the request: whoever comes meanwhile waits for its answer.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() < state.next {
            if let Some(error) = &state.error {
                return Err(Arc::clone(error));
            }
            if let Some(refs) = &state.refs {
                return Ok(Arc::clone(refs));
            }
        }
        let result = self.remote.try_list(&self.filter);
        self.remember(&mut state, result)
    }

    /// Makes the next [`Poller::refs`] ask the server, as after a webhook,
    /// unless the server is left alone after an error.
    pub fn refresh(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_none() {
            state.next = Instant::now();
        }
    }

    /// How long until the server may be asked again.
    pub fn next_in(&self) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.next.saturating_duration_since(Instant::now())
    }

    fn remember(
        &self,
        state: &mut State,
        result: Result<RefSnapshot, RemoteError>,
    ) -> Result<Arc<RefSnapshot>, Arc<PollError>> {
        match result {
            Ok(refs) => {
                // The same snapshot again, so that `Arc::ptr_eq` tells "unchanged" too.
                let refs = match &state.refs {
                    Some(known) if **known == refs => Arc::clone(known),
                    _ => Arc::new(refs),
                };
                let next = Instant::now() + jittered(self.interval);
                *state = State { refs: Some(Arc::clone(&refs)), next, failures: 0, error: None };
                Ok(refs)
            }
            Err(source) => {
                let pause = back_off(self.interval, state.failures);
                let pause = pause.max(source.retry_after().unwrap_or_default());
                let error = Arc::new(self.remote.poll_error(source));
                state.failures = state.failures.saturating_add(1);
                state.next = Instant::now() + pause;
                state.error = Some(Arc::clone(&error));
                Err(error)
            }
        }
    }
}

/// A tenth more or less, so that many pollers started together drift apart.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

fn back_off(interval: Duration, failures: u32) -> Duration {
    jittered(interval.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE.max(interval)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poller() -> Poller {
        let remote = Remote::new("https://h.example/r".parse().unwrap());
        Poller::new(remote, RefFilter::all(), Duration::from_secs(60))
    }

    #[test]
    fn the_server_is_left_alone_for_as_long_as_it_asks() {
        let poller = poller();
        let wanted = Duration::from_secs(3600);
        let failed = Err(RemoteError::Throttled { status: 429, retry_after: Some(wanted) });
        let result = poller.remember(&mut poller.state.lock().unwrap(), failed);
        assert!(result.is_err());
        assert!(poller.next_in() > Duration::from_secs(3590));
        // Served from memory: no such host would answer.
        assert!(Arc::ptr_eq(&result.unwrap_err(), &poller.refs().unwrap_err()));
        poller.refresh();
        assert!(poller.next_in() > Duration::from_secs(3590));
    }

    #[test]
    fn pauses_grow_and_end() {
        let minute = Duration::from_secs(60);
        assert!(back_off(minute, 0) < Duration::from_secs(67));
        assert!(back_off(minute, 3) > Duration::from_secs(400));
        assert!(back_off(minute, u32::MAX) < Duration::from_secs(1000));
    }

    #[test]
    fn an_unchanged_answer_is_the_same_snapshot() {
        let poller = poller();
        let mut state = poller.state.lock().unwrap();
        let first = poller.remember(&mut state, Ok(RefSnapshot::default())).unwrap();
        let second = poller.remember(&mut state, Ok(RefSnapshot::default())).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
