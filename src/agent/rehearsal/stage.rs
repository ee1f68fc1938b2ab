//! One configuration's rules of one camera, shown stored tracks, and what they tell.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::settings_of;
use crate::behaviour::{self, Rules};
use crate::config::{self, Config};
use crate::event::{self, Narrator};
use crate::history::{Head, Record};
use crate::vocab::{
    ClockState, Event, EventKind, Firing, Id, Labels, MediaTime, Phase, Place, Severity, TrackId, WallTime,
};

/// Something that rules told of, from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// The camera.
    pub camera: Id,
    /// The rule.
    pub rule: Id,
    /// What kind of rule it is.
    pub kind: EventKind,
    /// Whether it is an alert.
    pub severity: Severity,
    /// The zone or line.
    pub place: Option<Place>,
    /// What it is about; none where the rule is about a zone as a whole.
    pub label: Option<String>,
    /// The tracks that it was about, in turn.
    pub tracks: Vec<TrackId>,
    /// When it began.
    #[serde(serialize_with = "written")]
    pub start: WallTime,
    /// The same on the camera's media clock, in milliseconds.
    pub start_pts_ms: u64,
    /// When it ended; as `start` for what has no duration.
    #[serde(serialize_with = "written")]
    pub end: WallTime,
    /// Why it was told, as its first event says.
    pub explanation: String,
}

fn written<S: Serializer>(time: &WallTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time.to_rfc3339())
}

/// The rules of one camera in one configuration.
pub(super) struct Stage<'c> {
    config: &'c Config,
    camera: &'c Id,
    /// None where the configuration does not use the camera.
    settings: Option<behaviour::Settings>,
    rules: Option<Rules>,
    labels: Labels,
    narrator: Narrator,
    now: (MediaTime, WallTime),
    told: Vec<Happening>,
    /// What goes on, by its episode.
    open: BTreeMap<String, usize>,
    held_back: BTreeMap<Id, u64>,
}

/// What a stage came to.
pub(super) struct Told {
    /// In the order of their starts.
    pub told: Vec<Happening>,
    /// How many starts each entry of `suppress` held back.
    pub held_back: BTreeMap<Id, u64>,
}

impl<'c> Stage<'c> {
    pub(super) fn new(config: &'c Config, camera: &'c Id, of_it: Option<&'c config::Camera>) -> Self {
        let telling = event::Settings::new(config.id.clone(), Some(camera.clone()), 0);
        Self {
            config,
            camera,
            settings: settings_of(of_it),
            rules: None,
            labels: Labels::default(),
            narrator: Narrator::new(event::Settings { tracks: false, ..telling }),
            now: (MediaTime::ZERO, WallTime::default()),
            told: Vec::new(),
            open: BTreeMap::new(),
            held_back: BTreeMap::new(),
        }
    }

    /// Rules began anew: the line was made anew, with the program or a changed configuration.
    pub(super) fn begin(&mut self, head: &Head) {
        self.stop(self.now.0);
        self.labels = Labels::new(head.labels.iter().map(String::as_str));
        // Media time begins anew with a line.
        self.now.0 = MediaTime::ZERO;
        let rules = |settings| Rules::new(settings, self.labels.clone(), self.config.timezone.clone());
        self.rules = self.settings.clone().map(rules);
    }

    /// Something is missing here: what was there before has nothing to do with what comes.
    pub(super) fn lose(&mut self) {
        self.act(|rules, now| rules.reset(now.0));
    }

    pub(super) fn show(&mut self, record: &Record) {
        match record {
            Record::Size { width, height } => {
                if let Some(rules) = &mut self.rules {
                    rules.set_picture_size(*width, *height);
                }
            }
            Record::Look { at, wall, tracks } => {
                self.now = (*at, *wall);
                self.act(|rules, (at, wall)| rules.step(at, wall, tracks));
            }
            Record::Wait { at, wall } => {
                self.now = (*at, *wall);
                self.act(|rules, (at, wall)| rules.tick(at, wall));
            }
            Record::Cut { at } => {
                self.advance(*at);
                self.act(|rules, (at, _)| rules.reset(at));
            }
            Record::Stop { at } => {
                self.advance(*at);
                self.stop(*at);
            }
        }
    }

    /// Ends what is open.
    pub(super) fn end(mut self) -> Told {
        self.stop(self.now.0);
        self.told.sort_by_key(|happening| happening.start);
        Told { told: self.told, held_back: self.held_back }
    }

    /// The present, where something is said of the media clock alone.
    fn advance(&mut self, at: MediaTime) {
        let (before, wall) = self.now;
        self.now = (at, wall.plus(at.since(before)));
    }

    fn stop(&mut self, at: MediaTime) {
        self.act(|rules, _| rules.stop(at));
        if let Some(rules) = self.rules.take() {
            for suppressed in rules.suppressed() {
                *self.held_back.entry(suppressed.id.clone()).or_default() += suppressed.count;
            }
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut Rules, (MediaTime, WallTime)) -> &[Firing]) {
        let Some(rules) = &mut self.rules else { return };
        let context = event::Context {
            pts: self.now.0,
            captured: self.now.1,
            clock: ClockState::Media,
            model: None,
            config_revision: &self.config.revision,
            labels: &self.labels,
        };
        let firings = act(rules, self.now);
        for event in self.narrator.narrate(firings, &context) {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        let Some(rule) = event.rule else { return };
        match (event.phase, self.open.get(&event.episode).copied()) {
            (Phase::Start, _) => {
                if event.kind.lasts() {
                    self.open.insert(event.episode, self.told.len());
                }
                self.told.push(Happening {
                    camera: self.camera.clone(),
                    rule,
                    kind: event.kind,
                    severity: event.severity,
                    place: event.place,
                    label: event.subject.as_ref().map(|subject| subject.label.clone()),
                    tracks: event.subject.map(|subject| subject.track).into_iter().collect(),
                    start: event.captured,
                    start_pts_ms: event.pts.as_millis(),
                    end: event.captured,
                    explanation: event.explanation.text,
                });
            }
            (phase, Some(index)) => {
                let happening = &mut self.told[index];
                happening.end = happening.end.max(event.captured);
                if let Some(track) = event.subject.map(|s| s.track).filter(|track| !happening.tracks.contains(track)) {
                    happening.tracks.push(track);
                }
                if phase == Phase::End {
                    self.open.remove(&event.episode);
                }
            }
            (_, None) => {}
        }
    }
}
