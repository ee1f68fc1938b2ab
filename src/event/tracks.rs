//! Tells when a confirmed track began and when it ended.

use super::explain;
use super::narrator::{Context, Narrator, Telling, subject};
use crate::vocab::{Event, EventKind, Phase, Severity, Track, TrackState};

/// A track whose beginning was told and whose end was not.
#[derive(Debug)]
pub(super) struct Followed {
    episode: String,
    /// As it was when last seen.
    track: Track,
}

impl Narrator {
    /// Tells of the tracks that became confirmed and of those that ended or are reported no more. Call it with the tracks
    /// of every step of the tracker. Tells nothing where the settings say so.
    pub fn tracks(&mut self, tracks: &[Track], context: &Context) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.settings.tracks {
            return events;
        }
        let is_over = |f: &Followed| !tracks.iter().any(|t| t.id == f.track.id && t.state != TrackState::Ended);
        let mut index = 0;
        while index < self.followed.len() {
            if is_over(&self.followed[index]) {
                let mut ended = self.followed.remove(index);
                // Its last report may know more than its last sighting did.
                if let Some(report) = tracks.iter().find(|t| t.id == ended.track.id) {
                    let bbox = ended.track.bbox;
                    ended.track = Track { bbox, ..report.clone() };
                }
                events.push(self.tell_track(&ended, Phase::End, context));
            } else {
                index += 1;
            }
        }
        for track in tracks.iter().filter(|t| t.state == TrackState::Confirmed) {
            match self.followed.iter_mut().find(|f| f.track.id == track.id) {
                Some(followed) => followed.track = track.clone(),
                None => {
                    let begun = Followed { episode: self.next_episode(), track: track.clone() };
                    events.push(self.tell_track(&begun, Phase::Start, context));
                    self.followed.push(begun);
                }
            }
        }
        events
    }

    pub(super) fn end_tracks(&mut self, context: &Context, events: &mut Vec<Event>) {
        for followed in std::mem::take(&mut self.followed) {
            events.push(self.tell_track(&followed, Phase::End, context));
        }
    }

    fn tell_track(&self, followed: &Followed, phase: Phase, context: &Context) -> Event {
        let track = &followed.track;
        let telling = Telling {
            kind: EventKind::Track,
            severity: Severity::Event,
            phase,
            episode: followed.episode.clone(),
            rule: None,
            place: None,
            region: None,
            subject: Some(subject(track, context.labels)),
            explanation: explain::track(track, context.labels, phase == Phase::End),
            at: if phase == Phase::End { track.last_seen } else { track.first_seen },
        };
        self.event(telling, context)
    }
}
