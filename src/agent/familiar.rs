//! Who before one camera was seen before: who is due to be described, whom each track is taken for, and who of them is told
//! of. Pure.
//!
//! What is known of a track goes with it; that it has ended is said to whoever remembers, so that it is known since when
//! the person is away. Each track is told of once for each entry of the configuration.

use crate::config::TellAgain;
use crate::event::Reappeared;
use crate::identify::{BodyShots, DueBody, Presence, shows_track};
use crate::vocab::{Appearance, Event, Frame, Id, Labels, MediaTime, Severity, Track, TrackId, TrackState};

/// How people are recognised again before one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The camera.
    pub camera: Id,
    /// Who is told of.
    pub tell: Vec<TellAgain>,
}

/// Those of whom whoever remembers is to hear after a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// How often the stream was cut before it.
    pub cuts: u32,
    /// When it was taken.
    pub pts: MediaTime,
    /// Who is to be described, where anybody is.
    pub due: Option<DueBody>,
    /// Those who are there and were to be described once; whoever is due among them.
    pub present: Vec<Presence>,
    /// Those who were and whose tracks have ended.
    pub gone: Vec<Presence>,
}

/// See the file's head.
#[derive(Debug)]
pub struct Familiar {
    settings: Settings,
    person: Option<u16>,
    people: Vec<Person>,
    due: Option<DueBody>,
    gone: Vec<Presence>,
    pts: MediaTime,
    cuts: u32,
    /// What was to be said before the last cut and was not yet.
    unsaid: Vec<Word>,
}

/// Somebody who is or was due.
#[derive(Debug)]
struct Person {
    track: Track,
    shots: BodyShots,
    appearance: Option<Appearance>,
    /// The entries under which it was told.
    told: Vec<Id>,
}

impl Familiar {
    /// Nobody yet. `labels` are those of the detector.
    pub fn new(settings: Settings, labels: &Labels) -> Self {
        let person = labels.index("person");
        let (people, gone) = (Vec::new(), Vec::new());
        Self { settings, person, people, due: None, gone, pts: MediaTime::ZERO, cuts: 0, unsaid: Vec::new() }
    }

    /// Takes in the tracks of a picture.
    pub fn step(&mut self, frame: &Frame, tracks: &[Track]) {
        let Some(person) = self.person else { return };
        self.pts = frame.pts;
        let gone = &mut self.gone;
        self.people.retain_mut(|known| match tracks.iter().find(|track| track.id == known.track.id) {
            Some(track) if track.state != TrackState::Ended => {
                known.track.clone_from(track);
                true
            }
            ended => {
                gone.push(presence(ended.unwrap_or(&known.track)));
                false
            }
        });
        let size = (frame.width, frame.height);
        let best = tracks.iter().filter(|track| track.class == person).filter_map(|track| {
            let worth = shows_track(track, tracks, size);
            let shots =
                self.people.iter().find(|known| known.track.id == track.id).map_or_else(Default::default, |k| k.shots);
            // Whoever was never described comes first.
            shots.is_due(frame.pts, worth).then_some((shots.is_taken(), track))
        });
        let Some((_, track)) = best.min_by_key(|(is_taken, _)| *is_taken) else { return };
        let at = self.people.iter().position(|known| known.track.id == track.id);
        let at = at.unwrap_or_else(|| {
            let shots = BodyShots::default();
            self.people.push(Person { track: track.clone(), shots, appearance: None, told: Vec::new() });
            self.people.len() - 1
        });
        self.people[at].shots.take(frame.pts);
        self.due = Some(DueBody { track: track.id, bbox: track.bbox });
    }

    /// What is to be said to whoever remembers; told once.
    pub fn take_word(&mut self) -> Option<Word> {
        if !self.unsaid.is_empty() {
            return Some(self.unsaid.remove(0));
        }
        if self.due.is_none() && self.gone.is_empty() {
            return None;
        }
        Some(Word {
            cuts: self.cuts,
            pts: self.pts,
            due: self.due.take(),
            present: self.people.iter().map(|known| presence(&known.track)).collect(),
            gone: std::mem::take(&mut self.gone),
        })
    }

    /// Takes in whom a track is taken for; nothing where it is gone. Under which entries it is to be told.
    pub fn seen_again(&mut self, track: TrackId, appearance: Appearance) -> Vec<(Id, Severity, Track, Appearance)> {
        let Some(known) = self.people.iter_mut().find(|known| known.track.id == track) else { return Vec::new() };
        known.appearance = Some(appearance.clone());
        let Some(before) = &appearance.before else { return Vec::new() };
        let own = &self.settings.camera;
        let concerned = self.settings.tell.iter().filter(|tell| match &tell.from[..] {
            [] => before.camera != *own,
            from => from.contains(&before.camera),
        });
        let mut all = Vec::new();
        for tell in concerned {
            if !known.told.contains(&tell.id) {
                known.told.push(tell.id.clone());
                all.push((tell.id.clone(), tell.severity, known.track.clone(), appearance.clone()));
            }
        }
        all
    }

    /// Says of the subjects of events whether they were seen before, where that is known.
    pub fn name(&self, events: &mut [Event]) {
        for subject in events.iter_mut().filter_map(|event| event.subject.as_mut()) {
            if let Some(known) = self.people.iter().find(|known| known.track.id == subject.track) {
                subject.appearance = known.appearance.clone().or(subject.appearance.take());
            }
        }
    }

    /// Nobody who was there is followed any more.
    pub fn clear(&mut self) {
        self.gone.extend(self.people.drain(..).map(|known| presence(&known.track)));
        self.due = None;
    }

    /// The pictures from now on do not continue those before, and their clock may begin anew.
    pub fn cut(&mut self) {
        self.clear();
        let word = self.take_word();
        self.unsaid.extend(word);
        self.cuts = self.cuts.wrapping_add(1);
    }

    /// The detector names other classes from now on.
    pub fn set_labels(&mut self, labels: &Labels) {
        self.person = labels.index("person");
        self.clear();
    }
}

fn presence(track: &Track) -> Presence {
    Presence { track: track.id, from: track.first_seen, until: track.last_seen }
}

/// As `event` tells it.
pub fn telling((rule, severity, track, appearance): &(Id, Severity, Track, Appearance)) -> Reappeared<'_> {
    Reappeared { rule, severity: *severity, track, appearance }
}

#[cfg(test)]
mod tests;
