//! Git for programs that deploy from it: watch a repository, read its files,
//! change them and push, safely under races and crashes.
//!
//! ```
//! use gitops_git::{CommitOptions, Mirror, MirrorOptions, Remote, RepoUrl, Revision};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temp = tempfile::tempdir()?;
//! # let (server, cache) = (temp.path().join("app.git"), temp.path().join("cache"));
//! # let bare = git2::Repository::init_bare(&server)?;
//! # let author = git2::Signature::now("A", "a@example.com")?;
//! # let tree = bare.find_tree(bare.treebuilder(None)?.write()?)?;
//! # bare.commit(Some("refs/heads/main"), &author, &author, "start", &tree, &[])?;
//! let url = RepoUrl::from_path(&server)?; // or "https://…".parse()?
//! let mirror = Mirror::open(&cache, Remote::new(url), MirrorOptions::new())?;
//!
//! let options = CommitOptions::new("release 1.4.2", "CI <ci@example.com>".parse()?);
//! mirror.commit_and_push("main", &options, |tree| tree.write("VERSION".as_ref(), "1.4.2\n"))?;
//!
//! let commit = mirror.fetch(&Revision::branch("main"))?;
//! assert_eq!(mirror.tree(commit.id)?.read("VERSION".as_ref())?, b"1.4.2\n");
//! # Ok(())
//! # }
//! ```
//!
//! In the order in which data flows:
//!
//! 1. [`RepoUrl`] says where a repository is. [`Remote`] adds how to talk to it:
//!    [`Credentials`], [`HostKeys`], [`Tls`], [`Proxy`], [`Timeouts`], [`Cancel`].
//! 2. [`Remote::list_refs`] and [`Remote::resolve`] find out with one request
//!    whether a [`Revision`] has changed; a [`Poller`] does so for many users.
//! 3. [`Mirror::fetch`] brings what is new into a local [`Mirror`].
//! 4. [`Mirror::tree`] gives a [`TreeReader`] for the files of a commit. With the
//!    feature `kustomize` it is a `kustomize_core::FileSource`. [`Repositories`] are
//!    those that it refers to: submodules, and bases of kustomizations.
//! 5. [`Mirror::commit_and_push`] commits a [`TreeEdit`] and pushes it, signed by an
//!    [`SshSigner`] or [`GpgSigner`] if you wish; [`Mirror::draft`] shows the files that
//!    would be pushed; [`Mirror::verify`] checks such signatures.
//!
//! # How it talks
//!
//! | scheme | through |
//! |---|---|
//! | `https`, `http` | an HTTP client on rustls; system trust store; no OpenSSL |
//! | `ssh`, `host:path` | the user's `ssh` program, with its configuration, jump hosts, agents and hardware keys |
//! | `git` | TCP |
//! | `file` | the `git` program if there is one, otherwise libgit2, which knows no depth and is slower |
//!
//! Packs and objects are libgit2's. Nothing is asked of the user, no setting of
//! the process is changed, and no hook or filter of a fetched repository is run.
//! Pushing to a `file` URL runs the hooks of that repository, as git does.
//!
//! # Limitations
//!
//! - Unix only.
//! - Repositories with SHA-1 object ids only.
//! - Files in Git LFS are recognised ([`LfsPointer`]), not fetched.
//! - Everything blocks; asynchronous programs use their runtime's way to call
//!   blocking code. [`Cancel`] ends a call early.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `libgit2-https` | no | [`Transport::Libgit2`] for HTTPS; needs OpenSSL's headers to build |
//! | `libgit2-ssh` | no | [`Transport::Libgit2`] for SSH, where there is no `ssh` program; needs OpenSSL's headers to build |
//! | `kustomize` | no | [`TreeReader`] implements `kustomize_core::FileSource`, [`Repositories`] implements `kustomize_core::Remote` |

mod cancel;
mod commit;
mod credentials;
mod host_keys;
mod id;
mod mirror;
mod poll;
mod poller;
mod protocol;
mod refs;
mod remote;
mod remote_error;
mod repositories;
mod revision;
mod secret;
mod sign;
mod transport;
mod tree;
mod url;
mod version_range;

pub use cancel::Cancel;
pub use commit::{
    CommitOptions, EditError, Identity, IdentityError, PushError, PushMode, PushOutcome, Signer, TreeEdit,
};
pub use credentials::{CredentialSource, Credentials, SshKey};
pub use host_keys::{Fingerprint, FingerprintError, HostKeys, OfferedKey};
pub use id::{ObjectId, ObjectIdError};
pub use mirror::{Commit, Depth, FetchError, Mirror, MirrorError, MirrorOptions, MirrorStats};
pub use poll::PollError;
pub use poller::Poller;
pub use refs::{RefFilter, RefSnapshot, RemoteRef};
pub use remote::{Progress, Proxy, Remote, Timeouts, Tls, Transport};
pub use remote_error::{Phase, RemoteError};
pub use repositories::{Repositories, Submodule, SubmoduleError};
pub use revision::{ResolveError, Resolved, Revision};
pub use secret::Secret;
pub use sign::{GpgSigner, SignatureKind, SshSigner, TrustedKeys, Verification, VerifyError};
pub use tree::{Entry, EntryKind, ExportError, ExportOptions, LfsPointer, Limits, ReadError, TreeReader};
pub use url::{RepoUrl, Scheme, UrlError};
pub use version_range::VersionRange;
