//! Finds the shared test data, and says visibly when it is not there.

use std::path::PathBuf;

/// The path of `file` under the shared test data (`VEDETTE_TEST_DATA`, else `../shared/data` beside the project), or
/// `None` after printing that the calling test is skipped.
pub fn find(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VEDETTE_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let path = root.join(file);
    if path.exists() {
        return Some(path);
    }
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    println!("SKIPPED {test}: {} is not there (set VEDETTE_TEST_DATA)", path.display());
    None
}
