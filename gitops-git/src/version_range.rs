use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use semver::{BuildMetadata, Prerelease, Version};

use crate::refs::{RefSnapshot, RemoteRef};

/// A range of versions, to choose the highest tag in it.
///
/// The language is that of Go's Masterminds/semver, which Argo CD and Flux use:
/// `=`, `!=`, `>`, `<`, `>=`, `<=`, `~`, `^`, the wildcards `x` and `*`, `1.2 -
/// 1.4`, blanks or commas for "and", `||` for "or". As there, a version with a
/// pre-release is only in the range if the part of the range it meets names one.
///
/// Tags may have a `v` before the version. A prefix before the range, as in
/// `web/^1`, restricts it to tags with that prefix; a `v` belongs to it only
/// after another character.
#[derive(Debug, Clone)]
pub struct VersionRange {
    text: String,
    prefix: String,
    /// One of these has to hold: all comparisons of it.
    alternatives: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: Operator,
    version: Partial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

/// A version whose last numbers may be missing or wildcards.
#[derive(Debug, Clone)]
struct Partial {
    numbers: [Option<u64>; 3],
    /// Whether there is an `x` or a `*`.
    wild: bool,
    pre: Prerelease,
}

impl VersionRange {
    /// The range that `text` writes, unless it is a plain name or a complete version.
    pub fn parse(text: &str) -> Option<Self> {
        let start = range_start(text)?;
        let (prefix, range) = text.split_at(start);
        // As in Argo CD: a version, complete or not, means the tag of that name.
        if Partial::parse(range).is_some_and(|version| !version.wild) {
            return None;
        }
        let alternatives = range.split("||").map(all_of).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.to_owned(), prefix: prefix.to_owned(), alternatives })
    }

    pub(crate) fn tag_prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether `version` is in the range.
    fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|all| all.iter().all(|part| part.holds(version)))
    }

    /// The tag with the highest version in the range.
    pub(crate) fn highest<'a>(&self, refs: &'a RefSnapshot) -> Option<&'a RemoteRef> {
        let version = |reference: &RemoteRef| {
            let tag = reference.name.strip_prefix("refs/tags/")?.strip_prefix(&self.prefix)?;
            tag_version(tag).filter(|version| self.contains(version))
        };
        let tags = refs.iter().filter_map(|reference| Some((version(reference)?, reference)));
        // By name where versions are equal, so that the choice is always the same.
        tags.max_by(|(a, tag_a), (b, tag_b)| a.cmp_precedence(b).then_with(|| tag_a.name.cmp(&tag_b.name)))
            .map(|(_, reference)| reference)
    }
}

/// Where the range begins: at its first operator, digit or wildcard.
fn range_start(text: &str) -> Option<usize> {
    let is_start = |c: char| "=!<>~^*xX".contains(c) || c.is_ascii_digit();
    let bare = text.trim_start_matches('v');
    if bare.starts_with(is_start) && all_of(bare.split("||").next()?).is_some() {
        return Some(0);
    }
    // A prefix is only a prefix when an operator follows, or `web-1` would be a range.
    let start = text.find(|c: char| "=!<>~^*".contains(c))?;
    (start > 0).then_some(start)
}

/// Some tags say `v1` or `v1.2`; missing numbers are zero.
fn tag_version(tag: &str) -> Option<Version> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    if let Ok(version) = tag.parse() {
        return Some(version);
    }
    let partial = Partial::parse(tag)?;
    let number = |index: usize| partial.numbers[index];
    let version = Version::new(number(0)?, number(1).unwrap_or(0), number(2).unwrap_or(0));
    Some(Version { pre: partial.pre, ..version })
}

fn all_of(text: &str) -> Option<Vec<Comparison>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let part = |operator, version: &str| Some(Comparison { operator, version: Partial::parse(version.trim())? });
        return Some(vec![part(Operator::GreaterOrEqual, low)?, part(Operator::LessOrEqual, high)?]);
    }
    // An operator may stand apart from its version: glue them before splitting.
    let mut glued = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if !glued.is_empty() && !glued.ends_with(|c: char| "=!<>~^".contains(c)) {
            glued.push(' ');
        }
        glued.push_str(word);
    }
    let comparisons: Option<Vec<_>> = glued.split(' ').map(Comparison::parse).collect();
    comparisons.filter(|comparisons| !comparisons.is_empty())
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        const OPERATORS: &[(&str, Operator)] = &[
            (">=", Operator::GreaterOrEqual),
            ("=>", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            ("=<", Operator::LessOrEqual),
            ("!=", Operator::NotEqual),
            ("~>", Operator::Tilde),
            ("=", Operator::Equal),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("~", Operator::Tilde),
            ("^", Operator::Caret),
        ];
        let (operator, version) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
            .unwrap_or((Operator::Equal, text));
        Some(Self { operator, version: Partial::parse(version)? })
    }

    fn holds(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && self.version.pre.is_empty() {
            return false;
        }
        let low = self.version.lowest();
        let at_least = version.cmp_precedence(&low) != Ordering::Less;
        let below = |end: Option<Version>| end.is_none_or(|end| version.cmp_precedence(&end) == Ordering::Less);
        match self.operator {
            Operator::Equal => at_least && below(self.version.after()),
            Operator::NotEqual => !(at_least && below(self.version.after())),
            Operator::Greater => !below(self.version.after()),
            Operator::GreaterOrEqual => at_least,
            Operator::Less => !at_least,
            Operator::LessOrEqual => below(self.version.after()),
            Operator::Tilde => at_least && below(self.version.after_tilde()),
            Operator::Caret => at_least && below(self.version.after_caret()),
        }
    }
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, _build) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = [None; 3];
        let mut wild = false;
        let words: Vec<&str> = numbers.split('.').collect();
        if words.len() > 3 {
            return None;
        }
        for (part, word) in parts.iter_mut().zip(words) {
            wild |= matches!(word, "x" | "X" | "*");
            if !wild {
                *part = Some(word.parse().ok()?);
            }
        }
        if wild && !pre.is_empty() {
            return None;
        }
        Some(Self { numbers: parts, wild, pre: Prerelease::new(pre).ok()? })
    }

    fn lowest(&self) -> Version {
        let [major, minor, patch] = self.numbers.map(|number| number.unwrap_or(0));
        let build = BuildMetadata::EMPTY;
        Version { major, minor, patch, pre: self.pre.clone(), build }
    }

    /// The first version after all that this stands for.
    fn after(&self) -> Option<Version> {
        match self.numbers {
            [Some(major), Some(minor), Some(patch)] => Some(match self.pre.is_empty() {
                // The lowest pre-release of the next patch comes right after.
                true => start_of(major, minor, patch.saturating_add(1)),
                false => Version {
                    pre: Prerelease::new(&format!("{}.0", self.pre)).ok()?,
                    ..Version::new(major, minor, patch)
                },
            }),
            [Some(major), Some(minor), None] => Some(start_of(major, minor.saturating_add(1), 0)),
            [Some(major), None, _] => Some(start_of(major.saturating_add(1), 0, 0)),
            [None, ..] => None,
        }
    }

    /// `~1.2.3` and `~1.2` allow patches, `~1` allows minor versions.
    fn after_tilde(&self) -> Option<Version> {
        match self.numbers {
            [Some(major), Some(minor), _] => Some(start_of(major, minor.saturating_add(1), 0)),
            [Some(major), None, _] => Some(start_of(major.saturating_add(1), 0, 0)),
            [None, ..] => None,
        }
    }

    /// `^` allows what keeps the first number that is not zero.
    fn after_caret(&self) -> Option<Version> {
        match self.numbers {
            [None, ..] => None,
            [Some(0), Some(0), Some(patch)] => Some(start_of(0, 0, patch.saturating_add(1))),
            [Some(0), Some(minor), _] => Some(start_of(0, minor.saturating_add(1), 0)),
            [Some(major), ..] => Some(start_of(major.saturating_add(1), 0, 0)),
        }
    }
}

/// The lowest pre-release of a version, below which everything else lies.
fn start_of(major: u64, minor: u64, patch: u64) -> Version {
    let pre = Prerelease::new("0").expect("a number is a pre-release");
    Version { pre, ..Version::new(major, minor, patch) }
}

impl PartialEq for VersionRange {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for VersionRange {}

impl Hash for VersionRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, version: &str) -> bool {
        let range = VersionRange::parse(range).unwrap_or_else(|| panic!("{range} is no range"));
        range.contains(&version.parse().unwrap())
    }

    #[test]
    fn the_language_is_that_of_masterminds() {
        for (range, inside, outside) in [
            ("^1.2.3", "1.9.0", "2.0.0"),
            ("^0.2.3", "0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.9.0", "1.0.0"),
            ("~1.2.3", "1.2.9", "1.3.0"),
            ("~1", "1.9.0", "2.0.0"),
            ("=1.2", "1.2.9", "1.3.0"),
            ("1.x", "1.9.0", "2.0.0"),
            ("1.2.*", "1.2.0", "1.3.0"),
            (">1.2", "1.3.0", "1.2.9"),
            ("<=1.2", "1.2.9", "1.3.0"),
            (">= 1.2, < 1.4", "1.3.9", "1.4.0"),
            (">=1.2 <1.4 || ^3", "3.1.0", "2.0.0"),
            ("1.2 - 1.4.5", "1.4.5", "1.4.6"),
            ("!=1.2.3", "1.2.4", "1.2.3"),
            ("*", "9.9.9", "9.9.9-rc.1"),
            (">=1.0.0-0", "2.0.0-rc.1", "0.9.0"),
            ("v1.x", "1.0.0", "2.0.0"),
        ] {
            assert!(contains(range, inside), "{range} has {inside}");
            assert!(!contains(range, outside), "{range} has not {outside}");
        }
    }

    #[test]
    fn names_are_no_ranges() {
        for name in ["main", "v1.2.3", "1.2.3", "v1", "1.2", "feature/x", "release-1", "web-2", "x-ray", "xyz"] {
            assert!(VersionRange::parse(name).is_none(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "[-v0-9x*.^~<>=!| ,a/]{0,12}") {
            if let Some(range) = VersionRange::parse(&text) {
                let _ = range.contains(&Version::new(1, 2, 3));
            }
        }
    }
}
