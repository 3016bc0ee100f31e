//! The types of the built-in kinds.
//!
//! `builtin.schema` states, one struct a line, the JSON fields of the Kubernetes 1.36 API types:
//! their types, list types and keys, patch merge keys, and whether Go writes them when empty.
//! The facts are those of the `json`, `protobuf`, `patchStrategy` and `patchMergeKey` tags and of the
//! `+listType`, `+listMapKey`, `+mapType`, `+structType` and `+default` markers of `k8s.io/api`,
//! `k8s.io/apimachinery`, `k8s.io/apiextensions-apiserver` and `k8s.io/kube-aggregator`.
//!
//! A line is `NAME[!] FIELD…`, where `!` makes the struct atomic. A field is
//! `name[!|?|?!][=default][#number]:TYPE[~key|~*][^]`: `!` always written, `?` a pointer, `?!` a
//! pointer written as null; the number is that of protobuf, after those of the structs that Go
//! embeds it through; `~` is the strategic merge key (`*` for sets), `^` retains only given keys.
//! A type is `s` string, `n` number, `b` bool, `q` quantity, `i` int-or-string, `t` time,
//! `x` bytes, `a` anything, a struct (`Name`, or `@section.Name`, with `!` for atomic),
//! `[T]` an atomic list, `[T *]` a set, `[T k,…]` a list map, `<T>` a map, `<T!>` an atomic one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::schema::{Field, ListKind, ListType, MapType, PatchStrategy, Presence, Scalar, Type};

const TEXT: &str = include_str!("builtin.schema");

/// The type of a built-in kind, such as `("apps/v1", "Deployment")`.
///
/// Some structs that are no kinds are found as well, under the section that declares them
/// (`("meta/v1", "ObjectMeta")`).
pub fn builtin_type(api_version: &str, kind: &str) -> Option<Arc<Type>> {
    types().get(&(section_of(api_version), kind.to_owned())).cloned()
}

/// The name of a struct of the table in OpenAPI documents, such as `io.k8s.api.core.v1.Pod`.
pub fn builtin_type_name(ty: &Arc<Type>) -> Option<&'static str> {
    static NAMES: OnceLock<HashMap<usize, String>> = OnceLock::new();
    // Types of the table live as long as the program, so their addresses tell them apart.
    let named = |((section, name), ty): (&(String, String), &Arc<Type>)| {
        (Arc::as_ptr(ty) as usize, open_api_name(section, name))
    };
    NAMES.get_or_init(|| types().iter().map(named).collect()).get(&(Arc::as_ptr(ty) as usize)).map(String::as_str)
}

fn types() -> &'static HashMap<(String, String), Arc<Type>> {
    static TYPES: OnceLock<HashMap<(String, String), Arc<Type>>> = OnceLock::new();
    TYPES.get_or_init(parse_all)
}

fn open_api_name(section: &str, name: &str) -> String {
    let dotted = section.replace('/', ".");
    let prefix = match section {
        "meta/v1" => "io.k8s.apimachinery.pkg.apis",
        "apiextensions/v1" => "io.k8s.apiextensions-apiserver.pkg.apis",
        "apiregistration/v1" => "io.k8s.kube-aggregator.pkg.apis",
        _ => "io.k8s.api",
    };
    format!("{prefix}.{dotted}.{name}")
}

/// The groups, versions and kinds for which [`builtin_type`] knows a type with `metadata`,
/// as `(apiVersion section, kind)`.
pub fn builtin_kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines().filter(|(_, line)| line.contains(" metadata!:")).filter_map(|(section, line)| {
        let name = line.split(' ').next()?;
        Some((section, name.trim_end_matches('!')))
    })
}

/// `rbac.authorization.k8s.io/v1` is declared in `rbac/v1`, `v1` in `core/v1`.
fn section_of(api_version: &str) -> String {
    match api_version.split_once('/') {
        None => format!("core/{api_version}"),
        Some((group, version)) => format!("{}/{version}", group.split('.').next().unwrap_or(group)),
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut section = "";
    TEXT.lines().filter_map(move |line| match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(name) => {
            section = name;
            None
        }
        None => Some((section, line)),
    })
}

fn parse_all() -> HashMap<(String, String), Arc<Type>> {
    let mut parser = Parser { lines: HashMap::new(), done: HashMap::new() };
    for (section, line) in lines() {
        let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
        let (name, atomic) = match name.strip_suffix('!') {
            Some(name) => (name, true),
            None => (name, false),
        };
        parser.lines.insert((section.to_owned(), name.to_owned()), (fields, atomic));
    }
    let mut names: Vec<_> = parser.lines.keys().cloned().collect();
    names.sort();
    for (section, name) in names {
        parser.named(&section, &name);
    }
    parser.done
}

struct Parser {
    lines: HashMap<(String, String), (&'static str, bool)>,
    done: HashMap<(String, String), Arc<Type>>,
}

impl Parser {
    fn named(&mut self, section: &str, name: &str) -> Arc<Type> {
        let key = (section.to_owned(), name.to_owned());
        if let Some(found) = self.done.get(&key) {
            return found.clone();
        }
        let Some((text, atomic)) = self.lines.get(&key).copied() else {
            return Arc::new(Type::Any);
        };
        let mut map = MapType { atomic, ..MapType::default() };
        for field in split_fields(text) {
            let (name, field) = self.field(section, field);
            map.fields.insert(name, field);
        }
        let ty = Arc::new(Type::Map(map));
        self.done.insert(key, ty.clone());
        ty
    }

    fn field(&mut self, section: &str, text: &str) -> (String, Field) {
        let (head, tail) = text.split_once(':').unwrap_or((text, "a"));
        let (head, number) = head.split_once('#').unwrap_or((head, ""));
        let number = number.split('.').filter_map(|part| part.parse().ok()).collect();
        let (head, default) = match head.split_once('=') {
            Some((head, default)) => (head, Some(Value::from(default))),
            None => (head, None),
        };
        let (tail, retain_keys) = match tail.strip_suffix('^') {
            Some(tail) => (tail, true),
            None => (tail, false),
        };
        let (ty, patch) = match tail.rsplit_once('~') {
            Some((ty, "*")) => (ty, Some(PatchStrategy::Set)),
            Some((ty, key)) => (ty, Some(PatchStrategy::Key(key.to_owned()))),
            None => (tail, None),
        };
        let name = head.trim_end_matches(['!', '?']);
        let presence = match &head[name.len()..] {
            "!" => Presence::Always,
            "?" => Presence::Given,
            "?!" => Presence::GivenOrNull,
            _ => Presence::NonZero,
        };
        (name.to_owned(), Field { ty: self.ty(section, ty), presence, default, patch, retain_keys, number })
    }

    fn ty(&mut self, section: &str, text: &str) -> Arc<Type> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Arc::new(self.list(section, inner));
        }
        if let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            let (inner, atomic) = match inner.strip_suffix('!') {
                Some(inner) => (inner, true),
                None => (inner, false),
            };
            let element = Some(self.ty(section, inner));
            return Arc::new(Type::Map(MapType { element, atomic, ..MapType::default() }));
        }
        let scalar = match text {
            "s" => Scalar::String,
            "n" => Scalar::Number,
            "b" => Scalar::Bool,
            "q" => Scalar::Quantity,
            "i" => Scalar::IntOrString,
            "t" => Scalar::Time,
            "x" => Scalar::Bytes,
            "a" => return Arc::new(Type::Any),
            name => return self.reference(section, name),
        };
        Arc::new(Type::Scalar(scalar))
    }

    fn list(&mut self, section: &str, text: &str) -> Type {
        let (item, kind) = match text.rsplit_once(' ') {
            None => (text, ListKind::Atomic),
            Some((item, "*")) => (item, ListKind::Set),
            Some((item, keys)) => (item, ListKind::Map(keys.split(',').map(str::to_owned).collect())),
        };
        Type::List(ListType { item: self.ty(section, item), kind })
    }

    fn reference(&mut self, section: &str, text: &str) -> Arc<Type> {
        let (text, atomic) = match text.strip_suffix('!') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let found = match text.strip_prefix('@').and_then(|text| text.rsplit_once('.')) {
            Some((section, name)) => self.named(section, name),
            None => self.named(section, text),
        };
        match (&*found, atomic) {
            (Type::Map(map), true) => Arc::new(Type::Map(MapType { atomic: true, ..map.clone() })),
            _ => found,
        }
    }
}

/// Fields are separated by blanks outside of brackets.
fn split_fields(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    text.split(move |c| match c {
        '[' | '<' => {
            depth += 1;
            false
        }
        ']' | '>' => {
            depth -= 1;
            false
        }
        ' ' => depth == 0,
        _ => false,
    })
    .filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_table_is_declared() {
        for (section, line) in lines() {
            for word in line.split([' ', ':', '[', '<', '>', ']']).filter(|word| word.starts_with('@')) {
                let word = word.trim_start_matches('@').split(['!', '~', '^']).next().unwrap_or("");
                let (section, name) = word.rsplit_once('.').expect(section);
                assert!(lines().any(|(s, l)| s == section && l.split([' ', '!']).next() == Some(name)), "{word}");
            }
        }
    }

    #[test]
    fn list_keys_and_their_defaults_are_known() {
        let service = builtin_type("v1", "Service").unwrap();
        let ports = service.field_type("spec").unwrap().field_type("ports").unwrap();
        let Type::List(ports) = &*ports else { panic!("a list") };
        let element = ports.element_of(&serde_json::json!({"port": 80})).unwrap();
        assert_eq!(element.to_string(), r#"[port=80,protocol="TCP"]"#);
    }
}
