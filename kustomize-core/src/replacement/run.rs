//! Replacements that have nothing to do with each other, carried out together.
//!
//! With many replacements of many resources, going from one resource to the
//! next with each of them takes every manifest into the processor's cache as
//! often as there are replacements. Here it is once.

use std::borrow::Cow;

use foldhash::HashMap;

use super::keys::Keys;
use super::plain::{Layout, Places, PlainWrite};
use super::select::Ids;
use super::value::Value;
use super::{Fields, ReplacementError, Selection, Source, Target};
use crate::kustomization::{Selector, TargetSelector};
use crate::resource::Resource;
use crate::threads::Threads;
use crate::yaml::Document;

/// How many resources may be noted as selected, which bounds the memory for them.
const MAX_SELECTED: usize = 1 << 20;

/// How much room is made in a document before it is known what will be written.
const MAX_RESERVED_NODES: usize = 1 << 12;
const MAX_RESERVED_TEXT: usize = 1 << 16;

/// Replacements that follow each other, of which none reads or selects by what
/// an earlier one writes.
#[derive(Default)]
pub(super) struct Run<'a> {
    /// How many there are.
    pub(super) len: usize,
    values: Vec<Value>,
    /// Their targets, in order.
    targets: Vec<Planned>,
    selections: Vec<Selected>,
    /// By what they select and reject.
    selection_numbers: HashMap<(&'a Option<Selector>, &'a [Selector]), u32>,
    /// For each resource the selections that it is in.
    selected_by: Vec<Vec<u32>>,
    selected: usize,
    layout: Layout,
}

/// A target, and the number of its value.
struct Planned {
    target: Target,
    value: usize,
    /// The same, if it is as simple as that.
    plain: Option<PlainWrite>,
}

/// The number of a target and its error.
type Failure = (u32, ReplacementError);

/// The targets that select the same resources.
#[derive(Default)]
struct Selected {
    targets: Vec<u32>,
    /// How many nodes and bytes of text a resource may need for them.
    nodes: usize,
    text: usize,
}

impl<'a> Run<'a> {
    /// As many of the first of `replacements` as can be carried out together.
    pub(super) fn new(replacements: &'a [Fields], resources: &[Resource], ids: &Ids) -> Self {
        let mut run = Self { selected_by: vec![Vec::new(); resources.len()], ..Self::default() };
        let mut left = replacements.iter();
        while run.selected < MAX_SELECTED
            && let Some(fields) = left.next()
            && run.add(fields, resources, ids).is_some()
        {
            run.len += 1;
        }
        run
    }

    /// Adds a replacement. `None` if it depends on what was added before or on
    /// what it does itself, and if it fails before it writes anything.
    fn add(&mut self, fields: &'a Fields, resources: &[Resource], ids: &Ids) -> Option<()> {
        let source = Source::new(fields, resources, ids).ok()?;
        let selectors = fields.targets.as_ref().filter(|targets| !targets.is_empty())?;
        let targets: Vec<Target> = selectors.iter().map(Target::new).collect();
        if targets.iter().any(|target| target.may_change_id) {
            return None;
        }
        let selections = selectors.iter().map(|selector| self.selection(selector, resources, ids));
        let selections: Vec<u32> = selections.collect::<Option<_>>()?;
        let is_written = |index: usize| {
            self.selected_by[index].iter().any(|selection| {
                selections.contains(selection) || !self.selections[*selection as usize].targets.is_empty()
            })
        };
        if source.resource.is_some_and(is_written) {
            return None;
        }
        for (target, selection) in targets.into_iter().zip(selections) {
            self.plan(target, &source.value, selection);
        }
        self.values.push(source.value);
        Some(())
    }

    /// The number of the resources that a target selects.
    fn selection(&mut self, target: &'a TargetSelector, resources: &[Resource], ids: &Ids) -> Option<u32> {
        let key = (&target.select, &target.reject[..]);
        if let Some(known) = self.selection_numbers.get(&key) {
            return Some(*known);
        }
        let number = self.selections.len() as u32;
        let resources = ids.targets(&Selection::new(target).ok()?, resources);
        resources.iter().for_each(|index| self.selected_by[*index].push(number));
        self.selected += resources.len();
        self.selections.push(Selected::default());
        self.selection_numbers.insert(key, number);
        Some(number)
    }

    fn plan(&mut self, target: Target, value: &Value, selection: u32) {
        let plain = PlainWrite::new(&target, value, &mut self.layout);
        let (nodes, text) = plain.as_ref().map_or((0, 0), PlainWrite::size);
        let selected = &mut self.selections[selection as usize];
        (selected.nodes, selected.text) = (selected.nodes + nodes, selected.text + text);
        selected.targets.push(self.targets.len() as u32);
        self.targets.push(Planned { target, value: self.values.len(), plain });
    }

    /// Carries them out. If several fail, the error is that of the first.
    pub(super) fn apply(&self, resources: &mut [Resource], threads: Threads) -> Result<(), ReplacementError> {
        let mut written: Vec<_> = resources.iter_mut().zip(&self.selected_by).collect();
        let failures = threads.map(&mut written, |part| self.apply_to(part)).into_iter().flatten();
        failures.min_by_key(|(number, _)| *number).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The first target that fails, with its error.
    fn apply_to(&self, resources: &mut [(&mut Resource, &Vec<u32>)]) -> Option<Failure> {
        let mut first = None;
        let mut end = self.targets.len() as u32;
        let (mut keys, mut places) = (Keys::default(), Places::new(&self.layout));
        for (resource, selections) in resources {
            let targets = self.targets_of(selections);
            // Behind an error nothing counts but an earlier one.
            let targets = &targets[..targets.partition_point(|number| *number < end)];
            if targets.is_empty() {
                continue;
            }
            self.reserve(resource.doc_mut(), selections);
            keys.forget();
            places.forget();
            if let Err(failure) = self.write(resource, targets, &mut places, &mut keys) {
                end = failure.0;
                first = Some(failure);
            }
        }
        first
    }

    /// The targets of all these selections, in order.
    fn targets_of(&self, selections: &[u32]) -> Cow<'_, [u32]> {
        let targets = |selection: &u32| &self.selections[*selection as usize].targets[..];
        match selections {
            [] => Cow::default(),
            [selection] => Cow::Borrowed(targets(selection)),
            _ => {
                let mut all: Vec<u32> = selections.iter().flat_map(targets).copied().collect();
                all.sort_unstable();
                Cow::Owned(all)
            }
        }
    }

    /// Makes room for what these selections may write, instead of growing again and again.
    fn reserve(&self, doc: &mut Document, selections: &[u32]) {
        let selections = || selections.iter().map(|selection| &self.selections[*selection as usize]);
        doc.reserve(selections().map(|selected| selected.nodes).sum::<usize>().min(MAX_RESERVED_NODES));
        doc.reserve_text(selections().map(|selected| selected.text).sum::<usize>().min(MAX_RESERVED_TEXT));
    }

    /// Writes to these targets up to the one that fails.
    fn write(
        &self,
        resource: &mut Resource,
        targets: &[u32],
        places: &mut Places<'_>,
        keys: &mut Keys,
    ) -> Result<(), Failure> {
        let mut left = targets;
        while !left.is_empty() {
            left = self.write_plain(resource.doc_mut(), left, places);
            let Some((number, others)) = left.split_first() else { break };
            let Planned { target, value, .. } = &self.targets[*number as usize];
            target.write(resource, &self.values[*value], None, keys).map_err(|error| (*number, error))?;
            places.look_again();
            left = others;
        }
        Ok(())
    }

    /// Writes to the first of these targets, up to one that is not so simple; the others.
    fn write_plain<'t>(&self, doc: &mut Document, targets: &'t [u32], places: &mut Places<'_>) -> &'t [u32] {
        let is_plain = |number: &u32| self.targets[*number as usize].plain.as_ref();
        let done = targets.iter().take_while(|number| is_plain(number).is_some_and(|plain| plain.write(doc, places)));
        let done = done.count();
        &targets[done..]
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
                "apiVersion: v1\nkind: T\nmetadata: {{name: r{index}}}\n\
                 spec: {{a: a{index}, b: {{c: 'c{index}'}}, n: {index}, none: null, list: [x, {{y: z}}]}}\n"
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
        let select = prop::sample::select::<&str>;
        let often = select(vec!["spec.a", "spec.b.c", "spec.new", "spec.new.c", "spec.n"]);
        let rare = select(vec!["spec.b", "spec.a.x", "spec.none", "spec.none.x", "spec.list.0", "metadata.name"]);
        let field = prop_oneof![4 => often, 1 => rare];
        let fields = prop::collection::vec(field.clone(), 1..3).prop_map(|fields| fields.join(", "));
        let options = select(vec!["create: true", "create: true", "create: false", "delimiter: c"]);
        let name = select(vec!["r0", "r1", "r2", "r.*", "r[12]", "r[23]"]);
        let target = (name, fields, options).prop_map(|(name, fields, options)| {
            format!("{{select: {{name: '{name}'}}, fieldPaths: [{fields}], options: {{{options}}}}}")
        });
        // Mostly of the last one, so that many do not depend on each other.
        let source = prop_oneof![3 => Just(RESOURCES - 1), 1 => 0..RESOURCES];
        let value = prop_oneof![2 => select(vec!["spec.a", "spec.b"]), 1 => field];
        (source, value, prop::collection::vec(target, 1..3)).prop_map(|(source, value, targets)| {
            format!("- source: {{name: r{source}, fieldPath: {value}}}\n  targets: [{}]\n", targets.join(", "))
        })
    }

    /// What replacements make, one after the other and together.
    fn both(replacements: String) -> [Result<Vec<String>, String>; 2] {
        let doc = yaml::parse_v2(parse(replacements), &Limits::new()).expect("valid");
        let fields: Vec<Fields> = decode::lenient(&doc, doc.root()).expect("decoded");
        let (mut each, mut all) = (resources(), resources());
        let mut ids = Ids::new(&each);
        let done = fields.iter().try_for_each(|fields| apply_one(fields, &mut each, &mut ids));
        let expected = printed(&each, done);
        let done = super::super::Replacements { replacements: fields }.apply_to(&mut all, Threads::ONE);
        [expected, printed(&all, done)]
    }

    #[test]
    fn plain_writes_see_what_others_made() {
        let write = |(from, to): (&str, &str)| {
            let target = format!("{{select: {{name: r0}}, fieldPaths: [{to}], options: {{create: true}}}}");
            format!("- {{source: {{name: r1, fieldPath: {from}}}, targets: [{target}]}}\n")
        };
        for writes in [
            // A mapping between two texts, and a text that takes its place.
            &[("spec.a", "spec.x"), ("spec.b", "spec.new"), ("spec.n", "spec.new.c"), ("spec.a", "spec.new")][..],
            // Another mapping in the place of one that was written to.
            &[("spec.n", "spec.b.c"), ("spec.n", "spec.b.d"), ("spec.b", "spec.b"), ("spec.a", "spec.b.d")],
        ] {
            let [expected, made] = both(writes.iter().copied().map(write).collect());
            assert_eq!(made, expected);
            assert!(made.is_ok_and(|made| made[0].contains("a1")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn together_is_one_after_the_other(replacements in prop::collection::vec(replacement(), 1..8)) {
            let [expected, made] = both(replacements.concat());
            prop_assert_eq!(made, expected);
        }
    }
}
