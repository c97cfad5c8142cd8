//! Folders that belong to one process at a time.

use super::Listed;
use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A folder that belongs to this process, until it ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
    _listed: Listed,
}

impl Lock {
    /// Takes a folder by a file of this name in it.
    ///
    /// # Errors
    /// Another process has it: the number of that process, if it can be read. Or the file cannot be made.
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
                // On a file system without locks there is nobody to ask.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // Whoever had it before has removed it meanwhile.
            if !is_at(&file, path) {
                continue;
            }
            let write = |file: &mut File| {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                writeln!(file, "{}", std::process::id())
            };
            // Who holds it is only told: a full disk is no reason not to.
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

/// The process that has a lock, by what it has written there. It may be about to do so.
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

/// Whether an open file is still the one of that name.
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
