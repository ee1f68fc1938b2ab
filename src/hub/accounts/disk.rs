//! Files that a broker reads while they are replaced.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes the file hold `text`, in one step: whoever reads it meanwhile sees the old one or the new one. Its owner writes and
/// its group reads it: that of the folder, where the folder's setgid bit is set, is the broker's. Returns whether it held
/// something else.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &str) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    let beside = path.with_added_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    // Whatever the umask of a service leaves of it.
    file.set_permissions(Permissions::from_mode(0o640))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_when_it_holds_something_else_and_its_group_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acl");
        // What somebody left who was killed while it wrote.
        fs::write(folder.path().join("acl.new"), "half").unwrap();
        assert!(replace(&path, "one").unwrap());
        assert!(!replace(&path, "one").unwrap());
        assert!(replace(&path, "two").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace(&folder.path().join("no/such/folder"), "x").is_err());
    }
}
