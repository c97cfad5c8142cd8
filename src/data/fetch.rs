//! Downloads data sets from mirrors, with verification by hash and atomic writes.

use super::{Check, DataError, File, Known};
use crate::files;
use crate::text::Shown;
use flate2::read::MultiGzDecoder;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

/// Called for each part that arrives: file, bytes so far, total bytes if the server reports them.
pub type OnProgress<'a> = &'a dyn Fn(&str, u64, Option<u64>);

/// How to download.
pub struct Fetcher {
    /// Tried before a set's own mirrors; files are under `<mirror>/<set>/`. For networks that cannot reach the others.
    pub mirror: Option<String>,
    /// A server that sends nothing for this long is abandoned.
    pub patience: Duration,
}

impl Default for Fetcher {
    fn default() -> Fetcher {
        let mirror = std::env::var("MNIST_GPU_MIRROR").ok().filter(|m| !m.is_empty());
        Fetcher { mirror, patience: Duration::from_secs(20) }
    }
}

/// Minimum rate in bytes per second: a slower server is abandoned once `patience` is over.
const SLOWEST: f64 = 1000.0;
/// Maximum size of a file in bytes; no file of a known set is larger.
const LARGEST: u64 = 1 << 30;

impl Fetcher {
    /// Downloads a set's files into a folder, except those already there and intact. Returns the number of downloaded
    /// files.
    ///
    /// # Errors
    /// If no mirror provides a file; the message has every address and reason, and a command to download it manually.
    pub fn fetch(&self, set: &Known, folder: &Path, how: Checking, progress: OnProgress) -> Result<usize, DataError> {
        let wrong = |file: &&File| is_right(&folder.join(file.name), file, how).is_err();
        let missing: Vec<&File> = set.files.iter().filter(wrong).collect();
        if !missing.is_empty() {
            let unwritable = |e: std::io::Error| DataError::Unwritable { path: folder.into(), reason: Shown::new(e) };
            files::make_folder(folder).map_err(unwritable)?;
            files::sweep(folder, &set.files.iter().chain(&set.archive).map(|file| file.name).collect::<Vec<_>>());
        }
        match &set.archive {
            Some(archive) if !missing.is_empty() => {
                if is_right(&folder.join(archive.name), archive, how).is_err() {
                    self.fetch_file(set, archive, folder, progress)?;
                }
                missing.iter().try_for_each(|file| unpack(&folder.join(archive.name), file.name, folder))?;
            }
            _ => missing.iter().try_for_each(|file| self.fetch_file(set, file, folder, progress))?,
        }
        Ok(missing.len())
    }

    fn fetch_file(&self, set: &Known, file: &File, folder: &Path, progress: OnProgress) -> Result<(), DataError> {
        let own = self.mirror.iter().map(|base| format!("{}/{}/{}", base.trim_end_matches('/'), set.name, file.name));
        let public = set.mirrors.iter().map(|base| format!("{base}{}", file.name));
        let mut tried = Vec::new();
        for url in own.chain(public) {
            match self.download(&url, file, folder, progress) {
                Ok(()) => return Ok(()),
                Err(reason) => tried.push((url, Shown::from(reason))),
            }
        }
        let url = tried.last().map(|(url, _)| url.clone()).unwrap_or_default();
        Err(DataError::Fetch { file: file.name.into(), folder: folder.into(), url, tried })
    }

    /// Downloads a file from one address to a temporary name, and renames it once it is complete and verified.
    fn download(&self, url: &str, file: &File, folder: &Path, progress: OnProgress) -> Result<(), String> {
        let path = folder.join(file.name);
        let mut temporary = files::beside(&path).map_err(|e| format!("cannot write to {}: {e}", folder.display()))?;
        let parts = self.start(url).map_err(|e| format!("cannot start a thread: {e}"))?;
        let began = Instant::now();
        let (mut got, mut total) = (0, None);
        loop {
            let part = parts
                .recv_timeout(self.patience)
                .map_err(|_| format!("the server sent nothing for {} seconds", self.patience.as_secs_f32()))??;
            match part {
                Chunk::Length(length) => total = length,
                Chunk::End => break,
                Chunk::Bytes(bytes) => {
                    got += bytes.len() as u64;
                    if got > LARGEST {
                        return Err(format!("the file has more than {LARGEST} bytes"));
                    }
                    temporary.write_all(&bytes).map_err(|e| format!("cannot write: {e}"))?;
                    let rate = got as f64 / began.elapsed().as_secs_f64();
                    if began.elapsed() > self.patience && rate < SLOWEST {
                        return Err(format!("the server sends only {rate:.0} bytes per second"));
                    }
                }
            }
            progress(file.name, got, total);
        }
        if total.is_some_and(|total| total != got) {
            return Err(format!("the transfer ended after {got} of {} bytes", total.unwrap_or(0)));
        }
        check(temporary.written().map_err(|e| e.to_string())?, file)?;
        files::keep(temporary, &path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Seal::of(&path, true).map_err(|e| e.to_string())?.put(&path);
        Ok(())
    }

    /// Downloads in its own thread, so that a server that stalls in the middle of a read can be abandoned.
    fn start(&self, url: &str) -> std::io::Result<mpsc::Receiver<Result<Chunk, String>>> {
        let (sender, receiver) = mpsc::sync_channel(16);
        let (url, patience) = (url.to_string(), self.patience);
        std::thread::Builder::new().spawn(move || {
            let result = transfer(&url, patience, |part| sender.send(Ok(part)).is_ok());
            // The receiver is gone if it abandoned this transfer.
            let _ = sender.send(result.map(|()| Chunk::End));
        })?;
        Ok(receiver)
    }
}

#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "nothing is downloaded without a client"))]
enum Chunk {
    Length(Option<u64>),
    Bytes(Vec<u8>),
    End,
}

/// Without the feature `cli` there is no HTTP client.
#[cfg(not(feature = "cli"))]
fn transfer(_: &str, _: Duration, _: impl FnMut(Chunk) -> bool) -> Result<(), String> {
    Err("this build cannot download: it lacks the feature cli".into())
}

#[cfg(feature = "cli")]
fn transfer(url: &str, patience: Duration, mut send: impl FnMut(Chunk) -> bool) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .user_agent(concat!("mnist-gpu/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|e| e.to_string())?;
    if !send(Chunk::Length(response.body().content_length())) {
        return Ok(());
    }
    let mut body = response.body_mut().as_reader();
    loop {
        let mut bytes = vec![0; 1 << 16];
        let n = body.read(&mut bytes).map_err(|e| e.to_string())?;
        bytes.truncate(n);
        if n == 0 || !send(Chunk::Bytes(bytes)) {
            return Ok(());
        }
    }
}

/// Extracts a file from an archive, regardless of its folder in there; the file is either complete or absent.
fn unpack(archive: &Path, name: &str, folder: &Path) -> Result<(), DataError> {
    let failed = |reason: &dyn Display| DataError::Archive {
        path: archive.into(),
        name: name.into(),
        reason: Shown::new(reason),
    };
    let (file, _) = files::open(archive).map_err(|e| failed(&e))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|e| failed(&e))?;
    let inside =
        zip.file_names().flatten().find(|inside| inside.rsplit('/').next() == Some(name)).map(|n| n.into_owned());
    let inside = inside.ok_or_else(|| failed(&"the archive has no such file"))?;
    let entry = zip.by_name(&inside).map_err(|e| failed(&e))?;
    let path = folder.join(name);
    let unwritable = |e: std::io::Error| DataError::Unwritable { path: (&path).into(), reason: Shown::new(e) };
    let mut temporary = files::beside(&path).map_err(unwritable)?;
    let copied = std::io::copy(&mut entry.take(LARGEST + 1), &mut temporary).map_err(|e| failed(&e))?;
    if copied > LARGEST {
        return Err(failed(&format!("it has more than {LARGEST} bytes")));
    }
    files::keep(temporary, &path).map_err(unwritable)?;
    Seal::of(&path, true).map_err(unwritable)?.put(&path);
    Ok(())
}

/// How thoroughly a cached file is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checking {
    /// Check its content if its size or time differ from when it was last verified.
    Changes,
    /// Always check its content.
    Content,
}

/// A record of a verified file, kept beside it: while size and modification time match, it is not hashed again.
#[derive(PartialEq, Serialize, Deserialize)]
struct Seal {
    size: u64,
    modified: SystemTime,
    sha256: String,
    /// True if the file, or the archive it came from, matched a published hash; false if only its gzip checksum was
    /// checked.
    published: bool,
}

impl Seal {
    fn of(path: &Path, published: bool) -> std::io::Result<Seal> {
        let (file, size) = files::open(path)?;
        let modified = file.metadata()?.modified()?;
        Ok(Seal { size, modified, sha256: digest::<Sha256>(BufReader::with_capacity(1 << 16, file))?, published })
    }

    /// Path of the record.
    fn place(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!(".{name}.checked"))
    }

    fn read(path: &Path) -> Option<Seal> {
        serde_json::from_slice(&files::read(&Seal::place(path), 1 << 12).ok()?).ok()
    }

    /// Writes the record. If it cannot be written, the file is checked again next time.
    fn put(&self, path: &Path) {
        let _ = serde_json::to_vec(self).map(|json| files::replace(&Seal::place(path), &json));
    }
}

/// Checks that a cached file exists and is intact.
///
/// # Errors
/// Why it is not intact; `None` if it does not exist.
pub fn is_right(path: &Path, file: &File, how: Checking) -> Result<(), Option<String>> {
    if !path.exists() {
        return Err(None);
    }
    let unreadable = |e: std::io::Error| Some(e.to_string());
    let (opened, size) = files::open(path).map_err(unreadable)?;
    let modified = opened.metadata().and_then(|m| m.modified()).map_err(unreadable)?;
    let seal = Seal::read(path);
    if how == Checking::Changes && seal.as_ref().is_some_and(|seal| (seal.size, seal.modified) == (size, modified)) {
        return Ok(());
    }
    check(opened, file)?;
    let now = Seal::of(path, file.check != Check::Unpacked).map_err(unreadable)?;
    // No hash is published for unpacked files, so the one recorded when unpacking is compared.
    let now = match seal.filter(|seal| seal.published && file.check == Check::Unpacked) {
        Some(seal) if seal.sha256 != now.sha256 => {
            return Err(Some(format!("its SHA-256 is {}, but was {} when it was unpacked", now.sha256, seal.sha256)));
        }
        Some(_) => Seal { published: true, ..now },
        None => now,
    };
    now.put(path);
    Ok(())
}

/// Compares the content of a file with its published hash.
fn check(content: impl Read, file: &File) -> Result<(), String> {
    let reader = BufReader::with_capacity(1 << 16, content);
    let whole = |e: std::io::Error| format!("not a complete gzip file: {e}");
    let (found, expected, what) = match file.check {
        Check::Sha256(expected) => {
            (digest::<Sha256>(MultiGzDecoder::new(reader).take(LARGEST)), expected, "content has SHA-256")
        }
        // The reader compares the checksum at its end.
        Check::Unpacked => {
            return std::io::copy(&mut MultiGzDecoder::new(reader).take(LARGEST), &mut std::io::sink())
                .map(|_| ())
                .map_err(whole);
        }
        Check::Md5(expected) => (digest::<Md5>(reader.take(LARGEST)), expected, "file has MD5"),
    };
    let found = found.map_err(whole)?;
    if found == expected { Ok(()) } else { Err(format!("the {what} {found}, not {expected}")) }
}

fn digest<D: Digest>(mut from: impl Read) -> std::io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => digest.update(&buffer[..n]),
        }
    }
    Ok(hex(&digest.finalize()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
