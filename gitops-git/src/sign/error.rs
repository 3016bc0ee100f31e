use std::error::Error;

use crate::id::ObjectId;
use crate::sign::SignatureKind;

/// Why a commit or tag is not known to come from someone trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The mirror does not have the object, or cannot be read.
    #[error("cannot read {id} from the mirror")]
    Read {
        /// The commit or tag.
        id: ObjectId,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no signature.
    #[error("{id} is not signed")]
    Unsigned {
        /// The commit or tag.
        id: ObjectId,
    },
    /// The signature is of a kind for which no keys are trusted.
    #[error("{id} has a signature of kind {kind}, for which no keys are trusted")]
    NoTrustedKeys {
        /// The commit or tag.
        id: ObjectId,
        /// The kind of its signature.
        kind: SignatureKind,
    },
    /// The signature is neither SSH's nor OpenPGP's.
    #[error("{id} has a signature of an unknown kind")]
    UnknownKind {
        /// The commit or tag.
        id: ObjectId,
    },
    /// The signature does not belong to the content, or its key is not trusted.
    #[error("the signature of {id} is not good: {reason}")]
    NotGood {
        /// The commit or tag.
        id: ObjectId,
        /// What the program said.
        reason: String,
    },
    /// The program that verifies could not be used.
    #[error("cannot run {program} to verify {id}")]
    Program {
        /// The commit or tag.
        id: ObjectId,
        /// `ssh-keygen` or `gpg`.
        program: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
