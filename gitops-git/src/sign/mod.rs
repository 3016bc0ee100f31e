//! Signing and verifying with the programs that git itself uses: `ssh-keygen`
//! and `gpg`. They bring agents, hardware keys and certificates with them.

mod error;
mod program;
mod signer;
mod verify;

pub use error::VerifyError;
pub use signer::{GpgSigner, SshSigner};
pub use verify::{SignatureKind, TrustedKeys, Verification};
