//! The pictures of a line's events, and who is to be seen in them.

use super::{Line, Occurrence, Shown};
use crate::evidence::{Mark, Shot};
use crate::vocab::{Event, Frame, Phase, Subject};

impl Line {
    /// Gives each event of a rule the picture that shows it: the present one at its start, the best one at its end.
    pub(super) fn illustrate(&mut self, mut events: Vec<Event>, frame: Option<&Frame>) -> Vec<Occurrence> {
        self.people.name(&mut events);
        events.into_iter().map(|event| Occurrence { shot: self.shot_of(&event, frame), event }).collect()
    }

    /// A picture of `frame`, which nothing is given out of that must not be shown.
    pub fn shot(&self, frame: &Frame, mark: Option<Mark>) -> Shot {
        Shot::of(frame, mark, self.heads.all(), &self.evidence)
    }

    fn shot_of(&mut self, event: &Event, frame: Option<&Frame>) -> Option<Shot> {
        event.rule.as_ref()?;
        match (event.phase, frame) {
            (Phase::Start, Some(frame)) => {
                if let (Some(subject), true) = (&event.subject, event.kind.lasts()) {
                    let Subject { label, score, bbox, .. } = subject;
                    self.snapshots.consider(&event.episode, (frame, self.heads.all()), label, *score, *bbox);
                    self.shown.push(Shown { episode: event.episode.clone(), track: subject.track });
                }
                let region = event.region.map(|bbox| Mark { label: event.kind.as_str().to_owned(), score: 1.0, bbox });
                Some(self.shot(frame, event.subject.as_ref().map(mark).or(region)))
            }
            (Phase::End, _) => {
                self.shown.retain(|shown| shown.episode != event.episode);
                self.snapshots.take(&event.episode)
            }
            _ => None,
        }
    }
}

fn mark(subject: &Subject) -> Mark {
    Mark { label: subject.label.clone(), score: subject.score, bbox: subject.bbox }
}
