//! What rules about how an object behaves in a zone have in common: a condition with hysteresis, for each object.
//!
//! ```text
//!             met                        met for `hold`, schedule open, passes
//!   Quiet ───────────► Pending{since} ─────────────────────────────────────► Open ──┐ update
//!     ▲                    │                                                 │  ▲ ◄─┘
//!     ├────────────────────┘                      clearly not met for `calm` │  │ met again
//!     │     clearly not met                    or gone, or schedule closed   ▼  │
//!     └──────────────────────────────────────────────────────────────── (Calming)
//! ```
//!
//! - A condition is met, clearly not met, or in between. In between changes nothing: what hovers about a limit neither starts
//!   nor ends anything.
//! - Only sightings of objects that are believed to be in the zone are judged (see `presence.rs`). What is lost from sight
//!   stays as it was: `hold` runs on only if the next sighting meets the condition too, and the happening ends when the
//!   presence does.
//! - **Start** at the sighting with which the condition has been met for `hold`, if the schedule is open, and label, score
//!   and size pass. **Update** at most once in [`update_every`](super::Settings::update_every). **End** when the condition was
//!   clearly not met for [`CALM`], at the time since which it was not (`ended_ceased`); when the object leaves or is not seen
//!   any more; when the schedule closes; when a face tells that it is nobody the rule is about (see `who.rs`); when the
//!   stream is cut.
//! - **Not again** by the same object within the cooldown.
//!
//! The key is that of the presence. The measures are what the condition compares, at its worst in the `End`, and for how
//! long it has been met.

use std::fmt::Debug;
use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds, tidy};
use super::presence::Presence;
use super::rules::{AtWork, Places};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime};

/// How long a condition must clearly not be met for its happening to end.
const CALM: Duration = Duration::from_secs(1);

/// How far a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Clearly not.
    Off,
    /// Neither clearly met nor clearly not.
    Between,
    /// It is met.
    On,
}

/// What a condition makes of an object now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub level: Level,
    /// The quantity that was compared.
    pub value: f32,
}

/// What a rule watches for in one object.
pub(super) trait Condition: Debug + Send {
    /// How far `presence`, which is sighted in this step, meets the condition; none where it cannot be told.
    fn read(&mut self, moment: &Moment, presence: &Presence) -> Option<Reading>;

    /// The name of the quantity that is compared, and its limit.
    fn compared(&self) -> (&'static str, f32);

    /// Whether `a` is worse than `b`.
    fn is_worse(&self, a: f32, b: f32) -> bool {
        a > b
    }

    /// Forgets what it knows of objects that are not among these.
    fn keep(&mut self, _presences: &[Presence]) {}
}

/// A rule about how each object in a zone behaves.
#[derive(Debug)]
pub(super) struct Conduct<C> {
    zone: usize,
    identity: Identity,
    gate: Gate,
    condition: C,
    hold: Duration,
    cooldown: Duration,
    update_every: Duration,
    cases: Vec<Case>,
    cooling: Cooldown,
}

/// An object that meets the condition.
#[derive(Debug)]
struct Case {
    key: u64,
    since: MediaTime,
    /// When it was last met.
    met: MediaTime,
    worst: f32,
    open: Option<Open>,
}

/// A happening that goes on.
#[derive(Debug)]
struct Open {
    started: MediaTime,
    updated: MediaTime,
    /// Since when the condition is clearly not met.
    calm_since: Option<MediaTime>,
}

impl<C: Condition> Conduct<C> {
    /// `condition`, which is told once it is met for `hold`.
    pub(super) fn new(post: &Post, condition: C, hold: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            condition,
            hold,
            cooldown: post.rule.cooldown(),
            update_every: post.settings.update_every,
            cases: Vec::new(),
            cooling: Cooldown::default(),
        }
    }

    fn judge(&mut self, moment: &Moment, presence: &Presence, is_awake: bool, out: &mut Vec<Firing>) {
        let Some(Reading { level, value }) = self.condition.read(moment, presence) else { return };
        let Some(index) = self.cases.iter().position(|case| case.key == presence.key) else {
            if level == Level::On {
                let now = moment.now;
                self.cases.push(Case { key: presence.key, since: now, met: now, worst: value, open: None });
                self.start(self.cases.len() - 1, value, moment, presence, is_awake, out);
            }
            return;
        };
        let case = &mut self.cases[index];
        if level == Level::On {
            case.met = moment.now;
        }
        if self.condition.is_worse(value, case.worst) {
            case.worst = value;
        }
        match (&mut case.open, level) {
            (None, Level::Off) => {
                self.cases.swap_remove(index);
            }
            (None, Level::Between) => {}
            (None, Level::On) => self.start(index, value, moment, presence, is_awake, out),
            (Some(open), Level::Off) => {
                open.calm_since.get_or_insert(moment.now);
            }
            (Some(open), Level::Between | Level::On) => {
                open.calm_since = None;
                if moment.now.since(open.updated) >= self.update_every {
                    open.updated = moment.now;
                    out.push(self.firing(FiringPhase::Update, index, value, presence, moment.now));
                }
            }
        }
    }

    fn start(
        &mut self,
        index: usize,
        value: f32,
        moment: &Moment,
        presence: &Presence,
        is_awake: bool,
        out: &mut Vec<Firing>,
    ) {
        let is_due = moment.now.since(self.cases[index].since) >= self.hold;
        let passes = is_awake && self.gate.admits(&presence.track, presence.score(self.gate.score_of));
        if is_due && passes && !self.cooling.is_resting(presence.key) {
            let (started, updated) = (moment.now, moment.now);
            self.cases[index].open = Some(Open { started, updated, calm_since: None });
            out.push(self.firing(FiringPhase::Start, index, value, presence, started));
        }
    }

    /// Ends what is over, and forgets who is gone.
    fn end(&mut self, moment: &Moment, presences: &[Presence], is_awake: bool, out: &mut Vec<Firing>) {
        let mut index = 0;
        while index < self.cases.len() {
            let case = &self.cases[index];
            let presence = presences.iter().find(|p| p.key == case.key);
            let gone = presence.map_or(Some(EndReason::Unseen), Presence::gone);
            let Some(open) = &case.open else {
                if gone.is_some() {
                    self.cases.swap_remove(index);
                } else {
                    index += 1;
                }
                continue;
            };
            let calmed = open.calm_since.filter(|since| moment.now.since(*since) >= CALM);
            let (reason, at) = match (gone, calmed) {
                (Some(reason), _) => (reason, presence.map_or(moment.now, |p| p.last_inside)),
                (None, _) if !is_awake => (EndReason::Schedule, moment.now),
                (None, _) if presence.is_some_and(|p| !self.gate.is_meant(&p.track)) => {
                    (EndReason::Identity, moment.now)
                }
                (None, Some(since)) => (EndReason::Ceased, since),
                (None, None) => {
                    index += 1;
                    continue;
                }
            };
            let (at, worst) = (at.max(open.started), case.worst);
            let mut firing = match presence {
                Some(presence) => self.firing(FiringPhase::End, index, worst, presence, at),
                // A presence is shown once when it is gone, so this is for safety only.
                None => self.identity.firing(FiringPhase::End, case.key, at),
            };
            firing.measures.push(reason.measure());
            out.push(firing);
            // Never again in the same moment, even without a cooldown.
            let rest = self.cooldown.max(Duration::from_nanos(1));
            self.cooling.start(self.cases.swap_remove(index).key, moment.now + rest);
        }
    }

    fn firing(&self, phase: FiringPhase, index: usize, value: f32, presence: &Presence, at: MediaTime) -> Firing {
        let case = &self.cases[index];
        let mut firing = self.identity.firing(phase, case.key, at);
        let (name, limit) = self.condition.compared();
        firing.measures.push(Measure::against(name, tidy(value), tidy(limit)));
        let met = seconds(case.met.since(case.since));
        firing.measures.push(if self.hold.is_zero() {
            Measure::plain(Measure::HELD, met)
        } else {
            Measure::against(Measure::HELD, met, seconds(self.hold))
        });
        self.gate.measure(&presence.track, presence.score(self.gate.score_of), &mut firing.measures);
        firing.track = Some(presence.track.clone());
        firing
    }
}

impl<C: Condition> AtWork for Conduct<C> {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let presences = places.zones[self.zone].presences();
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.end(moment, presences, is_awake, out);
        self.condition.keep(presences);
        for presence in presences.iter().filter(|p| p.is_inside() && p.is_sighted) {
            // Whoever the rule is not about need not be measured.
            if self.gate.concerns(&presence.track) {
                self.judge(moment, presence, is_awake, out);
            }
        }
    }
}
