use std::fmt;

/// Text that must not appear in logs: a password, a token, a private key.
///
/// It prints as `***`, in `Display` and in `Debug`; [`Secret::expose`] is the
/// only way to the text.
///
/// ```
/// let token = gitops_git::Secret::from("glpat-1");
/// assert_eq!(format!("{token} {token:?}"), "*** ***");
/// assert_eq!(token.expose(), "glpat-1");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces every secret in `text`, and what would disturb a terminal or a log line.
pub(crate) fn clean(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.0.len() > 3) {
        text = text.replace(secret.expose(), "***");
    }
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join("; ");
    joined.chars().filter(|c| !c.is_control()).take(2_000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaned_text_has_no_secret_and_no_control_character() {
        let cleaned = clean("bad token hunter22\r\n\n\x1b[31mred", &["hunter22".into()]);
        assert_eq!(cleaned, "bad token ***; [31mred");
    }
}
