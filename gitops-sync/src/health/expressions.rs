//! Health by CEL expressions, as Flux has it in `healthCheckExprs`.

use cel::objects::Key;
use cel::{Context, Program};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Health, HealthCheck, HealthStatus, read};
use crate::id::GroupKind;

/// CEL expressions that tell the health of a kind, as Flux's
/// `healthCheckExprs` has them.
///
/// The top-level fields of the live object are variables: `status`, `spec`,
/// `metadata`. An expression that fails, because a field is not there yet
/// for instance, is not true.
///
/// ```
/// use gitops_sync::{GroupKind, HealthExpressions, SyncOptions};
///
/// let expressions = HealthExpressions::new("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')")
///     .failed("status.conditions.exists(c, c.type == 'Stalled' && c.status == 'True')");
/// let check = expressions.check(GroupKind::new("example.com", "Database"))?;
/// let options = SyncOptions::new("my-tool").health_check(check);
/// # let _ = options;
/// # Ok::<(), gitops_sync::ExpressionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HealthExpressions {
    /// True when it is healthy.
    pub current: String,
    /// True when it is on its way; asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// True when it has failed; asked second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Why a CEL expression cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the CEL expression {expression:?} cannot be compiled: {message}")]
#[non_exhaustive]
pub struct ExpressionError {
    /// The expression.
    pub expression: String,
    /// What is wrong with it, and where.
    pub message: String,
}

impl HealthExpressions {
    /// Healthy when `current` is true, and on its way until then.
    pub fn new(current: impl Into<String>) -> Self {
        Self { current: current.into(), in_progress: None, failed: None }
    }

    /// On its way when this is true, whatever the others say.
    #[must_use]
    pub fn in_progress(mut self, expression: impl Into<String>) -> Self {
        self.in_progress = Some(expression.into());
        self
    }

    /// Failed when this is true.
    #[must_use]
    pub fn failed(mut self, expression: impl Into<String>) -> Self {
        self.failed = Some(expression.into());
        self
    }

    /// Compiles the expressions into the check of a kind.
    ///
    /// # Errors
    ///
    /// If one of them is not CEL.
    pub fn check(&self, kind: GroupKind) -> Result<HealthCheck, ExpressionError> {
        let in_progress = self.in_progress.as_deref().map(compile).transpose()?;
        let failed = self.failed.as_deref().map(compile).transpose()?;
        let current = compile(&self.current)?;
        // The order is Flux's.
        let rules = [
            (in_progress, HealthStatus::Progressing),
            (failed, HealthStatus::Degraded),
            (Some(current), HealthStatus::Healthy),
        ];
        Ok(HealthCheck::new(kind, move |live| Some(assess(&rules, live))))
    }
}

fn compile(expression: &str) -> Result<Program, ExpressionError> {
    Program::compile(expression)
        .map_err(|error| ExpressionError { expression: expression.to_owned(), message: error.to_string() })
}

fn assess(rules: &[(Option<Program>, HealthStatus)], live: &Value) -> Health {
    let observed = read::number(live, "/status/observedGeneration");
    if observed.is_some() && observed != read::number(live, "/metadata/generation") {
        return Health::new(HealthStatus::Progressing, "the new spec has not been observed yet");
    }
    let mut context = Context::default();
    for (name, value) in live.as_object().into_iter().flatten() {
        context.add_variable_from_value(name.as_str(), convert(value));
    }
    let is_true = |program: &Program| matches!(program.execute(&context), Ok(cel::Value::Bool(true)));
    let found = rules.iter().find(|(program, _)| program.as_ref().is_some_and(is_true));
    found.map_or_else(
        || Health::new(HealthStatus::Progressing, "no expression is true yet"),
        |(_, status)| Health::new(*status, ""),
    )
}

/// Whole numbers become integers, so that they compare with literals.
fn convert(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => cel::Value::Int(number),
            (None, Some(number)) => cel::Value::UInt(number),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::List(items.iter().map(convert).collect::<Vec<_>>().into()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (Key::from(name.clone()), convert(value)));
            cel::Value::Map(cel::objects::Map { map: std::sync::Arc::new(fields.collect()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(expressions: &HealthExpressions, live: &Value) -> HealthStatus {
        expressions.check(GroupKind::new("example.com", "Database")).unwrap().assess(live).unwrap().status
    }

    #[test]
    fn expressions_are_asked_in_order() {
        let ready = "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True') && status.replicas == spec.replicas";
        let expressions =
            HealthExpressions::new(ready).failed("has(status.error)").in_progress("status.phase == 'Working'");
        let object = |phase: &str, ready: &str| {
            json!({"spec": {"replicas": 3}, "status": {"phase": phase, "replicas": 3,
                "conditions": [{"type": "Ready", "status": ready}, {"type": "Other", "status": "False"}]}})
        };
        assert_eq!(health(&expressions, &object("", "True")), HealthStatus::Healthy);
        assert_eq!(health(&expressions, &object("", "False")), HealthStatus::Progressing);
        assert_eq!(health(&expressions, &object("Working", "True")), HealthStatus::Progressing);
        let mut broken = object("", "True");
        broken["status"]["error"] = json!("x");
        assert_eq!(health(&expressions, &broken), HealthStatus::Degraded);
        assert_eq!(health(&expressions, &json!({"kind": "Database"})), HealthStatus::Progressing, "no status yet");
    }

    #[test]
    fn an_old_status_says_nothing() {
        let expressions = HealthExpressions::new("true");
        let object = |observed: i64| json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed}});
        assert_eq!(health(&expressions, &object(1)), HealthStatus::Progressing);
        assert_eq!(health(&expressions, &object(2)), HealthStatus::Healthy);
    }

    #[test]
    fn nonsense_is_refused() {
        let error = HealthExpressions::new("status. ==").check(GroupKind::new("", "Pod")).unwrap_err();
        assert!(error.to_string().starts_with("the CEL expression \"status. ==\" cannot be compiled"), "{error}");
    }
}
