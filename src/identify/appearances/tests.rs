//! Who is taken for whom: joins, near misses, bounds, and that nobody is in two places of one picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// A person looks in a direction: two of them are as alike as the cosine of the angle between them.
fn looks(degrees: f32) -> Embedding {
    let space: Arc<str> = "s".into();
    let (sin, cos) = degrees.to_radians().sin_cos();
    Embedding::new(&space, &[cos, sin]).unwrap()
}

/// Two cameras, whose media clocks began at different times.
const CAMERAS: [(&str, u64); 2] = [("door", 0), ("yard", 1000)];

fn taken(camera: usize, second: f64) -> Taken {
    let (name, began) = CAMERAS[camera];
    Taken {
        camera: id(name),
        stretch: Stretch { camera: camera as u32, cuts: 0 },
        pts: MediaTime::from_secs_f64(second),
        mono: Duration::from_secs(began) + Duration::from_secs_f64(second),
        wall: WallTime::default().plus(Duration::from_secs(began) + Duration::from_secs_f64(second)),
    }
}

fn presence(track: TrackId, from: f64, until: f64) -> Presence {
    Presence { track, from: MediaTime::from_secs_f64(from), until: MediaTime::from_secs_f64(until) }
}

struct Stage {
    memory: Appearances,
}

impl Stage {
    fn new(settings: AppearanceSettings) -> Self {
        Self { memory: Appearances::new(settings, fastrand::Rng::with_seed(7)) }
    }

    /// One shot of a track that is there since `from`, with nobody beside it.
    fn shown(&mut self, camera: usize, track: TrackId, from: f64, second: f64, degrees: f32) -> Appearance {
        self.shown_beside(camera, track, &[presence(track, from, second)], second, degrees)
    }

    fn shown_beside(
        &mut self,
        camera: usize,
        track: TrackId,
        present: &[Presence],
        second: f64,
        degrees: f32,
    ) -> Appearance {
        self.memory.shown(&taken(camera, second), track, present, looks(degrees)).unwrap()
    }

    fn left(&mut self, camera: usize, gone: Presence) {
        let last = gone.until.as_secs_f64() + 2.0;
        self.memory.left(&taken(camera, last), &[gone]);
    }
}

fn stage() -> Stage {
    Stage::new(AppearanceSettings::default())
}

#[test]
fn who_leaves_and_comes_to_another_camera_is_the_same_with_when_and_where_he_was_before() {
    let mut stage = stage();
    let first = stage.shown(0, 1, 10.0, 11.0, 0.0);
    assert_eq!((first.before.as_ref(), first.cameras.len()), (None, 0));
    stage.left(0, presence(1, 10.0, 1030.0));
    // The yard's clock is at 100 when the door's is at 1100.
    let again = stage.shown(1, 1, 100.0, 101.0, 10.0);
    assert_eq!((&again.id, again.first_seen), (&first.id, first.first_seen));
    assert_eq!(again.cameras, [id("door")]);
    let before = again.before.unwrap();
    assert_eq!((before.camera, before.away), (id("door"), Duration::from_secs(70)));
    assert_eq!(before.at, WallTime::default().plus(Duration::from_secs(1030)));
    assert!((before.score - 10f32.to_radians().cos()).abs() < 1e-5 && before.threshold == 0.9, "{}", before.score);
    stage.left(1, presence(1, 100.0, 110.0));
    let third = stage.shown(0, 2, 1200.0, 1201.0, 5.0);
    assert_eq!((third.id, third.cameras), (first.id, vec![id("door"), id("yard")]));
    assert_eq!(third.before.unwrap().camera, id("yard"));
}

#[test]
fn who_looks_otherwise_or_like_two_is_somebody_new() {
    let mut stage = stage();
    let ann = stage.shown(0, 1, 0.0, 1.0, 0.0);
    stage.left(0, presence(1, 0.0, 1.0));
    let bob = stage.shown(0, 2, 5.0, 6.0, 40.0);
    stage.left(0, presence(2, 5.0, 6.0));
    assert_ne!(ann.id, bob.id, "a cosine of 0.77");
    let between = stage.shown(0, 3, 10.0, 11.0, 20.0);
    assert!(between.before.is_none(), "as like the one as the other: {between:?}");
    assert!(![&ann.id, &bob.id].contains(&&between.id));
    assert_eq!(stage.memory.len(), 3);
}

#[test]
fn two_who_are_in_sight_together_are_two_however_alike() {
    let mut stage = stage();
    let both = |second: f64| [presence(1, 0.0, second), presence(2, 3.0, second)];
    let first = stage.shown(0, 1, 0.0, 1.0, 0.0);
    let second = stage.shown_beside(0, 2, &both(4.0), 4.0, 1.0);
    assert_ne!(first.id, second.id);
    // The first one has gone, but they were seen together.
    stage.left(0, presence(1, 0.0, 5.0));
    assert_eq!(stage.shown(0, 2, 3.0, 9.0, 0.0).id, second.id);
    stage.left(0, presence(2, 3.0, 10.0));
    // Whoever comes next may be either.
    assert!(stage.shown(0, 3, 20.0, 21.0, 0.5).before.is_none());
}

#[test]
fn a_track_that_is_lost_may_come_back_and_so_nobody_takes_its_place() {
    let mut stage = stage();
    let first = stage.shown(0, 1, 0.0, 1.0, 0.0);
    let behind = stage.shown_beside(0, 2, &[presence(1, 0.0, 2.0), presence(2, 3.0, 4.0)], 4.0, 0.0);
    assert_ne!(first.id, behind.id);
    stage.left(0, presence(1, 0.0, 2.0));
    let joined = stage.shown(0, 2, 3.0, 6.0, 0.0);
    assert_eq!(joined.id, first.id, "it has ended, before this one began");
    assert_eq!(joined.before.unwrap().away, Duration::from_secs(1));
    assert_eq!(stage.memory.len(), 1);
}

#[test]
fn a_better_shot_may_find_who_it_is_but_nobody_is_taken_for_two_in_turn() {
    let mut stage = stage();
    let ann = stage.shown(0, 1, 0.0, 1.0, 0.0);
    stage.left(0, presence(1, 0.0, 1.0));
    let bob = stage.shown(0, 2, 5.0, 6.0, 90.0);
    stage.left(0, presence(2, 5.0, 6.0));
    let blurred = stage.shown(0, 3, 10.0, 11.0, 50.0);
    assert!(blurred.before.is_none());
    assert_eq!(stage.shown(0, 3, 10.0, 12.0, 3.0).id, ann.id);
    assert_eq!(stage.shown(0, 3, 10.0, 13.0, 90.0).id, ann.id, "who was joined stays joined");
    assert_ne!(ann.id, bob.id);
}

#[test]
fn cameras_that_overlap_see_one_person_at_once() {
    let mut stage = stage();
    let first = stage.shown(0, 1, 1000.0, 1001.0, 0.0);
    let other = stage.shown(1, 1, 1.0, 2.0, 3.0);
    assert_eq!((&other.id, other.before.unwrap().away), (&first.id, Duration::ZERO));
}

#[test]
fn whoever_nobody_sees_is_forgotten_and_whoever_stands_there_is_not() {
    let mut stage = stage();
    let forget = AppearanceSettings::default().forget.as_secs_f64();
    let stays = stage.shown(0, 1, 0.0, 1.0, 0.0);
    let goes = stage.shown(0, 2, 0.0, 1.0, 90.0);
    stage.left(0, presence(2, 0.0, 1.0));
    stage.memory.forget(Duration::from_secs_f64(1.0 + forget));
    assert_eq!(stage.memory.len(), 2, "not yet");
    let again = stage.shown(0, 3, 2.0 + forget, 2.0 + forget, 90.0);
    assert!(again.before.is_none() && again.id != goes.id);
    assert_eq!(stage.shown(0, 1, 0.0, 3.0 + forget, 0.0).id, stays.id);
}

#[test]
fn a_cut_in_the_stream_ends_what_can_be_said_of_who_was_beside_whom() {
    let mut stage = stage();
    let first = stage.shown(0, 1, 100.0, 101.0, 0.0);
    stage.left(0, presence(1, 100.0, 101.0));
    // The media clock began anew.
    let mut after = taken(0, 100.5);
    after.stretch.cuts = 1;
    after.mono = Duration::from_secs(200);
    let again = stage.memory.shown(&after, 2, &[presence(2, 100.0, 100.5)], looks(1.0)).unwrap();
    assert_eq!(again.id, first.id);
}

#[test]
fn vectors_of_another_model_are_refused() {
    let mut stage = stage();
    stage.shown(0, 1, 0.0, 1.0, 0.0);
    let other: Arc<str> = "t".into();
    let shot = Embedding::new(&other, &[1.0, 0.0]).unwrap();
    assert!(stage.memory.shown(&taken(0, 2.0), 2, &[], shot).is_err());
}

/// What happens before one of the cameras.
#[derive(Debug, Clone)]
enum Step {
    /// A track begins, if there is room for one.
    Comes { camera: usize, looks: f32 },
    /// The nth of those who are there is shown.
    Shown { nth: usize },
    /// The nth of those who are there goes.
    Goes { nth: usize },
    /// The nth of those who are there is not seen for now, and may be again.
    Hides { nth: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0usize..2, 0.0f32..180.0).prop_map(|(camera, looks)| Step::Comes { camera, looks }),
        6 => (0usize..8).prop_map(|nth| Step::Shown { nth }),
        2 => (0usize..8).prop_map(|nth| Step::Goes { nth }),
        1 => (0usize..8).prop_map(|nth| Step::Hides { nth }),
    ];
    proptest::collection::vec(step, 1..150)
}

#[derive(Debug, Clone)]
struct Walker {
    camera: usize,
    presence: Presence,
    looks: f32,
    is_hidden: bool,
    appearance: Option<Appearance>,
}

proptest! {
    #[test]
    fn nobody_is_in_two_places_of_one_picture_and_the_memory_is_bounded(steps in steps(), most in 1usize..6) {
        let mut stage = Stage::new(AppearanceSettings { most, ..AppearanceSettings::default() });
        let mut there: Vec<Walker> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            let now = at as f64;
            for walker in there.iter_mut().filter(|walker| !walker.is_hidden) {
                walker.presence.until = MediaTime::from_secs_f64(now);
            }
            match step {
                Step::Comes { camera, looks } if there.len() < 8 => there.push(Walker {
                    camera,
                    presence: presence(at as TrackId, now, now),
                    looks,
                    is_hidden: false,
                    appearance: None,
                }),
                Step::Shown { nth } if nth < there.len() => {
                    let Walker { camera, presence: Presence { track, .. }, looks, .. } = there[nth];
                    let present: Vec<Presence> = there.iter()
                        .filter(|w| w.camera == camera && (w.appearance.is_some() || w.presence.track == track))
                        .map(|w| w.presence)
                        .collect();
                    there[nth].is_hidden = false;
                    let shown = stage.shown_beside(camera, track, &present, now, looks);
                    if let Some(before) = &shown.before {
                        prop_assert!(before.score >= before.threshold && before.margin >= before.least_margin);
                    }
                    there[nth].appearance = Some(shown);
                }
                Step::Goes { nth } if nth < there.len() => {
                    let gone = there.remove(nth);
                    stage.memory.left(&taken(gone.camera, now), &[gone.presence]);
                }
                Step::Hides { nth } if nth < there.len() => there[nth].is_hidden = true,
                _ => {}
            }
            prop_assert!(stage.memory.len() <= most);
            // Who is before one camera at once are as many people as tracks.
            let mut ids: BTreeMap<(usize, &str), TrackId> = BTreeMap::new();
            for walker in &there {
                let Some(appearance) = &walker.appearance else { continue };
                let other = ids.insert((walker.camera, &appearance.id), walker.presence.track);
                prop_assert!(other.is_none(), "{other:?} and {walker:?}");
            }
        }
    }
}
