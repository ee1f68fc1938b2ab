//! Rules that are about some people alone, or about everybody but some.

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::*;
use super::model::{Ledger, Step, Tracker, any_step, every_rule};
use super::scene::*;
use crate::vocab::{
    EndReason, Firing, FiringKind, FiringPhase, Id, Identity, KnownPerson, Measure, MediaTime, Segment, Track, TrackId,
    WallTime,
};

/// A face that looks like somebody of the gallery, who is on a list, or like nobody.
fn face(who: Option<(&str, &str)>) -> Identity {
    let person = who.map(|(who, list)| KnownPerson { id: id(who), name: who.to_uppercase(), lists: vec![id(list)] });
    Identity {
        score: if person.is_some() { 0.71 } else { 0.2 },
        person,
        threshold: 0.45,
        margin: 0.3,
        least_margin: 0.05,
        space: "s".to_owned(),
        gallery: 3,
    }
}

fn staff() -> Identity {
    face(Some(("ada", "staff")))
}

fn banned() -> Identity {
    face(Some(("bob", "banned")))
}

fn except(name: &str, rule: Rule) -> Rule {
    Rule { who: Some(Who::Except(vec![id(name)])), ..rule }
}

fn only(name: &str, rule: Rule) -> Rule {
    Rule { who: Some(Who::Only(vec![id(name)])), ..rule }
}

/// The yard is the left half; somebody stands in it for ten seconds.
fn yard(rule: Rule) -> Scene {
    Scene::new(10.0).zone("yard", LEFT_HALF).rule(rule).add(person(1).stands((0.2, 0.5), 10.0))
}

fn measure(firing: &Firing, name: &str) -> Option<(f64, Option<f64>)> {
    firing.measures.iter().find(|m| m.name == name).map(|m| (m.value, m.limit))
}

#[test]
fn one_of_the_staff_raises_nothing_by_list_or_by_person() {
    for name in ["staff", "ada"] {
        let rule = except(name, intrusion("in", "yard"));
        assert_eq!(yard(rule.clone()).recognises(0.0, 1, staff()).play(), [""; 0], "{name}");
        let others = yard(rule).recognises(0.0, 1, banned()).play();
        assert_eq!(others, ["start in #1 @0.0", "end in #1 @9.9 unseen"], "{name}");
    }
}

#[test]
fn what_began_before_the_face_was_recognised_ends_then_and_says_why() {
    let (firings, _) = yard(except("staff", intrusion("in", "yard"))).recognises(4.0, 1, staff()).play_all();
    assert_eq!(spans(&firings, "in"), [(1, 0.0, 4.0, EndReason::Identity)]);
    assert!(firings[0].identity.is_none(), "nobody knew then: {firings:?}");
    let end = firings.last().unwrap();
    assert_eq!(end.identity.as_deref(), Some(&staff()));
    assert_eq!(measure(end, Measure::LIKENESS), Some((0.71, Some(0.45))));
    assert_eq!(measure(end, Measure::LIKENESS_MARGIN), Some((0.3, Some(0.05))));
}

#[test]
fn a_rule_about_some_begins_when_one_of_them_is_recognised() {
    let scene = || yard(only("banned", intrusion("in", "yard")));
    assert_eq!(scene().play(), [""; 0], "nobody knows who it is");
    assert_eq!(scene().recognises(3.0, 1, face(None)).play(), [""; 0], "nobody of the gallery");
    assert_eq!(scene().recognises(3.0, 1, staff()).play(), [""; 0], "somebody else");
    let (firings, _) = scene().recognises(3.0, 1, banned()).play_all();
    assert_eq!(spans(&firings, "in"), [(1, 3.0, 9.9, EndReason::Unseen)]);
    assert_eq!(firings[0].identity.as_deref(), Some(&banned()));
    assert!(measure(&firings[0], Measure::LIKENESS).is_some());
}

#[test]
fn a_better_look_at_the_face_may_say_otherwise() {
    let said = yard(only("banned", intrusion("in", "yard"))).recognises(3.0, 1, banned()).recognises(6.0, 1, staff());
    assert_eq!(said.play(), ["start in #1 @3.0", "end in #1 @6.0 identity"]);
    let mut rule = except("staff", intrusion("in", "yard"));
    rule.cooldown = Some(Duration::from_secs(1));
    let said = yard(rule).recognises(2.0, 1, staff()).recognises(6.0, 1, face(None)).play();
    let expected = ["start in #1 @0.0", "end in #1 @2.0 identity", "start in #1 @6.0", "end in #1 @9.9 unseen"];
    assert_eq!(said, expected, "a stranger who was taken for one of the staff is told");
}

#[test]
fn who_is_recognised_late_has_been_there_since_he_came() {
    let scene = |at| yard(only("banned", loitering("hang", "yard", 5))).recognises(at, 1, banned());
    assert_eq!(scene(2.0).play()[0], "start hang #1 @5.0");
    let (firings, _) = scene(8.0).play_all();
    assert_eq!(spans(&firings, "hang")[0].1, 8.0, "not before it was known who he is");
    assert_eq!(measure(&firings[0], Measure::DWELL), Some((8.0, Some(5.0))));
}

#[test]
fn whoever_is_not_recognised_is_told_beside_one_of_the_staff() {
    let scene = yard(except("staff", intrusion("in", "yard"))).add(person(2).stands((0.4, 0.5), 10.0));
    let said = scene.recognises(3.0, 2, staff()).play();
    let expected = ["start in #1 @0.0", "start in #2 @0.0", "end in #2 @3.0 identity", "end in #1 @9.9 unseen"];
    assert_eq!(said, expected);
}

#[test]
fn it_ends_while_nothing_is_looked_at_too() {
    let scene = yard(except("staff", intrusion("in", "yard"))).blind(2.0, 8.0).recognises(4.0, 1, staff());
    assert_eq!(scene.play(), ["start in #1 @0.0", "end in #1 @4.0 identity"]);
}

#[test]
fn a_new_number_for_the_same_object_is_the_same_person_until_his_own_face_is_seen() {
    let twice = || {
        let rule = except("staff", intrusion("in", "yard"));
        let again = person(1).stands((0.2, 0.5), 4.0).waits(0.5).renumbered(7).stands((0.2, 0.5), 8.0);
        Scene::new(10.0).zone("yard", LEFT_HALF).rule(rule).add(again).recognises(0.0, 1, staff())
    };
    assert_eq!(twice().play(), [""; 0]);
    assert_eq!(twice().recognises(8.0, 7, face(None)).play()[0], "start in #1 @8.0");
    assert_eq!(twice().cut(4.2).play()[0], "start in #7 @4.5", "nobody is anybody after a cut");
}

#[test]
fn those_who_are_left_out_are_not_counted_and_their_number_is_told() {
    let rule = except("staff", occupancy("two", "yard", 2, 0));
    let scene = || yard(rule.clone()).add(person(2).stands((0.4, 0.5), 10.0));
    assert_eq!(scene().recognises(0.0, 2, staff()).play(), [""; 0]);
    let said = scene().recognises(5.0, 2, staff()).play();
    assert_eq!(said, ["start two #0 @0.0", "end two #0 @5.0 identity"]);
    let (firings, _) = scene().add(person(3).stands((0.3, 0.5), 10.0)).recognises(0.0, 2, staff()).play_all();
    assert_eq!(measure(&firings[0], Measure::LEFT_OUT), Some((1.0, None)), "{firings:?}");
    assert_eq!(measure(&firings[0], Measure::COUNT).unwrap().0, 2.0);
}

#[test]
fn what_is_told_of_a_zone_ends_at_once_where_too_few_are_left() {
    let queue = |wait| RuleKind::Queue {
        zone: id("yard"),
        at_least: if wait == 0 { 2 } else { 0 },
        wait: Duration::from_secs(wait),
        seconds: Duration::from_secs(1),
    };
    let within = Distance::Heights(2.0);
    let gathering = RuleKind::Gathering { zone: id("yard"), at_least: 2, within, seconds: Duration::from_secs(1) };
    for kind in [queue(0), queue(4), gathering] {
        let scene = yard(except("staff", rule("r", kind.clone()))).add(person(2).stands((0.3, 0.5), 9.0));
        let scene = scene.recognises(7.0, 1, staff()).recognises(7.0, 2, staff());
        let (firings, _) = scene.play_all();
        let found = spans(&firings, "r");
        assert_eq!((found.len(), found[0].2, found[0].3), (1, 7.0, EndReason::Identity), "{kind:?} {found:?}");
        // Whoever leaves is not recognised: the second of calm is kept.
        let scene = yard(except("staff", rule("r", kind.clone()))).add(person(2).stands((0.3, 0.5), 9.0));
        let (firings, _) = scene.recognises(0.0, 3, staff()).play_all();
        assert_eq!(spans(&firings, "r")[0].3, EndReason::Ceased, "{kind:?}");
    }
}

#[test]
fn how_somebody_behaves_ends_as_well() {
    let over = Speed::Heights(0.5);
    let running = RuleKind::Running { zone: id("all"), over, seconds: Duration::from_secs(1) };
    let runs = person(1).stands((0.05, 0.5), 0.0).walks((0.95, 0.5), 6.0);
    let scene = |rule| Scene::new(10.0).zone("all", WHOLE).rule(rule).add(runs.clone());
    let (firings, _) = scene(except("staff", rule("run", running.clone()))).recognises(4.0, 1, staff()).play_all();
    let found = spans(&firings, "run");
    assert_eq!((found.len(), found[0].2, found[0].3), (1, 4.0, EndReason::Identity));
    assert_eq!(scene(except("staff", rule("run", running))).recognises(0.0, 1, staff()).play(), [""; 0]);

    let fall = RuleKind::Fall { zone: id("all"), seconds: Duration::from_secs(1) };
    let falls = person(1).size(0.2, 0.6).stands((0.5, 0.9), 3.0);
    let falls = falls.turns((0.55, 0.9), (0.45, 0.2), 0.7).stands((0.55, 0.9), 6.0);
    let scene = |rule| Scene::new(10.0).zone("all", WHOLE).rule(rule).add(falls.clone());
    let (firings, _) = scene(except("staff", rule("fall", fall))).recognises(7.0, 1, staff()).play_all();
    let found = spans(&firings, "fall");
    assert_eq!((found.len(), found[0].2, found[0].3), (1, 7.0, EndReason::Identity), "{firings:?}");
}

#[test]
fn a_line_is_crossed_by_whoever_was_recognised_before() {
    let line = |rule| {
        let crosses = person(1).stands((0.2, 0.5), 2.0).walks((0.8, 0.5), 3.0).stands((0.8, 0.5), 2.0);
        Scene::new(10.0).line("gate", [0.5, 1.0], [0.5, 0.0]).rule(rule).add(crosses)
    };
    let pass = || crossing("pass", "gate", Direction::Any);
    let told = |scene: Scene| scene.play().len();
    assert_eq!(told(line(except("staff", pass())).recognises(1.0, 1, staff())), 0);
    assert_eq!(told(line(except("staff", pass())).recognises(6.0, 1, staff())), 1, "known too late");
    assert_eq!(told(line(only("banned", pass())).recognises(1.0, 1, banned())), 1);
    assert_eq!(told(line(only("banned", pass())).recognises(6.0, 1, banned())), 0, "known too late");
}

#[test]
fn a_stranger_who_follows_one_of_the_staff_tailgates_and_not_the_other_way_round() {
    let tail = RuleKind::Tailgating { line: id("door"), direction: Direction::Any, seconds: Duration::from_secs(2) };
    let passes = |number, at: f64| person(number).waits(at).stands((0.1, 0.6), 0.0).walks((0.9, 0.6), 4.0);
    let follows = |first, second| {
        let scene = Scene::new(10.0).line("door", [0.5, 1.0], [0.5, 0.0]);
        let scene = scene.rule(except("staff", rule("tail", tail.clone())));
        scene.add(passes(first, 1.0)).add(passes(second, 2.0)).recognises(0.0, 1, staff()).play().len()
    };
    assert_eq!((follows(1, 2), follows(2, 1)), (1, 0));
}

#[test]
fn a_rule_that_asks_for_nobody_says_nothing_of_who_it_is() {
    let scene = yard(intrusion("in", "yard")).rule(except("staff", intrusion("others", "yard")));
    let (firings, _) = scene.recognises(0.0, 1, banned()).play_all();
    let told = |rule: &str| firings.iter().find(|f| f.rule.as_str() == rule).unwrap().clone();
    assert!(told("in").identity.is_none() && measure(&told("in"), Measure::LIKENESS).is_none());
    assert!(told("others").identity.is_some());
}

#[test]
fn a_car_is_never_one_of_the_staff() {
    let way = Segment { from: [0.9, 0.5].into(), to: [0.1, 0.5].into() };
    let kind = RuleKind::WrongWay { zone: id("all"), way, seconds: Duration::from_secs(1) };
    let scene = |rule| {
        let walks = car(1).stands((0.1, 0.5), 0.0).walks((0.9, 0.5), 6.0);
        Scene::new(10.0).zone("all", WHOLE).rule(rule).add(walks).play().len()
    };
    assert_eq!(scene(except("staff", rule("way", kind.clone()))), 2);
    assert_eq!(scene(only("staff", rule("way", kind))), 0);
}

/// Who a track is taken for, at some moments: one of the staff, somebody else, or nobody.
fn any_word() -> impl Strategy<Value = Option<(TrackId, Identity)>> {
    let who = prop_oneof![2 => Just(staff()), 1 => Just(banned()), 1 => Just(face(None))];
    prop_oneof![3 => Just(None), 2 => (1u64..6, who).prop_map(Some)]
}

/// Tracks that were taken for one of the staff, and when they were reported last.
#[derive(Default)]
struct Staff(HashMap<TrackId, MediaTime>);

impl Staff {
    fn learn(&mut self, track: TrackId, identity: &Identity, now: MediaTime) {
        if is_staff(identity) {
            self.0.insert(track, now);
        } else {
            self.0.remove(&track);
        }
    }

    fn report(&mut self, tracks: &[Track], now: MediaTime) {
        for track in tracks {
            self.0.entry(track.id).and_modify(|reported| *reported = now);
        }
        self.0.retain(|_, reported| now.since(*reported) < Duration::from_secs(60));
    }
}

fn is_staff(identity: &Identity) -> bool {
    identity.person.as_ref().is_some_and(|person| person.lists.contains(&id("staff")))
}

/// Every rule there is, asking for `who`, which tells with each look whom it is about.
fn all_asking(who: Who) -> Settings {
    let mut settings = Settings { suppress: Vec::new(), update_every: Duration::ZERO, ..every_rule() };
    settings.rules.iter_mut().for_each(|rule| rule.who = Some(who.clone()));
    settings
}

/// Plays `steps`, before each of which a track may be recognised, and tells `judge` each firing, and after each step who
/// is one of the staff.
fn play(
    who: Who,
    steps: Vec<(Option<(TrackId, Identity)>, Step)>,
    mut judge: impl FnMut(&[Firing], &Staff) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut rules = Rules::new(all_asking(who), labels(), TimeZone::UTC);
    let (mut tracker, mut ledger, mut staff) = (Tracker::default(), Ledger::default(), Staff::default());
    let mut now = MediaTime::ZERO;
    for (word, step) in steps {
        if let Some((track, identity)) = &word {
            rules.recognise(*track, identity);
            staff.learn(*track, identity, now);
        }
        let wall = |now: MediaTime| WallTime::from_unix_nanos(NOON).plus(now.since(MediaTime::ZERO));
        let firings = match step {
            Step::Look { after_ms, tracks } => {
                now = now + Duration::from_millis(after_ms);
                let tracks = tracker.report(&tracks, now);
                staff.report(&tracks, now);
                rules.step(now, wall(now), &tracks)
            }
            Step::Wait { after_ms } => {
                now = now + Duration::from_millis(after_ms);
                rules.tick(now, wall(now))
            }
            Step::Cut => {
                staff.0.clear();
                rules.reset(now)
            }
            Step::Back { .. } => continue,
        };
        for firing in firings {
            ledger.enter(firing, now)?;
        }
        judge(firings, &staff)?;
    }
    for firing in rules.stop(now) {
        ledger.enter(firing, now)?;
    }
    prop_assert!(ledger.open.is_empty(), "never ended: {:?}", ledger.open);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_about_one_of_the_staff_begins_or_goes_on_once_he_is_recognised(
        steps in prop::collection::vec((any_word(), any_step()), 1..100),
    ) {
        // By rule and key, the track of which was told last.
        let mut open: HashMap<(Id, u64), TrackId> = HashMap::new();
        play(Who::Except(vec![id("staff")]), steps, |firings, staff| {
            for firing in firings {
                let Some(track) = &firing.track else { continue };
                let key = (firing.rule.clone(), firing.key);
                if firing.phase == FiringPhase::End {
                    open.remove(&key);
                    continue;
                }
                prop_assert!(!staff.0.contains_key(&track.id), "told of one of the staff: {firing:?}");
                prop_assert!(!firing.identity.as_deref().is_some_and(is_staff), "{firing:?}");
                // What calms down tells nothing more, so that nobody knows who continues it.
                let may_calm = matches!(
                    firing.kind,
                    FiringKind::WrongWay | FiringKind::Speed | FiringKind::Running | FiringKind::NearVehicle
                );
                if firing.phase != FiringPhase::Instant && !may_calm {
                    open.insert(key, track.id);
                }
            }
            let still: Vec<_> = open.iter().filter(|(_, track)| staff.0.contains_key(track)).collect();
            prop_assert!(still.is_empty(), "goes on about one of the staff: {still:?}");
            Ok(())
        })?;
    }

    #[test]
    fn a_rule_about_the_staff_alone_tells_of_nobody_else(
        steps in prop::collection::vec((any_word(), any_step()), 1..100),
    ) {
        play(Who::Only(vec![id("staff")]), steps, |firings, _| {
            for firing in firings.iter().filter(|f| f.phase != FiringPhase::End && f.track.is_some()) {
                prop_assert!(firing.identity.as_deref().is_some_and(is_staff), "{firing:?}");
            }
            Ok(())
        })?;
    }
}
