//! Work on many resources at once.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Fewer resources than this are not worth another thread.
const FEWEST: usize = 1024;

/// How many parts there are for each thread, so that none waits long for another.
const PARTS: usize = 4;

/// How many threads a build may use; what comes out is the same for any number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Threads {
    /// As many as there are processors if none is said.
    limit: Option<usize>,
}

impl Threads {
    pub(crate) const ONE: Self = Self { limit: Some(1) };

    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self { limit }
    }

    /// Works on parts of `items` and returns what that gives in their order.
    pub(crate) fn map<T: Send, R: Send>(self, items: &mut [T], work: impl Fn(&mut [T]) -> R + Sync) -> Vec<R> {
        let (threads, size) = self.divide(items.len());
        run(threads, items.chunks_mut(size), work)
    }

    /// Works on ranges of `0..len` and returns what that gives in their order.
    pub(crate) fn ranges<R: Send>(self, len: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
        let (threads, size) = self.divide(len);
        run(threads, (0..len).step_by(size).map(|start| start..len.min(start + size)), work)
    }

    /// How many threads work on so many items.
    pub(crate) fn number_for(self, len: usize) -> usize {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        let most = len / FEWEST;
        if most < 2 { 1 } else { self.limit.unwrap_or_else(processors).clamp(1, most) }
    }

    /// How many threads to use, and how large a part is.
    fn divide(self, len: usize) -> (usize, usize) {
        let threads = self.number_for(len);
        if threads < 2 { (1, len.max(1)) } else { (threads, len.div_ceil(threads * PARTS).max(FEWEST)) }
    }
}

/// Whoever is done with a part takes the next one. Where there are no more
/// threads to be had, the one that asks does it all.
fn run<P: Send, R: Send>(
    threads: usize,
    parts: impl Iterator<Item = P> + Send,
    work: impl Fn(P) -> R + Sync,
) -> Vec<R> {
    if threads == 1 {
        return parts.map(work).collect();
    }
    let parts = Mutex::new(parts.enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let take = || std::iter::from_fn(next).map(|(at, part)| (at, work(part))).collect::<Vec<_>>();
    let mut done = thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, take).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = take();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_in_order() {
        for (len, limit) in [(0, 4), (10, 4), (3 * FEWEST, 1), (3 * FEWEST, 2), (9 * FEWEST + 1, 4)] {
            let threads = Threads::new(Some(limit));
            let mut items: Vec<usize> = (0..len).collect();
            let parts = threads.map(&mut items, |part| {
                part.iter_mut().for_each(|item| *item += 1);
                part.to_vec()
            });
            assert!(parts.len() <= limit * PARTS);
            assert_eq!(parts.concat(), (1..=len).collect::<Vec<_>>());
            let ranges = threads.ranges(len, |range| range.collect::<Vec<_>>());
            assert_eq!(ranges.concat(), (0..len).collect::<Vec<_>>());
        }
    }
}
