//! Another model in the place of a line's.

use super::heads::Heads;
use super::{Line, Looker, Occurrence};
use crate::agent::followed::Followed;
use crate::behaviour::Rules;
use crate::track::Tracker;

impl Line {
    /// Another model looks from now on. Where it names the same classes in the same order, everything goes on; otherwise
    /// what was followed ends, as whatever it was may have another name now.
    pub fn change_model(&mut self, looker: Looker) -> Vec<Occurrence> {
        let Looker { model, labels, track, behaviour, timezone } = looker;
        let threshold = model.threshold;
        let name = self.told.model.insert(model).name.clone();
        if labels == self.told.labels {
            self.tracker.reconfigure(track);
            return Vec::new();
        }
        self.tracker.reset();
        if let Some(log) = &mut self.log {
            log.stop(self.told.pts);
            log.restart(labels.iter().map(str::to_owned).collect(), name, threshold);
        }
        let tracks = self.tracker.step(self.told.pts, &[]);
        let mut events = self.narrator.narrate(self.rules.stop(self.told.pts), &self.told.context());
        events.extend(self.narrator.tracks(tracks, &self.told.context()));
        self.tracker = Tracker::starting_at(track, self.tracker.next_id());
        let counts = self.rules.saved_counts().clone();
        self.rules = Rules::new(behaviour, labels.clone(), timezone);
        self.rules.restore_counts(counts);
        self.followed = Followed::new(&labels, self.by_motion);
        self.heads = Heads::new(&self.evidence, &labels);
        let occurrences = self.illustrate(events, None);
        self.people.set_labels(&labels);
        self.told.labels = labels;
        occurrences
    }
}
