//! Conversations with a Git server, one module for each way of reaching it.
//!
//! A [`Session`](session::Session) is one operation on one repository: it holds
//! the credentials and the deadline, and remembers why the conversation failed,
//! since libgit2 keeps no more than a line of text.

pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod http_agent;
mod http_errors;
pub(crate) mod library;
pub(crate) mod process;
pub(crate) mod register;
pub(crate) mod session;
pub(crate) mod ssh;

use std::io::{Read, Write};

/// The program on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// The protocol version to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// What libgit2 speaks.
    V0,
    V2,
}

/// Both directions of one conversation.
pub(crate) trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}
