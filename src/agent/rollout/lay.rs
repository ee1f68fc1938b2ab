//! Takes a wish for the configuration from its arrival to its end: an overlay is laid over the agent's file, watched, and
//! stays or is taken away again.

use std::time::Duration;

use super::bed::Bed;
use super::config_slot::ConfigSlot;
use super::drive::{BASELINE, End, LOOK, Rollout};
use super::ground::{Ground, Reading};
use super::ledger::MOST_STARTS;
use super::watch::Watch;
use crate::config::{Faults, Overlay};
use crate::wire::{ConfigEvidence, OverlayRef, RolloutStage, Trial};

/// The longest reason, in bytes: a hub takes 4096.
const LONGEST_REASON: usize = 2048;

/// One try to carry a wish out.
struct Attempt {
    slot: ConfigSlot,
    /// Whether what is wished was put in force.
    is_laid: bool,
}

impl<B: Bed + Ground> Rollout<B> {
    /// Notes whether what was committed lies over the file. Returns whether that is news.
    pub(super) fn note_unfit(&mut self) -> Result<bool, End> {
        let unfit = self.bed.unfit()?;
        let is_news = self.ledger.config().is_some_and(|slot| slot.unfit != unfit);
        if is_news {
            self.ledger.change_config(|slot| slot.unfit = unfit)?;
        }
        Ok(is_news)
    }

    pub(super) fn carry_out_config(&mut self) -> Result<(), End> {
        let Some(slot) = self.ledger.config().cloned() else { return Ok(()) };
        let mut attempt = Attempt { slot, is_laid: false };
        let end = self.prove_config(&mut attempt);
        let Attempt { slot, is_laid } = attempt;
        let rollout = slot.wish.rollout;
        let end = match end {
            Ok(evidence) => {
                self.ledger.change_config(|slot| slot.commit(evidence))?;
                tracing::info!(rollout, "a configuration from the hub is in force");
                self.ledger.sweep();
                return self.report();
            }
            // What is on trial ends with the agent, and the next run starts with what was committed.
            Err(End::Stopping) => End::Stopping,
            Err(end) if is_laid => match self.bed.restore(self.ledger.overlay_in_force()) {
                Ok(()) => end,
                Err(gone) => gone.into(),
            },
            Err(end) => end,
        };
        let (stage, reason, is_its_fault) = match end {
            End::Failed { reason, is_its_fault } => (RolloutStage::Failed, reason, is_its_fault),
            End::RolledBack(reason) => (RolloutStage::RolledBack, reason, true),
            End::LostLink(reason) => (RolloutStage::RolledBack, reason, false),
            end @ (End::Again | End::Stopping) => {
                // It was not the overlay that ended this start of it.
                if is_laid {
                    self.ledger.change_config(|slot| slot.starts = slot.starts.saturating_sub(1))?;
                }
                return Err(end);
            }
            end @ End::Ledger(_) => return Err(end),
        };
        tracing::warn!(rollout, reason, ?stage, "a configuration from the hub does not stay");
        self.ledger.change_config(|slot| {
            (slot.stage, slot.reason) = (Some(stage), reason);
            if let (true, Some(overlay)) = (is_its_fault, &slot.wish.overlay) {
                slot.quarantined.retain(|sha256| *sha256 != overlay.sha256);
                slot.quarantined.push(overlay.sha256.clone());
            }
        })?;
        self.note_unfit()?;
        self.ledger.sweep();
        self.report()
    }

    fn overlay(&self, named: &OverlayRef) -> Result<Overlay, String> {
        let text = self.ledger.overlays().read(named)?;
        Overlay::read(&text).map_err(|faults| told(&faults))
    }

    fn prove_config(&mut self, attempt: &mut Attempt) -> Result<Option<ConfigEvidence>, End> {
        let wish = attempt.slot.wish.clone();
        let failed = |reason| End::Failed { reason, is_its_fault: false };
        if wish.overlay == attempt.slot.active && attempt.slot.unfit.is_none() {
            return Ok(None);
        }
        refuse_known(&attempt.slot)?;
        self.enter_config(RolloutStage::Verifying)?;
        let overlay = wish.overlay.as_ref().map(|named| self.overlay(named)).transpose().map_err(failed)?;
        self.bed.fits(overlay.as_ref())?.map_err(failed)?;
        let Some(trial) = wish.trial else {
            self.lay(attempt, overlay.as_ref())?;
            return Ok(None);
        };
        let before = self.bed.look()?;
        let baseline = BASELINE.min(Duration::from_secs(trial.trial_seconds.into()));
        self.linger(attempt.slot.revision, baseline)?;
        let until = self.bed.look()?;
        self.ledger.change_config(|slot| slot.starts += 1)?;
        self.enter_config(RolloutStage::Trial)?;
        self.lay(attempt, overlay.as_ref())?;
        self.watch(attempt.slot.revision, trial, [before, until]).map(Some)
    }

    fn lay(&mut self, attempt: &mut Attempt, overlay: Option<&Overlay>) -> Result<(), End> {
        // Also when it ends half way.
        attempt.is_laid = true;
        self.bed.lay(overlay)?.map_err(|reason| End::Failed { reason, is_its_fault: false })
    }

    fn watch(&mut self, revision: u64, trial: Trial, before: [Reading; 2]) -> Result<ConfigEvidence, End> {
        let mut now = self.bed.look()?;
        let mut watch = Watch::new(trial, &before[0], &before[1], now.clone());
        // What was applied between the second look and this one is not seen; that is a moment.
        let verdict = loop {
            if watch.is_disturbed(&now) {
                return Err(End::Again);
            }
            if let Err(lost) = watch.note(&now) {
                break Err(lost);
            }
            if watch.is_over(&now) {
                break watch.judge(&now);
            }
            self.linger(revision, LOOK)?;
            now = self.bed.look()?;
        };
        let evidence = watch.evidence(&now);
        self.ledger.change_config(|slot| slot.evidence = Some(evidence.clone()))?;
        match verdict {
            Ok(()) => Ok(evidence),
            Err(lost) if lost.is_its_fault => Err(End::RolledBack(lost.reason)),
            Err(lost) => Err(End::LostLink(lost.reason)),
        }
    }

    /// Lets time pass, and takes wishes meanwhile.
    fn linger(&mut self, revision: u64, length: Duration) -> Result<(), End> {
        let until = self.clock.mono() + length;
        loop {
            let left = until.saturating_sub(self.clock.mono());
            self.wait(Some(left))?;
            if self.ledger.config().is_none_or(|slot| slot.revision != revision) {
                return Err(End::Again);
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn enter_config(&mut self, stage: RolloutStage) -> Result<(), End> {
        self.ledger.change_config(|slot| slot.stage = Some(stage))?;
        self.report()
    }
}

/// What failed here before is not tried again, unless it is wished back without a trial.
fn refuse_known(slot: &ConfigSlot) -> Result<(), End> {
    let Some(overlay) = &slot.wish.overlay else { return Ok(()) };
    if slot.starts >= MOST_STARTS {
        let reason = format!("crashing: the agent ended {} times while it was on trial", slot.starts);
        return Err(End::RolledBack(reason));
    }
    if slot.wish.trial.is_some() && slot.is_quarantined(overlay) {
        let reason = "quarantined: it failed here before".to_owned();
        return Err(End::Failed { reason, is_its_fault: true });
    }
    Ok(())
}

/// Faults as a reason: each once, however many cameras it is about.
pub fn told(faults: &Faults) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in faults.render("file").lines().map(str::trim_end) {
        if !lines.iter().any(|other| other == line) {
            lines.push(line.to_owned());
        }
    }
    let mut reason = lines.join("\n");
    if reason.len() > LONGEST_REASON {
        let end = (0..=LONGEST_REASON).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

#[cfg(test)]
mod tests;
