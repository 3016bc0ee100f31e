use std::fs;
use std::path::Path;

use crate::mirror::generation::Generation;
use crate::mirror::{Mirror, MirrorError};

/// The size of a mirror on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MirrorStats {
    /// Packs, of which each fetch of something new adds one.
    pub packs: usize,
    /// Bytes in them.
    pub pack_bytes: u64,
    /// Objects outside packs: those of the commits that were made here.
    pub loose_objects: usize,
}

impl Mirror {
    /// The size of what the mirror holds now.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read. An empty mirror has zeros.
    pub fn stats(&self) -> Result<MirrorStats, MirrorError> {
        Ok(Generation::current(&self.root)?.map(|it| of(it.path())).unwrap_or_default())
    }
}

/// Files may come and go while they are counted; what is gone counts nothing.
pub(crate) fn of(repository: &Path) -> MirrorStats {
    let objects = repository.join("objects");
    let mut stats = MirrorStats::default();
    for entry in fs::read_dir(&objects).into_iter().flatten().flatten() {
        if entry.file_name().len() == 2 {
            stats.loose_objects += fs::read_dir(entry.path()).into_iter().flatten().count();
        }
    }
    for entry in fs::read_dir(objects.join("pack")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "pack") {
            stats.packs += 1;
            stats.pack_bytes += entry.metadata().map(|metadata| metadata.len()).unwrap_or(0);
        }
    }
    stats
}
