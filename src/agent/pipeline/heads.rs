//! Where the heads of those before a camera are whose faces its pictures must not show.

use crate::agent::faces::head;
use crate::evidence;
use crate::vocab::{Labels, Rect, Track, TrackState};

/// The heads of the last look; none where faces may be shown.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The class of people, where their heads matter and the model knows them.
    person: Option<u16>,
    all: Vec<Rect>,
}

impl Heads {
    /// Nobody yet; `labels` are those of the detector.
    pub(super) fn new(evidence: &evidence::Settings, labels: &Labels) -> Self {
        let person = evidence.hide_faces.as_ref().and_then(|_| labels.index("person"));
        Self { person, all: Vec::new() }
    }

    /// Takes in the tracks of a picture of this size, those that are not believed yet and those that are lost included.
    pub(super) fn look(&mut self, (width, height): (u32, u32), tracks: &[Track]) {
        let Some(person) = self.person else { return };
        let people = tracks.iter().filter(|track| track.class == person && track.state != TrackState::Ended);
        self.all.clear();
        self.all.extend(people.map(|track| head(&track.bbox, width, height)));
    }

    /// Where they must be, normalised.
    pub(super) fn all(&self) -> &[Rect] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{Id, MediaTime};

    fn track(class: u16, state: TrackState) -> Track {
        Track { state, hits: 9, ..Track::new(1, class, 0.9, Rect::new(0.4, 0.2, 0.5, 0.9), MediaTime::ZERO) }
    }

    #[test]
    fn people_have_heads_while_they_are_followed_and_only_where_that_matters() {
        let labels = Labels::new(["car", "person"]);
        let hiding = evidence::Settings { hide_faces: Id::new("faces").ok(), ..evidence::Settings::default() };
        let mut heads = Heads::new(&hiding, &labels);
        let states = [TrackState::Tentative, TrackState::Confirmed, TrackState::Lost, TrackState::Ended];
        heads.look((1000, 1000), &states.map(|state| track(1, state)));
        assert_eq!(heads.all().len(), 3);
        heads.look((1000, 1000), &[track(0, TrackState::Confirmed)]);
        assert!(heads.all().is_empty(), "a car has none");
        let mut shown = Heads::new(&evidence::Settings::default(), &labels);
        shown.look((1000, 1000), &[track(1, TrackState::Confirmed)]);
        assert!(shown.all().is_empty());
    }
}
