//! Why an apply is refused.

use super::manager::Manager;
use super::merge::MergeError;
use super::path::Path;

/// A field that someone else manages with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Who manages it.
    pub manager: Manager,
    /// The field.
    pub path: Path,
}

/// Why an apply is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Others manage some of the fields with other values.
    #[error("Apply failed with {}", conflict_message(conflicts))]
    Conflicts {
        /// The fields, by manager.
        conflicts: Vec<Conflict>,
    },
    /// The objects cannot be merged.
    #[error("failed to merge config")]
    Merge {
        /// Why.
        #[source]
        source: MergeError,
    },
    /// The version to apply at has no type.
    #[error("no type is known for version {api_version}")]
    UnknownVersion {
        /// That version.
        api_version: String,
    },
}

/// As the API server words it.
fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [single] = conflicts {
        return format!("1 conflict: conflict with {}: {}", single.manager, single.path);
    }
    let mut lines = Vec::new();
    let mut last = None;
    for conflict in conflicts {
        if last != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.manager));
            last = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.path));
    }
    format!("{} conflicts: {}", conflicts.len(), lines.join("\n"))
}
