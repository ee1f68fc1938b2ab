//! What is wrong with settings is said, all at once, and never panics.

use jiff::tz::TimeZone;

use super::super::*;
use super::scene::*;
use crate::vocab::{MediaTime, Polygon, WallTime};

#[test]
fn all_faults_are_found_at_once() {
    let zone = Zone::new(id("yard"), Polygon::whole_picture());
    let mut unsure = intrusion("unsure", "yard");
    (unsure.min_score, unsure.labels) = (1.5, vec!["person".into(), "unicorn".into(), "vehicle".into()]);
    let mut nowhere = crossing("nowhere", "gate", Direction::Any);
    nowhere.min_area = f32::NAN;
    let settings = Settings {
        zones: vec![zone.clone(), zone],
        rules: vec![unsure, nowhere, occupancy("none", "yard", 0, 0), loitering("none", "attic", 5)],
        ..Settings::default()
    };
    let said: Vec<String> = settings.faults(&labels()).iter().map(ToString::to_string).collect();
    let expected = [
        "there are two zones called yard",
        "there are two rules called none",
        "rule unsure: min_score is 1.5; allowed is 0 to 1",
        "rule unsure: the model has no label \"unicorn\"",
        "rule nowhere: there is no line called gate",
        "rule nowhere: min_area is NaN; allowed is 0 to 1",
        "rule none: at_least is 0; allowed is 1 or more",
        "rule none: there is no zone called attic",
    ];
    assert_eq!(said, expected);

    // And they run, without those that have no place.
    let mut rules = Rules::new(settings, labels(), TimeZone::UTC);
    assert!(rules.step(MediaTime::ZERO, WallTime::default(), &[]).is_empty());
}

#[test]
fn rules_about_conduct_need_a_ground_numbers_and_labels_that_there_are() {
    let (within, zone) = (Distance::Metres(2.0), || id("yard"));
    let seconds = std::time::Duration::ZERO;
    let (line, then, any) = (id("gate"), id("exit"), Direction::Any);
    let near = RuleKind::NearVehicle { zone: zone(), near: vec!["lorry".into()], within, seconds };
    let settings = Settings {
        zones: vec![Zone::new(zone(), Polygon::whole_picture())],
        rules: vec![
            rule("near", near),
            rule("fast", RuleKind::Speed { zone: zone(), over_kmh: 30.0, seconds }),
            rule("alone", RuleKind::Gathering { zone: zone(), at_least: 1, within: Distance::Heights(1.0), seconds }),
            rule("tour", RuleKind::Journey { line, direction: any, then, then_direction: any, seconds }),
        ],
        ..Settings::default()
    };
    let said: Vec<String> = settings.faults(&labels()).iter().map(ToString::to_string).collect();
    let expected = [
        "rule near: it measures metres, and the ground is not described",
        "rule near: the model has no label \"lorry\"",
        "rule fast: it measures metres, and the ground is not described",
        "rule alone: at_least is 1; allowed is 2 or more",
        "rule tour: there is no line called gate",
        "rule tour: there is no line called exit",
    ];
    assert_eq!(said, expected);
}

#[test]
fn sound_settings_have_no_faults_and_labels_are_not_asked_where_they_are_unknown() {
    let mut rule = intrusion("in", "yard");
    rule.labels = vec!["unicorn".into()];
    let zones = vec![Zone::new(id("yard"), Polygon::whole_picture())];
    let settings = Settings { zones, rules: vec![rule], ..Settings::default() };
    assert_eq!(settings.faults(&crate::vocab::Labels::default()), []);
    assert_eq!(settings.faults(&labels()).len(), 1);
}
