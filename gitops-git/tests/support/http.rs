//! `git http-backend` behind a small HTTP server, with faults to order.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gitops_git::RepoUrl;

pub const USER: &str = "bot";
pub const PASSWORD: &str = "s3cret-token";

/// What the server does wrong.
#[derive(Clone, Default)]
pub struct Faults {
    /// Answer with this status, headers and body instead.
    pub answer: Option<(u16, String, String)>,
    /// Close the connection after so many bytes of an answer to a POST.
    pub cut_after: Option<usize>,
    /// Say nothing any more after so many bytes of an answer to a POST.
    pub stall_after: Option<usize>,
    /// Know nothing of later versions of the protocol.
    pub only_version_0: bool,
    /// Do what a POST to git-receive-pack asks, and close without an answer.
    pub swallow_push_answer: bool,
}

#[derive(Clone)]
pub struct HttpServer {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    exec_path: PathBuf,
    password: Option<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Request>>,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    /// The size of the whole answer.
    pub answer_bytes: usize,
}

impl HttpServer {
    pub fn start(root: &Path, password: Option<&str>) -> Self {
        Self::start_with(root, password, None)
    }

    pub fn start_with(root: &Path, password: Option<&str>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            exec_path: super::git(root, &["--exec-path"]).into(),
            password: password.map(str::to_owned),
            tls,
            faults: Mutex::default(),
            log: Mutex::default(),
        });
        let server = Self { port, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        server
    }

    pub fn url(&self) -> RepoUrl {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        let host = if self.shared.tls.is_some() { "localhost" } else { "127.0.0.1" };
        format!("{scheme}://{host}:{}/app.git", self.port).parse().unwrap()
    }

    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.faults.lock().unwrap());
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.log.lock().unwrap())
    }
}

/// A certificate authority that nobody knows yet.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // By default it has the name of what it signs, which OpenSSL takes for self-signed.
        authority.distinguished_name.push(rcgen::DnType::CommonName, "private authority");
        let certificate = authority.self_signed(&key).unwrap();
        Self { issuer: rcgen::Issuer::new(authority, key), certificate }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        (certificate.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn serve(&self, name: &str, clients: Arc<dyn rustls::server::danger::ClientCertVerifier>) -> rustls::ServerConfig {
        let (certificate, key) = self.sign(name);
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS for a server called `name`, and the certificate of the authority that signed it.
pub fn private_authority(name: &str) -> (Arc<rustls::ServerConfig>, String) {
    let authority = Authority::new();
    let config = authority.serve(name, rustls::server::WebPkiClientVerifier::no_client_auth());
    (Arc::new(config), authority.certificate.pem())
}

/// The same for a server that wants to see a certificate, and one that it accepts, with its key.
pub fn mutual_authority(name: &str) -> (Arc<rustls::ServerConfig>, String, String) {
    let authority = Authority::new();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let config = authority.serve(name, clients.build().unwrap());
    let (certificate, key) = authority.sign("client");
    (Arc::new(config), authority.certificate.pem(), certificate.pem() + &key.serialize_pem())
}

fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    // Whatever breaks here is the client's to notice.
    let _ = match &shared.tls {
        None => {
            let writer = stream.try_clone().unwrap();
            conversation(&mut BufReader::new(stream), Writer::Split(writer), shared)
        }
        Some(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
            conversation(&mut stream, Writer::Same, shared)
        }
    };
}

/// TLS reads and writes through one object.
enum Writer {
    Split(TcpStream),
    Same,
}

trait Both: BufRead {
    fn inner(&mut self) -> &mut dyn Write;
}

impl Both for BufReader<TcpStream> {
    fn inner(&mut self) -> &mut dyn Write {
        self.get_mut()
    }
}

impl Both for BufReader<rustls::StreamOwned<rustls::ServerConnection, TcpStream>> {
    fn inner(&mut self) -> &mut dyn Write {
        self.get_mut()
    }
}

fn conversation(stream: &mut impl Both, mut writer: Writer, shared: &Shared) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
            body = chunks(stream)?;
        }
        if shared.faults.lock().unwrap().only_version_0 {
            headers.remove("git-protocol");
        }
        let mut request = Request { line: line.trim().to_owned(), headers, answer_bytes: 0 };
        let answer = answer(&request, &body, shared);
        request.answer_bytes = answer.len();
        shared.log.lock().unwrap().push(request.clone());
        let out: &mut dyn Write = match &mut writer {
            Writer::Split(stream) => stream,
            Writer::Same => stream.inner(),
        };
        let faults = shared.faults.lock().unwrap().clone();
        let is_post = request.line.starts_with("POST");
        if is_post && request.line.contains("git-receive-pack") && faults.swallow_push_answer {
            return Ok(());
        }
        match (faults.cut_after, faults.stall_after) {
            (Some(bytes), _) if is_post => {
                out.write_all(&answer[..bytes.min(answer.len())])?;
                return out.flush();
            }
            (_, Some(bytes)) if is_post => {
                out.write_all(&answer[..bytes.min(answer.len())])?;
                out.flush()?;
                std::thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
            _ => {
                out.write_all(&answer)?;
                out.flush()?;
            }
        }
    }
}

fn chunks(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
        stream.read_exact(&mut chunk)?;
        match &chunk[..chunk.len() - 2] {
            [] => return Ok(body),
            chunk => body.extend_from_slice(chunk),
        }
    }
}

fn answer(request: &Request, body: &[u8], shared: &Shared) -> Vec<u8> {
    if let Some((status, headers, body)) = shared.faults.lock().unwrap().answer.clone() {
        return response(&status.to_string(), &headers, body.as_bytes());
    }
    if let Some(password) = &shared.password {
        use base64::Engine as _;
        let pair = format!("{USER}:{password}");
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let bearer = format!("Bearer {password}");
        let given = request.headers.get("authorization");
        if given != Some(&expected) && given != Some(&bearer) {
            let given = given.cloned().unwrap_or_default();
            return response(
                "401 Unauthorized",
                "WWW-Authenticate: Basic realm=\"git\"\r\nContent-Type: text/plain\r\n",
                format!("wrong credentials: {given} {password}").as_bytes(),
            );
        }
    }
    backend(request, body, shared)
}

fn backend(request: &Request, body: &[u8], shared: &Shared) -> Vec<u8> {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    // As web servers do, without `git` in between.
    let mut child = Command::new(shared.exec_path.join("git-http-backend"))
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", USER)
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend runs");
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    for line in head.lines() {
        match line.strip_prefix("Status: ") {
            Some(value) => status = value.to_owned(),
            None => headers.push_str(&format!("{line}\r\n")),
        }
    }
    response(&status, &headers, &output[(split + 4).min(output.len())..])
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let status = if status.contains(' ') { status.to_owned() } else { format!("{status} Status") };
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
