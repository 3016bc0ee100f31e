use crate::kustomization::DecodeError;
use crate::yaml::ParseError;

/// Why a kustomization file could not be edited. Nothing has been changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The file is not YAML.
    #[error("line {line}: not valid YAML: {problem}")]
    Syntax {
        /// 1-based.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The file is not YAML that kustomize reads.
    #[error("kustomize cannot read the file")]
    Yaml {
        /// Where and why.
        source: ParseError,
    },
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// A kustomization file holds one document.
    #[error("line {line}: a second document; a kustomization file holds one")]
    SecondDocument {
        /// 1-based.
        line: usize,
    },
    /// The document is not a mapping.
    #[error("a kustomization file is a mapping of fields, not a {found}")]
    NotAMapping {
        /// What it is instead.
        found: &'static str,
    },
    /// The same key twice in one mapping: which one is meant cannot be told.
    #[error("line {line}: {key} is there twice")]
    DuplicateKey {
        /// 1-based, of the second one.
        line: usize,
        /// The key.
        key: String,
    },
    /// `*anchor` without `&anchor` before it.
    #[error("line {line}: there is no anchor {anchor} before this alias")]
    UnknownAlias {
        /// 1-based.
        line: usize,
        /// Its name.
        anchor: String,
    },
    /// Nested too deeply.
    #[error("line {line}: nested more than {limit} levels deep")]
    TooDeep {
        /// 1-based.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// The aliases stand for more than a kustomization can be.
    #[error("line {line}: the aliases up to here stand for more than {limit} values")]
    ExcessiveAliasing {
        /// 1-based.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// The file does not mean a kustomization.
    #[error("not a kustomization: {problem}")]
    Invalid {
        /// What is wrong, with the field.
        problem: String,
    },
    /// A field that kustomize does not know, or with a value that it does not take.
    #[error("line {line}: not a field of a kustomization, or not a value for it")]
    Field {
        /// 1-based.
        line: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The text cannot be changed in place, for example because an alias shares it.
    #[error("{field} cannot be changed in place: the text would mean something else afterwards")]
    NotInPlace {
        /// The field that was to be changed.
        field: String,
    },
    /// The argument is not of the form that the edit takes.
    #[error("{argument} is not {wanted}")]
    Argument {
        /// What was given.
        argument: String,
        /// What is wanted.
        wanted: String,
    },
    /// What was to be changed is not there.
    #[error("{what} is not in the kustomization file")]
    Missing {
        /// The field or entry.
        what: String,
    },
    /// What was to be added is there already.
    #[error("{what} is in the kustomization file already")]
    Exists {
        /// The field or entry.
        what: String,
    },
}
