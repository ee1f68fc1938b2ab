//! Where the command line says that ONNX Runtime lies.

use std::path::PathBuf;

use crate::toolchain::detect::LibrarySearch;

/// The places to look at: the configuration's, `VEDETTE_ORT`, the folder of this executable, and those every search has.
pub fn search(configured: Option<PathBuf>) -> LibrarySearch {
    LibrarySearch {
        configured,
        from_env: std::env::var_os("VEDETTE_ORT").filter(|value| !value.is_empty()).map(PathBuf::from),
        executable_dir: std::env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from)),
    }
}
