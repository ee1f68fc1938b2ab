//! What is in force, what is wished, and how far that is: on the disk before anything is done about it.
//!
//! One JSON file, `rollout.json` in the state folder, replaced as a whole: written beside, flushed, renamed, and the folder
//! flushed. One that is damaged all the same is set aside, and said so: the agent then runs what its configuration names,
//! which is better than nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config_slot::ConfigSlot;
use super::overlays::Overlays;
use crate::config::Overlay;
use crate::vocab::Id;
use crate::wire::{
    DesiredConfig, DesiredMessage, DesiredModel, PackageRef, ProofEvidence, ReportedMessage, ReportedModel,
    RolloutStage,
};

/// The file, in the state folder.
const FILE: &str = "rollout.json";
/// How often a run of the agent may end while a package is opened, in the shadow or on trial, before it is taken for the
/// cause.
pub const MOST_STARTS: u32 = 3;
/// How many packages that failed are remembered.
const QUARANTINED: usize = 16;

/// Why the ledger cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What decides for one model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InForce {
    /// The package; none for the file that the configuration names.
    pub active: Option<PackageRef>,
    /// The one before.
    pub previous: Option<PackageRef>,
}

/// The ledger.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    page: Page,
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Page {
    sequence: u64,
    revision: u64,
    #[serde(default)]
    refused: Option<String>,
    slots: BTreeMap<Id, Slot>,
    #[serde(default)]
    config: Option<ConfigSlot>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// What is wished.
    pub wish: DesiredModel,
    /// Since which revision.
    pub revision: u64,
    /// How far that is; none where it has not begun.
    pub stage: Option<RolloutStage>,
    /// How many runs of the agent have had the candidate open.
    pub starts: u32,
    /// Why it failed.
    pub reason: String,
    /// What decides.
    pub active: Option<PackageRef>,
    /// What decided before.
    pub previous: Option<PackageRef>,
    /// What was measured.
    pub evidence: Option<ProofEvidence>,
    /// What failed here.
    pub quarantined: Vec<String>,
}

impl Slot {
    fn is_settled(&self) -> bool {
        self.stage.is_some_and(RolloutStage::is_settled)
    }

    /// Whether the package failed here before.
    pub fn is_quarantined(&self, package: &PackageRef) -> bool {
        self.quarantined.contains(&package.sha256)
    }

    fn report(&self) -> ReportedModel {
        let is_open = !matches!(self.stage, Some(RolloutStage::Committed));
        ReportedModel {
            revision: self.revision,
            rollout: self.wish.rollout.clone(),
            stage: self.stage.unwrap_or(RolloutStage::Downloading),
            reason: self.reason.clone(),
            active: self.active.clone(),
            previous: self.previous.clone(),
            candidate: self.wish.package.clone().filter(|_| is_open),
            evidence: self.evidence.clone(),
            quarantined: self.quarantined.clone(),
        }
    }
}

impl Ledger {
    /// Opens the ledger in the state folder, or begins one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(FILE);
        let page = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(page) => page,
                Err(error) => set_aside(&path, &error)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Page::default(),
            Err(source) => return Err(LedgerError::File { doing: "reading", path, source }),
        };
        Ok(Self { folder: folder.to_owned(), page })
    }

    /// The overlay that is in force over the file of the agent whose state is in `folder`, or why it cannot be had; none where
    /// there is none or nothing can be read. Changes nothing, unlike [`Ledger::open`], so that anybody may ask.
    pub fn peek(folder: &Path) -> Option<Result<Overlay, String>> {
        let page = serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()?;
        Self { folder: folder.to_owned(), page }.overlay_in_force()
    }

    /// Where fetched packages lie.
    pub fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    /// Where the package lies once it is fetched.
    pub fn file_of(&self, package: &PackageRef) -> PathBuf {
        self.packages().join(format!("{}.vedette", package.sha256))
    }

    /// What decides for each model of which something was ever wished.
    pub fn in_force(&self) -> BTreeMap<Id, InForce> {
        let told = |slot: &Slot| InForce { active: slot.active.clone(), previous: slot.previous.clone() };
        self.page.slots.iter().map(|(name, slot)| (name.clone(), told(slot))).collect()
    }

    /// Where the texts of overlays lie.
    pub fn overlays(&self) -> Overlays {
        Overlays::of(&self.folder)
    }

    /// The configuration, if anything was ever wished of it.
    pub fn config(&self) -> Option<&ConfigSlot> {
        self.page.config.as_ref()
    }

    /// The overlay that is in force over the file, where there is one, or why it cannot be had.
    pub fn overlay_in_force(&self) -> Option<Result<Overlay, String>> {
        let active = self.config()?.active.as_ref()?;
        let text = self.overlays().read(active);
        Some(text.and_then(|text| Overlay::read(&text).map_err(|faults| super::told(&faults))))
    }

    /// Whether something is to be done about the configuration.
    pub fn is_config_due(&self) -> bool {
        self.config().is_some_and(|slot| !slot.is_settled())
    }

    /// One model.
    pub fn slot(&self, name: &Id) -> Option<&Slot> {
        self.page.slots.get(name)
    }

    /// The next model about which something is to be done.
    pub fn due(&self) -> Option<Id> {
        self.page.slots.iter().find(|(_, slot)| !slot.is_settled()).map(|(name, _)| name.clone())
    }

    /// Takes a wish. Returns whether it is new; an older one changes nothing.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn take(&mut self, wish: &DesiredMessage) -> Result<bool, LedgerError> {
        if wish.revision <= self.page.revision {
            return Ok(false);
        }
        // The text first: the ledger does not speak of what could be missing.
        if let Some(DesiredConfig { overlay: Some(overlay), text: Some(text), .. }) = &wish.config {
            self.overlays().keep(overlay, text)?;
        }
        self.page.revision = wish.revision;
        self.page.refused = None;
        if let Some(config) = &wish.config {
            let nameable = DesiredConfig { text: None, ..config.clone() };
            match &mut self.page.config {
                Some(slot) => slot.take(nameable, wish.revision),
                none => *none = Some(ConfigSlot::new(nameable, wish.revision)),
            }
        }
        for (name, model) in &wish.models {
            match self.page.slots.get_mut(name) {
                // The same wish again, because another model's has changed.
                Some(slot) if slot.wish == *model => {}
                Some(slot) => {
                    (slot.wish, slot.revision, slot.stage) = (model.clone(), wish.revision, None);
                    (slot.starts, slot.reason, slot.evidence) = (0, String::new(), None);
                }
                None => {
                    let slot = Slot {
                        wish: model.clone(),
                        revision: wish.revision,
                        stage: None,
                        starts: 0,
                        reason: String::new(),
                        active: None,
                        previous: None,
                        evidence: None,
                        quarantined: Vec::new(),
                    };
                    self.page.slots.insert(name.clone(), slot);
                }
            }
        }
        self.write().map(|()| true)
    }

    /// Notes why a wish was not taken.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn refuse(&mut self, reason: String) -> Result<(), LedgerError> {
        self.page.refused = Some(reason);
        self.write()
    }

    /// Changes one model's page.
    ///
    /// # Errors
    /// When it cannot be written down; it is then as it was.
    pub fn change(&mut self, name: &Id, change: impl FnOnce(&mut Slot)) -> Result<(), LedgerError> {
        let before = self.page.clone();
        let Some(slot) = self.page.slots.get_mut(name) else { return Ok(()) };
        change(slot);
        let surplus = slot.quarantined.len().saturating_sub(QUARANTINED);
        slot.quarantined.drain(..surplus);
        self.write().inspect_err(|_| self.page = before)
    }

    /// Changes the page of the configuration.
    ///
    /// # Errors
    /// When it cannot be written down; it is then as it was.
    pub fn change_config(&mut self, change: impl FnOnce(&mut ConfigSlot)) -> Result<(), LedgerError> {
        let before = self.page.clone();
        let Some(slot) = &mut self.page.config else { return Ok(()) };
        change(slot);
        let surplus = slot.quarantined.len().saturating_sub(QUARANTINED);
        slot.quarantined.drain(..surplus);
        self.write().inspect_err(|_| self.page = before)
    }

    /// What is told of it, under the next number.
    ///
    /// # Errors
    /// When the number cannot be written down.
    pub fn report(&mut self, boot: &str) -> Result<ReportedMessage, LedgerError> {
        self.page.sequence += 1;
        self.write()?;
        Ok(ReportedMessage {
            boot: boot.to_owned(),
            sequence: self.page.sequence,
            revision: self.page.revision,
            refused: self.page.refused.clone(),
            models: self.page.slots.iter().map(|(name, slot)| (name.clone(), slot.report())).collect(),
            config: self.page.config.as_ref().map(ConfigSlot::report),
        })
    }

    /// Deletes fetched packages and texts of overlays that nothing on the pages needs.
    pub fn sweep(&self) {
        self.overlays().sweep(&self.config().map(ConfigSlot::needed).unwrap_or_default());
        let needed = |slot: &Slot| {
            let wished = slot.wish.package.iter().filter(|_| !slot.is_settled());
            wished.chain(&slot.active).chain(&slot.previous).map(|p| p.sha256.clone()).collect::<Vec<_>>()
        };
        let needed: Vec<String> = self.page.slots.values().flat_map(needed).collect();
        for entry in fs::read_dir(self.packages()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !needed.iter().any(|sha256| name.starts_with(sha256))
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(file = name, %error, "a package that nobody needs cannot be deleted");
            }
        }
    }

    fn write(&self) -> Result<(), LedgerError> {
        let (path, next) = (self.folder.join(FILE), self.folder.join(format!("{FILE}.new")));
        let failed = |doing| {
            let path = path.clone();
            move |source| LedgerError::File { doing, path, source }
        };
        let text = serde_json::to_vec_pretty(&self.page).expect("a page has only text keys");
        let mut file = File::create(&next).map_err(failed("writing"))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed("writing"))?;
        fs::rename(&next, &path).map_err(failed("replacing"))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed("flushing the folder of"))
    }
}

/// Begins anew beside what cannot be read.
fn set_aside(path: &Path, error: &serde_json::Error) -> Result<Page, LedgerError> {
    let aside = path.with_added_extension("damaged");
    fs::rename(path, &aside).map_err(|source| LedgerError::File {
        doing: "setting aside",
        path: path.into(),
        source,
    })?;
    tracing::error!(%error, aside = %aside.display(), "the ledger of rollouts is damaged: the configuration's models run");
    let refused = format!("the ledger of rollouts was damaged ({error}); the models of the configuration run");
    Ok(Page { refused: Some(refused), ..Page::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn package(version: i64) -> PackageRef {
        PackageRef { model: id("people"), version, sha256: format!("{version:064x}"), size: 9 }
    }

    fn wish(revision: u64, version: i64) -> DesiredMessage {
        let model = DesiredModel { rollout: format!("r-{version}"), package: Some(package(version)), proof: None };
        DesiredMessage { agent: id("gate"), revision, models: [(id("people"), model)].into(), config: None }
    }

    #[test]
    fn what_was_written_is_read_again_and_an_older_wish_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!((ledger.due(), ledger.take(&wish(5, 1)).unwrap()), (None, true));
        ledger.change(&id("people"), |slot| slot.stage = Some(RolloutStage::Trial)).unwrap();
        let mut again = Ledger::open(folder.path()).unwrap();
        assert_eq!(again.page, ledger.page);
        assert_eq!(again.due(), Some(id("people")));
        assert!(!again.take(&wish(5, 2)).unwrap() && !again.take(&wish(4, 2)).unwrap());
        assert_eq!(again.slot(&id("people")).unwrap().stage, Some(RolloutStage::Trial));
        assert!(again.take(&wish(6, 2)).unwrap());
        assert_eq!(again.slot(&id("people")).unwrap().stage, None);
    }

    #[test]
    fn the_same_wish_under_a_higher_revision_is_not_carried_out_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        ledger.take(&wish(1, 1)).unwrap();
        ledger.change(&id("people"), |slot| slot.stage = Some(RolloutStage::Committed)).unwrap();
        assert!(ledger.take(&wish(2, 1)).unwrap());
        assert_eq!(ledger.due(), None);
        assert_eq!(ledger.report("b").unwrap().revision, 2);
    }

    #[test]
    fn a_damaged_ledger_is_set_aside_and_told_of_and_keeps_nobody_from_watching() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        assert!(ledger.report("b").unwrap().refused.unwrap().contains("damaged"));
        assert!(ledger.in_force().is_empty());
        assert_eq!(fs::read(folder.path().join("rollout.json.damaged")).unwrap(), b"{");
        assert_eq!(Ledger::open(folder.path()).unwrap().report("b").unwrap().sequence, 2);
    }

    #[test]
    fn reports_are_numbered_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Ledger::open(folder.path()).unwrap().report("a").unwrap().sequence, 1);
        assert_eq!(Ledger::open(folder.path()).unwrap().report("b").unwrap().sequence, 2);
    }

    #[test]
    fn only_packages_that_nothing_needs_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        fs::create_dir(ledger.packages()).unwrap();
        for version in 1..=4 {
            fs::write(ledger.file_of(&package(version)), "x").unwrap();
        }
        ledger.take(&wish(1, 3)).unwrap();
        ledger
            .change(&id("people"), |slot| (slot.active, slot.previous) = (Some(package(2)), Some(package(1))))
            .unwrap();
        ledger.sweep();
        let left = |ledger: &Ledger| (1..=4).filter(|v| ledger.file_of(&package(*v)).exists()).collect::<Vec<_>>();
        assert_eq!(left(&ledger), [1, 2, 3]);
        ledger.change(&id("people"), |slot| slot.stage = Some(RolloutStage::Failed)).unwrap();
        ledger.sweep();
        assert_eq!(left(&ledger), [1, 2]);
    }
}
