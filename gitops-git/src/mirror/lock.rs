use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::mirror::MirrorError;

/// The right to change a mirror. The kernel takes it back when the process dies.
pub(crate) struct Lock {
    _file: File,
}

pub(crate) fn acquire(path: &Path, patience: Duration, cancel: &Cancel) -> Result<Lock, MirrorError> {
    let file = open(path)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                return Err(MirrorError::Locked { path: path.to_owned(), waited: patience });
            }
            Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                return Err(MirrorError::Locked { path: path.to_owned(), waited: start.elapsed() });
            }
            Err(TryLockError::WouldBlock) => {
                // Not in step with others that wait, or one could always be late.
                std::thread::sleep(Duration::from_millis(fastrand::u64(2..20)));
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path, source)),
        }
    }
}

pub(crate) fn open(path: &Path) -> Result<File, MirrorError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|source| io_error("open", path, source))
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> MirrorError {
    MirrorError::Io { action, path: path.to_owned(), source }
}
