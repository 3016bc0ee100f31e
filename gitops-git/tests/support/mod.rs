//! Real Git servers on loopback, and repositories for them. The workspace's
//! `tests/kustomize_command` uses them too.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

pub mod http;
pub mod ssh;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gitops_git::{CommitOptions, Mirror, MirrorOptions, Remote, RepoUrl};

/// A directory with one bare repository, `app.git`.
pub struct Fixture {
    pub dir: tempfile::TempDir,
}

pub fn git(dir: &Path, arguments: &[&str]) -> String {
    git_with_input(dir, arguments, b"")
}

pub fn git_with_input(dir: &Path, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl Fixture {
    /// A repository whose branch `main` has `commits` commits of a few files.
    pub fn new(commits: usize) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let root = fixture.dir.path();
        git(root, &["init", "-q", "--bare", "-b", "main", "app.git"]);
        fixture.config("http.receivepack", "true");
        fixture.config("receive.advertisePushOptions", "true");
        let mut import = String::new();
        for number in 1..=commits {
            import.push_str(&format!(
                "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\n\
                 data 3\nc{:02}\n\
                 M 100644 inline VERSION\ndata 4\n{number:04}\n\
                 M 100644 inline deploy/web.yml\ndata 10\nkind: Web{}\n\
                 M 100755 inline deploy/run.sh\ndata 4\ntrue\n\n",
                1_700_000_000 + number,
                number % 100,
                number % 10,
            ));
        }
        git_with_input(&fixture.repository(), &["fast-import", "--quiet"], import.as_bytes());
        fixture
    }

    pub fn config(&self, key: &str, value: &str) {
        git(&self.repository(), &["config", key, value]);
    }

    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("app.git")
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.repository(), arguments)
    }

    pub fn tip(&self, revision: &str) -> String {
        self.git(&["rev-parse", revision])
    }

    pub fn file_url(&self) -> RepoUrl {
        RepoUrl::from_path(&self.repository()).unwrap()
    }

    pub fn cache(&self, name: &str) -> PathBuf {
        self.dir.path().join("cache").join(name)
    }

    pub fn mirror(&self, remote: Remote) -> Mirror {
        Mirror::open(self.cache("mirror"), remote, MirrorOptions::new()).unwrap()
    }

    /// Adds a commit on the server, behind everyone's back.
    pub fn commit(&self, branch: &str, path: &str, content: &str) -> String {
        let import = format!(
            "commit refs/heads/{branch}\ncommitter B <b@example.com> 1800000000 +0000\n\
             data 1\nx\nfrom refs/heads/{branch}^0\nM 100644 inline {path}\ndata {}\n{content}\n\n",
            content.len()
        );
        git_with_input(&self.repository(), &["fast-import", "--quiet"], import.as_bytes());
        self.tip(branch)
    }

    /// Gives the branch `main` so many other refs for company, at `revision`, as a
    /// forge has them: one for each merge request.
    pub fn many_refs(&self, refs: usize, revision: &str) {
        let (main, other) = (self.tip("main"), self.tip(revision));
        let mut packed = format!("# pack-refs with: peeled fully-peeled sorted \n{main} refs/heads/main\n");
        for number in 0..refs {
            packed.push_str(&format!("{other} refs/merge-requests/{number:06}/head\n"));
        }
        std::fs::write(self.repository().join("packed-refs"), packed).unwrap();
        // It may be there only.
        let _ = std::fs::remove_file(self.repository().join("refs/heads/main"));
    }

    /// Installs a hook on the server.
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.repository().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

pub fn options(message: &str) -> CommitOptions {
    CommitOptions::new(message, "CI <ci@example.com>".parse().unwrap())
}

/// A child process that is killed with the test.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn wait_for_port(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "no server on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `git daemon` for all repositories of the fixture.
pub fn daemon(fixture: &Fixture) -> (Server, RepoUrl) {
    let port = free_port();
    let base = fixture.dir.path().to_str().unwrap();
    // Not `git daemon`, which would leave the daemon behind when it is killed.
    let child = Command::new(Path::new(&git(fixture.dir.path(), &["--exec-path"])).join("git-daemon"))
        .args(["--listen=127.0.0.1", &format!("--port={port}"), "--export-all"])
        .args(["--enable=receive-pack", &format!("--base-path={base}"), base])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("git daemon runs");
    wait_for_port(port);
    (Server(child), format!("git://127.0.0.1:{port}/app.git").parse().unwrap())
}

/// A way to a server with faults to order.
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<ProxyState>>,
}

#[derive(Default)]
struct ProxyState {
    fault: Fault,
    connections: Vec<TcpStream>,
}

/// What goes wrong with each connection.
#[derive(Clone, Copy, Default)]
pub enum Fault {
    #[default]
    None,
    /// It breaks after so many bytes from the server.
    Cut(u64),
    /// Nothing comes any more after so many bytes from the server.
    Stall(u64),
    /// It breaks after so many bytes to the server.
    CutUpload(u64),
}

impl Proxy {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = state.lock().unwrap();
                state.connections.push(client.try_clone().unwrap());
                relay(client, TcpStream::connect(("127.0.0.1", server)).unwrap(), state.fault);
            }
        });
        proxy
    }

    /// The fault of all connections from now on; those that there are end.
    pub fn fault(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = fault;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn relay(client: TcpStream, server: TcpStream, fault: Fault) {
    let (down, up) = match fault {
        Fault::None => (u64::MAX, u64::MAX),
        Fault::Cut(bytes) | Fault::Stall(bytes) => (bytes, u64::MAX),
        Fault::CutUpload(bytes) => (u64::MAX, bytes),
    };
    let copy = move |from: TcpStream, to: TcpStream, bytes: u64| {
        let copied = std::io::copy(&mut std::io::Read::take(&from, bytes), &mut &to);
        // A stalled connection stays open, with nobody to read it.
        if !(matches!(fault, Fault::Stall(_)) && copied.is_ok_and(|copied| copied == bytes)) {
            let _ = from.shutdown(std::net::Shutdown::Both);
            let _ = to.shutdown(std::net::Shutdown::Both);
        } else {
            std::thread::sleep(Duration::from_secs(60));
        }
    };
    let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || copy(client2, server2, up));
    std::thread::spawn(move || copy(server, client, down));
}

/// Text that does not get smaller on the way.
pub fn noise(bytes: usize) -> String {
    (0..bytes as u64 / 16).map(|n| format!("{:016x}", (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect()
}

/// A server that accepts connections and never says a word.
pub fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    port
}
