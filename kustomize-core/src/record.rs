//! What a kustomization depends on: the answers that the file source gave
//! while it was accumulated.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::BuildError;
use crate::load::Loader;
use crate::options::{BuildOptions, ReadFile, Warning};
use crate::source::{ContentId, FileSource, Resolved};

/// Everything that the accumulation of a kustomization depended on, and what
/// came of it besides resources. As long as the file source answers as it did
/// then, another accumulation comes to the same.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) own: Arc<Own>,
    /// The id of the kustomization's directory, if the source has ids of directories.
    tree: Option<ContentId>,
    /// The bases and components, in order.
    pub(crate) below: Vec<Arc<Record>>,
    /// With those of what is below, in the order in which they were noticed.
    pub(crate) warnings: Vec<Warning>,
    /// With those of what is below.
    pub(crate) counts: Counts,
    /// How many kustomizations build on each other, this one included.
    pub(crate) height: usize,
    /// Something asked the built-in schema.
    pub(crate) used_builtin: bool,
    /// Something came from outside the file source, or a schema was set: what
    /// was accumulated must not be used again.
    pub(crate) has_effects: bool,
}

/// What one kustomization file asked, without its bases and components.
#[derive(Debug, Default)]
pub(crate) struct Own {
    dir: PathBuf,
    /// What the id of the directory stands for.
    inside: Answers,
    /// Shared with neighbours that asked the same.
    outside: Arc<Answers>,
    warnings: Vec<Warning>,
    pub(crate) counts: Counts,
}

/// How much was read, each file and kustomization as often as it was, or would
/// have been if nothing were kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) files: usize,
    pub(crate) kustomizations: usize,
}

impl Counts {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            kustomizations: self.kustomizations.saturating_add(other.kustomizations),
        }
    }

    /// Whether it is no more than a build may read.
    pub(crate) fn check(self, options: &BuildOptions) -> Result<(), BuildError> {
        let limits = &options.limits;
        let checks =
            [("files", self.files, limits.files), ("kustomizations", self.kustomizations, limits.kustomizations)];
        match checks.into_iter().find(|(_, count, limit)| count > limit) {
            Some((what, _, limit)) => Err(BuildError::Limit { what, limit }),
            None => Ok(()),
        }
    }
}

/// What the file source said.
#[derive(Debug, Default)]
struct Answers {
    asked: Vec<Asked>,
    read: Vec<ReadFile>,
}

impl Answers {
    fn hold(&self, loader: &Loader<'_>) -> bool {
        let is_same = |file: &ReadFile| file.content.is_some() && loader.content_now(&file.path) == file.content;
        // Mostly what changes is the content of a file.
        self.read.iter().all(is_same)
            && self.asked.iter().all(|asked| asked.is_answered_by(loader.now_at(&asked.path).as_ref()))
    }

    /// Whether the same was asked and answered. Paths are compared as they are
    /// written, which is faster; those that only look different are found out one by one.
    fn are(&self, other: &Self) -> bool {
        self.asked.len() == other.asked.len()
            && self.read.len() == other.read.len()
            && self
                .asked
                .iter()
                .zip(&other.asked)
                .all(|(one, other)| one.path.as_os_str() == other.path.as_os_str() && one.found == other.found)
            && self
                .read
                .iter()
                .zip(&other.read)
                .all(|(one, other)| one.path.as_os_str() == other.path.as_os_str() && one.content == other.content)
    }

    fn bytes(&self) -> usize {
        let asked = self.asked.iter().map(|asked| size_of::<Asked>() + asked.path.as_os_str().len());
        // With the id of the content.
        let read = self.read.iter().map(|file| size_of::<ReadFile>() + file.path.as_os_str().len() + 80);
        asked.chain(read).sum()
    }
}

/// A path that was looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    path: PathBuf,
    found: Found,
}

/// What was at a path, without saying the path again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing that can be used. Why not makes no difference to a build that succeeds.
    Nothing,
    /// What the path says, no symbolic link on the way.
    Itself {
        is_dir: bool,
    },
    Elsewhere(Resolved),
}

impl Found {
    pub(crate) fn new(path: &Path, found: Option<&Resolved>) -> Self {
        match found {
            None => Self::Nothing,
            Some(found) if found.path.as_os_str() == path.as_os_str() => Self::Itself { is_dir: found.is_dir },
            Some(found) => Self::Elsewhere(found.clone()),
        }
    }

    /// What was at `path`, for which this was made.
    pub(crate) fn at(&self, path: &Path) -> Option<Resolved> {
        match self {
            Self::Nothing => None,
            Self::Itself { is_dir } => Some(Resolved::new(path, *is_dir)),
            Self::Elsewhere(found) => Some(found.clone()),
        }
    }
}

impl Asked {
    pub(crate) fn new(path: PathBuf, found: Option<&Resolved>) -> Self {
        Self { found: Found::new(&path, found), path }
    }

    fn is_answered_by(&self, now: Option<&Resolved>) -> bool {
        match (&self.found, now) {
            (Found::Nothing, None) => true,
            (Found::Itself { is_dir }, Some(now)) => {
                now.is_dir == *is_dir && now.path.as_os_str() == self.path.as_os_str()
            }
            (Found::Elsewhere(then), Some(now)) => then == now,
            _ => false,
        }
    }

    /// Whether the id of `dir` stands for the answer: no symbolic link may be
    /// involved, for what it leads to may change without the link.
    fn is_settled_by(&self, dir: &Path, names: &[String]) -> bool {
        match self.found {
            Found::Itself { .. } => self.path.starts_with(dir),
            // A link that leads nowhere is among the names.
            Found::Nothing => {
                self.path.parent() == Some(dir)
                    && self.path.file_name().is_some_and(|name| names.iter().all(|other| name != other.as_str()))
            }
            Found::Elsewhere(_) => false,
        }
    }
}

impl Record {
    /// Whether the file source of `loader` answers as it did when the record was made.
    pub(crate) fn holds(self: &Arc<Self>, loader: &Loader<'_>) -> bool {
        loader.verdict(self, || self.own_holds(loader) && self.below.iter().all(|record| record.holds(loader)))
    }

    /// As [`Record::holds`], for the kustomization file without its bases and components.
    pub(crate) fn own_holds(&self, loader: &Loader<'_>) -> bool {
        let find_out = || self.own.outside.hold(loader) && self.inside_holds(loader);
        // Other records share it if it is that of a root with many bases.
        if Arc::strong_count(&self.own) > 1 { loader.verdict(&self.own, find_out) } else { find_out() }
    }

    fn inside_holds(&self, loader: &Loader<'_>) -> bool {
        let is_same_tree = || self.tree.is_some() && loader.content_id(&self.own.dir) == self.tree;
        is_same_tree() || self.own.inside.hold(loader)
    }

    /// Of each record below whether it holds. What neighbours have in common,
    /// which often is all but their own directories, is found out once.
    pub(crate) fn bases_that_hold(&self, loader: &Loader<'_>) -> Vec<bool> {
        let mut known: Option<&Arc<Self>> = None;
        let mut verdicts = Vec::with_capacity(self.below.len());
        for record in &self.below {
            let holds = match known {
                Some(known) if record.is_outside_as(known) => record.inside_holds(loader),
                _ => record.holds(loader),
            };
            verdicts.push(holds);
            known = if holds { Some(record) } else { known };
        }
        verdicts
    }

    /// Whether what is outside the directories, and what it is built on, is as for another one.
    fn is_outside_as(&self, other: &Self) -> bool {
        self.below.len() == other.below.len()
            && self.below.iter().zip(&other.below).all(|(one, other)| Arc::ptr_eq(one, other))
            && (Arc::ptr_eq(&self.own.outside, &other.own.outside) || self.own.outside.are(&other.own.outside))
    }

    /// Takes less memory, and is faster compared, beside a neighbour that asked the same outside.
    pub(crate) fn share_with(&mut self, neighbour: &Self) {
        if let Some(own) = Arc::get_mut(&mut self.own).filter(|own| own.outside.are(&neighbour.own.outside)) {
            own.outside = Arc::clone(&neighbour.own.outside);
        }
    }

    /// Whether a kustomization below this one is in a directory of which `is_it` holds.
    pub(crate) fn any_below(&self, is_it: &dyn Fn(&Path) -> bool) -> bool {
        self.below.iter().any(|record| is_it(&record.own.dir) || record.any_below(is_it))
    }

    /// About how much memory it takes by itself.
    pub(crate) fn bytes(&self) -> usize {
        let own = size_of::<Own>() + self.own.inside.bytes() + self.own.outside.bytes();
        size_of::<Self>() + own + self.below.len() * size_of::<usize>()
    }

    fn collect_read<'a>(&'a self, seen: &mut HashSet<*const Self>, read: &mut BTreeMap<&'a Path, &'a ReadFile>) {
        if seen.insert(self) {
            let own = self.own.inside.read.iter().chain(&self.own.outside.read);
            read.extend(own.map(|file| (file.path.as_path(), file)));
            self.below.iter().for_each(|record| record.collect_read(seen, read));
        }
    }
}

/// A record that is being made.
#[derive(Debug, Default)]
pub(crate) struct Open {
    dir: PathBuf,
    pub(crate) asked: Vec<Asked>,
    pub(crate) read: Vec<ReadFile>,
    /// What is known of the kustomization file from another build.
    known: Option<Arc<Own>>,
    pub(crate) record: Record,
    own_warnings: Vec<Warning>,
    own_counts: Counts,
}

impl Open {
    pub(crate) fn new(dir: PathBuf, tree: Option<ContentId>) -> Self {
        Self { dir, record: Record { tree, ..Record::default() }, ..Self::default() }
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.own_warnings.push(warning.clone());
        self.record.warnings.push(warning);
    }

    pub(crate) fn count(&mut self, added: Counts) {
        self.own_counts = self.own_counts.plus(added);
        self.record.counts = self.record.counts.plus(added);
    }

    /// Takes over what a kustomization file asked in another build.
    pub(crate) fn know(&mut self, own: &Arc<Own>) {
        self.record.warnings.extend_from_slice(&own.warnings);
        self.record.counts = self.record.counts.plus(own.counts);
        self.known = Some(Arc::clone(own));
    }

    /// Adds a base or component.
    pub(crate) fn add(&mut self, below: Arc<Record>) {
        let record = &mut self.record;
        record.warnings.extend_from_slice(&below.warnings);
        record.counts = record.counts.plus(below.counts);
        record.height = record.height.max(below.height);
        record.used_builtin |= below.used_builtin;
        record.has_effects |= below.has_effects;
        record.below.push(below);
    }

    /// The finished record. `files` is asked for the names in the directory if they matter.
    pub(crate) fn close(self, files: Option<&dyn FileSource>) -> Record {
        let Self { dir, mut asked, read, known, mut record, own_warnings: warnings, own_counts: counts } = self;
        record.height += 1;
        if let Some(own) = known {
            return Record { own, ..record };
        }
        asked.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        asked.dedup();
        let files = files.filter(|_| record.tree.is_some());
        let Some(names) = files.and_then(|files| files.list(&dir).ok()) else {
            let own = Own { dir, inside: Answers { asked, read }, outside: Arc::default(), warnings, counts };
            return Record { own: Arc::new(own), tree: None, ..record };
        };
        let (asked, asked_outside) = asked.into_iter().partition(|asked| asked.is_settled_by(&dir, &names));
        let (read, read_outside) = read.into_iter().partition(|file: &ReadFile| file.path.starts_with(&dir));
        let (inside, outside) = (Answers { asked, read }, Answers { asked: asked_outside, read: read_outside });
        let outside = Arc::new(outside);
        let own = Own { dir, inside, outside, warnings, counts };
        Record { own: Arc::new(own), ..record }
    }
}

/// The files that a build read, sorted: derefs to a slice of [`ReadFile`].
///
/// Nothing can have changed as long as these have not and no file took the
/// place of one that was missing.
#[derive(Clone, Default)]
pub struct ReadFiles {
    record: Arc<Record>,
    list: OnceLock<Vec<ReadFile>>,
}

impl ReadFiles {
    pub(crate) fn new(record: Arc<Record>) -> Self {
        Self { record, list: OnceLock::new() }
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

/// The list is made when it is first looked at.
impl Deref for ReadFiles {
    type Target = [ReadFile];

    fn deref(&self) -> &[ReadFile] {
        self.list.get_or_init(|| {
            let mut read = BTreeMap::new();
            self.record.collect_read(&mut HashSet::new(), &mut read);
            read.into_values().cloned().collect()
        })
    }
}

impl<'a> IntoIterator for &'a ReadFiles {
    type Item = &'a ReadFile;
    type IntoIter = std::slice::Iter<'a, ReadFile>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for ReadFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::session::Session;
    use crate::{BuildOptions, LoadRestriction, Memory, Renderer};

    /// Overlays of one base; all but `o2` read a file outside.
    fn overlays() -> Memory {
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n";
        let overlay = "resources: [../base]\npatches: [{path: ../shared.yaml}, {path: own.yaml}]\n";
        let files = Memory::new()
            .with("base/kustomization.yaml", "resources: [map.yaml]\n")
            .with("base/map.yaml", map)
            .with("shared.yaml", map)
            .with("root/kustomization.yaml", "resources: [../o0, ../o1, ../o2, ../o3]\nnameSuffix: -s\n");
        let files = ["o0", "o1", "o2", "o3"].iter().fold(files, |files, dir| {
            let text = format!("{overlay}namePrefix: {dir}-\n");
            files.with(format!("{dir}/own.yaml"), map).with(format!("{dir}/kustomization.yaml"), text)
        });
        files.with("o2/kustomization.yaml", "resources: [../base]\nnamePrefix: o2-\n")
    }

    #[test]
    fn what_bases_have_in_common_counts_for_each_of_them() {
        let options = BuildOptions::new().load_restriction(LoadRestriction::None);
        let files = overlays();
        let built = Renderer::new().build(&files, "root", &options).expect("builds");
        let root = &built.read.record().below[0];
        let edits = [
            ("elsewhere", [true; 4]),
            ("o0/own.yaml", [false, true, true, true]),
            ("o3/kustomization.yml", [true, true, true, false]),
            ("o2/unread", [true; 4]),
            ("shared.yaml", [false, false, true, false]),
            ("base/map.yaml", [false; 4]),
        ];
        for (edited, expected) in edits {
            let (files, cache) = (files.clone().with(edited, "changed"), Cache::of_budget(0));
            let with_loader = |ask: &dyn Fn(&Loader<'_>) -> Vec<bool>| {
                let session = Session::new(&options, &cache);
                ask(&Loader::new(&session, &files, Path::new("root")))
            };
            let one_by_one = |loader: &Loader<'_>| root.below.iter().map(|record| record.holds(loader)).collect();
            assert_eq!(with_loader(&one_by_one), expected, "{edited}");
            assert_eq!(with_loader(&|loader| root.bases_that_hold(loader)), expected, "{edited}");
        }
    }
}
