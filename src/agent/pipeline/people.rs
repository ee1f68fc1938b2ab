//! Who is who before a line's camera: whose face is due, who is due as a whole, and what came of it.

use super::{Line, Occurrence};
use crate::agent::familiar::{self, Familiar, Word};
use crate::agent::known::{self, Known, Recognised};
use crate::identify::Due;
use crate::vocab::{Appearance, Event, Frame, Labels, Track, TrackId};

/// How people are recognised before one camera, where they are.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// By their faces.
    pub known: Option<known::Settings>,
    /// By how they look, whoever they are.
    pub familiar: Option<familiar::Settings>,
}

/// What is known of them.
#[derive(Debug)]
pub(super) struct People {
    known: Option<Known>,
    familiar: Option<Familiar>,
}

impl People {
    pub(super) fn new(settings: Settings, labels: &Labels) -> Self {
        let Settings { known, familiar } = settings;
        let known = known.map(|known| Known::new(known, labels));
        Self { known, familiar: familiar.map(|familiar| Familiar::new(familiar, labels)) }
    }

    pub(super) fn step(&mut self, frame: &Frame, tracks: &[Track]) {
        self.known.iter_mut().for_each(|known| known.step(frame, tracks));
        self.familiar.iter_mut().for_each(|familiar| familiar.step(frame, tracks));
    }

    /// Says of the subjects of events who they are, as far as that is known.
    pub(super) fn name(&self, events: &mut [Event]) {
        self.known.iter().for_each(|known| known.name(events));
        self.familiar.iter().for_each(|familiar| familiar.name(events));
    }

    pub(super) fn cut(&mut self) {
        self.known.iter_mut().for_each(Known::clear);
        self.familiar.iter_mut().for_each(Familiar::cut);
    }

    pub(super) fn clear(&mut self) {
        self.known.iter_mut().for_each(Known::clear);
        self.familiar.iter_mut().for_each(Familiar::clear);
    }

    pub(super) fn set_labels(&mut self, labels: &Labels) {
        self.known.iter_mut().for_each(|known| known.set_labels(labels));
        self.familiar.iter_mut().for_each(|familiar| familiar.set_labels(labels));
    }
}

impl Line {
    /// Whose face is to be looked for in the picture that was seen last, if anybody's; told once.
    pub fn due_face(&mut self) -> Option<Due> {
        self.people.known.as_mut()?.take_due()
    }

    /// What is to be said to whoever remembers people; told once, and asked for until there is nothing.
    pub fn who_is_there(&mut self) -> Option<Word> {
        self.people.familiar.as_mut()?.take_word()
    }

    /// Takes in whose face was seen in a picture.
    pub fn recognised(&mut self, frame: &Frame, recognised: Recognised) -> Vec<Occurrence> {
        let Some(known) = &mut self.people.known else { return Vec::new() };
        let track = recognised.track;
        let told = known.recognised(recognised);
        if let Some(identity) = known.identity(track) {
            self.rules.recognise(track, identity);
        }
        let event = |told: &_| self.narrator.identified(&known::telling(told), &self.told.context());
        let events = told.iter().map(event).collect();
        self.show(frame, events)
    }

    /// Takes in whom a track of a picture is taken for.
    pub fn seen_again(&mut self, frame: &Frame, track: TrackId, appearance: Appearance) -> Vec<Occurrence> {
        let Some(familiar) = &mut self.people.familiar else { return Vec::new() };
        self.rules.see_again(track, &appearance.id);
        let told = familiar.seen_again(track, appearance);
        let event = |told: &_| self.narrator.reappeared(&familiar::telling(told), &self.told.context());
        let events = told.iter().map(event).collect();
        self.show(frame, events)
    }

    fn show(&self, frame: &Frame, mut events: Vec<Event>) -> Vec<Occurrence> {
        self.people.name(&mut events);
        let shot = |event| Occurrence { event, shot: Some(self.shot(frame, None)) };
        events.into_iter().map(shot).collect()
    }
}

#[cfg(test)]
mod tests;
