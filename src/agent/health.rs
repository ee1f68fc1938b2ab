//! How the agent is, put together from everything that runs: the `health` topic, and whether the line lives.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::engine::Engine;
use crate::agent::post::Post;
use crate::agent::resources::{self, Resources};
use crate::agent::site::Site;
use crate::base::memory;
use crate::behaviour;
use crate::history;
use crate::mqtt;
use crate::spool;
use crate::vocab::{CameraState, Id, WallTime};
use crate::wire::{
    CameraHealth, ClassHealth, HealthMessage, HistoryHealth, Latency, LinkHealth, ResourceHealth, SpoolHealth,
    SuppressedHealth,
};

/// A period shorter than this says nothing about rates.
const SHORTEST: Duration = Duration::from_millis(500);

/// Looks at the site once per period; rates and latencies are those of the last whole period.
#[derive(Debug)]
pub struct Reporter {
    version: &'static str,
    started: Duration,
    /// When the present period began, and what the counters were then.
    since: Duration,
    cpu: Duration,
    marks: BTreeMap<Id, Marks>,
    inferences: BTreeMap<Id, u64>,
    last: Period,
}

/// A camera's counters.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    received: u64,
    decoded: u64,
    looks: u64,
}

/// What that comes to per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    received: f64,
    decoded: f64,
    looks: f64,
}

/// What a period came to.
#[derive(Debug, Default)]
struct Period {
    cpu_cores: f64,
    rates: BTreeMap<Id, Rates>,
    stages: BTreeMap<String, Latency>,
    failures: BTreeMap<Id, String>,
}

impl Reporter {
    /// Begins to report at `now`, on the monotonic clock.
    pub fn new(now: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: now,
            since: now,
            cpu: resources::cpu_time(),
            marks: BTreeMap::new(),
            inferences: BTreeMap::new(),
            last: Period::default(),
        }
    }

    /// Ends a period at `now` and tells how everything is.
    pub fn report(&mut self, site: &Site, link: &mqtt::Status, now: Duration, wall: WallTime) -> HealthMessage {
        let length = now.saturating_sub(self.since);
        if length >= SHORTEST {
            self.since = now;
            self.last = self.measure(site, length.as_secs_f64());
        }
        self.look(site, link, now, wall)
    }

    /// How everything is at `now`, with the rates of the last whole period.
    pub fn look(&self, site: &Site, link: &mqtt::Status, now: Duration, wall: WallTime) -> HealthMessage {
        let resources = Resources::now(&site.config().state_dir);
        let model = |engine: &Engine| {
            let inferences = self.inferences.get(engine.name()).copied().unwrap_or_default();
            let failure = self.last.failures.get(engine.name()).map(String::as_str);
            (engine.name().clone(), engine.health(inferences, failure, now))
        };
        HealthMessage {
            time: wall.to_rfc3339(),
            clock: site.means().clock_watch.state(),
            version: self.version.to_owned(),
            boot: site.boot().to_owned(),
            uptime_s: now.saturating_sub(self.started).as_secs(),
            config_revision: site.config().revision.clone(),
            overlay: site.layers().overlay().map(|overlay| overlay.sha256().chars().take(12).collect()),
            overlay_unfit: site.layers().unfit().map(str::to_owned),
            cameras: site.posts().map(|post| (post.id().clone(), self.camera(post))).collect(),
            models: site.engines().map(model).collect(),
            redaction: site.means().redactors.all().into_iter().map(|(name, it)| (name, it.health())).collect(),
            faces: site.faces_health(),
            reidentify: site.reidentify_health(),
            stages: self.last.stages.clone(),
            spool: spool_health(&site.spool().health(), wall),
            history: site.history().map(|store| history_health(store.health())),
            mqtt: link_health(
                link,
                site.forwarder().stalled_since().map(|since| before(wall, now.saturating_sub(since))),
            ),
            resources: ResourceHealth {
                cpu_cores: self.last.cpu_cores,
                rss_bytes: resources.rss_bytes,
                threads: resources.threads,
                open_files: resources.open_files,
                disk_free_bytes: resources.disk_free_bytes,
            },
        }
    }

    fn measure(&mut self, site: &Site, seconds: f64) -> Period {
        memory::give_back();
        let cpu = resources::cpu_time();
        let cpu_cores = cpu.saturating_sub(self.cpu).as_secs_f64() / seconds;
        self.cpu = cpu;
        let mut period = Period { cpu_cores, ..Period::default() };
        for post in site.posts() {
            let counts = post.stats().map(|(stats, _)| stats.counts).unwrap_or_default();
            let marks = Marks { received: counts.packets, decoded: counts.decoded, looks: post.looks() };
            let before = self.marks.insert(post.id().clone(), marks).unwrap_or_default();
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let rates = Rates {
                received: rate(marks.received, before.received),
                decoded: rate(marks.decoded, before.decoded),
                looks: rate(marks.looks, before.looks),
            };
            period.rates.insert(post.id().clone(), rates);
        }
        for engine in site.engines() {
            let report = engine.running.as_ref().map(|r| r.worker.take_report()).unwrap_or_default();
            *self.inferences.entry(engine.name().clone()).or_default() += report.looked;
            period.failures.extend(report.last_failure.clone().map(|failure| (engine.name().clone(), failure)));
            let measured = [
                ("wait", report.wait),
                ("letterbox", report.letterbox),
                ("infer", report.infer),
                ("decode", report.decode),
            ];
            for (stage, latency) in measured.into_iter().filter(|(_, latency)| latency.count > 0) {
                period.stages.insert(format!("{}/{stage}", engine.name()), latency.into());
            }
        }
        period
    }

    fn camera(&self, post: &Post) -> CameraHealth {
        let rates = self.last.rates.get(post.id()).copied().unwrap_or_default();
        let Some((stats, drops)) = post.stats() else { return unusable(post) };
        let unseen = post.unseen().filter(|_| stats.state.has_pictures());
        let (conditions, mode) = post.ailments(stats.state);
        CameraHealth {
            state: stats.state,
            since: stats.since.to_rfc3339(),
            cause: unseen.or_else(|| Some(stats.cause).filter(|cause| !cause.is_empty())),
            conditions,
            mode,
            received: stats.counts.packets,
            decoded: stats.counts.decoded,
            received_fps: rates.received,
            decoded_fps: rates.decoded,
            inferred_fps: rates.looks,
            size: stats.info.size,
            decoder: stats.info.decoder,
            reconnects: stats.reconnects,
            panics: stats.panics,
            decoder_restarts: stats.counts.restarts,
            drops,
            suppressed: post.suppressed().into_iter().map(suppressed_health).collect(),
        }
    }
}

/// A camera that could not even be tried.
fn unusable(post: &Post) -> CameraHealth {
    let (since, cause) = post.unusable().unwrap_or_default();
    CameraHealth {
        state: CameraState::Disabled,
        since: since.to_rfc3339(),
        cause: Some(cause),
        conditions: Vec::new(),
        mode: None,
        received: 0,
        decoded: 0,
        received_fps: 0.0,
        decoded_fps: 0.0,
        inferred_fps: 0.0,
        size: None,
        decoder: None,
        reconnects: 0,
        panics: 0,
        decoder_restarts: 0,
        drops: BTreeMap::new(),
        suppressed: BTreeMap::new(),
    }
}

fn spool_health(health: &spool::Health, wall: WallTime) -> SpoolHealth {
    let class = |backlog: &spool::Backlog| ClassHealth {
        records: backlog.records,
        bytes: backlog.bytes,
        oldest_s: backlog
            .oldest_unix_ms
            .map_or(0, |ms| u64::try_from((wall.unix_nanos() / 1_000_000 - ms) / 1000).unwrap_or(0)),
        lost: backlog.lost,
    };
    let [alert, event, telemetry] = &health.backlog;
    SpoolHealth {
        alert: class(alert),
        event: class(event),
        telemetry: class(telemetry),
        degraded: health.degraded.clone(),
    }
}

fn suppressed_health(entry: behaviour::Suppressed) -> (Id, SuppressedHealth) {
    let behaviour::Suppressed { id, count, last, until } = entry;
    (id, SuppressedHealth { count, last: last.map(WallTime::to_rfc3339), until: until.to_rfc3339() })
}

fn history_health(health: history::Health) -> HistoryHealth {
    let history::Health { bytes, lost, failure } = health;
    HistoryHealth { bytes, lost, cause: failure }
}

/// The time on the wall clock so long before `wall`.
fn before(wall: WallTime, ago: Duration) -> WallTime {
    WallTime::from_unix_nanos(wall.unix_nanos().saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)))
}

/// While there is no connection, that is all there is to say of it.
fn link_health(status: &mqtt::Status, stalled_since: Option<WallTime>) -> LinkHealth {
    let stalled_since = stalled_since.filter(|_| status.connected_since.is_some());
    LinkHealth {
        connected_since: status.connected_since.map(|at| WallTime::from_unix_nanos(at).to_rfc3339()),
        last_error: status.last_error.as_ref().map(|e| crate::agent::engine::error_chain(&**e)),
        reconnects: status.connections.saturating_sub(1),
        stalled_since: stalled_since.map(WallTime::to_rfc3339),
        in_flight: status.in_flight,
        refused: status.refused,
        ignored: status.ignored,
    }
}

/// Whether the line lives: the recorder and every detector do, no inference hangs, and every camera delivers or says why
/// it does not. The watchdog is fed only then; a camera that is away is in a declared state and no reason to restart the
/// agent.
pub fn is_alive(site: &Site) -> bool {
    let now = site.clock().mono();
    site.engines().all(|engine| engine.is_alive(now))
        && site.means().recorder.is_alive()
        && site.posts().all(|post| post.is_alive())
}

/// What a state means for somebody who looks at `systemctl status`.
pub fn summary(site: &Site) -> String {
    let states: Vec<CameraState> = site.posts().filter_map(|p| Some(p.stats()?.0.state)).collect();
    let streaming = states.iter().filter(|s| **s == CameraState::Streaming).count();
    format!("{streaming} of {} cameras streaming", states.len())
}
