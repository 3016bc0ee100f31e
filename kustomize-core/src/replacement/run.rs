//! Replacements that have nothing to do with each other, carried out together.
//!
//! With many replacements of many resources, going from one resource to the
//! next with each of them takes every manifest into the processor's cache as
//! often as there are replacements. Here it is once.

use super::keys::Keys;
use super::select::Ids;
use super::value::Value;
use super::{Fields, ReplacementError, Source, Target};
use crate::resource::Resource;

/// How many writes may be planned at a time, which bounds the memory for them.
const MAX_WRITES: usize = 1 << 20;

/// Replacements that follow each other, of which none reads or selects by what
/// an earlier one writes.
pub(super) struct Run {
    /// How many there are.
    pub(super) len: usize,
    values: Vec<Value>,
    /// Their targets, in order, each with the index of its value.
    targets: Vec<(usize, Target)>,
    /// For each resource the targets that select it, in order.
    writes: Vec<Vec<u32>>,
    /// How many that are in all.
    planned: usize,
}

impl Run {
    /// As many of the first of `replacements` as can be carried out together.
    pub(super) fn new(replacements: &[Fields], resources: &[Resource], ids: &Ids) -> Self {
        let writes = vec![Vec::new(); resources.len()];
        let mut run = Self { len: 0, values: Vec::new(), targets: Vec::new(), writes, planned: 0 };
        let mut left = replacements.iter();
        while run.planned < MAX_WRITES
            && let Some(fields) = left.next()
            && run.add(fields, resources, ids).is_some()
        {
            run.len += 1;
        }
        run
    }

    /// Adds a replacement. `None` if it depends on what was added before or on
    /// what it does itself, and if it fails before it writes anything.
    fn add(&mut self, fields: &Fields, resources: &[Resource], ids: &Ids) -> Option<()> {
        let source = Source::new(fields, resources, ids).ok()?;
        let targets: Vec<Target> = fields.targets.as_ref()?.iter().map(Target::new).collect::<Result<_, _>>().ok()?;
        let selected: Vec<Vec<usize>> = targets.iter().map(|target| ids.targets(target, resources)).collect();
        let is_written = |index: usize| {
            !self.writes[index].is_empty() || selected.iter().any(|selected| selected.binary_search(&index).is_ok())
        };
        let changes_ids = targets.iter().any(|target| target.may_change_id);
        if targets.is_empty() || changes_ids || source.resource.is_some_and(is_written) {
            return None;
        }
        for (target, selected) in targets.into_iter().zip(selected) {
            self.planned += selected.len();
            for index in selected {
                self.writes[index].push(self.targets.len() as u32);
            }
            self.targets.push((self.values.len(), target));
        }
        self.values.push(source.value);
        Some(())
    }

    /// Carries them out. If several fail, the error is that of the first.
    pub(super) fn apply(&self, resources: &mut [Resource]) -> Result<(), ReplacementError> {
        let mut first_error = None;
        let mut end = self.targets.len();
        let mut keys = Keys::default();
        for (resource, targets) in resources.iter_mut().zip(&self.writes) {
            keys.forget();
            // Behind an error nothing counts but an earlier one.
            for number in targets.iter().map(|number| *number as usize).take_while(|number| *number < end) {
                let (value, target) = &self.targets[number];
                if let Err(error) = target.write(resource, &self.values[*value], &mut keys) {
                    (first_error, end) = (Some(error), number);
                    break;
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::apply_one;
    use super::*;
    use crate::kustomization::decode;
    use crate::yaml::{self, Limits, SourceText};

    const RESOURCES: usize = 4;

    fn parse(text: String) -> Arc<SourceText> {
        Arc::new(SourceText { text })
    }

    fn resources() -> Vec<Resource> {
        let manifest = |index| {
            format!(
                "apiVersion: v1\nkind: T\nmetadata: {{name: r{index}}}\nspec: {{a: a{index}, b: {{c: c{index}}}}}\n"
            )
        };
        let text = (0..RESOURCES).map(manifest).collect::<Vec<_>>().join("---\n");
        let documents = yaml::parse(parse(text), &Limits::new()).expect("valid");
        documents.into_iter().map(Resource::new).collect()
    }

    fn printed(resources: &[Resource], result: Result<(), ReplacementError>) -> Result<Vec<String>, String> {
        let print = |resource: &Resource| yaml::emit_v3(resource.doc(), resource.doc().root());
        result.map(|()| resources.iter().map(print).collect()).map_err(|error| error.to_string())
    }

    /// A replacement: source resource and field, then name patterns and fields of targets.
    fn replacement() -> impl Strategy<Value = String> {
        let field = prop::sample::select(vec!["spec.a", "spec.b.c", "spec.new", "spec.a.x", "metadata.name"]);
        let target = (prop::sample::select(vec!["r0", "r1", "r.*", "r[23]"]), field.clone(), any::<bool>());
        let target = target.prop_map(|(name, field, create)| {
            format!("{{select: {{name: '{name}'}}, fieldPaths: [{field}], options: {{create: {create}}}}}")
        });
        (0..RESOURCES, field, prop::collection::vec(target, 1..3)).prop_map(|(source, field, targets)| {
            format!("- source: {{name: r{source}, fieldPath: {field}}}\n  targets: [{}]\n", targets.join(", "))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn together_is_one_after_the_other(replacements in prop::collection::vec(replacement(), 1..6)) {
            let doc = yaml::parse_v2(parse(replacements.concat()), &Limits::new()).expect("valid");
            let fields: Vec<Fields> = decode::lenient(&doc, doc.root()).expect("decoded");
            let (mut each, mut all) = (resources(), resources());
            let mut ids = Ids::new(&each);
            let done = fields.iter().try_for_each(|fields| apply_one(fields, &mut each, &mut ids));
            let expected = printed(&each, done);
            let done = super::super::Replacements { replacements: fields }.apply_to(&mut all);
            prop_assert_eq!(printed(&all, done), expected);
        }
    }
}
