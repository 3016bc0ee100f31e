//! What is printed means what it meant, and what is too much is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{Limits, ParseError, SourceText, parse};
use crate::resource::Resource;

/// Texts that YAML finds hard.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:#. \\n'\"\\-]{0,12}",
        "[ -~é\\n\\t\u{2028}]{0,20}",
        "([a-z]{1,9} {1,2}){0,30}[a-z]",
        prop::sample::select(
            &["yes", "~", "1e3", "0x1", "2020-01-01", "- a", "a: b", "a #b", "|", "\u{feff}x", "=", "<<"][..]
        )
        .prop_map(str::to_owned),
    ]
}

/// Not `<<`, which go-yaml prints without quotes and then takes for a merge key.
fn key() -> impl Strategy<Value = String> {
    text().prop_filter("merge key", |key| key != "<<")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(|float| Value::from(float.trunc() + 0.5)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(value in value()) {
        let root = Value::Object(Map::from_iter([("root".to_owned(), value)]));
        let printed = Resource::try_from(root.clone()).map(|resource| resource.to_yaml());
        let printed = printed.expect("an object").expect("printable");
        let documents = parse(Arc::new(SourceText { text: printed.clone() }), &Limits::new());
        let read = Resource::new(documents.expect("valid YAML").remove(0));
        prop_assert_eq!(serde_json::Value::try_from(&read).expect("printable"), root, "{}", printed);
    }
}

fn error_of(text: String) -> ParseError {
    let start = Instant::now();
    let error = parse(Arc::new(SourceText { text }), &Limits::new()).expect_err("too much");
    assert!(start.elapsed() < Duration::from_secs(5));
    error
}

#[test]
fn thousands_of_levels_are_a_clear_error() {
    let flow = "[".repeat(10_000);
    let mapping: String = (0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let sequence = "- ".repeat(10_000);
    for text in [flow, mapping, sequence] {
        let error = error_of(text);
        assert!(matches!(error, ParseError::Limit { limit: 1_000, .. }), "{error}");
        assert!(error.to_string().ends_with("more than 1000 levels of nesting"), "{error}");
    }
}

#[test]
fn aliases_cannot_take_all_memory() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(matches!(error_of(bomb), ParseError::ExcessiveAliasing { .. }));
    let error = error_of("a: &a [*a]\n".to_owned());
    assert_eq!(error.to_string(), "line 1, column 8: anchor \"a\" contains itself");
}

#[test]
fn limits_can_be_set() {
    let source = Arc::new(SourceText { text: "a: [1, 2, 3]\n".to_owned() });
    assert!(parse(Arc::clone(&source), &Limits::new().nodes(6)).is_ok());
    assert!(parse(Arc::clone(&source), &Limits::new().nodes(5)).is_err());
    assert!(parse(Arc::clone(&source), &Limits::new().depth(1)).is_err());
    assert!(parse(source, &Limits::new().bytes(5)).is_err());
}
