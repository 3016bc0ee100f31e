//! Creating and changing objects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::structured_merge::{ManagedFields, Manager};

use super::conversion::convert;
use super::defaults;
use super::failure::{Cause, Failure};
use super::normalise::{Misfits, normalise, shorten_numbers};
use super::prepare;
use super::request::FieldValidation;
use super::resource::{Resource, split_api_version};
use super::state::{State, now};
use super::store::key;
use super::validation;

/// One write to one object.
pub(crate) struct Write<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: String,
    /// Empty while creating.
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
    pub(crate) warnings: Vec<String>,
    pub(crate) now: String,
}

impl<'a> Write<'a> {
    /// A write by `manager` that stores what it does and warns of unknown fields.
    pub(crate) fn new(
        state: &'a mut State,
        resource: Arc<Resource>,
        namespace: &str,
        name: &str,
        manager: &str,
    ) -> Self {
        Self {
            state,
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: String::new(),
            manager: manager.to_owned(),
            dry_run: false,
            validation: FieldValidation::Warn,
            warnings: Vec::new(),
            now: now(),
        }
    }

    /// Creates the object of a request.
    pub(crate) fn create(&mut self, given: &Value) -> Result<Value, Failure> {
        let mut object = self.decode(given)?;
        self.check_namespace(&object)?;
        let managed = self.track(&self.empty(), &object, ManagedFields::read(given).unwrap_or_default());
        managed.write(&mut object);
        self.insert(object)
    }

    /// Replaces the object of a request.
    pub(crate) fn replace(&mut self, given: &Value) -> Result<(Value, bool), Failure> {
        let Some(stored) = self.stored() else {
            self.check_identity(given)?;
            if !creates_on_update(&self.resource) {
                return Err(Failure::not_found(&self.resource, &self.name));
            }
            return Ok((self.create(given)?, true));
        };
        if given["metadata"]["resourceVersion"].as_str().unwrap_or("").is_empty() && needs_version(&self.resource) {
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(Failure::invalid(&self.resource, &self.name, vec![cause]));
        }
        Ok((self.change(&stored, given)?, false))
    }

    /// Makes what is stored into `given`, tracked as an update.
    pub(crate) fn change(&mut self, stored: &Arc<Value>, given: &Value) -> Result<Value, Failure> {
        let live = self.state.read(&self.resource, stored);
        let mut new = self.decode(given)?;
        self.check_identity(&new)?;
        let managed = self.managed_of_update(&live, given);
        let managed = self.track(&live, &new, managed);
        managed.write(&mut new);
        self.update(stored, &live, new)
    }

    /// The managers to start from: a client may edit or reset the list, but not by accident.
    fn managed_of_update(&self, live: &Value, given: &Value) -> ManagedFields {
        let of_live = || ManagedFields::read(live).unwrap_or_default();
        if !self.subresource.is_empty() {
            return of_live();
        }
        match given["metadata"]["managedFields"].as_array().map(Vec::as_slice) {
            Some([]) => return ManagedFields::default(),
            Some([only]) if only.as_object().is_some_and(|entry| entry.is_empty()) => return ManagedFields::default(),
            _ => {}
        }
        ManagedFields::read(given).ok().filter(|managed| !managed.is_empty()).unwrap_or_else(of_live)
    }

    /// Records an update of `live` to `new`. An object whose managers were reset stays without.
    fn track(&self, live: &Value, new: &Value, mut managed: ManagedFields) -> ManagedFields {
        let exists = !live["metadata"]["uid"].is_null();
        if exists && managed.is_empty() {
            return managed;
        }
        let api_version = self.resource.api_version();
        let manager = Manager::updater(self.manager.clone(), api_version, self.subresource.clone());
        let versions = self.state.versions_of(&self.resource, &self.subresource);
        managed.update(&without_managed(live), &without_managed(new), &manager, &self.now, &versions);
        managed
    }

    pub(crate) fn empty(&self) -> Value {
        use crate::structured_merge::Versions as _;
        self.state.versions_of(&self.resource, "").empty(&self.resource.api_version())
    }

    pub(crate) fn stored(&self) -> Option<Arc<Value>> {
        self.state.get(&self.resource, &self.namespace, &self.name)
    }

    /// The object as it would be stored at the request's version: known fields and defaults.
    pub(crate) fn decode(&mut self, given: &Value) -> Result<Value, Failure> {
        let mut object = self.check_kind(given)?;
        let unknown = self.complete(&mut object)?;
        match self.validation {
            _ if unknown.is_empty() => {}
            FieldValidation::Ignore => {}
            FieldValidation::Warn => self.warnings.extend(unknown),
            FieldValidation::Strict => {
                return Err(self.cannot_handle(&format!("strict decoding error: {}", unknown.join(", "))));
            }
        }
        Ok(object)
    }

    /// Brings an object into the form of its kind. Returns a complaint for each unknown field.
    pub(crate) fn complete(&self, object: &mut Value) -> Result<Vec<String>, Failure> {
        let complain = |unknown: Vec<String>| unknown.iter().map(|field| format!("unknown field {field:?}")).collect();
        if let Some(custom) = &self.resource.custom {
            let unknown = custom.prune(object);
            custom.default(object);
            return Ok(complain(unknown));
        }
        let mut misfits = Misfits::default();
        *object = normalise(&self.resource.ty, object, &mut misfits);
        if let Some(wrong) = misfits.wrong.first() {
            return Err(self.cannot_handle(wrong));
        }
        defaults::set(&self.resource.api_version(), &self.resource.kind, object);
        Ok(complain(misfits.unknown))
    }

    fn cannot_handle(&self, why: &str) -> Failure {
        let Resource { kind, version, .. } = &*self.resource;
        Failure::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    }

    /// The object with the kind of the request, which it may leave out but not contradict.
    fn check_kind(&self, given: &Value) -> Result<Value, Failure> {
        let resource = &self.resource;
        let mut object = given.clone();
        shorten_numbers(&mut object);
        let Some(map) = object.as_object_mut() else {
            return Err(Failure::bad_request("the object provided is unrecognized: it is no map"));
        };
        let (api_version, kind) = (resource.api_version(), resource.kind.clone());
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
        let (given_version, given_kind) = (text(map.get("apiVersion")), text(map.get("kind")));
        map.insert("apiVersion".into(), json!(api_version));
        map.insert("kind".into(), json!(kind));
        if map.get("metadata").is_none_or(|metadata| !metadata.is_object()) {
            map.insert("metadata".into(), json!({}));
        }
        if (given_version.is_empty() || given_version == api_version) && (given_kind.is_empty() || given_kind == kind) {
            return Ok(object);
        }
        let (group, version) = split_api_version(&given_version);
        let known = self
            .state
            .resources()
            .any(|found| found.kind == given_kind && found.group == group && found.version == version);
        let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
        let why = if known {
            format!("converting ({version}.{given_kind}) to ({package}.{kind}): unknown conversion")
        } else {
            format!(
                "no kind {given_kind:?} is registered for version {given_version:?} in scheme \
                 \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\""
            )
        };
        Err(Failure::bad_request(format!("{given_kind} in version {version:?} cannot be handled as a {kind}: {why}")))
    }

    /// Name and namespace must be those of the URL.
    pub(crate) fn check_identity(&self, object: &Value) -> Result<(), Failure> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        let (name, namespace) = (text("name"), text("namespace"));
        if !name.is_empty() && name != self.name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.name
            )));
        }
        if !namespace.is_empty() && namespace != self.namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }

    fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        let given = object["metadata"]["namespace"].as_str().unwrap_or("");
        if !given.is_empty() && given != self.namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }

    /// Nothing is created in a namespace that is missing or going away.
    fn admit(&self, name: &str) -> Result<(), Failure> {
        if !self.resource.namespaced {
            return Ok(());
        }
        let Some(namespace) = self.state.namespace(&self.namespace) else {
            let namespaces = self.state.resource("", "v1", "namespaces").ok_or_else(Failure::no_such_resource)?;
            return Err(Failure::not_found(namespaces, &self.namespace));
        };
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let Self { namespace, .. } = self;
        let cause = Cause {
            field: "metadata.namespace".into(),
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
        };
        let detail = format!("unable to create new content in namespace {namespace} because it is being terminated");
        Err(Failure::forbidden(&self.resource, name, &detail, &[cause]))
    }

    /// Stores a new object at the request's version.
    pub(crate) fn insert(&mut self, mut object: Value) -> Result<Value, Failure> {
        let resource = self.resource.clone();
        let metadata = &mut object["metadata"];
        if let Some(map) = metadata.as_object_mut() {
            for field in
                ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"]
            {
                map.remove(field);
            }
        }
        if metadata["name"].as_str().unwrap_or("").is_empty()
            && let Some(prefix) = metadata["generateName"].as_str().filter(|prefix| !prefix.is_empty())
        {
            let name = self.state.new_name(prefix);
            metadata["name"] = json!(name);
        }
        let name = metadata["name"].as_str().unwrap_or("").to_owned();
        self.admit(&name)?;
        if resource.namespaced {
            metadata["namespace"] = json!(self.namespace);
        }
        metadata["uid"] = json!(self.state.new_uid());
        metadata["creationTimestamp"] = json!(self.now);
        prepare::create(self.state, &resource, &mut object);
        validation::created(&resource, &object)?;
        let (collection, key) = (State::collection_of(&resource), key(&self.namespace, &name));
        if self.state.store.get(&collection, &key).is_some() {
            return Err(Failure::exists(&resource, &name));
        }
        if self.dry_run {
            return Ok(object);
        }
        let stored = convert(&object, &self.state.storage_version(&resource));
        let stored = self.state.store.put(&collection, key, stored);
        Ok(self.state.read(&resource, &stored))
    }

    /// Stores a changed object at the request's version, unless nothing changed.
    pub(crate) fn update(&mut self, stored: &Arc<Value>, live: &Value, mut new: Value) -> Result<Value, Failure> {
        let resource = self.resource.clone();
        self.check_preconditions(live, &new)?;
        prepare::keep_system_metadata(live, &mut new);
        prepare::update(&resource, &self.subresource, live, &mut new);
        validation::updated(&resource, &self.subresource, &new, live)?;
        new["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        if same_but_times(&new, live) {
            return Ok(live.clone());
        }
        let (collection, key) = (State::collection_of(&resource), key(&self.namespace, &self.name));
        if prepare::is_released(&new) {
            if !self.dry_run {
                self.state.store.delete(&collection, &key);
            }
            return Ok(new);
        }
        if self.dry_run {
            return Ok(new);
        }
        let changed = convert(&new, stored["apiVersion"].as_str().unwrap_or(""));
        let changed = self.state.store.put(&collection, key, changed);
        Ok(self.state.read(&resource, &changed))
    }

    fn check_preconditions(&self, live: &Value, new: &Value) -> Result<(), Failure> {
        let (given, current) = (&new["metadata"], &live["metadata"]);
        let version = given["resourceVersion"].as_str().unwrap_or("");
        if !matches!(version, "" | "0") && given["resourceVersion"] != current["resourceVersion"] {
            return Err(Failure::modified(&self.resource, &self.name));
        }
        let uid = given["uid"].as_str().unwrap_or("");
        if !uid.is_empty() && given["uid"] != current["uid"] {
            let current = current["uid"].as_str().unwrap_or("");
            let detail = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {current}");
            return Err(Failure::precondition(&self.resource, &self.name, &detail));
        }
        Ok(())
    }
}

/// The object without the list of its managers.
pub(crate) fn without_managed(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Whether objects are the same, whenever their managers are said to have written.
fn same_but_times(a: &Value, b: &Value) -> bool {
    let timeless = |object: &Value| -> Vec<Value> {
        let mut entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        for entry in &mut entries {
            entry["time"] = Value::Null;
        }
        entries
    };
    a == b || without_managed(a) == without_managed(b) && timeless(a) == timeless(b)
}

/// Kinds that a PUT may create, as their registries allow.
fn creates_on_update(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "Event" | "Endpoints" | "LimitRange")
            | ("coordination.k8s.io" | "rbac.authorization.k8s.io" | "events.k8s.io", _)
    )
}

/// Kinds that are only replaced when the caller says which version it saw.
fn needs_version(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            (resource.group.as_str(), resource.kind.as_str()),
            ("apiextensions.k8s.io" | "apiregistration.k8s.io" | "coordination.k8s.io", _)
        )
}
