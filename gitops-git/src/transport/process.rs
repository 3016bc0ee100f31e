//! A conversation with a program's standard input and output.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::remote_error::{Phase, RemoteError};
use crate::transport::session::{Session, refusal};
use crate::transport::{Service, Version};

/// How often the watch looks for cancellations and deadlines.
const SLICE: Duration = Duration::from_millis(200);

/// How much of the program's standard error is kept.
const WORDS: usize = 65_536;

/// How much is still read when nobody listens any more.
const DRAINED: u64 = 1 << 20;

/// What the failure of a program means, from its standard error.
pub(crate) type Verdict = Box<dyn FnOnce(&str) -> RemoteError + Send>;

/// A running program; dropped, it is killed and reaped.
pub(crate) struct Process {
    session: Arc<Session>,
    service: Service,
    shared: Arc<Shared>,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: JoinHandle<()>,
    watch: Option<JoinHandle<()>>,
    verdict: Option<Verdict>,
}

struct Shared {
    child: Mutex<Child>,
    /// Since when a read or write is waiting for the program.
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// The start of its standard error.
    words: Mutex<Vec<u8>>,
}

#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    finished: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether local repositories can be served by the `git` program.
pub(crate) fn git_is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join("git").is_file())
}

/// `git upload-pack` or `git receive-pack` on a local repository.
pub(crate) fn open_local(session: &Arc<Session>, service: Service, version: Version) -> Result<Process, RemoteError> {
    let mut command = Command::new("git");
    // `git-upload-pack` is not on every PATH, `git` is.
    command.arg(service.name().trim_start_matches("git-")).arg(session.remote.url.path());
    let verdict: Verdict = Box::new(|words| refusal(words.to_owned()));
    Process::start(session, command, (service, version), verdict)
}

impl Process {
    pub(crate) fn start(
        session: &Arc<Session>,
        mut command: Command,
        (service, version): (Service, Version),
        verdict: Verdict,
    ) -> Result<Self, RemoteError> {
        session.remaining()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        REPOSITORY_VARIABLES.iter().for_each(|name| {
            command.env_remove(name);
        });
        if version == Version::V2 {
            command.env("GIT_PROTOCOL", "version=2");
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| RemoteError::Program { program: program.clone(), source };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let shared = Arc::new(Shared {
            child: Mutex::new(child),
            waiting: Mutex::default(),
            changed: Condvar::new(),
            words: Mutex::default(),
        });
        let watched = (Arc::clone(session), Arc::clone(&shared));
        let heard = Arc::clone(&shared);
        Ok(Self {
            session: Arc::clone(session),
            service,
            shared,
            stdin: Some(stdin),
            stdout,
            stderr: std::thread::spawn(move || keep_words(stderr, &heard.words)),
            watch: Some(std::thread::spawn(move || watch(&watched.0, &watched.1))),
            verdict: Some(verdict),
        })
    }

    fn waiting<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        lock(&self.shared.waiting).since = Some(Instant::now());
        let result = work(self);
        lock(&self.shared.waiting).since = None;
        result
    }

    /// The program closed its output: says what its end means.
    fn ended(&mut self) {
        self.stdin = None;
        let success = self.shared.wait();
        // The program's children may hold its standard error open for ever,
        // as the master of a shared SSH connection does.
        let patience = Instant::now() + Duration::from_millis(250);
        while !self.stderr.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        let words = String::from_utf8_lossy(&lock(&self.shared.words)).into_owned();
        if let Some(verdict) = self.verdict.take()
            && !success
        {
            self.session.fail(verdict(&self.session.clean(&words)));
        }
    }
}

impl Shared {
    /// Waits for the end without holding on to the child, so that the watch can kill it.
    fn wait(&self) -> bool {
        loop {
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => {}
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Variables that would point `git` at another repository than the URL's.
const REPOSITORY_VARIABLES: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

fn keep_words(mut stderr: impl Read, words: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    // What cannot be read cannot be reported either. All of it is read, or the
    // program would wait for someone to do so.
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        let mut words = lock(words);
        if words.len() < WORDS {
            words.extend_from_slice(&chunk[..length]);
        }
    }
}

/// Kills the program when the operation is cancelled or too slow.
fn watch(session: &Session, shared: &Shared) {
    let mut waiting = lock(&shared.waiting);
    while !waiting.finished {
        let stalled = waiting.since.map(|since| since.elapsed());
        let stall = session.remote.timeouts.stall;
        let error = match session.remaining() {
            Err(error) => Some(error),
            Ok(_) if stalled.is_some_and(|waited| waited >= stall) => {
                Some(RemoteError::Timeout { phase: Phase::Stall, after: stall })
            }
            Ok(_) => None,
        };
        if let Some(error) = error {
            session.fail(error);
            // It may have ended by itself, and then there is nothing to kill.
            let _ = lock(&shared.child).kill();
            return;
        }
        waiting = match shared.changed.wait_timeout(waiting, SLICE) {
            Ok((waiting, _)) => waiting,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}

impl Read for Process {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.waiting(|process| process.stdout.read(buffer))?;
        if read == 0 && !buffer.is_empty() {
            self.waiting(|process| {
                process.ended();
                Ok(())
            })?;
        }
        Ok(read)
    }
}

impl Write for Process {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.waiting(|process| match &mut process.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        });
        written.map_err(|error| {
            // The program went away; its own words say more than the pipe.
            self.ended();
            let server = self.session.words();
            self.session.fail(RemoteError::Interrupted { server, source: Some(Box::new(error)) })
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        if self.service == Service::ReceivePack && !self.session.has_failed() {
            // After a push the server may still be running its hooks, and would
            // be killed by a closed pipe. The watch ends this when it takes too long.
            let _ = self.waiting(|process| io::copy(&mut process.stdout.by_ref().take(DRAINED), &mut io::sink()));
        }
        {
            let mut child = lock(&self.shared.child);
            // It may have ended by itself, and then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
        lock(&self.shared.waiting).finished = true;
        self.shared.changed.notify_all();
        if let Some(watch) = self.watch.take() {
            // It only sleeps and looks, and so cannot have panicked.
            let _ = watch.join();
        }
    }
}
