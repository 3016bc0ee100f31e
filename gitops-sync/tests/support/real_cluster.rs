//! A real Kubernetes control plane for tests: etcd, kube-apiserver and, if wanted,
//! kube-controller-manager, started from the folder in `KUBEBUILDER_ASSETS` on free loopback
//! ports, and ended when it is dropped.
//!
//! Test crates include this file by its path:
//!
//! ```ignore
//! #[path = "support/real_cluster.rs"]
//! mod real_cluster;
//! ```

#![allow(dead_code, reason = "every test crate uses another part of it")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use ring::signature::{EcdsaKeyPair, KeyPair as _};

const TOKEN: &str = "token-of-the-test-administrator";

/// How long the servers may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running control plane.
pub(crate) struct RealCluster {
    assets: PathBuf,
    dir: tempfile::TempDir,
    etcd_port: u16,
    port: u16,
    // Ended in this order: who depends on others goes first.
    controllers: Option<Process>,
    api_server: Option<Process>,
    _etcd: Process,
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RealCluster {
    /// Starts a control plane, or says that it skips and returns nothing when
    /// `KUBEBUILDER_ASSETS` is not set.
    pub(crate) async fn start(with_controllers: bool) -> Option<Self> {
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
            #[allow(clippy::print_stderr, reason = "whoever runs the tests should know what did not run")]
            {
                eprintln!("skipped: KUBEBUILDER_ASSETS is not set, so there is no real API server to test");
            }
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        write_credentials(dir.path());
        let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
        let etcd = start_etcd(&assets, dir.path(), etcd_port, peer_port);
        let mut cluster =
            Self { assets, dir, etcd_port, port, controllers: None, api_server: None, _etcd: Process(etcd) };
        cluster.start_api_server().await;
        if with_controllers {
            cluster.start_controllers();
        }
        Some(cluster)
    }

    /// Starts the API server again after [`stop_api_server`](Self::stop_api_server), on the same
    /// port and with the same data, and waits until it is ready.
    pub(crate) async fn start_api_server(&mut self) {
        let dir = self.dir.path();
        let file = |name: &str| dir.join(name).display().to_string();
        let child = Command::new(self.assets.join("kube-apiserver"))
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--service-cluster-ip-range=10.0.0.0/16"])
            .arg(format!("--cert-dir={}", file("certificates")))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-account-key-file={}", file("service-account.pub")))
            .arg(format!("--service-account-signing-key-file={}", file("service-account.key")))
            .arg(format!("--token-auth-file={}", file("tokens.csv")))
            .args(["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"])
            .stdout(Stdio::null())
            .stderr(log(dir, "kube-apiserver.log"))
            .spawn()
            .expect("kube-apiserver can be started");
        self.api_server = Some(Process(child));
        self.wait_until_ready().await;
    }

    /// Kills the API server; its data stay in etcd.
    pub(crate) fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the real controllers: garbage collection, namespace deletion, rollouts whose pods
    /// stay pending, as there is no node.
    pub(crate) fn start_controllers(&mut self) {
        let child = Command::new(self.assets.join("kube-controller-manager"))
            .arg(format!("--kubeconfig={}", self.kubeconfig().display()))
            .args(["--controllers=*,-ttl", "--leader-elect=false", "--port=0", "--secure-port=0"])
            .stdout(Stdio::null())
            .stderr(log(self.dir.path(), "kube-controller-manager.log"))
            .spawn()
            .expect("kube-controller-manager can be started");
        self.controllers = Some(Process(child));
    }

    async fn wait_until_ready(&mut self) {
        let client = self.client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).expect("a valid request");
            let ready = client.request_text(request).await.is_ok_and(|text| text == "ok");
            // The namespaces are made a moment after the server calls itself ready.
            let request = http::Request::get("/api/v1/namespaces/default").body(Vec::new()).expect("a valid request");
            if ready && client.request_text(request).await.is_ok() {
                return;
            }
            let ended = self.api_server.as_mut().is_none_or(|process| !matches!(process.0.try_wait(), Ok(None)));
            assert!(!ended && Instant::now() < deadline, "kube-apiserver did not get ready: {}", self.last_words());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("kube-apiserver.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A client that may do everything.
    pub(crate) fn client(&self) -> kube::Client {
        kube::Client::try_from(self.config()).expect("the configuration is complete")
    }

    /// The configuration of such a client.
    pub(crate) fn config(&self) -> kube::Config {
        config_of(&self.url())
    }

    /// A kubeconfig file for kubectl and other programs.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters:\n- name: test\n  cluster: {{server: '{}', insecure-skip-tls-verify: true}}\n\
             users:\n- name: admin\n  user: {{token: {TOKEN}}}\n\
             contexts:\n- name: test\n  context: {{cluster: test, user: admin}}\n",
            self.url()
        );
        fs::write(&path, text).expect("the temporary folder can be written to");
        path
    }
}

/// The configuration of a client for the control plane at `url`, which any process on this
/// machine may use.
pub(crate) fn config_of(url: &str) -> kube::Config {
    let mut config = kube::Config::new(url.parse().expect("a valid address"));
    // Its certificate is signed by itself.
    config.accept_invalid_certs = true;
    config.auth_info.token = Some(TOKEN.to_owned().into());
    config
}

fn start_etcd(assets: &Path, dir: &Path, port: u16, peer_port: u16) -> Child {
    let url = format!("http://127.0.0.1:{port}");
    Command::new(assets.join("etcd"))
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
        .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer_port}"), "--unsafe-no-fsync"])
        .stdout(Stdio::null())
        .stderr(log(dir, "etcd.log"))
        .spawn()
        .expect("etcd can be started")
}

fn log(dir: &Path, name: &str) -> Stdio {
    fs::File::create(dir.join(name)).map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Another process may take the port before we do; tests then fail and say so.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

fn write_credentials(dir: &Path) {
    /// What precedes the point of a P-256 key in its public form (RFC 5480).
    const PUBLIC_KEY_HEADER: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("keys can be generated");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random).expect("the key was just made");
    let public = [&PUBLIC_KEY_HEADER, pair.public_key().as_ref()].concat();
    let write =
        |name: &str, text: &str| fs::write(dir.join(name), text).expect("the temporary folder can be written to");
    write("service-account.key", &pem("PRIVATE KEY", private.as_ref()));
    write("service-account.pub", &pem("PUBLIC KEY", &public));
    write("tokens.csv", &format!("{TOKEN},admin,admin,system:masters\n"));
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
