//! Legacy plugins: programs below a plugin directory that are found by the
//! type of their configuration.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{PluginError, Plugins, resource_list};
use crate::generate::{BoxError, ReadFile};
use crate::kustomization::decode;
use crate::program::{self, ProgramCall};
use crate::resource::Resource;

/// A variable longer than this cannot be handed to a program.
const LONGEST_VARIABLE: usize = 131_071;

/// A legacy plugin that is ready to run.
#[derive(Debug)]
pub(crate) struct ProgramPlugin {
    plugins: Plugins,
    path: PathBuf,
    args: Vec<String>,
    /// The configuration as kustomize prints it.
    config: String,
    root: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Arguments {
    args_one_liner: String,
    args_from_file: String,
}

impl ProgramPlugin {
    pub(super) fn new(
        config: &Resource,
        plugins: &Plugins,
        root: Option<PathBuf>,
        read_file: ReadFile<'_>,
    ) -> Result<Self, BoxError> {
        let path = plugin_path(config, plugins)?;
        check_executable(&path)?;
        let arguments: Arguments =
            decode::lenient(config.doc(), config.doc().root()).map_err(|source| PluginError::Decode { source })?;
        let mut args = shell_words(&arguments.args_one_liner)?;
        if !arguments.args_from_file.is_empty() {
            let content = read_file(&arguments.args_from_file)?;
            let content = String::from_utf8_lossy(&content);
            let lines = content.split('\n').map(|line| line.trim_start_matches(' '));
            args.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        }
        let root = root.ok_or(PluginError::NoDirectory)?;
        Ok(Self { plugins: plugins.clone(), path, args, config: config.to_yaml()?, root })
    }

    pub(super) fn transform(&self, resources: &[Resource]) -> Result<Vec<Resource>, BoxError> {
        self.run(resource_list::plain_input(resources)?)
    }

    pub(super) fn generate(&self) -> Result<Vec<Resource>, BoxError> {
        self.run(String::new())
    }

    fn run(&self, input: String) -> Result<Vec<Resource>, BoxError> {
        let mut file = tempfile::Builder::new().prefix("kust-plugin-config-").tempfile()?;
        file.write_all(self.config.as_bytes())?;
        let mut call = ProgramCall::new(&self.path).arg(file.path()).args(&self.args);
        for (name, value) in [
            ("KUSTOMIZE_PLUGIN_CONFIG_STRING", OsString::from(&self.config)),
            ("KUSTOMIZE_PLUGIN_CONFIG_ROOT", self.root.clone().into()),
        ] {
            if name.len() + 1 + value.len() <= LONGEST_VARIABLE {
                call = call.env(name, value);
            }
        }
        call.directory = Some(self.root.clone());
        call.stdin = input.into_bytes();
        let output = program::run(&*self.plugins.programs, &call)?;
        resource_list::read_output(output, &self.path)
    }
}

/// `group/version/kind/Kind` below the plugins' directory.
fn plugin_path(config: &Resource, plugins: &Plugins) -> Result<PathBuf, PluginError> {
    let home = plugins.home.as_ref().ok_or_else(|| PluginError::NoHome { kind: config.kind().to_owned() })?;
    let (group, version) = config.group_version();
    let (kind, lower) = (config.kind(), config.kind().to_lowercase());
    let below = [group, version, &lower, kind].into_iter().filter(|part| !part.is_empty());
    Ok(below.fold(home.clone(), |path, part| path.join(part)))
}

fn check_executable(path: &Path) -> Result<(), PluginError> {
    let path = || path.to_owned();
    let found = fs::metadata(path()).map_err(|source| PluginError::Missing { path: path(), source })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if found.permissions().mode() & 0o111 == 0 {
            return Err(PluginError::NotExecutable { path: path() });
        }
    }
    let _ = found;
    Ok(())
}

/// Splits a line into words as a shell does: quotes, backslashes, and a comment after `#`.
fn shell_words(line: &str) -> Result<Vec<String>, PluginError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', quote) if quote != Some('\'') => word.extend(chars.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) => break,
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    if quote.is_some() {
        return Err(PluginError::Incomplete { problem: "argsOneLiner has a quote that is not closed".to_owned() });
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_like_a_shell_does() {
        for (line, words) in [
            (r#"a "b c" 'd "e' f\ g # h"#, &["a", "b c", "d \"e", "f g"][..]),
            (r#""a\"b" 'c\d' #"#, &["a\"b", "c\\d"]),
            ("  ", &[]),
        ] {
            assert_eq!(shell_words(line).expect("closed"), words, "{line}");
        }
        assert!(shell_words("'a").is_err());
    }
}
