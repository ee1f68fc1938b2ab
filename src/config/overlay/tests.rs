//! Overlays over a file: what they change, what they must not, and what holds of all of them.

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Folders, load, load_with};

const FILE: &str = r#"
agent: { id: gate }
mqtt: { url: "mqtt://localhost" }
models:
  people: { threshold: 0.4 }
cameras:
  - id: door
    url: rtsp://10.0.0.5/a
    detect: { model: people, fps: 5 }
    zones: [ { id: yard, polygon: [[0, 0], [1, 0], [1, 1]] } ]
    rules:
      - { id: night, kind: intrusion, zone: yard, schedule: "22:00-06:00" }
      - { id: stay, kind: loitering, zone: yard, seconds: 60 }
  - id: gate
    url: rtsp://10.0.0.6/a
    detect: { model: people, fps: 5 }
"#;

fn folders() -> Folders {
    Folders { config: "/etc/vedette".into(), credentials: None }
}

fn over(text: &str) -> Result<Config, String> {
    let overlay = Overlay::read(text).map_err(|faults| faults.render("f.yaml"))?;
    let loaded = load_with(FILE.as_bytes(), Some(&overlay), &folders());
    loaded.map(|loaded| loaded.config).map_err(|faults| faults.render("f.yaml"))
}

fn own() -> Config {
    load(FILE.as_bytes(), &folders()).unwrap().config
}

/// The tree of [`FILE`] with an overlay over it.
fn tree(overlay: &Overlay, times: usize) -> Node {
    let mut faults = Faults::default();
    let mut tree = yaml::parse(FILE, Layer::File, &mut faults).unwrap();
    (0..times).for_each(|_| overlay.lay(&mut tree, &mut faults));
    tree
}

/// A value as text, without places.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::List(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|e| format!("{}: {}", e.key, shown(&e.node))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        value => format!("{value:?}"),
    }
}

#[test]
fn one_camera_every_camera_and_a_model_are_changed_and_the_rest_stays() {
    let text = r#"
models: { people: { threshold: 0.6 } }
cameras:
  "*": { detect: { fps: 4 }, motion: { area: 0.01 } }
  door:
    detect: { fps: 2 }
    rules:
      night: { schedule: "20:00-05:00" }
      stay: null
      late: { kind: occupancy, zone: yard, at_least: 3 }
"#;
    let (before, after) = (own(), over(text).unwrap());
    assert_eq!(after.models[0].threshold, Some(0.6));
    let fps: Vec<f64> = after.cameras.iter().map(|camera| camera.detect.as_ref().unwrap().fps).collect();
    assert_eq!(fps, [2.0, 4.0], "what is said of one camera counts more");
    assert!(after.cameras.iter().all(|camera| camera.motion.area == 0.01));
    let rules: Vec<&str> = after.cameras[0].rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(rules, ["night", "late"]);
    assert_eq!(after.cameras[0].zones, before.cameras[0].zones);
    assert_eq!(after.cameras[0].source, before.cameras[0].source);
    assert_ne!(after.revision, before.revision);
}

#[test]
fn lists_may_be_written_as_in_the_file() {
    let as_list = over("cameras: [ { id: door, rules: [ { id: night, schedule: \"20:00-05:00\" } ] } ]").unwrap();
    let as_map = over("cameras: { door: { rules: { night: { schedule: \"20:00-05:00\" } } } }").unwrap();
    assert_eq!(as_list.cameras, as_map.cameras);
    assert_eq!(as_list.cameras[0].rules.len(), 2, "rules that are not named stay");
}

#[test]
fn a_camera_that_is_not_named_is_the_same_and_so_goes_on() {
    let after = over("cameras: { door: { detect: { fps: 2 } } }").unwrap();
    assert_ne!(after.cameras[0], own().cameras[0]);
    assert_eq!(after.cameras[1], own().cameras[1]);
}

#[test]
fn an_empty_overlay_changes_nothing_but_the_revision() {
    for text in ["{}", "cameras: {}", "models: {}\ncameras: []", "cameras: { \"*\": {} }"] {
        let after = over(text).unwrap();
        assert_eq!(Config { revision: own().revision, ..after }, own(), "{text}");
    }
}

#[test]
fn nothing_that_could_cut_the_box_off_or_point_it_elsewhere_can_be_said() {
    let mut told = String::new();
    for text in [
        "agent: { id: other }",
        "mqtt: { url: \"mqtt://thief\" }",
        "hub: null",
        "runtime: { require_signed: false }",
        "spool: { alert_mib: 1 }",
        "evidence: { folder: / }",
        "models: { people: { file: /etc/passwd } }",
        "models: { people: { provider: cuda, device: x } }",
        "models: { people: null }",
        "cameras: { door: { url: \"rtsp://thief/\" } }",
        "cameras: [ { id: door, password_file: /etc/passwd } ]",
        "cameras: { door: { verify_tls: false, enabled: false } }",
        "cameras: { door: null }",
        "cameras: { \"*\": { id: other } }",
        "cameras: { door: { detekt: { fps: 1 } } }",
        "camras: {}",
    ] {
        let refused = over(text).unwrap_err();
        told.push_str(&format!("{text}\n{refused}\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn faults_are_told_with_their_place_in_the_overlay() {
    let mut told = String::new();
    for text in [
        "",
        "- cameras",
        "cameras: [ { rules: [] } ]",
        "cameras:\n  - id: door\n  - id: door\n",
        "cameras: { door: { rules: 7 } }",
        "cameras: { door: { rules: { night: 7 } } }",
        "cameras: { door: { detect: { fps: 500 } } }",
        "cameras:\n  door:\n    rules:\n      night: { zone: gone }\n",
        "cameras: { shed: { detect: { fps: 1 } } }",
        "models: { cars: { threshold: 0.5 } }",
        "cameras: { door: { zones: { yard: null } } }",
        "cameras: { door: { detect: [",
    ] {
        let refused = over(text).unwrap_err();
        told.push_str(&format!("{text}\n{refused}\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_too_large_or_would_unfold_is_refused_before_it_is_laid() {
    let long = format!("cameras: {{}} # {}", "x".repeat(LARGEST_OVERLAY));
    assert!(over(&long).unwrap_err().contains("must be at most 24576"));
    let mask = format!("[{}]", vec!["[0, 0]"; 60].join(", "));
    let bomb = format!("cameras:\n  \"*\":\n    motion:\n      mask: [ &a {mask}, {} ]\n", vec!["*a"; 400].join(", "));
    assert!(over(&bomb).unwrap_err().contains("once it is laid over every camera"));
}

#[test]
fn a_key_of_an_overlay_can_stand_in_a_file() {
    let schema = crate::config::schema();
    for (of, keys) in [("Model", MODEL), ("Camera", CAMERA)] {
        for (key, _) in keys {
            assert!(schema["$defs"][of]["properties"].get(key).is_some(), "{of}.{key}");
        }
    }
}

/// Overlays of rules, thresholds and motion, with things named again and again.
fn overlays() -> impl Strategy<Value = String> {
    let rule = prop_oneof![
        Just("null".to_owned()),
        (1..90).prop_map(|n| format!("{{ kind: loitering, zone: yard, seconds: {n} }}")),
        (1..9).prop_map(|n| format!("{{ cooldown_seconds: {n} }}")),
    ];
    let rules =
        proptest::collection::btree_map(prop_oneof![Just("night"), Just("stay"), Just("new"), Just("old")], rule, 0..4);
    let camera = (rules, 1..30, any::<bool>()).prop_map(|(rules, fps, has_detect)| {
        let rules: Vec<String> = rules.into_iter().map(|(id, rule)| format!("{id}: {rule}")).collect();
        let detect = if has_detect { format!(", detect: {{ fps: {fps} }}") } else { String::new() };
        format!("{{ rules: {{ {} }}{detect} }}", rules.join(", "))
    });
    let cameras = proptest::collection::btree_map(prop_oneof![Just("\"*\""), Just("door"), Just("gate")], camera, 0..4);
    cameras.prop_map(|cameras| {
        let cameras: Vec<String> = cameras.into_iter().map(|(id, camera)| format!("{id}: {camera}")).collect();
        format!("cameras: {{ {} }}", cameras.join(", "))
    })
}

proptest! {
    #[test]
    fn laid_twice_is_laid_once(text in overlays()) {
        let overlay = Overlay::read(&text).unwrap();
        prop_assert_eq!(shown(&tree(&overlay, 2)), shown(&tree(&overlay, 1)));
    }

    #[test]
    fn addresses_and_credentials_are_those_of_the_file_whatever_the_overlay_says(text in overlays()) {
        if let Ok(after) = over(&text) {
            let own = own();
            prop_assert_eq!((&after.mqtt, &after.id, &after.hub), (&own.mqtt, &own.id, &own.hub));
            for (camera, before) in after.cameras.iter().zip(&own.cameras) {
                prop_assert_eq!((&camera.id, &camera.source, &camera.login), (&before.id, &before.source, &before.login));
            }
        }
    }

    #[test]
    fn whatever_is_read_is_read_without_a_panic(text in "\\PC*") {
        let _ = Overlay::read(&text);
    }
}

#[test]
fn what_is_held_back_for_a_while_comes_and_goes_by_its_id() {
    let entry = "region: [[0, 0], [1, 0], [1, 1]], reason: wind";
    let hedge = format!(
        "cameras: {{ door: {{ suppress: {{ hedge: {{ rule: night, until: 2027-01-31T06:00:00Z, {entry} }} }} }} }}"
    );
    let config = over(&hedge).unwrap();
    let held = &config.cameras[0].suppress[0];
    assert_eq!((held.id.as_str(), held.rules[0].as_str(), held.labels.len()), ("hedge", "night", 0));
    assert_eq!(held.until.to_rfc3339(), "2027-01-31T06:00:00.000Z");
    let list = format!(
        "cameras: [ {{ id: door, suppress: [ {{ id: coat, rule: [night, stay], until: 2027-01-31T06:00:00+01:00, {entry} }} ] }} ]"
    );
    let held = &over(&list).unwrap().cameras[0].suppress[0];
    assert_eq!((held.rules.len(), held.until.to_rfc3339()), (2, "2027-01-31T05:00:00.000Z".to_owned()));
    // One about a rule that is gone holds nothing back, and is no reason to refuse the overlay.
    assert!(over(&hedge.replace("rule: night", "rule: nobody")).is_ok());
    assert!(
        over(&hedge.replace("2027-01-31T06:00:00Z", "soon")).unwrap_err().contains("must be a moment as in RFC 3339")
    );
    let expired = crate::config::expired(&config, crate::vocab::WallTime::from_unix_nanos(i64::MAX));
    assert_eq!(expired, ["camera door: suppress.hedge expired on 2027-01-31T06:00:00.000Z and can be removed"]);
    assert!(crate::config::expired(&config, crate::vocab::WallTime::default()).is_empty());
}
