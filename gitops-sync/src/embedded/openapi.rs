//! OpenAPI v3 documents.

use serde_json::{Value, json};

use super::state::State;

/// `/openapi/v3` and what is below it.
pub(crate) fn document(state: &State, rest: &[&str]) -> Option<Value> {
    let _ = state;
    match rest {
        [] => Some(json!({"paths": {}})),
        _ => None,
    }
}
