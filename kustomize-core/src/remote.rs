//! Bases in Git repositories and files behind URLs: their addresses, and the
//! hook through which a caller fetches them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::source::FileSource;

/// Fetches what a kustomization refers to by URL.
///
/// The library itself never opens a connection. Without a `Remote`, a URL
/// among the resources is an error.
pub trait Remote: fmt::Debug + Send + Sync {
    /// The files of a repository at a revision.
    ///
    /// # Errors
    ///
    /// Whatever keeps the files from being had within the base's
    /// [timeout](RemoteBase::timeout).
    fn repository(&self, base: &RemoteBase) -> Result<Arc<dyn FileSource>, RemoteError>;

    /// The content behind an `http` or `https` URL.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Status`] if the server answers with anything but a
    /// success; otherwise whatever keeps the content from being had within `limits`.
    fn file(&self, url: &str, limits: RemoteLimits) -> Result<Vec<u8>, RemoteError>;
}

/// How much a file behind a URL may ask for.
///
/// # Deviation
///
/// kustomize reads without any limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteLimits {
    /// Bytes of the content.
    pub bytes: u64,
    /// For connecting and reading together.
    pub time: Duration,
}

impl RemoteLimits {
    /// 64 MiB and 27 seconds, which is kustomize's limit for Git.
    pub fn new() -> Self {
        Self { bytes: 64 << 20, time: DEFAULT_TIMEOUT }
    }

    /// Sets the number of bytes.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Sets the time.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        Self { time, ..self }
    }
}

impl Default for RemoteLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Why something remote could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The server's answer is not a success.
    #[error("the server answered with status {code}")]
    Status {
        /// As in HTTP.
        code: u16,
    },
    /// It takes longer than allowed.
    #[error("not finished after {limit:?}")]
    Timeout {
        /// What was allowed.
        limit: Duration,
    },
    /// It is larger than allowed.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The connection or the repository fails.
    #[error("the transfer failed")]
    Transfer {
        /// What the caller's hook says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A kustomization in a Git repository, as an entry of `resources` or
/// `components` names it.
///
/// The forms are those of kustomize's `NewRepoSpecFromURL`: `https`, `http`,
/// `ssh` and `file` URLs, `user@host:path`, and `github.com/org/repo` without
/// a scheme. The directory in the repository follows `//`, `.git` or the
/// repository after `_git/`; otherwise the first two elements of the path are
/// the repository.
///
/// ```
/// use kustomize_core::RemoteBase;
///
/// let base = RemoteBase::parse("github.com/org/repo//deploy/prod?ref=v1.2")?;
/// assert_eq!(base.repository, "https://github.com/org/repo");
/// assert_eq!(base.path, "deploy/prod");
/// assert_eq!(base.revision.as_deref(), Some("v1.2"));
/// # Ok::<(), kustomize_core::NotARemoteBase>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteBase {
    /// The repository's URL, as one would give it to `git clone`.
    pub repository: String,
    /// The directory in the repository; empty for its root.
    pub path: String,
    /// The branch, tag or commit (`ref` or `version` in the query); `None`
    /// for the remote's default branch.
    pub revision: Option<String>,
    /// For the whole fetch; 27 seconds unless the query's `timeout` says otherwise.
    pub timeout: Duration,
    /// Whether submodules are wanted too, which is so unless the query says `submodules=false`.
    pub submodules: bool,
    /// Whether the address starts with `git::`, which kustomize ignores with a warning.
    pub has_git_prefix: bool,
    /// The address as it was written.
    pub address: String,
}

/// Why an address is not that of a kustomization in a Git repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARemoteBase {
    /// It is a path from the root of the file system.
    #[error("it is an absolute path")]
    AbsolutePath,
    /// There is no scheme, and none can be inferred.
    #[error("it has no scheme (https, http, ssh, file) and is not of the form user@host:path")]
    Scheme,
    /// There is no host.
    #[error("it has no host")]
    Host,
    /// There is no path to a repository.
    #[error("it has no path to a repository")]
    Repository,
    /// The directory in the repository leads out of it.
    #[error("its path leads out of the repository")]
    LeavesRepository,
}

/// kustomize's own choice.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(27);
const FILE: &str = "file://";

impl RemoteBase {
    /// Takes an address apart.
    ///
    /// # Errors
    ///
    /// [`NotARemoteBase`] if it cannot be one; it may be a local path then.
    pub fn parse(address: &str) -> Result<Self, NotARemoteBase> {
        if address.starts_with('/') {
            return Err(NotARemoteBase::AbsolutePath);
        }
        let (locator, query) = address.split_once('?').unwrap_or((address, ""));
        let query = Query::parse(query);
        let stripped = strip_prefix_ignoring_case(locator, "git::");
        let (host, rest) = host(stripped.unwrap_or(locator))?;
        let (path, directory) = split_path(rest, host.starts_with(FILE))?;
        Ok(Self {
            repository: format!("{host}{path}"),
            path: directory.to_owned(),
            revision: query.revision,
            timeout: query.timeout,
            submodules: query.submodules,
            has_git_prefix: stripped.is_some(),
            address: address.to_owned(),
        })
    }

    /// Whether this base, read on the way to `next`, means that `next` is
    /// read again and again. kustomize compares the addresses as text.
    pub(crate) fn is_cycle(&self, next: &Self) -> bool {
        self.address.starts_with(&next.address)
    }
}

/// Whether kustomize would read `path` over HTTP.
pub(crate) fn is_remote_file(path: &str) -> bool {
    let has_scheme = ["http:", "https:"].iter().any(|scheme| strip_prefix_ignoring_case(path, scheme).is_some());
    let before_query = path.split_once('?').map_or(path, |(before, _)| before);
    has_scheme && !path.contains(|c: char| c.is_ascii_control()) && percent_decoded(before_query).is_some()
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// Scheme, user and host as one, and the path after them. GitHub's are
/// brought into one of two forms, as kustomize does.
fn host(locator: &str) -> Result<(String, &str), NotARemoteBase> {
    let schemes = ["ssh://", "https://", "http://", FILE];
    let with_scheme = schemes.iter().find_map(|scheme| Some((*scheme, strip_prefix_ignoring_case(locator, scheme)?)));
    let (scheme, after_scheme) = with_scheme.unwrap_or(("", locator));
    if scheme == FILE {
        return Ok((FILE.to_owned(), after_scheme));
    }
    let (user, address) = user(after_scheme);
    let is_github =
        ["github.com/", "github.com:"].iter().any(|host| strip_prefix_ignoring_case(address, host).is_some());
    let may_be_scp = scheme.is_empty() && (!user.is_empty() || is_github);
    if scheme.is_empty() && !may_be_scp {
        return Err(NotARemoteBase::Scheme);
    }
    let end = host_end(address, may_be_scp).map_or(address.len(), |separator| separator + 1);
    let (host, rest) = address.split_at(end);
    match () {
        () if is_github && (scheme == "ssh://" || !user.is_empty()) => Ok((format!("{user}github.com:"), rest)),
        () if is_github => Ok(("https://github.com/".to_owned(), rest)),
        () if host.is_empty() => Err(NotARemoteBase::Host),
        () => Ok((format!("{scheme}{user}{host}"), rest)),
    }
}

/// A leading `user@`, and what follows.
fn user(text: &str) -> (&str, &str) {
    let is_user = |user: &str| {
        user.starts_with(|c: char| c.is_ascii_alphabetic())
            && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match text.split_once('@') {
        Some((user, _)) if is_user(user) => text.split_at(user.len() + 1),
        _ => ("", text),
    }
}

/// Where the host's separator is; a colon counts only before the first slash.
fn host_end(address: &str, may_be_scp: bool) -> Option<usize> {
    let slash = address.find('/');
    let colon = address.find(':').filter(|_| may_be_scp);
    match (slash, colon) {
        (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
        (Some(slash), _) => Some(slash),
        (None, colon) => colon,
    }
}

/// The repository's path and the directory in it.
fn split_path(path: &str, is_file: bool) -> Result<(&str, &str), NotARemoteBase> {
    let (repository, directory) = split_at_marker(path)
        .or_else(|| if is_file { Some((path, "")) } else { split_after_two(path) })
        .filter(|(repository, _)| !repository.is_empty())
        .ok_or(NotARemoteBase::Repository)?;
    let directory = directory.strip_prefix('/').unwrap_or(directory);
    if leaves(directory) { Err(NotARemoteBase::LeavesRepository) } else { Ok((repository, directory)) }
}

fn split_at_marker(path: &str) -> Option<(&str, &str)> {
    if let Some(marker) = path.find("_git/") {
        let repository = marker + "_git/".len();
        let end = path[repository..].find('/').map_or(path.len(), |slash| repository + slash);
        return Some((&path[..end], path[end..].strip_prefix('/').unwrap_or_default()));
    }
    path.split_once("//").or_else(|| path.find(".git").map(|at| path.split_at(at + ".git".len())))
}

fn split_after_two(path: &str) -> Option<(&str, &str)> {
    let first = path.find('/')?;
    match path[first + 1..].find('/') {
        Some(second) => Some((&path[..first + 1 + second], &path[first + 2 + second..])),
        None => Some((path, "")),
    }
}

fn leaves(directory: &str) -> bool {
    let mut depth = 0_usize;
    if directory.starts_with('/') {
        return false;
    }
    for element in directory.split('/') {
        match element {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[derive(Debug, PartialEq)]
struct Query {
    revision: Option<String>,
    timeout: Duration,
    submodules: bool,
}

impl Query {
    /// A query that is malformed anywhere counts as none, as in kustomize; so
    /// does a value that is.
    fn parse(query: &str) -> Self {
        let pairs = pairs(query).unwrap_or_default();
        let first = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let given = |key: &str| first(key).filter(|value| !value.is_empty());
        Self {
            revision: given("ref").or_else(|| given("version")).map(str::to_owned),
            timeout: given("timeout").and_then(timeout).unwrap_or(DEFAULT_TIMEOUT),
            submodules: given("submodules").and_then(go_bool).unwrap_or(true),
        }
    }
}

fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if pair.contains(';') {
            return None;
        }
        pairs.push((percent_decoded(&key.replace('+', " "))?, percent_decoded(&value.replace('+', " "))?));
    }
    Some(pairs)
}

/// The text without percent encoding; `None` if that is malformed.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whole seconds, or a duration such as `1m30s`; nothing if it is not positive.
fn timeout(text: &str) -> Option<Duration> {
    let seconds = text.parse::<i64>().ok().and_then(|seconds| u64::try_from(seconds).ok());
    let timeout = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).or_else(|| go_duration(text))?;
    (!timeout.is_zero()).then_some(timeout)
}

/// A positive duration in the syntax of Go's `time.ParseDuration`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()?)?;
        rest = after;
    }
    Some(total)
}

/// A boolean in the syntax of Go's `strconv.ParseBool`.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// An address as errors may show it: without a password.
pub(crate) fn without_password(address: &str) -> String {
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    let Some(at) = address[authority..end].rfind('@') else { return address.to_owned() };
    match address[authority..authority + at].find(':') {
        Some(colon) => format!("{}:***{}", &address[..authority + colon], &address[authority + at..]),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_no_password() {
        for (address, shown) in [
            ("https://me:secret@example.com/a?x=b@c:d", "https://me:***@example.com/a?x=b@c:d"),
            ("git::https://me:p@ss@example.com/a", "git::https://me:***@example.com/a"),
            ("https://token@example.com/a", "https://token@example.com/a"),
            ("git@example.com:a/b.git", "git@example.com:a/b.git"),
            ("../a:b@c", "../a:b@c"),
            ("https://example.com", "https://example.com"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn every_form_is_taken_apart() {
        for (address, repository, path, revision) in [
            ("github.com/o/r", "https://github.com/o/r", "", None),
            ("gitHub.com/o/r/a/b?ref=x/y", "https://github.com/o/r", "a/b", Some("x/y")),
            ("http://github.com/o/r", "https://github.com/o/r", "", None),
            ("github.com:o/r/a", "https://github.com/o/r", "a", None),
            ("git@github.com/o/r/a", "git@github.com:o/r", "a", None),
            ("ssh://git@github.com/o/r//a/b?ref=v1", "git@github.com:o/r", "a/b", Some("v1")),
            ("org-12345@github.com:o/r", "org-12345@github.com:o/r", "", None),
            ("git::https://h/o/r.git/a", "https://h/o/r.git", "a", None),
            ("https://h/deep/path/to/r//a/", "https://h/deep/path/to/r", "a/", None),
            ("https://h/o/r/a/b?version=1", "https://h/o/r", "a/b", Some("1")),
            ("https://h/o/r/?ref=x.git/y", "https://h/o/r", "", Some("x.git/y")),
            ("git@h:o/r.git//a", "git@h:o/r.git", "a", None),
            ("git@h/user:name/r.git/a", "git@h/user:name/r.git", "a", None),
            ("ssh://h:7999/o/r", "ssh://h:7999/o/r", "", None),
            ("ssh://git@ssh.github.com:443/o/r.git", "ssh://git@ssh.github.com:443/o/r.git", "", None),
            ("https://u@dev.azure.com/o/p/_git/r//a/b", "https://u@dev.azure.com/o/p/_git/r", "/a/b", None),
            ("https://o.visualstudio.com/p/_git/r/a", "https://o.visualstudio.com/p/_git/r", "a", None),
            ("file:///srv/r", "file:///srv/r", "", None),
            ("file://git@home/r.git//a", "file://git@home/r.git", "a", None),
            ("hTTps://gist.github.com/b.git", "https://gist.github.com/b.git", "", None),
        ] {
            let base = RemoteBase::parse(address).expect(address);
            let path = path.trim_start_matches('/');
            assert_eq!((base.repository.as_str(), base.path.as_str()), (repository, path), "{address}");
            assert_eq!(base.revision.as_deref(), revision, "{address}");
        }
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        use NotARemoteBase::{AbsolutePath, LeavesRepository, Repository, Scheme};
        for (address, reason) in [
            ("/tmp", AbsolutePath),
            ("../../tmp", Scheme),
            ("src/github.com/org/repo", Scheme),
            ("base", Scheme),
            ("git::___", Scheme),
            ("gh:org/repo", Scheme),
            ("htxxxtp://github.com/", Scheme),
            ("github.com!org/repo.git//path", Scheme),
            ("ssh://git.example.com", Repository),
            ("https://host?ref=a/b", Repository),
            ("https://github.com/thisisa404.yaml", Repository),
            ("file:////tmp//path", Repository),
            ("git@scp://github.com/org/repo.git//path", Repository),
            ("https://github.com/o/r.git//a/../../b", LeavesRepository),
        ] {
            assert_eq!(RemoteBase::parse(address), Err(reason), "{address}");
        }
    }

    #[test]
    fn a_query_is_read_as_go_reads_it() {
        let query = |revision: &str, seconds, submodules| Query {
            revision: Some(revision.to_owned()),
            timeout: Duration::from_secs(seconds),
            submodules,
        };
        for (text, expected) in [
            ("version=a&ref=b", query("b", 27, true)),
            ("version=a&ref=", query("a", 27, true)),
            ("ref=a%2Fb+c&submodules=0", query("a/b c", 27, false)),
            ("ref=a&submodules=maybe&timeout=jiffy", query("a", 27, true)),
            ("ref=a&timeout=61", query("a", 61, true)),
            ("ref=a&timeout=1m1s", query("a", 61, true)),
            ("ref=a&timeout=0.5h", query("a", 1800, true)),
            ("ref=a&timeout=-5s", query("a", 27, true)),
            ("ref=a&timeout=0", query("a", 27, true)),
            ("ref=a%zz", Query { revision: None, ..query("", 27, true) }),
        ] {
            assert_eq!(Query::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_http_is_a_remote_file() {
        for (path, expected) in [
            ("https://h/a.yaml", true),
            ("HTTP://h/a.yaml?x=%", true),
            ("https://h/%-a", false),
            ("ssh://h/a", false),
            ("http-client/a.yaml", false),
        ] {
            assert_eq!(is_remote_file(path), expected, "{path}");
        }
    }

    #[test]
    fn a_base_that_comes_back_is_a_cycle() {
        let base = |address| RemoteBase::parse(address).expect("valid");
        assert!(base("github.com/o/r//a").is_cycle(&base("github.com/o/r")));
        assert!(!base("github.com/o/r").is_cycle(&base("github.com/o/r//a")));
    }
}
