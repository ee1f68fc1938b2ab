//! How the agent is, put together from everything that runs: the `health` topic, and whether the line lives.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::post::Post;
use crate::agent::resources::Resources;
use crate::agent::site::Site;
use crate::mqtt;
use crate::spool;
use crate::vocab::{CameraState, Id, WallTime};
use crate::wire::{
    CameraHealth, ClassHealth, HealthMessage, Latency, LinkHealth, ModelHealth, ResourceHealth, SpoolHealth,
};

/// Looks at the site once per period; rates and latencies are those of the period.
#[derive(Debug)]
pub struct Reporter {
    version: &'static str,
    started: Duration,
    last: Duration,
    last_cpu: Duration,
    cameras: BTreeMap<Id, Marks>,
    inferences: BTreeMap<Id, u64>,
}

/// A camera's counters at the last report.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    decoded: u64,
    looks: u64,
}

impl Reporter {
    /// Begins to report at `now`, on the monotonic clock.
    pub fn new(now: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: now,
            last: now,
            last_cpu: Duration::ZERO,
            cameras: BTreeMap::new(),
            inferences: BTreeMap::new(),
        }
    }

    /// How everything is at `now`, and has been since the last report.
    pub fn report(&mut self, site: &Site, link: &mqtt::Status, now: Duration, wall: WallTime) -> HealthMessage {
        let seconds = now.saturating_sub(self.last).as_secs_f64().max(1e-3);
        self.last = now;
        let resources = Resources::now(&site.config().state_dir);
        let cpu = resources.cpu.saturating_sub(self.last_cpu).as_secs_f64() / seconds;
        self.last_cpu = resources.cpu;
        let (models, stages) = self.models(site);
        HealthMessage {
            time: wall.to_rfc3339(),
            clock: site.means().clock_watch.state(),
            version: self.version.to_owned(),
            boot: site.boot().to_owned(),
            uptime_s: now.saturating_sub(self.started).as_secs(),
            config_revision: site.config().revision.clone(),
            cameras: site.posts().filter_map(|p| Some((p.id().clone(), self.camera(p, seconds)?))).collect(),
            models,
            stages,
            spool: spool_health(&site.spool().health(), wall),
            mqtt: link_health(link),
            resources: ResourceHealth {
                cpu_cores: cpu,
                rss_bytes: resources.rss_bytes,
                threads: resources.threads,
                open_files: resources.open_files,
                disk_free_bytes: resources.disk_free_bytes,
            },
        }
    }

    fn camera(&mut self, post: &Post, seconds: f64) -> Option<CameraHealth> {
        let (stats, drops) = post.stats()?;
        let marks = Marks { decoded: stats.counts.decoded, looks: post.looks() };
        let before = self.cameras.insert(post.id().clone(), marks).unwrap_or_default();
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        Some(CameraHealth {
            state: stats.state,
            since: stats.since.to_rfc3339(),
            cause: (!stats.cause.is_empty()).then_some(stats.cause),
            decoded_fps: rate(marks.decoded, before.decoded),
            inferred_fps: rate(marks.looks, before.looks),
            size: stats.info.size,
            decoder: stats.info.decoder,
            reconnects: stats.reconnects,
            drops,
        })
    }

    fn models(&mut self, site: &Site) -> (BTreeMap<Id, ModelHealth>, BTreeMap<String, Latency>) {
        let (mut models, mut stages) = (BTreeMap::new(), BTreeMap::new());
        for engine in site.engines() {
            let report = engine.running.as_ref().map(|r| r.worker.take_report()).unwrap_or_default();
            let inferences = self.inferences.entry(engine.name().clone()).or_default();
            *inferences += report.looked;
            models.insert(engine.name().clone(), engine.health(*inferences, report.last_failure.as_deref()));
            let measured = [
                ("wait", report.wait),
                ("letterbox", report.letterbox),
                ("infer", report.infer),
                ("decode", report.decode),
            ];
            for (stage, latency) in measured.into_iter().filter(|(_, latency)| latency.count > 0) {
                stages.insert(format!("{}/{stage}", engine.name()), latency.into());
            }
        }
        (models, stages)
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

fn link_health(status: &mqtt::Status) -> LinkHealth {
    LinkHealth {
        connected_since: status.connected_since.map(|at| WallTime::from_unix_nanos(at).to_rfc3339()),
        last_error: status.last_error.as_ref().map(|e| crate::agent::engine::error_chain(&**e)),
        reconnects: status.connections.saturating_sub(1),
        in_flight: status.in_flight,
        refused: status.refused,
        ignored: status.ignored,
    }
}

/// Whether the line lives: every detector's thread does, and every camera delivers or says why it does not. The
/// watchdog is fed only then; a camera that is away is in a declared state and no reason to restart the agent.
pub fn is_alive(site: &Site) -> bool {
    let detectors = site.engines().all(|e| e.running.as_ref().map_or(true, |r| r.worker.is_alive()));
    detectors && site.posts().all(|post| post.is_alive())
}

/// What a state means for somebody who looks at `systemctl status`.
pub fn summary(site: &Site) -> String {
    let states: Vec<CameraState> = site.posts().filter_map(|p| Some(p.stats()?.0.state)).collect();
    let streaming = states.iter().filter(|s| **s == CameraState::Streaming).count();
    format!("{streaming} of {} cameras streaming", states.len())
}
