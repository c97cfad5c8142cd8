//! Logs of whole lines.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::Path;

/// A log of JSON objects, one per line, each written at once.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Opens or creates a log. An incomplete last line, left by a killed process or a full disk, is cut off.
    ///
    /// # Errors
    /// If it is not a regular file of that folder or cannot be written.
    pub fn open(path: &Path) -> Result<Log> {
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        // Not in append mode, in which Windows cannot truncate files. Only one process has the log.
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let end = last_line_end(&mut file, length)?;
        if end < length {
            let mut rest = Vec::new();
            file.seek(SeekFrom::Start(end))?;
            Read::by_ref(&mut file).take(LONGEST).read_to_end(&mut rest)?;
            match serde_json::from_slice::<serde::de::IgnoredAny>(&rest) {
                Ok(_) => file.write_all(b"\n")?,
                Err(_) => file.set_len(end)?,
            }
        }
        file.seek(SeekFrom::End(0))?;
        Ok(Log(file))
    }

    /// Appends a line, whole or not at all.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn line(&mut self, line: &str) -> Result<()> {
        let before = self.0.stream_position()?;
        Write::write_all(&mut self.0, format!("{line}\n").as_bytes()).inspect_err(|_| {
            let _ = self.0.set_len(before).and_then(|()| self.0.seek(SeekFrom::Start(before)));
        })
    }
}

/// Maximum number of bytes of the last line that are read to check whether it is complete.
const LONGEST: u64 = 1 << 20;

/// End of the last whole line of a file.
fn last_line_end(file: &mut File, length: u64) -> Result<u64> {
    let mut end = length;
    let mut part = vec![0; 1 << 12];
    while end > 0 {
        let start = end.saturating_sub(part.len() as u64);
        let part = &mut part[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        match part.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => return Ok(start + at as u64 + 1),
            None => end = start,
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (before, after) in [
            ("", "next\n"),
            ("one\n", "one\nnext\n"),
            // A line without its line break is whole.
            ("one\n{\"a\": 1}", "one\n{\"a\": 1}\nnext\n"),
            ("one\ntwo\nthr", "one\ntwo\nnext\n"),
            ("torn", "next\n"),
            (&format!("one\n{}", "x".repeat(9000)), "one\nnext\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            Log::open(&path).unwrap().line("next").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}
