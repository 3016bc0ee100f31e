//! `vars`: named fields of resources whose value takes the place of `$(NAME)`
//! in other resources. Deprecated in kustomize, in favour of replacements.

use std::collections::{BTreeMap, HashMap};

use crate::config::TransformerConfig;
use crate::id::ResourceId;
use crate::kustomization::Var;
use crate::replacement::{FieldPath, PathError};
use crate::resource::{Resource, effective_namespace};
use crate::resource_set::ResourceSet;
use crate::schema::Schema;
use crate::transform::{FieldError, Found, WantedNames};
use crate::yaml::{Document, Kind, NodeId, Scalar, Style, Tag};

/// The variables of a kustomization and its bases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars {
    by_name: BTreeMap<String, Var>,
}

/// Why variables cannot be defined or replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VarError {
    /// Two kustomizations, or two entries of one, define the same variable.
    #[error("the variable '{name}' is defined twice")]
    Repeated {
        /// The variable.
        name: String,
    },
    /// Several resources have or had the id that a variable refers to.
    #[error("the variable '{name}' may refer to any of several resources: {}", join(candidates))]
    Ambiguous {
        /// The variable.
        name: String,
        /// The resources.
        candidates: Vec<ResourceId>,
    },
    /// No resource has or had the id that a variable refers to.
    #[error("the variable '{name}' refers to no resource")]
    NoResource {
        /// The variable.
        name: String,
    },
    /// The resource that a variable refers to does not have the field.
    #[error("the variable '{name}' takes the field '{path}', which {resource} does not have")]
    NoField {
        /// The variable.
        name: String,
        /// The field.
        path: String,
        /// The resource.
        resource: Box<ResourceId>,
    },
    /// The field of a variable cannot be read.
    #[error("the variable '{name}' cannot take the field '{path}' of {resource}")]
    Path {
        /// The variable.
        name: String,
        /// The field.
        path: String,
        /// The resource.
        resource: Box<ResourceId>,
        /// What is wrong with it.
        #[source]
        source: Box<PathError>,
    },
    /// A field that may hold variables is not built as expected.
    #[error("cannot replace variables in the field '{path}' of {resource}")]
    Field {
        /// The resource.
        resource: Box<ResourceId>,
        /// The path of the field spec.
        path: String,
        /// What is wrong with it.
        #[source]
        source: FieldError,
    },
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    String(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A list or mapping, which takes no place of any `$(NAME)`.
    Collection,
}

/// What a text becomes.
#[derive(Debug, PartialEq)]
enum Expanded {
    Text(String),
    /// The text is nothing but the variable, and so keeps the variable's type.
    Typed(Value),
}

struct Replacer<'a> {
    values: HashMap<&'a str, (Value, bool)>,
}

impl Vars {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Adds the variables of a kustomization, and marks the resources that
    /// they refer to: overlays may give these another name.
    pub(crate) fn define(
        &mut self,
        vars: &[Var],
        resources: &mut ResourceSet,
        schema: &Schema,
    ) -> Result<(), VarError> {
        let candidates = candidates(vars, resources, schema);
        for (var, candidates) in vars.iter().zip(candidates) {
            match candidates[..] {
                [] => {}
                [only] => resources.as_mut_vec()[only].history_mut().referring_vars.push(var.name.clone()),
                _ => {
                    let id = |index: &usize| resources.as_slice()[*index].id();
                    let candidates = candidates.iter().map(id).collect();
                    return Err(VarError::Ambiguous { name: var.name.clone(), candidates });
                }
            }
        }
        vars.iter().try_for_each(|var| self.add(var.clone()))
    }

    /// Adds the variables of a base.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), VarError> {
        other.by_name.into_values().try_for_each(|var| self.add(var))
    }

    fn add(&mut self, var: Var) -> Result<(), VarError> {
        let name = var.name.clone();
        match self.by_name.insert(name.clone(), var) {
            None => Ok(()),
            Some(_) => Err(VarError::Repeated { name }),
        }
    }

    /// Replaces every `$(NAME)` in the fields that may have some. Returns the
    /// variables that were not found anywhere.
    pub(crate) fn replace(
        &self,
        resources: &mut ResourceSet,
        config: &TransformerConfig,
    ) -> Result<Vec<String>, VarError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut replacer = Replacer { values: self.values(resources)? };
        let mut found = Found::default();
        for resource in resources.iter_mut() {
            replacer.replace_in(resource, config, &mut found)?;
        }
        let unused =
            self.by_name.keys().filter(|name| replacer.values.get(name.as_str()).is_some_and(|value| !value.1));
        Ok(unused.cloned().collect())
    }

    fn values(&self, resources: &ResourceSet) -> Result<HashMap<&str, (Value, bool)>, VarError> {
        let mut referred: HashMap<&str, &Resource> = HashMap::new();
        for resource in resources {
            for name in &resource.history().referring_vars {
                referred.entry(name).or_insert(resource);
            }
        }
        let mut values = HashMap::new();
        for (name, var) in &self.by_name {
            let Some(resource) = referred.get(name.as_str()) else {
                return Err(VarError::NoResource { name: name.clone() });
            };
            values.insert(name.as_str(), (value_of(var, resource)?, false));
        }
        Ok(values)
    }
}

/// For each variable the resources that have or had the id it refers to.
fn candidates(vars: &[Var], resources: &ResourceSet, schema: &Schema) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); vars.len()];
    if vars.is_empty() {
        return found;
    }
    let wanted = WantedNames::new(vars.iter().map(|var| var.objref.name.as_str()));
    for (index, resource) in resources.iter().enumerate() {
        let (group, version) = resource.group_version();
        let mut check = |kind: &str, name: &str, namespace: &str| {
            for var in wanted.entries(name) {
                if found[*var].last() != Some(&index) && refers_to(&vars[*var], group, version, kind, namespace) {
                    found[*var].push(index);
                }
            }
        };
        for previous in resource.history().previous.iter() {
            check(previous.kind, previous.name, previous.namespace);
        }
        if !wanted.entries(resource.name()).is_empty() {
            check(resource.kind(), resource.name(), resource.effective_namespace(schema));
        }
    }
    found
}

/// Without a namespace, a variable refers to a resource in any.
fn refers_to(var: &Var, group: &str, version: &str, kind: &str, namespace: &str) -> bool {
    let wanted = var.objref.gvk();
    wanted.group == group
        && wanted.version == version
        && wanted.kind == kind
        && (var.objref.namespace.is_empty() || effective_namespace(&var.objref.namespace, false) == namespace)
}

fn value_of(var: &Var, resource: &Resource) -> Result<Value, VarError> {
    let path = if var.fieldref.field_path.is_empty() { "metadata.name" } else { &var.fieldref.field_path };
    let (name, resource_id) = (|| var.name.clone(), || Box::new(resource.id()));
    let missing = || VarError::NoField { name: name(), path: path.to_owned(), resource: resource_id() };
    let doc = resource.doc();
    let node = FieldPath::of_var(path).lookup(doc).map_err(|source| VarError::Path {
        name: name(),
        path: path.to_owned(),
        resource: resource_id(),
        source: Box::new(source),
    })?;
    read_value(doc, node.ok_or_else(missing)?).ok_or_else(missing)
}

/// As kustomize's `GetFieldValue` reads it; numbers only in Go's own notation.
fn read_value(doc: &Document, node: NodeId) -> Option<Value> {
    let text = doc.text(node);
    match doc.tag(node) {
        _ if doc.kind(node) != Kind::Scalar => Some(Value::Collection),
        Tag::Int => text.parse().ok().map(Value::Int),
        Tag::Float => text.parse().ok().map(Value::Float),
        Tag::Bool => match text {
            "true" | "True" | "TRUE" => Some(Value::Bool(true)),
            "false" | "False" | "FALSE" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => Some(Value::String(text.to_owned())),
    }
}

impl Replacer<'_> {
    fn replace_in(
        &mut self,
        resource: &mut Resource,
        config: &TransformerConfig,
        found: &mut Found,
    ) -> Result<(), VarError> {
        for tree in config.var_references.trees(resource.kind()) {
            found.clear();
            let specs = tree.for_version(resource.api_version());
            let done = found.add(resource.doc(), tree, specs).and_then(|()| {
                if !found.null_lists.is_empty() {
                    found.make_lists(resource.doc_mut());
                }
                let mut fields = found.fields.iter();
                fields
                    .try_for_each(|(spec, field)| self.replace_field(resource, *field).map_err(|error| (*spec, error)))
            });
            done.map_err(|(spec, source)| VarError::Field {
                resource: Box::new(resource.id()),
                path: tree.spec(spec).path.as_str().to_owned(),
                source,
            })?;
        }
        Ok(())
    }

    fn replace_field(&mut self, resource: &mut Resource, field: NodeId) -> Result<(), FieldError> {
        match resource.doc().kind(field) {
            Kind::Scalar => self.replace_text(resource, field),
            Kind::Mapping => {
                let mut next = resource.doc().first_child(field);
                while let Some(key) = next {
                    require_string(resource.doc(), key)?;
                    let value = resource.doc().next_sibling(key);
                    if let Some(value) = value {
                        self.replace_text(resource, value);
                    }
                    next = value.and_then(|value| resource.doc().next_sibling(value));
                }
            }
            Kind::Sequence => {
                let mut next = resource.doc().first_child(field);
                while let Some(item) = next {
                    require_string(resource.doc(), item)?;
                    self.replace_text(resource, item);
                    next = resource.doc().next_sibling(item);
                }
            }
        }
        Ok(())
    }

    /// Replaces variables in a string; other values have none. What an earlier
    /// transformer made without a tag becomes a string, whatever it looks like.
    fn replace_text(&mut self, resource: &mut Resource, node: NodeId) {
        let doc = resource.doc();
        let has_vars = doc.text(node).contains('$');
        if !doc.is_string(node) || !has_vars && !doc.is_untagged(node) {
            return;
        }
        let (tag, text) = match self.expand(doc.text(node)) {
            Expanded::Text(text) => (Tag::Str, text),
            Expanded::Typed(value) => (value.tag(), value.to_field()),
        };
        resource.doc_mut().set_scalar(node, Scalar { tag, style: Style::Plain, text: &text });
    }

    /// Replaces what is known; `$$` stands for a dollar sign.
    ///
    /// # Deviation
    ///
    /// Kustomize tears a character beyond ASCII behind a dollar sign apart and
    /// then prints the whole text in base64.
    fn expand(&mut self, text: &str) -> Expanded {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            let after = &rest[dollar + 1..];
            let Some(first) = after.chars().next() else {
                out.push('$');
                return Expanded::Text(out);
            };
            rest = &after[first.len_utf8()..];
            match (first, rest.find(')')) {
                ('$', _) => out.push('$'),
                ('(', Some(end)) => {
                    let name = &rest[..end];
                    rest = &rest[end + 1..];
                    match self.value(name) {
                        Some(value) if text.len() == name.len() + 3 => return Expanded::Typed(value.clone()),
                        Some(value) => value.push_to(&mut out),
                        None => out.extend(["$(", name, ")"]),
                    }
                }
                (first, _) => out.extend(['$', first]),
            }
        }
        out.push_str(rest);
        Expanded::Text(out)
    }

    fn value(&mut self, name: &str) -> Option<&Value> {
        let (value, used) = self.values.get_mut(name)?;
        if *value == Value::Collection {
            return None;
        }
        *used = true;
        Some(value)
    }
}

impl Value {
    fn tag(&self) -> Tag {
        match self {
            Self::Int(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Bool(_) => Tag::Bool,
            Self::String(_) | Self::Collection => Tag::Str,
        }
    }

    /// As the whole of a field.
    fn to_field(&self) -> String {
        match self {
            // Go's `FormatFloat` with `'f'`, which is Rust's way, too.
            Self::Float(float) => float.to_string(),
            value => {
                let mut text = String::new();
                value.push_to(&mut text);
                text
            }
        }
    }

    /// Within a text, as Go's `%v` prints it.
    fn push_to(&self, out: &mut String) {
        match self {
            Self::String(text) => out.push_str(text),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Float(float) => out.push_str(&go_float(*float)),
            Self::Collection => {}
        }
    }
}

/// A float as Go's `%v`: with an exponent below 1e-4 and from 1e6 on.
fn go_float(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return float.to_string() };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => float.to_string(),
    }
}

fn require_string(doc: &Document, node: NodeId) -> Result<(), FieldError> {
    if doc.is_string(node) {
        return Ok(());
    }
    Err(FieldError::WrongKind { expected: "a string", found: "something else" })
}

fn join(ids: &[ResourceId]) -> String {
    ids.iter().map(ResourceId::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacer() -> Replacer<'static> {
        let values = [
            ("S", Value::String("text".into())),
            ("I", Value::Int(80)),
            ("F", Value::Float(1e6)),
            ("B", Value::Bool(true)),
            ("C", Value::Collection),
        ];
        Replacer { values: values.into_iter().map(|(name, value)| (name, (value, false))).collect() }
    }

    #[test]
    fn known_names_are_replaced_within_a_text() {
        let expanded = |text: &str| match replacer().expand(text) {
            Expanded::Text(text) => text,
            Expanded::Typed(value) => panic!("{value:?}"),
        };
        assert_eq!(expanded("a $(S)$(I) $(F) $(B)."), "a text80 1e+06 true.");
        assert_eq!(expanded("$(X) $(C) $() $$(S) $x $é $(S $"), "$(X) $(C) $() $(S) $x $é $(S $");
    }

    #[test]
    fn a_text_that_is_only_a_variable_takes_its_type() {
        assert_eq!(replacer().expand("$(I)"), Expanded::Typed(Value::Int(80)));
        assert_eq!(replacer().expand("$(X)"), Expanded::Text("$(X)".into()));
        assert_eq!(Value::Float(1.5e20).to_field(), "150000000000000000000");
    }

    #[test]
    fn floats_print_as_in_go() {
        let printed = [1.5, 999999.0, 1e6, 1234567.5, 0.0001, 0.00001, 1e-10].map(go_float);
        assert_eq!(printed, ["1.5", "999999", "1e+06", "1.2345675e+06", "0.0001", "1e-05", "1e-10"]);
    }

    #[test]
    fn a_variable_is_defined_once() {
        let var = Var { name: "A".into(), ..Var::default() };
        let mut vars = Vars::default();
        let schema = Schema::builtin();
        let error = vars.define(&[var.clone(), var], &mut ResourceSet::default(), &schema);
        assert!(matches!(error, Err(VarError::Repeated { name }) if name == "A"));
    }
}
