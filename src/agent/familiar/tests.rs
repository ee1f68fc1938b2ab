//! Who is due, what is said of whom, and who is told of.

use std::time::Duration;

use super::*;
use crate::vocab::{Rect, SeenBefore, Subject, WallTime};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn tell(name: &str, from: &[&str]) -> TellAgain {
    TellAgain { id: id(name), from: from.iter().map(|camera| id(camera)).collect(), severity: Severity::Event }
}

fn familiar(tell: Vec<TellAgain>) -> Familiar {
    Familiar::new(Settings { camera: id("yard"), tell }, &Labels::new(["person", "car"]))
}

fn track(number: TrackId, left: f32, state: TrackState) -> Track {
    Track {
        state,
        last_seen: MediaTime::from_millis(100 * number + 50),
        hits: 9,
        ..Track::new(number, 0, 0.9, Rect::new(left, 0.2, left + 0.1, 0.8), MediaTime::from_millis(100 * number))
    }
}

fn there(number: TrackId, left: f32) -> Track {
    track(number, left, TrackState::Confirmed)
}

fn step(familiar: &mut Familiar, millis: u64, tracks: &[Track]) -> Option<Word> {
    let mut frame = Frame::from_i420(640, 360, vec![0; 640 * 360 * 3 / 2]).unwrap();
    frame.pts = MediaTime::from_millis(millis);
    familiar.step(&frame, tracks);
    familiar.take_word()
}

fn due(familiar: &mut Familiar, millis: u64, tracks: &[Track]) -> Option<TrackId> {
    step(familiar, millis, tracks)?.due.map(|due| due.track)
}

fn seen(camera: Option<&str>) -> Appearance {
    let before = camera.map(|camera| SeenBefore {
        camera: id(camera),
        at: WallTime::default(),
        away: Duration::from_secs(35),
        score: 0.94,
        threshold: 0.9,
        margin: 0.3,
        least_margin: 0.03,
    });
    let cameras = camera.map(id).into_iter().collect();
    Appearance { id: "p-1".to_owned(), first_seen: WallTime::default(), cameras, before, space: "s".to_owned() }
}

fn told(familiar: &mut Familiar, number: TrackId, appearance: Appearance) -> Vec<String> {
    familiar.seen_again(number, appearance).into_iter().map(|(rule, ..)| rule.to_string()).collect()
}

#[test]
fn people_who_are_shown_well_take_turns_and_nobody_is_described_for_ever() {
    let mut familiar = familiar(vec![]);
    let mut car = there(3, 0.6);
    car.class = 1;
    let tracks = [there(1, 0.1), there(2, 0.3), car, track(4, 0.8, TrackState::Lost), there(5, 0.95)];
    let order: Vec<_> = (0..4).map(|at| due(&mut familiar, at * 200, &tracks)).collect();
    assert_eq!(order, [Some(1), Some(2), None, None]);
    let later = (4..1000).filter_map(|at| due(&mut familiar, at * 200, &tracks)).count();
    assert_eq!(later, 4, "two more of each");
}

#[test]
fn who_was_described_is_among_those_present_and_told_of_when_he_has_gone() {
    let mut familiar = familiar(vec![]);
    let both = [there(1, 0.1), there(2, 0.3)];
    let first = step(&mut familiar, 1000, &both).unwrap();
    assert_eq!(first.present.iter().map(|p| p.track).collect::<Vec<_>>(), [1]);
    let second = step(&mut familiar, 1200, &both).unwrap();
    assert_eq!(second.present.iter().map(|p| p.track).collect::<Vec<_>>(), [1, 2]);
    let gone = step(&mut familiar, 1400, &[track(1, 0.1, TrackState::Ended), there(2, 0.3)]).unwrap();
    let presence = Presence { track: 1, from: MediaTime::from_millis(100), until: MediaTime::from_millis(150) };
    assert_eq!((gone.due, gone.gone), (None, vec![presence]));
    assert_eq!(step(&mut familiar, 1600, &both[1..]), None, "it is told once");
}

#[test]
fn a_cut_is_the_end_of_all_and_is_told_as_of_before_it() {
    let mut familiar = familiar(vec![]);
    step(&mut familiar, 1000, &[there(1, 0.1)]);
    familiar.cut();
    let after = step(&mut familiar, 10, &[there(2, 0.1)]).unwrap();
    assert_eq!((after.cuts, after.pts, after.gone.len()), (0, MediaTime::from_millis(1000), 1));
    let after = familiar.take_word().unwrap();
    assert_eq!((after.cuts, after.due.map(|due| due.track)), (1, Some(2)));
    assert!(told(&mut familiar, 1, seen(Some("door"))).is_empty(), "what comes too late is for nobody");
}

#[test]
fn who_comes_from_a_camera_that_is_asked_for_is_told_once() {
    let tells = vec![tell("any", &[]), tell("door", &["door"]), tell("pause", &["yard"])];
    let mut familiar = familiar(tells);
    step(&mut familiar, 0, &[there(1, 0.1)]);
    assert!(told(&mut familiar, 1, seen(None)).is_empty(), "nobody saw him before");
    assert_eq!(told(&mut familiar, 1, seen(Some("door"))), ["any", "door"]);
    assert!(told(&mut familiar, 1, seen(Some("door"))).is_empty());
    step(&mut familiar, 200, &[there(1, 0.1), there(2, 0.5)]);
    assert_eq!(told(&mut familiar, 2, seen(Some("yard"))), ["pause"]);
}

#[test]
fn the_events_of_a_track_say_whether_it_was_seen_before() {
    let mut familiar = familiar(vec![]);
    step(&mut familiar, 0, &[there(1, 0.1)]);
    told(&mut familiar, 1, seen(Some("door")));
    let name = |familiar: &Familiar, number| {
        let mut events = [event(number)];
        familiar.name(&mut events);
        let [event] = events;
        event.subject.unwrap().appearance
    };
    assert_eq!(name(&familiar, 1), Some(seen(Some("door"))));
    assert_eq!(name(&familiar, 2), None);
    familiar.clear();
    assert_eq!(name(&familiar, 1), None);
}

fn event(number: TrackId) -> Event {
    let subject = Subject {
        track: number,
        label: "person".to_owned(),
        bbox: Rect::new(0.1, 0.1, 0.3, 0.9),
        score: 0.9,
        best_score: 0.9,
        age_ms: 0,
        identity: None,
        appearance: None,
    };
    let labels = Labels::new(["person"]);
    let mut narrator = crate::event::Narrator::new(crate::event::Settings::new(id("gate"), Some(id("yard")), 1));
    let context = crate::event::Context {
        pts: MediaTime::ZERO,
        captured: WallTime::default(),
        clock: crate::vocab::ClockState::Synced,
        model: None,
        config_revision: "one",
        labels: &labels,
    };
    let notice = crate::event::Notice::CodecChange;
    Event { subject: Some(subject), ..narrator.notice(&notice, &context) }
}
