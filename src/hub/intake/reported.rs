//! What an agent reports to have, read and held against what it must be. Pure.
//!
//! It is read strictly, unlike events: rollouts decide by it, and what is not understood must not count as a success.

use super::message::{one_line, plain};
use crate::hub::fleet::HeardReport;
use crate::model::hex;
use crate::vocab::Id;
use crate::wire::{LARGEST_OVERLAY, OverlayRef, PackageRef, ReportedConfig, ReportedMessage, ReportedModel};

/// The largest report, in bytes.
const LARGEST: usize = 256 << 10;
/// The most models of an agent.
const MOST_MODELS: usize = 256;
/// The most packages that an agent may say it does not try again.
const MOST_QUARANTINED: usize = 64;
/// The most cameras of an agent.
const MOST_CAMERAS: usize = 256;
/// The longest reason, in bytes.
const LONGEST_REASON: usize = 4096;
/// The highest number that JSON carries exactly everywhere.
const HIGHEST: u64 = 1 << 53;

/// Reads a report.
pub(super) fn read(payload: Vec<u8>) -> Result<HeardReport, String> {
    if payload.len() > LARGEST {
        return Err(format!("it has {} bytes, and at most {LARGEST} are expected", payload.len()));
    }
    let text = String::from_utf8(payload).map_err(|error| error.to_string())?;
    let message: ReportedMessage = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    plain(&message.boot)?;
    message.refused.as_deref().map_or(Ok(()), reason)?;
    if message.sequence > HIGHEST || message.revision > HIGHEST {
        return Err("a number is too large".to_owned());
    }
    if message.models.len() > MOST_MODELS {
        return Err(format!("it speaks of {} models, and at most {MOST_MODELS} are expected", message.models.len()));
    }
    message.models.iter().try_for_each(|(name, model)| check(name, model))?;
    message.config.as_ref().map_or(Ok(()), check_config)?;
    let sequence = i64::try_from(message.sequence).map_err(|error| error.to_string())?;
    Ok(HeardReport { body: one_line(text)?, boot: message.boot, sequence })
}

fn check(name: &Id, model: &ReportedModel) -> Result<(), String> {
    plain(&model.rollout)?;
    reason(&model.reason)?;
    if model.revision > HIGHEST {
        return Err(format!("the revision of {name} is too large"));
    }
    let packages = [&model.active, &model.previous, &model.candidate];
    packages.into_iter().flatten().try_for_each(package)?;
    if model.quarantined.len() > MOST_QUARANTINED {
        return Err(format!(
            "{} packages are quarantined, and at most {MOST_QUARANTINED} are expected",
            model.quarantined.len()
        ));
    }
    model.quarantined.iter().try_for_each(|sha256| digest(sha256))
}

fn check_config(config: &ReportedConfig) -> Result<(), String> {
    plain(&config.rollout)?;
    reason(&config.reason)?;
    config.unfit.as_deref().map_or(Ok(()), reason)?;
    if config.revision > HIGHEST {
        return Err("the revision of the configuration is too large".to_owned());
    }
    [&config.active, &config.candidate].into_iter().flatten().try_for_each(overlay)?;
    if config.evidence.as_ref().is_some_and(|evidence| evidence.cameras.len() > MOST_CAMERAS) {
        return Err(format!("it measured more than {MOST_CAMERAS} cameras"));
    }
    if config.quarantined.len() > MOST_QUARANTINED {
        let many = config.quarantined.len();
        return Err(format!("{many} overlays are quarantined, and at most {MOST_QUARANTINED} are expected"));
    }
    config.quarantined.iter().try_for_each(|sha256| digest(sha256))
}

fn overlay(overlay: &OverlayRef) -> Result<(), String> {
    if overlay.size > LARGEST_OVERLAY {
        return Err(format!("an overlay has {} bytes, and at most {LARGEST_OVERLAY} are expected", overlay.size));
    }
    digest(&overlay.sha256)
}

fn package(package: &PackageRef) -> Result<(), String> {
    if package.version < 0 || package.size > HIGHEST {
        return Err(format!("version or size of a package of {} cannot be", package.model));
    }
    digest(&package.sha256)
}

fn digest(sha256: &str) -> Result<(), String> {
    let named = hex::decode::<32>(sha256).map(drop);
    named.ok_or_else(|| "a package or an overlay is named by the 64 hexadecimal digits of its SHA-256".to_owned())
}

fn reason(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_REASON {
        return Err(format!("a reason has {} bytes, and at most {LONGEST_REASON} are expected", text.len()));
    }
    if text.contains('\0') { Err("a reason with a NUL character".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn report() -> Value {
        let package = json!({"model": "people", "version": 3, "sha256": "ab".repeat(32), "size": 5});
        json!({
            "boot": "b1", "sequence": 9, "revision": 4,
            "models": {"people": {"revision": 4, "rollout": "people-3-1", "stage": "committed", "active": package,
                                  "quarantined": ["cd".repeat(32)]}},
            "config": {"revision": 4, "rollout": "config-1", "stage": "rolled-back", "reason": "it lost a camera",
                       "unfit": "overlay:1:1: cameras.door", "quarantined": ["cd".repeat(32)],
                       "active": {"sha256": "ab".repeat(32), "size": 5},
                       "evidence": {"cameras": {"door": {"before": 25.0, "on_trial": 3.0}}, "link_away_s": 0.0}},
        })
    }

    #[test]
    fn a_report_is_kept_as_it_came() {
        let mut report = report();
        report["new"] = json!("what a newer agent adds");
        let heard = read(serde_json::to_vec_pretty(&report).unwrap()).unwrap();
        assert_eq!((heard.boot.as_str(), heard.sequence), ("b1", 9));
        assert!(!heard.body.contains('\n'));
        assert_eq!(serde_json::from_str::<Value>(&heard.body).unwrap(), report);
    }

    #[test]
    fn what_a_rollout_could_not_go_by_is_refused() {
        let long = "x".repeat(5000);
        for (pointer, wrong, told) in [
            ("/boot", json!("b".repeat(300)), "300 bytes"),
            ("/boot", json!("a\0b"), "NUL"),
            ("/sequence", json!(-1), "invalid value"),
            ("/sequence", json!(1_u64 << 60), "too large"),
            ("/revision", json!(u64::MAX), "too large"),
            ("/models/people/revision", json!(u64::MAX), "too large"),
            ("/models/people/stage", json!("levitating"), "levitating"),
            ("/models/people/rollout", json!(long), "5000 bytes"),
            ("/models/people/active/sha256", json!("AB".repeat(32)), "SHA-256"),
            ("/models/people/active/sha256", json!("ab"), "SHA-256"),
            ("/models/people/active/model", json!("No Id"), "an id is made of"),
            ("/models/people/quarantined", json!(["x"]), "SHA-256"),
            ("/config/stage", json!("levitating"), "levitating"),
            ("/config/revision", json!(u64::MAX), "too large"),
            ("/config/rollout", json!("c".repeat(5000)), "5000 bytes"),
            ("/config/unfit", json!("c".repeat(5000)), "a reason has 5000"),
            ("/config/active/sha256", json!("ab"), "SHA-256"),
            ("/config/active/size", json!(1 << 20), "at most 24576"),
            ("/config/quarantined", json!(vec!["cd".repeat(32); 65]), "65 overlays"),
            ("/models/people/quarantined", json!(vec!["cd".repeat(32); 65]), "65 packages"),
        ] {
            let mut report = report();
            *report.pointer_mut(pointer).unwrap() = wrong;
            let refused = read(report.to_string().into_bytes()).unwrap_err();
            assert!(refused.contains(told), "{pointer}: {refused}");
        }
        let mut gone_back = report();
        gone_back["models"]["people"]["reason"] = json!(long);
        assert!(read(gone_back.to_string().into_bytes()).unwrap_err().contains("a reason has"));
        assert!(read(vec![b' '; LARGEST + 1]).unwrap_err().contains("bytes"));
    }
}
