mod base;
mod draft;
mod edit;
mod error;
mod flow;
mod object;
mod options;
mod push;
mod race;

pub use edit::{EditError, TreeEdit};
pub use error::PushError;
pub use flow::PushOutcome;
pub use options::{CommitOptions, Identity, IdentityError, PushMode, Signer};
