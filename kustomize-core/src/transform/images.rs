//! `images` and the `ImageTagTransformer`.

use std::sync::Arc;

use regex::Regex;

use super::field_spec::{Field, FieldError, Found, require_kind, set_scalar};
use super::{EachResource, TransformError, failed_at, field_error};
use crate::config::FieldSpecs;
use crate::generate::BoxError;
use crate::go_regex::go_regex;
use crate::kustomization::Image;
use crate::resource::Resource;
use crate::yaml::{Document, Kind, NodeId, Tag};

/// Gives images another name, tag or digest.
///
/// Besides the fields of the specs it sees every `image` in a list named
/// `containers` or `initContainers`, wherever that is.
#[derive(Debug)]
pub(crate) struct ImageTagTransformer {
    images: Vec<ImageRule>,
    specs: Arc<FieldSpecs>,
}

#[derive(Debug)]
struct ImageRule {
    name: ImageName,
    image: Image,
}

/// What an image has to be called: a regular expression in front of the tag
/// and digest, although it is meant to be a name.
#[derive(Debug)]
enum ImageName {
    /// Without operators but `.`, which stands for any character.
    Dotted(Box<str>),
    /// The whole pattern, tag and digest included.
    Pattern(Regex),
}

impl ImageTagTransformer {
    pub(crate) fn new(images: &[Image], specs: Arc<FieldSpecs>) -> Result<Self, TransformError> {
        let images = images.iter().map(ImageRule::new).collect::<Result<_, _>>()?;
        Ok(Self { images, specs })
    }

    pub(crate) fn each(&self) -> impl EachResource + '_ {
        Images { transformer: self, found: Found::default() }
    }

    fn apply_to(&self, resource: &mut Resource, found: &mut Found) -> Result<(), TransformError> {
        found.clear();
        let doc = resource.doc();
        find_in_containers(doc, doc.root(), &mut found.fields)
            .map_err(|error| field_error(resource, "containers/image", error))?;
        for tree in self.specs.trees(resource.kind()) {
            let specs = tree.for_version(resource.api_version());
            found.add(doc, tree, specs).map_err(|failed| failed_at(resource, tree, failed))?;
        }
        if !found.null_lists.is_empty() {
            found.make_lists(resource.doc_mut());
        }
        // Image by image: what one makes of a field, the next one sees, and a
        // field that is found twice takes each image twice before the next.
        let done = self.images.iter().try_for_each(|rule| {
            let mut fields = found.fields.iter();
            fields.try_for_each(|(_, field)| rule.update(resource, *field))
        });
        done.map_err(|error| field_error(resource, "image", error))
    }
}

/// The transformer at work.
struct Images<'a> {
    transformer: &'a ImageTagTransformer,
    found: Found,
}

impl EachResource for Images<'_> {
    fn transform(&mut self, resource: &mut Resource) -> Result<(), BoxError> {
        if self.transformer.images.is_empty() || resource.kind() == "CustomResourceDefinition" {
            return Ok(());
        }
        Ok(self.transformer.apply_to(resource, &mut self.found)?)
    }

    fn fork(&self) -> Option<Box<dyn EachResource + '_>> {
        Some(Box::new(self.transformer.each()))
    }
}

fn find_in_containers(doc: &Document, node: NodeId, images: &mut Vec<Field>) -> Result<(), FieldError> {
    if doc.is_sequence(node) {
        return doc.items(node).try_for_each(|item| find_in_containers(doc, item, images));
    }
    // Most values are scalars, of which there is nothing to read.
    for (key, value) in doc.entries(node).filter(|(_, value)| !doc.is_scalar(*value)) {
        find_in_containers(doc, value, images)?;
        if doc.is_sequence(value) && matches!(doc.text(key), "containers" | "initContainers") {
            doc.items(value).try_for_each(|container| add_image(doc, container, images))?;
        }
    }
    Ok(())
}

fn add_image(doc: &Document, container: NodeId, images: &mut Vec<Field>) -> Result<(), FieldError> {
    if !doc.is_null(container) {
        require_kind(doc, container, Kind::Mapping)?;
        images.extend(doc.get(container, "image").map(|image| (0, image)));
    }
    Ok(())
}

impl ImageRule {
    fn new(image: &Image) -> Result<Self, TransformError> {
        let name = ImageName::new(&image.name)
            .map_err(|source| TransformError::ImageName { name: image.name.clone(), source })?;
        Ok(Self { name, image: image.clone() })
    }

    fn update(&self, resource: &mut Resource, field: NodeId) -> Result<(), FieldError> {
        let doc = resource.doc();
        if !doc.is_null(field) {
            require_kind(doc, field, Kind::Scalar)?;
        }
        let reference = doc.text(field);
        if !self.name.matches(reference) {
            return Ok(());
        }
        let rewritten = rewrite(reference, &self.image);
        set_scalar(resource.doc_mut(), field, Tag::Implicit, &rewritten)
    }
}

impl ImageName {
    fn new(name: &str) -> Result<Self, crate::go_regex::InvalidRegex> {
        if !name.contains(['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$']) {
            return Ok(Self::Dotted(name.into()));
        }
        // The alternatives of a name with `|` are anchored at one end only.
        go_regex(&format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$")).map(Self::Pattern)
    }

    fn matches(&self, reference: &str) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.is_match(reference),
            Self::Dotted(name) => strip_dotted(name, reference).is_some_and(is_tag_and_digest),
        }
    }
}

/// What follows `name` in `reference`, where a dot matches any character but a line end.
fn strip_dotted<'a>(name: &str, reference: &'a str) -> Option<&'a str> {
    if let Some(rest) = reference.strip_prefix(name) {
        return Some(rest);
    }
    let mut rest = reference.chars();
    for wanted in name.chars() {
        let found = rest.next()?;
        if found != wanted && (wanted != '.' || found == '\n') {
            return None;
        }
    }
    Some(rest.as_str())
}

/// Whether this is nothing, `:tag`, `@sha256:digest`, or both.
fn is_tag_and_digest(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.{}-".contains(c);
    let skip = |mark: &str, text| match str::strip_prefix(text, mark) {
        Some(rest) => rest.trim_start_matches(is_part),
        None => text,
    };
    skip("@sha256:", skip(":", text)).is_empty()
}

fn rewrite(reference: &str, image: &Image) -> String {
    let (mut name, mut tag, mut digest) = split(reference);
    let suffixed;
    if !image.new_name.is_empty() {
        name = &image.new_name;
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        (tag, digest) = (&image.new_tag, &image.digest);
    } else if !image.tag_suffix.is_empty() {
        suffixed = format!("{tag}{}", image.tag_suffix);
        (tag, digest) = (&suffixed, "");
    }
    let mut rewritten = String::with_capacity(name.len() + tag.len() + digest.len() + 2);
    rewritten.push_str(name);
    for (separator, part) in [(':', tag), ('@', digest)] {
        if !part.is_empty() {
            rewritten.push(separator);
            rewritten.push_str(part);
        }
    }
    rewritten
}

/// Name, tag and digest of a reference; the port of a registry is no tag.
fn split(reference: &str) -> (&str, &str, &str) {
    let path = reference.find('/').unwrap_or(0);
    let find = |what| reference[path..].find(what).map(|at| path + at);
    match (find(':'), find('@')) {
        (None, None) => (reference, "", ""),
        (Some(colon), Some(at)) if colon < at => (&reference[..colon], &reference[colon + 1..at], &reference[at + 1..]),
        (_, Some(at)) => (&reference[..at], "", &reference[at + 1..]),
        (Some(colon), None) => (&reference[..colon], &reference[colon + 1..], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Image {
        Image { name: name.into(), ..Image::default() }
    }

    #[test]
    fn a_name_is_a_pattern_in_front_of_tag_and_digest() {
        let matches = |name: &str, reference: &str| ImageName::new(name).expect("valid").matches(reference);
        assert!(matches("nginx", "nginx"));
        assert!(matches("nginx", "nginx:1.2"));
        assert!(matches("nginx", "nginx:1.2@sha256:ab"));
        assert!(matches("nginx", "nginx@sha256:"));
        assert!(!matches("nginx", "nginx@sha512:ab"));
        assert!(!matches("nginx", "nginx2"));
        assert!(!matches("nginx", "x/nginx"));
        assert!(matches("ngin.", "nginx:1"));
        assert!(matches("ngin.", "nginé"));
        assert!(matches("a.io:443/x", "a.io:443/x:2"));
        assert!(matches(".*/nginx", "a/b/nginx:1"));
        assert!(matches("a|b", "abc"), "alternatives are anchored at one end only");
        assert!(ImageName::new("(").is_err());
    }

    #[test]
    fn the_short_cut_for_names_agrees_with_the_pattern() {
        for name in ["nginx", "a.io/x", "", "a.io:443/x-y_z", "."] {
            let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
            let (short, pattern) = (ImageName::new(name).expect("valid"), go_regex(&pattern).expect("valid"));
            for rest in ["", ":", ":1", "@sha256:", ":1@sha256:a", ":1@sha256:a@sha256:b", ":1:2", "/x", "\n", "é"] {
                for reference in [format!("{name}{rest}"), name.replace('.', "é") + rest, format!("x{name}{rest}")] {
                    assert_eq!(short.matches(&reference), pattern.is_match(&reference), "{name} {reference}");
                }
            }
        }
    }

    #[test]
    fn a_reference_is_split_behind_the_registry() {
        assert_eq!(split("nginx"), ("nginx", "", ""));
        assert_eq!(split("a:80/nginx"), ("a:80/nginx", "", ""));
        assert_eq!(split("a:80/nginx:1@sha256:2"), ("a:80/nginx", "1", "sha256:2"));
        assert_eq!(split("nginx@sha256:2"), ("nginx", "", "sha256:2"));
    }

    #[test]
    fn tag_and_digest_replace_each_other_and_a_suffix_drops_the_digest() {
        let rewritten = |image: Image| rewrite("nginx:1@sha256:2", &image);
        assert_eq!(rewritten(Image { new_tag: "3".into(), ..image("nginx") }), "nginx:3");
        assert_eq!(rewritten(Image { digest: "sha256:4".into(), ..image("nginx") }), "nginx@sha256:4");
        let both = Image { new_tag: "3".into(), digest: "sha256:4".into(), ..image("nginx") };
        assert_eq!(rewritten(both), "nginx:3@sha256:4");
        assert_eq!(rewritten(Image { tag_suffix: "-x".into(), ..image("nginx") }), "nginx:1-x");
        assert_eq!(rewritten(Image { new_name: "n2".into(), ..image("nginx") }), "n2:1@sha256:2");
    }
}
