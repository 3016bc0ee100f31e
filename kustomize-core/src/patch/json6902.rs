//! JSON patches (RFC 6902) as kustomize carries them out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::value::RawValue;

use crate::yaml::{self, Document, EmitError, Limits, ParseError, SourceText, json};

use super::lazy_json::Json;

/// Why a JSON patch cannot be read or does not fit its target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonPatchError {
    /// The patch is not valid YAML.
    #[error("the JSON patch is not valid YAML")]
    Yaml {
        /// What is wrong, and where.
        #[source]
        source: ParseError,
    },
    /// The patch has values that JSON does not have.
    #[error("the JSON patch cannot be written as JSON")]
    Unprintable {
        /// Which.
        #[source]
        source: EmitError,
    },
    /// The patch is not a list of operations.
    #[error("the JSON patch is not a list of operations")]
    Json {
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// One of the operations lacks something.
    #[error("operation {number} of the JSON patch {problem}")]
    Malformed {
        /// Which operation, counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The target cannot be written as JSON, and so not be patched.
    #[error("the resource cannot be written as JSON")]
    Target {
        /// What of it.
        #[source]
        source: EmitError,
    },
    /// An operation does not fit the target.
    #[error("operation {number} of the JSON patch, {operation}: {problem}")]
    Operation {
        /// Which operation, counted from 1.
        number: usize,
        /// What it is, such as `add /spec/replicas`.
        operation: String,
        /// Why it cannot be carried out.
        problem: String,
    },
    /// What the patch leaves is not a resource.
    #[error("the JSON patch leaves something that is not an object")]
    NotAnObject,
    /// What the patch leaves cannot be read.
    #[error("what the JSON patch leaves cannot be read")]
    Result {
        /// What of it, such as a number beyond a 64-bit float.
        #[source]
        source: serde_json::Error,
    },
}

/// How many bytes the operations of a patch may copy: a part can be copied into
/// itself, so that a few lines could ask for any size.
const MAX_COPIED: usize = 16 << 20;

/// How deep the operations of a patch may nest what they move: two that move
/// two objects into each other in turns could ask for any depth.
const MAX_DEPTH: usize = 256;

/// A list of operations.
///
/// They behave as those of the Go package that kustomize uses: an index may
/// be negative, `replace` wants its target to exist, `test` compares scalars
/// by their JSON text.
#[derive(Debug, Clone)]
pub(crate) struct JsonPatch {
    operations: Vec<Operation>,
}

#[derive(Debug, Clone)]
struct Operation {
    kind: Kind,
    path: String,
}

#[derive(Debug, Clone)]
enum Kind {
    Add(Json),
    Replace(Json),
    Remove,
    Test(Json),
    /// From another path.
    Move(String),
    Copy(String),
}

impl JsonPatch {
    /// Reads a patch in JSON, or in YAML if it does not start with `[`.
    ///
    /// A text that is only `null` or a comment is a patch without operations.
    pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Self, JsonPatchError> {
        if text.starts_with('[') {
            return Self::from_json(text);
        }
        let source = SourceText { text: text.to_owned() };
        let doc = yaml::parse_v2(source.into(), limits).map_err(|source| JsonPatchError::Yaml { source })?;
        let json = json::write_go(&doc, doc.root(), true).map_err(|source| JsonPatchError::Unprintable { source })?;
        Self::from_json(&json)
    }

    fn from_json(text: &str) -> Result<Self, JsonPatchError> {
        // In Go's JSON, null stands for any type's empty value, and a key that comes again wins.
        type Members = Option<HashMap<String, Box<RawValue>>>;
        let list: Option<Vec<Members>> =
            serde_json::from_str(text).map_err(|source| JsonPatchError::Json { source })?;
        let operations = list.unwrap_or_default().into_iter().enumerate().map(|(index, members)| {
            let malformed = |problem| JsonPatchError::Malformed { number: index + 1, problem };
            Operation::new(members.unwrap_or_default()).map_err(malformed)
        });
        Ok(Self { operations: operations.collect::<Result<_, _>>()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Carries out all operations, or none if one of them fails.
    ///
    /// Even a patch without operations sends the resource through JSON, which
    /// rounds its numbers to 64-bit floats.
    pub(crate) fn apply(&self, target: &mut Document) -> Result<(), JsonPatchError> {
        let result = |source| JsonPatchError::Result { source };
        let text = json::write_go(target, target.root(), true).map_err(|source| JsonPatchError::Target { source })?;
        let mut root = Json::parse(&text).map_err(result)?;
        let mut copied = 0;
        for (index, operation) in self.operations.iter().enumerate() {
            operation.apply(&mut root, &mut copied).map_err(|problem| JsonPatchError::Operation {
                number: index + 1,
                operation: operation.to_string(),
                problem,
            })?;
        }
        if !matches!(root.open(), Json::Object(_)) {
            return Err(JsonPatchError::NotAnObject);
        }
        let mut patched = Document::sourceless();
        let node = json::read(&root.to_text().map_err(result)?, &mut patched).map_err(result)?;
        patched.set_root(node);
        *target = patched;
        Ok(())
    }
}

impl Operation {
    fn new(mut members: HashMap<String, Box<RawValue>>) -> Result<Self, &'static str> {
        let text = |name: &str| members.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let kind = text("op").ok_or("has no op")?;
        let (path, from) = (text("path"), text("from"));
        let value = members.remove("value").map(Json::from_raw);
        let kind = match &*kind {
            "add" => Kind::Add(value.ok_or("has no value")?),
            "replace" => Kind::Replace(value.ok_or("has no value")?),
            "remove" => Kind::Remove,
            "test" => Kind::Test(value.unwrap_or(Json::Null)),
            "move" => Kind::Move(from.ok_or("has no from")?),
            "copy" => Kind::Copy(from.ok_or("has no from")?),
            _ => return Err("is neither add, remove, replace, move, copy nor test"),
        };
        Ok(Self { kind, path: path.ok_or("has no path")? })
    }

    /// Adds to `copied` how many bytes it copies.
    fn apply(&self, root: &mut Json, copied: &mut usize) -> Result<(), String> {
        match &self.kind {
            Kind::Add(value) => find(root, &self.path)?.add(value.clone()),
            Kind::Replace(value) if self.path.is_empty() => {
                replace_root(root, value.clone());
                Ok(())
            }
            Kind::Replace(value) => {
                *find(root, &self.path)?.into_value()? = value.clone();
                Ok(())
            }
            Kind::Remove => find(root, &self.path)?.remove().map(drop),
            Kind::Test(value) => self.test(root, value.clone()),
            Kind::Move(from) => {
                let value = find(root, from)?.remove()?;
                self.check_depth(&value)?;
                find(root, &self.path)?.add(value)
            }
            Kind::Copy(from) => {
                let value = find(root, from)?.into_value()?;
                *copied += value.size();
                if *copied > MAX_COPIED {
                    return Err(format!("the patch copies more than {MAX_COPIED} bytes"));
                }
                let value = value.clone();
                self.check_depth(&value)?;
                find(root, &self.path)?.add(value)
            }
        }
    }

    fn check_depth(&self, value: &Json) -> Result<(), String> {
        let depth = self.path.matches('/').count() + value.depth();
        if depth > MAX_DEPTH { Err(format!("that nests more than {MAX_DEPTH} levels")) } else { Ok(()) }
    }

    fn test(&self, root: &mut Json, mut wanted: Json) -> Result<(), String> {
        // A key that is missing is as good as null.
        let mut missing = Json::Null;
        let found = match self.path.as_str() {
            "" => root,
            path => match find(root, path)? {
                Place { container: Container::Object(object), key } => object.get_mut(&key).unwrap_or(&mut missing),
                place => place.into_value()?,
            },
        };
        if found.equals(&mut wanted) { Ok(()) } else { Err("the value is another one".to_owned()) }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Add(_) => write!(f, "add {}", self.path),
            Kind::Replace(_) => write!(f, "replace {}", self.path),
            Kind::Remove => write!(f, "remove {}", self.path),
            Kind::Test(_) => write!(f, "test {}", self.path),
            Kind::Move(from) => write!(f, "move {from} to {}", self.path),
            Kind::Copy(from) => write!(f, "copy {from} to {}", self.path),
        }
    }
}

/// Only an object or array takes the place of the document; the Go package
/// means to refuse anything else, but ignores it.
fn replace_root(root: &mut Json, mut value: Json) {
    if matches!(value.open(), Json::Object(_) | Json::Array(_)) {
        *root = value;
    }
}

/// A key or index in an object or array.
struct Place<'a> {
    container: Container<'a>,
    key: String,
}

enum Container<'a> {
    Object(&'a mut BTreeMap<String, Json>),
    Array(&'a mut Vec<Json>),
}

/// The place that a JSON pointer names. What is before its first slash does not count.
fn find<'a>(root: &'a mut Json, path: &str) -> Result<Place<'a>, String> {
    let (_, tokens) = path.split_once('/').ok_or_else(|| format!("`{path}` is not a path"))?;
    let (parents, key) = tokens.rsplit_once('/').map_or((None, tokens), |(parents, key)| (Some(parents), key));
    let mut at = root;
    let mut walked = String::new();
    for token in parents.into_iter().flat_map(|parents| parents.split('/')) {
        let place = Place::new(at, token).ok_or_else(|| no_container(&walked))?;
        at = place.into_value().map_err(|problem| format!("{problem} at {}", shown(&walked)))?;
        walked = format!("{walked}/{token}");
    }
    Place::new(at, key).ok_or_else(|| no_container(&walked))
}

fn no_container(path: &str) -> String {
    format!("there is neither an object nor a list at {}", shown(path))
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the root" } else { path }
}

impl<'a> Place<'a> {
    fn new(at: &'a mut Json, token: &str) -> Option<Self> {
        let container = match at.open() {
            Json::Object(object) => Container::Object(object),
            Json::Array(array) => Container::Array(array),
            Json::Null | Json::Raw(_) => return None,
        };
        Some(Self { container, key: token.replace("~1", "/").replace("~0", "~") })
    }

    fn into_value(self) -> Result<&'a mut Json, String> {
        match self.container {
            Container::Object(object) => object.get_mut(&self.key).ok_or_else(|| no_key(&self.key)),
            Container::Array(array) => {
                let index = index(&self.key, array.len())?;
                array.get_mut(index).ok_or_else(|| no_item(&self.key))
            }
        }
    }

    fn remove(self) -> Result<Json, String> {
        match self.container {
            Container::Object(object) => object.remove(&self.key).ok_or_else(|| no_key(&self.key)),
            Container::Array(array) => {
                let index = index(&self.key, array.len())?;
                if index < array.len() { Ok(array.remove(index)) } else { Err(no_item(&self.key)) }
            }
        }
    }

    fn add(self, value: Json) -> Result<(), String> {
        match self.container {
            Container::Object(object) => {
                object.insert(self.key, value);
            }
            Container::Array(array) if self.key == "-" => array.push(value),
            Container::Array(array) => {
                // Counted from the end, -1 is the place after the last item.
                let index = index(&self.key, array.len() + 1)?;
                if index > array.len() {
                    return Err(no_item(&self.key));
                }
                array.insert(index, value);
            }
        }
        Ok(())
    }
}

/// An index as Go's `Atoi` reads it; a negative one counts from the end.
fn index(key: &str, len: usize) -> Result<usize, String> {
    let index: i64 = key.parse().map_err(|_| format!("`{key}` is not an index"))?;
    let from_start = if index < 0 { index + len as i64 } else { index };
    usize::try_from(from_start).map_err(|_| no_item(key))
}

fn no_key(key: &str) -> String {
    format!("there is no key `{key}`")
}

fn no_item(index: &str) -> String {
    format!("there is no item {index}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    const TARGET: &str = "{m: {x: 1, n: null, s: a<b}, l: [a, b, null], f: 1.0, big: 9007199254740993}";

    fn patched(target: &str, patch: &str) -> Result<String, JsonPatchError> {
        let source = Arc::new(SourceText { text: target.to_owned() });
        let mut doc = yaml::parse(source, &Limits::default()).expect("test YAML").remove(0);
        JsonPatch::parse(patch, &Limits::default())?.apply(&mut doc)?;
        Ok(json::write_go(&doc, doc.root(), false).expect("JSON"))
    }

    /// What the operation leaves in `m` and `l`.
    fn after(operation: &str) -> Option<String> {
        let text = patched(TARGET, &format!("[{operation}]")).ok()?;
        let (_, rest) = text.split_once("\"l\":").expect("a list");
        Some(rest.to_owned())
    }

    #[test]
    fn numbers_are_rounded_wherever_they_are() {
        assert!(patched(TARGET, "[]").expect("patched").contains("\"big\":9007199254740992,\"f\":1,"));
    }

    #[test]
    fn operations_work_as_in_go() {
        let m = r#""m":{"n":null,"s":"a<b","x":1}"#;
        for (operation, expected) in [
            (r#"{"op":"replace","path":"/l/-1","value":7}"#, Some(format!(r#"["a","b",7],{m}}}"#))),
            (r#"{"op":"replace","path":"/l/+1","value":7}"#, Some(format!(r#"["a",7,null],{m}}}"#))),
            (r#"{"op":"replace","path":"/l/3","value":7}"#, None),
            (r#"{"op":"replace","path":"/m/none","value":7}"#, None),
            (r#"{"op":"add","path":"/l/-1","value":7}"#, Some(format!(r#"["a","b",null,7],{m}}}"#))),
            (r#"{"op":"add","path":"/l/-4","value":7}"#, Some(format!(r#"[7,"a","b",null],{m}}}"#))),
            (r#"{"op":"add","path":"/l/4","value":7}"#, None),
            (r#"{"op":"add","path":"/l/-","value":7}"#, Some(format!(r#"["a","b",null,7],{m}}}"#))),
            (r#"{"op":"add","path":"/m/none/x","value":7}"#, None),
            (r#"{"op":"add","path":"/m/n/x","value":7}"#, None),
            (r#"{"op":"remove","path":"/m/none"}"#, None),
            (
                r#"{"op":"move","from":"/m/n","path":"/l/0"}"#,
                Some(r#"[null,"a","b",null],"m":{"s":"a<b","x":1}}"#.into()),
            ),
            (r#"{"op":"move","from":"/m","path":"/m/x"}"#, None),
            (r#"{"op":"copy","from":"/l/-3","path":"/l/0"}"#, Some(format!(r#"["a","a","b",null],{m}}}"#))),
            (r#"{"op":"test","path":"/m/none","value":null}"#, Some(format!(r#"["a","b",null],{m}}}"#))),
            (r#"{"op":"test","path":"/m/x","value":1.0}"#, None),
            (r#"{"op":"test","path":"/m/s","value":"a<b"}"#, None),
            (r#"{"op":"test","path":"/m/s","value":"a\u003cb"}"#, Some(format!(r#"["a","b",null],{m}}}"#))),
            (r#"{"op":"replace","path":"","value":3}"#, Some(format!(r#"["a","b",null],{m}}}"#))),
        ] {
            assert_eq!(after(operation), expected, "{operation}");
        }
    }

    #[test]
    fn yaml_is_read_too_and_what_is_no_patch_is_refused() {
        assert!(patched(TARGET, "- op: test\n  path: /m/s\n  value: a<b\n").is_ok());
        assert!(patched(TARGET, "# nothing").is_ok());
        for (patch, message) in [
            ("[{op: add}]", "the JSON patch is not a list of operations"),
            ("[{\"op\":\"add\",\"path\":\"/a\"}]", "operation 1 of the JSON patch has no value"),
            (
                "- {op: put, path: /a}",
                "operation 1 of the JSON patch is neither add, remove, replace, move, copy nor test",
            ),
            ("- {op: remove, path: /m/q}", "operation 1 of the JSON patch, remove /m/q: there is no key `q`"),
        ] {
            assert_eq!(patched(TARGET, patch).expect_err(patch).to_string(), message);
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf =
            prop_oneof![Just(serde_json::json!(null)), any::<i16>().prop_map(Into::into), "[a-c]".prop_map(Into::into)];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::hash_map("[a-c]", inner, 0..3)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn operation() -> impl Strategy<Value = serde_json::Value> {
        let path = || prop::collection::vec("[a-c0-2]", 1..4).prop_map(|tokens| format!("/{}", tokens.join("/")));
        let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
        (op, path(), path(), value()).prop_map(
            |(op, path, from, value)| serde_json::json!({"op": op, "path": path, "from": from, "value": value}),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Where both have a result it is the same. The crate, unlike Go, fails to
        /// move a value into itself or to find a null where a key is missing. (Its
        /// `patch_unsafe` is the one that does not roll back, which may panic.)
        #[test]
        fn agrees_with_another_implementation(
            target in prop::collection::btree_map("[a-c]", value(), 0..4),
            patch in prop::collection::vec(operation(), 0..4),
        ) {
            let mut expected = serde_json::json!(target);
            let ours = patched(&expected.to_string(), &serde_json::json!(patch).to_string());
            let theirs: json_patch::Patch = serde_json::from_value(serde_json::json!(patch)).expect("a patch");
            if json_patch::patch_unsafe(&mut expected, &theirs).is_ok() {
                prop_assert_eq!(ours.expect("applies"), expected.to_string());
            }
        }
    }
}
