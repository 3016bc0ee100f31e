//! New text for new values, in the style of what stands around it.

use serde_json::Value;

use super::scalar;

/// How the file is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) newline: &'static str,
    /// Spaces before the dash of a sequence below a key.
    pub(super) sequence_indent: usize,
    /// The quote for strings that need one, unless an old one is there.
    pub(super) quote: char,
}

/// `value` as the lines of a block, each but the first indented by `indent`.
///
/// What it returns goes behind `key:` (then it begins with a blank or a line
/// break) or behind a dash (`after_dash`, then it begins with the content).
pub(super) fn block(value: &Value, indent: usize, format: Format, after_dash: bool) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut out = String::new();
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 || !after_dash {
                    out += format.newline;
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out += &entry(key, value, indent, format);
            }
            out
        }
        Value::Array(items) if !items.is_empty() => {
            let mut out = String::new();
            for (index, item) in items.iter().enumerate() {
                if index > 0 || !after_dash {
                    out += format.newline;
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out += &sequence_item(item, indent, format);
            }
            out
        }
        scalar => {
            let text = block_scalar(scalar, indent, format);
            if after_dash { text } else { format!(" {text}") }
        }
    }
}

/// `key: value` of a block mapping that stands at `indent`.
pub(super) fn entry(key: &str, value: &Value, indent: usize, format: Format) -> String {
    let inner = match value {
        Value::Array(_) => indent + format.sequence_indent,
        _ => indent + 2,
    };
    format!("{}:{}", string(key, format.quote), block(value, inner, format, false))
}

/// `- item` of a block sequence whose dashes stand at `indent`.
pub(super) fn sequence_item(item: &Value, indent: usize, format: Format) -> String {
    format!("- {}", block(item, indent + 2, format, true))
}

/// A scalar for block context: text of several lines becomes a literal block.
fn block_scalar(value: &Value, indent: usize, format: Format) -> String {
    match value {
        Value::String(text) if is_literal(text) => {
            let chomp = match (text.ends_with('\n'), text.ends_with("\n\n")) {
                (false, _) => "-",
                (true, false) => "",
                (true, true) => "+",
            };
            let mut out = format!("|{chomp}");
            for line in text.lines() {
                out += format.newline;
                if !line.is_empty() {
                    out.extend(std::iter::repeat_n(' ', indent));
                    out += line;
                }
            }
            out
        }
        _ => flow(value, format.quote),
    }
}

/// Whether a string reads well, and comes back the same, as a literal block.
fn is_literal(text: &str) -> bool {
    let printable = text.chars().all(|char| char == '\n' || char == '\t' || !char.is_control());
    text.trim_end_matches('\n').contains('\n')
        && printable
        && !text.starts_with([' ', '\t', '\n'])
        && !text.lines().any(|line| line.ends_with([' ', '\t']))
}

/// `value` on one line, as flow context takes it.
pub(super) fn flow(value: &Value, quote: char) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => string(text, quote),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, quote)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", string(key, quote), flow(value, quote))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A string, quoted only if it would be read as something else without.
pub(super) fn string(text: &str, quote: char) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text, quote) }
}

/// A string in quotes of this kind, if it can be written so; else in double ones.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let one_line = !text.chars().any(|char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if quote == '\'' && one_line {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            _ if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out += &format!("\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out + "\""
}

/// Whether the text is this very string when it is written without quotes, in block and in flow.
pub(super) fn is_plain(text: &str) -> bool {
    let inner = |char: char| char.is_alphanumeric() || "_./@:+~-$%^()=;<>!?&*'\" ".contains(char);
    let first = text.chars().next().is_some_and(|char| char.is_alphanumeric() || "_./+~$-=".contains(char));
    let blank_after_dash = text == "-" || text.starts_with("- ") || text.starts_with("---");
    first
        && !blank_after_dash
        && text.chars().all(inner)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !scalar::needs_quotes(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_only_where_they_must_be() {
        for plain in ["nginx", "registry.example.com:5000/a/b", "v1.2.3", "../base", "sha256:0ff", "-dev", "a b", "A=1"]
        {
            assert_eq!(string(plain, '"'), plain);
        }
        for quoted in
            ["", "2", "1.25", "true", "yes", "n", "~", "*", "a: b", "a:", "# x", "[x", "1e3", "0x1f", "null", "- a"]
        {
            assert_eq!(string(quoted, '"'), format!("\"{quoted}\""));
        }
        assert_eq!(string("it's: 'x'", '\''), "'it''s: ''x'''");
        assert_eq!(string("a\u{1}\n", '\''), "\"a\\u0001\\n\"");
    }
}
