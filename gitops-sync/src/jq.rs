//! The fields that a jq path means.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

use crate::ignore::Path;
use crate::structured_merge::PathElement;

/// An expression may mean the same field again and again, without an end.
const MOST_PATHS: usize = 10_000;

type Compiled = Filter<data::JustLut<Val>>;

/// Whether an expression can be compiled.
pub(crate) fn check(expression: &str) -> Result<(), &'static str> {
    compile(expression).map(drop).ok_or("it is not a valid jq expression")
}

/// The paths in `object` that the expressions mean; where one of them fails
/// on this object, it means nothing there.
pub(crate) fn paths(expressions: &[String], object: &Value) -> Vec<Path> {
    if expressions.is_empty() {
        return Vec::new();
    }
    let Ok(input) = read::parse_single(object.to_string().as_bytes()) else { return Vec::new() };
    let compiled = expressions.iter().filter_map(|expression| compile(expression));
    compiled.flat_map(|filter| run(&filter, input.clone(), object)).collect()
}

fn compile(expression: &str) -> Option<Compiled> {
    let code = format!("path({expression})");
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: code.as_str(), path: () }).ok()?;
    Compiler::default().with_funs(functions).compile(modules).ok()
}

fn run(filter: &Compiled, input: Val, object: &Value) -> Vec<Path> {
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let found = filter.id.run((context, input)).map(unwrap_valr);
    found
        .take(MOST_PATHS)
        .map_while(Result::ok)
        .filter_map(|path| steps(&serde_json::from_str(&path.to_string()).ok()?, object))
        .collect()
}

/// `["spec", "containers", 0, "image"]` as steps in `object`.
fn steps(path: &Value, object: &Value) -> Option<Path> {
    let mut value = object;
    let mut steps = Path::new();
    for part in path.as_array()? {
        match part {
            Value::String(name) => {
                value = value.get(name)?;
                steps.push(PathElement::field(name));
            }
            _ => {
                let place = usize::try_from(part.as_u64()?).ok()?;
                value = value.get(place)?;
                steps.push(PathElement::Index(place));
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_fields_and_items() {
        let object = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}});
        let expression = ".spec.containers[] | select(.name == \"b\") | .image".to_owned();
        let found = paths(&[expression], &object);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].last(), Some(&PathElement::field("image")));
        assert_eq!(found[0][2], PathElement::Index(1));
        assert_eq!(paths(&[".missing.field".to_owned()], &object), Vec::<Path>::new());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(check(".a | ][").is_err());
        assert!(check(".a.b[]?").is_ok());
    }
}
