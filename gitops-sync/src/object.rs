//! A live object, kept as the API wrote it and read when somebody looks.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cluster::ResourceType;
use crate::fields::ManagedEntry;
use crate::id::ResourceId;
use crate::structured_merge::FieldSet;

/// A live object as text, which takes a fraction of the memory of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Live {
    text: Box<str>,
    uid: Box<str>,
    resource_version: Box<str>,
}

/// What tells one object from another.
#[derive(serde::Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    metadata: Names<'a>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

impl Live {
    fn of_text(text: Box<str>) -> serde_json::Result<Self> {
        // Anything an answer may say that is no object is taken for one without a name.
        let names = serde_json::from_str::<Identity<'_>>(&text)?.metadata;
        let (uid, resource_version) = (names.uid.into(), names.resource_version.into());
        Ok(Self { text, uid, resource_version })
    }

    /// From an event of a watch, or a patch that was made up.
    pub(crate) fn of_value(value: &Value) -> Self {
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default().into();
        Self { uid: text("uid"), resource_version: text("resourceVersion"), text: value.to_string().into() }
    }

    /// From an item of a list, if it is one of `wanted`.
    ///
    /// Items come without the type that single objects have.
    pub(crate) fn of_item(
        item: &RawValue,
        kind: &ResourceType,
        wanted: impl FnOnce(&ResourceId) -> bool,
    ) -> serde_json::Result<Option<(ResourceId, Self)>> {
        let names = serde_json::from_str::<Identity<'_>>(item.get())?.metadata;
        let id = ResourceId::new(kind.group.clone(), kind.kind.clone(), names.name);
        let id = if kind.namespaced { id.in_namespace(names.namespace) } else { id };
        if !wanted(&id) {
            return Ok(None);
        }
        let (version, name) = (Value::from(kind.api_version()), Value::from(kind.kind.as_str()));
        let fields = item.get().strip_prefix('{').unwrap_or_default();
        let text = format!("{{\"apiVersion\":{version},\"kind\":{name},{fields}").into();
        Ok(Some((id, Self { text, uid: names.uid.into(), resource_version: names.resource_version.into() })))
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    pub(crate) fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// The object with its managed fields apart.
    pub(crate) fn read(&self) -> Object<'_> {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The object as it is, managed fields included.
    pub(crate) fn whole(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Live {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::of_text(text.into()).map_err(D::Error::custom)
    }
}

/// A live object, its managed fields apart and their sets unparsed: most are
/// never looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<'a> {
    pub(crate) value: Value,
    pub(crate) managed: Vec<ManagedEntry<'a>>,
}

impl Object<'_> {
    fn text(&self, field: &str) -> &str {
        self.value["metadata"][field].as_str().unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.text("uid")
    }

    pub(crate) fn resource_version(&self) -> &str {
        self.text("resourceVersion")
    }

    pub(crate) fn is_being_deleted(&self) -> bool {
        !self.text("deletionTimestamp").is_empty()
    }

    /// Everything that `manager` has applied.
    pub(crate) fn applied_by(&self, manager: &str) -> FieldSet {
        let mut all = FieldSet::new();
        let ours = self.managed.iter().filter(|entry| entry.is_apply() && entry.manager == manager);
        ours.for_each(|entry| all.extend(&entry.fields()));
        all
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Split { fields, apart } = deserializer.deserialize_map(Splitter::<Metadata<'de>>::new("metadata"))?;
        let mut value = Value::Object(fields);
        let metadata = apart.unwrap_or_default();
        value["metadata"] = Value::Object(metadata.fields);
        Ok(Self { value, managed: metadata.apart.unwrap_or_default() })
    }
}

#[derive(Default)]
struct Metadata<'a> {
    fields: Map<String, Value>,
    apart: Option<Vec<ManagedEntry<'a>>>,
}

impl<'de> Deserialize<'de> for Metadata<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let split = deserializer.deserialize_map(Splitter::<Vec<ManagedEntry<'de>>>::new("managedFields"))?;
        Ok(Self { fields: split.fields, apart: split.apart })
    }
}

/// The fields of an object, one of them read as something else.
struct Split<T> {
    fields: Map<String, Value>,
    apart: Option<T>,
}

struct Splitter<T> {
    field: &'static str,
    apart: std::marker::PhantomData<T>,
}

impl<T> Splitter<T> {
    fn new(field: &'static str) -> Self {
        Self { field, apart: std::marker::PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Splitter<T> {
    type Value = Split<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Split<T>, A::Error> {
        let mut split = Split { fields: Map::new(), apart: None };
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.field {
                split.apart = Some(map.next_value()?);
            } else {
                split.fields.insert(name.into_owned(), map.next_value()?);
            }
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind() -> ResourceType {
        ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            plural: "configmaps".to_owned(),
            namespaced: true,
            watchable: true,
        }
    }

    #[test]
    fn managed_fields_are_kept_apart() {
        let live = Live::of_value(&json!({"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": [
            {"manager": "us", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}},
            {"manager": "us", "operation": "Update", "fieldsV1": {"f:spec": {"f:b": {}}}}]}, "spec": {"a": [1, "x\"y"]}}));
        let object = live.read();
        let expected = json!({"metadata": {"uid": "u", "resourceVersion": "7"}, "spec": {"a": [1, "x\"y"]}});
        assert_eq!(object.value, expected);
        assert_eq!((object.uid(), live.resource_version()), ("u", "7"));
        assert_eq!(object.applied_by("us"), FieldSet::of_fields(&[&["spec", "a"]]));
        assert!(object.applied_by("them").is_empty());
        assert_eq!(live.whole()["metadata"]["managedFields"][1]["operation"], "Update");
    }

    #[test]
    fn items_get_the_type_of_their_list() {
        let item = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let raw = item(r#"{"metadata": {"name": "a", "namespace": "n", "uid": "u"}, "data": {}}"#);
        let (id, live) = Live::of_item(&raw, &kind(), |_| true).unwrap().unwrap();
        assert_eq!(id.to_string(), "ConfigMap n/a");
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "data": {}});
        assert_eq!(live.whole(), expected);
        assert!(Live::of_item(&raw, &kind(), |_| false).unwrap().is_none());
        assert!(Live::of_item(&item("7"), &kind(), |_| true).is_err());
    }
}
