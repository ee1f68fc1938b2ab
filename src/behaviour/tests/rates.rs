//! All rules at once, over crowds of random walkers: the frame rate and the size of the picture change no outcome beyond what
//! is at a limit, there is no alert without a track, and nothing grows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::Rule;
use super::model::every_rule;
use super::scene::*;
use crate::vocab::{Firing, FiringPhase};

/// Somebody who goes from place to place.
#[derive(Debug, Clone)]
struct Walker {
    class: u16,
    enters: f64,
    places: Vec<(f32, f32, f64)>,
}

fn any_walker() -> impl Strategy<Value = Walker> {
    let place = (0.05f32..0.95, 0.3f32..0.98, 1.0f64..5.0);
    (0u16..2, 0.0f64..4.0, prop::collection::vec(place, 2..5)).prop_map(|(class, enters, places)| Walker {
        class,
        enters,
        places,
    })
}

fn stage(fps: f64, picture: (u32, u32), walkers: &[Walker]) -> Scene {
    let scene = Scene::new(fps).settings(|s| *s = every_rule()).picture(picture.0, picture.1);
    walkers.iter().enumerate().fold(scene, |scene, (i, walker)| {
        let (x, y, _) = walker.places[0];
        let actor = person(i as u64 + 1).label(walker.class).waits(walker.enters).stands((x, y), 0.0);
        scene.add(walker.places[1..].iter().fold(actor, |actor, (x, y, lasting)| actor.walks((*x, *y), *lasting)))
    })
}

/// How many happenings of each rule there are.
fn told(firings: &[Firing]) -> BTreeMap<String, i32> {
    let mut told = BTreeMap::new();
    for firing in firings.iter().filter(|f| matches!(f.phase, FiringPhase::Start | FiringPhase::Instant)) {
        *told.entry(firing.rule.to_string()).or_insert(0) += 1;
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_size_of_the_picture_changes_nothing(walkers in prop::collection::vec(any_walker(), 0..5)) {
        let (large, _) = stage(10.0, (3840, 2160), &walkers).play_all();
        let (small, _) = stage(10.0, (640, 360), &walkers).play_all();
        prop_assert_eq!(large, small);
    }

    #[test]
    fn the_frame_rate_changes_only_what_is_at_a_limit(walkers in prop::collection::vec(any_walker(), 0..4)) {
        let at = |fps| told(&stage(fps, (1920, 1080), &walkers).play_all().0);
        let rates: Vec<BTreeMap<String, i32>> = [4.0, 8.0, 25.0].into_iter().map(at).collect();
        // Without a cooldown whatever hovers about a limit is told again and again.
        let rules: Vec<Rule> = every_rule().rules.into_iter().filter(|rule| !rule.cooldown().is_zero()).collect();
        for rule in rules.iter().map(|rule| rule.id.as_str()) {
            let counts: Vec<i32> = rates.iter().map(|told| told.get(rule).copied().unwrap_or(0)).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            // A limit may be met for just as long as it must be: one walker more or less, at each rule.
            prop_assert!(most - least <= 1 + walkers.len() as i32 / 2, "{}: {:?}", rule, counts);
        }
    }

    #[test]
    fn without_a_track_nothing_is_told(fps in 2.0f64..25.0) {
        let nobody = person(1).waits(60.0);
        let (firings, _) = Scene::new(fps).settings(|s| *s = every_rule()).add(nobody).play_all();
        prop_assert!(firings.is_empty(), "{:?}", firings);
    }
}

#[test]
fn a_thousand_tracks_more_are_no_more_to_remember() {
    // All that is remembered is in the debug form.
    let remembered = |tracks: u64| {
        let scene = Scene::new(10.0).settings(|s| *s = every_rule());
        let scene = (0..tracks).fold(scene, |scene, i| {
            let y = 0.3 + 0.2 * (i % 4) as f32;
            let actor = person(i + 1).label((i % 2) as u16).waits(0.3 * i as f64);
            scene.add(actor.stands((0.05, y), 0.0).walks((0.95, y), 2.0))
        });
        format!("{:?}", scene.play_all().1).len()
    };
    let (few, many) = (remembered(200), remembered(1_200));
    assert!(many < few * 5 / 4, "{few} bytes after 200 tracks, {many} after 1200");
}
