use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// Runs a program that reads `input` and answers within its own time.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What it says is read, so it has to be in English.
    let mut child = command.env("LC_ALL", "C").spawn()?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends early says why on its standard error.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output()
    })
}

/// What the program said, on one line.
pub(crate) fn words(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    crate::secret::clean(&String::from_utf8_lossy(&text), &[])
}
