//! What goes wrong: every kind of fault once in random order, then again, with pauses of random length between them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use vedette::base::clock::{Clock, SystemClock};
use vedette::base::shutdown::Stopping;

use crate::say;
use crate::stage::Stage;

/// For so long after a fault it may still be felt.
pub const AFTERMATH: Duration = Duration::from_secs(30);

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BrokerKilled,
    BrokerFrozen,
    HubKilled,
    HubFrozen,
    CamerasKilled,
    CamerasFrozen,
    CameraCut,
    CameraSilent,
    CameraSlow,
    LineCut,
    LineSilent,
    LineSlow,
    Reload,
    AgentKilled,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::BrokerKilled,
        Self::BrokerFrozen,
        Self::HubKilled,
        Self::HubFrozen,
        Self::CamerasKilled,
        Self::CamerasFrozen,
        Self::CameraCut,
        Self::CameraSilent,
        Self::CameraSlow,
        Self::LineCut,
        Self::LineSilent,
        Self::LineSlow,
        Self::Reload,
        Self::AgentKilled,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::BrokerKilled => "broker killed and started again",
            Self::BrokerFrozen => "broker frozen",
            Self::HubKilled => "hub killed and started again",
            Self::HubFrozen => "hub frozen",
            Self::CamerasKilled => "all cameras killed and started again",
            Self::CamerasFrozen => "all cameras frozen",
            Self::CameraCut => "connections cut",
            Self::CameraSilent => "line silent",
            Self::CameraSlow => "line slow",
            Self::LineCut => "agent's line to the broker cut",
            Self::LineSilent => "agent's line to the broker silent",
            Self::LineSlow => "agent's line to the broker slow",
            Self::Reload => "configuration changed and read again",
            Self::AgentKilled => "agent killed and started again",
        }
    }

    /// How long it lasts at least and at most, in seconds.
    fn seconds(self) -> (f64, f64) {
        match self {
            Self::BrokerKilled => (0.5, 8.0),
            Self::BrokerFrozen | Self::LineSilent => (5.0, 25.0),
            Self::HubKilled => (0.5, 15.0),
            Self::HubFrozen | Self::CameraSilent => (5.0, 20.0),
            Self::CamerasKilled => (1.0, 10.0),
            Self::CamerasFrozen => (3.0, 15.0),
            Self::CameraSlow | Self::LineSlow => (10.0, 30.0),
            Self::AgentKilled => (0.5, 3.0),
            Self::CameraCut | Self::LineCut | Self::Reload => (0.0, 0.0),
        }
    }
}

/// One that was made.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: Kind,
    /// Which camera it is about, where it is about one.
    camera: Option<usize>,
    /// When it began and was over, on the monotonic clock; still going on where there is no end.
    pub began: Duration,
    pub ended: Option<Duration>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.camera {
            Some(camera) => write!(f, "camera-{camera}: {}", self.kind.words()),
            None => f.write_str(self.kind.words()),
        }
    }
}

/// All that were made so far.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// A copy of them.
    pub fn so_far(&self) -> Vec<Fault> {
        self.0.lock().unwrap().clone()
    }

    /// Whether at `moment`, on the monotonic clock, no fault went on or was felt.
    pub fn is_quiet(&self, moment: Duration) -> bool {
        let is_felt = |f: &Fault| f.began <= moment && f.ended.is_none_or(|ended| moment <= ended + AFTERMATH);
        !self.0.lock().unwrap().iter().any(is_felt)
    }

    fn begin(&self, kind: Kind, camera: Option<usize>, lasts: Duration) {
        let fault = Fault { kind, camera, began: SystemClock.mono(), ended: None };
        say(format_args!("  {fault}{}", if lasts.is_zero() { String::new() } else { format!(", {lasts:.1?}") }));
        self.0.lock().unwrap().push(fault);
    }

    fn end(&self) {
        if let Some(fault) = self.0.lock().unwrap().last_mut() {
            fault.ended = Some(SystemClock.mono());
        }
    }
}

/// How faults are made.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// The pause between two, on average.
    pub pause: Duration,
    /// Whether the agent is killed too.
    pub agent_kills: bool,
    /// Only faults in whose words this is.
    pub only: String,
}

/// Makes faults until it is told to stop; all is as it was then.
pub fn make(stage: &mut Stage, faults: &Faults, plan: &Plan, stopping: &Stopping) {
    let mut random = Rng::with_seed(plan.seed);
    let mut deck = Vec::new();
    while !stopping.wait(plan.pause.mul_f64(0.5 + random.f64())) {
        if deck.is_empty() {
            deck.extend(Kind::ALL.into_iter().filter(|kind| kind.words().contains(&plan.only)));
            deck.retain(|kind| plan.agent_kills || *kind != Kind::AgentKilled);
            random.shuffle(&mut deck);
        }
        if let Some(kind) = deck.pop() {
            one(stage, faults, kind, &mut random, stopping);
        }
    }
}

fn one(stage: &mut Stage, faults: &Faults, kind: Kind, random: &mut Rng, stopping: &Stopping) {
    let (least, most) = kind.seconds();
    let lasts = Duration::from_secs_f64(least + (most - least) * random.f64());
    let camera = random.usize(..stage.lines.len());
    let forgets = random.bool();
    let is_about_one = matches!(kind, Kind::CameraCut | Kind::CameraSilent | Kind::CameraSlow);
    faults.begin(kind, is_about_one.then_some(camera), lasts);
    // Told to stop, it is over sooner.
    let wait = || {
        stopping.wait(lasts);
    };
    match kind {
        Kind::BrokerKilled => {
            stage.broker.kill();
            wait();
            stage.broker.launch();
        }
        Kind::BrokerFrozen => {
            stage.broker.freeze();
            wait();
            stage.broker.thaw();
        }
        Kind::HubKilled => {
            stage.hub.kill();
            wait();
            stage.hub.launch();
        }
        Kind::HubFrozen => {
            stage.hub.signal(Signal::STOP);
            wait();
            stage.hub.signal(Signal::CONT);
        }
        Kind::CamerasKilled => {
            stage.cameras.kill();
            wait();
            stage.cameras.launch();
        }
        Kind::CamerasFrozen => {
            stage.cameras.signal(Signal::STOP);
            wait();
            stage.cameras.signal(Signal::CONT);
        }
        Kind::CameraCut => stage.lines[camera].cut(),
        Kind::CameraSilent => {
            stage.lines[camera].black_hole(true, forgets);
            wait();
            stage.lines[camera].black_hole(false, forgets);
        }
        Kind::CameraSlow => {
            stage.lines[camera].throttle(60_000);
            wait();
            stage.lines[camera].throttle(0);
        }
        Kind::LineCut => stage.uplink.cut(),
        Kind::LineSilent => {
            stage.uplink.black_hole(true, forgets);
            wait();
            stage.uplink.black_hole(false, forgets);
        }
        Kind::LineSlow => {
            stage.uplink.delay(Duration::from_millis(random.u64(100..800)));
            wait();
            stage.uplink.delay(Duration::ZERO);
        }
        Kind::Reload => stage.change_configuration(),
        Kind::AgentKilled => {
            stage.agent.kill();
            wait();
            stage.agent.launch();
        }
    }
    faults.end();
}

#[test]
fn a_fault_is_felt_from_its_beginning_until_half_a_minute_after_its_end() {
    let at = Duration::from_secs;
    let faults = Faults::default();
    let fault = Fault { kind: Kind::BrokerFrozen, camera: None, began: at(100), ended: Some(at(110)) };
    faults.0.lock().unwrap().push(fault.clone());
    let quiet = [99, 100, 140, 141].map(|second| faults.is_quiet(at(second)));
    assert_eq!(quiet, [true, false, false, true]);
    faults.0.lock().unwrap().push(Fault { began: at(200), ended: None, ..fault });
    assert!(faults.is_quiet(at(199)) && !faults.is_quiet(at(9999)));
}
