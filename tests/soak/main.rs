//! The soak, `make soak`: eight 720p cameras, a broker, PostgreSQL, a hub and an agent for as long as is asked for, with random
//! faults, and then what was lost, how late it came and what grew.
//!
//! The agent and the hub are the program that `VEDETTE_PROGRAM` names, each a process of its own, watched from outside. The
//! test is ignored like the long ones of the fault suite, so that `make test` builds it, tries its arithmetic and runs no
//! soak. It reads from its environment:
//!
//! | variable | what | default |
//! |---|---|---|
//! | `SOAK_MINUTES` | how long it runs once all cameras are looked at | 60 |
//! | `SOAK_SEED` | decides which faults, when and for how long | drawn, and printed |
//! | `SOAK_FAULT_SECONDS` | the pause between two faults, on average | 60 |
//! | `SOAK_ONLY` | only faults in whose words this is, such as `broker` | all |
//! | `SOAK_AGENT_KILLS` | with `1` the agent is killed too, and what grew is not judged | 0 |
//!
//! Samples, faults and logs lie in `target/soak/seed-…`, as CSV where a person may want to plot them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print, in its helpers too")]

mod cameras;
mod faults;
mod figures;
mod ledger;
mod listener;
mod program;
mod report;
mod samples;
mod stage;
mod support;
mod usage;

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use vedette::base::clock::{Clock, SystemClock};
use vedette::base::shutdown::Shutdown;
use vedette::hub::database::Database;

use faults::{Faults, Plan};
use listener::Listener;
use report::Report;
use samples::Samples;
use stage::Stage;

/// How often is measured, and how often is said how it goes.
const SAMPLE: Duration = Duration::from_secs(10);
const WORD: Duration = Duration::from_secs(60);
/// How long the agent may take until it looks at every camera, and until nothing waits at the end.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is asked for.
#[derive(Debug, Clone)]
struct Settings {
    length: Duration,
    plan: Plan,
}

impl Settings {
    fn read() -> Self {
        fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
            let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
        }
        Self {
            length: Duration::from_secs_f64(variable("SOAK_MINUTES").unwrap_or(60.0) * 60.0),
            plan: Plan {
                seed: variable("SOAK_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..))),
                pause: Duration::from_secs_f64(variable("SOAK_FAULT_SECONDS").unwrap_or(60.0)),
                agent_kills: variable("SOAK_AGENT_KILLS").unwrap_or(0) > 0,
                only: std::env::var("SOAK_ONLY").unwrap_or_default(),
            },
        }
    }

    /// What comes first is not judged: caches, pools and rings fill.
    fn warm_up(&self) -> Duration {
        (self.length / 4).min(Duration::from_secs(15 * 60))
    }

    /// From here on there are no faults any more.
    fn last_fault(&self) -> Duration {
        self.length - (self.length / 4).min(Duration::from_secs(60))
    }
}

static LOG: OnceLock<(Duration, Mutex<File>)> = OnceLock::new();

/// Prints a line, and writes it to the log, with the time since that was begun.
pub fn say(line: fmt::Arguments<'_>) {
    let (began, log) = LOG.get().expect("the log is begun first");
    let seconds = (SystemClock.mono() - *began).as_secs();
    let line = format!("{:02}:{:02}:{:02} {line}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    println!("{line}");
    writeln!(log.lock().unwrap(), "{line}").unwrap();
}

/// A folder for this run beside the build's other results, without what an earlier run of the same seed left there.
fn folder(seed: u64) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join(format!("soak/seed-{seed}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    LOG.set((SystemClock.mono(), Mutex::new(File::create(folder.join("log")).unwrap()))).unwrap();
    folder
}

#[test]
#[ignore = "long: make soak"]
fn soak() {
    let settings = Settings::read();
    let folder = folder(settings.plan.seed);
    say(format_args!("{:.1} minutes, SOAK_SEED={}", settings.length.as_secs_f64() / 60.0, settings.plan.seed));
    say(format_args!("{}; all of this run is in {}", program::file().display(), folder.display()));
    let Some(mut stage) = Stage::set(&folder) else { return };
    let listener = Listener::start(stage.broker.port());
    let runtime = Runtime::new().unwrap();
    let database = await_looks(&stage, &listener, &runtime);
    let faults = Faults::default();
    let mut samples = Samples::begin(&folder);
    endure(&mut stage, &settings, &faults, &mut samples, &listener);
    let cameras = listener.look(|ears| ears.health.clone()).map(|health| health.cameras).unwrap_or_default();
    drain(&stage, &listener);
    let status = stage.agent.end(Duration::from_secs(30));
    say(format_args!("the agent was told to end: {}", status.map_or("it did not".to_owned(), |s| s.to_string())));
    let rows = runtime.block_on(ledger::stored(&database));
    let (account, twice) = ledger::settle(&ledger::committed(&stage.spool()), &rows);
    let report = Report {
        account,
        twice,
        rows: &rows,
        heard: &listener.look(|ears| ears.heard.clone()),
        repeated: listener.look(|ears| ears.repeated),
        samples: &samples,
        faults: &faults,
        cameras: &cameras,
        warm_up: settings.warm_up(),
        is_one_process: !settings.plan.agent_kills,
        ended_well: status.is_some_and(|status| status.success()),
    };
    report.write_faults(&folder, samples.began());
    report.write_latencies(&folder);
    assert!(report.print(), "a limit was exceeded");
}

/// Waits until every camera is looked at and the hub stores what is seen. The hub's tables, from beside it.
fn await_looks(stage: &Stage, listener: &Listener, runtime: &Runtime) -> Database {
    let url = stage.database.url();
    let until = SystemClock.mono() + PATIENCE;
    let mut database = None;
    loop {
        assert!(stage.agent.ended().is_none() && stage.hub.ended().is_none(), "agent or hub ended, see their logs");
        assert!(SystemClock.mono() < until, "not every camera is looked at, see the agent's log");
        std::thread::park_timeout(Duration::from_millis(500));
        let is_looking = |ears: &listener::Ears| {
            ears.health.as_ref().is_some_and(|health| health.cameras.values().all(|camera| camera.inferred_fps > 0.5))
        };
        if !listener.look(is_looking) {
            continue;
        }
        // The hub has made its tables by then.
        let database = database.get_or_insert_with(|| runtime.block_on(Database::open(&url)).unwrap());
        if runtime.block_on(ledger::count(database)) > 0 {
            break;
        }
    }
    say(format_args!("every camera is looked at, and the hub stores what is seen"));
    database.expect("it was opened")
}

/// Makes faults beside measuring until the time is over.
fn endure(stage: &mut Stage, settings: &Settings, faults: &Faults, samples: &mut Samples, listener: &Listener) {
    let (agent, hub) = (stage.agent.clone(), stage.hub.clone());
    let (shutdown, stopping) = Shutdown::new();
    std::thread::scope(|scope| {
        // Also where this panics, the faults are told to stop.
        let mut shutdown = Some(shutdown);
        let making = scope.spawn(|| faults::make(stage, faults, &settings.plan, &stopping));
        let began = samples.began();
        let mut next = began;
        while SystemClock.mono() < began + settings.length {
            if let Some(status) = agent.ended() {
                panic!("the agent ended by itself: {status}");
            }
            assert!(shutdown.is_none() || !making.is_finished(), "the faults came to an end, see above");
            if SystemClock.mono() >= began + settings.last_fault() && shutdown.take().is_some() {
                say(format_args!("  no more faults"));
            }
            if SystemClock.mono() >= next {
                samples.take(&agent, &hub, listener, faults);
                next += SAMPLE;
            }
            std::thread::park_timeout(Duration::from_millis(200));
        }
    });
}

/// Has the agent let go of its cameras, and waits until it says twice that nothing waits any more.
fn drain(stage: &Stage, listener: &Listener) {
    stage.switch_cameras_off();
    let until = SystemClock.mono() + PATIENCE;
    let words = listener.look(|ears| ears.words);
    let (mut told, mut empty) = (words, 0);
    while empty < 2 && SystemClock.mono() < until {
        std::thread::park_timeout(Duration::from_millis(200));
        let (words, waiting) = listener.look(|ears| (ears.words, ears.waiting()));
        if words > told {
            told = words;
            empty = if waiting == (0, 0) { empty + 1 } else { 0 };
        }
    }
    let (alerts, events) = listener.look(listener::Ears::waiting);
    say(format_args!("cameras are off; {alerts} alerts and {events} events wait"));
}
