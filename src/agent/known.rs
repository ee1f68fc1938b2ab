//! Who is who before one camera: whose face is due, who each track is taken for, and who of them is told of. Pure.
//!
//! The best shot of a track counts: what a worse one said before gives way to it. Who is known is told of at once; that
//! somebody is unknown only when a second shot, or a good one, says so too. Each is told once for each track and each entry
//! of the configuration. What is known of a track goes with it.

use crate::config::Tell;
use crate::event::Identified;
use crate::identify::{BestShots, Due, ShotSettings};
use crate::vocab::{Event, Frame, Id, Identity, Labels, Severity, Subject, Track, TrackId, TrackState};

/// How good a shot must be to be believed alone that somebody is unknown.
const GOOD: f32 = 0.5;

/// How people are recognised before one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How often people are looked at.
    pub shots: ShotSettings,
    /// Who is told of.
    pub tell: Vec<Tell>,
}

/// What came of looking at one person's face.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// The person's track.
    pub track: TrackId,
    /// How good the face was, 0..1.
    pub worth: f32,
    /// Who it is.
    pub identity: Identity,
}

/// See the file's head.
#[derive(Debug)]
pub struct Known {
    settings: Settings,
    shots: BestShots,
    person: Option<u16>,
    due: Option<Due>,
    people: Vec<Person>,
}

/// Somebody whose face was described.
#[derive(Debug)]
struct Person {
    track: Track,
    identity: Option<Identity>,
    described: u32,
    /// What was told already: the entry, and who it was.
    told: Vec<(Id, Option<Id>)>,
}

impl Known {
    /// Nobody yet. `labels` are those of the detector.
    pub fn new(settings: Settings, labels: &Labels) -> Self {
        let shots = BestShots::new(settings.shots);
        Self { settings, shots, person: labels.index("person"), due: None, people: Vec::new() }
    }

    /// Takes in the tracks of a picture.
    pub fn step(&mut self, frame: &Frame, tracks: &[Track]) {
        let Some(person) = self.person else { return };
        let now_of = |id: TrackId| tracks.iter().find(|t| t.id == id && t.state != TrackState::Ended);
        self.people.retain_mut(|known| match now_of(known.track.id) {
            Some(track) => {
                known.track = track.clone();
                true
            }
            None => false,
        });
        self.due = self.shots.due(frame.pts, tracks, person, frame.height);
        if let Some(track) = self.due.and_then(|due| now_of(due.track))
            && !self.people.iter().any(|known| known.track.id == track.id)
        {
            self.people.push(Person { track: track.clone(), identity: None, described: 0, told: Vec::new() });
        }
    }

    /// Whose face is to be looked for in that picture; told once.
    pub fn take_due(&mut self) -> Option<Due> {
        self.due.take()
    }

    /// Takes in what came of it; nothing where the track is gone. Who is to be told of.
    pub fn recognised(&mut self, recognised: Recognised) -> Vec<(Id, Severity, Track, Identity)> {
        let Recognised { track, worth, identity } = recognised;
        let is_best = self.shots.described(track, worth);
        let Some(known) = self.people.iter_mut().find(|known| known.track.id == track) else { return Vec::new() };
        known.described += 1;
        if is_best {
            known.identity = Some(identity);
        }
        let Some(identity) = known.identity.clone() else { return Vec::new() };
        let who = identity.person.as_ref().map(|person| person.id.clone());
        let is_sure = who.is_some() || known.described >= 2 || worth >= GOOD;
        let concerned = self.settings.tell.iter().filter(|tell| match &identity.person {
            Some(person) => tell.lists.iter().any(|list| person.lists.contains(list)),
            None => tell.unknown && is_sure,
        });
        let mut all = Vec::new();
        for tell in concerned {
            let said = (tell.id.clone(), who.clone());
            if !known.told.contains(&said) {
                known.told.push(said);
                all.push((tell.id.clone(), tell.severity, known.track.clone(), identity.clone()));
            }
        }
        all
    }

    /// Who a track is taken for, where that is known.
    pub fn identity(&self, track: TrackId) -> Option<&Identity> {
        self.people.iter().find(|known| known.track.id == track)?.identity.as_ref()
    }

    /// Says of the subjects of events who they are, where that is known.
    pub fn name(&self, events: &mut [Event]) {
        events.iter_mut().filter_map(|event| event.subject.as_mut()).for_each(|subject| self.name_one(subject));
    }

    fn name_one(&self, subject: &mut Subject) {
        subject.identity = self.identity(subject.track).cloned().or(subject.identity.take());
    }

    /// The pictures from now on do not continue those before.
    pub fn clear(&mut self) {
        self.shots.clear();
        self.people.clear();
        self.due = None;
    }

    /// The detector names other classes from now on.
    pub fn set_labels(&mut self, labels: &Labels) {
        self.person = labels.index("person");
        self.clear();
    }
}

/// As `event` tells it.
pub fn telling((rule, severity, track, identity): &(Id, Severity, Track, Identity)) -> Identified<'_> {
    Identified { rule, severity: *severity, track, identity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{KnownPerson, MediaTime, Rect};

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn tell(name: &str, lists: &[&str], unknown: bool) -> Tell {
        let lists = lists.iter().map(|list| id(list)).collect();
        Tell { id: id(name), lists, unknown, severity: Severity::Alert }
    }

    fn identity(who: Option<(&str, &str)>) -> Identity {
        let person =
            who.map(|(who, list)| KnownPerson { id: id(who), name: who.to_uppercase(), lists: vec![id(list)] });
        Identity {
            person,
            score: 0.7,
            threshold: 0.45,
            margin: 0.3,
            least_margin: 0.05,
            space: "s".to_owned(),
            gallery: 3,
        }
    }

    fn track(number: TrackId) -> Track {
        Track {
            state: TrackState::Confirmed,
            hits: 9,
            ..Track::new(number, 0, 0.9, Rect::new(0.1, 0.1, 0.3, 0.9), MediaTime::ZERO)
        }
    }

    fn subject(number: TrackId) -> Subject {
        Subject {
            track: number,
            label: "person".to_owned(),
            bbox: Rect::new(0.1, 0.1, 0.3, 0.9),
            score: 0.9,
            best_score: 0.9,
            age_ms: 0,
            identity: None,
            appearance: None,
        }
    }

    fn known(tells: Vec<Tell>) -> Known {
        let labels = Labels::new(vec!["person".to_owned()]);
        Known::new(Settings { shots: ShotSettings::default(), tell: tells }, &labels)
    }

    fn step(known: &mut Known, millis: u64, tracks: &[TrackId]) -> Option<TrackId> {
        let mut frame = Frame::from_i420(16, 720, vec![0; 16 * 720 * 3 / 2]).unwrap();
        frame.pts = MediaTime::from_millis(millis);
        known.step(&frame, &tracks.iter().map(|number| track(*number)).collect::<Vec<_>>());
        known.take_due().map(|due| due.track)
    }

    fn learn(known: &mut Known, number: TrackId, worth: f32, who: Option<(&str, &str)>) -> Vec<String> {
        let told = known.recognised(Recognised { track: number, worth, identity: identity(who) });
        told.into_iter().map(|(rule, ..)| rule.to_string()).collect()
    }

    #[test]
    fn who_is_on_a_list_is_told_once_and_named_until_he_is_gone() {
        let mut known = known(vec![tell("banned", &["banned"], false), tell("strangers", &[], true)]);
        assert_eq!(step(&mut known, 0, &[1]), Some(1));
        assert_eq!(learn(&mut known, 1, 0.3, Some(("ann", "banned"))), ["banned"]);
        step(&mut known, 500, &[1]);
        assert!(learn(&mut known, 1, 0.9, Some(("ann", "banned"))).is_empty());
        let mut named = subject(1);
        known.name_one(&mut named);
        assert_eq!(named.identity.unwrap().person.unwrap().name, "ANN");
        step(&mut known, 1000, &[]);
        let mut gone = subject(1);
        known.name_one(&mut gone);
        assert_eq!(gone.identity, None);
    }

    #[test]
    fn who_is_on_no_list_of_the_camera_is_named_and_not_told() {
        let mut known = known(vec![tell("banned", &["banned"], false)]);
        step(&mut known, 0, &[1]);
        assert!(learn(&mut known, 1, 0.9, Some(("ann", "staff"))).is_empty());
        let mut named = subject(1);
        known.name_one(&mut named);
        assert!(named.identity.is_some());
    }

    #[test]
    fn that_somebody_is_unknown_is_told_at_the_second_or_a_good_shot() {
        let mut known = known(vec![tell("strangers", &[], true)]);
        step(&mut known, 0, &[1, 2]);
        assert!(learn(&mut known, 1, 0.2, None).is_empty());
        step(&mut known, 500, &[1, 2]);
        assert_eq!(learn(&mut known, 1, 0.3, None), ["strangers"]);
        assert_eq!(learn(&mut known, 2, 0.8, None), ["strangers"]);
    }

    #[test]
    fn a_better_shot_counts_more_and_a_worse_one_nothing() {
        let mut known = known(vec![tell("banned", &["banned"], false)]);
        step(&mut known, 0, &[1]);
        assert!(learn(&mut known, 1, 0.6, None).is_empty());
        assert!(learn(&mut known, 1, 0.4, Some(("ann", "banned"))).is_empty(), "a worse shot");
        assert_eq!(learn(&mut known, 1, 0.8, Some(("ann", "banned"))), ["banned"]);
    }

    #[test]
    fn what_comes_too_late_is_for_nobody() {
        let mut known = known(vec![tell("strangers", &[], true)]);
        step(&mut known, 0, &[1]);
        known.clear();
        assert!(learn(&mut known, 1, 0.9, None).is_empty());
    }
}
