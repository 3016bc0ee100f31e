//! The programs that a build runs if its caller allows it: `helm`, functions
//! and what they run in.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs programs for a build.
///
/// The library runs nothing unless the caller hands it one of these, usually
/// [`SystemPrograms`].
pub trait Programs: fmt::Debug + Send + Sync {
    /// Runs a program to its end.
    ///
    /// # Errors
    ///
    /// What kept the program from being started or watched. It is not an
    /// error if the program fails.
    fn run(&self, call: &ProgramCall) -> io::Result<ProgramOutput>;
}

/// A program with everything it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramCall {
    /// A path, or a name to be found on the `PATH`.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<OsString>,
    /// Environment variables beyond those of this process.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory; `None` for that of this process.
    pub directory: Option<PathBuf>,
    /// What the program reads from its standard input.
    pub stdin: Vec<u8>,
    /// Whether the user sees the program's standard error; otherwise it is
    /// collected in [`ProgramOutput::stderr`].
    pub shows_stderr: bool,
}

impl ProgramCall {
    /// A program without arguments, additions to the environment, and input.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// As one would type it, for messages.
impl fmt::Display for ProgramCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// What a program left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramOutput {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error, unless that was shown to the user.
    pub stderr: Vec<u8>,
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
}

impl ProgramOutput {
    /// A success with this output.
    pub fn new(stdout: impl Into<Vec<u8>>) -> Self {
        Self { stdout: stdout.into(), stderr: Vec::new(), status: Some(0) }
    }

    /// Sets what it wrote to standard error.
    #[must_use]
    pub fn stderr(self, stderr: impl Into<Vec<u8>>) -> Self {
        Self { stderr: stderr.into(), ..self }
    }

    /// Sets the exit status; `None` if a signal ended it.
    #[must_use]
    pub fn status(self, status: Option<i32>) -> Self {
        Self { status, ..self }
    }
}

/// The programs of the system that this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemPrograms;

impl Programs for SystemPrograms {
    fn run(&self, call: &ProgramCall) -> io::Result<ProgramOutput> {
        let mut command = Command::new(&call.program);
        command.args(&call.args).envs(call.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &call.directory {
            command.current_dir(directory);
        }
        let stderr = if call.shows_stderr { Stdio::inherit() } else { Stdio::piped() };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn()?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // Beside the reading, for a program may write before it has read everything.
            scope.spawn(move || {
                // A program that does not want its input is no failure.
                let _ = stdin.map(|mut stdin| stdin.write_all(&call.stdin));
            });
            child.wait_with_output()
        })?;
        Ok(ProgramOutput { stdout: output.stdout, stderr: output.stderr, status: output.status.code() })
    }
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run `{call}`")]
    Start {
        /// The program with its arguments.
        call: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{call}` {}{}", Ending(*.status), Said(.stderr))]
    Failed {
        /// The program with its arguments.
        call: String,
        /// Its exit status; `None` if a signal ended it.
        status: Option<i32>,
        /// What it wrote to standard error, unless the user saw that already.
        stderr: String,
    },
}

struct Ending(Option<i32>);

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "failed with exit status {status}"),
            None => f.write_str("was ended by a signal"),
        }
    }
}

struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// Runs a program and gives its output if it succeeds.
pub(crate) fn run(programs: &dyn Programs, call: &ProgramCall) -> Result<Vec<u8>, ProgramError> {
    let output = programs.run(call).map_err(|source| ProgramError::Start { call: call.to_string(), source })?;
    if output.status == Some(0) {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(ProgramError::Failed { call: call.to_string(), status: output.status, stderr })
}

/// Stand-ins that record how they were called.
#[cfg(test)]
pub(crate) mod recorder {
    use std::sync::Mutex;

    use super::*;

    type Answer = dyn Fn(&ProgramCall) -> ProgramOutput + Send + Sync;

    /// Answers every call by a function, and keeps the calls.
    pub(crate) struct Recorder {
        answer: Box<Answer>,
        calls: Mutex<Vec<ProgramCall>>,
    }

    impl Recorder {
        pub(crate) fn new(answer: impl Fn(&ProgramCall) -> ProgramOutput + Send + Sync + 'static) -> Self {
            Self { answer: Box::new(answer), calls: Mutex::default() }
        }

        pub(crate) fn calls(&self) -> Vec<ProgramCall> {
            self.calls.lock().expect("no test panics with it").clone()
        }
    }

    impl fmt::Debug for Recorder {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Recorder").finish_non_exhaustive()
        }
    }

    impl Programs for Recorder {
        fn run(&self, call: &ProgramCall) -> io::Result<ProgramOutput> {
            self.calls.lock().expect("no test panics with it").push(call.clone());
            Ok((self.answer)(call))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_input_and_environment() {
        let mut call = ProgramCall::new("sh").args(["-c", "cat; echo $WORD; pwd; echo oops >&2"]).env("WORD", "hi");
        call.directory = Some("/".into());
        // More than a pipe holds, so that reading and writing have to happen side by side.
        call.stdin = vec![b'x'; 200_000];
        let output = SystemPrograms.run(&call).expect("started");
        assert_eq!(output.status, Some(0));
        assert_eq!(&output.stdout[200_000..], b"hi\n/\n");
        assert_eq!(output.stderr, b"oops\n");
    }

    #[test]
    fn failures_tell_the_command_and_what_it_said() {
        let call = ProgramCall::new("sh").args(["-c", "echo no >&2; exit 3"]);
        let error = run(&SystemPrograms, &call).expect_err("failed");
        assert_eq!(error.to_string(), "`sh -c echo no >&2; exit 3` failed with exit status 3: no");
        let missing = run(&SystemPrograms, &ProgramCall::new("/nonexistent/program")).expect_err("missing");
        assert_eq!(missing.to_string(), "cannot run `/nonexistent/program`");
    }
}
