//! `git://`: a plain TCP connection to a Git daemon.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::remote_error::{Phase, RemoteError};
use crate::transport::session::Session;
use crate::transport::{Service, Version};

/// How often a waiting connection looks for a cancellation.
const SLICE: Duration = Duration::from_millis(250);

pub(crate) struct Connection {
    session: Arc<Session>,
    service: Service,
    stream: TcpStream,
}

pub(crate) fn open(session: &Arc<Session>, service: Service, version: Version) -> Result<Connection, RemoteError> {
    let url = &session.remote.url;
    let stream = connect(session)?;
    let mut connection = Connection { session: Arc::clone(session), service, stream };
    let mut request = format!("{} {}\0host={}\0", service.name(), url.server_path(), url.authority());
    if version == Version::V2 {
        request.push_str("\0version=2\0");
    }
    let packet = format!("{:04x}{request}", request.len() + 4);
    connection.write_all(packet.as_bytes()).map_err(|error| session.explain_io(error))?;
    Ok(connection)
}

fn connect(session: &Session) -> Result<TcpStream, RemoteError> {
    let host = session.remote.url.host();
    let port = session.remote.url.port().unwrap_or(9418);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::TimedOut => {
            RemoteError::Timeout { phase: Phase::Connect, after: session.remote.timeouts.connect }
        }
        _ => RemoteError::Connect { address: format!("{host}:{port}"), source: Box::new(source) },
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (host, port).to_socket_addrs().map_err(failed)? {
        let patience = session.remote.timeouts.connect.min(session.remaining()?);
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => {
                let slices = stream
                    .set_read_timeout(Some(SLICE))
                    .and_then(|()| stream.set_write_timeout(Some(SLICE)))
                    .and_then(|()| stream.set_nodelay(true));
                return slices.map(|()| stream).map_err(failed);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

impl Connection {
    /// Repeats `attempt` until it succeeds, fails, or a deadline passes.
    fn patiently<T>(&mut self, mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        let waiting = Instant::now();
        let stall = self.session.remote.timeouts.stall;
        loop {
            match attempt(&mut self.stream) {
                Err(error) if is_slice(&error) => {}
                Err(error) => {
                    return Err(self.session.fail(RemoteError::Interrupted {
                        server: self.session.words(),
                        source: Some(Box::new(error)),
                    }));
                }
                Ok(value) => return Ok(value),
            }
            if let Err(error) = self.session.remaining() {
                return Err(self.session.fail(error));
            }
            if waiting.elapsed() >= stall {
                let error = RemoteError::Timeout { phase: Phase::Stall, after: stall };
                return Err(self.session.fail(error));
            }
        }
    }
}

fn is_slice(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(buffer))
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much is still read when nobody listens any more.
const DRAINED: u64 = 1 << 20;

impl Drop for Connection {
    fn drop(&mut self) {
        if self.service == Service::UploadPack || self.session.has_failed() {
            return;
        }
        // After a push the server may still be running its hooks, and would be
        // stopped by a closed connection.
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            let _ = io::copy(&mut self.take(DRAINED), &mut io::sink());
        }
    }
}
