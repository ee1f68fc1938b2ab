//! Clips without a camera: what is announced, and what is told of clips that are not there.

use std::collections::HashSet;
use std::fs;

use super::*;
use crate::agent::clockwatch::ClockWatch;
use crate::agent::envelope;
use crate::agent::pipeline::Occurrence;
use crate::agent::recorder::{Pictures, Recorder};
use crate::agent::redact::Redactors;
use crate::base::clock::SimulatedClock;
use crate::evidence;
use crate::spool::{Class, Limit, MemorySpool, Order, Settings};
use crate::vocab::{
    ClipFile, ClockState, Event, EventKind, Evidence, Explanation, MediaTime, Phase, Severity, WallTime,
};
use crate::wire::{EventMessage, Origin, Topics};
use crate::{config, mqtt};
use ledger::Stage;

/// 2026-11-23T12:00:00Z.
const NOON: i64 = 1_795_435_200_000_000_000;

struct Bench {
    folder: tempfile::TempDir,
    spool: Arc<dyn Spool>,
    clock: Arc<SimulatedClock>,
    config: Config,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "agent: {{ id: gate, state_dir: {} }}\nmqtt: {{ url: \"mqtt://localhost\" }}\n\
             evidence: {{ clips: {{ keep: alerts }} }}\ncameras: [ {{ id: door, url: \"scene://\" }} ]",
            folder.path().display()
        );
        let folders = config::Folders { config: folder.path().into(), credentials: None };
        let config = config::load(text.as_bytes(), &folders).unwrap().config;
        fs::create_dir_all(folder.path().join("evidence")).unwrap();
        let clock = SimulatedClock::at(NOON);
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), clock.clone()));
        Self { folder, spool, clock, config }
    }

    fn means(&self, ledger: Option<Arc<Ledger>>) -> Means {
        let evidence =
            evidence::Settings { folder: self.folder.path().join("evidence"), ..evidence::Settings::default() };
        let origin = Origin { agent: self.config.id.clone(), site: None, boot: "b".to_owned() };
        let redactors = Redactors::default();
        let pictures = Pictures { settings: evidence, redactors: redactors.clone() };
        let recorder = Recorder::start(origin, self.spool.clone(), pictures, ledger, self.clock.clone()).unwrap();
        let presence = mqtt::Presence { topic: "t".to_owned(), online: Vec::new(), offline: Vec::new() };
        let identity = mqtt::Identity { client_id: "gate".to_owned(), presence, subscriptions: Vec::new() };
        Means {
            recorder: Arc::new(recorder),
            broker: mqtt::Session::new(mqtt::Settings::default(), identity, self.clock.clone()).1,
            topics: Topics::new(&self.config.id),
            clock: self.clock.clone(),
            redactors,
            clock_watch: Arc::new(ClockWatch::new(self.clock.clone())),
            faces: Default::default(),
            reidentifier: Default::default(),
        }
    }

    /// Runs clips to the end of what there is to do.
    fn run(&self, happens: impl FnOnce(&Clips, &Means)) {
        let ledger = ledger(&self.config, &self.spool);
        let means = self.means(ledger.clone());
        let clips = Clips::start(&self.config, ledger, &means).unwrap().unwrap();
        happens(&clips, &means);
        // Served after all that was asked for before it.
        clips.finish().finished.recv().unwrap();
        means.recorder.flush();
    }

    /// What was told, by class.
    fn told(&self, class: Class) -> Vec<EventMessage> {
        let limit = Limit { records: 100, bytes: usize::MAX };
        let records = self.spool.peek(class, Order::Oldest, &HashSet::new(), limit);
        records.iter().map(|r| serde_json::from_slice(envelope::open(&r.payload).unwrap().1).unwrap()).collect()
    }
}

fn alert(phase: Phase, seconds: u64) -> Event {
    Event {
        kind: EventKind::Intrusion,
        severity: Severity::Alert,
        phase,
        episode: "gate-door-1-1".to_owned(),
        camera: Some(Id::new("door").unwrap()),
        rule: Some(Id::new("visit").unwrap()),
        place: None,
        subject: None,
        explanation: Explanation::default(),
        pts: MediaTime::from_millis(seconds * 1000),
        captured: WallTime::from_unix_nanos(NOON),
        clock: ClockState::Synced,
        model: None,
        config_revision: "0123456789ab".to_owned(),
        evidence: Evidence::default(),
        gap: None,
        condition: None,
        heat: None,
        region: None,
    }
}

fn happens(recording: &Arc<Recording>, means: &Means, event: Event) {
    let mut occurrences = vec![Occurrence { event, shot: None }];
    let clips = recording.announce(&mut occurrences);
    means.recorder.record(occurrences);
    clips.into_iter().for_each(|clip| recording.cut(clip));
}

#[test]
fn a_clip_that_cannot_be_cut_is_announced_and_then_told_as_missing() {
    let bench = Bench::new();
    bench.run(|clips, means| {
        let recording = clips.record(&bench.config.cameras[0]).unwrap();
        happens(&recording, means, alert(Phase::Start, 20));
        happens(&recording, means, alert(Phase::End, 25));
    });
    let named: Vec<_> = bench.told(Class::Alert).iter().map(|e| e.data.evidence.clip.clone()).collect();
    assert_eq!(named[0].as_deref(), Some("gate-door-1-1.mp4"));
    let told = bench.told(Class::Event);
    assert_eq!((told.len(), told[0].kind.as_str()), (1, "vedette.event.clip.v1"));
    let evidence = &told[0].data.evidence;
    assert_eq!((&evidence.clip, evidence.clip_missing.as_deref()), (&named[0], Some("no-keyframe")));
    assert_eq!(
        told[0].data.explanation,
        "there is no clip gate-door-1-1.mp4 of camera door: no-keyframe: no keyframe has come yet"
    );
    assert!(Ledger::open(bench.spool.clone()).entries().is_empty(), "nothing is left to be told");
}

#[test]
fn of_a_stream_whose_packets_cannot_be_kept_an_alert_says_so_itself() {
    let bench = Bench::new();
    bench.run(|clips, means| {
        let recording = clips.record(&bench.config.cameras[0]).unwrap();
        recording.tape().unable("the stream is mjpeg");
        happens(&recording, means, alert(Phase::Start, 20));
        // The next connection may be another stream.
        recording.tape();
        assert_eq!(recording.unable(), None);
    });
    let alert = &bench.told(Class::Alert)[0].data.evidence;
    assert_eq!((alert.clip.as_deref(), alert.clip_missing.as_deref()), (None, Some("not-h264-or-h265")));
    assert!(bench.told(Class::Event).is_empty());
}

#[test]
fn what_the_last_run_left_is_told_as_there_or_as_missing() {
    let bench = Bench::new();
    let (door, before) = (Id::new("door").unwrap(), Ledger::open(bench.spool.clone()));
    let file = |sha256: &str| ClipFile {
        sha256: sha256.to_owned(),
        bytes: 3,
        begins: "2026-11-23T12:00:00.000Z".to_owned(),
        ends: "2026-11-23T12:00:10.000Z".to_owned(),
        begins_pts_ms: 0,
        ends_pts_ms: 10_000,
        episodes: vec!["e".to_owned()],
    };
    for name in ["announced", "closing", "closing-lost", "written", "written-lost"] {
        before.announce(&format!("{name}.mp4"), &door, Some(name), true);
    }
    for name in ["closing", "written"] {
        fs::write(bench.folder.path().join(format!("evidence/{name}.mp4")), b"abc").unwrap();
    }
    fs::write(bench.folder.path().join("evidence/.announced.mp4.tmp"), b"ab").unwrap();
    for (name, stage) in [
        ("closing.mp4", Stage::Closing(file(""))),
        ("closing-lost.mp4", Stage::Closing(file(""))),
        ("written.mp4", Stage::Written(file("ab"))),
        ("written-lost.mp4", Stage::Written(file("ab"))),
    ] {
        before.advance(name, stage);
    }
    bench.run(|_, _| ());
    let told: Vec<_> = bench.told(Class::Event).into_iter().map(|e| e.data.evidence).collect();
    let said: Vec<_> = told.iter().map(|e| (e.clip.as_deref().unwrap(), e.clip_missing.as_deref())).collect();
    let lost = Some("agent-stopped");
    assert_eq!(said, [("announced.mp4", lost), ("closing-lost.mp4", lost), ("closing.mp4", None)]);
    let there = told[2].clip_file.clone().unwrap();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((there.sha256.as_str(), there.bytes, there.ends_pts_ms), (sha256, 3, 10_000));
    let left: Vec<String> = Ledger::open(bench.spool.clone()).entries().into_iter().map(|e| e.file).collect();
    assert_eq!(left, ["closing.mp4", "written.mp4"]);
    assert!(!bench.folder.path().join("evidence/.announced.mp4.tmp").exists());
    let before = bench.told(Class::Event).len();
    bench.run(|_, _| ());
    assert_eq!(bench.told(Class::Event).len(), before, "each is told once");
}
