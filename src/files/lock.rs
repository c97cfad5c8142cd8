//! Locks of folders that only one process may use at a time.

use super::Listed;
use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A folder that is reserved for this process until it ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
    _listed: Listed,
}

impl Lock {
    /// Locks a folder by a lock file at this path in it.
    ///
    /// # Errors
    /// If another process has the lock, with the id of that process if it can be read, or if the file cannot be
    /// created.
    pub fn take(path: &Path) -> std::result::Result<Lock, (Error, Option<u32>)> {
        let fail = |error: Error| (error, None);
        loop {
            if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
                return Err(fail(Error::new(ErrorKind::InvalidInput, "it is not a regular file")));
            }
            let mut options = File::options();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err((ErrorKind::WouldBlock.into(), holder(&mut file)));
                }
                // A file system without locks cannot tell who holds it.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // The previous holder may have removed the file meanwhile.
            if !is_at(&file, path) {
                continue;
            }
            let write = |file: &mut File| {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                writeln!(file, "{}", std::process::id())
            };
            // The id of the holder is only informative, so a full disk is not an error.
            let _ = write(&mut file);
            return Ok(Lock { path: path.into(), _file: file, _listed: Listed::new(path) });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Id of the process that holds a lock, read from the lock file. It may not have been written yet.
fn holder(file: &mut File) -> Option<u32> {
    for _ in 0..20 {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| Read::by_ref(file).take(20).read_to_string(&mut text)).ok()?;
        if let Some(holder) = text.strip_suffix('\n').and_then(|text| text.parse().ok()) {
            return Some(holder);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    None
}

/// Returns true if an open file is still the one at this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_and_is_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "7 a process that is gone\n").unwrap();
        let lock = Lock::take(&path).unwrap();
        let (error, holder) = Lock::take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(holder == Some(std::process::id()) || cfg!(windows));
        drop(lock);
        assert!(!path.exists());
        drop(Lock::take(&path).unwrap());
    }
}
