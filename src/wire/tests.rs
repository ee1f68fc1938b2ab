//! Golden messages, each checked against its own published schema.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::keys::SecretKey;
use crate::vocab::{
    self, CameraState, ClockState, Condition, DayNight, DropReason, Event, EventKind, Evidence, Explanation,
    HEAT_COLUMNS, HEAT_ROWS, Id, Measure, MediaTime, ModelFacts, Phase, Place, Rect, Severity, StageLatency, WallTime,
};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn noon() -> WallTime {
    WallTime::from_unix_nanos(1_795_444_073_120_000_000)
}

fn origin() -> Origin {
    Origin { agent: id("gate-north"), site: Some(id("plant-3")), boot: "5f1d7a3c".into() }
}

fn message_id(class: Class) -> MessageId {
    MessageId { agent: id("gate-north"), class, epoch: 0x9f86_d081_884c_7d65, seq: 42 }
}

fn loitering() -> Event {
    Event {
        kind: EventKind::Loitering,
        severity: Severity::Alert,
        phase: Phase::Start,
        episode: "door-hang-around-17".into(),
        camera: Some(id("door")),
        rule: Some(id("hang-around")),
        place: Some(Place::Zone(id("yard"))),
        subject: Some(vocab::Subject {
            track: 17,
            label: "person".into(),
            bbox: Rect::new(0.1, 0.2, 0.300_000_04, 0.87),
            score: 0.87,
            best_score: 0.93,
            age_ms: 63_200,
            identity: Some(vocab::Identity {
                person: Some(vocab::KnownPerson {
                    id: id("e-1042"),
                    name: "Ada Lovelace".into(),
                    lists: vec![id("staff")],
                }),
                score: 0.71,
                threshold: 0.45,
                margin: 0.5,
                least_margin: 0.05,
                space: "mobilefacenet-3f2a9c0b71d4-128".into(),
                gallery: 12,
            }),
            appearance: Some(vocab::Appearance {
                id: "p-5f1d7a3c9e04b826".into(),
                first_seen: noon().minus(Duration::from_secs(900)),
                cameras: vec![id("gate")],
                before: Some(vocab::SeenBefore {
                    camera: id("gate"),
                    at: noon().minus(Duration::from_secs(95)),
                    away: Duration::from_millis(35_250),
                    score: 0.942,
                    threshold: 0.9,
                    margin: 0.21,
                    least_margin: 0.03,
                }),
                space: "osnet-3f2a9c0b71d4-512".into(),
            }),
        }),
        region: None,
        explanation: Explanation {
            text: "person stayed 61 s in zone yard (limit 60 s)".into(),
            measures: vec![
                Measure::against("dwell_s", 61.200_000_7, 60.0),
                Measure::plain("height", f64::from(0.67f32)),
            ],
        },
        pts: MediaTime::from_millis(75_400),
        captured: noon(),
        clock: ClockState::Synced,
        model: Some(ModelFacts {
            name: "people".into(),
            version: "1.2.0".into(),
            sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into(),
            provider: "CPUExecutionProvider".into(),
            threshold: 0.4,
        }),
        config_revision: "0123456789ab".into(),
        evidence: Evidence { snapshot: Some("door-hang-around-17.jpg".into()), ..Evidence::default() },
        gap: None,
        condition: None,
        heat: None,
    }
}

fn gap() -> Event {
    Event {
        kind: EventKind::Gap,
        severity: Severity::Event,
        camera: None,
        rule: None,
        place: None,
        subject: None,
        model: None,
        explanation: Explanation { text: "12 records were shed: quota".into(), measures: vec![] },
        evidence: Evidence::default(),
        gap: Some(vocab::Gap { class: "event".into(), epoch: 0x9f86_d081_884c_7d65, first: 29, last: 40 }),
        ..loitering()
    }
}

fn defocused() -> Event {
    Event {
        kind: EventKind::CameraCondition,
        severity: Severity::Event,
        rule: None,
        place: None,
        subject: None,
        explanation: Explanation {
            text: "camera door: the picture has 31 % of its usual sharpness".into(),
            measures: vec![Measure::against("sharpness", 0.31, 0.5)],
        },
        condition: Some(Condition::Defocused),
        ..loitering()
    }
}

/// One stay and one walk.
fn warm() -> Event {
    let cells = HEAT_COLUMNS * HEAT_ROWS;
    let (mut dwell, mut flow) = (vec![0.0; cells], vec![[0.0; 2]; cells]);
    (dwell[0], dwell[1], flow[1]) = (510.0, 0.5, [-0.25, 0.125]);
    let map = vocab::HeatMap {
        from: noon(),
        until: noon().plus(Duration::from_secs(600)),
        watched: Duration::from_secs(600),
        tracks: 2,
        dwell,
        flow,
    };
    Event { kind: EventKind::HeatMap, condition: None, heat: Some(Box::new(map)), ..defocused() }
}

fn ailing() -> CameraStateMessage {
    let cause = "the picture has 31 % of its usual sharpness".to_owned();
    CameraStateMessage {
        conditions: vec![ConditionState::new(Condition::Defocused, noon(), cause)],
        mode: Some(DayNight::Night),
        ..CameraStateMessage::new(id("door"), CameraState::Streaming, noon(), None)
    }
}

fn health() -> HealthMessage {
    let suppressed =
        SuppressedHealth { count: 3, last: Some(noon().to_rfc3339()), until: "2027-01-31T06:00:00.000Z".into() };
    let camera = CameraHealth {
        state: CameraState::Streaming,
        since: noon().to_rfc3339(),
        cause: None,
        conditions: Vec::new(),
        mode: Some(DayNight::Day),
        received: 96_000,
        decoded: 90_000,
        received_fps: 25.0,
        decoded_fps: 23.5,
        inferred_fps: f64::from(4.9f32),
        size: Some((1920, 1080)),
        decoder: Some("avdec_h264".into()),
        reconnects: 1,
        panics: 0,
        decoder_restarts: 0,
        drops: BTreeMap::from([(DropReason::Rate, 1200), (DropReason::Still, 400)]),
        suppressed: BTreeMap::from([(id("hedge"), suppressed)]),
    };
    let model = ModelHealth {
        version: "1.2.0".into(),
        sha256: "2c26".into(),
        asked: "auto".into(),
        obtained: Some("CPUExecutionProvider".into()),
        cause: None,
        inferences: 5000,
        restarts: Some(1),
    };
    let redactor = ModelHealth {
        inferences: 12,
        cause: Some("an inference has not come back".into()),
        restarts: None,
        ..model.clone()
    };
    let faces = FacesHealth {
        space: Some("mobilefacenet-3f2a9c0b71d4-128".into()),
        detector: Some("CPUExecutionProvider".into()),
        embedder: Some("CPUExecutionProvider".into()),
        gallery: Some(7),
        people: 31,
        from_hub: Some(GalleryHealth {
            gallery: id("people"),
            offered: Some(8),
            has: Some(7),
            asked: Some(noon().to_rfc3339()),
            cause: Some("the key does not open it".into()),
        }),
        looks: 900,
        described: 120,
        waiting: 1,
        superseded: 4,
        failed: 0,
        cause: None,
    };
    let reidentify = ReidentifyHealth {
        space: Some("osnet-3f2a9c0b71d4-512".into()),
        embedder: Some("CPUExecutionProvider".into()),
        remembered: 14,
        described: 310,
        again: 61,
        waiting: 0,
        superseded: 2,
        failed: 0,
        cause: None,
    };
    let detect = StageLatency { p50: 21.5, p95: 30.25, p99: 41.1, count: 50 };
    HealthMessage {
        time: noon().to_rfc3339(),
        clock: ClockState::Synced,
        version: "0.1.0".into(),
        boot: "5f1d7a3c".into(),
        uptime_s: 3600,
        config_revision: "0123456789ab".into(),
        overlay: None,
        overlay_unfit: None,
        cameras: BTreeMap::from([(id("door"), camera)]),
        models: BTreeMap::from([(id("people"), model)]),
        redaction: BTreeMap::from([(id("faces"), redactor)]),
        faces: Some(faces),
        reidentify: Some(reidentify),
        stages: BTreeMap::from([("detect".to_owned(), detect.into())]),
        spool: SpoolHealth {
            alert: ClassHealth { records: 2, bytes: 1600, oldest_s: 3, lost: 0 },
            event: ClassHealth::default(),
            telemetry: ClassHealth::default(),
            degraded: None,
        },
        history: Some(HistoryHealth { bytes: 4_100_000, lost: 0, cause: None }),
        mqtt: LinkHealth {
            connected_since: Some(noon().to_rfc3339()),
            last_error: None,
            reconnects: 0,
            stalled_since: None,
            in_flight: 2,
            refused: 0,
            ignored: 0,
        },
        resources: ResourceHealth {
            cpu_cores: 0.41,
            rss_bytes: 123_000_000,
            threads: 31,
            open_files: 48,
            disk_free_bytes: 9_000_000_000,
        },
    }
}

fn package(version: i64) -> PackageRef {
    PackageRef { model: id("people"), version, sha256: format!("{version:064x}"), size: 1_204_224 }
}

fn desired() -> DesiredMessage {
    let proof = Proof { agreement: Some(0.9), ..Proof::default() };
    let model = DesiredModel { rollout: "people-4".into(), package: Some(package(4)), proof: Some(proof) };
    let text = "cameras: { door: { detect: { fps: 4 } } }\n".to_owned();
    let overlay = Some(OverlayRef::of(&text));
    let trial = Some(Trial { trial_seconds: 300, ..Trial::default() });
    let config = DesiredConfig { rollout: "config-2".into(), overlay, text: Some(text), trial };
    let models = [(id("people"), model)].into();
    DesiredMessage { agent: id("gate-north"), revision: 12, models, config: Some(config) }
}

fn reported() -> ReportedMessage {
    let evidence = ProofEvidence {
        looks: 200,
        objects_before: 120,
        objects: 3,
        same: 2,
        look_before_ms: 14.3,
        look_ms: f64::from(4.1f32),
        frame_rate_before: 24.9,
        ..ProofEvidence::default()
    };
    let model = ReportedModel {
        revision: 12,
        rollout: "people-4".into(),
        stage: RolloutStage::RolledBack,
        reason: "it saw 3 objects where the model in force saw 120".into(),
        active: Some(package(3)),
        previous: None,
        candidate: Some(package(4)),
        evidence: Some(evidence),
        quarantined: vec![package(4).sha256],
    };
    let rates = CameraRates { before: 25.0, on_trial: f64::from(3.1f32) };
    let config = ReportedConfig {
        revision: 12,
        rollout: "config-2".into(),
        stage: RolloutStage::RolledBack,
        reason: "the frame rate of the camera door fell from 25.0 to 3.1 a second on trial".into(),
        active: Some(OverlayRef::of("cameras: {}\n")),
        unfit: None,
        candidate: Some(OverlayRef::of("{}")),
        evidence: Some(ConfigEvidence { cameras: [(id("door"), rates)].into(), link_away_s: 0.0 }),
        quarantined: vec![OverlayRef::of("{}").sha256],
    };
    ReportedMessage {
        boot: "5f1d7a3c".into(),
        sequence: 31,
        revision: 12,
        refused: None,
        models: [(id("people"), model)].into(),
        config: Some(config),
    }
}

/// Every message with its schema's name.
fn messages() -> Vec<(&'static str, &'static str, Value)> {
    let later = noon().plus(Duration::from_secs(30));
    let command = json!({"id": "a-1", "expires": later.to_rfc3339(), "args": {"camera": "door"}});
    let command: Command = Command::read(command.to_string().as_bytes()).unwrap();
    vec![
        ("event", "alert", value(&EventMessage::new(&origin(), message_id(Class::Alert), &loitering()))),
        ("event", "gap", value(&EventMessage::new(&origin(), message_id(Class::Event), &gap()))),
        ("health", "health", value(&health())),
        (
            "camera-state",
            "camera_state",
            value(&CameraStateMessage::new(id("door"), CameraState::AuthFailed, noon(), Some("401".into()))),
        ),
        ("camera-state", "camera_state_ailing", value(&ailing())),
        ("event", "camera_condition", value(&EventMessage::new(&origin(), message_id(Class::Event), &defocused()))),
        ("event", "heat_map", value(&EventMessage::new(&origin(), message_id(Class::Event), &warm()))),
        ("status", "status", value(&PresenceMessage::new(Presence::Online, "5f1d7a3c", "0.1.0"))),
        ("count", "count_zone", value(&CountMessage::zone(id("door"), id("yard"), 3, noon()))),
        ("count", "count_line", value(&CountMessage::line(id("door"), id("gate"), 12, 9, noon()))),
        (
            "count",
            "count_journey",
            value(&CountMessage {
                journeys: BTreeMap::from([(id("through"), 5)]),
                ..CountMessage::line(id("door"), id("exit"), 12, 9, noon())
            }),
        ),
        ("command", "command", value(&command)),
        ("reply", "reply", value(&Reply::refused("a-1", ReplyCode::NotFound, "no camera is called dor"))),
        ("ack", "ack", value(&AckMessage { class: Class::Alert, epoch: 0xfe, upto: 7, also: vec![9] })),
        ("desired", "desired", value(&desired().sign(&SecretKey::from_seed("hub", [7; 32])).unwrap())),
        ("desired-payload", "desired_payload", value(&desired())),
        ("reported", "reported", value(&reported())),
    ]
}

/// Through the bytes, as a receiver would see it.
fn value<T: serde::Serialize>(message: &T) -> Value {
    serde_json::from_slice(&to_json(message)).unwrap()
}

fn validator(name: &str) -> jsonschema::Validator {
    let (_, schema) = schemas().into_iter().find(|(n, _)| *n == name).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn messages_keep_their_form() {
    for (_, name, message) in messages() {
        insta::assert_json_snapshot!(name, message);
    }
}

#[test]
fn every_message_is_valid_under_its_own_schema() {
    let messages = messages();
    for (schema, name, message) in &messages {
        let faults: Vec<String> = validator(schema).iter_errors(message).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
    for (name, _) in schemas() {
        assert!(messages.iter().any(|(schema, ..)| *schema == name), "no golden message has the schema {name}");
    }
}

#[test]
fn the_schemas_refuse_what_is_not_a_message() {
    let alert = messages().swap_remove(0).2;
    let spoilt: [(&str, Value); 6] = [
        ("/specversion", json!("0.3")),
        ("/id", json!("gate-north/alert/1/1")),
        ("/time", json!("yesterday")),
        ("/type", json!("alert")),
        ("/data/phase", json!("middle")),
        ("/data/camera", json!("door/+")),
    ];
    for (pointer, wrong) in spoilt {
        let mut message = alert.clone();
        *message.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator("event").is_valid(&message), "{pointer} must be refused");
    }
}

#[test]
fn a_heat_map_has_a_byte_for_each_cell_and_a_size_that_is_known() {
    use base64::Engine as _;
    let event = value(&EventMessage::new(&origin(), message_id(Class::Event), &warm()));
    let heat: Heat = serde_json::from_value(event["data"]["heat"].clone()).unwrap();
    let cells = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let (dwell, right, down) = (cells(&heat.dwell), cells(&heat.flow_x), cells(&heat.flow_y));
    assert_eq!([dwell.len(), right.len(), down.len()], [HEAT_COLUMNS * HEAT_ROWS; 3]);
    // Half a second of 510 is less than a step, but somebody was there.
    assert_eq!((&dwell[..3], heat.dwell_max_s), (&[255, 1, 0][..], 510.0));
    assert_eq!((right[1] as i8, down[1] as i8, heat.flow_max), (-127, 64, 0.25));
    assert!(event.to_string().len() < 12_000, "{}", event.to_string().len());
}

#[test]
fn an_event_is_a_conforming_cloud_event() {
    let message = messages().swap_remove(0).2;
    for required in ["specversion", "id", "source", "type"] {
        assert!(message[required].as_str().is_some_and(|text| !text.is_empty()), "{required} must be a text");
    }
    let names = message.as_object().unwrap().keys();
    assert!(names.into_iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())));
    assert!(message["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn what_the_agent_writes_the_hub_reads() {
    let message = EventMessage::new(&origin(), message_id(Class::Alert), &loitering());
    assert_eq!(serde_json::from_slice::<EventMessage>(&to_json(&message)).unwrap(), message);
    assert_eq!(
        serde_json::from_slice::<HealthMessage>(&to_json(&health())).unwrap().cameras[&id("door")].inferred_fps,
        4.9
    );
}

#[test]
fn the_schema_of_events_is_published_as_reviewed() {
    let (_, schema) = schemas().into_iter().find(|(n, _)| *n == "event").unwrap();
    insta::assert_json_snapshot!("schema_event", schema);
}
