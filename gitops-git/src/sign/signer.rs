use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::commit::Signer;
use crate::sign::program::{run, words};

/// Signs with an SSH key, through `ssh-keygen -Y sign`.
///
/// The key is a private key file without passphrase, or the public key of a
/// private key that the SSH agent holds, as on a hardware token.
///
/// ```no_run
/// # use gitops_git::{CommitOptions, SshSigner};
/// let options = CommitOptions::new("release", "CI <ci@example.com>".parse()?)
///     .signer(SshSigner::new("/etc/deploy/id_ed25519"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SshSigner {
    key: PathBuf,
}

impl SshSigner {
    /// Signs with the key in the file `key`.
    pub fn new(key: impl Into<PathBuf>) -> Self {
        Self { key: key.into() }
    }
}

impl Signer for SshSigner {
    fn sign(&self, payload: &[u8]) -> Result<String, Box<dyn Error + Send + Sync>> {
        // Through a file rather than standard input, since only then
        // `ssh-keygen` reports a failure of the agent.
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(payload)?;
        let mut signature = OsString::from(file.path());
        signature.push(".sig");
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "sign", "-n", "git", "-f"]).arg(&self.key).arg(file.path());
        let output = run(&mut command, b"")?;
        let text = std::fs::read_to_string(&signature);
        // It may not have been made.
        let _ = std::fs::remove_file(&signature);
        match output.status.success() {
            true => Ok(text?),
            false => Err(format!("ssh-keygen said: {}", words(&output)).into()),
        }
    }
}

/// Signs with an OpenPGP key, through `gpg --detach-sign`.
#[derive(Debug, Clone)]
pub struct GpgSigner {
    key: String,
    home: Option<PathBuf>,
}

impl GpgSigner {
    /// Signs with the key that has this id, fingerprint or e-mail address.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), home: None }
    }

    /// Looks for the key in this directory instead of the user's.
    #[must_use]
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }
}

impl Signer for GpgSigner {
    fn sign(&self, payload: &[u8]) -> Result<String, Box<dyn Error + Send + Sync>> {
        let mut command = Command::new("gpg");
        if let Some(home) = &self.home {
            command.arg("--homedir").arg(home);
        }
        command.args(["--batch", "--no-tty", "--armor", "--detach-sign", "--local-user", &self.key]);
        let output = run(&mut command, payload)?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(format!("gpg said: {}", words(&output)).into()),
        }
    }
}
