use futures::Stream;
use futures::channel::mpsc::{UnboundedSender, unbounded};

use crate::health::Health;
use crate::hook::Phase;
use crate::id::ResourceId;
use crate::plan::Action;

/// What happens in a sync, as it happens; for progress bars and logs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// What will be done with each resource.
    Planned {
        /// The resource and the action, in the order of the plan.
        actions: Vec<(ResourceId, Action)>,
    },
    /// Something is being done with a resource.
    Started {
        /// The resource.
        id: ResourceId,
        /// What is done.
        action: Action,
        /// The phase of the sync.
        phase: Phase,
    },
    /// The cluster has accepted it.
    Applied {
        /// The resource.
        id: ResourceId,
        /// What was done.
        action: Action,
    },
    /// A resource that is waited for is in another state than before.
    Waiting {
        /// The resource.
        id: ResourceId,
        /// How it is doing.
        health: Health,
    },
    /// A resource is as it should be; nothing waits for it any more.
    Ready {
        /// The resource.
        id: ResourceId,
    },
    /// Something went wrong with a resource.
    Failed {
        /// The resource.
        id: ResourceId,
        /// What, with all its causes.
        message: String,
    },
    /// Nothing was done with a resource.
    Skipped {
        /// The resource.
        id: ResourceId,
        /// Why.
        reason: String,
    },
    /// The sync has ended.
    Finished {
        /// Whether everything is as it should be.
        succeeded: bool,
    },
}

/// A sender for [`SyncOptions::events`](crate::SyncOptions::events), and the
/// stream that it feeds.
pub fn events() -> (UnboundedSender<Event>, impl Stream<Item = Event> + Unpin) {
    unbounded()
}
