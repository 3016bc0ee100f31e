//! From a request to its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::{Value, json};

use super::background;
use super::delete::DeleteOptions;
use super::discovery;
use super::failure::Failure;
use super::faults::Faults;
use super::openapi;
use super::read::{Selection, list, page, shown};
use super::request::{Accept, ApiRequest};
use super::requests::Requests;
use super::resource::Resource;
use super::state::State;
use super::watch::Watch;
use super::write::Write;

/// The server behind all clients and listeners.
#[derive(Debug)]
pub(crate) struct Server {
    state: Mutex<State>,
    pub(crate) faults: Faults,
    requests: Requests,
}

/// What a request gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A JSON document, perhaps with warnings.
    Document { code: u16, body: Value, warnings: Vec<String> },
    /// Plain text.
    Text { code: u16, body: &'static str },
    /// A stream of events.
    Events(Box<Watch>),
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self::Document { code: 200, body, warnings: Vec::new() }
    }

    fn page_not_found() -> Self {
        Self::Text { code: 404, body: "404 page not found\n" }
    }
}

/// Which object or objects a path means.
#[derive(Debug, Clone)]
struct Target {
    resource: Arc<Resource>,
    namespace: String,
    name: String,
    subresource: String,
}

impl Server {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), faults: Faults::default(), requests: Requests::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No request leaves the state half-written: what can fail comes before the one change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Answers a request.
    pub(crate) fn answer(self: &Arc<Self>, request: &ApiRequest, host: &str) -> Answer {
        let mut state = self.state();
        self.route(&mut state, request, host).unwrap_or_else(|failure| Answer::Document {
            code: failure.code,
            body: failure.status(),
            warnings: Vec::new(),
        })
    }

    fn route(self: &Arc<Self>, state: &mut State, request: &ApiRequest, host: &str) -> Result<Answer, Failure> {
        let path = request.path.trim_matches('/').to_owned();
        let steps: Vec<&str> = path.split('/').collect();
        let aggregated = request.accept == Accept::AggregatedDiscovery;
        Ok(match steps.as_slice() {
            ["version"] => Answer::ok(discovery::version()),
            ["healthz" | "livez" | "readyz", ..] => Answer::Text { code: 200, body: "ok" },
            ["api"] if aggregated => Answer::ok(discovery::aggregated(state, true)),
            ["api"] => Answer::ok(discovery::core_versions(host)),
            ["apis"] if aggregated => Answer::ok(discovery::aggregated(state, false)),
            ["apis"] => Answer::ok(discovery::group_list(state)),
            ["openapi", "v3", rest @ ..] => {
                openapi::document(state, rest).map_or_else(Answer::page_not_found, Answer::ok)
            }
            ["apis", group] => discovery::one_group(state, group).map_or_else(Answer::page_not_found, Answer::ok),
            ["api", version, rest @ ..] => self.group(state, request, ("", version), rest)?,
            ["apis", group, version, rest @ ..] => self.group(state, request, (group, version), rest)?,
            _ => Answer::page_not_found(),
        })
    }

    fn group(
        self: &Arc<Self>,
        state: &mut State,
        request: &ApiRequest,
        (group, version): (&str, &str),
        rest: &[&str],
    ) -> Result<Answer, Failure> {
        if !state.serves(group, version) {
            return Ok(Answer::page_not_found());
        }
        if rest.is_empty() {
            return Ok(Answer::ok(discovery::resource_list(state, group, version)));
        }
        let target = find(state, (group, version), rest)?;
        let answer = self.verb(state, request, &target);
        background::settle(state, &target.resource);
        answer
    }

    fn verb(self: &Arc<Self>, state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
        let resource = &target.resource;
        if !resource.verbs.contains(&"get") {
            return review(request);
        }
        if request.is_watch() {
            let selection = Selection::read(request, resource, &target.namespace)?.named(&target.name);
            let watch = Watch::start(self.clone(), state, request, resource.clone(), selection);
            return Ok(Answer::Events(Box::new(watch)));
        }
        let whole = target.name.is_empty();
        match (request.method.clone(), whole) {
            (Method::GET, true) => list(state, request, resource, &target.namespace).map(Answer::ok),
            (Method::GET, false) => get(state, request, target),
            (Method::POST, true) if !resource.namespaced || !target.namespace.is_empty() => {
                create(state, request, target)
            }
            (Method::POST, false) if target.subresource == "eviction" => evict(state, request, target),
            (Method::PUT, false) => put(state, request, target),
            (Method::PATCH, false) => patch(state, request, target),
            (Method::DELETE, false) if target.subresource.is_empty() => {
                let options = DeleteOptions::read(request)?;
                write(state, request, target)?.delete(&options).map(Answer::ok)
            }
            (Method::DELETE, true) if resource.verbs.contains(&"deletecollection") => {
                delete_collection(state, request, target)
            }
            _ => Err(Failure::method_not_allowed()),
        }
    }
}

/// Reads the rest of a path, after group and version.
fn find(state: &State, (group, version): (&str, &str), rest: &[&str]) -> Result<Target, Failure> {
    let core = group.is_empty();
    let (namespace, plural, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] if core => ("", "namespaces", &rest[1..]),
        ["namespaces", namespace, plural, rest @ ..] => (*namespace, *plural, rest),
        [plural, rest @ ..] => ("", *plural, rest),
        [] => return Err(Failure::no_such_resource()),
    };
    let resource = state.resource(group, version, plural).ok_or_else(Failure::no_such_resource)?.clone();
    let (name, subresource) = match rest {
        [] => ("", ""),
        [name] => (*name, ""),
        [name, subresource] => (*name, *subresource),
        _ => return Err(Failure::no_such_resource()),
    };
    let misplaced = !namespace.is_empty() && !resource.namespaced
        || namespace.is_empty() && resource.namespaced && !name.is_empty();
    if misplaced || !subresource.is_empty() && !resource.has(subresource) {
        return Err(Failure::no_such_resource());
    }
    Ok(Target { namespace: namespace.to_owned(), name: name.to_owned(), subresource: subresource.to_owned(), resource })
}

/// A write as the request wants it.
fn write<'a>(state: &'a mut State, request: &ApiRequest, target: &Target) -> Result<Write<'a>, Failure> {
    let mut write = Write::new(state, target.resource.clone(), &target.namespace, &target.name, &request.manager()?);
    write.subresource = target.subresource.clone();
    write.dry_run = request.dry_run()?;
    write.validation = request.field_validation();
    Ok(write)
}

fn written(request: &ApiRequest, write: Write<'_>, object: &Value, created: bool) -> Answer {
    let code = if created { 201 } else { 200 };
    Answer::Document { code, body: shown(request.accept, &write.resource, object), warnings: write.warnings }
}

fn get(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let stored = state
        .get(&target.resource, &target.namespace, &target.name)
        .ok_or_else(|| Failure::not_found(&target.resource, &target.name))?;
    let object = state.read(&target.resource, &stored);
    if target.subresource == "scale" {
        return write(state, request, target)?.scale(&object).map(Answer::ok);
    }
    Ok(Answer::ok(shown(request.accept, &target.resource, &object)))
}

fn create(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let given = request.object(&target.resource.kind)?;
    let mut write = write(state, request, target)?;
    let object = write.create(&given)?;
    Ok(written(request, write, &object, true))
}

fn put(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let mut write = write(state, request, target)?;
    if target.subresource == "scale" {
        return write.change_scale(request).map(Answer::ok);
    }
    let given = request.object(&target.resource.kind)?;
    if target.subresource == "finalize" {
        return finalize(write, &given).map(Answer::ok);
    }
    let (object, created) = write.replace(&given)?;
    Ok(written(request, write, &object, created))
}

/// Sets the finalizers of a namespace, which goes with the last of them.
fn finalize(mut write: Write<'_>, given: &Value) -> Result<Value, Failure> {
    let stored = write.stored().ok_or_else(|| Failure::not_found(&write.resource, &write.name))?;
    let mut new = (*stored).clone();
    new["spec"]["finalizers"] = given["spec"]["finalizers"].clone();
    write.update(&stored, &stored.clone(), new)
}

fn patch(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let mut write = write(state, request, target)?;
    if target.subresource == "scale" {
        return write.change_scale(request).map(Answer::ok);
    }
    let (object, created) = write.patch(request)?;
    Ok(written(request, write, &object, created))
}

fn evict(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let mut options = DeleteOptions::default();
    options.dry_run = request.dry_run()?;
    write(state, request, target)?.delete(&options)?;
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Answer::Document { code: 201, body, warnings: Vec::new() })
}

/// Deletes what a selection finds and answers with it.
fn delete_collection(state: &mut State, request: &ApiRequest, target: &Target) -> Result<Answer, Failure> {
    let options = DeleteOptions::read(request)?;
    let selection = Selection::read(request, &target.resource, &target.namespace)?;
    let collection = State::collection_of(&target.resource);
    let found: Vec<Value> = state
        .store
        .collection(&collection)
        .map(|(_, stored)| state.read(&target.resource, stored))
        .filter(|object| selection.matches(object))
        .collect();
    for object in &found {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        let one = Target { namespace: text("namespace"), name: text("name"), ..target.clone() };
        write(state, request, &one)?.delete(&options)?;
    }
    let metadata = json!({"resourceVersion": state.store.version().to_string()});
    Ok(Answer::ok(page(request.accept, &target.resource, found, metadata)))
}

/// Whoever asks may do everything here.
fn review(request: &ApiRequest) -> Result<Answer, Failure> {
    if request.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    let mut review = request.object("review")?;
    review["status"] = json!({"allowed": true});
    Ok(Answer::Document { code: 201, body: review, warnings: Vec::new() })
}
