use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A kubectl that talks to one server and reads no configuration of whoever runs the tests.
pub(crate) struct Kubectl {
    program: PathBuf,
    connection: Vec<String>,
    home: tempfile::TempDir,
}

impl Kubectl {
    /// The first one there is, or nothing, having said so.
    pub(crate) fn find(connection: &[&str]) -> Option<Self> {
        let named = std::env::var_os("KUBECTL").map(PathBuf::from);
        let in_assets = std::env::var_os("KUBEBUILDER_ASSETS").map(|folder| Path::new(&folder).join("kubectl"));
        let candidates = [named, in_assets, Some(PathBuf::from("kubectl"))];
        let Some(program) = candidates.into_iter().flatten().find(is_recent) else {
            #[allow(clippy::print_stderr, reason = "whoever runs the tests should know what did not run")]
            {
                eprintln!("skipped: there is no kubectl of 1.30 or later");
            }
            return None;
        };
        let connection = connection.iter().map(|word| (*word).to_owned()).collect();
        Some(Self { program, connection, home: tempfile::tempdir().expect("a temporary folder can be made") })
    }

    /// Runs kubectl and returns what it prints.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        let output = self.output(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs kubectl, which has to fail, and returns what it complains about.
    pub(crate) fn fail(&self, arguments: &[&str], input: &str) -> String {
        let output = self.output(arguments, input);
        assert!(!output.status.success(), "kubectl {arguments:?} should have failed");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn output(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.program)
            .args(&self.connection)
            .args(arguments)
            .env("HOME", self.home.path())
            .env("KUBECTL_APPLYSET", "true")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it ran before");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }
}

/// Older ones validate with OpenAPI v2, which the embedded server does not have.
fn is_recent(program: &PathBuf) -> bool {
    let Ok(output) = Command::new(program).args(["version", "--client", "--output=json"]).output() else {
        return false;
    };
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let minor = version["clientVersion"]["minor"].as_str().unwrap_or("").trim_end_matches('+').parse::<u32>();
    minor.is_ok_and(|minor| minor >= 30)
}
