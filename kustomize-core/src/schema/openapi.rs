//! Reads an OpenAPI v2 document into a [`Table`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::fingerprint::fingerprint;
use super::table::{Node, NodeIndex, Range, Scope, Table, Type};

const GVK: &str = "x-kubernetes-group-version-kind";
const STRATEGY: &str = "x-kubernetes-patch-strategy";
const MERGE_KEY: &str = "x-kubernetes-patch-merge-key";
const MERGE_KEYS: &str = "x-kubernetes-list-map-keys";
/// A longer chain of references to references is taken for a circle.
const MAX_REFERENCES: usize = 100;

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// There is only one built-in version.
    #[error("the OpenAPI version {version} is not built in, only {} is", super::Schema::BUILTIN_VERSION)]
    UnknownVersion {
        /// What was asked for.
        version: String,
    },
    /// The document is neither JSON nor YAML.
    #[error("cannot parse the OpenAPI document")]
    Parse {
        /// What the parser says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the document has the wrong type.
    #[error("the OpenAPI document has no {wanted} at {at}")]
    Invalid {
        /// Where, as a path from the document's root.
        at: String,
        /// What OpenAPI wants there.
        wanted: &'static str,
    },
}

/// Reads a document, on top of the schema `base` if there is one.
pub(super) fn read(text: &str, base: Option<&Table>) -> Result<Table, SchemaError> {
    let document = parse(text)?;
    let root = object(&document, || "/".to_owned())?;
    let empty = Map::new();
    let definitions = root.get("definitions").map_or(Ok(&empty), |at| object(at, || "/definitions".into()))?;
    let paths = root.get("paths").map_or(Ok(&empty), |at| object(at, || "/paths".into()))?;
    let table = base.cloned().unwrap_or_default();
    let mut reader = Reader { document: &document, base, table, seen: HashMap::new(), unread: Vec::new() };
    let mut types = scopes(paths);
    if let Some(base) = base {
        for of in base.types.iter() {
            let key = [of.kind, of.group, of.version].map(|name| base.name(name).to_owned());
            types.entry(key).or_default().1 = of.schema;
        }
    }
    for (name, definition) in definitions {
        let node = reader.node(definition, format!("/definitions/{name}"));
        for key in type_keys(&definition[GVK]) {
            types.entry(key).or_default().1 = node;
        }
    }
    reader.read_all()?;
    let mut types: Vec<_> = types.iter().map(|(key, known)| reader.new_type(key, *known)).collect();
    types.sort_by_key(|of| of.fingerprint);
    Ok(Table { types: types.into(), ..reader.table })
}

fn parse(text: &str) -> Result<Value, SchemaError> {
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|source| SchemaError::Parse { source: source.into() });
    }
    serde_yaml::from_str(text).map_err(|source| SchemaError::Parse { source: source.into() })
}

fn object(value: &Value, at: impl FnOnce() -> String) -> Result<&Map<String, Value>, SchemaError> {
    value.as_object().ok_or_else(|| SchemaError::Invalid { at: at(), wanted: "object" })
}

/// Kind, group and version.
type TypeKey = [String; 3];
type Types = BTreeMap<TypeKey, (Option<Scope>, Option<NodeIndex>)>;

/// Whether a type is namespaced, from the paths under which the API serves it.
fn scopes(paths: &Map<String, Value>) -> Types {
    let mut types = Types::new();
    for (path, methods) in paths {
        for key in type_keys(&methods["get"][GVK]) {
            let scope = &mut types.entry(key).or_default().0;
            if path.contains("namespaces/{namespace}") {
                *scope = Some(Scope::Namespaced);
            } else {
                scope.get_or_insert(Scope::Cluster);
            }
        }
    }
    types
}

/// The types that the extension lists: an object, or several.
fn type_keys(extension: &Value) -> Vec<TypeKey> {
    let list = match extension {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |of: &Value| of.as_str().map(str::to_owned);
    let key =
        |gvk: &Value| Some([text(&gvk["kind"])?, text(&gvk["group"]).unwrap_or_default(), text(&gvk["version"])?]);
    list.iter().filter_map(key).collect()
}

struct Reader<'a> {
    document: &'a Value,
    base: Option<&'a Table>,
    /// What is read so far, after what `base` has.
    table: Table,
    /// By address, so that what many references name is read once, and circles end.
    seen: HashMap<*const Value, NodeIndex>,
    /// Schemas that have a node but were not looked into, and where they are.
    /// A list instead of recursion: chains of references may be long.
    unread: Vec<(NodeIndex, &'a Value, String)>,
}

impl<'a> Reader<'a> {
    /// The node of a schema; `None` if it is a reference to nothing.
    fn node(&mut self, schema: &'a Value, at: String) -> Option<NodeIndex> {
        let schema = match self.resolve(schema)? {
            Resolved::Schema(schema) => schema,
            Resolved::Base(node) => return Some(node),
        };
        if let Some(node) = self.seen.get(&std::ptr::from_ref(schema)) {
            return Some(*node);
        }
        let nodes = self.table.nodes.to_mut();
        let index = nodes.len() as NodeIndex;
        nodes.push(Node::LEAF);
        self.seen.insert(schema, index);
        self.unread.push((index, schema, at));
        Some(index)
    }

    fn read_all(&mut self) -> Result<(), SchemaError> {
        while let Some((index, schema, at)) = self.unread.pop() {
            let schema = object(schema, || at.clone())?;
            let node = Node {
                fields: self.properties(schema, &at)?,
                values: self.part(schema, "additionalProperties", &at),
                items: if is_array(schema) { self.part(schema, "items", &at) } else { None },
                merge_keys: merge_keys(schema).map(|keys| self.merge_keys(&keys)),
            };
            self.table.nodes.to_mut()[index as usize] = node;
        }
        Ok(())
    }

    fn properties(&mut self, schema: &'a Map<String, Value>, at: &str) -> Result<Range, SchemaError> {
        let Some(properties) = schema.get("properties") else { return Ok((0, 0)) };
        let properties = object(properties, || format!("{at}/properties"))?;
        let mut fields = Vec::with_capacity(properties.len());
        for (name, property) in properties {
            if let Some(node) = self.node(property, format!("{at}/properties/{name}")) {
                fields.push((name.as_str(), node));
            }
        }
        // The tables are searched by halving; `Map` may keep the document's order.
        fields.sort_unstable();
        let fields: Vec<_> = fields.into_iter().map(|(name, node)| (self.name(name), node)).collect();
        Ok(append(&mut self.table.fields, fields))
    }

    fn merge_keys(&mut self, keys: &[&str]) -> Range {
        let keys: Vec<_> = keys.iter().map(|key| self.name(key)).collect();
        append(&mut self.table.merge_keys, keys)
    }

    fn new_type(&mut self, key: &TypeKey, (scope, schema): (Option<Scope>, Option<NodeIndex>)) -> Type {
        let [kind, group, version] = key;
        let fingerprint = fingerprint(group, version, kind);
        let [kind, group, version] = [kind, group, version].map(|name| self.name(name));
        Type { fingerprint, kind, group, version, scope, schema }
    }

    fn name(&mut self, name: &str) -> Range {
        let text = self.table.text.to_mut();
        let start = text.len() as u32;
        text.push_str(name);
        (start, text.len() as u32)
    }

    /// A schema inside another; none if there is a plain `true` or `false`, or a list of schemas.
    fn part(&mut self, schema: &'a Map<String, Value>, name: &str, at: &str) -> Option<NodeIndex> {
        let part = schema.get(name).filter(|part| part.is_object())?;
        self.node(part, format!("{at}/{name}"))
    }

    fn resolve(&self, mut schema: &'a Value) -> Option<Resolved<'a>> {
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema["$ref"].as_str().filter(|reference| !reference.is_empty()) else {
                return Some(Resolved::Schema(schema));
            };
            match self.document.pointer(reference.strip_prefix('#')?) {
                Some(referred) => schema = referred,
                None => return self.base?.definition(short(reference)?).map(Resolved::Base),
            }
        }
        None
    }
}

/// Where the rows are in the table now.
fn append<T: Clone>(table: &mut Cow<'static, [T]>, rows: Vec<T>) -> Range {
    let table = table.to_mut();
    let start = table.len() as u32;
    table.extend(rows);
    (start, table.len() as u32)
}

/// What a reference leads to.
enum Resolved<'a> {
    Schema(&'a Value),
    /// A definition of the schema below.
    Base(NodeIndex),
}

/// What a definition of Kubernetes is called in the built-in table: `compact.py` takes the same prefixes off.
fn short(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix("#/definitions/")?;
    let prefixes = [
        "io.k8s.api.",
        "io.k8s.apimachinery.pkg.apis.",
        "io.k8s.apiextensions-apiserver.pkg.apis.",
        "io.k8s.kube-aggregator.pkg.apis.",
        "io.k8s.apimachinery.pkg.",
    ];
    Some(prefixes.into_iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name))
}

fn is_array(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "array",
        Some(Value::Array(names)) => matches!(&names[..], [Value::String(name)] if name == "array"),
        _ => false,
    }
}

/// As kyaml's `PatchStrategyAndKeyList`: the list of keys wins over the one
/// key, and neither counts without the strategy.
fn merge_keys(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    let strategy = schema.get(STRATEGY)?.as_str()?;
    strategy.split(',').any(|name| name == "merge").then_some(())?;
    let keys = match (schema.get(MERGE_KEYS), schema.get(MERGE_KEY)) {
        (Some(Value::Array(keys)), _) => keys.as_slice(),
        (_, Some(key)) => std::slice::from_ref(key),
        _ => &[],
    };
    Some(keys.iter().filter_map(Value::as_str).collect())
}
