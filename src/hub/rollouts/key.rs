//! The key with which the hub signs what agents are to have: made at the first start, in a file that its owner alone can
//! read. Agents name its public half in their configuration, so it must be saved with the database.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::toolchain::keys::{KeysError, SecretKey, create, read_secret};

/// Its file in the data folder.
const FILE: &str = "hub.key";

/// The key of the hub whose data lie in `data_dir`.
///
/// # Errors
/// When it can be neither read nor made, or others can read it.
pub fn open(data_dir: &Path) -> Result<SecretKey, KeysError> {
    let path = data_dir.join(FILE);
    if path.exists() {
        return read_secret(&path);
    }
    let failed = |source| KeysError::Write { path: path.clone(), source };
    // Half a key would keep the hub from starting for ever: the file appears under its name only when it is whole.
    let unfinished = data_dir.join(format!("{FILE}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let key = create(&unfinished, "hub")?;
    fs::rename(&unfinished, &path).map_err(failed)?;
    File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_hub_keeps_its_key_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        // What a hub left that was killed while it made its key.
        fs::write(folder.path().join("hub.key.new"), "half").unwrap();
        let key = open(folder.path()).unwrap();
        assert_eq!(open(folder.path()).unwrap().public(), key.public());
        let file = folder.path().join(FILE);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(folder.path()), Err(KeysError::Exposed { .. })));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(open(other.path()).unwrap().public(), key.public());
    }
}
