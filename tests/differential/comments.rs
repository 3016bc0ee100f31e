//! YAML with comments as the text of a ConfigMap, of which a replacement changes a value.

use proptest::prelude::*;
use proptest::sample::select;

use super::Files;
use super::yaml::{Yaml, scalar};

const KUSTOMIZATION: &str = "resources: [map.yaml]\nreplacements:\n- sourceValue: new\n  targets:\n";

/// Many texts at a time, because starting kustomize takes long.
pub(crate) fn files() -> impl Strategy<Value = Files> {
    proptest::collection::vec(text(), 30).prop_map(|texts| {
        let mut files = Files::default();
        let mut kustomization = KUSTOMIZATION.to_owned();
        let mut map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n".to_owned();
        for (number, text) in texts.iter().enumerate() {
            kustomization += &format!("  - {{select: {{kind: ConfigMap}}, fieldPaths: [data.t{number}.key]}}\n");
            map += &format!("  t{number}: {}\n", serde_json::Value::from(text.as_str()));
        }
        files.0.insert("overlay/kustomization.yaml".to_owned(), kustomization);
        files.0.insert("overlay/map.yaml".to_owned(), map);
        files
    })
}

/// What is said around a line.
#[derive(Debug, Clone)]
struct Said {
    before: Vec<Before>,
    behind: bool,
}

#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    /// A comment, so much further to the right than the line.
    Comment(isize),
}

fn text() -> impl Strategy<Value = String> {
    let before = prop_oneof![
        1 => Just(Before::Nothing),
        3 => select(vec![0, 0, 0, 2, -2, 1]).prop_map(Before::Comment),
    ];
    let nothing_before = Just(Vec::new());
    let before = prop_oneof![2 => nothing_before, 1 => proptest::collection::vec(before, 1..4)];
    let said = (before, proptest::bool::weighted(0.3)).prop_map(|(before, behind)| Said { before, behind });
    let around = proptest::collection::vec(said, 48);
    (document(), around, any::<bool>()).prop_map(|(document, around, ends_line)| {
        let text = commented(&document.text(), &around);
        if ends_line { text } else { text.trim_end_matches('\n').to_owned() }
    })
}

fn document() -> impl Strategy<Value = Yaml> {
    let leaf = select(vec!["x", "y z", "'q'", "\"a # b\"", "1", "~", "[a, {b: c}]", "{}", "[]", "{a: [b], c: 'd'}"]);
    let value = leaf.prop_map(scalar).prop_recursive(3, 12, 3, |inner| {
        let named = |index: usize, value| (["a", "b", "c"][index].to_owned(), value);
        let map = move |values: Vec<Yaml>| {
            Yaml::Map(values.into_iter().enumerate().map(|(index, value)| named(index, value)).collect())
        };
        let values = proptest::collection::vec(inner, 1..4);
        prop_oneof![values.clone().prop_map(map), values.prop_map(Yaml::List)]
    });
    (value.clone(), value, 0..3_usize).prop_map(|(one, two, at)| {
        let mut entries = vec![("one".to_owned(), one), ("two".to_owned(), two)];
        entries.insert(at, ("key".to_owned(), scalar("old")));
        Yaml::Map(entries)
    })
}

/// The lines with comments around them; what is said behind the last line goes to its end.
fn commented(text: &str, around: &[Said]) -> String {
    let mut out = String::new();
    let mut number = 0;
    let mut comment = || {
        number += 1;
        format!("# {number}")
    };
    for (line, said) in text.lines().chain([""]).zip(around.iter().cycle()) {
        let indent = line.len() - line.trim_start().len();
        for before in &said.before {
            match before {
                Before::Nothing => out.push('\n'),
                Before::Comment(shift) => {
                    let indent = indent.saturating_add_signed(*shift);
                    out += &format!("{}{}\n", " ".repeat(indent), comment());
                }
            }
        }
        out += line;
        if said.behind && !line.is_empty() {
            out += &format!(" {}", comment());
        }
        out.push('\n');
    }
    out
}
