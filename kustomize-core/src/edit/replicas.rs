//! `edit set replicas`.

use serde_json::{Value, json};

use super::{EditError, KustomizationFile};

impl KustomizationFile {
    /// Sets how many replicas the workload `name` has.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was.
    pub fn set_replicas(&mut self, name: &str, count: i64) -> Result<(), EditError> {
        let mut replicas = self.list("replicas")?;
        match replicas.iter_mut().find(|entry| entry["name"] == name) {
            Some(entry) => entry["count"] = json!(count),
            None => replicas.push(json!({"name": name, "count": count})),
        }
        self.set_fields(vec![("replicas", Some(Value::Array(replicas)))])
    }
}
