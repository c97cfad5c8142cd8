//! Atomic writes, bounded reads, locks, and logs of whole lines.

mod lock;
mod log;

pub use lock::Lock;
pub use log::Log;

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Opens a regular file and returns its size. A pipe or a device would block or never end.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let no_file = || Error::new(ErrorKind::InvalidInput, "it is not a regular file");
    // Checked first because opening a pipe blocks until its other end is opened.
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let file = File::open(path)?;
    let of = file.metadata()?;
    if of.is_file() { Ok((file, of.len())) } else { Err(no_file()) }
}

/// Reads a file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let (file, size) = open(path)?;
    let too_large =
        |size: u64| Error::new(ErrorKind::FileTooLarge, format!("it has {size} bytes, but at most {most} are allowed"));
    if size > most {
        return Err(too_large(size));
    }
    let mut bytes = reserved(size)?;
    // One byte more, so that a file that grows meanwhile is detected.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Maximum size in bytes of a text file written by a user.
pub const LONGEST_TEXT: u64 = 1 << 20;

/// Reads a UTF-8 file of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// An empty vector with capacity for `count` elements, or an error if there is not enough memory.
pub fn reserved<T>(count: u64) -> Result<Vec<T>> {
    let mut room = Vec::new();
    let count = usize::try_from(count).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
    room.try_reserve_exact(count).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
    Ok(room)
}

/// A temporary file in the folder of its final path. Removes temporary files that ended processes left there.
pub fn beside(path: &Path) -> Result<Temporary> {
    let folder = folder_of(path);
    let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the path has no file name"))?;
    sweep(folder, &[name]);
    let prefix = prefix(name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    // The mode of any new file: the umask decides who may read the file that is kept.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // A lock marks the file as in use. A file that was swept before it was locked is created again. Where files
        // cannot be locked, nothing is swept.
        if !matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock)) && file.path().exists() {
            return Ok(Temporary { _listed: Listed::new(file.path()), file });
        }
    }
}

/// A file that is removed unless it is kept.
#[derive(Debug)]
pub struct Temporary {
    file: NamedTempFile,
    _listed: Listed,
}

impl Temporary {
    /// The written content, from the start. On Windows, a locked file cannot be read by name.
    pub fn written(&mut self) -> Result<&mut File> {
        let file = self.file.as_file_mut();
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

impl Write for Temporary {
    // Through the file itself, whose errors do not mention the temporary name.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.as_file_mut().write(bytes)
    }
    fn flush(&mut self) -> Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Temporary files and locks that are removed when this process ends.
static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An entry of [`HELD`].
#[derive(Debug)]
struct Listed(PathBuf);

impl Listed {
    fn new(path: &Path) -> Listed {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
        Listed(path.into())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

/// Removes temporary files and locks, for a process that ends without unwinding.
pub fn abandon_all() {
    for path in HELD.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

/// Renames a temporary file to its final name, replacing an existing file: first the file is synced, then its name.
pub fn keep(temporary: Temporary, path: &Path) -> Result<()> {
    let Temporary { file, _listed } = temporary;
    file.as_file().sync_all()?;
    let kept = persist(file, path)?;
    let _ = kept.unlock();
    sync_folder(folder_of(path))
}

/// Windows refuses briefly while another program, such as a virus scanner, has the existing file open.
fn persist(mut file: NamedTempFile, path: &Path) -> Result<File> {
    for wait in [10, 30, 100, 300, 1000] {
        match file.persist(path) {
            Err(refused) if cfg!(windows) && refused.error.kind() == ErrorKind::PermissionDenied => {
                file = refused.file;
                std::thread::sleep(std::time::Duration::from_millis(wait));
            }
            kept => return Ok(kept?),
        }
    }
    Ok(file.persist(path)?)
}

/// Replaces a file atomically.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = beside(path)?;
    file.write_all(content)?;
    keep(file, path)
}

/// Creates a folder and its parents so that they survive a power failure.
pub fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    make_folder(above)?;
    // Another process may have been faster.
    if let Err(e) = std::fs::create_dir(path)
        && !path.is_dir()
    {
        return Err(e);
    }
    sync_folder(above)
}

/// Syncs the names in a folder to disk. Only Unix supports it; elsewhere the rename has to suffice.
fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Not supported by all file systems.
        Err(e)
            if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
        {
            return Err(e);
        }
        _ => {}
    }
    let _ = folder;
    Ok(())
}

/// The parent folder of a path.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Prefix and suffix of temporary file names.
fn prefix(name: &OsStr) -> std::ffi::OsString {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}
const SUFFIX: &str = ".part";

/// Returns true for temporary files of this program for one of these names.
pub fn is_temporary(file: &OsStr, names: &[impl AsRef<OsStr>]) -> bool {
    let file = file.as_encoded_bytes();
    let is_of = |name: &OsStr| file.starts_with(prefix(name).as_encoded_bytes()) && file.ends_with(SUFFIX.as_bytes());
    names.iter().any(|name| is_of(name.as_ref()))
}

/// Removes temporary files for these names that killed processes left.
pub fn sweep(folder: &Path, names: &[impl AsRef<OsStr>]) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.filter(|entry| is_temporary(&entry.file_name(), names)).map(|entry| entry.path()) {
        // The lock is held until the file is removed, so that no process begins to write it meanwhile. Where files
        // cannot be locked, it is unknown whether one is in use, so it is kept.
        if let Ok((file, _)) = open(&path)
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"hello").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"hello");
        assert!(read(&path, 4).unwrap_err().to_string().contains("5 bytes, but at most 4"));
        assert!(read(folder.path(), 9).unwrap_err().to_string().contains("not a regular file"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("UTF-8"));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero")] {
            assert!(read(path, 1 << 20).unwrap_err().to_string().contains("not a regular file"));
            assert!(Log::open(path).unwrap_err().to_string().contains("not a regular file"));
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_away_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let left = folder.path().join(".model.aBcDeF.part");
        let other = folder.path().join(".other.aBcDeF.part");
        std::fs::write(&left, "half").unwrap();
        std::fs::write(&other, "half").unwrap();
        let mut mine = beside(&path).unwrap();
        assert!(!left.exists() && other.exists());
        let second = beside(&path).unwrap();
        assert!(
            mine.file.path().exists() && second.file.path().exists(),
            "a file that is being written is not removed"
        );
        drop(second);
        assert!(HELD.lock().unwrap().contains(&mine.file.path().to_path_buf()));
        mine.write_all(b"whole").unwrap();
        let mut written = String::new();
        mine.written().unwrap().read_to_string(&mut written).unwrap();
        assert_eq!(written, "whole");
        keep(mine, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    /// The umask determines the mode of a new file.
    #[cfg(unix)]
    #[test]
    fn what_is_kept_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        replace(&folder.path().join("kept"), b"").unwrap();
        assert_eq!(mode("kept"), mode("plain"));
    }
}
