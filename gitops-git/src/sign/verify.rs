use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use git2::{ObjectType, Repository};

use crate::id::ObjectId;
use crate::mirror::Mirror;
use crate::mirror::generation::Generation;
use crate::sign::VerifyError;
use crate::sign::program::{run, words};

/// Whose signatures count.
///
/// ```
/// use gitops_git::TrustedKeys;
/// let keys = TrustedKeys::new()
///     .allowed_signers("ci@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…")
///     .gpg_home("/etc/deploy/gnupg");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TrustedKeys {
    /// SSH keys, one a line: principals, options, key, as `ssh-keygen` wants them.
    pub allowed_signers: Option<String>,
    /// A directory of GnuPG whose whole public key ring is trusted.
    pub gpg_home: Option<PathBuf>,
}

impl TrustedKeys {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts SSH keys, given as in the file that git calls `gpg.ssh.allowedSignersFile`.
    #[must_use]
    pub fn allowed_signers(mut self, lines: impl Into<String>) -> Self {
        self.allowed_signers = Some(lines.into());
        self
    }

    /// Trusts every key in the key ring of this directory of GnuPG.
    #[must_use]
    pub fn gpg_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.gpg_home = Some(home.into());
        self
    }
}

/// A signature that is good and made by someone trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// What kind of signature it is.
    pub kind: SignatureKind,
    /// Who signed: the principal of an SSH key, the user id of an OpenPGP key.
    pub signer: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
}

/// The kind of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureKind {
    /// Made with an SSH key.
    Ssh,
    /// Made with an OpenPGP key.
    OpenPgp,
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "SSH",
            Self::OpenPgp => "OpenPGP",
        })
    }
}

const SSH: &str = "-----BEGIN SSH SIGNATURE-----";
const PGP: &str = "-----BEGIN PGP SIGNATURE-----";

impl Mirror {
    /// Verifies the signature of a commit or of an annotated tag
    /// ([`Commit::tag_object`](crate::Commit::tag_object)).
    ///
    /// # Deviation
    ///
    /// git judges by the date that the commit gives itself whether an SSH key
    /// was valid; here it has to be valid now, since whoever makes a commit
    /// chooses its date.
    ///
    /// # Errors
    ///
    /// When it is not signed, the signature does not fit, the key is not
    /// trusted, or `ssh-keygen` or `gpg` cannot be run.
    pub fn verify(&self, id: ObjectId, keys: &TrustedKeys) -> Result<Verification, VerifyError> {
        let (signature, payload) = self.signed_content(id)?;
        match (signature.trim_start(), &keys.allowed_signers, &keys.gpg_home) {
            (text, Some(allowed), _) if text.starts_with(SSH) => verify_ssh(id, text, &payload, allowed),
            (text, _, Some(home)) if text.starts_with(PGP) => verify_pgp(id, text, &payload, home),
            (text, ..) if text.starts_with(SSH) => Err(VerifyError::NoTrustedKeys { id, kind: SignatureKind::Ssh }),
            (text, ..) if text.starts_with(PGP) => Err(VerifyError::NoTrustedKeys { id, kind: SignatureKind::OpenPgp }),
            _ => Err(VerifyError::UnknownKind { id }),
        }
    }

    fn signed_content(&self, id: ObjectId) -> Result<(String, Vec<u8>), VerifyError> {
        let read = |source: Box<dyn std::error::Error + Send + Sync>| VerifyError::Read { id, source };
        let generation = Generation::current(&self.root).map_err(|error| read(error.into()))?;
        let generation = generation.ok_or_else(|| read("nothing was fetched yet".into()))?;
        let repository = generation.repository().map_err(|error| read(error.into()))?;
        let object = repository.find_object(id.to_git(), None).map_err(|error| read(error.into()))?;
        match object.kind() {
            Some(ObjectType::Tag) => split_tag(&repository, id),
            _ => match repository.extract_signature(&id.to_git(), None) {
                Ok((signature, payload)) => Ok((String::from_utf8_lossy(&signature).into_owned(), payload.to_vec())),
                Err(error) if error.code() == git2::ErrorCode::NotFound => Err(VerifyError::Unsigned { id }),
                Err(error) => Err(read(error.into())),
            },
        }
    }
}

/// A tag ends with its signature.
fn split_tag(repository: &Repository, id: ObjectId) -> Result<(String, Vec<u8>), VerifyError> {
    let odb = repository.odb().and_then(|odb| Ok(odb.read(id.to_git())?.data().to_vec()));
    let content = odb.map_err(|error| VerifyError::Read { id, source: error.into() })?;
    let starts = |at: &usize| {
        let rest = &content[*at..];
        (*at == 0 || content[at - 1] == b'\n') && (rest.starts_with(SSH.as_bytes()) || rest.starts_with(PGP.as_bytes()))
    };
    // As git does, the last one counts: the message may quote another.
    let at = (0..content.len()).rev().find(starts).ok_or(VerifyError::Unsigned { id })?;
    let (payload, signature) = content.split_at(at);
    Ok((String::from_utf8_lossy(signature).into_owned(), payload.to_vec()))
}

fn file_with(text: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn verify_ssh(id: ObjectId, signature: &str, payload: &[u8], allowed: &str) -> Result<Verification, VerifyError> {
    let failed = |source| VerifyError::Program { id, program: "ssh-keygen", source };
    let signature = file_with(signature).map_err(failed)?;
    let allowed = file_with(allowed).map_err(failed)?;
    let keygen = |action: &str| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", action, "-n", "git", "-f"]).arg(allowed.path()).arg("-s").arg(signature.path());
        command
    };
    let found = run(&mut keygen("find-principals"), b"").map_err(failed)?;
    let principals = String::from_utf8_lossy(&found.stdout).into_owned();
    let mut reason = words(&found);
    for principal in principals.lines().filter(|_| found.status.success()) {
        let verified = run(keygen("verify").arg("-I").arg(principal), payload).map_err(failed)?;
        reason = words(&verified);
        if verified.status.success() {
            let fingerprint = reason.split_whitespace().find(|word| word.starts_with("SHA256:"));
            return Ok(Verification {
                kind: SignatureKind::Ssh,
                signer: principal.to_owned(),
                fingerprint: fingerprint.unwrap_or_default().to_owned(),
            });
        }
    }
    Err(VerifyError::NotGood { id, reason })
}

fn verify_pgp(id: ObjectId, signature: &str, payload: &[u8], home: &PathBuf) -> Result<Verification, VerifyError> {
    let failed = |source| VerifyError::Program { id, program: "gpg", source };
    let signature = file_with(signature).map_err(failed)?;
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home);
    // Being in the key ring is the trust; gpg's web of trust has no say.
    command.args(["--batch", "--no-tty", "--trust-model", "always", "--status-fd", "1", "--verify"]);
    command.arg(signature.path()).arg("-");
    let output = run(&mut command, payload).map_err(failed)?;
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix("[GNUPG:] ")?.strip_prefix(name)?.strip_prefix(' '))
    };
    // Each needed: a key that has expired or was revoked gives another word than GOODSIG.
    match (output.status.success(), line("GOODSIG"), line("VALIDSIG")) {
        (true, Some(good), Some(valid)) => Ok(Verification {
            kind: SignatureKind::OpenPgp,
            signer: good.split_once(' ').map_or(good, |(_, user)| user).to_owned(),
            fingerprint: valid.split(' ').next().unwrap_or_default().to_owned(),
        }),
        _ => Err(VerifyError::NotGood {
            id,
            reason: crate::secret::clean(&String::from_utf8_lossy(&output.stderr), &[]),
        }),
    }
}
