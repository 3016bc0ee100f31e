//! YAML that is put together by hand, because the tests care how scalars are written.

use proptest::prelude::*;
use proptest::sample::select;

/// A value of which each scalar is the text that stands in the file.
#[derive(Debug, Clone)]
pub(crate) enum Yaml {
    Scalar(String),
    Map(Vec<(String, Yaml)>),
    List(Vec<Yaml>),
}

pub(crate) fn scalar(text: impl Into<String>) -> Yaml {
    Yaml::Scalar(text.into())
}

/// A map of the entries that are there.
pub(crate) fn map<const N: usize>(entries: [(&str, Option<Yaml>); N]) -> Yaml {
    Yaml::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

impl Yaml {
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match self {
            Self::Scalar(text) => out.push_str(&format!("{pad}{text}\n")),
            Self::Map(entries) if entries.is_empty() => out.push_str(&format!("{pad}{{}}\n")),
            Self::List(items) if items.is_empty() => out.push_str(&format!("{pad}[]\n")),
            Self::Map(entries) => {
                for (key, value) in entries {
                    value.write_after(&format!("{pad}{key}:"), indent + 2, out);
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    item.write(indent + 2, &mut inner);
                    out.push_str(&format!("{pad}- {}", inner.trim_start()));
                }
            }
        }
    }

    fn write_after(&self, key: &str, indent: usize, out: &mut String) {
        let one_line = match self {
            Self::Scalar(_) => true,
            Self::Map(entries) => entries.is_empty(),
            Self::List(items) => items.is_empty(),
        };
        let mut value = String::new();
        self.write(if one_line { 0 } else { indent }, &mut value);
        out.push_str(&format!("{key}{}{value}", if one_line { " " } else { "\n" }));
    }
}

/// Scalars of every type, as people write them.
pub(crate) fn odd() -> impl Strategy<Value = Yaml> {
    let texts = [
        "x",
        "y",
        "some text",
        "5",
        "\"5\"",
        "0x1F",
        "0644",
        "0o17",
        "1_000",
        "1.0",
        "1.50",
        "1e3",
        "-0.0",
        "9007199254740993",
        "true",
        "\"true\"",
        "yes",
        "\"no\"",
        "on",
        "~",
        "null",
        "\"null\"",
        "\"\"",
        "''",
        "2001-01-01",
        "\"2001-01-01\"",
        "1:30",
        "'it''s'",
        "\"a\\tb\"",
        "\"line\\nbreak\\n\"",
        "\"a: b\"",
        "\"# no comment\"",
        "x # comment",
        "\"trailing \"",
        "=",
        ".5",
        "<a&b>",
        "ünï",
        "\"\\u2028\"",
        "https://example.com/a?b=c#d",
    ];
    select(texts.to_vec()).prop_map(scalar)
}

/// Strings and nothing else, as labels and data need them.
pub(crate) fn string() -> impl Strategy<Value = Yaml> {
    let texts = [
        "x",
        "web",
        "v1",
        "\"5\"",
        "\"true\"",
        "\"\"",
        "\"a b\"",
        "yes",
        "some/path",
        "$(VALUE)",
        "a.b-c",
        "'1.0'",
        "1.2.3",
    ];
    select(texts.to_vec()).prop_map(scalar)
}

/// Strings of which no YAML reader makes anything else, as kustomizations need them.
pub(crate) fn plain() -> impl Strategy<Value = Yaml> {
    select(vec!["x", "web", "v1", "\"5\"", "\"true\"", "'a b'", "some/path"]).prop_map(scalar)
}

pub(crate) fn any() -> impl Strategy<Value = Yaml> {
    odd().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Yaml::List),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| Yaml::Map(map.into_iter().collect())),
        ]
    })
}

/// A map with some of these keys.
pub(crate) fn map_of(keys: &'static [&'static str], values: BoxedStrategy<Yaml>) -> BoxedStrategy<Yaml> {
    let entries = prop::collection::btree_map(select(keys), values, 0..4);
    entries.prop_map(|map| Yaml::Map(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())).boxed()
}

/// Sometimes.
pub(crate) fn maybe(probability: f64, strategy: impl Strategy<Value = Yaml> + 'static) -> BoxedStrategy<Option<Yaml>> {
    prop::option::weighted(probability, strategy).boxed()
}
