use std::fmt;
use std::time::Duration;

use kube::core::Status;
use serde::{Deserialize, Serialize};

/// Why the API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// It said no.
    #[error("cannot {action}: {}", status.message)]
    Refused {
        /// What was asked.
        action: String,
        /// What it answered.
        status: Box<Status>,
    },
    /// It could not be reached, or the connection was lost.
    #[error("cannot {action}: the API server cannot be reached")]
    Unreachable {
        /// What was asked.
        action: String,
        /// What happened.
        source: Box<kube::Error>,
    },
    /// It did not answer in time.
    #[error("cannot {action}: no answer within {} s", after.as_secs_f32())]
    Timeout {
        /// What was asked.
        action: String,
        /// How long one attempt may take.
        after: Duration,
    },
    /// It answered something that cannot be read.
    #[error("cannot {action}: the answer cannot be read")]
    Answer {
        /// What was asked.
        action: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The request itself cannot be written: a name with spaces, for instance.
    #[error("cannot {action}: not a valid request")]
    Request {
        /// What was to be asked.
        action: String,
        /// What is wrong with it.
        source: http::Error,
    },
}

impl ClusterError {
    /// The API server's own answer, if it gave one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The code says it even where an answer in plain text has no reason.
    fn has_code(&self, code: u16) -> bool {
        self.status().is_some_and(|status| status.code == code)
    }

    /// Whether the resource, its namespace or its kind does not exist.
    pub fn is_not_found(&self) -> bool {
        self.has_code(404)
    }

    /// Whether something else has changed the resource meanwhile, or other
    /// managers own the fields.
    pub fn is_conflict(&self) -> bool {
        self.has_code(409)
    }

    /// Whether the server finds the resource itself invalid: a field that
    /// does not exist, or a value that makes no sense.
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(|status| {
            // Server-side apply reports what does not fit the schema as an
            // internal error without a reason.
            matches!(status.code, 400 | 422) || status.message.contains("typed patch object")
        })
    }

    /// Whether the server finds the resource invalid because a field that
    /// cannot be changed would be.
    ///
    /// # Deviation
    ///
    /// kubectl and Flux take every `Invalid` and `Conflict` for an immutable
    /// field; here one of the causes must say so.
    pub fn is_immutable(&self) -> bool {
        let says_so = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.contains("immutable")
                || text.contains("may not be changed")
                || text.contains("may not change")
                || text.contains("forbidden: updates to")
                || text.contains("updates to statefulset spec")
                || text.contains("pod updates may not")
        };
        self.status().filter(|status| status.code == 422).is_some_and(|status| {
            let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
            says_so(&status.message) || causes.iter().any(|cause| says_so(&cause.message))
        })
    }

    /// The fields that other managers own, if that is why it said no.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let details = self.status().and_then(|status| status.details.as_ref());
        let causes = details.map_or(&[][..], |details| &details.causes);
        causes
            .iter()
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| Conflict {
                manager: quoted(&cause.message).to_owned(),
                field: cause.field.trim_start_matches('.').to_owned(),
            })
            .collect()
    }
}

/// `conflict with "kubectl" using apps/v1` names the manager in quotes.
fn quoted(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or(message)
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// Who owns it, such as `kubectl`.
    pub manager: String,
    /// The field, such as `spec.replicas`.
    pub field: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is owned by {}", self.field, self.manager)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: serde_json::Value) -> ClusterError {
        ClusterError::Refused {
            action: "apply apps/Deployment a/web".to_owned(),
            status: serde_json::from_value(status).unwrap(),
        }
    }

    #[test]
    fn conflicts_name_manager_and_field() {
        let error = refused(json!({
            "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"causes": [{"reason": "FieldManagerConflict",
                "message": "conflict with \"kubectl\" using apps/v1", "field": ".spec.replicas"}]},
        }));
        assert!(error.is_conflict());
        assert_eq!(error.conflicts()[0].to_string(), "spec.replicas is owned by kubectl");
        assert_eq!(error.to_string(), "cannot apply apps/Deployment a/web: Apply failed with 1 conflict");
    }

    #[test]
    fn not_everything_invalid_is_immutable() {
        let invalid =
            |message: &str| refused(json!({"code": 422, "reason": "Invalid", "message": message})).is_immutable();
        assert!(invalid("Job.batch \"j\" is invalid: spec.template: Invalid value: field is immutable"));
        assert!(invalid("spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"));
        assert!(!invalid("spec.replicas: Invalid value: -1: must be greater than or equal to 0"));
    }
}
