//! Both parsers must agree wherever the fast one does not give up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use crate::yaml::document::Room;
use crate::yaml::resolve::Dialect;
use crate::yaml::{Document, Limits, NodeId, SourceText, parse_full, settle, split};

/// All that there is to know of a node and those below it, a line for each.
fn dump(doc: &Document, id: NodeId, depth: usize, out: &mut String) {
    let node = (doc.kind(id), doc.style(id), doc.raw_tag(id), doc.is_flow(id), doc.offset(id), doc.text(id));
    out.push_str(&format!("{}{node:?}\n", " ".repeat(depth)));
    for child in doc.children(id) {
        dump(doc, child, depth + 1, out);
    }
}

fn dumped(doc: &Document) -> String {
    let mut out = String::new();
    dump(doc, doc.root(), 0, &mut out);
    out
}

/// Whether the fast parser reads every document of the text; an error if it reads one differently.
fn compare(text: &str) -> Result<bool, String> {
    let source = Arc::new(SourceText { text: text.to_owned() });
    let Ok(ranges) = split::documents(text) else { return Ok(false) };
    let mut all_fast = true;
    for range in ranges {
        let fast = super::parse(&source, range.clone(), &Limits::new(), &mut Room::default());
        let full = parse_full::parse(&source, range, Dialect::V3, &Limits::new());
        match (fast, full) {
            (None, full) => all_fast &= matches!(full, Ok(None)),
            (Some(fast), Ok(Some(full))) if dumped(&fast) == dumped(&full) => {}
            (Some(fast), full) => {
                let full = full.map(|full| full.as_ref().map(dumped));
                return Err(format!("{text:?}\nfast:\n{}\nfull:\n{full:?}", dumped(&fast)));
            }
        }
    }
    Ok(all_fast)
}

/// As [`compare`], for the text as a kustomization file.
fn compare_v2(text: &str) -> Result<bool, String> {
    let source = Arc::new(SourceText { text: text.to_owned() });
    let fast = super::parse_only(&source, &Limits::new()).and_then(settle::settled);
    let full = parse_full::parse(&source, 0..text.len(), Dialect::V2, &Limits::new());
    match (fast, full) {
        (None, full) => Ok(matches!(full, Ok(None))),
        (Some(fast), Ok(Some(full))) if dumped(&fast) == dumped(&full) => Ok(true),
        (Some(fast), full) => {
            let full = full.map(|full| full.as_ref().map(dumped));
            Err(format!("{text:?}\nfast:\n{}\nfull:\n{full:?}", dumped(&fast)))
        }
    }
}

#[test]
fn kustomizations_take_the_fast_path() {
    for text in [
        "# top\nresources:   # here\n- a.yaml\n- ../b\nnamePrefix: 'x-'\n",
        "a: yes\nb: 0x10\nc: 1_000\nd: -0.0\ne: 1.50\nf: ~\ng:\nh: 2001-01-01\ni: on\nj: 017\nk: .inf\nl: 1e3\n",
    ] {
        assert_eq!(compare_v2(text), Ok(true), "{text:?}");
    }
    for text in ["1: a\n", "y: a\n", "~: a\n", "a: <<\n", "<<: {a: 1}\n"] {
        assert_eq!(compare_v2(text), Ok(false), "{text:?}");
    }
}

#[test]
fn manifests_take_the_fast_path() {
    for text in [
        "a: 1\nb:\n  c: x y # z\n  d: 'q'\n",
        "# c\n---\na:\n- b: 1\n  c: [x, \"y\", {z: 1}]\n-\n  d\n- - e\n  - f\n",
        "a: one\n  two\n\n  three\nb: |\n  x\n\n    y\nc: >-\n  folded\n  text\n\n  more\n   in\n",
        "a: \"x\\ny\"\nb: 'it''s'\nc: {}\nd: []\ne:\nf: \"folded\n  text\"\n",
        "- a\n- b: |+\n    x\n\n- |-\n  y",
        "{\"a\": [1, 2],\n \"b\": null}\n",
    ] {
        assert_eq!(compare(text), Ok(true), "{text:?}");
    }
}

#[test]
fn what_is_odd_is_left_to_the_complete_parser() {
    for text in [
        "a: &x 1\n",
        "a: !t 1\n",
        "<<: {a: 1}\n",
        "a: 1\na: 2\n",
        "? a\n",
        "a:\t1\n",
        "a: 1\r\nb: 2\r\n",
        "a: 1\n b: 2\n",
    ] {
        assert_eq!(compare(text), Ok(false), "{text:?}");
    }
}

/// Every YAML file below a folder.
fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => yaml_files(&path, found),
            Ok(kind) if kind.is_file() && is_yaml => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn files_of_the_corpora_are_read_alike_and_nearly_all_fast() {
    let Some(root) = crate::yaml::corpus_tests::corpus() else {
        return; // skipped where the corpus is not at hand
    };
    let mut files = Vec::new();
    yaml_files(&root, &mut files);
    let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let (mut count, mut fast) = (0, 0);
    for text in texts {
        count += 1;
        fast += usize::from(compare(&text).unwrap_or_else(|difference| panic!("{difference}")));
        compare_v2(&text).unwrap_or_else(|difference| panic!("{difference}"));
    }
    assert!(fast * 100 >= count * 95, "{fast} of {count} files take the fast path");
}

/// Pieces of lines, to be strung together at random.
const PIECES: &[&str] = &[
    "a: ",
    "b:",
    "c: x",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    "- ",
    "x",
    "x y",
    " # c",
    "#",
    "'q'",
    "\"d\"",
    "\"e\\n\"",
    "'it''s'",
    "\"a\n  b\"",
    "|",
    ">-",
    "|+",
    "[a, b]",
    "{a: b}",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "-",
    "---\n",
    "\n---\n",
    "...",
    "é",
    "&a",
    "!t",
    "\t",
    "?",
    "null",
    "<<: ",
    "\n\n",
    " ",
    "\"k\": ",
    "\u{a0}",
];

/// Lines as manifests have them, to be indented at random.
const LINES: &[&str] = &[
    "a:",
    "b: x",
    "c: 1 # one",
    "- d",
    "- e: f",
    "- - g",
    "-",
    "h: |",
    "i: >-",
    "j: \"k\"",
    "l: [m, n]",
    "o: {p: q}",
    "text",
    "# r",
    "",
    "s: t u",
    "'v': w",
    "more text here",
    "- |",
    "- \"x",
    "y\"",
    "z: 'two",
    "lines'",
    "- {aa: [bb]}",
    "cc: dd: ee",
    "  ff",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_parsers_agree(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20)) {
        for compared in [compare(&pieces.concat()), compare_v2(&pieces.concat())] {
            prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
        }
    }

    #[test]
    fn the_parsers_agree_on_lines(lines in prop::collection::vec((0..4_usize, prop::sample::select(LINES)), 0..16)) {
        let text: String = lines.iter().map(|(indent, line)| format!("{}{line}\n", "  ".repeat(*indent))).collect();
        for compared in [compare(&text), compare_v2(&text)] {
            prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
        }
    }
}
