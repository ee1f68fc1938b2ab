//! What is wished of an agent's configuration, and what it has of that: an overlay over its own file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::write_short;
use super::reported::RolloutStage;
use crate::model::sha256_hex;
use crate::vocab::Id;

/// The largest overlay, in bytes.
pub const LARGEST_OVERLAY: u64 = 24 << 10;

/// What is to lie over an agent's own configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredConfig {
    /// The rollout that this wish is part of.
    pub rollout: String,
    /// The overlay; none for the agent's own file alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<OverlayRef>,
    /// Its text, in YAML; absent only where the agent has it, as when a rollout is reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it must prove before it stays; none where it has proved itself before, as when a rollout is reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// An overlay, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverlayRef {
    /// The SHA-256 of its text: 64 hexadecimal digits.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Its bytes, 24576 at most.
    pub size: u64,
}

impl OverlayRef {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        Self { sha256: sha256_hex(text.as_bytes()), size: text.len() as u64 }
    }
}

/// What a changed configuration must prove, while it decides: that no camera loses its pictures, and the hub is not lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trial {
    /// How many seconds it is on trial, 1..604800; 600 by default. Each camera that is connected anew may take half of them
    /// to come back, 30 at most.
    #[schemars(range(min = 1, max = 604_800))]
    pub trial_seconds: u32,
    /// The least share of its frame rate of before that each changed camera must have, 0..1; 0.9 by default. A camera that
    /// was away before is not held to it.
    pub frame_rate: f64,
    /// For how many seconds the broker, or a hub that was there before, may be away, 0..604800; 60 by default. At the end
    /// both must be there.
    #[schemars(range(min = 0, max = 604_800))]
    pub link_seconds: u32,
}

impl Default for Trial {
    fn default() -> Self {
        Self { trial_seconds: 600, frame_rate: 0.9, link_seconds: 60 }
    }
}

impl Trial {
    /// What cannot be as it is, in words.
    pub fn fault(&self) -> Option<&'static str> {
        let rules = [
            ((1..=604_800).contains(&self.trial_seconds), "trial_seconds must be 1 to 604800"),
            ((0.0..=1.0).contains(&self.frame_rate), "frame_rate must be 0 to 1"),
            (self.link_seconds <= 604_800, "link_seconds must be 0 to 604800"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault)
    }
}

/// Why an overlay that is wished cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayFault {
    /// It is too large.
    #[error("it has {0} bytes, and at most {LARGEST_OVERLAY} are taken")]
    TooLarge(u64),
    /// It is another one.
    #[error("its text is not the one that it is named by")]
    Another,
    /// There is a text and no overlay.
    #[error("a text without a name")]
    Nameless,
    /// Its trial cannot be.
    #[error("{0}")]
    Trial(&'static str),
}

impl DesiredConfig {
    /// Whether it can be.
    ///
    /// # Errors
    /// When the overlay is too large or is not what it is named by, or the trial cannot be.
    pub fn check(&self) -> Result<(), OverlayFault> {
        if let Some(fault) = self.trial.as_ref().and_then(Trial::fault) {
            return Err(OverlayFault::Trial(fault));
        }
        match (&self.overlay, &self.text) {
            (Some(overlay), _) if overlay.size > LARGEST_OVERLAY => Err(OverlayFault::TooLarge(overlay.size)),
            (Some(overlay), Some(text)) if *overlay != OverlayRef::of(text) => Err(OverlayFault::Another),
            (None, Some(_)) => Err(OverlayFault::Nameless),
            _ => Ok(()),
        }
    }
}

/// How an agent's configuration is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedConfig {
    /// The revision of the wish that is or was carried out.
    pub revision: u64,
    /// The rollout that it was part of.
    pub rollout: String,
    /// How far that is. Nothing is downloaded, and nothing runs in the shadow.
    pub stage: RolloutStage,
    /// Why it failed or was rolled back; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The overlay that was committed last; none for the agent's own file alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<OverlayRef>,
    /// Why that one does not lie over the file although it was committed: the file has changed, and counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// What is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<OverlayRef>,
    /// What was measured on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ConfigEvidence>,
    /// The SHA-256 of overlays that failed here and are not tried again: the newest 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
}

/// What was measured while a configuration was on trial.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConfigEvidence {
    /// The cameras that it changes.
    pub cameras: BTreeMap<Id, CameraRates>,
    /// The longest time for which the broker or the hub was away, in seconds.
    #[serde(serialize_with = "write_short")]
    pub link_away_s: f64,
}

/// Frames a second that one camera sent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CameraRates {
    /// Before the trial.
    #[serde(serialize_with = "write_short")]
    pub before: f64,
    /// On trial, from the first frame on.
    #[serde(serialize_with = "write_short")]
    pub on_trial: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(overlay: Option<OverlayRef>, text: Option<&str>) -> DesiredConfig {
        DesiredConfig { rollout: "config-1".into(), overlay, text: text.map(str::to_owned), trial: None }
    }

    #[test]
    fn an_overlay_is_what_it_is_named_by() {
        let named = OverlayRef::of("cameras: {}");
        assert_eq!(wish(Some(named.clone()), Some("cameras: {}")).check(), Ok(()));
        assert_eq!(wish(Some(named.clone()), None).check(), Ok(()));
        assert_eq!(wish(None, None).check(), Ok(()));
        assert_eq!(wish(Some(named), Some("cameras: { }")).check(), Err(OverlayFault::Another));
        assert_eq!(wish(None, Some("cameras: {}")).check(), Err(OverlayFault::Nameless));
        let large = "#".repeat(LARGEST_OVERLAY as usize + 1);
        assert_eq!(wish(Some(OverlayRef::of(&large)), None).check(), Err(OverlayFault::TooLarge(LARGEST_OVERLAY + 1)));
    }

    #[test]
    fn a_trial_that_nothing_could_pass_or_fail_is_refused() {
        for (trial, told) in [
            (Trial { trial_seconds: 0, ..Trial::default() }, "trial_seconds"),
            (Trial { frame_rate: f64::NAN, ..Trial::default() }, "frame_rate"),
            (Trial { link_seconds: 700_000, ..Trial::default() }, "link_seconds"),
        ] {
            let refused = DesiredConfig { trial: Some(trial), ..wish(None, None) }.check().unwrap_err();
            assert!(refused.to_string().contains(told), "{refused}");
        }
        assert_eq!(Trial::default().fault(), None);
    }
}
