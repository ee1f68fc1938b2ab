//! What the hub wants an agent to have: `desired`, retained, signed by the hub.
//!
//! The whole wish is one document with a revision that only rises. An agent takes it if it bears a signature of a key that
//! the agent's configuration names, is addressed to it, and its revision is higher than any that it has taken before; then
//! it carries it out by itself, however long the hub is away.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::overlay::{DesiredConfig, OverlayFault};
use crate::model::keys::{PublicKey, Purpose, SecretKey, Signature};
use crate::vocab::Id;

/// The largest signed document, in bytes.
const LARGEST: usize = 32 << 10;

/// The wish, as it is published: the exact text that is signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedDesired {
    /// A [`DesiredMessage`] as JSON text.
    pub payload: String,
    /// The Ed25519 signature of `vedette desired state v1`, a line feed and the bytes of `payload`: 128 hexadecimal digits.
    #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{128}$"))]
    pub signature: Signature,
}

/// What an agent is to have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredMessage {
    /// Whose.
    pub agent: Id,
    /// Rises with every wish for this agent, from 1.
    pub revision: u64,
    /// By the name that a model has in the agent's configuration. Models that are not named are left as they are.
    pub models: BTreeMap<Id, DesiredModel>,
    /// What is to lie over the agent's own configuration; none where that is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<DesiredConfig>,
}

/// What is wished of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredModel {
    /// The rollout that this wish is part of.
    pub rollout: String,
    /// The package that is to run; none for the file that the agent's own configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageRef>,
    /// What it must prove before it stays; none where it has proved itself before, as when a rollout is reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A package of the hub's registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageRef {
    /// The model in the registry.
    pub model: Id,
    /// Its version there.
    pub version: i64,
    /// The SHA-256 of the package: 64 hexadecimal digits.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
}

/// What a new model must prove: first in the shadow of the old one, which decides, then on trial, deciding by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proof {
    /// How many pictures both models look at before they are compared, 1..100000; 200 by default.
    #[schemars(range(min = 1, max = 100_000))]
    pub shadow_looks: u32,
    /// After how many seconds they are compared by what they have looked at until then, 1..604800; 600 by default.
    #[schemars(range(min = 1, max = 604_800))]
    pub shadow_seconds: u32,
    /// How many seconds the new one is on trial, 1..604800; 600 by default.
    #[schemars(range(min = 1, max = 604_800))]
    pub trial_seconds: u32,
    /// How many times as long as the old one it may take for a look, at the median of the same pictures; 1.2 by default.
    pub latency_ratio: f64,
    /// How often it must agree with the old one, as F1 of its detections at an overlap of 0.5, 0..1; not asked for by
    /// default, for a better model disagrees too. For the same weights in another form 0.9 is a good value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// How many times as many objects as the old one it may see, and how many times fewer, where that is no accident
    /// (p < 0.01); 2 by default.
    pub objects_ratio: f64,
    /// By how much the share of pictures that come too fast for it may grow, 0..1; 0.01 by default.
    pub superseded: f64,
    /// How many times the memory of before the agent may take; 1.5 by default, as the old model is kept at hand.
    pub memory_ratio: f64,
    /// The least share of the frame rate of before, 0..1; 0.95 by default.
    pub frame_rate: f64,
}

impl Default for Proof {
    fn default() -> Self {
        Self {
            shadow_looks: 200,
            shadow_seconds: 600,
            trial_seconds: 600,
            latency_ratio: 1.2,
            agreement: None,
            objects_ratio: 2.0,
            superseded: 0.01,
            memory_ratio: 1.5,
            frame_rate: 0.95,
        }
    }
}

impl Proof {
    /// What cannot be as it is, in words.
    pub fn fault(&self) -> Option<&'static str> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let ratio = |value: f64| (1.0..=1000.0).contains(&value);
        let week = 1..=604_800;
        let rules = [
            ((1..=100_000).contains(&self.shadow_looks), "shadow_looks must be 1 to 100000"),
            (week.contains(&self.shadow_seconds), "shadow_seconds must be 1 to 604800"),
            (week.contains(&self.trial_seconds), "trial_seconds must be 1 to 604800"),
            (ratio(self.latency_ratio), "latency_ratio must be 1 to 1000"),
            (self.agreement.is_none_or(share), "agreement must be 0 to 1"),
            (ratio(self.objects_ratio), "objects_ratio must be 1 to 1000"),
            (share(self.superseded), "superseded must be 0 to 1"),
            (ratio(self.memory_ratio), "memory_ratio must be 1 to 1000"),
            (share(self.frame_rate), "frame_rate must be 0 to 1"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault)
    }
}

/// Why a wish cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No agent would take it.
    #[error("what {agent} is to have takes {bytes} bytes once it is signed, and an agent takes at most {LARGEST}")]
    TooLarge {
        /// Whose it is.
        agent: Id,
        /// Its size.
        bytes: usize,
    },
}

/// Why a wish is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// It is no such document.
    #[error("it is no signed desired state: {0}")]
    Form(String),
    /// Nobody who is trusted signed it.
    #[error("none of the hub keys in the configuration signed it")]
    Signature,
    /// The overlay in it cannot be.
    #[error("its overlay: {0}")]
    Overlay(#[from] OverlayFault),
    /// It is another agent's.
    #[error("it is addressed to {0}")]
    Agent(Id),
}

impl DesiredMessage {
    /// Signs it, to be published.
    ///
    /// # Errors
    /// When it is larger than what an agent takes.
    pub fn sign(&self, key: &SecretKey) -> Result<SignedDesired, SignError> {
        let payload = String::from_utf8_lossy(&super::to_json(self)).into_owned();
        let signature = key.sign(Purpose::Desired, payload.as_bytes());
        let signed = SignedDesired { payload, signature };
        let bytes = super::to_json(&signed).len();
        if bytes > LARGEST { Err(SignError::TooLarge { agent: self.agent.clone(), bytes }) } else { Ok(signed) }
    }

    /// Reads what was published for `agent`, if one of `keys` signed it.
    ///
    /// # Errors
    /// When it is something else, is not signed by them, or is another agent's.
    pub fn verify(bytes: &[u8], agent: &Id, keys: &[PublicKey]) -> Result<Self, DesiredError> {
        if bytes.len() > LARGEST {
            return Err(DesiredError::Form(format!("it has {} bytes, and at most {LARGEST} are taken", bytes.len())));
        }
        let form = |error: serde_json::Error| DesiredError::Form(error.to_string());
        let signed: SignedDesired = serde_json::from_slice(bytes).map_err(form)?;
        let text = signed.payload.as_bytes();
        // Nothing is read of it before somebody who is trusted vouches for it.
        if !keys.iter().any(|key| key.verifies(Purpose::Desired, text, &signed.signature)) {
            return Err(DesiredError::Signature);
        }
        let message: Self = serde_json::from_slice(text).map_err(form)?;
        if message.agent != *agent {
            return Err(DesiredError::Agent(message.agent));
        }
        if let Some(fault) = message.models.values().find_map(|model| model.proof.as_ref()?.fault()) {
            return Err(DesiredError::Form(fault.to_owned()));
        }
        message.config.as_ref().map_or(Ok(()), DesiredConfig::check)?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[test]
    fn a_wish_is_taken_only_by_whom_it_is_for_and_from_whom_is_trusted() {
        let (hub, other) = (SecretKey::from_seed("hub", [1; 32]), SecretKey::from_seed("other", [2; 32]));
        let model = DesiredModel { rollout: "r-1".into(), package: None, proof: Some(Proof::default()) };
        let wish =
            DesiredMessage { agent: id("gate"), revision: 7, models: [(id("people"), model)].into(), config: None };
        let bytes = super::super::to_json(&wish.sign(&hub).unwrap());
        let trusted = [other.public(), hub.public()];
        assert_eq!(DesiredMessage::verify(&bytes, &id("gate"), &trusted), Ok(wish.clone()));
        assert_eq!(DesiredMessage::verify(&bytes, &id("gate"), &[other.public()]), Err(DesiredError::Signature));
        assert_eq!(DesiredMessage::verify(&bytes, &id("gate"), &[]), Err(DesiredError::Signature));
        assert_eq!(DesiredMessage::verify(&bytes, &id("yard"), &trusted), Err(DesiredError::Agent(id("gate"))));
        let changed = String::from_utf8(bytes).unwrap().replace("\\\"revision\\\":7", "\\\"revision\\\":8");
        let refused = DesiredMessage::verify(changed.as_bytes(), &id("gate"), &trusted);
        assert_eq!(refused, Err(DesiredError::Signature));
        assert!(matches!(DesiredMessage::verify(b"{}", &id("gate"), &trusted), Err(DesiredError::Form(_))));
        let long = vec![b' '; LARGEST + 1];
        assert!(matches!(DesiredMessage::verify(&long, &id("gate"), &trusted), Err(DesiredError::Form(_))));
    }

    #[test]
    fn what_no_agent_would_take_is_not_signed() {
        let hub = SecretKey::from_seed("hub", [1; 32]);
        let wish = |length: usize| {
            let model = DesiredModel { rollout: "r".repeat(length), package: None, proof: None };
            DesiredMessage { agent: id("gate"), revision: 1, models: [(id("people"), model)].into(), config: None }
        };
        let refused = wish(LARGEST).sign(&hub).unwrap_err();
        assert!(
            matches!(&refused, SignError::TooLarge { agent, bytes } if agent.as_str() == "gate" && *bytes > LARGEST)
        );
        assert!(refused.to_string().starts_with("what gate is to have takes "));
        // The largest that is signed is taken too.
        let length = (1..LARGEST).rev().find(|length| wish(*length).sign(&hub).is_ok()).unwrap();
        let bytes = super::super::to_json(&wish(length).sign(&hub).unwrap());
        assert_eq!(bytes.len(), LARGEST);
        assert!(DesiredMessage::verify(&bytes, &id("gate"), &[hub.public()]).is_ok());
    }

    #[test]
    fn a_proof_that_nothing_could_pass_or_fail_is_refused_although_it_is_signed() {
        let hub = SecretKey::from_seed("hub", [1; 32]);
        for (proof, told) in [
            (Proof { latency_ratio: f64::NAN, ..Proof::default() }, "latency_ratio"),
            (Proof { trial_seconds: 0, ..Proof::default() }, "trial_seconds"),
            (Proof { agreement: Some(1.5), ..Proof::default() }, "agreement"),
        ] {
            assert!(proof.fault().unwrap().contains(told));
            if proof.latency_ratio.is_nan() {
                continue;
            }
            let model = DesiredModel { rollout: "r".into(), package: None, proof: Some(proof) };
            let wish =
                DesiredMessage { agent: id("gate"), revision: 1, models: [(id("people"), model)].into(), config: None };
            let bytes = super::super::to_json(&wish.sign(&hub).unwrap());
            let refused = DesiredMessage::verify(&bytes, &id("gate"), &[hub.public()]);
            assert!(refused.unwrap_err().to_string().contains(told));
        }
        assert_eq!(Proof::default().fault(), None);
    }
}
