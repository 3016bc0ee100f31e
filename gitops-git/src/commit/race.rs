use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::commit::error::PushError;
use crate::commit::options::CommitOptions;
use crate::id::ObjectId;

/// The first pause lasts up to this long, each further one up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(40);

/// No pause lasts longer than this, unless the server asks for it: whoever waits
/// for long is overtaken by those who come new.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A network that fails more often than this in one race is not repaired by waiting.
const MAX_FAILURES: u32 = 4;

/// Our side of a race for the tip of a branch.
pub(crate) struct Race {
    started: Instant,
    attempts: u32,
    /// How often the network failed.
    failures: u32,
    /// Commits that were sent without an answer: one of them may have arrived.
    pub(crate) unanswered: Vec<ObjectId>,
}

/// Why to try again.
pub(crate) struct Again {
    /// What to return if there is no more time.
    pub(crate) otherwise: Option<PushError>,
    pub(crate) server: String,
    pub(crate) not_before: Option<Duration>,
}

impl Race {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), attempts: 0, failures: 0, unanswered: Vec::new() }
    }

    /// Counts the attempts, the current one included.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts + 1
    }

    /// Waits for the next attempt.
    ///
    /// The length is random between nothing and the limit: writers that wait
    /// equally long would meet again, and the slower one would lose again.
    pub(crate) fn pause(
        &mut self,
        branch: &str,
        options: &CommitOptions,
        cancel: &Cancel,
        again: Again,
    ) -> Result<(), PushError> {
        self.attempts += 1;
        self.failures += u32::from(again.otherwise.is_some());
        let limit = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10)).min(LONGEST_PAUSE);
        let random = limit.mul_f64(fastrand::f64());
        let pause = again.not_before.unwrap_or_default().max(random);
        let elapsed = self.started.elapsed();
        let out_of_time = elapsed + pause >= options.budget;
        let hopeless = self.attempts >= options.attempts || self.failures > MAX_FAILURES;
        if hopeless || out_of_time || cancel.is_cancelled() {
            return Err(again.otherwise.unwrap_or_else(|| PushError::RaceLost {
                branch: branch.to_owned(),
                attempts: self.attempts,
                elapsed,
                server: again.server,
            }));
        }
        std::thread::sleep(pause);
        Ok(())
    }
}
