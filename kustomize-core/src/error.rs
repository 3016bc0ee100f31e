//! Why a build fails.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::generate::GenerateError;
use crate::id::ResourceId;
use crate::kustomization::DecodeError;
use crate::order::OrderError;
use crate::origin::Origin;
use crate::remote::RemoteError;
use crate::schema::SchemaError;
use crate::source::ReadError;
use crate::transform::TransformError;
use crate::vars::VarError;
use crate::yaml::{EmitError, ParseError};

/// Why a kustomization could not be rendered.
///
/// Each error says what was tried on what; [`Error::source`] leads from the
/// kustomization that was asked for down to the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An entry of a kustomization's list could not be used.
    #[error("{}: cannot use `{entry}` of {field}", kustomization.display())]
    Entry {
        /// The kustomization file.
        kustomization: PathBuf,
        /// The list.
        field: &'static str,
        /// The entry as it is written.
        entry: String,
        /// What is wrong with it.
        source: Box<BuildError>,
    },
    /// A field of a kustomization could not be carried out.
    #[error("{}: cannot apply {field}", kustomization.display())]
    Field {
        /// The kustomization file.
        kustomization: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A directory has no kustomization file.
    #[error("{} has no kustomization.yaml, kustomization.yml or Kustomization", Dir(dir))]
    NoKustomization {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory has more than one kustomization file.
    #[error("{} has more than one kustomization file: {}", Dir(dir), names.join(", "))]
    ManyKustomizations {
        /// The directory.
        dir: PathBuf,
        /// The files.
        names: Vec<&'static str>,
    },
    /// A kustomization file says nothing.
    #[error("{} is empty", path.display())]
    EmptyKustomization {
        /// The file.
        path: PathBuf,
    },
    /// A file is not valid YAML.
    #[error("{} is not valid YAML", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<ParseError>,
    },
    /// A kustomization file has a field that is unknown or of another type.
    #[error("{}{} is not a valid kustomization", path.display(), Place(source))]
    Kustomization {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DecodeError,
    },
    /// A kustomization file has another `apiVersion` or `kind`.
    #[error("{} should be a {}, not a {}", path.display(), Type(wanted), Type(found))]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The `apiVersion` and `kind` it should have.
        wanted: (String, String),
        /// The ones it has.
        found: (String, String),
    },
    /// A Component is listed where a Kustomization is wanted, or the other way round.
    #[error("{} is a {found}, but a {wanted} is wanted here", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// The kind that is wanted.
        wanted: &'static str,
        /// The kind that it has.
        found: String,
    },
    /// A file could not be read.
    #[error(transparent)]
    Read {
        /// Which file, and why.
        source: ReadError,
    },
    /// A kustomization names a file that does not exist.
    #[error("there is no {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// A file beside it whose name is much like this one.
        closest: Option<String>,
    },
    /// A file is not in or below the directory of its kustomization.
    #[error("{} is not in or below {}, where the kustomization may read", path.display(), Dir(root))]
    Restricted {
        /// The file, without symbolic links.
        path: PathBuf,
        /// The directory of the kustomization.
        root: PathBuf,
    },
    /// There is a directory where a file is wanted.
    #[error("{} is a directory, not a file", Dir(path))]
    NotAFile {
        /// The directory.
        path: PathBuf,
    },
    /// There is a file where a directory is wanted.
    #[error("{} is a file, not a directory", path.display())]
    NotADirectory {
        /// The file.
        path: PathBuf,
    },
    /// A base is given by an absolute path.
    #[error("the base {} is not a relative path", path.display())]
    AbsoluteBase {
        /// The path.
        path: PathBuf,
    },
    /// A path is empty.
    #[error("the path is empty")]
    EmptyPath,
    /// A base is, or contains, a kustomization that builds on it.
    #[error("building on {} goes in a circle, as it contains {}", Dir(base), Dir(visited))]
    Cycle {
        /// The base.
        base: PathBuf,
        /// The kustomization's directory.
        visited: PathBuf,
    },
    /// The build needs more than a limit allows.
    #[error("the build needs more than {limit} {what}")]
    Limit {
        /// The unit of the limit.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A manifest is not a resource.
    #[error("{}: {problem}", At(path, *line))]
    NotAResource {
        /// The file.
        path: PathBuf,
        /// The 1-based line the manifest starts on, if known.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// What a kustomization does to a resource leaves no valid one.
    #[error("{}: {id} is no valid resource any more: {problem}", kustomization.display())]
    Broken {
        /// The kustomization file that is built.
        kustomization: PathBuf,
        /// The resource as it was read.
        id: Box<ResourceId>,
        /// What is wrong.
        problem: String,
    },
    /// An item of a list in a manifest cannot be written as JSON.
    #[error("{}: cannot expand a list", path.display())]
    Unprintable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EmitError,
    },
    /// A resource is there already.
    #[error("{id} is there twice{}", Twice(first, second))]
    Duplicate {
        /// The resource.
        id: Box<ResourceId>,
        /// Where the first came from, if from a file.
        first: Option<Box<Origin>>,
        /// Where the second came from, if from a file.
        second: Option<Box<Origin>>,
    },
    /// A generated resource should replace or merge with one that is not there.
    #[error("{id} does not exist, so there is nothing to merge with or to replace")]
    NothingToMerge {
        /// The generated resource.
        id: Box<ResourceId>,
    },
    /// A generated resource exists, and its behaviour is not to merge or to replace.
    #[error("{id} exists already, and the generator's behavior is neither merge nor replace")]
    AlreadyThere {
        /// The generated resource.
        id: Box<ResourceId>,
    },
    /// A generated resource could merge with several.
    #[error("several resources have or had the id {id} that the generator wants to change")]
    AmbiguousMerge {
        /// The generated resource.
        id: Box<ResourceId>,
    },
    /// A generator failed.
    #[error("{}: cannot generate", kustomization.display())]
    Generate {
        /// The kustomization file.
        kustomization: PathBuf,
        /// Why.
        source: GenerateError,
    },
    /// The hash of a generated resource could not be made.
    #[error("cannot hash the generated resources")]
    Hash {
        /// Why.
        source: GenerateError,
    },
    /// Something is referred to by a URL, and the caller fetches nothing.
    #[error("{url} is not fetched, because the build may open no connections")]
    NoRemote {
        /// The URL.
        url: String,
    },
    /// Something behind a URL could not be fetched.
    #[error("cannot fetch {url}")]
    Fetch {
        /// The URL.
        url: String,
        /// Why.
        source: RemoteError,
    },
    /// A repository is on the way to itself.
    #[error("{url} is reached again from {from}")]
    RemoteCycle {
        /// The base.
        url: String,
        /// The base that builds on it.
        from: String,
    },
    /// References to resources that were renamed could not be updated.
    #[error("cannot update the references between resources")]
    References {
        /// Why.
        source: Box<TransformError>,
    },
    /// Variables could not be defined or replaced.
    #[error("cannot use the variables")]
    Vars {
        /// Why.
        source: Box<VarError>,
    },
    /// An OpenAPI document could not be used.
    #[error("{}: cannot use the OpenAPI schema", kustomization.display())]
    Schema {
        /// The kustomization file.
        kustomization: PathBuf,
        /// Why.
        source: SchemaError,
    },
    /// Both a schema version and a schema file are given.
    #[error("{}: openapi has both a version and a path", kustomization.display())]
    TwoSchemas {
        /// The kustomization file.
        kustomization: PathBuf,
    },
    /// `sortOptions` are invalid.
    #[error("{}: cannot sort the resources", kustomization.display())]
    Order {
        /// The kustomization file.
        kustomization: PathBuf,
        /// Why.
        source: OrderError,
    },
    /// A resource cannot be printed.
    #[error("cannot print {id}{}", From(origin))]
    Emit {
        /// The resource.
        id: Box<ResourceId>,
        /// Where it came from, if from a file.
        origin: Option<Box<Origin>>,
        /// Why.
        source: EmitError,
    },
}

impl BuildError {
    /// What the user can do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Entry { source, .. } => source.hint(),
            Self::Kustomization { source, .. } => source.closest.map(|field| format!("did you mean `{field}`?")),
            Self::Missing { closest, .. } => closest.as_ref().map(|name| format!("did you mean {name}?")),
            Self::WrongKind { wanted: "Component", .. } => Some("list it in `resources` instead".to_owned()),
            Self::WrongKind { .. } => Some("list it in `components` instead".to_owned()),
            Self::AlreadyThere { .. } => Some("set `behavior: merge` or `behavior: replace`".to_owned()),
            _ => None,
        }
    }
}

/// The source's own root has an empty path.
struct Dir<'a>(&'a Path);

impl fmt::Display for Dir<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_os_str().is_empty() { f.write_str(".") } else { self.0.display().fmt(f) }
    }
}

struct At<'a>(&'a Path, Option<usize>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)?;
        self.1.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

struct Place<'a>(&'a DecodeError);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.line, self.0.column) {
            (Some(line), Some(column)) => write!(f, ":{line}:{column}"),
            _ => Ok(()),
        }
    }
}

struct Type<'a>(&'a (String, String));

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.0.1, self.0.0)
    }
}

struct From<'a>(&'a Option<Box<Origin>>);

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |origin| write!(f, " from {}", At(&origin.path, origin.line)))
    }
}

struct Twice<'a>(&'a Option<Box<Origin>>, &'a Option<Box<Origin>>);

impl fmt::Display for Twice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |origin: &Option<Box<Origin>>| match origin {
            Some(origin) => At(&origin.path, origin.line).to_string(),
            None => "a generator".to_owned(),
        };
        match (self.0, self.1) {
            (None, None) => Ok(()),
            (first, second) => write!(f, ": from {} and from {}", place(first), place(second)),
        }
    }
}
