//! The detector that the program brings with it, so that it can see before anybody has given it a model.

use std::path::Path;

/// What names something that the program brings begins with this.
pub const PREFIX: &str = "bundled:";
/// Named instead of a file, it is the package that lies in the program itself. Whoever trusts the program trusts it.
pub const DETECTOR: &str = "bundled:vedette-nano";

const PACKAGE: &[u8] = include_bytes!("../../models/vedette-nano/vedette-nano-int8.vedette");

/// The bytes of the package, if that is what is named.
pub fn find(path: &Path) -> Option<&'static [u8]> {
    (path == Path::new(DETECTOR)).then_some(PACKAGE)
}
