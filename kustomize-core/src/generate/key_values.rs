//! The keys and values of a ConfigMap or Secret generator.

use std::borrow::Cow;

use super::{BoxError, GenerateError, ReadFile};

/// kustomize's line scanner stops, without a word, at a longer line.
const LONGEST_ENV_LINE: usize = 64 * 1024;

/// A key and its value, both as the kustomization or a file has them.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// Where a generator's keys and values come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) envs: &'a [String],
    pub(super) literals: &'a [String],
    pub(super) files: &'a [String],
}

/// All pairs, those of env files first, then literals, then files; a key may occur twice.
pub(super) fn read<'a>(sources: Sources<'a>, read_file: ReadFile<'_>) -> Result<Vec<Pair<'a>>, GenerateError> {
    let mut pairs = Vec::with_capacity(sources.literals.len() + sources.files.len());
    for file in sources.envs {
        let content = read_source(file, read_file)?;
        env_file(file, &content, &mut pairs)?;
    }
    for text in sources.literals {
        let (key, value) = literal(text)?;
        pairs.push((key.into(), value.as_bytes().into()));
    }
    for entry in sources.files {
        let (key, path) = file_entry(entry)?;
        pairs.push((key, read_source(path, read_file)?.into()));
    }
    Ok(pairs)
}

fn read_source(file: &str, read_file: ReadFile<'_>) -> Result<Vec<u8>, GenerateError> {
    read_file(file).map_err(|source: BoxError| GenerateError::Read { file: file.to_owned(), source })
}

/// Appends the pairs of an env file: a `key=value` a line, comments and empty
/// lines left out; a line without `=` gives an empty value.
///
/// # Deviation
///
/// A line of more than 64 KiB is an error; kustomize drops it and all that follow.
fn env_file(file: &str, content: &[u8], pairs: &mut Vec<Pair<'_>>) -> Result<(), GenerateError> {
    for (index, line) in lines(content).enumerate() {
        let at = index + 1;
        if line.len() >= LONGEST_ENV_LINE {
            return Err(GenerateError::EnvLineTooLong { file: file.to_owned(), line: at, limit: LONGEST_ENV_LINE });
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(GenerateError::EnvNotUtf8 { file: file.to_owned(), line: at });
        };
        let line = if index == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            pairs.push((key.to_owned().into(), value.as_bytes().to_owned().into()));
        }
    }
    Ok(())
}

/// Lines without their ends (`\n` or `\r\n`); no empty one after the last.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let content = content.strip_suffix(b"\n").map_or_else(|| (!content.is_empty()).then_some(content), Some);
    content
        .into_iter()
        .flat_map(|content| content.split(|byte| *byte == b'\n'))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Key and value of `key=value`, with one pair of quotes around the value removed.
fn literal(text: &str) -> Result<(&str, &str), GenerateError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, without_quotes(value))),
        _ => Err(GenerateError::Literal { literal: text.to_owned() }),
    }
}

fn without_quotes(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// Key and path of `[key=]path`; without a key, the file's name is the key.
fn file_entry(entry: &str) -> Result<(Cow<'_, str>, &str), GenerateError> {
    let wrong = |problem| GenerateError::FileEntry { entry: entry.to_owned(), problem };
    match entry.split_once('=') {
        None => Ok((Cow::Borrowed(base_name(entry)), entry)),
        Some((_, path)) if path.contains('=') => Err(wrong("key or path contains `=`")),
        Some(("", _)) => Err(wrong("the key is missing")),
        Some((_, "")) => Err(wrong("the path is missing")),
        Some((key, path)) => Ok((Cow::Borrowed(key), path)),
    }
}

/// The last element of a path, as Go's `path.Base` has it.
fn base_name(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(content: &[u8]) -> Result<Vec<(String, String)>, GenerateError> {
        let mut pairs = Vec::new();
        env_file("x.env", content, &mut pairs)?;
        let text = |value: Cow<'_, [u8]>| String::from_utf8(value.into_owned()).expect("text");
        Ok(pairs.into_iter().map(|(key, value)| (key.into_owned(), text(value))).collect())
    }

    #[test]
    fn env_lines_are_trimmed_on_the_left_only() {
        let pairs = env(b"\xef\xbb\xbf a= b \r\n\n# c=d\n\t#e\nempty\n=x\nf=g=h").expect("read");
        let expected = [("a", " b "), ("empty", ""), ("f", "g=h")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn bad_env_lines_are_told_by_number() {
        assert!(matches!(env(b"a=b\nc=\xff"), Err(GenerateError::EnvNotUtf8 { line: 2, .. })));
        let long = [b"a=".as_slice(), &[b'x'; LONGEST_ENV_LINE]].concat();
        assert!(matches!(env(&long), Err(GenerateError::EnvLineTooLong { line: 1, .. })));
        assert_eq!(env(&long[..LONGEST_ENV_LINE - 1]).map(|pairs| pairs.len()).ok(), Some(1));
    }

    #[test]
    fn one_pair_of_quotes_is_removed() {
        for (text, expected) in [
            ("k=v", Some(("k", "v"))),
            ("k=", Some(("k", ""))),
            ("k=\"'v'\"", Some(("k", "'v'"))),
            ("k='v\"", Some(("k", "'v\""))),
            ("k=\"", Some(("k", "\""))),
            ("k=a=b", Some(("k", "a=b"))),
            ("=v", None),
            ("k", None),
        ] {
            assert_eq!(literal(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_named_by_its_key_or_its_name() {
        for (entry, expected) in [
            ("dir/a.txt", Some(("a.txt", "dir/a.txt"))),
            ("k=dir/a.txt", Some(("k", "dir/a.txt"))),
            ("dir/", Some(("dir", "dir/"))),
            ("=a", None),
            ("a=", None),
            ("a=b=c", None),
            ("==", None),
        ] {
            let got = file_entry(entry).ok();
            assert_eq!(got.as_ref().map(|(key, path)| (&**key, *path)), expected, "{entry}");
        }
    }
}
