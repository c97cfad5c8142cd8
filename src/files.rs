//! Files that are whole or not there.

use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

/// A temporary file beside the place where it will be kept.
pub fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new().prefix(&format!(".{name}.")).tempfile_in(folder)
}

/// Gives a temporary file its name, in place of what was there: synced, then renamed.
pub fn keep(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    let kept = file.persist(path)?;
    // Temporary files are private; what is kept may be read by others.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        kept.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let _ = kept;
    Ok(())
}

/// Puts a file in place whole.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(content)?;
    keep(file, path)
}
