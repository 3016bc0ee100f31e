//! The parts of Git's wire protocol that libgit2 does not speak, or not well:
//! listing refs with protocol version 2, so that a poll or a fetch costs what it
//! asks for.

pub(crate) mod advertisement;
pub(crate) mod ls_refs;
pub(crate) mod narrow;
pub(crate) mod pkt_line;
