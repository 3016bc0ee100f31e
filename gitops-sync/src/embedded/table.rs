//! Tables, which kubectl prints.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::columns;
use super::read::metadata_only;
use super::resource::Resource;

/// What the API's own documentation says of the fields, which real servers send along.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some \
resources may allow a client to request the generation of an appropriate name automatically. Name is primarily \
intended for creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It \
is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is \
represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
/// A column with the way to fill it.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) format: &'static str,
    pub(crate) description: String,
    /// Shown only with `-o wide` above 0.
    pub(crate) priority: i64,
    pub(crate) cell: Cell,
}

pub(crate) enum Cell {
    /// The value below a path of fields.
    At(&'static str),
    /// The value at a JSON path of a custom resource, of that type.
    Path(String, String),
    /// Text made of the object.
    Text(fn(&Value) -> String),
    /// A number counted in the object.
    Number(fn(&Value) -> i64),
}

/// A table of objects of one kind.
pub(crate) fn of(resource: &Resource, objects: &[Value], metadata: Value) -> Value {
    let columns = columns(resource);
    let definitions: Vec<_> = columns
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
                   "description": column.description, "priority": column.priority})
        })
        .collect();
    let rows: Vec<_> = objects
        .iter()
        .map(|object| {
            let cells: Vec<_> = columns.iter().map(|column| column.cell.fill(object)).collect();
            json!({"cells": cells, "object": metadata_only(object)})
        })
        .collect();
    let list = ["resourceVersion", "continue", "remainingItemCount"];
    let metadata: serde_json::Map<_, _> =
        list.iter().filter_map(|field| Some(((*field).to_owned(), metadata.get(*field)?.clone()))).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
           "columnDefinitions": definitions, "rows": rows})
}

impl Cell {
    fn fill(&self, object: &Value) -> Value {
        match self {
            Self::At(path) => at(object, path).clone(),
            Self::Text(f) => json!(f(object)),
            Self::Number(f) => json!(f(object)),
            Self::Path(path, kind) => {
                let found = at(object, path.trim_start_matches('.'));
                match (kind.as_str(), found) {
                    ("date", Value::String(time)) => json!(age(time)),
                    (_, found) => found.clone(),
                }
            }
        }
    }
}

/// Follows field names and, in brackets, positions or quoted names.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let mut found = object;
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => {
                let end = rest.replace("\\.", "\0\0").find(['.', '[']).unwrap_or(rest.len());
                (&rest[..end], &rest[end..])
            }
        };
        rest = after.strip_prefix('.').unwrap_or(after);
        let name = step.trim_matches(['\'', '"']).replace("\\.", ".");
        found = match name.parse::<usize>() {
            Ok(index) if found.is_array() => &found[index],
            _ => &found[name.as_str()],
        };
    }
    found
}

impl Column {
    pub(crate) fn new(name: &str, kind: &'static str, cell: Cell) -> Self {
        Self { name: name.to_owned(), kind, format: "", description: String::new(), priority: 0, cell }
    }
}

fn name_column() -> Column {
    Column { format: "name", description: NAME.into(), ..Column::new("Name", "string", Cell::At("metadata.name")) }
}

fn age_column() -> Column {
    let cell = Cell::Text(|object| age(object["metadata"]["creationTimestamp"].as_str().unwrap_or("")));
    Column { description: CREATED.into(), ..Column::new("Age", "string", cell) }
}

/// Names, between which the columns of a kind stand.
fn columns(resource: &Resource) -> Vec<Column> {
    let mut columns = vec![name_column()];
    match &resource.custom {
        Some(custom) if !custom.columns.is_empty() => columns.extend(custom.columns.iter().map(custom_column)),
        Some(_) => columns.push(age_column()),
        None => {
            let (wide, narrow): (Vec<_>, Vec<_>) =
                columns::of(resource).into_iter().partition(|column| column.priority > 0);
            columns.extend(narrow);
            columns.push(age_column());
            columns.extend(wide);
        }
    }
    columns
}

fn custom_column(definition: &Value) -> Column {
    let text = |field: &str| definition[field].as_str().unwrap_or("").to_owned();
    let path = text("jsonPath");
    let description = match text("description") {
        none if none.is_empty() => format!("Custom resource definition column (in JSONPath format): {path}"),
        given => given,
    };
    let kind = match text("type").as_str() {
        "integer" => "integer",
        "number" => "number",
        "boolean" => "boolean",
        "date" => "date",
        _ => "string",
    };
    Column {
        name: text("name"),
        kind,
        format: "",
        description,
        priority: definition["priority"].as_i64().unwrap_or(0),
        cell: Cell::Path(path, text("type")),
    }
}

/// How long ago a time was, as kubectl prints it.
fn age(time: &str) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return "<unknown>".into() };
    let seconds = Timestamp::now().as_second() - time.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        i64::MIN..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        120..10800 => format!("{minutes}m"),
        10800..28800 if minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
        10800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 > 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_reach_into_lists_and_dotted_names() {
        let object = json!({"a": [{"b.c": 1}], "d": {"e": 2}});
        assert_eq!(*at(&object, r"a[0].b\.c"), 1);
        assert_eq!(*at(&object, "d['e']"), 2);
    }
}
