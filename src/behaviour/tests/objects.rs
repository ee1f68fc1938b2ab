//! What is left and removed, as the background model tells of it.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::super::*;
use super::scene::*;
use crate::vocab::{
    EndReason, FiringKind, FiringPhase, MediaTime, Owner, Polygon, Rect, RegionChange, StaticRegion, WallTime,
};

fn rules(kind: impl FnOnce(ObjectLimits) -> RuleKind, owner_away: u64) -> Rules {
    let limits =
        ObjectLimits { seconds: Duration::from_secs(30), owner_away: Duration::from_secs(owner_away), max_area: 0.1 };
    let polygon = Polygon::new(LEFT_HALF.map(Into::into).to_vec()).unwrap();
    let mut rule = rule("alone", kind(limits));
    rule.min_area = 0.001;
    let settings = Settings { zones: vec![Zone::new(id("yard"), polygon)], rules: vec![rule], ..Settings::default() };
    Rules::new(settings, labels(), TimeZone::UTC)
}

fn left(limits: ObjectLimits) -> RuleKind {
    RuleKind::ObjectLeft { zone: id("yard"), limits }
}

fn bag() -> StaticRegion {
    StaticRegion {
        id: 3,
        change: RegionChange::Left,
        bbox: Rect::new(0.2, 0.6, 0.25, 0.7),
        area: 0.004,
        since: MediaTime::from_millis(10_000),
        contrast: 41.7,
        is_covered: false,
        owner: None,
    }
}

/// What is said at `second`, with these regions, while nobody looks.
fn at(rules: &mut Rules, second: u64, regions: &[StaticRegion]) -> Vec<(FiringPhase, Option<EndReason>)> {
    rules.set_regions(regions);
    let said = rules.tick(MediaTime::from_millis(second * 1000), WallTime::from_unix_nanos(NOON));
    said.iter().map(|f| (f.phase, EndReason::among(&f.measures))).collect()
}

const START: (FiringPhase, Option<EndReason>) = (FiringPhase::Start, None);
const CEASED: (FiringPhase, Option<EndReason>) = (FiringPhase::End, Some(EndReason::Ceased));

#[test]
fn a_bag_is_told_once_after_its_time_and_ends_when_it_is_taken() {
    let mut rules = rules(left, 0);
    assert_eq!(at(&mut rules, 39, &[bag()]), []);
    assert_eq!(at(&mut rules, 40, &[bag()]), [START]);
    assert_eq!(at(&mut rules, 90, &[bag()]), []);
    assert_eq!(
        at(&mut rules, 95, &[StaticRegion { is_covered: true, ..bag() }]),
        [],
        "somebody before it ends nothing"
    );
    assert_eq!(at(&mut rules, 100, &[]), [CEASED]);
    let again = StaticRegion { id: 4, ..bag() };
    assert_eq!(at(&mut rules, 101, &[again]), [], "the same again within the cooldown");
    assert_eq!(at(&mut rules, 111, &[again]), [START]);
}

#[test]
fn what_it_is_not_about_is_not_told() {
    let others = [
        StaticRegion { change: RegionChange::Removed, ..bag() },
        StaticRegion { bbox: Rect::new(0.7, 0.6, 0.75, 0.7), ..bag() },
        StaticRegion { area: 0.2, ..bag() },
        StaticRegion { area: 0.0005, ..bag() },
        StaticRegion { is_covered: true, ..bag() },
    ];
    for other in others {
        assert_eq!(at(&mut rules(left, 0), 60, &[other]), [], "{other:?}");
    }
    let mut removed = rules(|limits| RuleKind::ObjectRemoved { zone: id("yard"), limits }, 0);
    assert_eq!(at(&mut removed, 60, &[others[0]]), [START]);
}

#[test]
fn an_owner_who_is_near_holds_it_back_and_is_told_of() {
    let mut rules = rules(left, 15);
    let near = |second: u64| {
        let near = MediaTime::from_millis(second * 1000);
        StaticRegion { owner: Some(Owner { track: 12, distance: 1.5, near }), ..bag() }
    };
    assert_eq!(at(&mut rules, 50, &[near(45)]), []);
    assert_eq!(at(&mut rules, 59, &[near(45)]), []);
    rules.set_regions(&[near(45)]);
    let said = rules.tick(MediaTime::from_millis(60_000), WallTime::from_unix_nanos(NOON)).to_vec();
    assert_eq!((said.len(), said[0].kind, said[0].key), (1, FiringKind::ObjectLeft, 3));
    assert_eq!(said[0].region, Some(bag().bbox));
    let measures: Vec<String> =
        said[0].measures.iter().map(|m| format!("{}={} of {:?}", m.name, m.value, m.limit)).collect();
    let expected = [
        "still_s=50 of Some(30.0)",
        "area=0.004 of Some(0.1)",
        "contrast=42 of None",
        "owner_track=12 of None",
        "owner_left_s=15 of Some(15.0)",
        "owner_distance_heights=1.5 of None",
    ];
    assert_eq!(measures, expected);
}

#[test]
fn after_a_cut_what_was_told_is_not_told_again() {
    let mut rules = rules(left, 0);
    assert_eq!(at(&mut rules, 40, &[bag()]), [START]);
    let ended: Vec<_> = rules.reset(MediaTime::from_millis(50_000)).iter().map(|f| f.phase).collect();
    assert_eq!(ended, [FiringPhase::End]);
    assert_eq!(at(&mut rules, 60, &[bag()]), []);
    assert_eq!(at(&mut rules, 61, &[]), []);
    assert_eq!(at(&mut rules, 62, &[StaticRegion { id: 9, ..bag() }]), [START], "another one");
}
