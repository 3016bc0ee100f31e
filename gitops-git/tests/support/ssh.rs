//! OpenSSH's sshd with git-shell, run by the user of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gitops_git::RepoUrl;

use super::{Fixture, Server, free_port, wait_for_port};

pub struct SshServer {
    pub server: Server,
    pub port: u16,
    pub user: String,
    /// Holds the keys: `host` and `ecdsa` of the server, `client`, `locked` (passphrase `open sesame`), `stranger`.
    pub dir: PathBuf,
}

/// Starts sshd, or says on standard error that it is not installed.
pub fn start(fixture: &Fixture) -> Option<SshServer> {
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].iter().find(|path| Path::new(path).exists());
    let Some(sshd) = sshd else {
        eprintln!("skipped: OpenSSH's sshd is not installed");
        return None;
    };
    let dir = fixture.dir.path().join("ssh");
    fs::create_dir(&dir).unwrap();
    let key = |name: &str, kind: &[&str], passphrase: &str| {
        keygen(&[kind, &["-N", passphrase, "-f", dir.join(name).to_str().unwrap()]].concat());
    };
    for (name, passphrase) in [("host", ""), ("client", ""), ("stranger", ""), ("locked", "open sesame")] {
        key(name, &["-t", "ed25519"], passphrase);
    }
    key("ecdsa", &["-t", "ecdsa", "-b", "521"], "");
    let command = "restrict,command=\"git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\"";
    let key = |name: &str| fs::read_to_string(dir.join(format!("{name}.pub"))).unwrap();
    let authorized = format!("{command} {}{command} {}", key("client"), key("locked"));
    fs::write(dir.join("authorized_keys"), authorized).unwrap();
    let port = free_port();
    let path = std::env::var("PATH").unwrap();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nHostKey {dir}/ecdsa\nPidFile {dir}/pid\n\
         AuthorizedKeysFile {dir}/authorized_keys\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
         AcceptEnv GIT_PROTOCOL\nSetEnv PATH={path}\nLogLevel ERROR\n",
        dir = dir.display()
    );
    fs::write(dir.join("config"), config).unwrap();
    // Only root can make it, and only root's sshd needs it.
    let _ = fs::create_dir_all("/run/sshd");
    let child = Command::new(sshd)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("config"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    let server = Server(child);
    wait_for_port(port);
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let user = String::from_utf8(user).unwrap().trim().to_owned();
    Some(SshServer { server, port, user, dir })
}

fn keygen(arguments: &[&str]) {
    let status = Command::new("ssh-keygen").arg("-q").args(arguments).status();
    assert!(status.expect("ssh-keygen runs").success());
}

impl SshServer {
    pub fn url(&self, fixture: &Fixture) -> RepoUrl {
        self.url_at(self.port, fixture)
    }

    /// The same server by way of another port.
    pub fn url_at(&self, port: u16, fixture: &Fixture) -> RepoUrl {
        let path = fixture.repository();
        format!("ssh://{}@127.0.0.1:{port}{}", self.user, path.display()).parse().unwrap()
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The `known_hosts` line of the key `name`, as if it were the server's.
    pub fn known_hosts(&self, name: &str) -> String {
        self.known_hosts_at(self.port, name)
    }

    pub fn known_hosts_at(&self, port: u16, name: &str) -> String {
        let key = fs::read_to_string(self.dir.join(format!("{name}.pub"))).unwrap();
        format!("[127.0.0.1]:{port} {key}")
    }

    pub fn fingerprint(&self, name: &str) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.key(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }
}
