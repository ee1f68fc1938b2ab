//! Takes a wish from its arrival to its end: the one thread that carries rollouts out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bed::{Bed, Broken, Gone, Measures};
use super::ground::Ground;
use super::ledger::{Ledger, LedgerError, MOST_STARTS, Slot};
use super::proof::{compare_trial, judge_shadow, judge_trial};
use super::wishes::{Next, Wishes};
use crate::agent::engine::error_chain;
use crate::agent::hub_client;
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::client::{self, ClientError};
use crate::config;
use crate::vocab::Id;
use crate::wire::{DesiredMessage, PackageRef, Proof, ProofEvidence, RolloutStage};

/// How often is looked whether a comparison is complete or a trial goes wrong.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How long the time before a trial is measured at least, where the trial itself is not shorter.
pub(super) const BASELINE: Duration = Duration::from_secs(10);

/// Whose rollouts they are and where they come from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The agent's name.
    pub agent: Id,
    /// What names this run of it.
    pub boot: String,
    /// The hub.
    pub hub: config::Hub,
}

/// How carrying a wish out ended before it was committed.
pub(super) enum End {
    /// It cannot be had or used; the model in force went on.
    Failed {
        /// Why.
        reason: String,
        /// Whether it is not to be tried again.
        is_its_fault: bool,
    },
    /// It did not prove itself.
    RolledBack(String),
    /// The hub was lost while a configuration was on trial, which may have other reasons.
    LostLink(String),
    /// Something else is wished now, or the ground has changed: it begins anew.
    Again,
    /// The agent stops.
    Stopping,
    /// Nothing can be written down any more.
    Ledger(LedgerError),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Stopping
    }
}

impl From<LedgerError> for End {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// Carries wishes out, one thing at a time: a model, or the configuration.
pub struct Rollout<B> {
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    pub(super) bed: B,
    wishes: Wishes,
    pub(super) clock: SharedClock,
}

impl<B: Bed + Ground> Rollout<B> {
    /// A rollout that goes on where the ledger says.
    pub fn new(settings: Settings, ledger: Ledger, bed: B, wishes: Wishes, clock: SharedClock) -> Self {
        Self { settings, ledger, bed, wishes, clock }
    }

    /// Carries out what is wished until it is to end. Blocks; meant for a thread of its own.
    pub fn run(mut self) {
        if let Err(end) = self.begin() {
            return tell_broken(&end);
        }
        loop {
            let done = match self.ledger.due() {
                Some(name) => self.carry_out(&name),
                None if self.ledger.is_config_due() => self.carry_out_config(),
                None => self.wait(None).map(drop),
            };
            match done {
                Ok(()) | Err(End::Again) => {}
                Err(End::Stopping) => return,
                Err(end) => return tell_broken(&end),
            }
        }
    }

    /// Says what is in force; what could not be opened at the start is not, whatever was committed.
    fn begin(&mut self) -> Result<(), End> {
        for (name, active, reason) in self.bed.fallen()? {
            self.ledger.change(&name, |slot| {
                let lost = std::mem::replace(&mut slot.active, active).map(|package| package.sha256);
                slot.quarantined.extend(lost);
                (slot.previous, slot.stage, slot.reason) = (None, Some(RolloutStage::RolledBack), reason);
            })?;
        }
        self.note_unfit()?;
        self.report()
    }

    /// Waits for a wish and takes it. Returns whether there was one.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> Result<bool, End> {
        let bytes = match self.wishes.next(limit) {
            Next::Wish(bytes) => bytes,
            Next::Nothing => return Ok(false),
            Next::Changed => {
                if self.note_unfit()? {
                    self.report()?;
                }
                return Ok(false);
            }
            Next::Ending => return Err(End::Stopping),
        };
        match DesiredMessage::verify(&bytes, &self.settings.agent, &self.settings.hub.keys) {
            Ok(wish) => {
                if !self.ledger.take(&wish)? {
                    return Ok(false);
                }
                tracing::info!(revision = wish.revision, "the hub wishes something");
            }
            Err(error) => {
                tracing::warn!(%error, "what the hub seems to wish is not taken");
                self.ledger.refuse(error.to_string())?;
            }
        }
        self.report()?;
        Ok(true)
    }

    /// Lets time pass, and takes wishes meanwhile.
    fn pause(&mut self, name: &Id, revision: u64, length: Duration) -> Result<(), End> {
        let until = self.clock.mono() + length;
        loop {
            let left = until.saturating_sub(self.clock.mono());
            self.wait(Some(left))?;
            if self.ledger.slot(name).is_none_or(|slot| slot.revision != revision) {
                return Err(End::Again);
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, name: &Id) -> Result<(), End> {
        let Some(slot) = self.ledger.slot(name).cloned() else { return Ok(()) };
        let mut attempt = Attempt { name: name.clone(), slot, is_open: false, is_switched: false };
        let end = self.prove(&mut attempt);
        let Attempt { is_open, is_switched, slot, .. } = attempt;
        let Err(end) = end else {
            tracing::info!(model = %name, rollout = slot.wish.rollout, "a model from the hub is in force");
            self.close(name)?;
            self.ledger.sweep();
            return self.report();
        };
        if is_switched {
            self.bed.switch(name, &format!("rollout {}: back", slot.wish.rollout))?.ok();
        }
        if is_open {
            self.close(name)?;
        }
        let (stage, reason, is_its_fault) = match end {
            End::Failed { reason, is_its_fault } => (RolloutStage::Failed, reason, is_its_fault),
            End::RolledBack(reason) => (RolloutStage::RolledBack, reason, true),
            End::LostLink(reason) => (RolloutStage::RolledBack, reason, false),
            end @ (End::Again | End::Stopping) => {
                // It was not the candidate that ended this start of it.
                if is_open {
                    self.ledger.change(name, |slot| slot.starts = slot.starts.saturating_sub(1))?;
                }
                return Err(end);
            }
            end @ End::Ledger(_) => return Err(end),
        };
        tracing::warn!(model = %name, rollout = slot.wish.rollout, reason, ?stage, "a model from the hub does not stay");
        self.ledger.change(name, |slot| {
            (slot.stage, slot.reason) = (Some(stage), reason);
            if let (true, Some(package)) = (is_its_fault, &slot.wish.package) {
                slot.quarantined.retain(|sha256| *sha256 != package.sha256);
                slot.quarantined.push(package.sha256.clone());
            }
        })?;
        self.ledger.sweep();
        self.report()
    }

    fn prove(&mut self, attempt: &mut Attempt) -> Result<(), End> {
        let (name, wish) = (attempt.name.clone(), attempt.slot.wish.clone());
        if !self.bed.has(&name)? {
            let reason = format!("this agent's configuration has no model called {name}");
            return Err(End::Failed { reason, is_its_fault: false });
        }
        if wish.package == attempt.slot.active {
            return self.commit(attempt, None);
        }
        self.refuse_known(&attempt.slot)?;
        let began = self.bed.measure(&name)?;
        let file = match &wish.package {
            Some(package) => Some(self.fetch(attempt, package)?),
            None => None,
        };
        if let Some(proof) = &wish.proof {
            // What is before the trial is measured before the candidate takes any of the machine.
            let baseline = BASELINE.min(Duration::from_secs(proof.trial_seconds.into()));
            let passed = self.clock.mono().saturating_sub(began.at);
            self.pause(&name, attempt.slot.revision, baseline.saturating_sub(passed))?;
        }
        let before = [began, self.bed.measure(&name)?];
        self.ledger.change(&name, |slot| slot.starts += 1)?;
        self.enter(&name, RolloutStage::Verifying)?;
        // Also when it fails half way.
        attempt.is_open = true;
        self.bed.open(&name, file.as_deref())?.map_err(|reason| End::Failed { reason, is_its_fault: true })?;
        let evidence = match &wish.proof {
            Some(proof) => Some(self.try_out(attempt, proof, before)?),
            None => {
                self.switch(attempt)?;
                None
            }
        };
        self.commit(attempt, evidence)
    }

    /// What failed here before is not tried again, unless it is wished back without a proof.
    fn refuse_known(&self, slot: &Slot) -> Result<(), End> {
        let Some(package) = &slot.wish.package else { return Ok(()) };
        if slot.starts >= MOST_STARTS {
            let reason = format!("crashing: the agent ended {} times while it was open", slot.starts);
            return Err(End::RolledBack(reason));
        }
        if slot.wish.proof.is_some() && slot.is_quarantined(package) {
            let reason = "quarantined: it failed here before".to_owned();
            return Err(End::Failed { reason, is_its_fault: true });
        }
        Ok(())
    }

    /// Fetches a package, however often the hub is away. Returns where it lies.
    fn fetch(&mut self, attempt: &Attempt, package: &PackageRef) -> Result<PathBuf, End> {
        self.enter(&attempt.name, RolloutStage::Downloading)?;
        let file = self.ledger.file_of(package);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            if client::digest(&file).is_ok_and(|digest| digest == package.sha256) {
                return Ok(file);
            }
            let Err(error) = self.fetch_once(package, &file) else { continue };
            match &error {
                ClientError::Digest { .. } => {
                    let reason = format!("tampered: {error}");
                    return Err(End::Failed { reason, is_its_fault: false });
                }
                ClientError::Refused { .. } => {
                    return Err(End::Failed { reason: error_chain(&error), is_its_fault: false });
                }
                _ => tracing::warn!(error = error_chain(&error), "a package cannot be fetched yet"),
            }
            self.pause(&attempt.name, attempt.slot.revision, backoff.next_wait())?;
        }
    }

    fn fetch_once(&self, package: &PackageRef, file: &Path) -> Result<(), ClientError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ClientError::File { doing, path, source }
        };
        let folder = self.ledger.packages();
        std::fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
        // One that is damaged must not be taken for the beginning of a good one.
        if file.exists() {
            std::fs::remove_file(file).map_err(failed("deleting", file))?;
        }
        let client = hub_client::connect(&self.settings.hub)?;
        client.fetch(&package.sha256, package.size, file, &mut |_, _| {})
    }

    /// In the shadow, then on trial.
    fn try_out(&mut self, attempt: &mut Attempt, proof: &Proof, before: [Measures; 2]) -> Result<ProofEvidence, End> {
        let (name, revision) = (attempt.name.clone(), attempt.slot.revision);
        self.enter(&name, RolloutStage::Shadow)?;
        self.bed.begin_shadow(&name, proof.shadow_looks)?;
        let until = self.clock.mono() + Duration::from_secs(proof.shadow_seconds.into());
        let mut seen = loop {
            self.pause(&name, revision, LOOK)?;
            self.see_to(&name)?;
            let seen = self.bed.shadow(&name)?;
            if seen.looks >= u64::from(proof.shadow_looks) || self.clock.mono() >= until {
                break seen;
            }
        };
        self.ledger.change(&name, |slot| slot.evidence = Some(seen.clone()))?;
        judge_shadow(proof, &seen).map_err(End::RolledBack)?;
        self.enter(&name, RolloutStage::Trial)?;
        self.switch(attempt)?;
        let began = self.bed.measure(&name)?;
        let until = began.at + Duration::from_secs(proof.trial_seconds.into());
        let mut now = began;
        while now.at < until && now.failed == began.failed {
            self.pause(&name, revision, LOOK)?;
            self.see_to(&name)?;
            now = self.bed.measure(&name)?;
        }
        compare_trial(&mut seen, before, [began, now]);
        self.ledger.change(&name, |slot| slot.evidence = Some(seen.clone()))?;
        judge_trial(proof, &seen, now.failed - began.failed).map_err(End::RolledBack)?;
        Ok(seen)
    }

    /// Ends the attempt where one of both models has broken or the ground has changed.
    fn see_to(&mut self, name: &Id) -> Result<(), End> {
        match self.bed.broken(name)? {
            None => Ok(()),
            Some(Broken::Model(reason)) => Err(End::RolledBack(reason)),
            Some(Broken::Ground) => Err(End::Again),
        }
    }

    fn switch(&mut self, attempt: &mut Attempt) -> Result<(), End> {
        let why = format!("rollout {}", attempt.slot.wish.rollout);
        let switched = self.bed.switch(&attempt.name, &why)?;
        switched.map_err(|reason| End::Failed { reason, is_its_fault: false })?;
        attempt.is_switched = true;
        Ok(())
    }

    /// On the disk first: from now on a restart finds the new one in force.
    fn commit(&mut self, attempt: &Attempt, evidence: Option<ProofEvidence>) -> Result<(), End> {
        let is_back = attempt.slot.wish.proof.is_none();
        self.ledger.change(&attempt.name, |slot| {
            let before = std::mem::replace(&mut slot.active, slot.wish.package.clone());
            if before != slot.active {
                // What was taken back is not what to fall back upon.
                slot.previous = before.filter(|_| !is_back);
            }
            (slot.stage, slot.starts, slot.reason) = (Some(RolloutStage::Committed), 0, String::new());
            slot.evidence = evidence.or(slot.evidence.take());
            let sha256 = slot.active.as_ref().map(|package| package.sha256.clone());
            slot.quarantined.retain(|quarantined| Some(quarantined) != sha256.as_ref());
        })?;
        Ok(())
    }

    fn close(&mut self, name: &Id) -> Result<(), Gone> {
        let in_force = self.ledger.in_force().remove(name).unwrap_or_default();
        self.bed.close(name, in_force)
    }

    fn enter(&mut self, name: &Id, stage: RolloutStage) -> Result<(), End> {
        self.ledger.change(name, |slot| slot.stage = Some(stage))?;
        self.report()
    }

    pub(super) fn report(&mut self) -> Result<(), End> {
        let report = self.ledger.report(&self.settings.boot)?;
        Ok(self.bed.report(report)?)
    }
}

/// One try to carry a wish out.
struct Attempt {
    name: Id,
    slot: Slot,
    is_open: bool,
    is_switched: bool,
}

fn tell_broken(end: &End) {
    if let End::Ledger(error) = end {
        tracing::error!(
            error = error_chain(error),
            "rollouts end until the agent is restarted: nothing can be written down"
        );
    }
}
