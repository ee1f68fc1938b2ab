//! Holds a package that was received against every check of `vedette model verify`.

use std::path::Path;

use crate::base::clock::SharedClock;
use crate::model::keys::Trust;
use crate::model::manifest::{Manifest, Moment};
use crate::toolchain::package::verify::{self, Report, Request, VerifyError};

/// What is asked of a package.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Who must have signed it; anybody or nobody, where there is none.
    pub trust: Option<Trust>,
}

/// A package that passed.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) model: String,
    pub(super) size: u64,
    pub(super) report: Report,
    pub(super) manifest: Manifest,
}

impl Checks {
    /// Checks the package in `path`. Blocks, for as long as its golden pictures take.
    pub(super) fn check(&self, path: &Path, clock: &SharedClock) -> Result<Checked, VerifyError> {
        let request = Request {
            file: path.to_owned(),
            trust: self.trust.clone(),
            hardware: verify::machine_for(path)?,
            now: Moment::from_unix_seconds(clock.unix_nanos().div_euclid(1_000_000_000)),
            security_floor: 0,
        };
        let mut report = verify::inspect(&request)?;
        verify::run(&request, &mut report, clock)?;
        let read = |source| VerifyError::Read { path: path.to_owned(), source };
        let size = path.metadata().map_err(read)?.len();
        report.file = format!("{}-{}.vedette", report.name, report.version);
        let manifest = verify::manifest(path)?;
        Ok(Checked { model: report.name.clone(), size, report, manifest })
    }
}
