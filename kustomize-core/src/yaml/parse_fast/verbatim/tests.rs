//! A document of the complete parser has no parts that are copied: it must be
//! printed as one of the fast parser is.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::resource::Resource;
use crate::yaml::document::Room;
use crate::yaml::resolve::Dialect;
use crate::yaml::{Document, Limits, NodeId, SourceText, emit, parse_fast, parse_full};

fn printed(doc: &Document) -> Option<String> {
    let mut out = Vec::new();
    emit(doc, doc.root(), &mut out).ok().map(|()| String::from_utf8(out).expect("UTF-8"))
}

/// The text as both parsers read it; `None` if the fast one gives up.
fn both(text: &str) -> Option<[Document; 2]> {
    let source = Arc::new(SourceText { text: text.to_owned() });
    let fast = parse_fast::parse(&source, 0..text.len(), &Limits::new(), &mut Room::default())?;
    let full = parse_full::parse(&source, 0..text.len(), Dialect::V3, &Limits::new());
    Some([fast, full.expect("the fast parser read it").expect("a document")])
}

/// A document that is large enough for its parts to be looked for.
fn document(value: Value) -> String {
    let padding = "Some sentence or other. ".repeat(super::LEAST_DOCUMENT / 20);
    let root = serde_json::json!({"a": {"b": {"c": value, "d": ["x".repeat(super::LEAST_PART)]}}, "padding": padding});
    Resource::try_from(root).expect("an object").to_yaml().expect("printable")
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{1,6}",
        "([a-z]{1,9} ){0,30}[a-z]",
        "([a-zé]{1,9}[ \n]){0,9}[a-z]\n?",
        select(&["yes", "", "1e3", "a: b", "it's", "- a", "a #b", " a", "a\n\n b"][..]).prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        4 => text.prop_map(Value::from),
        1 => select(vec![Value::Null, true.into(), 7.into(), (-3).into(), 1.5.into()]),
        1 => select(vec![serde_json::json!([]), serde_json::json!({})]),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(Value::from),
            prop::collection::btree_map("[a-e]{1,2}", inner, 1..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Changes the text behind a character: something is put there, or some characters are taken out.
fn change(text: &mut String, at: Index, insertion: &str) {
    let at = at.get(&text.char_indices().map(|(at, _)| at).collect::<Vec<_>>()).to_owned();
    match insertion {
        "" => text.replace_range(at..text.ceil_char_boundary((at + 2).min(text.len())), ""),
        "line" => {
            let line = at - text[..at].rfind('\n').map_or(at, |line_feed| at - line_feed - 1);
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
            text.replace_range(line..end, "");
        }
        other => text.insert_str(at, other),
    }
}

const INSERTIONS: &[&str] =
    &["", "", "line", "line", " ", "  ", "\n", "# c\n", " # c", "\"", "'", "-", "x", "\n\n", "0"];

/// Writes to a node, found by its number in the order of the text.
fn write(doc: &mut Document, at: Index, text: &str) {
    let mut nodes = vec![doc.root()];
    let mut next = 0;
    while let Some(id) = nodes.get(next) {
        let children: Vec<NodeId> = doc.children(*id).collect();
        nodes.extend(children);
        next += 1;
    }
    let id = *at.get(&nodes);
    match doc.first_child(id) {
        None if doc.is_scalar(id) => doc.set_text(id, text),
        Some(key) if doc.is_mapping(id) && text.len() < 3 => {
            let key = doc.text(key).to_owned();
            doc.remove(id, &key);
        }
        _ if doc.is_mapping(id) => doc.set_value(id, text, crate::yaml::Scalar::string(text)),
        _ => {
            let item = doc.new_scalar(crate::yaml::Scalar::string(text));
            doc.push(id, item);
        }
    }
}

/// Whether a field among others that are printed as they stand leaves them so; it has to be printed as it is anyway.
fn is_copied(field: &str) -> bool {
    let (pad, text) = ("x".repeat(super::LEAST_PART), "y".repeat(super::LEAST_DOCUMENT));
    let document = format!("a:\n  b:\n    c:\n      a: {pad}\n      {field}\n      zz: b\n  padding: {text}\n");
    let [fast, full] = both(&document).expect("nothing that the fast parser leaves to the other one");
    assert_eq!(printed(&fast), printed(&full), "{field}");
    fast.verbatim_len() > 0
}

#[test]
fn a_field_is_copied_if_it_is_printed_as_it_stands() {
    for field in [
        "z: x",
        "z: x y",
        "z: 12",
        "z: true",
        "z: null",
        "z: \"\"",
        "z: 'a: b'",
        "z: \"yes\"",
        "z: {}",
        "z: |-\n        a\n\n         b",
        "z: |\n        a\n        b",
        "z:\n      - a\n      - - b\n        - c: d\n          e: f",
        "z:\n        w: z",
    ] {
        assert!(is_copied(field), "{field}");
    }
    for field in [
        "z:  x",
        "z: x ",
        "z : x",
        "z: x # c",
        "# c\n      z: x",
        "\n      z: x",
        "z: 'x'",
        "'z': x",
        "0: x",
        "z: 012",
        "z: 1.50",
        "z: ~",
        "z:",
        "z: yes",
        "z:\n        x",
        "z: x\n        y",
        "z: { }",
        "z: [a]",
        "z:  |-\n        a\n        b",
        "z: |-\n       a\n       b",
        "z: |- \n        a\n        b",
        "z: |-\n        a",
        "z: |-\n        a \n        b",
        "z: |-\n        a\n    \n        b",
        "z: |-\n\n        a\n        b",
        "z: |-\n        a\n        b\n",
        "z: |+\n        a\n        b\n",
        "z: >-\n        a\n        b",
        "z:\n        - a",
        "z:\n      -  a",
        "z:\n      -\n        a: b",
        "z:\n      - |\n         a\n         b",
        "z:\n         w: z",
        "z:\n        w: z\n        v: z",
        "zzz: x",
    ] {
        assert!(!is_copied(field), "{field}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_as_it_stands_is_copied(value in value()) {
        let text = document(value);
        let [fast, full] = both(&text).expect("nothing odd");
        prop_assert_eq!(printed(&full), Some(text.clone()));
        prop_assert_eq!(printed(&fast), Some(text));
        prop_assert!(fast.verbatim_len() >= super::LEAST_PART);
    }

    #[test]
    fn what_was_changed_is_printed(
        value in value(),
        changes in prop::collection::vec((any::<Index>(), select(INSERTIONS)), 0..3),
        writes in prop::collection::vec((any::<Index>(), "[a-z]{1,4}"), 0..3),
    ) {
        let mut text = document(value);
        for (at, insertion) in changes {
            change(&mut text, at, insertion);
        }
        if let Some([mut fast, mut full]) = both(&text) {
            prop_assert_eq!(printed(&fast), printed(&full), "{}", text);
            for (at, text) in writes {
                write(&mut fast, at, &text);
                write(&mut full, at, &text);
            }
            prop_assert_eq!(printed(&fast), printed(&full), "{}", text);
        }
    }
}
