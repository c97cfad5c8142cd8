//! Files that are whole or not there.

use std::io::Write;
use std::path::Path;

/// Puts a file in place whole: written under a temporary name, synced, renamed.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".checkpoint-").tempfile_in(folder)?;
    file.write_all(content)?;
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
