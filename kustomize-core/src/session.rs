//! What all kustomizations of one build share.

use std::any::Any;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;

use crate::by_address::ByAddress;
use crate::cache::Cache;
use crate::error::BuildError;
use crate::options::{BuildOptions, ReadFile, Warning};
use crate::record::{Asked, Counts, Found, Open, Own, Record};
use crate::remote::{Remote, without_password};
use crate::schema::{Schema, SchemaError};
use crate::source::{ContentId, Resolved};
use crate::threads::Threads;

/// A path, and which of the build's file sources it is in.
///
/// The path is compared as it is written, which for normal paths comes to the
/// same as by component and is much faster.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    source: usize,
    path: OsString,
}

impl Place {
    pub(crate) fn new(source: usize, path: PathBuf) -> Self {
        Self { source, path: path.into_os_string() }
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.path)
    }
}

/// What all kustomizations of one build share.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a BuildOptions,
    pub(crate) cache: &'a Cache,
    state: Mutex<State>,
}

/// Whether what is recorded holds, by source and address; it is kept so that its
/// address means nothing else.
type Verdicts = ByAddress<(usize, usize), (Arc<dyn Any + Send + Sync>, bool)>;

#[derive(Default)]
struct State {
    /// The records that are being made, those of bases after those that
    /// include them; the last one to be closed is that of the build itself.
    open: Vec<Open>,
    build: Open,
    counts: Counts,
    schema: Option<Schema>,
    /// Something asked the built-in schema before a kustomization named another one.
    used_builtin: bool,
    /// Where paths lead that were looked up already.
    resolved: HashMap<Place, Found>,
    /// What is in the file that was looked up last, until it is read.
    ahead: Option<(Place, Vec<u8>)>,
    verdicts: Verdicts,
    repositories: usize,
}

impl State {
    fn current(&mut self) -> &mut Open {
        self.open.last_mut().unwrap_or(&mut self.build)
    }

    fn count(&mut self, added: Counts, options: &BuildOptions) -> Result<(), BuildError> {
        self.counts = self.counts.plus(added);
        self.counts.check(options)
    }

    fn has_room_for(&self, counts: Counts, options: &BuildOptions) -> bool {
        self.counts.plus(counts).check(options).is_ok()
    }

    fn reuse(&mut self, record: &Arc<Record>, options: &BuildOptions) -> Result<(), BuildError> {
        self.count(record.counts, options)?;
        self.used_builtin |= record.used_builtin;
        self.current().add(Arc::clone(record));
        Ok(())
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(options: &'a BuildOptions, cache: &'a Cache) -> Self {
        Self { options, cache, state: Mutex::default() }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves the state as consistent as any other moment.
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn warn(&self, warning: Warning) {
        self.with(|state| state.current().warn(warning));
    }

    /// Notes that what is accumulated depends on more than the files and
    /// options, or does more than give resources: it must not be used again.
    pub(crate) fn note_effect(&self) {
        self.with(|state| state.current().record.has_effects = true);
    }

    pub(crate) fn threads(&self) -> Threads {
        Threads::new(self.options.threads)
    }

    /// The schema in force: the first that a kustomization names, or the built-in one.
    pub(crate) fn schema(&self) -> Schema {
        self.with(|state| state.schema.clone()).unwrap_or_default()
    }

    pub(crate) fn has_schema(&self) -> bool {
        self.with(|state| state.schema.is_some())
    }

    /// A schema that is named from now on comes on top of the built-in one, as
    /// in kustomize, which loads that for the first patch or unknown kind.
    pub(crate) fn note_builtin_schema(&self) {
        self.with(|state| {
            state.used_builtin = true;
            state.current().record.used_builtin = true;
        });
    }

    /// The schema in the OpenAPI document `text`.
    pub(crate) fn custom_schema(&self, text: &str) -> Result<Schema, SchemaError> {
        if self.with(|state| state.used_builtin) { Schema::custom_over_builtin(text) } else { Schema::custom(text) }
    }

    pub(crate) fn set_schema(&self, schema: Schema) {
        self.note_effect();
        self.with(|state| state.schema = Some(schema));
    }

    /// Counts a kustomization that is read.
    pub(crate) fn note_kustomization(&self) -> Result<(), BuildError> {
        self.note_counts(Counts { kustomizations: 1, files: 0 })
    }

    fn note_counts(&self, counts: Counts) -> Result<(), BuildError> {
        self.with(|state| {
            state.current().count(counts);
            state.count(counts, self.options)
        })
    }

    /// Notes a file that is read, before it is.
    pub(crate) fn note_read(&self, file: ReadFile) -> Result<(), BuildError> {
        self.with(|state| state.current().read.push(file));
        self.note_counts(Counts { files: 1, kustomizations: 0 })
    }

    /// Notes what is in the file that was read last, which had no id before.
    pub(crate) fn note_content(&self, content: &ContentId) {
        self.with(|state| {
            if let Some(file) = state.current().read.last_mut() {
                file.content = Some(content.clone());
            }
        });
    }

    pub(crate) fn note_asked(&self, asked: impl FnOnce() -> Asked) {
        if self.cache.is_shared() {
            let asked = asked();
            self.with(|state| state.current().asked.push(asked));
        }
    }

    /// Begins the record of a kustomization.
    pub(crate) fn open(&self, open: Open) {
        self.with(|state| state.open.push(open));
    }

    /// Takes over what is known of the kustomization file whose record is being made.
    pub(crate) fn know(&self, own: &Arc<Own>) -> Result<(), BuildError> {
        self.with(|state| {
            state.count(own.counts, self.options)?;
            state.current().know(own);
            Ok(())
        })
    }

    /// Ends the record that was begun last; `close` finishes it.
    pub(crate) fn close(&self, source: usize, close: impl FnOnce(Open) -> Record) -> Arc<Record> {
        let mut record = close(self.with(|state| state.open.pop()).unwrap_or_default());
        self.with(|state| {
            if let Some(neighbour) = state.current().record.below.last() {
                record.share_with(neighbour);
            }
            let record = Arc::new(record);
            let key = (source, Arc::as_ptr(&record).addr());
            state.verdicts.insert(key, (Arc::<Record>::clone(&record), true));
            state.current().add(Arc::clone(&record));
            record
        })
    }

    /// Uses what was accumulated before in the place of what would be accumulated now.
    pub(crate) fn reuse(&self, record: &Arc<Record>) -> Result<(), BuildError> {
        self.with(|state| state.reuse(record, self.options))
    }

    /// As [`Session::reuse`], for as many of the records as may still be read. How many these are.
    pub(crate) fn reuse_all<'r>(&self, records: impl Iterator<Item = &'r Arc<Record>>) -> usize {
        self.with(|state| {
            let mut reuse = |record: &Arc<Record>| {
                state.has_room_for(record.counts, self.options) && state.reuse(record, self.options).is_ok()
            };
            records.take_while(|record| reuse(record)).count()
        })
    }

    /// Whether so much more may be read.
    pub(crate) fn has_room_for(&self, counts: Counts) -> bool {
        self.with(|state| state.has_room_for(counts, self.options))
    }

    /// Whether what is recorded holds, found out once.
    pub(crate) fn verdict<T: Send + Sync + 'static>(
        &self,
        source: usize,
        of: &Arc<T>,
        find_out: impl FnOnce() -> bool,
    ) -> bool {
        let key = (source, Arc::as_ptr(of).addr());
        if let Some(verdict) = self.with(|state| state.verdicts.get(&key).map(|(_, verdict)| *verdict)) {
            return verdict;
        }
        let verdict = find_out();
        self.with(|state| state.verdicts.insert(key, (Arc::<T>::clone(of), verdict)));
        verdict
    }

    pub(crate) fn resolved(&self, place: &Place) -> Option<Resolved> {
        self.with(|state| state.resolved.get(place)?.at(place.path()))
    }

    pub(crate) fn note_resolved(&self, place: Place, found: &Resolved) {
        let found = Found::new(place.path(), Some(found));
        self.with(|state| drop(state.resolved.insert(place, found)));
    }

    /// Keeps what is in a file until it is read, or until another one is kept.
    pub(crate) fn read_ahead(&self, place: Place, bytes: Vec<u8>) {
        self.with(|state| state.ahead = Some((place, bytes)));
    }

    /// What was kept of the file, which is not kept any longer.
    pub(crate) fn take_ahead(&self, source: usize, path: &Path) -> Option<Vec<u8>> {
        let is_it = |ahead: &mut (Place, _)| ahead.0.source == source && ahead.0.path == path.as_os_str();
        self.with(|state| state.ahead.take_if(is_it)).map(|(_, bytes)| bytes)
    }

    pub(crate) fn remote(&self, url: &str) -> Result<&'a dyn Remote, BuildError> {
        self.note_effect();
        self.options.remote.as_deref().ok_or_else(|| BuildError::NoRemote { url: without_password(url) })
    }

    /// A number for another file source.
    pub(crate) fn next_source(&self) -> usize {
        self.with(|state| {
            state.repositories += 1;
            state.repositories
        })
    }

    /// The record of the build, as far as it came.
    pub(crate) fn finish(self) -> Arc<Record> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        while let Some(open) = state.open.pop() {
            let record = Arc::new(open.close(None));
            state.current().add(record);
        }
        Arc::new(state.build.close(None))
    }
}
