//! `edit set image`: the reference grammar and the edit.

use serde_json::{Map, Value, json};

use super::{EditError, KustomizationFile};

/// Passed as a new name, tag or digest, it keeps what the file has.
const KEEP: &str = "*";

/// What to change of one image, as `kustomize edit set image` takes it.
///
/// ```
/// use kustomize_core::ImageChange;
///
/// let change = ImageChange::parse("web=registry.example.com:5000/team/web:1.2")?;
/// assert_eq!(change.name, "web");
/// assert_eq!(change.new_name.as_deref(), Some("registry.example.com:5000/team/web"));
/// assert_eq!(change.new_tag.as_deref(), Some("1.2"));
/// # Ok::<(), kustomize_core::EditError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageChange {
    /// The image as manifests name it, without tag and digest.
    pub name: String,
    /// What to call it instead; `*` keeps the old new name.
    pub new_name: Option<String>,
    /// The new tag; `*` keeps the old one.
    pub new_tag: Option<String>,
    /// The new digest, with its algorithm (`sha256:…`); `*` keeps the old one.
    pub digest: Option<String>,
}

impl ImageChange {
    /// A change of the image `name` that changes nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets [`ImageChange::new_name`].
    #[must_use]
    pub fn new_name(mut self, name: impl Into<String>) -> Self {
        self.new_name = Some(name.into());
        self
    }

    /// Sets [`ImageChange::new_tag`].
    #[must_use]
    pub fn new_tag(mut self, tag: impl Into<String>) -> Self {
        self.new_tag = Some(tag.into());
        self
    }

    /// Sets [`ImageChange::digest`].
    #[must_use]
    pub fn digest(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// Reads `NAME=NEWNAME:TAG@DIGEST`; everything but the name and one change may be left out.
    ///
    /// # Errors
    ///
    /// [`EditError::Argument`] if there is no change in it: `nginx` alone.
    pub fn parse(argument: &str) -> Result<Self, EditError> {
        let (key, reference) = argument.split_once('=').unwrap_or(("", argument));
        let (name, tag, digest) = split_reference(reference);
        if name == argument {
            let wanted =
                "an image change: NAME=NEWNAME, NAME=NEWNAME:TAG, NAME=NEWNAME@DIGEST, NAME:TAG or NAME@DIGEST";
            return Err(EditError::Argument { argument: argument.to_owned(), wanted: wanted.to_owned() });
        }
        let non_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            name: if key.is_empty() { name } else { key }.to_owned(),
            new_name: if key.is_empty() { None } else { non_empty(name) },
            new_tag: non_empty(tag),
            digest: non_empty(digest),
        })
    }

    /// The entry of `images:` that this makes of the one that is there.
    fn entry(&self, old: Option<&Value>) -> Value {
        let keep = |new: &Option<String>, field: &str| match new.as_deref() {
            Some(KEEP) => old.and_then(|old| old.get(field)?.as_str().map(str::to_owned)),
            other => other.map(str::to_owned),
        };
        let mut entry = Map::new();
        entry.insert("name".to_owned(), json!(self.name));
        for (field, new) in [("newName", &self.new_name), ("newTag", &self.new_tag), ("digest", &self.digest)] {
            if let Some(text) = keep(new, field).filter(|text| !text.is_empty()) {
                entry.insert(field.to_owned(), json!(text));
            }
        }
        Value::Object(entry)
    }
}

/// Splits `registry:5000/name:tag@digest` as kustomize's image utilities do:
/// the tag follows the first colon after the last slash.
fn split_reference(reference: &str) -> (&str, &str, &str) {
    let (rest, digest) = reference.split_once('@').unwrap_or((reference, ""));
    let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[name_start..].find(':') {
        Some(colon) => (&rest[..name_start + colon], &rest[name_start + colon + 1..], digest),
        None => (rest, "", digest),
    }
}

impl KustomizationFile {
    /// Sets an image's new name, tag or digest, as `kustomize edit set image` does.
    ///
    /// The entry of that name is replaced: what the change does not give is
    /// taken away, unless it is given as `*`.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the file is then as it was. That the image is there
    /// already with these values is not an error and changes nothing.
    ///
    /// # Deviation
    ///
    /// kustomize sorts all entries by name and turns `imageTags` into
    /// `images`; here the others stay where they are, a new one goes to its
    /// place if they are sorted and to the end if not, and an entry of
    /// `imageTags` is changed there.
    pub fn set_image(&mut self, change: &ImageChange) -> Result<(), EditError> {
        let field = match self.index_of_image("imageTags", &change.name)? {
            Some(_) => "imageTags",
            None => "images",
        };
        let mut images = self.list(field)?;
        match images.iter().rposition(|image| is_named(image, &change.name)) {
            Some(index) => {
                let entry = change.entry(images.get(index));
                images[index] = entry;
                // kustomize knows one entry a name; of several the last one counts.
                let mut seen = 0;
                images.retain(|image| {
                    !is_named(image, &change.name) || {
                        seen += 1;
                        seen == 1
                    }
                });
            }
            None => {
                let names: Vec<&str> = images.iter().filter_map(|image| image.get("name")?.as_str()).collect();
                let place = if names.is_sorted() {
                    names.partition_point(|name| *name < change.name.as_str())
                } else {
                    names.len()
                };
                images.insert(place.min(images.len()), change.entry(None));
            }
        }
        self.set_fields(vec![(field, Some(Value::Array(images)))])
    }

    fn index_of_image(&self, field: &str, name: &str) -> Result<Option<usize>, EditError> {
        Ok(self.list(field)?.iter().position(|image| is_named(image, name)))
    }

    /// The items of a list field; none if it is missing.
    pub(super) fn list(&self, field: &str) -> Result<Vec<Value>, EditError> {
        match self.field(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(EditError::Invalid { problem: format!("{field} is not a list") }),
        }
    }
}

fn is_named(image: &Value, name: &str) -> bool {
    image.get("name").and_then(Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, change: &str) -> String {
        let mut file = KustomizationFile::parse(text).expect("parses");
        file.set_image(&ImageChange::parse(change).expect("a change")).expect("edited");
        file.text().to_owned()
    }

    #[test]
    fn references_are_split_as_kustomize_does() {
        for (reference, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1", ("nginx", "1", "")),
            ("h:5000/a/b", ("h:5000/a/b", "", "")),
            ("h:5000/a/b:1@sha256:0", ("h:5000/a/b", "1", "sha256:0")),
        ] {
            assert_eq!(split_reference(reference), parts);
        }
    }

    #[test]
    fn only_the_tag_changes() {
        let text = "# top\r\nimages:\r\n  - name: web   # web\r\n    newTag: '1'  # CI\r\n  - {name: db, newTag: \"3\"}\r\n# foot\r\n";
        assert_eq!(set(text, "web:2"), text.replace("'1'", "'2'"));
        assert_eq!(set(text, "db:4"), text.replace("\"3\"", "\"4\""));
    }

    #[test]
    fn a_new_image_takes_the_file_s_style() {
        assert_eq!(
            set("resources:\n  - a.yaml\n", "web:2"),
            "resources:\n  - a.yaml\nimages:\n  - name: web\n    newTag: \"2\"\n"
        );
        assert_eq!(
            set("images: [{name: b, newTag: v1}]", "a:v2"),
            "images: [{name: a, newTag: v2}, {name: b, newTag: v1}]"
        );
        assert_eq!(set("namePrefix: x-", "web:v2"), "namePrefix: x-\nimages:\n- name: web\n  newTag: v2");
        assert_eq!(set("", "web:v2"), "images:\n- name: web\n  newTag: v2\n");
        assert_eq!(
            set("---\nnamespace: x\n---\n", "web:v2"),
            "---\nnamespace: x\nimages:\n- name: web\n  newTag: v2\n"
        );
        assert_eq!(set("namespace: x\n...\n", "web:v2"), "namespace: x\nimages:\n- name: web\n  newTag: v2\n...\n");
    }

    #[test]
    fn parts_are_kept_or_dropped_as_asked() {
        let text = "images:\n- digest: sha256:0   # gone\n  name: web\n  newName: x/web\n";
        assert_eq!(set(text, "web=*:7"), "images:\n- name: web\n  newName: x/web\n  newTag: \"7\"\n");
    }

    #[test]
    fn a_reference_without_a_change_is_refused() {
        assert!(matches!(ImageChange::parse("nginx"), Err(EditError::Argument { .. })));
    }
}
