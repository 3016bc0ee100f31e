//! The parser against libyaml's own, in the form of the libyaml-safer crate.
//!
//! The two may differ where go-yaml left libyaml's ways; the generator stays
//! clear of these: `?` and `:` inside flow collections, `\/`, tags before a
//! comma, `%YAML 1.2`.

use std::sync::Arc;

use libyaml_safer::{EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};
use proptest::prelude::*;

use super::events::{EventKind, Events};
use super::{Limits, SourceText, Style, emit_v3_as_written, json, parse_text, parse_text_as_written};

fn ours(text: &str) -> Option<Vec<String>> {
    described(Events::new(text, 0, text.len()), text)
}

fn described(mut events: Events<'_>, text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    loop {
        found.push(match events.next().ok()?.kind {
            EventKind::StreamEnd => return Some(found),
            EventKind::DocumentStart => "document".to_owned(),
            EventKind::DocumentEnd => "document end".to_owned(),
            EventKind::Alias(name) => format!("*{name}"),
            EventKind::Scalar { anchor, tag, text: value, style } => {
                format!("{anchor:?} {tag:?} {style:?} {:?}", value.as_str(text))
            }
            EventKind::SequenceStart(start) => format!("{:?} {:?} [ {}", start.anchor, start.tag, start.is_flow),
            EventKind::MappingStart(start) => format!("{:?} {:?} {{ {}", start.anchor, start.tag, start.is_flow),
            EventKind::SequenceEnd => "]".to_owned(),
            EventKind::MappingEnd => "}".to_owned(),
        });
    }
}

fn libyamls(text: &str) -> Option<Vec<String>> {
    let mut parser = Parser::new();
    parser.set_input(text.as_bytes());
    let mut found = Vec::new();
    loop {
        found.push(match parser.parse().ok()?.data {
            EventData::StreamStart { .. } => continue,
            EventData::StreamEnd => return Some(found),
            EventData::DocumentStart { .. } => "document".to_owned(),
            EventData::DocumentEnd { .. } => "document end".to_owned(),
            EventData::Alias { anchor } => format!("*{anchor}"),
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    _ => Style::Plain,
                };
                format!("{anchor:?} {tag:?} {style:?} {value:?}")
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                format!("{anchor:?} {tag:?} [ {}", style == SequenceStyle::Flow)
            }
            EventData::MappingStart { anchor, tag, style, .. } => {
                format!("{anchor:?} {tag:?} {{ {}", style == MappingStyle::Flow)
            }
            EventData::SequenceEnd => "]".to_owned(),
            EventData::MappingEnd => "}".to_owned(),
        });
    }
}

/// Pieces of YAML, to be strung together at random.
const PIECES: &[&str] = &[
    "a",
    "b: ",
    "- ",
    "? ",
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "  ",
    " ",
    "\t",
    "# c",
    "'x'",
    "'it''s'",
    "\"y\"",
    "\"\\n\\x41\"",
    "\"a\n  b\"",
    "'a\n\n b'",
    "|\n",
    "|-\n  ",
    ">\n  ",
    ">+\n",
    "|2\n",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a ",
    "!t ",
    "!!str ",
    "---\n",
    "...\n",
    "\n---\n",
    "é",
    "c d",
    "%",
    "@",
    "-",
    "key: value\n",
    "- item\n",
    "\r\n",
    "\u{2028}",
    "\"\\\n\"",
];

/// Where the crates are known to part.
fn is_comparable(text: &str) -> bool {
    let flow = text.contains(['[', '{']);
    !(flow
        && (text.contains('?')
            || text.contains(":,")
            || text.contains(":]")
            || text.contains(":}")
            || text.contains(":[")
            || text.contains(":{")))
        && !(flow && text.contains('!'))
        && !text.contains('%')
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES);
    // The end of a line, because libyaml-safer panics where a block scalar ends with the text.
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat() + "\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn events_are_those_of_libyaml(text in text().prop_filter("known differences", |text| is_comparable(text))) {
        prop_assert_eq!(ours(&text), libyamls(&text));
    }

    #[test]
    fn a_text_as_written_keeps_its_meaning(text in text().prop_filter("go-yaml adds lines", |text| !text.contains('>'))) {
        let source = |text: &str| Arc::new(SourceText { text: text.to_owned() });
        let limits = Limits::new();
        let meaning = |text: &str| {
            let document = parse_text(source(text), &limits).ok()??;
            json::write_go(&document, document.root(), false).ok()
        };
        if let (Some(before), Ok(Some((document, presentation)))) =
            (meaning(&text), parse_text_as_written(source(&text), &limits))
        {
            let printed = emit_v3_as_written(&document, &presentation);
            prop_assert_eq!(meaning(&printed).unwrap_or("null".to_owned()), before, "{}", printed);
        }
    }

    #[test]
    fn keeping_comments_changes_no_event(text in text()) {
        let events = || Events::new(&text, 0, text.len());
        prop_assert_eq!(described(events().with_comments(), &text), described(events().v3(), &text));
    }
}

/// As kustomize has it in resources, but not in kustomizations.
#[test]
fn comments_may_follow_tabs_behind_other_comments() {
    for (text, is_valid) in [
        ("a: 1\n# x\n\t# y\n \t\n\t\t# z\nb: 2\n", true),
        ("# x\n\t# y\na: 1\n", true),
        ("? # x\n\t# y\n", false),
        ("a: 1\n\t# y\nb: 2\n", false),
        ("a: # x\n\t# y\n  b: 2\n", false),
        ("# x\n\ta: 1\n", false),
    ] {
        let v3 = described(Events::new(text, 0, text.len()).v3(), text);
        assert_eq!((v3.is_some(), ours(text).is_some()), (is_valid, false), "{text:?}");
    }
}

#[test]
fn where_go_yaml_leaves_libyaml() {
    for (text, is_valid) in [
        ("\"a\\/b\"", false),
        ("'\\/'", true),
        ("%YAML 1.2\n---\na", false),
        ("%YAML 1.1\n---\na", true),
        ("[a:, b]", true),
        ("[!t, b]", true),
        ("\"\\'\"", true),
        ("a: |\n  x", true),
        ("\"\\", false),
        ("!a%C3%A9 b", true),
        ("!a%C3 b", false),
    ] {
        assert_eq!(ours(text).is_some(), is_valid, "{text:?}");
    }
}
