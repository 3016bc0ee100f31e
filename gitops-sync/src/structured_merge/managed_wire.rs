//! `metadata.managedFields`, the wire form of managers.

use serde_json::{Map, Value, json};

use super::fields_v1::FieldsError;
use super::managed::ManagedFields;
use super::manager::{Manager, ManagerFields, Operation};
use super::set::FieldSet;

impl ManagedFields {
    /// Reads `metadata.managedFields` of an object. Missing means nobody manages anything.
    ///
    /// # Errors
    ///
    /// When an entry has an unknown operation, no version, or fields that cannot be read.
    pub fn read(object: &Value) -> Result<Self, FieldsError> {
        let mut managed = Self::default();
        for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
            let (manager, fields) = read_entry(entry)?;
            managed.managers.insert(manager, fields);
        }
        Ok(managed)
    }

    /// The entries as the API server orders them: appliers first, then by time and name.
    pub fn to_json(&self) -> Vec<Value> {
        let mut entries: Vec<_> = self.managers.iter().collect();
        entries.sort_by(|(a, x), (b, y)| {
            let key =
                |m: &Manager, f: &ManagerFields| (m.operation, f.time.clone(), m.name.clone(), f.api_version.clone());
            key(a, x).cmp(&key(b, y)).then_with(|| a.subresource.cmp(&b.subresource))
        });
        entries.into_iter().map(|(manager, fields)| write_entry(manager, fields)).collect()
    }

    /// Writes the entries into an object, or removes the list when there are none.
    pub fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if self.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(self.to_json()));
        }
    }
}

fn read_entry(entry: &Value) -> Result<(Manager, ManagerFields), FieldsError> {
    let text = |name: &str| entry[name].as_str().unwrap_or("").to_owned();
    let invalid = |key: &str| FieldsError { key: format!("{key}: {}", entry[key]) };
    let operation = match entry["operation"].as_str() {
        Some("Apply") => Operation::Apply,
        Some("Update") => Operation::Update,
        _ => return Err(invalid("operation")),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err(invalid("apiVersion"));
    }
    if entry["fieldsType"] != "FieldsV1" {
        return Err(invalid("fieldsType"));
    }
    let manager = match operation {
        Operation::Apply => Manager::applier(text("manager"), text("subresource")),
        Operation::Update => Manager::updater(text("manager"), api_version.clone(), text("subresource")),
    };
    let fields = FieldSet::from_fields_v1(&entry["fieldsV1"])?;
    Ok((manager, ManagerFields { fields, api_version, time: entry["time"].as_str().map(str::to_owned) }))
}

fn write_entry(manager: &Manager, fields: &ManagerFields) -> Value {
    let mut entry = Map::new();
    entry.insert("manager".into(), json!(manager.name));
    entry.insert("operation".into(), json!(manager.operation.as_str()));
    entry.insert("apiVersion".into(), json!(fields.api_version));
    if let Some(time) = &fields.time {
        entry.insert("time".into(), json!(time));
    }
    entry.insert("fieldsType".into(), json!("FieldsV1"));
    entry.insert("fieldsV1".into(), fields.fields.to_fields_v1());
    if !manager.subresource.is_empty() {
        entry.insert("subresource".into(), json!(manager.subresource));
    }
    Value::Object(entry)
}
