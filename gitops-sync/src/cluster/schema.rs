//! How the lists and maps of a kind merge, as the cluster says it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::discovery::ResourceType;
use super::request::Ask;
use super::{Cluster, ClusterError};
use crate::structured_merge::{Type, builtin_type, type_from_json_schema};

/// The documents follow the definitions after a moment, so it is worth
/// asking again about a kind that is not in them.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// The types of the kinds that somebody has asked for.
#[derive(Default)]
pub(super) struct Schemas {
    known: Mutex<HashMap<ResourceType, Found>>,
}

enum Found {
    Type(Arc<Type>),
    /// The cluster said nothing then.
    Nothing(Instant),
}

impl Schemas {
    pub(super) async fn forget(&self) {
        self.known.lock().await.clear();
    }
}

impl Cluster {
    /// How a kind merges: for built-in kinds known beforehand, for others
    /// read from the cluster's OpenAPI documents, v3 or else v2.
    ///
    /// A cluster that publishes no document, or not to us, says nothing.
    pub(crate) async fn merge_type(&self, kind: &ResourceType) -> Result<Option<Arc<Type>>, ClusterError> {
        if let Some(ty) = builtin_type(&kind.api_version(), &kind.kind) {
            return Ok(Some(ty));
        }
        let mut known = self.inner.schemas.known.lock().await;
        match known.get(kind) {
            Some(Found::Type(ty)) => return Ok(Some(Arc::clone(ty))),
            Some(Found::Nothing(then)) if then.elapsed() < ASK_AGAIN => return Ok(None),
            _ => {}
        }
        let ty = self.read_type(kind).await?;
        let found = ty.clone().map_or_else(|| Found::Nothing(Instant::now()), Found::Type);
        known.insert(kind.clone(), found);
        Ok(ty)
    }

    async fn read_type(&self, kind: &ResourceType) -> Result<Option<Arc<Type>>, ClusterError> {
        let (index, document) = match self.document("/openapi/v3").await? {
            Some(index) => {
                let root = if kind.group.is_empty() { "api" } else { "apis" };
                let path = format!("{root}/{}", kind.api_version());
                let Some(url) = index["paths"][path]["serverRelativeURL"].as_str() else { return Ok(None) };
                ("/components/schemas", self.document(url).await?)
            }
            None => ("/definitions", self.document("/openapi/v2").await?),
        };
        Ok(document.and_then(|document| type_in(document.pointer(index)?, kind)))
    }

    /// A document, if there is one for us.
    async fn document(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        match self.ask(Ask::get(format!("read the schemas at {path}"), path)).await {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.status().is_some_and(|status| matches!(status.code, 403 | 404 | 406)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn type_in(schemas: &Value, kind: &ResourceType) -> Option<Arc<Type>> {
    let is_it = |found: &Value| {
        found["group"] == kind.group.as_str()
            && found["version"] == kind.version.as_str()
            && found["kind"] == kind.kind.as_str()
    };
    let says_so = |schema: &&Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(is_it))
    };
    let schema = schemas.as_object()?.values().find(says_so)?;
    Some(type_from_json_schema(schema, &|name| schemas.get(name).cloned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::structured_merge::ListKind;

    #[test]
    fn a_kind_is_found_by_group_version_and_kind() {
        let schema = |key: &str| {
            json!({
                "type": "object", "properties": {"items": {"type": "array", "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": [key], "items": {"$ref": "#/definitions/Item"}}},
                "x-kubernetes-group-version-kind": [{"group": "example.com", "version": key, "kind": "Widget"}],
            })
        };
        let schemas = json!({"a": schema("v1"), "b": schema("v2"), "Item": {"type": "object"}});
        let kind = ResourceType {
            group: "example.com".to_owned(),
            version: "v2".to_owned(),
            kind: "Widget".to_owned(),
            plural: "widgets".to_owned(),
            namespaced: true,
            watchable: true,
        };
        let found = type_in(&schemas, &kind).unwrap().field_type("items").unwrap();
        let Type::List(list) = &*found else { panic!("{found:?}") };
        assert_eq!(list.kind, ListKind::Map(vec!["v2".to_owned()]));
        assert!(type_in(&schemas, &ResourceType { kind: "Gadget".to_owned(), ..kind }).is_none());
    }
}
