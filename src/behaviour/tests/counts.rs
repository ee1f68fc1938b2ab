//! Live counts of zones and lasting counts of lines.

use std::collections::BTreeMap;

use super::super::*;
use super::scene::*;
use crate::vocab::{MediaTime, Place};

fn passes(fps: f64, n: u64) -> Scene {
    let scene = Scene::new(fps).line("gate", [0.5, 0.2], [0.5, 0.8]).zone("yard", LEFT_HALF);
    (1..=n).fold(scene, |scene, i| scene.add(person(i).waits(i as f64).stands((0.3, 0.5), 0.5).walks((0.7, 0.5), 1.0)))
}

#[test]
fn every_zone_and_line_is_counted_without_any_rule() {
    let scene = passes(10.0, 3).add(car(9).stands((0.8, 0.5), 1.0).walks((0.2, 0.5), 1.0).stands((0.2, 0.5), 30.0));
    let scene =
        scene.add(person(10).waits(28.0).stands((0.1, 0.5), 10.0)).at_times((0..310).map(|i| f64::from(i) / 10.0));
    let (firings, rules) = scene.play_all();
    assert!(firings.is_empty());
    let counts: Vec<Count> = rules.counts().collect();
    let of = |occupancy, left_to_right, right_to_left| LabelCount { occupancy, left_to_right, right_to_left };
    let yard = Count {
        place: Place::Zone(id("yard")),
        occupancy: 2,
        left_to_right: 0,
        right_to_left: 0,
        by_label: BTreeMap::from([("car".into(), of(1, 0, 0)), ("person".into(), of(1, 0, 0))]),
        journeys: BTreeMap::new(),
    };
    let gate = Count {
        place: Place::Line(id("gate")),
        occupancy: 0,
        left_to_right: 1,
        right_to_left: 3,
        by_label: BTreeMap::from([("car".into(), of(0, 1, 0)), ("person".into(), of(0, 0, 3))]),
        journeys: BTreeMap::new(),
    };
    assert_eq!(counts, [yard, gate]);
}

#[test]
fn counts_of_lines_survive_a_restart() {
    let (_, rules) = passes(10.0, 3).play_all();
    let kept = serde_json::to_string(rules.saved_counts()).unwrap();
    assert_eq!(kept, r#"{"lines":{"gate":{"person":{"left_to_right":0,"right_to_left":3}}},"journeys":{}}"#);

    let (_, mut rules) = passes(10.0, 2).play_all();
    rules.restore_counts(serde_json::from_str(&kept).unwrap());
    assert_eq!(rules.counts().nth(1).unwrap().right_to_left, 5);
}

/// From the line `a` to the line `b`, as often as somebody goes.
fn journeys(n: u64) -> Scene {
    let any = Direction::Any;
    let seconds = std::time::Duration::from_secs(60);
    let kind = RuleKind::Journey { line: id("a"), direction: any, then: id("b"), then_direction: any, seconds };
    let scene = Scene::new(10.0)
        .line("a", [0.3, 0.0], [0.3, 1.0])
        .line("b", [0.6, 0.0], [0.6, 1.0])
        .rule(rule("through", kind));
    (1..=n).fold(scene, |scene, i| scene.add(person(i).waits(i as f64).stands((0.1, 0.5), 0.5).walks((0.9, 0.5), 3.0)))
}

#[test]
fn counts_of_journeys_survive_a_restart_and_are_told_at_the_line_where_they_end() {
    let (said, rules) = journeys(3).play_all();
    assert_eq!(said.len(), 3);
    let kept = serde_json::to_string(rules.saved_counts()).unwrap();
    let (_, mut rules) = journeys(2).play_all();
    rules.restore_counts(serde_json::from_str(&kept).unwrap());
    let counts: Vec<Count> = rules.counts().collect();
    assert!(counts[0].journeys.is_empty());
    assert_eq!(counts[1].journeys, BTreeMap::from([(id("through"), 5)]));
    // What an older program kept knows nothing of journeys.
    rules.restore_counts(serde_json::from_str(r#"{"lines":{}}"#).unwrap());
    assert_eq!(rules.saved_counts().of_journey(&id("through")), 5);
}

#[test]
fn counts_of_a_line_that_is_not_configured_now_are_kept_for_later() {
    let (_, rules) = passes(10.0, 3).play_all();
    let mut without = Rules::new(Settings::default(), labels(), jiff::tz::TimeZone::UTC);
    without.restore_counts(rules.saved_counts().clone());
    assert_eq!(without.counts().count(), 0);
    assert_eq!(without.saved_counts(), rules.saved_counts());
}

#[test]
fn the_revision_grows_exactly_when_a_count_changes() {
    let mut rules = Rules::new(
        Settings { zones: vec![Zone::new(id("all"), crate::vocab::Polygon::whole_picture())], ..Settings::default() },
        labels(),
        jiff::tz::TimeZone::UTC,
    );
    let (mut last, mut seen) = (rules.counts_revision(), rules.counts().next().unwrap());
    let track = |id, t: u64| crate::vocab::Track {
        state: crate::vocab::TrackState::Confirmed,
        last_seen: MediaTime::from_millis(t),
        hits: 9,
        ..crate::vocab::Track::new(
            id,
            (id % 2) as u16,
            0.9,
            crate::vocab::Rect::new(0.1 * id as f32, 0.1, 0.1 * id as f32 + 0.05, 0.3),
            MediaTime::ZERO,
        )
    };
    let mut changes = 0;
    for t in (0..20_000).step_by(100) {
        let tracks: Vec<_> = (0..(t / 2_000) % 4).map(|i| track(i, t)).collect();
        rules.step(MediaTime::from_millis(t), Default::default(), &tracks);
        let (revision, count) = (rules.counts_revision(), rules.counts().next().unwrap());
        assert_eq!(revision != last, count != seen, "at {t} ms");
        changes += u64::from(revision != last);
        (last, seen) = (revision, count);
    }
    assert!(changes > 4);
}
