//! Rules rehearsed: the tracks of the last days shown to the rules in force and to changed ones, and what each would have told.
//!
//! ```text
//!   Archive ──▶ Begin, records ──┬──▶ Stage (rules in force) ──▶ happenings ──┐
//!                                └──▶ Stage (changed rules)  ──▶ happenings ──┴─ compare ──▶ appear, vanish, stay
//! ```
//!
//! Rules and narrator are those of the line, and the tracks are what the line's rules were shown, so that rules that have not
//! changed tell what they told. What lies before the tracks cannot be rehearsed: another model, threshold, rate or motion
//! gate would have led to other tracks. Where the two configurations differ there, a note says so.

mod compare;
mod notes;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::{self, Config};
use crate::history::{Archive, Entry, HistoryError, Record};
use crate::vocab::{Id, Severity, WallTime};

pub use stage::Happening;

use stage::Stage;

/// What is rehearsed.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the tracks lie.
    pub folder: PathBuf,
    /// Only this camera's.
    pub camera: Option<Id>,
    /// Only what began since then.
    pub since: Option<WallTime>,
    /// Happenings of severity `event` too.
    pub events: bool,
}

/// Why nothing could be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The tracks cannot be read.
    #[error(transparent)]
    Tracks(#[from] HistoryError),
    /// Neither configuration has such a camera.
    #[error("neither configuration has a camera {camera}")]
    NoCamera {
        /// The one asked for.
        camera: Id,
    },
    /// There are no tracks.
    #[error("there are no tracks of the cameras in {}; they are kept while `history.days` is above 0", folder.display())]
    Nothing {
        /// Where.
        folder: PathBuf,
    },
}

/// What a rehearsal came to.
#[derive(Debug, Default, Serialize)]
pub struct Rehearsal {
    /// When the first of the tracks were seen, and the last ones.
    pub from: Option<String>,
    /// See `from`.
    pub to: Option<String>,
    /// How many looks of all cameras were shown to the rules.
    pub looks: u64,
    /// What the changed rules would have told, and those in force did not.
    pub appear: Vec<Happening>,
    /// What the rules in force told, and the changed ones would not have.
    pub vanish: Vec<Happening>,
    /// What both tell, as the changed ones do.
    pub stay: Vec<Happening>,
    /// The numbers by camera and rule, as `door/night-yard`.
    pub rules: BTreeMap<String, Totals>,
    /// The numbers by day, in the time zone of the changed configuration.
    pub days: BTreeMap<String, Totals>,
    /// What could not be read.
    pub losses: Losses,
    /// What this says nothing about, and what else should be known.
    pub notes: Vec<String>,
}

/// How many alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// That appear.
    pub appear: u64,
    /// That vanish.
    pub vanish: u64,
    /// That stay.
    pub stay: u64,
}

/// What could not be read of the tracks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Places that are torn or damaged.
    pub damaged: u64,
    /// Blocks that are not there.
    pub missing: u64,
    /// Blocks that cannot be understood.
    pub useless: u64,
}

/// Rehearses the rules of `changed` against those of `present`.
///
/// # Errors
/// When there are no tracks, or they cannot be read. What is damaged in them is left out and counted.
pub fn rehearse(present: &Config, changed: &Config, request: &Request) -> Result<Rehearsal, RehearsalError> {
    let archive = Archive::open(&request.folder)?;
    let mut rehearsal = Rehearsal::default();
    let cameras = cameras(present, changed, request.camera.as_ref())?;
    let kept: Vec<&Id> = archive.cameras().collect();
    let mut span = None;
    for camera in cameras {
        let sides = [present, changed].map(|config| config.cameras.iter().find(|c| c.id == *camera));
        if !kept.contains(&camera) {
            rehearsal.notes.push(format!("{camera}: there are no tracks of this camera"));
            continue;
        }
        let mut showing = Showing {
            stages: [(present, sides[0]), (changed, sides[1])].map(|(config, side)| Stage::new(config, camera, side)),
            span: &mut span,
            looks: 0,
            heads: Vec::new(),
        };
        let losses = archive.play(camera, request.since, &mut |entry| showing.show(entry))?;
        let Showing { stages, looks, heads, .. } = showing;
        rehearsal.losses.add(losses);
        rehearsal.looks += looks;
        rehearsal.notes.extend(notes::of_camera((present, changed), sides, camera, &heads));
        let [old, new] = stages.map(Stage::end);
        rehearsal.notes.extend(notes::of_suppression(camera, &old, &new));
        let is_asked = |h: &Happening| {
            (request.events || h.severity == Severity::Alert) && request.since.is_none_or(|since| h.start >= since)
        };
        let told = [old.told, new.told].map(|told| told.into_iter().filter(is_asked).collect());
        compare::compare(told, &mut rehearsal);
    }
    let Some((from, to)) = span else {
        return Err(RehearsalError::Nothing { folder: request.folder.clone() });
    };
    rehearsal.from = Some(WallTime::to_rfc3339(from));
    rehearsal.to = Some(WallTime::to_rfc3339(to));
    compare::count(&mut rehearsal, &changed.timezone);
    Ok(rehearsal)
}

/// The cameras of both, in the order of the changed configuration.
fn cameras<'c>(present: &'c Config, changed: &'c Config, only: Option<&Id>) -> Result<Vec<&'c Id>, RehearsalError> {
    let mut all: Vec<&Id> = Vec::new();
    for camera in changed.cameras.iter().chain(&present.cameras) {
        if !all.contains(&&camera.id) && only.is_none_or(|only| camera.id == *only) {
            all.push(&camera.id);
        }
    }
    match (all.is_empty(), only) {
        (true, Some(camera)) => Err(RehearsalError::NoCamera { camera: camera.clone() }),
        _ => Ok(all),
    }
}

/// One camera's tracks on their way to both stages.
struct Showing<'s> {
    stages: [Stage<'s>; 2],
    span: &'s mut Option<(WallTime, WallTime)>,
    looks: u64,
    /// What the runs said of themselves, each once.
    heads: Vec<crate::history::Head>,
}

impl Showing<'_> {
    fn show(&mut self, entry: Entry) {
        match entry {
            Entry::Begin(head) => {
                self.stages.iter_mut().for_each(|stage| stage.begin(head));
                if !self.heads.contains(head) {
                    self.heads.push(head.clone());
                }
            }
            Entry::Lost => self.stages.iter_mut().for_each(Stage::lose),
            Entry::Record(record) => {
                if let Record::Look { wall, .. } | Record::Wait { wall, .. } = record {
                    let (from, to) = self.span.get_or_insert((wall, wall));
                    (*from, *to) = ((*from).min(wall), (*to).max(wall));
                }
                self.looks += u64::from(matches!(record, Record::Look { .. }));
                self.stages.iter_mut().for_each(|stage| stage.show(&record));
            }
        }
    }
}

impl Losses {
    fn add(&mut self, more: crate::history::Losses) {
        self.damaged += more.damaged;
        self.missing += more.missing;
        self.useless += more.useless;
    }

    /// Whether everything could be read.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The rules of a camera that is used; none where it is not.
fn settings_of(camera: Option<&config::Camera>) -> Option<crate::behaviour::Settings> {
    camera.filter(|camera| camera.enabled && camera.detect.is_some()).map(config::Camera::behaviour_settings)
}
