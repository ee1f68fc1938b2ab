//! What the maker of a package writes: the part of a manifest that no program can find out.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::manifest::{Compatible, Limits, Moment, SessionOptions, Thresholds, Version};
use crate::vocab::Id;

/// What the maker of a package writes. Tensors, digests, sizes, pre-processing and golden detections are found out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The model's name, the same in all its versions.
    pub name: Id,
    /// The version for people, such as `1.4.0`.
    pub version: Version,
    /// Counts up with every release of this name.
    pub release: u64,
    /// Counts up when older packages must not be used any more; 0 by default.
    #[serde(default)]
    pub security_version: u64,
    /// When it was made; now by default.
    pub created: Option<Moment>,
    /// From when on it is not accepted any more; never by default.
    pub expires: Option<Moment>,
    /// Where it runs; everywhere by default.
    #[serde(default)]
    pub compatible: Compatible,
    /// The family of detectors; recognised by default.
    pub family: Option<String>,
    /// The names of its classes, in order; those in the file by default.
    pub labels: Option<Vec<String>>,
    /// What is asked of a detection: score 0.4, nms_iou 0.45 and max_detections 300 by default.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// How ONNX Runtime must run the file of a provider, by provider.
    #[serde(default)]
    pub session: BTreeMap<String, SessionOptions>,
    /// How far golden detections may be off.
    #[serde(default)]
    pub golden: Tolerances,
    /// What running it may cost; nothing is promised by default.
    pub limits: Option<Limits>,
    /// What was measured.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// How it was made 8-bit, in free words.
    #[serde(default)]
    pub calibration: BTreeMap<String, String>,
    /// What it was trained on and made from, in free words.
    #[serde(default)]
    pub training: BTreeMap<String, String>,
    /// The licence, as an SPDX expression.
    pub licence: String,
}

/// How far golden detections may be off.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerances {
    /// A score, 0..1; 0.05 by default.
    pub score_tolerance: f64,
    /// The overlap that a box must have with the expected one, 0..1; 0.8 by default.
    pub min_iou: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { score_tolerance: 0.05, min_iou: 0.8 }
    }
}

/// A draft that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the draft of the manifest cannot be used: {0}")]
pub struct DraftError(String);

impl Draft {
    /// From the value of its file.
    ///
    /// # Errors
    /// When a key is missing, unknown or has a value of another kind.
    pub fn from_value(value: serde_json::Value) -> Result<Self, DraftError> {
        serde_json::from_value(value).map_err(|error| DraftError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_a_version_and_a_licence_are_enough_and_unknown_keys_are_refused() {
        let least = json!({"name": "street", "version": "1.0.0", "release": 1, "licence": "Apache-2.0"});
        let draft = Draft::from_value(least.clone()).unwrap();
        assert_eq!((draft.thresholds.score, draft.golden.min_iou), (0.4, 0.8));
        let mut more = least;
        more["thresholds"] = json!({"score": 0.3});
        assert_eq!(Draft::from_value(more.clone()).unwrap().thresholds.nms_iou, 0.45);
        more["licensed"] = json!(true);
        let error = Draft::from_value(more).unwrap_err().to_string();
        assert!(error.contains("unknown field `licensed`"), "{error}");
        let error = Draft::from_value(json!({"name": "street", "version": "1"})).unwrap_err().to_string();
        assert!(error.contains("is no version"), "{error}");
    }
}
