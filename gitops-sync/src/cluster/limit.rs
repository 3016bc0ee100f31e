use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lets requests through at a steady rate after a first burst, and none
/// while the server wants a pause.
pub(super) struct Limiter {
    rate: Option<Rate>,
    state: Mutex<State>,
}

struct Rate {
    interval: Duration,
    burst: u32,
}

#[derive(Default)]
struct State {
    /// When the last request would have gone, had all gone at the steady rate.
    last: Option<Instant>,
    pause_until: Option<Instant>,
}

impl Limiter {
    pub(super) fn new(queries_per_second: Option<f64>, burst: u32) -> Self {
        let rate = queries_per_second
            .filter(|queries| queries.is_finite() && *queries > 0.0)
            .map(|queries| Rate { interval: Duration::from_secs_f64(1.0 / queries.max(0.001)), burst: burst.max(1) });
        Self { rate, state: Mutex::new(State::default()) }
    }

    /// Waits for its turn.
    pub(super) async fn acquire(&self) {
        let turn = {
            let mut state = self.state.lock().await;
            let now = Instant::now();
            let turn = self.rate.as_ref().map_or(now, |rate| rate.next_turn(&mut state.last, now));
            state.pause_until.map_or(turn, |end| end.max(turn))
        };
        sleep_until(turn).await;
    }

    /// Holds back every request for a while.
    pub(super) async fn pause(&self, time: Duration) {
        let mut state = self.state.lock().await;
        let end = Instant::now() + time;
        state.pause_until = Some(state.pause_until.map_or(end, |old| old.max(end)));
    }
}

impl Rate {
    fn next_turn(&self, last: &mut Option<Instant>, now: Instant) -> Instant {
        let credit = self.interval * self.burst;
        let due = last.map_or(now, |last| last + self.interval);
        let due = if due + credit < now { now - credit } else { due };
        *last = Some(due);
        // The burst is credit: being ahead of the steady rate by up to that is fine.
        due.checked_sub(credit).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let limiter = Limiter::new(Some(10.0), 5);
        let start = Instant::now();
        for _ in 0..6 {
            limiter.acquire().await;
        }
        assert!(start.elapsed() < Duration::from_millis(50));
        for _ in 0..10 {
            limiter.acquire().await;
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(900) && elapsed <= Duration::from_millis(1100), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody() {
        let limiter = Limiter::new(None, 1);
        limiter.pause(Duration::from_secs(3)).await;
        let start = Instant::now();
        limiter.acquire().await;
        assert!(start.elapsed() >= Duration::from_secs(3));
    }
}
