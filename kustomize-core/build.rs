//! Compiles `schema/kubernetes-1.21.2.txt` into static tables, and writes out
//! the built-in field specs, so that a build of a kustomization pays nothing
//! for the schema it may not need, and little for the field specs.

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fingerprint::fingerprint;

#[path = "src/config/builtin_rows.rs"]
mod builtin_rows;
#[path = "src/schema/fingerprint.rs"]
mod fingerprint;
#[path = "src/config/type_order.rs"]
mod type_order;

const SCHEMA: &str = "schema/kubernetes-1.21.2.txt";

fn main() {
    println!("cargo::rerun-if-changed={SCHEMA}");
    println!("cargo::rerun-if-changed=build.rs");
    for module in ["config/builtin_rows", "config/type_order", "schema/fingerprint"] {
        println!("cargo::rerun-if-changed=src/{module}.rs");
    }
    let text = fs::read_to_string(SCHEMA).expect("the schema is part of the crate");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let write = |name, text| fs::write(Path::new(&out).join(name), text).expect("cargo made the directory");
    write("kubernetes_schema.rs", compile(&text));
    write("builtin_config.rs", builtin_rows::source());
}

fn compile(text: &str) -> String {
    let mut table = Table::default();
    // First the names: schemas refer to each other, also in circles.
    for line in text.lines().filter_map(|line| line.strip_prefix("schema ")) {
        table.declare(line);
    }
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("schema", rest)) => table.define(rest),
            Some(("type", rest)) => table.add_type(rest),
            _ => assert!(line.starts_with('#'), "unknown line: {line}"),
        }
    }
    table.write()
}

#[derive(Default)]
struct Table<'a> {
    /// Every name once, one after the other.
    text: String,
    /// Where in `text` names are.
    names: HashMap<&'a str, Range>,
    /// One Rust expression a node.
    nodes: Vec<String>,
    /// Node by name, or by text for schemas without a name.
    index: HashMap<&'a str, usize>,
    fields: Vec<(Range, usize)>,
    merge_keys: Vec<Range>,
    definitions: Vec<(&'a str, usize)>,
    types: Vec<([&'a str; 3], String)>,
}

type Range = (usize, usize);

impl<'a> Table<'a> {
    fn name(&mut self, name: &'a str) -> Range {
        *self.names.entry(name).or_insert_with(|| {
            let start = self.text.len();
            self.text.push_str(name);
            (start, self.text.len())
        })
    }

    fn declare(&mut self, line: &'a str) {
        self.index.insert(first_word(line), self.nodes.len());
        self.definitions.push((first_word(line), self.nodes.len()));
        self.nodes.push(String::new());
    }

    fn define(&mut self, line: &'a str) {
        let mut words = line.split(' ');
        let name = words.next().expect("split yields at least one");
        let mut fields: Vec<_> = words.map(|field| field.split_once('=').unwrap_or((field, "-"))).collect();
        fields.sort_unstable();
        let fields: Vec<_> = fields.into_iter().map(|(field, schema)| (self.name(field), self.node(schema))).collect();
        let start = self.fields.len();
        self.fields.extend(fields);
        self.nodes[self.index[name]] = format!("Node {{ fields: ({start}, {}), ..Node::LEAF }}", self.fields.len());
    }

    fn node(&mut self, schema: &'a str) -> usize {
        if let Some(node) = self.index.get(schema) {
            return *node;
        }
        let text = if schema == "-" {
            "Node::LEAF".to_owned()
        } else if let Some(values) = schema.strip_prefix('{') {
            format!("Node {{ values: Some({}), ..Node::LEAF }}", self.node(values))
        } else if let Some(list) = schema.strip_prefix('[') {
            self.list(list)
        } else {
            panic!("no schema is called {schema}")
        };
        self.index.insert(schema, self.nodes.len());
        self.nodes.push(text);
        self.nodes.len() - 1
    }

    fn list(&mut self, list: &'a str) -> String {
        let Some((keys, items)) = list.split_once(']') else {
            return format!("Node {{ items: Some({}), ..Node::LEAF }}", self.node(list));
        };
        let start = self.merge_keys.len();
        for key in keys.split(',').filter(|key| !key.is_empty()) {
            let key = self.name(key);
            self.merge_keys.push(key);
        }
        let keys = format!("Some(({start}, {}))", self.merge_keys.len());
        format!("Node {{ items: Some({}), merge_keys: {keys}, ..Node::LEAF }}", self.node(items))
    }

    fn add_type(&mut self, line: &'a str) {
        let words: Vec<_> = line.split(' ').collect();
        let [api_version, kind, scope, schema] = words[..] else { panic!("not a type: {line}") };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let scope = match scope {
            "cluster" => "Some(Scope::Cluster)",
            "namespaced" => "Some(Scope::Namespaced)",
            _ => "None",
        };
        let schema = if schema == "-" { "None".to_owned() } else { format!("Some({})", self.node(schema)) };
        let fingerprint = fingerprint(group, version, kind);
        let names = [kind, group, version].map(|name| self.name(name));
        let [kind_at, group_at, version_at] = names.map(|name| format!("{name:?}"));
        let row = format!(
            "Type {{ fingerprint: {fingerprint}, kind: {kind_at}, group: {group_at}, version: {version_at}, \
             scope: {scope}, schema: {schema} }}"
        );
        self.types.push(([group, version, kind], row));
    }

    fn write(mut self) -> String {
        // As `Table::find` looks for them.
        self.types.sort_by_cached_key(|([group, version, kind], _)| fingerprint(group, version, kind));
        self.definitions.sort_unstable();
        let definitions = std::mem::take(&mut self.definitions);
        let definitions: Vec<_> = definitions.into_iter().map(|(name, node)| (self.name(name), node)).collect();
        let types: Vec<_> = self.types.iter().map(|(_, row)| row).collect();
        let mut out = String::from("pub(super) static KUBERNETES: Table = Table {\n");
        writeln!(out, "    text: Cow::Borrowed({:?}),", self.text).expect("strings take it");
        list(&mut out, "nodes", self.nodes.iter());
        list(&mut out, "fields", self.fields.iter().map(|field| format!("{field:?}")));
        list(&mut out, "merge_keys", self.merge_keys.iter().map(|key| format!("{key:?}")));
        list(&mut out, "definitions", definitions.iter().map(|definition| format!("{definition:?}")));
        list(&mut out, "types", types.iter());
        out.push_str("};\n");
        out
    }
}

fn list(out: &mut String, field: &str, rows: impl Iterator<Item = impl std::fmt::Display>) {
    writeln!(out, "    {field}: Cow::Borrowed(&[").expect("strings take it");
    rows.for_each(|row| writeln!(out, "        {row},").expect("strings take it"));
    out.push_str("    ]),\n");
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().expect("split yields at least one")
}
