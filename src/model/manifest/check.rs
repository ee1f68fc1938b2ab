//! Whether a manifest is whole and agrees with itself.

use std::collections::BTreeSet;

use super::{FileEntry, Manifest, Profile, SCHEMA};
use crate::model::hex;

/// Sizes that no manifest exceeds.
const MOST_LABELS: usize = 4096;
const MOST_PROFILES: usize = 16;
const MOST_FILES: usize = 256;
const MOST_GOLDEN: usize = 256;
const MOST_EXPECTED: usize = 1000;
const LONGEST_TEXT: usize = 1024;
/// Bytes of one file; protobuf itself ends at two GiB.
const LARGEST_FILE: u64 = (1 << 31) - 1;

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ManifestFault {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

fn fault<T>(key: impl Into<String>, problem: impl Into<String>) -> Result<T, ManifestFault> {
    Err(ManifestFault { key: key.into(), problem: problem.into() })
}

/// A share of 1, ends included.
fn share(key: &str, value: f64) -> Result<(), ManifestFault> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { fault(key, format!("found {value}, must be 0 to 1")) }
}

/// A text that is short and of one line.
fn text(key: &str, value: &str) -> Result<(), ManifestFault> {
    if value.is_empty() || value.len() > LONGEST_TEXT || value.chars().any(char::is_control) {
        return fault(key, format!("must be a line of 1 to {LONGEST_TEXT} bytes"));
    }
    Ok(())
}

fn count(key: &str, found: usize, least: usize, most: usize) -> Result<(), ManifestFault> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        fault(key, format!("found {found}, must be {least} to {most}"))
    }
}

/// Finite, and not so large that a single-precision float would not be.
fn number(key: &str, value: f64) -> Result<(), ManifestFault> {
    if (value as f32).is_finite() {
        Ok(())
    } else {
        fault(key, format!("found {value}, must be a number of some size"))
    }
}

impl Manifest {
    /// Checks everything that can be told from the manifest alone.
    ///
    /// # Errors
    /// The first fault.
    pub(super) fn check(&self) -> Result<(), ManifestFault> {
        if self.schema != SCHEMA {
            return fault("schema", format!("found {}, this program reads {SCHEMA}", self.schema));
        }
        if self.expires.is_some_and(|expires| expires <= self.created) {
            return fault("expires", "must be after `created`");
        }
        if let (Some(min), Some(max)) = (self.compatible.agent_min, self.compatible.agent_max)
            && min > max
        {
            return fault("compatible", "`agent_min` must not be above `agent_max`");
        }
        count("compatible.architectures", self.compatible.architectures.len(), 0, 16)?;
        self.compatible.architectures.iter().try_for_each(|name| text("compatible.architectures", name))?;
        text("family", &self.family)?;
        text("licence", &self.licence)?;
        count("labels", self.labels.len(), 1, MOST_LABELS)?;
        self.labels.iter().try_for_each(|label| text("labels", label))?;
        self.check_numbers()?;
        self.check_files()?;
        self.check_profiles()?;
        self.check_golden()?;
        self.check_notes()
    }

    fn check_numbers(&self) -> Result<(), ManifestFault> {
        share("thresholds.score", self.thresholds.score)?;
        share("thresholds.nms_iou", self.thresholds.nms_iou)?;
        count("thresholds.max_detections", self.thresholds.max_detections as usize, 1, 10_000)?;
        let Self { preprocess, limits, .. } = self;
        if !["stretch", "top-left", "centre"].contains(&preprocess.fit.as_str()) {
            return fault("preprocess.fit", "must be stretch, top-left or centre");
        }
        if !["rgb", "bgr"].contains(&preprocess.order.as_str()) {
            return fault("preprocess.order", "must be rgb or bgr");
        }
        number("preprocess.padding", preprocess.padding)?;
        preprocess.mean.iter().chain(&preprocess.std).try_for_each(|&value| number("preprocess", value))?;
        match limits {
            Some(limits) if limits.memory_mib == 0 => fault("limits.memory_mib", "must not be 0"),
            Some(limits) if limits.inference_ms.is_nan() || limits.inference_ms <= 0.0 => {
                fault("limits.inference_ms", "must be above 0")
            }
            _ => Ok(()),
        }
    }

    fn check_files(&self) -> Result<(), ManifestFault> {
        count("files", self.files.len(), 1, MOST_FILES)?;
        let mut names = BTreeSet::new();
        for file in &self.files {
            let key = format!("files.{}", file.name.chars().take(80).collect::<String>().escape_debug());
            if !is_file_name(&file.name) {
                return fault("files", format!("{key}: names are 1 to 128 of a-z, A-Z, 0-9, `.`, `_` and `-`"));
            }
            if !names.insert(&file.name) {
                return fault(key, "is there twice");
            }
            if hex::decode::<32>(&file.sha256).is_none() {
                return fault(key, "`sha256` must be 64 hexadecimal digits");
            }
            if file.size == 0 || file.size > LARGEST_FILE {
                return fault(key, format!("`size` must be 1 to {LARGEST_FILE}"));
            }
        }
        Ok(())
    }

    fn needs(&self, key: &str, name: &str) -> Result<&FileEntry, ManifestFault> {
        self.file(name).map_or_else(|| fault(key, format!("{name:.80?} is not among `files`")), Ok)
    }

    fn check_profiles(&self) -> Result<(), ManifestFault> {
        count("profiles", self.profiles.len(), 1, MOST_PROFILES)?;
        let mut providers = BTreeSet::new();
        for profile in &self.profiles {
            let Profile { provider, file, inputs, outputs, session } = profile;
            text("profiles.provider", provider)?;
            if !providers.insert(provider) {
                return fault("profiles", format!("{provider:?} is there twice"));
            }
            self.needs("profiles.file", file)?;
            count("profiles.inputs", inputs.len(), 1, 64)?;
            count("profiles.outputs", outputs.len(), 1, 64)?;
            for tensor in inputs.iter().chain(outputs) {
                text("profiles.tensors", &tensor.name)?;
                count("profiles.tensors.shape", tensor.shape.len(), 0, 8)?;
            }
            count("profiles.session.disabled_optimizers", session.disabled_optimizers.len(), 0, 64)?;
            // The names are handed to ONNX Runtime as one text with `;` between them.
            let is_name =
                |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !session.disabled_optimizers.iter().all(is_name) {
                return fault("profiles.session.disabled_optimizers", "names are made of letters, digits and `_`");
            }
        }
        Ok(())
    }

    fn check_golden(&self) -> Result<(), ManifestFault> {
        share("golden.score_tolerance", self.golden.score_tolerance)?;
        share("golden.min_iou", self.golden.min_iou)?;
        count("golden.pictures", self.golden.pictures.len(), 0, MOST_GOLDEN)?;
        let mut pairs = BTreeSet::new();
        for picture in &self.golden.pictures {
            self.needs("golden.pictures.picture", &picture.picture)?;
            self.needs("golden.pictures.model", &picture.model)?;
            if !pairs.insert((&picture.picture, &picture.model)) {
                return fault("golden.pictures", format!("{:?} is there twice for one model", picture.picture));
            }
            count("golden.pictures.detections", picture.detections.len(), 0, MOST_EXPECTED)?;
            for expected in &picture.detections {
                share("golden.pictures.detections.score", expected.score)?;
                expected.bbox.iter().try_for_each(|&edge| number("golden.pictures.detections.box", edge))?;
                if !self.labels.contains(&expected.label) {
                    return fault("golden.pictures.detections.label", "is not among `labels`");
                }
            }
        }
        Ok(())
    }

    fn check_notes(&self) -> Result<(), ManifestFault> {
        count("metrics", self.metrics.len(), 0, 1024)?;
        self.metrics.keys().try_for_each(|key| text("metrics", key))?;
        for (key, notes) in [("calibration", &self.calibration), ("training", &self.training)] {
            count(key, notes.len(), 0, 256)?;
            notes.iter().flat_map(|(name, value)| [name, value]).try_for_each(|note| text(key, note))?;
        }
        Ok(())
    }
}

fn is_file_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}
