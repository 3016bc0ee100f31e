//! Lists whose items a patch merges by key.
//!
//! This is kyaml's `associative_sequence.go` literally, steps that look
//! wrong included: what happens to items without a key, to items whose
//! second key is missing (the `protocol` of a port) and to empty ones is
//! what users of kustomize get. Do not simplify it; where it matters that it
//! is fast, `walk_distinct` does the same in one pass.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::schema::SchemaNode;
use crate::yaml::{Kind, NodeId, Scalar, Style};

use super::directive::{self, Directive};
use super::strategic::{Merge, MergeError, Sources, Walked};

/// The values of an item's merge keys, an empty text for one that is missing.
type Values = Vec<String>;

/// The items of the list in the target and in the patch.
struct Lists {
    dest: Vec<NodeId>,
    /// `None` if the patch does not have the list.
    origin: Option<Vec<NodeId>>,
    /// The target did not have it: both are the patch's.
    same: bool,
}

impl Lists {
    fn origin(&self) -> Option<&[NodeId]> {
        if self.same { Some(&self.dest) } else { self.origin.as_deref() }
    }
}

/// Lists up to this size are searched item by item, which needs no memory.
const SMALL: usize = 8;

fn are_distinct<T: Eq + Hash>(items: &[T]) -> bool {
    if items.len() > SMALL {
        let mut seen = HashSet::with_capacity(items.len());
        return items.iter().all(|item| seen.insert(item));
    }
    items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))
}

impl<'a> Merge<'a> {
    pub(super) fn walk_associative(
        &mut self,
        sources: Sources,
        mut keys: Vec<&'a str>,
        items: Option<SchemaNode<'a>>,
    ) -> Result<Walked, MergeError> {
        let visited = self.visit_list(sources)?;
        let Walked::Node(dest) = visited else { return Ok(visited) };
        let mut lists = Lists {
            dest: self.doc.items(dest).collect(),
            origin: sources.origin.map(|origin| self.doc.items(origin).collect()),
            same: sources.origin == Some(dest),
        };
        if keys.is_empty() {
            keys.push("");
        }
        if let Some(pairs) = self.pairs(&lists, &keys).filter(|pairs| !pairs.is_empty()) {
            let merged = self.walk_distinct(pairs, items)?;
            return Ok(Walked::Node(self.new_list(merged)));
        }
        let mut values = self.all_values(&lists, &keys);
        if keys.len() > 1 {
            merge_values(&mut values);
        }
        if values.is_empty() {
            return Ok(visited);
        }
        let merged = self.merge_items(&mut lists, &values, &keys, items)?;
        Ok(Walked::Node(self.new_list(merged)))
    }

    /// Which items belong together, those of the patch first; `None` if there
    /// is one that the one key does not tell apart from all others.
    fn pairs(&self, lists: &Lists, keys: &[&str]) -> Option<Vec<Sources>> {
        let &[key] = keys else { return None };
        let value = |item: NodeId| {
            let field = self.doc.get(item, key).filter(|field| !self.doc.is_null(*field))?;
            Some(self.doc.text(field)).filter(|text| !text.is_empty())
        };
        let Some(origin) = lists.origin() else {
            let values: Option<Vec<&str>> = lists.dest.iter().map(|item| value(*item)).collect();
            let alone = lists.dest.iter().map(|item| Sources { dest: Some(*item), origin: None });
            return values.filter(|values| are_distinct(values)).map(|_| alone.collect());
        };
        let mut dest = HashMap::with_capacity(lists.dest.len());
        for item in &lists.dest {
            if dest.insert(value(*item)?, *item).is_some() {
                return None;
            }
        }
        let mut pairs = Vec::with_capacity(lists.dest.len());
        let mut patched = HashSet::new();
        for item in origin {
            let value = value(*item)?;
            if !patched.insert(value) {
                return None;
            }
            pairs.push(Sources { dest: dest.get(value).copied(), origin: Some(*item) });
        }
        let rest = lists.dest.iter().filter(|item| value(**item).is_some_and(|value| !patched.contains(value)));
        pairs.extend(rest.map(|item| Sources { dest: Some(*item), origin: None }));
        Some(pairs)
    }

    /// What the rest of this file comes down to where items are distinct.
    fn walk_distinct(
        &mut self,
        pairs: Vec<Sources>,
        schema: Option<SchemaNode<'a>>,
    ) -> Result<Vec<NodeId>, MergeError> {
        let mut merged = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let Walked::Node(item) = self.walk(pair, schema)? else { continue };
            if self.is_missing_or_empty_map(item) {
                continue;
            }
            // An item that the patch replaces as a whole (`$patch: replace`) stays what it was.
            merged.push(pair.dest.unwrap_or_else(|| self.doc.copy(item)));
        }
        Ok(merged)
    }

    /// A list of these items; one that is there twice becomes two.
    fn new_list(&mut self, mut items: Vec<NodeId>) -> NodeId {
        if !are_distinct(&items) {
            let mut seen = HashSet::with_capacity(items.len());
            for item in items.iter_mut() {
                if !seen.insert(*item) {
                    *item = self.doc.copy(*item);
                }
            }
        }
        let list = self.doc.new_sequence();
        self.doc.set_children(list, &items);
        list
    }

    /// What becomes of the list as a whole.
    fn visit_list(&mut self, sources: Sources) -> Result<Walked, MergeError> {
        self.set_flow(sources);
        let Sources { dest, origin } = sources;
        let Some(dest) = dest.filter(|dest| !self.doc.is_null(*dest)) else {
            return Ok(origin.map_or(Walked::Nothing, Walked::Node));
        };
        let Some(origin) = origin else { return Ok(Walked::Node(dest)) };
        if self.doc.is_null(origin) {
            return Ok(Walked::Nothing);
        }
        let mut items: Vec<_> = self.doc.items(origin).collect();
        let Some((directive, name)) = directive::of_list(self.doc, &items)? else { return Ok(Walked::Node(dest)) };
        self.set_element(&mut items, None, &[directive::KEY], &[name])?;
        self.doc.set_children(origin, &items);
        Ok(match directive {
            Directive::Delete => Walked::Nothing,
            Directive::Replace => Walked::Node(origin),
            Directive::Merge => Walked::Node(dest),
        })
    }

    /// The keys' values of all items, those of the patch first.
    fn all_values(&self, lists: &Lists, keys: &[&str]) -> Vec<Values> {
        let mut all = Vec::new();
        let mut seen = HashSet::new();
        for item in lists.origin().into_iter().flatten().chain(&lists.dest) {
            let values = self.values(*item, keys);
            if seen.insert(values.clone()) {
                all.push(values);
            }
        }
        all
    }

    fn values(&self, item: NodeId, keys: &[&str]) -> Values {
        if keys == [""] {
            return vec![self.doc.text(item).to_owned()];
        }
        let value = |key: &&str| {
            let field = self.doc.get(item, key).filter(|field| !self.is_missing_or_empty(*field));
            field.map(|field| self.doc.text(field).to_owned()).unwrap_or_default()
        };
        keys.iter().map(value).collect()
    }

    fn is_missing_or_empty(&self, id: NodeId) -> bool {
        self.doc.is_null(id) || (!self.doc.is_scalar(id) && self.doc.is_empty(id))
    }

    fn is_missing_or_empty_map(&self, id: NodeId) -> bool {
        self.doc.is_null(id) || (self.doc.is_mapping(id) && self.doc.is_empty(id))
    }

    fn merge_items(
        &mut self,
        lists: &mut Lists,
        all_values: &[Values],
        keys: &[&str],
        schema: Option<SchemaNode<'a>>,
    ) -> Result<Vec<NodeId>, MergeError> {
        let mut merged = Vec::new();
        let mut last_keys = keys.to_vec();
        let present = present_keys(all_values, keys.len());
        for values in all_values {
            let (valid_keys, valid_values) = valid(&present, values, keys);
            let item = self.walk_item(lists, &valid_keys, &valid_values, schema)?;
            match item.filter(|item| !self.is_missing_or_empty_map(*item)) {
                None => self.set_element(&mut lists.dest, None, &valid_keys, &valid_values)?,
                Some(item) => {
                    self.set_missing_keys(item, &valid_keys, &valid_values)?;
                    let item = if lists.dest.contains(&item) && !lists.same { item } else { self.doc.copy(item) };
                    self.set_element(&mut merged, Some(item), &valid_keys, &valid_values)?;
                }
            }
            last_keys = valid_keys;
        }
        self.append_items(&mut merged, &lists.dest, &last_keys)?;
        Ok(merged)
    }

    /// Merges the items of these values.
    fn walk_item(
        &mut self,
        lists: &Lists,
        keys: &[&str],
        values: &[String],
        schema: Option<SchemaNode<'a>>,
    ) -> Result<Option<NodeId>, MergeError> {
        let present: Vec<_> = values.iter().map(|value| !value.is_empty()).collect();
        let (keys, values) = valid(&present, values, keys);
        let dest = self.find_element(&lists.dest, &keys, &values);
        let origin = lists.origin().and_then(|origin| self.find_element(origin, &keys, &values));
        Ok(match self.walk(Sources { dest, origin }, schema)? {
            Walked::Node(item) => Some(item),
            Walked::Nothing | Walked::KeptNull => None,
        })
    }

    /// Makes sure that an item has its keys.
    fn set_missing_keys(&mut self, item: NodeId, keys: &[&str], values: &[String]) -> Result<(), MergeError> {
        for (key, value) in keys.iter().zip(values) {
            if value.is_empty() || self.doc.get(item, key).is_some() {
                continue;
            }
            if key.is_empty() {
                if !self.doc.is_scalar(item) {
                    return Err(MergeError::kind(Kind::Scalar, self.doc.kind(item)));
                }
                let style = self.doc.style(item);
                self.doc.set_scalar(item, Scalar { style, ..Scalar::plain(value) });
                continue;
            }
            if !self.doc.is_mapping(item) {
                return Err(MergeError::kind(Kind::Mapping, self.doc.kind(item)));
            }
            let name = self.doc.new_scalar(Scalar::plain(key));
            let field = self.doc.new_scalar(Scalar::plain(value));
            if crate::yaml::resolve::is_special_v2(value) {
                self.doc.set_style(field, Style::DoubleQuoted);
            }
            self.doc.push_entry(item, name, field);
        }
        Ok(())
    }

    /// kyaml's `appendListNode`.
    fn append_items(&self, merged: &mut Vec<NodeId>, dest: &[NodeId], keys: &[&str]) -> Result<(), MergeError> {
        for item in dest {
            if keys[0].is_empty() {
                self.set_element(merged, Some(*item), &[""], &[self.doc.text(*item).to_owned()])?;
                continue;
            }
            let mut values = Values::new();
            for key in keys {
                if !self.doc.is_mapping(*item) && !self.doc.is_null(*item) {
                    return Err(MergeError::kind(Kind::Mapping, self.doc.kind(*item)));
                }
                match self.doc.get(*item, key) {
                    Some(value) => values.push(self.doc.text(value).to_owned()),
                    None => merged.push(*item),
                }
            }
            if keys.len() > 1 {
                self.set_element(merged, None, keys, &values)?;
            }
            self.set_element(merged, Some(*item), keys, &values)?;
        }
        Ok(())
    }

    /// kyaml's `ElementSetter`: puts `element` in the place of the items that
    /// match, or takes those out if there is none.
    fn set_element(
        &self,
        items: &mut Vec<NodeId>,
        element: Option<NodeId>,
        keys: &[&str],
        values: &[String],
    ) -> Result<(), MergeError> {
        let wants_map = !keys[0].is_empty() && values.first().is_some_and(|value| !value.is_empty());
        let mut found = false;
        let mut kept = Vec::with_capacity(items.len() + 1);
        for item in items.iter() {
            if self.is_missing_or_empty_map(*item) {
                continue;
            }
            if wants_map && !self.doc.is_mapping(*item) {
                kept.push(*item);
            } else if self.matches(*item, keys, values)? {
                found = true;
                kept.extend(element);
            } else if !values.is_empty() {
                kept.push(*item);
            }
        }
        *items = kept;
        if let Some(element) = element.filter(|element| !found && !self.doc.is_null(*element)) {
            items.push(element);
        }
        Ok(())
    }

    /// Whether an item has these values. An empty one matches any. A key
    /// without a value counts as the key before it did.
    fn matches(&self, item: NodeId, keys: &[&str], values: &[String]) -> Result<bool, MergeError> {
        let mut matches = false;
        for (index, key) in keys.iter().enumerate() {
            if let Some(value) = values.get(index) {
                matches = self.matches_key(item, key, value)?;
            }
            if !matches {
                return Ok(false);
            }
        }
        Ok(matches)
    }

    fn matches_key(&self, item: NodeId, key: &str, value: &str) -> Result<bool, MergeError> {
        let wanted = if key.is_empty() { Kind::Scalar } else { Kind::Mapping };
        if self.doc.kind(item) != wanted {
            return Err(MergeError::kind(wanted, self.doc.kind(item)));
        }
        if key.is_empty() {
            return Ok(self.doc.text(item) == value);
        }
        let field = self.doc.get(item, key);
        Ok(field.is_some_and(|field| value.is_empty() || self.doc.text(field) == value))
    }

    /// kyaml's `ElementMatcher`: the first item with exactly these values.
    fn find_element(&self, items: &[NodeId], keys: &[&str], values: &[String]) -> Option<NodeId> {
        if keys[0].is_empty() {
            return items.iter().copied().find(|item| self.doc.text(*item) == values[0]);
        }
        let is_it = |item: &NodeId| {
            let has = |(key, value): (&&str, &String)| {
                self.doc.get(*item, key).is_some_and(|field| self.doc.text(field) == value)
            };
            self.doc.is_mapping(*item) && keys.iter().zip(values).all(has)
        };
        if keys.len() == values.len() { items.iter().copied().find(is_it) } else { None }
    }
}

/// Which of the keys any item has a value for.
fn present_keys(all: &[Values], keys: usize) -> Vec<bool> {
    (0..keys).map(|key| all.iter().any(|values| !values[key].is_empty())).collect()
}

/// kyaml's `validateKeys`: without the keys that no item has; all of them if
/// that would leave none.
fn valid<'k>(present: &[bool], values: &[String], keys: &[&'k str]) -> (Vec<&'k str>, Values) {
    if present.iter().all(|present| !present) {
        return (keys.to_vec(), values.to_vec());
    }
    let both = keys.iter().zip(values).zip(present).filter(|(_, present)| **present);
    both.map(|((key, value), _)| (*key, value.clone())).unzip()
}

/// kyaml's `mergeValues`: completes missing values from items that are otherwise the same.
fn merge_values(all: &mut [Values]) {
    for i in 0..all.len() {
        let first = all[i].clone();
        for j in 0..all.len() {
            if let Some(merged) = completed(&first, &all[j]) {
                all[i].clone_from(&merged);
                all[j] = merged;
            }
        }
    }
}

fn completed(first: &[String], second: &[String]) -> Option<Values> {
    let mut common = false;
    let mut merged = Values::with_capacity(first.len());
    for (a, b) in first.iter().zip(second) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        merged.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(merged)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::schema::Schema;
    use crate::yaml::{self, Document, Limits, SourceText};

    fn parse(text: String) -> Document {
        yaml::parse(Arc::new(SourceText { text }), &Limits::default()).expect("test YAML").remove(0)
    }

    /// The merged list, by the fast way if it is to be and can be taken.
    fn merged(dest: &str, origin: &str, fast: bool) -> Option<String> {
        let mut doc = parse(format!("{{l: {dest}, p: {origin}}}"));
        let schema = Schema::builtin();
        let pod = schema.for_gvk("", "v1", "Pod").and_then(|pod| pod.field("spec")?.field("containers")?.items());
        let list = |doc: &Document, key| doc.get(doc.root(), key).map(|list| doc.items(list).collect());
        let mut lists = Lists { dest: list(&doc, "l")?, origin: list(&doc, "p"), same: false };
        let mut merge = Merge::new(&mut doc, &schema);
        let merged = if fast {
            let pairs = merge.pairs(&lists, &["name"])?;
            merge.walk_distinct(pairs, pod)
        } else {
            let values = merge.all_values(&lists, &["name"]);
            merge.merge_items(&mut lists, &values, &["name"], pod)
        };
        let list = merge.new_list(merged.expect("merges"));
        Some(yaml::json::write_go(&doc, list, false).expect("printable"))
    }

    fn list() -> impl Strategy<Value = String> {
        let item = (
            prop::sample::select(vec!["a", "b", "c", "d"]),
            "(, image: [x-z])?",
            "(, env: \\[\\{name: [A-C], value: [0-9]\\}\\])?",
            "(, \\$patch: (delete|replace|merge))?",
        );
        let item = item.prop_map(|(name, image, env, patch)| format!("{{name: {name}{image}{env}{patch}}}"));
        prop::collection::vec(item, 0..5).prop_map(|items| format!("[{}]", items.join(", ")))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_way_leads_where_the_long_one_does(dest in list(), origin in list()) {
            let dest = dest.replace("$patch", "other");
            if let Some(fast) = merged(&dest, &origin, true) {
                prop_assert_eq!(Some(fast), merged(&dest, &origin, false));
            }
        }
    }
}
