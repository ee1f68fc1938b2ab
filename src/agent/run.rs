//! The agent from start to stop: open the stores, connect, start the site, serve commands and signals, stop in reverse.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;
use tokio::time::{Interval, MissedTickBehavior};

use crate::agent::command_desk::{CommandDesk, Office};
use crate::agent::engine::error_chain;
use crate::agent::feeding::START_LIMIT;
use crate::agent::forward::Forwarder;
use crate::agent::health::{self, Reporter};
use crate::agent::layers::{Layered, Layers};
use crate::agent::rollout::{self, Ledger, Rollout, Wishes};
use crate::agent::site::bed::{Act, SiteBed};
use crate::agent::site::{Packages, Site};
use crate::agent::stores::Stores;

pub use crate::agent::stores::StartError;
use crate::base::clock::SharedClock;
use crate::base::shutdown::{Shutdown, Stopping};
use crate::base::{systemd, threads};
use crate::config::{self, Config, Folders, LoadError};
use crate::detect::LibrarySearch;
use crate::event::{ConfigChange, Notice};
use crate::mqtt::{self, Identity, Incoming, Presence as Said, Session, Subscription};
use crate::vocab::WallTime;
use crate::wire::{AckMessage, HealthMessage, Inbound, Presence, PresenceMessage, Topics, to_json};

/// How often time is told to pass where no frame comes.
const TICK: Duration = Duration::from_millis(500);
/// How long cameras and models may take to end. Together with the goodbye it stays below 5 s.
const STOP: Duration = Duration::from_millis(2200);
/// How long a rollout may take to be interrupted.
const ROLLOUT: Duration = Duration::from_millis(500);
/// How long delivering may go on after everything is recorded.
const DRAIN: Duration = Duration::from_millis(1500);
/// How long the session may take to end: the drain and the last word.
const GOODBYE: Duration = Duration::from_millis(2500);

/// How the agent is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration's file, which is read again on SIGHUP and on the command `reload`.
    pub file: PathBuf,
    /// Where relative paths in it start.
    pub folders: Folders,
    /// Where ONNX Runtime is looked for.
    pub search: LibrarySearch,
    /// How often health is published. 10 s but for the demo.
    pub health_interval: Duration,
}

/// Runs the agent until `stopping`. `reload` asks for the configuration to be read again whenever something comes.
///
/// # Errors
/// When it cannot start. Once it runs, nothing ends it but `stopping`.
pub async fn run(
    config: Config,
    options: Options,
    clock: SharedClock,
    reload: mpsc::Receiver<()>,
    stopping: Stopping,
) -> Result<(), StartError> {
    let boot = format!("{:016x}", fastrand::u64(..));
    let topics = Topics::new(&config.id);
    let settings = mqtt::Settings { drain: DRAIN, ..config.mqtt.session_settings() };
    let (session, broker, incoming) = Session::new(settings.clone(), identity(&config, &topics, &boot), clock.clone());
    let mut stores = Stores::open(&config, &clock)?;
    let rollout = match &config.hub {
        Some(hub) => Some((hub.clone(), Ledger::open(&config.state_dir)?)),
        None => None,
    };
    let layered = layered(config, &options, rollout.as_ref().map(|(_, ledger)| ledger));
    stores.packages = rollout.as_ref().map(|(_, ledger)| packages(ledger)).unwrap_or_default();
    let config = &layered.config;
    let agent = config.id.clone();
    let forwarder = Forwarder::new(stores.spool.clone(), settings.delivery, clock.clone());
    let search = options.search.clone();
    // Opening models takes seconds; the session is not started before they say that they run, and the broker hears
    // `online` only from an agent that watches.
    if !config.models.is_empty() {
        systemd::extend_timeout(START_LIMIT);
    }
    let starting = tokio::task::spawn_blocking({
        let (forwarder, broker, clock) = (forwarder.clone(), broker.clone(), clock.clone());
        move || Site::start(layered, search, stores, forwarder, broker, boot, clock)
    });
    let site = tokio::select! {
        site = starting => site.map_err(|e| StartError::Thread { name: "start", source: std::io::Error::other(e) })??,
        // Nothing was said yet, so nothing has to be taken back.
        () = stopping.stopped() => return Ok(()),
    };
    let (hang_up, hung_up) = Shutdown::new();
    let delivery = tokio::spawn(session.run(forwarder.clone(), hung_up.clone()));
    tokio::spawn(forwarder.run(hung_up));
    systemd::ready(&health::summary(&site));
    let reporter = Reporter::new(clock.mono());
    let (acts, acting) = mpsc::channel(1);
    let wishes = Wishes::default();
    let rollout = match rollout {
        Some((hub, ledger)) => {
            let settings = rollout::Settings { agent, boot: site.boot().to_owned(), hub };
            let rollout =
                Rollout::new(settings, ledger, SiteBed::new(acts, clock.clone()), wishes.clone(), clock.clone());
            let started = threads::spawn("rollout", move || rollout.run());
            Some(started.map_err(|source| StartError::Thread { name: "rollout", source })?)
        }
        None => None,
    };
    let link = broker.status();
    let obeys = rollout.is_some().then(|| wishes.clone());
    let mut watchman =
        Watchman { options, clock: clock.clone(), link, reload, incoming, reporter, acting, wishes: obeys };
    let mut site = watchman.watch(site, &stopping, &delivery).await;
    wishes.end();
    if let Some(rollout) = rollout {
        site = watchman.end_rollout(site, rollout).await;
    }
    systemd::stopping();
    // The cameras stop and everything open ends and is recorded; then the session may deliver it and say goodbye.
    match tokio::time::timeout(STOP, tokio::task::spawn_blocking(move || site.stop())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "stopping ended in a panic"),
        Err(_) => tracing::warn!("a camera, a model or the disk does not stop in time and is left to itself"),
    }
    drop(hang_up);
    if tokio::time::timeout(GOODBYE, delivery).await.is_err() {
        tracing::warn!("the broker did not take everything in time; the rest waits in the spool");
    }
    Ok(())
}

/// The file that `config` was read from, and the overlay that the hub has brought into force over it; and what both come to.
/// Where the overlay no longer fits, that is the file alone.
fn layered(config: Config, options: &Options, ledger: Option<&Ledger>) -> Layered {
    let file = config::read_file(&options.file).unwrap_or_default();
    let mut layers = Layers::new(file, options.folders.clone());
    let Some(committed) = ledger.and_then(Ledger::overlay_in_force) else { return Layered { config, layers } };
    let config = layers.restore(Some(committed)).unwrap_or(config);
    Layered { config, layers }
}

/// What the hub has brought into force.
fn packages(ledger: &Ledger) -> Packages {
    Packages { folder: ledger.packages(), in_force: ledger.in_force(), fallen: Vec::new() }
}

/// A timer that makes up for nothing: after a long reload one tick is due, not one for each that was missed.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn identity(config: &Config, topics: &Topics, boot: &str) -> Identity {
    let version = env!("CARGO_PKG_VERSION");
    let said = |presence| to_json(&PresenceMessage::new(presence, boot, version));
    Identity {
        client_id: config.id.to_string(),
        presence: Said { topic: topics.status(), online: said(Presence::Online), offline: said(Presence::Offline) },
        subscriptions: topics
            .subscriptions()
            .into_iter()
            .map(|filter| Subscription { filter, per_second: 50 })
            .collect(),
    }
}

/// The session's task, which ends only when it is told to.
type Delivery = tokio::task::JoinHandle<std::io::Result<()>>;

/// Sees to the running site: ticks, health, watchdog, commands, reloads.
struct Watchman {
    options: Options,
    clock: SharedClock,
    link: watch::Receiver<mqtt::Status>,
    reload: mpsc::Receiver<()>,
    incoming: mpsc::Receiver<Incoming>,
    reporter: Reporter,
    /// What a rollout does to the site.
    acting: mpsc::Receiver<Act>,
    /// Where what the hub wishes goes, where there is a hub.
    wishes: Option<Wishes>,
}

impl Watchman {
    async fn watch(&mut self, mut site: Site, stopping: &Stopping, delivery: &Delivery) -> Site {
        let mut desk = CommandDesk::open(&site);
        let mut tick = every(TICK);
        let mut report = every(self.options.health_interval);
        let feeding = systemd::watchdog_interval().map_or(Duration::from_secs(3600), |interval| interval / 3);
        let mut feed = every(feeding);
        loop {
            tokio::select! {
                () = stopping.stopped() => return site,
                _ = tick.tick() => block_in_place(|| site.tick()),
                _ = report.tick() => block_in_place(|| self.report(&site)),
                _ = feed.tick() => feed_watchdog(&site, delivery),
                Some(act) = self.acting.recv() => block_in_place(|| act(&mut site)),
                Some(()) = self.reload.recv() => drop(block_in_place(|| Office::reload(self, &mut site))),
                Some(message) = self.incoming.recv() => {
                    block_in_place(|| self.take_in(&mut site, &mut desk, &message));
                }
            }
        }
    }

    /// Lets the rollout's thread write down that it was told to stop, as long as that takes only moments.
    async fn end_rollout(&mut self, mut site: Site, rollout: std::thread::JoinHandle<()>) -> Site {
        let until = tokio::time::Instant::now() + ROLLOUT;
        while !rollout.is_finished() && tokio::time::Instant::now() < until {
            match tokio::time::timeout(Duration::from_millis(20), self.acting.recv()).await {
                Ok(Some(act)) => block_in_place(|| act(&mut site)),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        site
    }

    fn report(&mut self, site: &Site) {
        let wall = WallTime::from_unix_nanos(self.clock.unix_nanos());
        let status = self.link.borrow().clone();
        let message = self.reporter.report(site, &status, self.clock.mono(), wall);
        site.means().broker.set_retained(&site.means().topics.health(), to_json(&message));
    }

    fn take_in(&self, site: &mut Site, desk: &mut CommandDesk, message: &Incoming) {
        let topics = site.means().topics.clone();
        match topics.read(&message.topic) {
            Some(Inbound::Command(name)) => {
                // A retained command would be run again at every connect; its id only protects for a day.
                if !message.retained {
                    desk.serve(site, name, &message.payload, self);
                }
            }
            Some(Inbound::Ack) => match serde_json::from_slice::<AckMessage>(&message.payload) {
                Ok(ack) => Arc::clone(site.forwarder()).stored(&ack),
                Err(error) => tracing::warn!(%error, "the hub's acknowledgement cannot be read"),
            },
            Some(Inbound::Desired) if self.wishes.is_some() => {
                // An empty one only clears what was retained.
                if let Some(wishes) = self.wishes.as_ref().filter(|_| !message.payload.is_empty()) {
                    wishes.put(message.payload.clone());
                }
            }
            Some(Inbound::Desired) => tracing::warn!("a hub wishes something, and the configuration names no hub"),
            None => tracing::debug!(topic = message.topic, "nothing to do with this message"),
        }
    }
}

impl Office for Watchman {
    /// A faulty configuration changes nothing.
    fn reload(&self, site: &mut Site) -> Result<Vec<&'static str>, String> {
        let path = self.options.file.clone();
        let read = config::read_file(&path);
        let revision = read.as_ref().map_or_else(|_| "unread".to_owned(), |file| config::revision(file));
        let result = read.and_then(|file| site.renew(file).map_err(|faults| LoadError::Faulty { path, faults }));
        match result {
            Ok(needs_restart) => {
                // Rotated certificates and passwords are read when connecting.
                site.means().broker.reconnect();
                if let Some(wishes) = &self.wishes {
                    wishes.tell_change();
                }
                tracing::info!(revision = site.config().revision, ?needs_restart, "the configuration was read again");
                Ok(needs_restart)
            }
            Err(error) => {
                let faults = match &error {
                    LoadError::Faulty { faults, .. } => faults.errors(),
                    LoadError::Read { .. } => 1,
                };
                let reason = error_chain(&error);
                tracing::error!(error = reason, "the configuration was not taken; the one before stays in force");
                site.notice(&Notice::Config { revision, change: ConfigChange::Refused { faults } });
                Err(reason)
            }
        }
    }

    fn health(&self, site: &Site) -> HealthMessage {
        let wall = WallTime::from_unix_nanos(self.clock.unix_nanos());
        let status = self.link.borrow().clone();
        self.reporter.look(site, &status, self.clock.mono(), wall)
    }
}

fn feed_watchdog(site: &Site, delivery: &Delivery) {
    if health::is_alive(site) && !delivery.is_finished() {
        systemd::alive();
        systemd::status(&health::summary(site));
    } else {
        tracing::error!("a part of the line has ended or hangs; the watchdog is not fed");
    }
}
